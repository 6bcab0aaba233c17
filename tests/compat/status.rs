//! Where a run stands, for what may lie around its history.

use expect_test::expect;
use temporal_code::Timestamp;
use temporal_code::foreign::substantial::{
    ReplayLog, RunSchedule, StoredRun, SubstantialLease, SubstantialReading, WorkerZone, read_event,
};

use crate::support::at;

/// The time so many seconds after the start of the run.
fn seconds(after: f64) -> Timestamp {
    at("2026-01-01T12:00:00Z").offset_micros((after * 1e6) as i64)
}

const START: &str = r#"{"at": "2026-01-01T12:00:00Z", "start": {"kwargs": {}}}"#;

/// A run with a history; schedules with what they hold, and replays with their errors, by seconds.
fn found(events: &[&str], schedules: &[(f64, &str)], replays: &[(f64, &str)]) -> StoredRun {
    let text = format!("{{\"events\": [{}]}}", events.join(", "));
    let schedule = |(after, event): &(f64, &str)| RunSchedule {
        queue: "default".to_owned(),
        at: seconds(*after),
        event: (!event.is_empty()).then(|| read_event(event.as_bytes()).unwrap()),
    };
    let replay = |(after, error): &(f64, &str)| {
        let note = temporal_code::foreign::substantial::ReplayNote {
            at: Some(seconds(after + 0.01)),
            message: (*error).to_owned(),
            error: (!error.is_empty()).then(|| "<class 'KeyError'>".to_owned()),
            stack: None,
        };
        ReplayLog { schedule: seconds(*after), notes: Some(vec![note]) }
    };
    StoredRun {
        run: "w-1".to_owned(),
        workflow: "w".to_owned(),
        reading: (!events.is_empty()).then(|| SubstantialReading::parse(text.as_bytes())),
        schedules: schedules.iter().map(schedule).collect(),
        schedules_count: schedules.len() as u64,
        replays: replays.iter().map(replay).collect(),
        replays_count: replays.len() as u64,
        ..StoredRun::default()
    }
}

/// Where it stands so many seconds after its start.
fn stands(found: &StoredRun, after: f64) -> String {
    let status = found.status(&WorkerZone::utc(), seconds(after));
    let short = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string()[14..].to_owned());
    let waits = status.waiting_for.map_or(String::new(), |waits| format!(" {waits:?}"));
    let (since, ended) = (short(status.since), short(status.ended_at));
    format!("{}{waits}, since {since}, ended {ended}: {}\n", status.status, status.because)
}

#[test]
fn before_it_begins() {
    let started = found(&[], &[(0.0, START)], &[]);
    let text =
        stands(&started, 5.0) + &stands(&found(&[], &[], &[]), 5.0) + &stands(&found(&[], &[(1.0, "")], &[]), 5.0);
    expect![[r#"
        pending Worker, since 00:00Z, ended -: no worker has taken its start
        pending, since -, ended -: there is no history, and nothing that leads to one
        pending, since -, ended -: there is no history, and no start that leads to one
    "#]]
    .assert_eq(&text);
}

#[test]
fn while_a_worker_holds_it() {
    let mut run = found(&[START], &[(10.0, "")], &[(0.0, "")]);
    let mut text = String::new();
    for since in [-1.0, 2.0, 60.0] {
        run.lease = Some(SubstantialLease { since: seconds(since), until: seconds(since + 10.0) });
        text += &stands(&run, 5.0);
    }
    expect![[r#"
        waiting Message { not: [] }, since 00:00.010000Z, ended -: the last replay found that something it waits for had not come
        running, since 00:02Z, ended -: a worker holds it until 2026-01-01T12:00:12Z
        waiting Message { not: [] }, since 00:00.010000Z, ended -: the last replay found that something it waits for had not come
    "#]].assert_eq(&text);
}

#[test]
fn while_it_sleeps_and_behind_that() {
    let sleep = r#"{"sleep": {"id": 1, "start": "2026-01-01T12:00:01Z", "end": "2026-01-01T12:00:20Z"}}"#;
    let sleeping = found(&[START, sleep], &[(3.5, "")], &[(3.0, ""), (0.0, "")]);
    let done = r#"{"save": {"id": 2, "value": "MQ==", "counter": -1}}"#;
    let text = stands(&sleeping, 5.0)
        + &stands(&sleeping, 25.0)
        // A replay went past it, and found that something had not come.
        + &stands(&found(&[START, sleep], &[(31.0, "")], &[(21.0, ""), (3.0, "")]), 25.0)
        + &stands(&found(&[START, sleep, done], &[(31.0, "")], &[(21.0, "")]), 25.0)
        // A message came during the sleep: it sleeps on.
        + &stands(&found(&[START, sleep], &[(4.0, r#"{"send": {"name": "by"}}"#)], &[(3.0, "")]), 5.0);
    expect![[r#"
        sleeping Until(Timestamp(1767268820000000)), since 00:01Z, ended -: sleep 1 lasts until 2026-01-01T12:00:20Z
        pending Worker, since 00:20Z, ended -: sleep 1 is over, and no worker has gone on
        waiting Message { not: [] }, since 00:21.010000Z, ended -: the last replay found that something it waits for had not come
        waiting Message { not: [] }, since 00:21.010000Z, ended -: the last replay found that something it waits for had not come
        sleeping Until(Timestamp(1767268820000000)), since 00:01Z, ended -: sleep 1 lasts until 2026-01-01T12:00:20Z
    "#]].assert_eq(&text);
}

#[test]
fn while_it_waits() {
    let by = r#"{"at": "2026-01-01T12:00:05Z", "send": {"name": "by"}}"#;
    let text = stands(&found(&[START], &[(10.0, "")], &[(0.0, "")]), 5.0)
        + &stands(&found(&[START, by], &[(15.0, "")], &[(5.0, ""), (0.0, "")]), 6.0)
        + &stands(&found(&[START], &[(5.0, by)], &[(0.0, "")]), 6.0)
        + &stands(&found(&[START], &[(5.0, r#"{"stop": {"ok": "MQ=="}}"#)], &[(0.0, "")]), 6.0)
        // Nothing says how the last replay ended.
        + &stands(&found(&[START], &[(3600.0, "")], &[]), 6.0);
    expect![[r#"
        waiting Message { not: [] }, since 00:00.010000Z, ended -: the last replay found that something it waits for had not come
        waiting Message { not: ["by"] }, since 00:05.010000Z, ended -: the last replay found that something it waits for had not come
        pending Worker, since 00:05Z, ended -: message `by` came, and no worker has taken it
        pending Worker, since 00:05Z, ended -: its end is planned, and no worker has written it
        waiting Message { not: [] }, since 00:00Z, ended -: it neither sleeps nor retries, and has not ended
    "#]].assert_eq(&text);
}

#[test]
fn while_it_is_tried_again() {
    let failed = r#"{"save": {"id": 1, "value": "bnVsbA==", "counter": 2}}"#;
    let text = stands(&found(&[START, failed], &[(86_400.0, "")], &[(0.0, "")]), 5.0)
        + &stands(&found(&[START], &[(1.0, "")], &[(0.5, "error: 'key'"), (0.0, "error: 'key'")]), 5.0);
    expect![[r#"
        retrying RetryAt(Some(Timestamp(1767355200000000))), since 00:00.010000Z, ended -: step 1 failed, and attempt 2 is next
        retrying RetryAt(Some(Timestamp(1767268801000000))), since 00:00.510000Z, ended -: the last replay ended with `error: 'key'`
    "#]].assert_eq(&text);
}

#[test]
fn when_nothing_leads_to_it() {
    let text = stands(&found(&[START], &[], &[(0.0, "")]), 5.0)
        + &stands(&found(&[START], &[], &[(0.0, "error: 'key'")]), 5.0)
        + &stands(&found(&[START], &[], &[]), 5.0);
    expect![[r#"
        cancelled, since 00:00.010000Z, ended -: it has not ended, and nothing leads to it, as when a run is cancelled from inside
        pending, since 00:00.010000Z, ended -: it has not ended, and nothing leads to it: its schedule was lost
        pending, since -, ended -: it has not ended, and nothing leads to it: its schedule was lost
    "#]]
    .assert_eq(&text);
}

#[test]
fn when_it_has_ended() {
    let (ok, err) = (r#"{"stop": {"ok": "MQ=="}}"#, r#"{"at": "2026-01-01T12:00:07Z", "stop": {"err": "MQ=="}}"#);
    let by = r#"{"at": "2026-01-01T12:00:05Z", "send": {"name": "by"}}"#;
    // It waited, a message came, and the replay at 5.0 planned the end; the others came behind it.
    let replays = [(15.0, ""), (10.0, ""), (5.5, ""), (5.0, ""), (0.0, "")];
    let text = stands(&found(&[START, by, ok], &[], &replays), 60.0)
        + &stands(&found(&[START, by, ok], &[], &replays[..2]), 60.0)
        + &stands(&found(&[START, err], &[(9.0, "")], &[]), 60.0)
        + &stands(&found(&[START, "{\"stop\": 1}"], &[], &[]), 60.0)
        + &stands(&found(&[START, START], &[], &[]), 60.0)
        + &stands(&found(&[START, ok, START], &[(9.0, "")], &[]), 60.0);
    expect![[r#"
        completed, since 00:05.510000Z, ended 00:05.510000Z: event 3 ends it with a result
        completed, since -, ended -: event 3 ends it with a result
        failed, since 00:07Z, ended 00:07Z: event 2 ends it with an error
        corrupt, since -, ended -: the history cannot be read: event 2, at byte 78: `stop` is not an object
        corrupt, since -, ended -: event 2: a second start: the one of event 1 has not stopped
        waiting Message { not: [] }, since 00:00Z, ended -: it neither sleeps nor retries, and has not ended
    "#]]
    .assert_eq(&text);
}
