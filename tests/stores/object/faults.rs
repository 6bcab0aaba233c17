//! What networks and servers do to requests: each failure has its kind, and what is done again lands once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use temporal_code::stores::{Batch, BucketStore, Due, Error, Position, Queue, RetryPolicy, RetryingStore, Store};
use temporal_code::testing::contract::{self, Medium};
use temporal_code::{SeededRandom, ThreadRandom, Timestamp};

use super::{Place, SECRET, dense, line, log, numbers, one, push, token};
use crate::servers::moto::Moto;
use crate::servers::s3_proxy::{Fault, Proxy, Seen};

/// Longer than moto takes on a busy machine, and shorter than a test wants to wait often.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A bucket behind a proxy, and a handle that has written and goes through it.
async fn behind_proxy() -> (Place, Proxy, BucketStore) {
    let place = Place::new();
    let proxy = Proxy::start(place.port).await;
    let store = place.through(proxy.port).open_with(&[], TIMEOUT);
    push(&store, &log("other"), Position::START, "x").await;
    (place, proxy, store)
}

/// The kind of an error, checked for what it must not show.
fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    let error = result.unwrap_err();
    let mut shown = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        shown.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    error.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_fails_has_its_kind_and_lands_once_when_it_is_made_again() {
    let (place, proxy, store) = behind_proxy().await;
    let a = log("a");
    let mut end = Position::START;
    let faults = [
        (Fault::Answer(403, "AccessDenied"), "denied"),
        (Fault::Answer(403, ""), "denied"),
        (Fault::Answer(401, "Unauthorized"), "denied"),
        (Fault::Answer(400, "ExpiredToken"), "denied"),
        (Fault::Answer(404, "NoSuchBucket"), "unfit"),
        (Fault::Answer(404, ""), "unfit"),
        (Fault::Answer(409, "ConditionalRequestConflict"), "unavailable"),
        (Fault::Answer(409, "OperationAborted"), "unavailable"),
        // It says that there is an object, and there is none.
        (Fault::Answer(412, "PreconditionFailed"), "unavailable"),
        (Fault::Answer(304, ""), "unavailable"),
        (Fault::Answer(408, ""), "unavailable"),
        (Fault::Answer(429, "SlowDown"), "unavailable"),
        (Fault::Answer(400, "RequestTimeout"), "unavailable"),
        (Fault::Answer(400, "InvalidArgument"), "unfit"),
        (Fault::Answer(500, "InternalError"), "unavailable"),
        (Fault::Answer(502, ""), "unavailable"),
        (Fault::Answer(503, "SlowDown"), "unavailable"),
        (Fault::Answer(504, ""), "unavailable"),
        (Fault::Answer(501, "NotImplemented"), "unfit"),
        (Fault::Redirect(301), "unfit"),
        (Fault::Redirect(302), "unfit"),
        // Followed, a read would answer a write.
        (Fault::Redirect(303), "unfit"),
        (Fault::Redirect(307), "unfit"),
        (Fault::CloseBefore, "unavailable"),
        (Fault::CloseAfter, "unavailable"),
        (Fault::Late(Duration::from_millis(300)), "unavailable"),
        (Fault::Slow(2 * TIMEOUT), "unavailable"),
        (Fault::Nameless, "unavailable"),
        (Fault::Endless, "unavailable"),
    ];
    for (number, (fault, expected)) in faults.into_iter().enumerate() {
        proxy.once(fault, |seen| seen.is_create);
        let batch = one(&a, end, &number.to_string());
        assert_eq!(code(store.apply(&batch).await), expected, "{fault:?}");
        end = store.apply(&batch).await.unwrap_or_else(|e| panic!("after {fault:?}: {e:?}"))[0];
        assert_eq!(end.number(), number as u64 + 1, "{fault:?}");
    }
    // What was late has come and changed nothing.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(numbers(&place.open(), &a, 1 << 20).await, dense(faults.len() as u64));
    assert_eq!(place.open().inspect(false).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_delivered_twice_lands_once() {
    let (place, proxy, store) = behind_proxy().await;
    proxy.plan(|seen| if seen.method == "PUT" { Fault::Twice } else { Fault::None });
    let mut end = Position::START;
    for number in 0..3 {
        end = push(&store, &log("a"), end, &number.to_string()).await;
    }
    let sealed = store.apply(&Batch::new(token()).seal(&log("a"), end, vec![line("seal")])).await.unwrap();
    assert_eq!(sealed[0].number(), 4);
    assert_eq!(numbers(&place.open(), &log("a"), 1 << 20).await, dense(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_not_taken_for_a_win_of_another() {
    let (place, proxy, store) = behind_proxy().await;
    // The answer is lost, and somebody else goes on before it is asked again.
    proxy.once(Fault::CloseAfter, |seen| seen.is_create);
    let batch = one(&log("a"), Position::START, "mine");
    assert_eq!(code(store.apply(&batch).await), "unavailable");
    let other = one(&log("a"), Position::START, "theirs");
    assert_eq!(code(store.apply(&other).await), "conflict");
    push(&store, &log("a"), Position::at(1), "next").await;
    assert_eq!(store.apply(&batch).await.unwrap()[0].number(), 1);
    // It did not land, and somebody else did.
    proxy.once(Fault::CloseBefore, |seen| seen.is_create);
    let batch = one(&log("b"), Position::START, "mine");
    assert_eq!(code(store.apply(&batch).await), "unavailable");
    push(&store, &log("b"), Position::START, "theirs").await;
    assert_eq!(code(store.apply(&batch).await), "conflict");
    // Reading back fails: nothing is said before it is known.
    for fault in [Fault::Answer(503, "SlowDown"), Fault::HalfBody, Fault::CloseAfter, Fault::Answer(404, "NoSuchKey")] {
        let stranger = place.through(proxy.port).open_with(&[], TIMEOUT);
        push(&stranger, &log(&format!("{fault:?}")), Position::START, "x").await;
        proxy.once(fault, |seen| seen.method == "GET");
        assert_eq!(code(stranger.apply(&batch).await), "unavailable", "{fault:?}");
        assert_eq!(code(stranger.apply(&batch).await), "conflict", "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_that_fails_has_its_kind_and_succeeds_when_it_is_made_again() {
    let (place, proxy, writer) = behind_proxy().await;
    let a = log("a");
    let mut end = Position::START;
    for number in 0..5 {
        end = push(&writer, &a, end, &number.to_string()).await;
    }
    let due = Due { queue: Queue::default(), at: Timestamp::from_micros(1), run: a.clone() };
    writer.apply(&Batch::new(token()).put_due(due.clone())).await.unwrap();
    let faults = [
        (Fault::Answer(403, "AccessDenied"), "denied"),
        (Fault::Answer(401, ""), "denied"),
        (Fault::Answer(404, "NoSuchBucket"), "unfit"),
        (Fault::Answer(409, "OperationAborted"), "unavailable"),
        (Fault::Answer(412, "PreconditionFailed"), "unavailable"),
        (Fault::Answer(429, "SlowDown"), "unavailable"),
        (Fault::Answer(500, "InternalError"), "unavailable"),
        (Fault::Answer(503, "SlowDown"), "unavailable"),
        (Fault::Redirect(307), "unfit"),
        (Fault::HalfBody, "unavailable"),
        (Fault::CloseBefore, "unavailable"),
        (Fault::CloseAfter, "unavailable"),
    ];
    for (fault, expected) in faults {
        let store = place.through(proxy.port).open_with(&[], TIMEOUT);
        proxy.once(fault, Seen::is_list);
        assert_eq!(code(store.read(&a, 0, 1 << 20).await), expected, "{fault:?} for a list");
        proxy.once(fault, |seen| seen.method == "GET" && !seen.is_list());
        assert_eq!(code(store.read(&a, 0, 1 << 20).await), expected, "{fault:?} for an object");
        proxy.once(fault, Seen::is_list);
        assert_eq!(code(store.end(&a).await), expected, "{fault:?}");
        proxy.once(fault, Seen::is_list);
        assert_eq!(code(store.list(super::RUNS, "", None, 9).await), expected, "{fault:?}");
        proxy.once(fault, Seen::is_list);
        assert_eq!(code(store.due(&due.queue, None, due.at, 9).await), expected, "{fault:?}");
        proxy.calm();
        assert_eq!(numbers(&store, &a, 1 << 20).await, dense(5));
        assert_eq!(store.end(&a).await.unwrap().last, end);
        assert_eq!(store.due(&due.queue, None, due.at, 9).await.unwrap(), std::slice::from_ref(&due));
    }
    // A page for people is no list, and least of all an empty one.
    let store = place.through(proxy.port).open_with(&[], TIMEOUT);
    for fault in [Fault::Html, Fault::Answer(200, "SlowDown"), Fault::Answer(200, "")] {
        proxy.plan(move |seen| if seen.is_list() { fault } else { Fault::None });
        assert_eq!(code(store.read(&a, 0, 1 << 20).await), "unavailable", "{fault:?}");
        assert_eq!(code(store.list(super::RUNS, "", None, 9).await), "unavailable", "{fault:?}");
        assert_eq!(code(store.due(&due.queue, None, due.at, 9).await), "unavailable", "{fault:?}");
        assert_eq!(code(store.queues().await), "unavailable", "{fault:?}");
        assert_eq!(code(store.inspect(false).await), "unavailable", "{fault:?}");
    }
    // What has no end is not read to its end.
    let store = place.through(proxy.port).open_with(&[], TIMEOUT);
    proxy.once(Fault::Endless, Seen::is_list);
    assert_eq!(code(store.end(&a).await), "unavailable");
    proxy.once(Fault::Endless, |seen| seen.method == "GET" && !seen.is_list());
    assert_eq!(code(store.end(&a).await), "corrupt");
}

#[tokio::test(flavor = "multi_thread")]
async fn due_entries_are_put_and_dropped_through_failures() {
    let (place, proxy, store) = behind_proxy().await;
    let due = Due { queue: Queue::default(), at: Timestamp::from_micros(1), run: log("a") };
    let faults = [
        (Fault::Answer(503, "SlowDown"), "unavailable"),
        (Fault::Answer(403, "AccessDenied"), "denied"),
        (Fault::CloseBefore, "unavailable"),
        (Fault::CloseAfter, "unavailable"),
    ];
    for (fault, expected) in faults {
        for (method, batch, left) in [
            ("PUT", Batch::new(token()).put_due(due.clone()), 1),
            ("DELETE", Batch::new(token()).drop_due(due.clone()), 0),
        ] {
            proxy.once(fault, move |seen| seen.method == method);
            assert_eq!(code(store.apply(&batch).await), expected, "{fault:?} for {method}");
            store.apply(&batch).await.unwrap();
            assert_eq!(
                place.open().due(&due.queue, None, due.at, 9).await.unwrap().len(),
                left,
                "{fault:?} for {method}"
            );
        }
    }
    // Not to be there is as good as to be removed.
    proxy.once(Fault::Answer(404, "NoSuchKey"), |seen| seen.method == "DELETE");
    store.apply(&Batch::new(token()).drop_due(due)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_are_behind_lead_to_no_gap_and_no_false_alarm() {
    let (place, proxy, store) = behind_proxy().await;
    let a = log("a");
    let mut end = Position::START;
    for number in 0..3 {
        end = push(&store, &a, end, &number.to_string()).await;
    }
    let blind = place.through(proxy.port).open_with(&[], TIMEOUT);
    push(&blind, &log("b"), Position::START, "x").await;
    assert_eq!(numbers(&blind, &a, 1 << 20).await, dense(3));
    let end = push(&store, &a, end, "four").await;
    let end = push(&store, &a, end, "five").await;
    // From now on, lists are those that were given before.
    proxy.plan(|seen| if seen.is_list() { Fault::Stale } else { Fault::None });
    let fresh = || place.through(proxy.port).open_with(&[], TIMEOUT);
    let stranger = fresh();
    assert_eq!(stranger.read(&a, 0, 1 << 20).await.unwrap().end().last.number(), 3, "an old list is what it is");
    // An append where the old list says that the end is conflicts, and then it is known that there is more.
    assert_eq!(code(stranger.apply(&one(&a, Position::at(3), "x")).await), "conflict");
    assert_eq!(code(fresh().apply(&one(&a, end, "x")).await), "unavailable", "not lost, only not listed");
    assert_eq!(code(fresh().read(&a, 5, 1).await), "unavailable");
    // Who wrote knows better than the list.
    assert_eq!(code(store.read(&a, 0, 1 << 20).await), "unavailable");
    assert_eq!(store.read(&a, 5, 1).await.unwrap().end().last, end);
    let end = push(&store, &a, end, "six").await;
    proxy.calm();
    assert_eq!(numbers(&stranger, &a, 1 << 20).await, dense(6));
    assert_eq!(stranger.end(&a).await.unwrap().last, end);
    assert_eq!(place.open().inspect(false).await.unwrap(), []);
}

/// A medium whose every request may fail, behind what makes calls again.
struct Chaos {
    place: Place,
    proxy: Proxy,
}

impl Chaos {
    async fn new(seed: u64) -> Self {
        let place = Place::new();
        let proxy = Proxy::start(place.port).await;
        // The bucket is tried out in peace.
        push(&place.open(), &log("other"), Position::START, "x").await;
        push(&place.through(proxy.port).open(), &log("another"), Position::START, "x").await;
        proxy.plan(chaos(seed));
        Chaos { place, proxy }
    }
}

/// A failure that passes, in about every fourth request.
fn chaos(seed: u64) -> impl FnMut(&Seen) -> Fault + Send {
    let random = SeededRandom::new(seed);
    move |seen| {
        use temporal_code::Random as _;
        match ((random.uniform() * 40.0) as u32, seen.is_create) {
            (0, _) => Fault::Answer(503, "SlowDown"),
            (1, true) => Fault::Answer(409, "ConditionalRequestConflict"),
            (2, _) => Fault::Answer(429, "SlowDown"),
            (3, _) => Fault::CloseBefore,
            (4, _) => Fault::CloseAfter,
            (5, _) => Fault::HalfBody,
            (6, true) => Fault::Late(Duration::from_millis(30)),
            (7, true) => Fault::Twice,
            (8, _) => Fault::Slow(Duration::from_millis(20)),
            _ => Fault::None,
        }
    }
}

#[async_trait::async_trait]
impl Medium for Chaos {
    async fn open(&self) -> Result<Arc<dyn Store>, Error> {
        let store = self.place.through(self.proxy.port).open();
        let wait = Duration::from_millis(3);
        let policy = RetryPolicy { tries_max: 100, wait_first: wait, factor: 2, wait_max: 10 * wait };
        Ok(Arc::new(RetryingStore::new(Arc::new(store), policy, Arc::new(ThreadRandom))))
    }

    fn scale(&self) -> usize {
        200
    }
}

macro_rules! through_chaos {
    ($($module:ident: $name:ident,)*) => {
        mod through_chaos {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let medium = super::Chaos::new(line!().into()).await;
                    super::contract::$module::$name(&medium).await;
                    assert_eq!(super::Store::inspect(&medium.place.open(), false).await.unwrap(), []);
                }
            )*
        }
    };
}

through_chaos!(
    appends: of_many_writers_of_one_number_one_wins,
    appends: writers_in_contention_lose_nothing,
    appends: the_same_batch_twice_at_once_lands_once,
    appends: a_log_of_many_appends_is_read_over_pages,
    seals: a_sealed_log_takes_nothing,
    faulty: ambiguous_appends_land_once,
);

/// Writers through chaos without anything that helps them: what was acknowledged is there once, what conflicted is not.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_once_and_what_conflicted_is_not() {
    const WRITERS: usize = 5;
    let medium = Arc::new(Chaos::new(7).await);
    let a = log("a");
    let counter = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let (medium, a, counter) = (medium.clone(), a.clone(), counter.clone());
        tasks.spawn(async move {
            let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
            let store = medium.open().await.unwrap();
            for _ in 0..12 {
                let end = store.end(&a).await.unwrap().last;
                let text = format!("t{}", counter.fetch_add(1, Ordering::Relaxed));
                let batch = Batch::new(token()).append(&a, end, vec![line(&text), line("and")]);
                match store.apply(&batch).await {
                    Ok(_) => acknowledged.push(text),
                    Err(Error::Conflict { .. }) => refused.push(text),
                    Err(error) => panic!("{error:?}"),
                }
            }
            (acknowledged, refused)
        });
    }
    let (mut acknowledged, mut refused) = (HashSet::new(), HashSet::new());
    for (done, not_done) in tasks.join_all().await {
        acknowledged.extend(done);
        refused.extend(not_done);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let page = medium.place.open().read(&a, 0, 1 << 20).await.unwrap();
    let texts: Vec<String> = page
        .lines()
        .map(|(_, line)| {
            serde_json::from_slice::<serde_json::Value>(line).unwrap()["text"].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(texts.chunks(2).all(|pair| pair.len() == 2 && pair[1] == "and"), "{texts:?}");
    let landed: Vec<&String> = texts.iter().step_by(2).collect();
    assert_eq!(landed.len(), acknowledged.len());
    assert_eq!(landed.iter().copied().collect::<HashSet<_>>(), acknowledged.iter().collect());
    assert!(refused.is_disjoint(&acknowledged) && !acknowledged.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_through_the_proxy_that_the_settings_name() {
    let place = Place::new();
    let proxy = Proxy::start(place.port).await;
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let store = place.open_with(&[("AWS_PROXY_URL", &url)], TIMEOUT);
    assert_eq!(store.end(&log("a")).await.unwrap().last, Position::START);
    assert_eq!(proxy.calm(), 1);
    let past = place.open_with(&[("HTTPS_PROXY", &url), ("NO_PROXY", "127.0.0.1")], TIMEOUT);
    assert_eq!(past.end(&log("a")).await.unwrap().last, Position::START);
    assert_eq!(proxy.calm(), 0);
}

#[tokio::test]
async fn nothing_answers() {
    let moto = Moto::shared();
    let place = Place { port: moto.port, bucket: "bucket-that-nobody-made".to_owned() };
    let store = place.open();
    for error in [
        store.apply(&one(&log("a"), Position::START, "x")).await.unwrap_err(),
        store.end(&log("a")).await.unwrap_err(),
        store.list(super::RUNS, "", None, 1).await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::Unfit { problem, .. } if problem.contains("bucket-that-nobody-made")),
            "{error}"
        );
    }
    // Nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let store = place.through(port).open();
    assert_eq!(code(store.end(&log("a")).await), "unavailable");
    assert_eq!(store.requests().lists, 1);
    assert!(!format!("{store:?}").contains(SECRET));
}
