//! The real files that the package wrote.

use expect_test::expect;
use temporal_code::foreign::substantial::{
    StoredRun, SubstantialFiles, SubstantialFold, SubstantialReading, WorkerZone, likely_messages,
};

use crate::support::{at, fixtures, line};

fn open() -> SubstantialFiles {
    SubstantialFiles::open(&fixtures().join("fs"), WorkerZone::utc()).unwrap()
}

fn all() -> Vec<StoredRun> {
    let files = open();
    let listing = files.runs(None, None, 100).unwrap();
    assert_eq!((listing.more, listing.warnings.len()), (false, 0), "{:?}", listing.warnings);
    assert!(listing.items.iter().all(|listed| listed.linked));
    let names: Vec<&str> = listing.items.iter().map(|listed| listed.run.as_str()).collect();
    let found = files.read(&names).unwrap();
    found.iter().zip(&listing.items).for_each(|(found, listed)| assert_eq!(found.workflow, listed.workflow));
    assert!(found.iter().all(|found| found.warnings.is_empty()));
    found
}

/// The moment at which the workers were stopped.
const STOPPED: &str = "2026-11-21T21:50:10Z";

#[test]
fn every_run_stands_as_it_did() {
    let lines: String = all().iter().map(|found| line(found, at(STOPPED)) + "\n").collect();
    expect![[r#"
        cancels: cancelled; 2 events, 1 steps, 0 messages, 0 problems, 0 schedules; it has not ended, and nothing leads to it, as when a run is cancelled from inside
        doomed: failed; 4 events, 1 steps, 0 messages, 0 problems, 0 schedules; event 4 ends it with an error
        example: completed; 8 events, 3 steps, 2 messages, 0 problems, 0 schedules; event 8 ends it with a result
        example: waiting Message { not: [] }; 4 events, 2 steps, 0 messages, 0 problems, 1 schedules; the last replay found that something it waits for had not come
        flaky: retrying RetryAt(Some(Timestamp(1795470562907814))); 2 events, 1 steps, 0 messages, 0 problems, 1 schedules; step 1 failed, and attempt 2 is next
        sleeper: sleeping Until(Timestamp(1797889763078853)); 5 events, 3 steps, 0 messages, 0 problems, 1 schedules; sleep 4 lasts until 2026-12-21T21:49:23.078853Z
        waiter: waiting Message { not: [] }; 2 events, 1 steps, 0 messages, 0 problems, 1 schedules; the last replay found that something it waits for had not come
        waiter: completed; 4 events, 1 steps, 1 messages, 0 problems, 0 schedules; event 4 ends it with a result
    "#]].assert_eq(&lines);
}

#[test]
fn times_are_told_as_far_as_they_are_known() {
    let shown = |found: &StoredRun| {
        let status = found.status(&WorkerZone::utc(), at(STOPPED));
        let time = |time: Option<temporal_code::Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
        let (since, started, ended) = (time(status.since), time(status.started_at), time(status.ended_at));
        format!("{}: since {since}, started {started}, ended {ended} {}\n", found.workflow, status.ended_at_inferred)
    };
    expect![[r#"
        cancels: since 2026-11-21T21:49:23.098408Z, started 2026-11-21T21:49:23.023653Z, ended - false
        doomed: since 2026-11-21T21:49:23.481272Z, started 2026-11-21T21:49:22.934280Z, ended 2026-11-21T21:49:23.481272Z true
        example: since 2026-11-21T21:49:40.582583Z, started 2026-11-21T21:49:22.854594Z, ended 2026-11-21T21:49:40.582583Z true
        example: since 2026-11-21T21:49:24.389292Z, started 2026-11-21T21:49:22.885667Z, ended - false
        flaky: since 2026-11-21T21:49:23.062603Z, started 2026-11-21T21:49:22.907814Z, ended - false
        sleeper: since 2026-11-21T21:49:23.078853Z, started 2026-11-21T21:49:22.956516Z, ended - false
        waiter: since 2026-11-21T21:49:23.090765Z, started 2026-11-21T21:49:23.001048Z, ended - false
        waiter: since 2026-11-21T21:49:26.606559Z, started 2026-11-21T21:49:22.978753Z, ended 2026-11-21T21:49:26.606559Z true
    "#]].assert_eq(&all().iter().map(shown).collect::<String>());
}

#[test]
fn a_history_is_told_event_by_event() {
    let found = all().into_iter().find(|found| found.run.starts_with("example-b76")).unwrap();
    let mut fold = SubstantialFold::default();
    let records = found.reading.as_ref().unwrap();
    let tell = |event| {
        fold.event(event);
        format!("{}\n", fold.history().last_change(event))
    };
    let told: String = records.events.iter().map(tell).collect();
    expect![[r#"
        the run starts
        step 1 is done
        sleep 2 lasts until 2026-11-21T21:49:24.049608Z
        step 3 is done
        message `by` comes
        step 4 is done
        message `cancel` comes
        the run completes
    "#]]
    .assert_eq(&told);
    let history = fold.into_history();
    let life = history.life().unwrap();
    let kwargs: serde_json::Value = life.kwargs.json().unwrap().read().unwrap();
    assert_eq!(kwargs, serde_json::json!({"name": "Ada", "factor": 0.25}));
}

#[test]
fn what_other_runs_were_sent_is_what_a_waiting_one_may_wait_for() {
    let found = all();
    let histories: Vec<_> = found.iter().map(StoredRun::history).collect();
    let waiters = || found.iter().zip(&histories).filter(|(found, _)| found.workflow == "waiter");
    let (_, waiting) = waiters().find(|(found, _)| found.run.contains("6b5ade46")).unwrap();
    let others = waiters().filter_map(|(_, history)| history.life());
    assert_eq!(likely_messages(waiting.life().unwrap(), others), [("approve".to_owned(), 1)]);
}

#[test]
fn a_zone_moves_what_is_naive_and_nothing_else() {
    let found = all();
    let of = |workflow: &str| found.iter().find(|found| found.workflow == workflow).unwrap();
    let ahead = WorkerZone::new(|_| 3600);
    let sleeper = of("sleeper").status(&ahead, at("2026-11-21T20:50:10Z"));
    assert_eq!(sleeper.started_at, Some(at("2026-11-21T20:49:22.956516Z")));
    assert!(format!("{:?}", sleeper.waiting_for).contains("Until"));
    assert_eq!(sleeper.since, Some(at("2026-11-21T21:49:23.078853Z")));
}

#[test]
fn pages_hold_all_runs_once() {
    let files = open();
    let all: Vec<_> = files.runs(None, None, 100).unwrap().items;
    for limit in 1..4 {
        let (mut paged, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = files.runs(None, after.as_deref(), limit).unwrap();
            assert!(page.items.len() <= limit);
            paged.extend(page.items);
            if !page.more {
                break;
            }
            after = paged.last().map(|listed| listed.run.clone());
        }
        assert_eq!(paged, all);
    }
    let waiters = files.runs(Some("waiter"), None, 100).unwrap().items;
    assert_eq!(waiters.len(), 2);
    assert_eq!(files.workflows(Some("doomed"), 2).unwrap().items, ["example", "flaky"]);
    assert_eq!(files.queues(None, 9).unwrap().items, ["default"]);
}

#[test]
fn every_prefix_of_a_history_reads_as_far_as_it_goes() {
    let run = fixtures().join("fs/runs/example-b76493b9-66f2-46ed-990e-dc5279fee57a/events");
    let whole = std::fs::read(run).unwrap();
    let events = SubstantialReading::parse(&whole).events;
    assert_eq!(events.len(), 8);
    let mut last = 0;
    for length in 0..whole.len() {
        let reading = SubstantialReading::parse(&whole[..length]);
        let misread = reading.misread.expect("it is torn");
        assert!(misread.torn && misread.byte <= length, "{length}: {misread}");
        assert_eq!(reading.events, events[..reading.events.len()]);
        assert!(reading.events.len() >= last);
        last = reading.events.len();
    }
    assert_eq!(last, 8);
}
