//! Runs as `temporal_code::workflows` shows them, and what somebody outside does with them, on stores of ours.

use std::sync::Arc;

use temporal_code::stores::{FileOptions, FileStore, MemoryStore, Store};
use temporal_code::workflows::batches::{self, Stamp, WorkerLease};
use temporal_code::workflows::{
    Call, ClientError, Ending, Event, Json, OutgoingMessage, RunClient, RunEvent, Runs, StartRequest, Status,
    compare_runs, fold_history, inbox_log, run_log,
};
use temporal_code::{SeededRandom, SystemClock, ThreadRandom, Timestamp};

fn recorded() -> Runs {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/runs");
    Runs::Own(Arc::new(FileStore::open(path, FileOptions::default()).unwrap()))
}

fn memory() -> (Arc<MemoryStore>, Runs) {
    let store = Arc::new(MemoryStore::new());
    (store.clone(), Runs::Own(store))
}

fn json(text: &str) -> Json<'static> {
    Json::parse(text).unwrap()
}

fn start<'a>(input: &'a Json<'a>, run: Option<&'a str>, key: Option<&'a str>) -> StartRequest<'a> {
    StartRequest { workflow: "greet", input, queue: "default", run, key }
}

fn message<'a>(event: &'a str, value: &'a Json<'a>, key: Option<&'a str>) -> OutgoingMessage<'a> {
    OutgoingMessage { event, value, key, from: Some("tests") }
}

/// A worker takes the run, does `events` and lets go of it, or ends it.
async fn work(store: &dyn Store, run: &str, events: Vec<Event<'_>>, ending: Option<Ending<'_>>) {
    let stamp = || Stamp { token: temporal_code::stores::Token::new(&ThreadRandom), now: Timestamp::now() };
    let mut fold = fold_history(store, &run_log(run).unwrap()).await.unwrap();
    let hold = WorkerLease { worker: "w", until: Timestamp::now().offset_micros(60_000_000) };
    store.apply(&batches::claim(&mut fold, stamp(), hold).unwrap()).await.unwrap();
    let batch = match ending {
        None => batches::release(&mut fold, stamp(), events, None, &[]),
        Some(ending) => batches::stop(&mut fold, stamp(), events, ending, None, &[]),
    };
    store.apply(&batch.unwrap()).await.unwrap();
}

fn wait_for(event: &'static str) -> Event<'static> {
    Event::Wait { call: Call::new("answer", 1), events: vec![event.into()], until: None, take: 0, done: false }
}

fn receive(value: &Json<'_>, inbox: u64, id: &str) -> Event<'static> {
    let message = temporal_code::workflows::Message {
        id: id.to_owned().into(),
        event: "allow".into(),
        value: value.clone().into_owned(),
        from: None,
        sent_at: None,
    };
    Event::Receive { inbox, message, to: Some(Call::new("answer", 1)), done: true }
}

#[tokio::test]
async fn a_page_of_ids_goes_on_behind_the_last() {
    let runs = recorded();
    let all = runs.ids(None, "", None, 100).await.unwrap();
    assert_eq!((all.ids.len(), all.more), (27, false));
    let mut found = Vec::new();
    loop {
        let page = runs.ids(None, "", found.last().map(String::as_str), 5).await.unwrap();
        assert!(page.ids.len() <= 5);
        found.extend(page.ids);
        if !page.more {
            break;
        }
    }
    assert_eq!(found, all.ids);
    let orders = runs.ids(None, "order-1", None, 100).await.unwrap();
    assert!(orders.ids.iter().all(|id| id.starts_with("order-1")) && orders.ids.len() == 4, "{orders:?}");
}

#[tokio::test]
async fn a_look_and_the_whole_agree() {
    let runs = recorded();
    let ids = runs.ids(None, "", None, 100).await.unwrap().ids;
    let now = Timestamp::now();
    let looked = runs.look(&ids, now).await.unwrap();
    assert_eq!(looked.runs.len(), ids.len());
    for (id, run) in looked.runs {
        let run = run.unwrap();
        let mut moments = 0;
        let mut count = |_: &RunEvent<'_>| {
            moments += 1;
            true
        };
        let whole = runs.follow(&id, now, &mut count).await.unwrap().unwrap();
        assert_eq!(format!("{:?}", whole.run), format!("{run:?}"));
        assert_eq!(whole.is_sound(), run.status != Status::Corrupt);
        assert!(moments > 0 && runs.has(&id).await.unwrap());
        // Stopped at any event, the state is that of this event.
        for stop in 1..=moments {
            let mut seen = 0;
            let mut last = None;
            let mut until = |event: &RunEvent<'_>| {
                seen += 1;
                last = Some(event.status_after());
                seen < stop
            };
            let part = runs.follow(&id, now, &mut until).await.unwrap().unwrap();
            if stop < moments {
                assert_eq!(Some(part.run.status), last.map(|brief| brief.status), "{id} {stop}");
            }
        }
    }
    for nobody in ["nobody", "", "../greet-1", &"x".repeat(10_000)] {
        assert!(!runs.has(nobody).await.unwrap(), "{nobody}");
        assert!(runs.follow(nobody, now, &mut |_| true).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn it_is_told_since_when_a_run_waits() {
    let (store, runs) = memory();
    let client = RunClient::new(&runs, &SystemClock, &ThreadRandom);
    client.start(start(&json("1"), Some("a"), None)).await.unwrap();
    work(&*store, "a", vec![wait_for("allow")], None).await;
    let first = client.look("a").await.unwrap();
    let log = Event::Log { n: 1, text: "still here".into(), level: None };
    work(&*store, "a", vec![log], None).await;
    let second = client.look("a").await.unwrap();
    assert_eq!((first.status, second.status), (Status::Waiting, Status::Waiting));
    assert_eq!(first.since, second.since, "it waits since the wait began");
    assert!(second.updated_at > first.updated_at);
}

#[tokio::test]
async fn what_is_sent_again_with_its_key_lands_once() {
    let (store, runs) = memory();
    let client = RunClient::new(&runs, &SystemClock, &ThreadRandom);
    client.start(start(&json("1"), Some("a"), None)).await.unwrap();
    let (one, same, other) = (json(r#"{"x": 1, "y": [2]}"#), json(r#"{ "y":[2],"x":1 }"#), json(r#"{"x": 2}"#));
    let sent = client.send("a", message("allow", &one, Some("k"))).await.unwrap();
    assert!(!sent.deduplicated);
    assert!(client.send("a", message("allow", &same, Some("k"))).await.unwrap().deduplicated);
    for (event, value) in [("allow", &other), ("deny", &one)] {
        let error = client.send("a", message(event, value, Some("k"))).await.unwrap_err();
        assert!(matches!(error, ClientError::KeyUsed { .. }), "{error}");
    }
    let error = client.cancel("a", None, Some("k"), None).await.unwrap_err();
    assert!(matches!(error, ClientError::KeyUsed { .. }), "{error}");
    assert_eq!(store.end(&inbox_log("a").unwrap()).await.unwrap().last.number(), 1);
    // It is known also when the run has taken it and has ended.
    work(&*store, "a", vec![wait_for("allow")], None).await;
    work(&*store, "a", vec![receive(&one, 1, "k")], Some(Ending::Ok(json("true")))).await;
    assert!(client.taken(&sent).await.unwrap());
    assert!(client.send("a", message("allow", &one, Some("k"))).await.unwrap().deduplicated);
    let error = client.send("a", message("allow", &one, Some("new"))).await.unwrap_err();
    assert!(matches!(error, ClientError::Ended { status: Status::Completed, .. }), "{error}");
    let error = client.send("b", message("allow", &one, None)).await.unwrap_err();
    assert!(matches!(error, ClientError::NoRun { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_with_one_key_one_line_lands() {
    let (store, runs) = memory();
    RunClient::new(&runs, &SystemClock, &ThreadRandom).start(start(&json("1"), Some("a"), None)).await.unwrap();
    let senders = (0..16u64).map(|n| {
        let runs = runs.clone();
        tokio::spawn(async move {
            let random = SeededRandom::new(n);
            let client = RunClient::new(&runs, &SystemClock, &random);
            let value = json("7");
            let keyed = client.send("a", message("allow", &value, Some("k"))).await.unwrap();
            client.send("a", message("other", &value, None)).await.unwrap();
            keyed.deduplicated
        })
    });
    let mut first = 0;
    for sender in senders.collect::<Vec<_>>() {
        first += u32::from(!sender.await.unwrap());
    }
    assert_eq!(first, 1);
    assert_eq!(store.end(&inbox_log("a").unwrap()).await.unwrap().last.number(), 17);
}

#[tokio::test]
async fn what_is_started_again_with_its_key_begins_once() {
    let (store, runs) = memory();
    let client = RunClient::new(&runs, &SystemClock, &ThreadRandom);
    let (one, two) = (json("1"), json("2"));
    let first = client.start(start(&one, None, Some("k"))).await.unwrap();
    assert_eq!((first.run.as_str(), first.deduplicated), ("greet-k", false));
    assert!(client.start(start(&one, None, Some("k"))).await.unwrap().deduplicated);
    let error = client.start(start(&two, None, Some("k"))).await.unwrap_err();
    assert!(matches!(error, ClientError::KeyUsed { .. }), "{error}");
    let error = client.start(start(&one, Some("greet-k"), None)).await.unwrap_err();
    assert!(matches!(error, ClientError::Exists { .. }), "{error}");
    let other = client.start(start(&one, None, None)).await.unwrap();
    assert!(other.run.starts_with("greet-") && other.run != "greet-k");
    // A start of which only the first part landed is finished by who asks again.
    let due = store.due(&temporal_code::stores::Queue::default(), None, Timestamp::MAX, 10).await.unwrap();
    let of_first: Vec<_> = due.iter().filter(|due| due.run.id() == "greet-k").cloned().collect();
    assert_eq!(of_first.len(), 1);
    let token = temporal_code::stores::Token::new(&ThreadRandom);
    store.apply(&temporal_code::stores::Batch::new(token).drop_due(of_first[0].clone())).await.unwrap();
    assert!(client.start(start(&one, None, Some("k"))).await.unwrap().deduplicated);
    let due = store.due(&temporal_code::stores::Queue::default(), None, Timestamp::MAX, 10).await.unwrap();
    assert!(due.contains(&of_first[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_the_end_sees_it() {
    let (store, runs) = memory();
    let client = RunClient::new(&runs, &SystemClock, &ThreadRandom);
    client.start(start(&json("1"), Some("a"), None)).await.unwrap();
    let (ended, ()) = tokio::join!(client.end("a"), async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        work(&*store, "a", Vec::new(), Some(Ending::Failed(json(r#"{"type":"T","message":"m"}"#)))).await;
    });
    let ended = ended.unwrap();
    assert_eq!((ended.status, ended.error.unwrap().plain().as_str()), (Status::Failed, "T: m"));
    assert!(matches!(client.end("b").await, Err(ClientError::NoRun { .. })));
}

#[tokio::test]
async fn two_runs_differ_where_their_code_went_another_way() {
    let (store, runs) = memory();
    let client = RunClient::new(&runs, &SystemClock, &ThreadRandom);
    let now = Timestamp::now();
    for (run, answer) in [("a", "true"), ("b", "true"), ("c", "false")] {
        client.start(start(&json("1"), Some(run), None)).await.unwrap();
        work(&*store, run, vec![wait_for("allow")], None).await;
        if run == "b" {
            // How workers share a run does not count.
            work(&*store, run, Vec::new(), None).await;
        }
        let value = json(answer);
        client.send(run, message("allow", &value, None)).await.unwrap();
        work(&*store, run, vec![receive(&value, 1, "m")], Some(Ending::Ok(value.clone()))).await;
    }
    let same = compare_runs((&runs, "a"), (&runs, "b"), now).await.unwrap().unwrap();
    assert_eq!((same.same, same.sides.concat().len()), (4, 0), "{same:?}");
    let differ = compare_runs((&runs, "a"), (&runs, "c"), now).await.unwrap().unwrap();
    assert_eq!(differ.same, 2);
    assert_eq!(differ.sides.each_ref().map(|side| side[0].0.kind), ["receive", "receive"]);
    assert_eq!(compare_runs((&runs, "a"), (&runs, "d"), now).await.unwrap().unwrap_err(), "d");
}
