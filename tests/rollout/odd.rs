//! What seldom happens: logs that others compress, link and move, strategies and values that panic, builders in any order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use temporal_code::functions::{
    AbTest, Canary, Durability, Evolving, Observation, Situation, Strategy, StrategyVerdict, Tracker,
};
use temporal_code::logs::Decision;

use super::support::{count, folder, records, tc, wait_for};

fn forced(event: &str, rest: &str) -> String {
    let at = "2026-06-01T00:00:00+00:00";
    format!(
        "{{\"event\": \"{event}\", \"function\": \"pay\", \"variant\": \"v2\", \"timestamp\": \"{at}\", \"forced\": true{rest}}}\n"
    )
}

fn open(folder: &Path) -> (Tracker, Evolving<(), u32>) {
    let tracker = Tracker::open(folder).expect("a log");
    let function = Evolving::new("pay", |(): &()| 1).variant("v2", |(): &()| 2).strategy(AbTest::even());
    (tracker.clone(), function.tracker(&tracker))
}

fn weight(function: &Evolving<(), u32>) -> f64 {
    function.stats().variants[1].weight
}

#[test]
fn compressing_what_was_put_aside_revives_no_decision() {
    let folder = folder();
    let (aside, log) = (folder.path().join("evolution.jsonl.1"), folder.path().join("evolution.jsonl"));
    std::fs::write(&aside, forced("promotion", "")).expect("written");
    std::fs::write(&log, forced("rollback", ", \"reason\": \"\"")).expect("written");
    let (tracker, function) = open(folder.path());
    assert_eq!(weight(&function), 0.0);
    let packed = std::fs::File::create(folder.path().join("evolution.jsonl.2.gz")).expect("a file");
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &std::fs::read(&aside).expect("a log")).expect("written");
    packed.finish().expect("written");
    std::fs::remove_file(&aside).expect("removed");
    std::fs::rename(&log, &aside).expect("renamed");
    for _ in 0..3 {
        function.call(&()).expect("an answer");
        tracker.flush(Duration::from_secs(5)).expect("written");
    }
    assert!(log.exists());
    assert_eq!(weight(&function), 0.0, "the rollback came later");
    let (_tracker, restarted) = open(folder.path());
    assert_eq!(weight(&restarted), 0.0);
}

#[test]
fn cleaning_revives_no_decision_for_a_moment() {
    let folder = folder();
    let old = forced("promotion", "") + &forced("rollback", ", \"reason\": \"\"");
    let call = r#"{"event": "call", "function": "other", "timestamp": "2026-06-01T00:00:00.000001+00:00", "variant": "v2", "value": "2", "error": null, "latency_ms": 0.5, "success": true}"#;
    let calls = format!("{call}\n").repeat(20_000);
    std::fs::write(folder.path().join("evolution.jsonl"), format!("{}{calls}{}", forced("promotion", ""), old))
        .expect("written");
    let (tracker, function) = open(folder.path());
    std::thread::scope(|scope| {
        let cleaning = scope.spawn(|| tc(folder.path(), &["clean", "--older-than", "1d", "-y"]));
        while !cleaning.is_finished() {
            assert_eq!(function.call(&()), Ok(1));
        }
    });
    tracker.flush(Duration::from_secs(5)).expect("written");
    assert_eq!(weight(&function), 0.0);
}

#[test]
fn nothing_is_said_to_be_written_that_was_left_behind() {
    let folder = folder();
    let (tracker, function) = open(folder.path());
    function.call(&()).expect("an answer");
    tracker.flush(Duration::from_secs(5)).expect("written");
    std::fs::remove_dir_all(folder.path()).expect("removed");
    (0..5_000).for_each(|_| assert!(function.call(&()).is_ok()));
    assert!(tracker.flush(Duration::from_millis(300)).is_err());
    (0..10).for_each(|_| assert!(function.call(&()).is_ok()));
    std::fs::create_dir(folder.path()).expect("made again");
    tracker.flush(Duration::from_secs(5)).expect("written");
    assert_eq!(records(folder.path()).len(), 5_010, "all that was recorded before the flush");
}

#[test]
#[cfg(unix)]
fn a_log_behind_a_link_is_one_log() {
    let (folder, elsewhere) = (folder(), folder());
    std::fs::write(elsewhere.path().join("evolution.jsonl"), "").expect("written");
    std::os::unix::fs::symlink(elsewhere.path().join("evolution.jsonl"), folder.path().join("evolution.jsonl"))
        .expect("linked");
    let start = || {
        let tracker = Tracker::options().rotate_at_bytes(1_000).open(folder.path()).expect("a log");
        let function = Evolving::new("pay", |(): &()| 1).variant("v2", |(): &()| 2).tracker(&tracker);
        (tracker, function)
    };
    let (tracker, function) = start();
    function.call(&()).expect("an answer");
    tracker.flush(Duration::from_secs(5)).expect("written");
    // Whoever decides follows a link only if that is what was named.
    tc(&folder.path().join("evolution.jsonl"), &["promote", "pay", "v2", "-y", "--force"]);
    wait_for("to obey", || weight(&function) == 1.0);
    for _ in 0..20 {
        function.call(&()).expect("an answer");
        tracker.flush(Duration::from_secs(5)).expect("written");
    }
    assert!(std::fs::read_dir(elsewhere.path()).expect("a folder").count() > 2);
    let (_tracker, restarted) = start();
    assert_eq!(weight(&restarted), 1.0);
}

/// Panics where it is told to.
struct Panics(&'static str);

impl Strategy for Panics {
    fn name(&self) -> &str {
        "Panics"
    }
    fn weights(&self, _: &Situation<'_>, weights: &mut [f64]) {
        weights[1] = 1.0;
        assert_ne!(self.0, "weights");
    }
    fn learns(&self) -> bool {
        assert_ne!(self.0, "learns");
        true
    }
    fn observe(&self, _: &Observation<'_>) -> Option<StrategyVerdict> {
        assert_ne!(self.0, "observe");
        None
    }
    fn hear(&self, decision: &Decision, _: &[Arc<str>]) {
        assert!(self.0 != "hear" || !decision.forced);
    }
}

#[test]
fn a_strategy_that_panics_fails_no_call_and_stops_no_log() {
    for (place, answer) in [("weights", 1), ("learns", 2), ("observe", 2), ("hear", 2)] {
        let folder = folder();
        let tracker = Tracker::open(folder.path()).expect("a log");
        let function = Evolving::new("pay", |(): &()| 1).variant("v2", |(): &()| 2);
        let function = function.strategy(Panics(place)).tracker(&tracker);
        assert_eq!(function.call(&()), Ok(answer), "{place}");
        tracker.flush(Duration::from_secs(5)).expect("written");
        tc(folder.path(), &["promote", "pay", "v2", "-y", "--force"]);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(function.call(&()), Ok(2), "{place}: it obeys");
        tracker.flush(Duration::from_secs(5)).expect("written");
        assert_eq!(count(&records(folder.path()), "event", "call"), 2, "{place}");
    }
}

#[test]
fn a_panic_that_throws_something_that_panics_is_a_failure_like_another() {
    struct Grenade;
    impl Drop for Grenade {
        fn drop(&mut self) {
            panic!("again");
        }
    }
    let function = Evolving::new("f", |(): &()| 1).variant("v2", |(): &()| -> i32 { std::panic::panic_any(Grenade) });
    let function = function.strategy(super::support::Last);
    assert_eq!(function.call(&()), Ok(1));
}

#[tokio::test]
async fn the_longest_wait_is_no_trouble() {
    let folder = folder();
    let options = Tracker::options().durability(Durability::EachEvent).wait_max(Duration::MAX);
    let tracker = options.open(folder.path()).expect("a log");
    let function = temporal_code::functions::AsyncEvolving::new("f", |(): ()| async { 1 }).tracker(&tracker);
    assert_eq!(function.call(()).await, Ok(1));
}

#[test]
fn two_processes_that_see_it_differently_decide_once() {
    let folder = folder();
    let open = || {
        let tracker = Tracker::open(folder.path()).expect("a log");
        let function = Evolving::fallible("pay", |_: &bool| Ok(1))
            .variant("v2", |fails: &bool| if *fails { Err("no") } else { Ok(2) })
            .strategy(Canary::new().weight(1.0).promote_after(100))
            .tracker(&tracker);
        (tracker, function)
    };
    let ((first_tracker, first), (second_tracker, second)) = (open(), open());
    std::thread::scope(|scope| {
        scope.spawn(|| (0..100).for_each(|_| assert!(first.call(&false).is_ok())));
        scope.spawn(|| (0..100).for_each(|_| assert!(second.call(&true).is_ok())));
    });
    first_tracker.close().expect("closed");
    second_tracker.close().expect("closed");
    let records = records(folder.path());
    assert_eq!(records.iter().filter(|record| record["event"] != "call").count(), 1);
}

#[test]
fn a_builder_in_any_order_decides_nothing_for_a_function_that_is_not_complete() {
    let folder = folder();
    let line = r#"{"event": "call", "function": "pay", "timestamp": "2026-06-01T00:00:00.000001+00:00", "variant": "v2", "value": "2", "error": null, "latency_ms": 0.5, "success": true}"#;
    std::fs::write(folder.path().join("evolution.jsonl"), format!("{line}\n").repeat(100)).expect("written");
    let tracker = Tracker::open(folder.path()).expect("a log");
    let function = Evolving::new("pay", |(): &()| 1).strategy(Canary::new()).tracker(&tracker);
    let function = function.variant("v2", |(): &()| 2).variant("v3", |(): &()| 3);
    tracker.flush(Duration::from_secs(5)).expect("written");
    assert_eq!(function.stats().variants[2].weight, 0.1, "v3 is the canary, and has no calls yet");
    tracker.flush(Duration::from_secs(5)).expect("written");
    assert_eq!(count(&records(folder.path()), "event", "promotion"), 0);
}

#[test]
fn a_strategy_that_holds_the_tracker_does_not_hold_it_up() {
    struct Holds(#[allow(dead_code)] Tracker);
    impl Strategy for Holds {
        fn name(&self) -> &str {
            "Holds"
        }
        fn weights(&self, _: &Situation<'_>, weights: &mut [f64]) {
            weights[0] = 1.0;
        }
    }
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    let function = Evolving::new("pay", |(): &()| 1).strategy(Holds(tracker.clone())).tracker(&tracker);
    function.call(&()).expect("an answer");
    drop((function, tracker));
    wait_for("the event", || records(folder.path()).len() == 1);
}
