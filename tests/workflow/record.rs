//! The example that records a store of runs, and `fixtures/runs`, which it wrote.
//!
//! `UPDATE_EXPECT=1 cargo test --test workflow record` writes the fixture anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use temporal_code::Timestamp;
use temporal_code::stores::{Batch, FileOptions, FileStore, LIST_PAGE, Line, Position, Queue, Settings, Store, Token};
use temporal_code::workflows::{INBOX, RUNS, Status, fold_history, inbox_log, latest_generation, read_inbox, run_log};

use crate::fixtures::{files, hold_against, opened};
use crate::record_example::record;
use crate::scenario::{look, text};
use crate::support::at;

const AT: [&str; 2] = ["--at", "2026-11-22T04:00:00Z"];

const RECORDED: &str = "\
order-1 completed
order-1/ship/1 completed
order-2 waiting
order-2/ship/1 sleeping
order-3 running
order-4 waiting
order-6 waiting
order-7 pending
order-8 waiting
order-5 failed
order-9 retrying
order-10 cancelled
greet-1 waiting
greet-2 completed
survey-1 waiting
refund-1 retrying
refund-2 failed
refund-3 retrying
remind-1 sleeping
remind-2 cancelled
nightly-report sleeping
subscription-1 completed
stock-1 completed
stock-2 waiting
café 12/küche № 7 waiting
order-11 \\u{202e}1-redro\\u{2069}\\n\\u{1b}[31m failed
import-13 corrupt
";

/// What is said of twenty times `n` runs more.
fn many(n: u64) -> String {
    let (two, ten, last) = (2 * n, 10 * n, 20 * n);
    format!(
        "load-000001 to load-{last:06}: {n} pending, {n} running, {two} sleeping, {two} waiting, {n} retrying, \
         {ten} completed, {two} failed, {n} cancelled\n"
    )
}

/// What `fsck` says of a store that was recorded.
const FOUND: &str = "runs/import-13: line 4: the run starts a second time\n";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/runs")
}

/// What the example says when it is given these arguments.
async fn said(arguments: &[&str], settings: &Settings) -> Result<String, String> {
    let mut out = Vec::new();
    let arguments = arguments.iter().map(|argument| (*argument).to_owned());
    let done = record(arguments, settings, &mut out).await;
    let out = String::from_utf8(out).expect("UTF-8");
    done.map(|()| out.clone()).map_err(|error| format!("{out}{error}"))
}

/// The same for a folder.
async fn said_of(folder: &Path, options: &[&str]) -> Result<String, String> {
    let address = folder.to_str().expect("UTF-8");
    said(&[&[address], options].concat(), &Settings::default()).await
}

/// Whoever looks later finds the same as who looks at once.
async fn is_sound_but_for_one(store: &dyn Store, runs: u64) {
    for now in [at(0), at(400 * 86_400)] {
        let (findings, summary) = look(store, false, now).await;
        assert_eq!(text(&findings), FOUND);
        assert_eq!((summary.runs, summary.corrupt, summary.cut_short), (runs, 1, false));
    }
}

/// How many runs whose id begins so are in which state.
async fn statuses(store: &dyn Store, start: &str) -> BTreeMap<Status, u64> {
    let mut counts = BTreeMap::new();
    for run in store.list(RUNS, start, None, LIST_PAGE).await.expect("runs") {
        let (log, _) = latest_generation(store, &run).await.expect("a generation");
        let fold = fold_history(store, &log).await.expect("a history");
        *counts.entry(fold.state().status()).or_insert(0) += 1;
    }
    counts
}

#[tokio::test]
async fn it_is_recorded_as_it_was() {
    let made = tempfile::tempdir().expect("a folder");
    assert_eq!(said_of(made.path(), &AT).await.as_deref(), Ok(RECORDED));
    hold_against(&files(made.path()), &fixture());

    let (_copy, store) = opened(&fixture()).await;
    is_sound_but_for_one(&store, 27).await;
    let counts = statuses(&store, "").await;
    for status in Status::ALL.into_iter().filter(|status| *status != Status::Parked) {
        let told = RECORDED.lines().filter(|line| line.ends_with(&format!(" {status}"))).count() as u64;
        assert!(told > 0 && counts.get(&status) == Some(&told), "{status}: {told}, {counts:?}");
    }
    // What has happened, happened in the two days before.
    for run in store.list(RUNS, "", None, LIST_PAGE).await.expect("runs") {
        let fold =
            fold_history(&store, &latest_generation(&store, &run).await.expect("a generation").0).await.expect("one");
        let (from, to) = (fold.state().started_at(), fold.state().updated_at());
        assert!(from >= Some(at(-2 * 86_400)) && to <= Some(at(0)), "{run}: {from:?} {to:?}");
    }
}

#[tokio::test]
async fn what_the_runs_are_for() {
    let (_copy, store) = opened(&fixture()).await;
    let folded = async |id: &str| {
        let (log, _) = latest_generation(&store, &run_log(id).expect("a name")).await.expect("a generation");
        fold_history(&store, &log).await.expect("a history").into_state()
    };
    let waiting = folded("greet-1").await;
    assert_eq!((waiting.waiting_for().events, waiting.waiting_for().until), (vec!["allow"], None));
    let either = folded("order-4").await;
    assert_eq!((either.waiting_for().events, either.waiting_for().until), (vec!["paid", "changed"], Some(at(86_400))));
    assert_eq!(folded("order-2").await.waiting_for().children, ["order-2/ship/1"]);
    assert!(folded("refund-3").await.put_off().is_some_and(|put_off| put_off.error.is_some()));
    assert!(folded("refund-1").await.waiting_for().retry_at > Some(at(0)));
    assert!(folded("order-9").await.is_reverting());
    assert_eq!(folded("survey-1").await.kept().count(), 1);
    assert_eq!((folded("nightly-report").await.life(), folded("stock-1").await.log().generation()), (3, 2));
    assert!(fold_history(&store, &run_log("stock-2").expect("a name")).await.expect("one").state().is_forgotten());
    // What is in inboxes and not in histories.
    for (run, what, is_due) in
        [("order-4", "message", false), ("order-6", "cancel", true), ("order-8", "message", true)]
    {
        let (inbox, mut found) = (inbox_log(run).expect("a name"), Vec::new());
        let each = |_: &_, _, entry: temporal_code::workflows::InboxEntry<'_>| found.push(entry.body.kind());
        read_inbox(&store, &inbox, folded(run).await.inbox(), each).await.expect("an inbox");
        assert_eq!(found, [what], "{run}");
        let due = store.due(&Queue::default(), None, at(0), 100).await.expect("entries");
        assert_eq!(due.iter().any(|due| due.run == inbox), is_due, "{run}");
    }
}

#[tokio::test]
async fn it_is_not_recorded_twice() {
    let made = tempfile::tempdir().expect("a folder");
    let options = [&AT[..], &["--many", "200"]].concat();
    assert_eq!(said_of(made.path(), &options).await, Ok(RECORDED.to_owned() + &many(10)));
    let (store, before) = (FileStore::open(made.path(), FileOptions::default()).expect("a store"), files(made.path()));
    is_sound_but_for_one(&store, 227).await;
    assert_eq!(statuses(&store, "load-").await.values().sum::<u64>(), 200);
    for options in [&[][..], &AT, &options] {
        let refused = said_of(made.path(), options).await.expect_err("there are runs");
        let place = made.path().display();
        assert_eq!(
            refused,
            format!("{place} already has runs/order-1: nothing was written; record into another place")
        );
    }
    assert!(files(made.path()) == before, "it is as it was");

    // Written by many tasks at a time, it is the same.
    let again = tempfile::tempdir().expect("a folder");
    said_of(again.path(), &options).await.expect("it is recorded");
    assert!(files(again.path()) == before, "the same arguments make the same store");
}

#[tokio::test]
async fn nothing_comes_beside_what_others_wrote() {
    for (kind, id, more) in [(RUNS, "import-13", false), (INBOX, "order-2/ship/1", false), (RUNS, "load-000009", true)]
    {
        let made = tempfile::tempdir().expect("a folder");
        let store = FileStore::create(made.path(), FileOptions::default()).expect("a store");
        let log = run_log(id).expect("a name").of_kind(kind);
        let line = Line::new(r#"{"type":"theirs"}"#).expect("a line");
        store
            .apply(&Batch::new(Token::from_bits(1)).append(&log, Position::START, vec![line]))
            .await
            .expect("it lands");
        let before = files(made.path());
        let refused = said_of(made.path(), if more { &["--many", "1"] } else { &[] }).await.expect_err("it is there");
        assert!(refused.contains(&format!(" already has {log}: nothing was written")), "{refused}");
        assert!(files(made.path()) == before, "{id}");
    }
}

#[tokio::test]
async fn arguments() {
    let settings = Settings::default();
    let help = said(&["--help"], &settings).await.expect("help");
    assert!(help.contains("Usage: record [OPTIONS] ADDRESS"), "{help}");
    for (arguments, problem) in [
        (&[][..], "no address was given; see --help"),
        (&["a", "b"], "there is more than one address; see --help"),
        (&["a", "--at", "noon"], "`noon` is no time; see --help"),
        (&["a", "--at"], "--at needs a value; see --help"),
        (&["a", "--many", "-1"], "`-1` is no number of runs; see --help"),
        (&["a", "--fast"], "--fast is not known; see --help"),
    ] {
        assert_eq!(said(arguments, &settings).await, Err(problem.to_owned()));
    }
    assert!(said(&["ftp://a"], &settings).await.is_err());
}

#[tokio::test]
async fn without_a_time_it_ends_now() {
    let (made, before) = (tempfile::tempdir().expect("a folder"), Timestamp::now());
    assert_eq!(said_of(made.path(), &[]).await.as_deref(), Ok(RECORDED));
    let store = FileStore::open(made.path(), FileOptions::default()).expect("a store");
    let fold = fold_history(&store, &run_log("order-7").expect("a name")).await.expect("a history");
    let started_at = fold.state().started_at().expect("it began");
    assert!(started_at > before.offset_micros(-21_000_000) && started_at < Timestamp::now(), "{started_at}");
}

/// What is recorded on a server is what is recorded in a folder.
#[cfg(any(feature = "redis", feature = "object-store"))]
async fn is_recorded_at(address: &str, settings: &Settings, scores: u64) {
    let runs = (20 * scores).to_string();
    let arguments = [&[address], &AT[..], &["--many", &runs]].concat();
    assert_eq!(said(&arguments, settings).await, Ok(RECORDED.to_owned() + &many(scores)));
    let address = temporal_code::stores::Address::parse(address).expect("an address");
    let store = address.open(settings, false).await.expect("a store");
    is_sound_but_for_one(&*store, 27 + 20 * scores).await;
    let refused = said(&arguments, settings).await.expect_err("there are runs");
    assert!(refused.contains(" already has runs/order-1: nothing was written"), "{refused}");
    // The same lines as in the folder.
    let (_copy, folder) = opened(&fixture()).await;
    for kind in [RUNS, INBOX] {
        for log in folder.list(kind, "", None, LIST_PAGE).await.expect("logs") {
            let bytes = async |store: &dyn Store, log: &_| {
                store.read(log, 0, 1 << 20).await.map(|page| {
                    page.lines().map(|(_, line)| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>()
                })
            };
            let (here, there) =
                (bytes(&folder, &log).await.expect("lines"), bytes(&*store, &log).await.expect("lines"));
            assert_eq!(here, there, "{log}");
        }
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn on_a_redis() {
    let server = crate::servers::redis::RedisServer::start();
    is_recorded_at(&format!("redis://127.0.0.1:{}/2", server.port()), &Settings::default(), 10).await;
}

#[cfg(feature = "object-store")]
#[tokio::test(flavor = "multi_thread")]
async fn in_a_bucket() {
    let moto = crate::servers::moto::Moto::shared();
    let endpoint = format!("http://127.0.0.1:{}", moto.port);
    let settings = [("AWS_ENDPOINT_URL", &*endpoint), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let settings = Settings::from_environment(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
    is_recorded_at(&format!("s3://{}/pre", moto.new_bucket()), &settings, 1).await;
}
