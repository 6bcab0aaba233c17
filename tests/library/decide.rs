//! Deciding in a file: what was decided since its author looked is told, whatever happened to the file meanwhile.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use temporal_code::logs::{Change, CleanPlan, DecideError, Decider, Decision, Expectation, LastEvent};
use temporal_code::{Clock as _, ManualClock, Timestamp};

fn log() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("evolution.jsonl");
    (folder, path)
}

fn decider(path: &Path) -> Decider {
    Decider::in_file(path, "f").expect("a log that can be read")
}

fn promotion(by: &str) -> Decision {
    let (function, variant, by) = ("f".into(), format!("of-{by}"), Some(by.into()));
    Decision { function, variant, change: Change::Promote, at: None, forced: true, by, reason: None }
}

/// Decides as somebody who has just looked.
fn decide(path: &Path, by: &str) {
    decider(path).decide(promotion(by)).expect("decided");
}

/// Who decided, as the error tells.
#[track_caller]
fn authors(outcome: Result<(), DecideError>) -> Vec<String> {
    match outcome {
        Err(error @ DecideError::Conflict { .. }) => {
            error.made().iter().filter_map(|decision| decision.by.clone()).collect()
        }
        other => unreachable!("{other:?}"),
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a log");
    file.write_all(text.as_bytes()).expect("written");
}

fn call(function: &str) -> String {
    format!(
        "{{\"event\": \"call\", \"function\": \"{function}\", \"timestamp\": \"2026-06-05T10:00:00\", \"variant\": \"v1\", \
         \"value\": null, \"error\": null, \"latency_ms\": 1.0, \"success\": true}}\n"
    )
}

#[test]
fn who_loses_learns_of_all_that_was_decided_and_may_decide_again() {
    let (_keep, path) = log();
    let mut late = decider(&path);
    decide(&path, "ada");
    decide(&path, "bob");
    let other = Decision { function: "g".into(), ..promotion("eve") };
    Decider::in_file(&path, "g").expect("a log").decide(other).expect("decided");
    assert_eq!(authors(late.check()), ["ada", "bob"]);
    late.decide(promotion("late")).expect("it knows");
    late.decide(promotion("late")).expect("of its own decisions, too");
    assert_eq!(late.standing().expect("readable").share("of-late"), Some(1.0));
    assert_eq!(std::fs::read_to_string(&path).expect("a log").lines().count(), 5);
}

#[test]
fn decisions_of_strategies_and_of_python_count_and_calls_do_not() {
    let (_keep, path) = log();
    append(&path, &call("f"));
    let mut author = decider(&path);
    append(&path, &call("f"));
    author.decide(promotion("ada")).expect("calls do not count");
    append(&path, "{\"event\": \"rollback\", \"function\": \"f\", \"variant\": \"v2\", \"reason\": \"\"}\n");
    // Two writers that met: the decision stands behind a call on its line.
    let glued =
        call("f").trim_end().to_string() + "{\"event\": \"promotion\", \"function\": \"f\", \"variant\": \"v3\"}\n";
    append(&path, &glued);
    match author.decide(promotion("ada")) {
        Err(DecideError::Conflict { made, .. }) => {
            assert_eq!(made.iter().map(|decision| &*decision.variant).collect::<Vec<_>>(), ["v2", "v3"]);
        }
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_log_that_is_put_aside_meanwhile_hides_nothing() {
    let (keep, path) = log();
    let put_aside = |number: u32| {
        std::fs::rename(&path, keep.path().join(format!("evolution-2026060{number}T000000Z.jsonl")))
            .expect("put aside");
    };
    decide(&path, "ada");
    let (mut quiet, mut late) = (decider(&path), decider(&path));
    put_aside(1);
    quiet.decide(promotion("quiet")).expect("nothing was decided");
    put_aside(2);
    decide(&path, "bob");
    put_aside(3);
    assert_eq!(authors(late.decide(promotion("late"))), ["quiet", "bob"]);
    late.decide(promotion("late")).expect("it knows");
    let standing = decider(&path).standing().expect("readable");
    assert_eq!(standing.last().and_then(|last| last.by.as_deref()), Some("late"));
}

#[test]
fn a_log_that_is_cleaned_or_gone_meanwhile_is_told() {
    let (_keep, path) = log();
    append(&path, &call("f"));
    decide(&path, "ada");
    let mut author = decider(&path);
    let now = Timestamp::parse(b"2030-01-01").expect("a time");
    CleanPlan::of_file(&path, Some(now)).expect("a plan").carry_out(None, now).expect("cleaned");
    assert!(matches!(author.decide(promotion("eve")), Err(DecideError::Replaced { .. })));
    author.decide(promotion("eve")).expect("it has looked again");
    std::fs::remove_file(&path).expect("removed");
    let gone = author.decide(promotion("eve")).expect_err("nobody knows what was in it");
    assert!(gone.is_conflict() && gone.to_string().ends_with("cleaned or replaced meanwhile"), "{gone}");
    author.decide(promotion("eve")).expect("a new log");
}

#[test]
fn without_the_lock_nothing_is_decided() {
    let (_keep, path) = log();
    decide(&path, "ada");
    let mut author = decider(&path);
    let holder = File::open(&path).expect("a log");
    holder.lock().expect("the lock");
    let before = std::fs::read(&path).expect("a log");
    let error = author.decide(promotion("eve")).expect_err("somebody has the lock");
    assert!(matches!(error, DecideError::Locked { .. }) && !error.is_conflict(), "{error}");
    assert_eq!(std::fs::read(&path).expect("a log"), before);
    holder.unlock().expect("unlocked");
    author.decide(promotion("eve")).expect("decided");
}

#[test]
fn what_is_no_decision_about_the_function_is_refused() {
    let (_keep, path) = log();
    let mut author = decider(&path);
    for odd in [
        Decision { function: "g".into(), ..promotion("eve") },
        Decision { variant: "x".repeat(1 << 17), ..promotion("eve") },
        Decision { change: Change::Weight { old: None, new: f64::NAN }, ..promotion("eve") },
        Decision { change: Change::Weight { old: None, new: 7.0 }, ..promotion("eve") },
    ] {
        assert!(matches!(author.decide(odd), Err(DecideError::Invalid(_))));
    }
    assert!(!path.exists());
}

#[test]
fn what_is_expected_beside_is_held_against_all_that_comes() {
    let (_keep, path) = log();
    let clock = Arc::new(ManualClock::new(Timestamp::parse(b"2026-06-05T12:00:00").expect("a time")));
    let at = |text: &str| LastEvent::At(Timestamp::parse(text.as_bytes()).expect("a time"));
    let expecting = |last, ignore_calls| {
        decider(&path).clock(clock.clone()).expecting(Expectation { last, ignore_calls }).expect("readable")
    };
    append(&path, &(call("f") + &call("g")));
    let refused = |mut author: Decider| match author.decide(promotion("eve")) {
        Err(DecideError::Unexpected(message)) => message,
        other => unreachable!("{other:?}"),
    };
    assert!(refused(expecting(at("2026-06-05T09:59:59"), false)).contains("happened to `f` at 2026-06-05T10:00:00"));
    assert!(refused(expecting(LastEvent::Line(3), false)).contains("has 2 lines, not 3"));
    let (mut by_line, mut by_time) =
        (expecting(LastEvent::Line(1), false), expecting(at("2026-06-05T10:00:00"), false));
    let mut deaf = expecting(LastEvent::Line(1), true);
    append(&path, &call("f"));
    assert!(by_line.check().expect_err("a call").to_string().contains(":3: something happened to `f` after line 1"));
    by_time.decide(promotion("ada")).expect("no call is later");
    assert_eq!(authors(deaf.decide(promotion("eve"))), ["ada"]);
    let last = std::fs::read_to_string(&path).expect("a log").lines().last().expect("a line").to_string();
    assert!(last.contains(&clock.now().isoformat()), "{last}");
}
