//! What `fsck` says of stores that are not as they should be.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use temporal_code::stores::{
    Batch, Due, FileOptions, FileStore, Kind, Line, MemoryStore, Name, Position, Queue, Store, Token,
};
use temporal_code::workflows::batches::{self, Stamp, WorkerLease};
use temporal_code::workflows::{
    Call, Event, Fold, FsckOptions, InboxBody, Json, Message, RUNS, Start, inbox_end, inbox_log, run_log,
};

use crate::damaged::{CLAIM, Damaged, RELEASE, WAIT};
use crate::scenario::{empty_inbox, entry, look, look_with, text};
use crate::support::at;

#[tokio::test]
async fn histories_that_cannot_be_are_told_with_the_place() {
    let damaged = Damaged::new();
    damaged.run("a", &[CLAIM, CLAIM], false).await;
    damaged.run("b", &[r#"{"type":"teleport","claim":1}"#], false).await;
    damaged.append(&run_log("c").unwrap(), &[CLAIM], false).await;
    damaged.run("../../\u{1b}[31m", &[CLAIM, r#"{"type":"wake","claim":1,"step":"\u001b[2J","n":1}"#], false).await;
    damaged.run("sound", &[], false).await;
    damaged.due(&run_log("sound").unwrap(), 0).await;
    damaged
        .append(
            &inbox_log("sound").unwrap(),
            &[r#"{"type":"message","id":"1","event":"x","value":1}"#, r#"{"type":"spam"}"#],
            false,
        )
        .await;
    damaged
        .check(expect![[r#"
        runs/=2E.=2F..=2F=1B=5B31m: line 3: it wakes \u{1b}[2J#1, which does not sleep
        runs/a: line 3: claim 1 stands where claim 2 should
        runs/b: line 2: it was written by a newer version, if by any: this one does not know the type `teleport`
        runs/c: line 1: a claim comes before the start
        inbox/sound: line 2: it was written by a newer version, if by any: this one does not know the type `spam`
    "#]])
        .await;
    let (_, summary) = look(&*damaged.store, true, at(30)).await;
    assert_eq!((summary.runs, summary.corrupt, summary.repaired), (5, 5, 0), "what is corrupt is left alone");
}

#[tokio::test]
async fn runs_that_nothing_leads_to_are_told_and_found_again() {
    let damaged = Damaged::new();
    damaged.run("pending", &[], false).await;
    damaged.run("claimed", &[CLAIM], false).await;
    damaged
        .run(
            "asleep",
            &[CLAIM, r#"{"type":"sleep","claim":1,"step":"s","n":1,"until":"2026-11-25T00:00:00Z"}"#, RELEASE],
            false,
        )
        .await;
    // An entry that comes too late, and one of another queue, are none.
    damaged
        .run(
            "late",
            &[CLAIM, r#"{"type":"sleep","claim":1,"step":"s","n":1,"until":"2026-11-22T05:00:00Z"}"#, RELEASE],
            false,
        )
        .await;
    damaged.due(&run_log("late").unwrap(), 3_601).await;
    damaged.run("elsewhere", &[], false).await;
    damaged.due_in("other", &run_log("elsewhere").unwrap(), 0).await;
    // What waits for a message only needs none.
    damaged.run("waits", &[CLAIM, WAIT, RELEASE], false).await;
    // What leads to a line of the inbox does not lead to the end of a sleep.
    damaged
        .run(
            "mail",
            &[CLAIM, r#"{"type":"sleep","claim":1,"step":"s","n":1,"until":"2026-11-22T05:00:00Z"}"#, RELEASE],
            false,
        )
        .await;
    damaged.due(&inbox_log("mail").unwrap(), 0).await;
    damaged.check(expect![[r#"
        runs/asleep: it is sleeping, has to be looked at by 2026-11-25T00:00:00.000004Z, and nothing leads to it -> put an entry at 2026-11-25T00:00:00.000004Z in queue default
        runs/claimed: it is running, has to be looked at by 2026-11-22T04:00:20Z, and nothing leads to it -> put an entry at 2026-11-22T04:00:20Z in queue default
        runs/elsewhere: the due index leads to it at 2026-11-22T04:00:00Z in queue other, but it is of queue default
        runs/elsewhere: it is pending, has to be looked at by 2026-11-22T04:00:01.000001Z, and nothing leads to it -> put an entry at 2026-11-22T04:00:01.000001Z in queue default
        runs/late: it is sleeping, has to be looked at by 2026-11-22T05:00:00.000004Z, and nothing leads to it -> put an entry at 2026-11-22T05:00:00.000004Z in queue default
        runs/mail: it is sleeping, has to be looked at by 2026-11-22T05:00:00.000004Z, and nothing leads to it -> put an entry at 2026-11-22T05:00:00.000004Z in queue default
        runs/pending: it is pending, has to be looked at by 2026-11-22T04:00:01.000001Z, and nothing leads to it -> put an entry at 2026-11-22T04:00:01.000001Z in queue default
    "#]]).await;
    let (repaired, summary) = look(&*damaged.store, true, at(30)).await;
    assert_eq!(summary.repaired, 6, "{}", text(&repaired));
    damaged
        .check(expect![[r#"
        runs/elsewhere: the due index leads to it at 2026-11-22T04:00:00Z in queue other, but it is of queue default
    "#]])
        .await;
    for run in ["pending", "claimed", "asleep", "late", "elsewhere", "mail"] {
        let due = damaged.store.due(&Queue::default(), None, at(1_000_000), 100).await.unwrap();
        assert!(due.iter().any(|due| due.run == run_log(run).unwrap()), "{run}");
    }
}

#[tokio::test]
async fn messages_that_nobody_would_notice_are_told() {
    let damaged = Damaged::new();
    let message = |event: &str| format!(r#"{{"type":"message","id":"1","event":"{event}","value":1}}"#);
    damaged.run("waits", &[CLAIM, WAIT, RELEASE], false).await;
    damaged.append(&inbox_log("waits").unwrap(), &[&message("other"), &message("by")], false).await;
    damaged.run("noticed", &[CLAIM, WAIT, RELEASE], false).await;
    damaged.append(&inbox_log("noticed").unwrap(), &[&message("by")], false).await;
    let due = entry("noticed", 1, at(1));
    damaged.store.apply(&Batch::new(damaged.token()).put_due(due)).await.unwrap();
    damaged.run("elsewhere", &[CLAIM, WAIT, RELEASE], false).await;
    damaged.append(&inbox_log("elsewhere").unwrap(), &[&message("other")], false).await;
    damaged.run("cancelled", &[CLAIM, WAIT, RELEASE], false).await;
    damaged.append(&inbox_log("cancelled").unwrap(), &[r#"{"type":"cancel","id":"1"}"#], false).await;
    // Behind a seal, in the next generation of the inbox.
    damaged.run("turned", &[CLAIM, WAIT, RELEASE], false).await;
    damaged.append(&inbox_log("turned").unwrap(), &[&message("other"), r#"{"type":"turn"}"#], true).await;
    damaged.append(&inbox_log("turned").unwrap().next_generation(), &[&message("by")], false).await;
    // Who holds the run will look.
    damaged.run("held", &[CLAIM, WAIT], false).await;
    damaged.due(&run_log("held").unwrap(), 0).await;
    damaged.append(&inbox_log("held").unwrap(), &[&message("by")], false).await;
    damaged.check(expect![[r#"
        runs/cancelled: line 1 of its inbox is a request to cancel, and nothing leads to it -> put an entry at 2026-11-22T04:00:00.000001Z in queue default
        runs/turned: line 1 of its inbox is the message `by` that it waits for, and nothing leads to it -> put an entry at 2026-11-22T04:00:00.000001Z in queue default
        runs/waits: line 2 of its inbox is the message `by` that it waits for, and nothing leads to it -> put an entry at 2026-11-22T04:00:01.000002Z in queue default
    "#]]).await;
    look(&*damaged.store, true, at(30)).await;
    damaged.check(expect![[""]]).await;
}

#[tokio::test]
async fn what_has_no_run_and_what_a_store_lost_is_for_a_person_to_decide() {
    let damaged = Damaged::new();
    damaged.append(&inbox_log("nobody").unwrap(), &[r#"{"type":"cancel","id":"1"}"#], false).await;
    damaged.due(&run_log("gone").unwrap(), 5).await;
    damaged.due(&inbox_log("nobody").unwrap(), 6).await;
    // Entries of other kinds are not ours to judge.
    damaged.due(&Name::new(Kind::new("programs"), "x").unwrap(), 7).await;
    damaged.run("generations", &[], false).await;
    damaged.due(&run_log("generations").unwrap(), 0).await;
    damaged.due(&run_log("generations").unwrap().in_generation(3), 0).await;
    damaged
        .run(
            "took",
            &[CLAIM, r#"{"type":"skip","claim":1,"inbox":1}"#, r#"{"type":"skip","claim":1,"inbox":2}"#],
            false,
        )
        .await;
    damaged.due(&run_log("took").unwrap(), 0).await;
    damaged.append(&inbox_log("took").unwrap(), &[r#"{"type":"cancel","id":"1"}"#], false).await;
    let sleep = r#"{"type":"sleep","claim":1,"step":"s","n":1,"until":"2026-11-22T05:00:00Z"}"#;
    damaged.run("odd", &[CLAIM, sleep, r#"{"type":"wake","claim":1,"step":"s","n":1}"#], false).await;
    damaged.due(&run_log("odd").unwrap(), 0).await;
    damaged
        .check(expect![[r#"
            inbox/took: it cannot be read from line 3 on: it ends at line 1, and had line 2 before
            runs/generations: the due index knows its generation 3, and the last that is there is 1: something was lost
            runs/odd: line 4 is odd: it wakes s#1 before its time, 2026-11-22T05:00:00Z
            runs/gone: the due index leads to it at 2026-11-22T04:00:05Z in queue default, and there is no such run
            inbox/nobody: the due index leads to it at 2026-11-22T04:00:06Z in queue default, and there is no such run
            inbox/nobody: it is an inbox of 1 line, and there is no such run
        "#]])
        .await;
    let (_, summary) = look(&*damaged.store, true, at(30)).await;
    assert_eq!(summary.repaired, 0);
}

#[tokio::test]
async fn dead_claims_are_told() {
    let damaged = Damaged::new();
    damaged.run("dead", &[CLAIM], false).await;
    damaged.due(&run_log("dead").unwrap(), 0).await;
    assert_eq!(text(&look(&*damaged.store, false, at(79)).await.0), "");
    expect![[r#"
        runs/dead: claim 1 by `w1` was over at 2026-11-22T04:00:20Z, and nobody took the run
    "#]]
    .assert_eq(&text(&look(&*damaged.store, false, at(81)).await.0));
}

#[tokio::test]
async fn a_generation_must_begin_as_the_seal_says() {
    let store = MemoryStore::new();
    let (mut fold, mut token) = (Fold::new(run_log("r").unwrap()), 0);
    let mut stamp = || {
        token += 1;
        Stamp { token: Token::from_bits(token), now: at(i64::try_from(token).unwrap()) }
    };
    let hold = WorkerLease { worker: "w", until: at(3_600) };
    let start = Start::new("r", "greet", Json::null());
    store.apply(&batches::start(&mut fold, stamp(), start, Some(hold)).unwrap()).await.unwrap();
    let anew = ("greet", Json::parse("[2]").unwrap());
    let (batch, _) = batches::continue_using(&mut fold, stamp(), Vec::new(), anew, None, &[]).unwrap();
    store.apply(&batch.prefix(1)).await.unwrap();
    let other = batch.appends().nth(1).unwrap().lines[0].as_str().replace("[2]", "[3]");
    let log = run_log("r").unwrap().next_generation();
    let wrong = Batch::new(Token::from_bits(99)).append(&log, Position::START, vec![Line::new(&other).unwrap()]);
    store.apply(&wrong).await.unwrap();
    expect![[r#"
        runs/r,2: line 1: it does not begin as the seal of runs/r says
    "#]]
    .assert_eq(&text(&look(&store, false, at(30)).await.0));
}

/// Names are gone through in stretches; nothing between two stretches is missed or told twice.
#[tokio::test]
async fn stretches_meet() {
    let damaged = Damaged::new();
    for number in 0..40 {
        let run = format!("run-{number:02}");
        match number % 4 {
            0 => damaged.run(&run, &[CLAIM, WAIT, RELEASE], false).await,
            1 => damaged.run(&run, &[], false).await,
            2 => damaged.append(&inbox_log(&run).unwrap(), &[r#"{"type":"cancel","id":"1"}"#], false).await,
            _ => damaged.due(&run_log(&run).unwrap(), number).await,
        }
    }
    damaged.due(&run_log("a").unwrap(), 1).await;
    damaged.due(&inbox_log("z").unwrap(), 1).await;
    let mut told = Vec::new();
    for runs_at_a_time in [1, 2, 3, 7, 19, 20, 21, 1_000] {
        for reads_at_a_time in [1, 8] {
            let options = FsckOptions { runs_at_a_time, reads_at_a_time, pause_ms: 0, ..FsckOptions::new(at(30)) };
            let (mut findings, summary) = look_with(&*damaged.store, &options).await;
            assert_eq!((summary.runs, summary.findings), (20, 10 + 10 + 10 + 2));
            findings.sort_by(|a, b| (&a.place, &a.problem).cmp(&(&b.place, &b.problem)));
            told.push(text(&findings));
        }
    }
    told.dedup();
    assert_eq!(told.len(), 1, "the same is told, whatever the stretches");
}

/// Workers and senders at work all the while: nothing is told that is not so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_at_work_is_not_suspected() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let runs = 12;
    let working: Vec<_> = (0..runs)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { work(&*store, &format!("run-{number}"), number).await })
        })
        .collect();
    let mut looks = 0;
    // Longer than anybody stands between two parts of a batch, on a machine that has other things to do.
    let options = FsckOptions { pause_ms: 500, ..FsckOptions::new(at(0)) };
    while working.iter().any(|work| !work.is_finished()) {
        let (findings, _) = look_with(&*store, &options).await;
        assert_eq!(text(&findings), "");
        looks += 1;
    }
    for work in working {
        work.await.expect("it worked");
    }
    assert!(looks > 0);
    assert_eq!(text(&look(&*store, false, at(0)).await.0), "");
}

/// One run that sleeps, waits, is told, goes on in other generations, again and again, in batches that stop between parts.
async fn work(store: &dyn Store, run: &str, seed: u64) {
    let mut tokens = seed << 32;
    let mut fold = Fold::new(run_log(run).unwrap());
    let mut stamp = || {
        tokens += 1;
        Stamp { token: Token::from_bits(tokens), now: at(i64::try_from(tokens & 0xffff_ffff).unwrap()) }
    };
    let until = |stamp: Stamp| WorkerLease { worker: "w", until: stamp.now.offset_micros(60_000_000) };
    let batch = batches::start(&mut fold, stamp(), Start::new(run, "w", Json::null()), None).unwrap();
    slowly(store, &batch).await;
    for round in 1..=60 {
        let now = stamp();
        slowly(store, &batches::claim(&mut fold, now, until(now)).unwrap()).await;
        let served = store.due(&Queue::default(), None, at(1_000_000), 1_000).await.unwrap();
        let served: Vec<Due> = served.into_iter().filter(|due| due.run.key() == fold.state().log().key()).collect();
        let call = || Call::new("s", round);
        let events = match round % 3 {
            0 => vec![Event::Sleep { call: call(), until: stamp().now }, Event::Wake { call: call() }],
            1 => vec![Event::Sleep { call: call(), until: at(500_000) }],
            _ => vec![Event::Wait { call: call(), events: vec!["by".into()], until: None, take: 0, done: true }],
        };
        if round % 10 == 0 {
            let anew = ("w", Json::null());
            let (batch, next) = batches::continue_using(&mut fold, stamp(), events, anew, None, &served).unwrap();
            slowly(store, &batch).await;
            fold = next;
        } else {
            slowly(store, &batches::release(&mut fold, stamp(), events, None, &served).unwrap()).await;
        }
        let (log, end) = inbox_end(store, &inbox_log(run).unwrap()).await.unwrap();
        let inbox = batches::InboxEnd { log, end: end.last, ..empty_inbox(run) };
        let message = Message {
            id: format!("{round}").into(),
            event: "unwanted".into(),
            value: Json::null(),
            from: None,
            sent_at: None,
        };
        slowly(store, &batches::send(stamp(), &inbox, InboxBody::Message(message)).unwrap()).await;
    }
}

/// A batch as stores do it that have no script: one part after another, with time between.
async fn slowly(store: &dyn Store, batch: &Batch) {
    for parts in 1..=batch.ops().len() {
        store.apply(&batch.prefix(parts)).await.expect("it lands");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn damage_of_the_medium_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::create(folder.path(), FileOptions::default()).unwrap();
    for run in ["a", "b", "c"] {
        let mut fold = Fold::new(run_log(run).unwrap());
        let stamp = Stamp { token: Token::from_bits(u64::from(run.as_bytes()[0])), now: at(0) };
        let hold = Some(WorkerLease { worker: "w", until: at(3_600) });
        store
            .apply(&batches::start(&mut fold, stamp, Start::new(run, "w", Json::null()), hold).unwrap())
            .await
            .unwrap();
    }
    let place = folder.path().join(RUNS.as_str()).join("b.jsonl");
    let text_of = std::fs::read_to_string(&place).unwrap();
    std::fs::write(&place, text_of.replacen("\"seq\":1", "\"seq\":7", 1)).unwrap();
    let (findings, summary) = look(&store, false, at(30)).await;
    assert_eq!((summary.runs, summary.corrupt), (3, 1));
    assert_eq!(findings.len(), 1, "{}", text(&findings));
    assert!(findings[0].problem.contains("line 7"), "{}", text(&findings));
}
