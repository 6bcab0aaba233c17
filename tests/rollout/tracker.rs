//! The log that a tracker writes.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use temporal_code::ManualClock;
use temporal_code::functions::{AbTest, Durability, Evolving, FlushError, Manual, Tracker};
use temporal_code::logs::logs_in;

use super::support::{count, folder, records, time, wait_for};

#[test]
fn lines_are_those_of_the_package_with_a_few_keys_more() {
    let folder = folder();
    let clock = Arc::new(ManualClock::new(time("06-01T12:00:00")));
    let tracker = Tracker::options().clock(clock.clone()).open(folder.path()).expect("a log");
    let takes = move |us: u64| {
        let clock = clock.clone();
        move |name: &str| {
            clock.advance(Duration::from_micros(us));
            if us > 1_000 && name.is_empty() { Err("whom?") } else { Ok(format!("Hi, {name}")) }
        }
    };
    let function = Evolving::fallible("greeting", takes(7)).variant("v2", takes(12_345)).log_values();
    let function = function.strategy(AbTest::split([0.25, 0.75])).tracker(&tracker);
    let function = function.random(Arc::new(temporal_code::testing::Draws::new([0.1, 0.9, 0.9, 0.9])));
    for name in ["Ada", "Zoë", ""] {
        function.call(name).expect("an answer");
    }
    function.call_for("user-7", "x").expect("an answer");
    tracker.close().expect("closed");
    let log = std::fs::read_to_string(folder.path().join("evolution.jsonl")).expect("a log");
    expect![[r#"
        {"event": "call", "function": "greeting", "timestamp": "2026-06-01T12:00:00.000007+00:00", "variant": "v1", "value": "\"Hi, Ada\"", "error": null, "latency_ms": 0.007, "success": true, "weight": 0.25}
        {"event": "call", "function": "greeting", "timestamp": "2026-06-01T12:00:00.012352+00:00", "variant": "v2", "value": "\"Hi, Zoë\"", "error": null, "latency_ms": 12.35, "success": true, "weight": 0.75}
        {"event": "call", "function": "greeting", "timestamp": "2026-06-01T12:00:00.024697+00:00", "variant": "v2", "value": null, "error": "whom?", "latency_ms": 12.35, "success": false, "weight": 0.75}
        {"event": "call", "function": "greeting", "timestamp": "2026-06-01T12:00:00.024704+00:00", "variant": "v1", "value": "\"Hi, \"", "error": null, "latency_ms": 0.007, "success": true, "fallback": true}
        {"event": "call", "function": "greeting", "timestamp": "2026-06-01T12:00:00.037049+00:00", "variant": "v2", "value": "\"Hi, x\"", "error": null, "latency_ms": 12.35, "success": true, "weight": 0.75, "unit": "9e124c98a398664e"}
    "#]]
    .assert_eq(&log);
}

#[test]
fn what_does_not_fit_is_counted_and_told() {
    let folder = folder();
    let tracker = Tracker::options().events_max(1_000).open(folder.path()).expect("a log");
    let function =
        Evolving::new("f", |_: &()| ()).variant("v2", |_: &()| ()).strategy(AbTest::even()).tracker(&tracker);
    let calls = 200_000;
    let start = std::time::Instant::now();
    (0..calls).for_each(|_| assert!(function.call(&()).is_ok()));
    assert!(start.elapsed() < Duration::from_secs(20), "callers do not wait");
    tracker.close().expect("closed");
    let records = records(folder.path());
    let dropped = records.iter().filter(|record| record["event"] == "dropped");
    let dropped = dropped.map(|record| record["count"].as_u64().expect("a count")).sum::<u64>();
    assert_eq!(count(&records, "event", "call") as u64 + dropped, calls);
    assert_eq!(tracker.health().dropped, dropped);
    assert!(dropped > 0 && records.iter().all(|record| record["function"] == "f"), "{dropped}");
}

#[test]
fn texts_that_do_not_fit_are_left_out() {
    let folder = folder();
    let tracker = Tracker::options().text_bytes_max(100).open(folder.path()).expect("a log");
    let function = Evolving::new("f", |_: &()| "x".repeat(200)).log_values().tracker(&tracker);
    (0..5).for_each(|_| assert!(function.call(&()).is_ok()));
    tracker.close().expect("closed");
    let records = records(folder.path());
    assert_eq!((records.len(), &records[0]["value"], tracker.health().dropped), (5, &serde_json::Value::Null, 0));
}

#[test]
fn a_log_is_put_aside_when_it_is_large() {
    let folder = folder();
    let tracker = Tracker::options().rotate_at_bytes(20_000).open(folder.path()).expect("a log");
    let function = Evolving::new("f", |_: &()| ()).strategy(Manual).tracker(&tracker);
    for _ in 0..20 {
        (0..50).for_each(|_| assert!(function.call(&()).is_ok()));
        tracker.flush(Duration::from_secs(5)).expect("written");
    }
    let logs = logs_in(folder.path()).expect("a folder");
    assert!((5..=20).contains(&logs.len()), "{logs:?}");
    for log in &logs {
        let text = std::fs::read_to_string(log).expect("a log");
        assert!(text.len() <= 20_000 && text.ends_with("}\n"), "{} bytes", text.len());
    }
    assert_eq!(function.summary().expect("readable").expect("calls").calls(), 1_000, "all of them together");
}

#[test]
fn a_log_is_put_aside_when_a_day_begins() {
    let folder = folder();
    let today = Arc::new(ManualClock::new(temporal_code::Timestamp::now()));
    let tracker = Tracker::options().rotate_daily().clock(today.clone()).open(folder.path()).expect("a log");
    let function = Evolving::new("f", |_: &()| ()).tracker(&tracker);
    let call = || {
        function.call(&()).expect("an answer");
        tracker.flush(Duration::from_secs(5)).expect("written");
        logs_in(folder.path()).expect("a folder").len()
    };
    assert_eq!((call(), call()), (1, 1));
    today.advance(Duration::from_secs(86_400));
    assert_eq!((call(), call()), (2, 2));
    today.advance(Duration::from_secs(3 * 86_400));
    assert_eq!((call(), call()), (3, 3));
}

#[test]
fn a_log_may_be_named_and_a_folder_made() {
    let folder = folder();
    let log = folder.path().join("deep/er/mine.jsonl");
    let tracker = Tracker::open(&log).expect("a log");
    Evolving::new("f", |_: &()| ()).tracker(&tracker).call(&()).expect("an answer");
    assert_eq!(tracker.path(), Some(&*log));
    tracker.close().expect("closed");
    assert!(std::fs::read_to_string(log).expect("a log").starts_with(r#"{"event": "call""#));
}

#[test]
fn what_cannot_be_a_log_is_refused_by_name() {
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").expect("written");
    let occupied = folder.path().join("occupied");
    std::fs::create_dir_all(occupied.join("evolution.jsonl")).expect("made");
    for path in [file.join("below"), occupied, "/proc/nowhere".into(), "/dev/full/x".into()] {
        let error = Tracker::open(&path).expect_err("no log");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
    let device = Tracker::open("/dev/null/evolution.jsonl").expect_err("no log");
    assert!(device.to_string().contains("/dev/null"));
}

#[test]
fn after_it_is_closed_calls_are_answered_still() {
    let folder = folder();
    let tracker = Tracker::options().durability(Durability::EachEvent).open(folder.path()).expect("a log");
    let function = Evolving::new("f", |_: &()| 1).tracker(&tracker);
    assert_eq!(function.call(&()), Ok(1));
    tracker.close().expect("closed");
    assert_eq!(function.call(&()), Ok(1));
    assert_eq!(records(folder.path()).len(), 1);
    assert_eq!(tracker.flush(Duration::from_secs(5)), Err(FlushError::Closed(None)));
    assert_eq!(tracker.health().late, 1);
}

#[test]
fn functions_that_come_and_go_leave_their_events() {
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let tracker = &tracker;
            scope.spawn(move || {
                for number in 0..200 {
                    let function = Evolving::new(&format!("f{thread}-{number}"), |_: &()| ()).tracker(tracker);
                    (0..3).for_each(|_| assert!(function.call(&()).is_ok()));
                }
            });
        }
    });
    tracker.close().expect("closed");
    let records = records(folder.path());
    assert_eq!(records.len(), 4 * 200 * 3);
    assert_eq!(count(&records, "function", "f3-199"), 3);
}

#[test]
fn each_event_is_safe_when_its_call_returns_if_so_asked() {
    let folder = folder();
    let tracker = Tracker::options().durability(Durability::EachEvent).open(folder.path()).expect("a log");
    let function = Evolving::new("f", |_: &()| ()).tracker(&tracker);
    for calls in 1..=20 {
        function.call(&()).expect("an answer");
        assert_eq!(records(folder.path()).len(), calls);
    }
    std::thread::scope(|scope| {
        (0..8).for_each(|_| drop(scope.spawn(|| (0..20).for_each(|_| assert!(function.call(&()).is_ok())))));
    });
    assert_eq!((records(folder.path()).len(), tracker.health().late), (180, 0));
}

#[test]
fn events_come_to_the_log_by_themselves() {
    for durability in [Durability::OnClose, Durability::Every(Duration::from_secs(3_600))] {
        let folder = folder();
        let tracker = Tracker::options().durability(durability).open(folder.path()).expect("a log");
        let function = Evolving::new("f", |_: &()| ()).tracker(&tracker);
        function.call(&()).expect("an answer");
        wait_for("the event", || records(folder.path()).len() == 1);
    }
}

/// Not a test: a process that may write no large files.
#[test]
#[ignore = "it is started by another test"]
fn write_more_than_is_allowed() {
    let Some(folder) = std::env::var_os("TC_TEST_LIMITED") else { return };
    let options = Tracker::options().durability(Durability::Every(Duration::from_millis(5)));
    let tracker = options.wait_max(Duration::from_millis(300)).open(folder).expect("a log");
    let function = Evolving::new("f", |_: &()| ()).tracker(&tracker);
    (0..100).for_each(|_| assert!(function.call(&()).is_ok()));
    assert!(tracker.flush(Duration::from_millis(500)).is_err());
    let trouble = tracker.health().trouble.expect("trouble");
    assert!(trouble.contains("File too large"), "{trouble}");
    assert!(tracker.close().is_err());
    assert!(tracker.health().dropped > 0, "{:?}", tracker.health());
}

#[test]
fn a_limit_on_the_size_of_files_does_not_end_the_program() {
    let folder = folder();
    let mut command = std::process::Command::new("prlimit");
    command.arg("--fsize=4000").arg(std::env::current_exe().expect("this program"));
    command.args(["--exact", "tracker::write_more_than_is_allowed", "--ignored", "--test-threads=1"]);
    let output = command.env("TC_TEST_LIMITED", folder.path()).output().expect("prlimit runs");
    assert!(output.status.success(), "{}{output:?}", String::from_utf8_lossy(&output.stdout));
    let log = std::fs::metadata(folder.path().join("evolution.jsonl")).expect("a log");
    assert!(log.len() <= 4000, "{}", log.len());
}
