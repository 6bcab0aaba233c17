//! Many writers, writers that die, servers that come and go: every event is there once, or counted as dropped.

use std::collections::HashMap;
use std::time::Duration;

use temporal_code::functions::{Evolving, Tracker};

use crate::child::{Part, told};
use crate::ground::{Ground, json, run, seen, wait_for};

/// How often each event is in the log.
fn events(ground: &Ground) -> HashMap<String, u32> {
    let output = run(&mut ground.tc(&["history", "-n", "all", "-o", "jsonl", "--event", "call", "--strict"]));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = HashMap::new();
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let id = record["value"].as_str().expect("a value").trim_matches('"').to_string();
        *found.entry(id).or_insert(0) += 1;
    }
    found
}

#[test]
fn eight_writers_at_once() {
    for ground in Ground::all() {
        let folder = tempfile::tempdir().expect("a folder");
        let parts = (0..8u32).map(|number| {
            let is_slow = number % 3 == 0;
            let (durability, calls) = if is_slow { ("each", 100) } else { ("every", 5_000) };
            Part { number, durability, calls, pause_us: 0 }
        });
        let parts = parts.collect::<Vec<_>>();
        let acks = |part: &Part| folder.path().join(part.number.to_string());
        let children = parts.iter().map(|part| part.start(&ground, &acks(part))).collect::<Vec<_>>();
        for mut child in children {
            assert!(child.wait().expect("ended").success());
        }
        let found = events(&ground);
        let mut total = 0;
        for part in &parts {
            assert_eq!((told(&acks(part), "safe"), told(&acks(part), "dropped")), (Some(part.calls), Some(0)));
            for call in 0..part.calls {
                assert_eq!(found.get(&format!("{}-{call}", part.number)), Some(&1), "{part:?} {call}");
                total += 1;
            }
        }
        assert_eq!(found.len(), total);
    }
}

#[test]
fn writers_that_are_killed_lose_nothing_that_was_acknowledged() {
    for ground in Ground::all() {
        let folder = tempfile::tempdir().expect("a folder");
        let parts = (0..12u32).map(|number| {
            let durability = if number % 2 == 0 { "each" } else { "every" };
            Part { number, durability, calls: 0, pause_us: 50 }
        });
        let parts = parts.collect::<Vec<_>>();
        let acks = |part: &Part| folder.path().join(part.number.to_string());
        for part in &parts {
            let mut child = part.start(&ground, &acks(part));
            wait_for("an acknowledgement", || told(&acks(part), "safe").is_some());
            std::thread::sleep(Duration::from_millis(u64::from(part.number) * 7));
            child.kill().expect("killed");
            child.wait().expect("gone");
        }
        let found = events(&ground);
        assert!(found.values().all(|times| *times == 1), "nothing is there twice");
        for part in &parts {
            for call in 0..told(&acks(part), "safe").expect("something was") {
                assert_eq!(found.get(&format!("{}-{call}", part.number)), Some(&1), "{part:?} {call}");
            }
        }
    }
}

#[test]
fn a_server_that_is_killed_and_comes_back_in_the_middle_of_it() {
    let ground = Ground::redis();
    let folder = tempfile::tempdir().expect("a folder");
    let parts = (0..4).map(|number| Part { number, durability: "every", calls: 40_000, pause_us: 100 });
    let parts = parts.collect::<Vec<_>>();
    let acks = |part: &Part| folder.path().join(part.number.to_string());
    let children = parts.iter().map(|part| part.start(&ground, &acks(part))).collect::<Vec<_>>();
    wait_for("traffic", || parts.iter().all(|part| told(&acks(part), "safe").is_some()));
    for pause_ms in [10, 700, 50, 300] {
        ground.server().kill();
        std::thread::sleep(Duration::from_millis(pause_ms));
        ground.server().revive();
        std::thread::sleep(Duration::from_millis(400));
    }
    for mut child in children {
        assert!(child.wait().expect("ended").success());
    }
    let found = events(&ground);
    assert!(found.values().all(|times| *times == 1), "nothing is there twice");
    for part in &parts {
        let ours = format!("{}-", part.number);
        let there = found.keys().filter(|id| id.starts_with(&ours)).count() as u64;
        assert_eq!((told(&acks(part), "safe"), told(&acks(part), "dropped")), (Some(part.calls), Some(0)));
        assert_eq!(there, part.calls, "{part:?}");
    }
}

#[test]
fn a_server_that_stays_away_costs_no_call_and_bounded_memory() {
    let ground = Ground::redis();
    let options = Tracker::options().events_max(1_000).wait_max(Duration::from_secs(1));
    let tracker = ground.open(options);
    let function = Evolving::new("count", |n: &u64| *n).log_values().tracker(&tracker);
    (0..100).for_each(|n| assert_eq!(function.call(&n), Ok(n)));
    tracker.flush(Duration::from_secs(30)).expect("written");
    ground.server().kill();
    (100..20_000).for_each(|n| assert_eq!(function.call(&n), Ok(n)));
    wait_for("the trouble", || tracker.health().trouble.is_some());
    assert!(tracker.flush(Duration::from_millis(100)).is_err());
    ground.server().revive();
    wait_for("the end of the trouble", || tracker.health().trouble.is_none());
    (20_000..20_100).for_each(|n| assert_eq!(function.call(&n), Ok(n)));
    tracker.close().expect("closed");
    let health = tracker.health();
    let found = events(&ground);
    assert!(found.values().all(|times| *times == 1));
    assert!(health.dropped > 0, "{health:?}");
    assert_eq!(found.len() as u64 + health.dropped, 20_100, "{health:?}");
    // And the log says so.
    let status = json(&mut ground.tc(&["status", "count", "--json"]));
    assert_eq!(status["items"][0]["dropped_calls"].as_u64(), Some(health.dropped));
    assert_eq!(status["complete"], false);
}

#[test]
fn what_could_not_be_written_before_the_end_is_counted() {
    let ground = Ground::redis();
    let tracker = ground.open(Tracker::options().wait_max(Duration::from_millis(300)));
    let function = Evolving::new("count", |n: &u64| *n).log_values().tracker(&tracker);
    ground.server().kill();
    (0..500).for_each(|n| assert_eq!(function.call(&n), Ok(n)));
    drop(function);
    assert!(tracker.close().is_err());
    wait_for("the end", || tracker.health().dropped == 500);
    ground.server().revive();
    let output = run(&mut ground.tc(&["status"]));
    assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
}

#[test]
fn credentials_that_are_refused() {
    let ground = Ground::on(crate::servers::redis::Setup::new().with("requirepass", "right").login("default", "right"));
    let output = run(&mut ground.tc(&["status"]));
    assert_eq!(output.status.code(), Some(4), "{}", seen(&output));
    assert!(seen(&output).contains("hint: credentials for Redis come from"), "{}", seen(&output));
    let output = run(&mut ground.tc(&["clean", "--yes"]));
    assert_eq!(output.status.code(), Some(4), "{}", seen(&output));
    for password in ["hunter2", "hunter2\u{1b}"] {
        let output = run(ground.tc(&["promote", "f", "v", "-y", "--json"]).env("REDIS_PASSWORD", password));
        assert_eq!(output.status.code(), Some(4), "{}", seen(&output));
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
        assert_eq!(error["error"]["code"], "denied");
        assert!(!seen(&output).contains("hunter2"), "{}", seen(&output));
    }
    let right = run(ground.tc(&["status"]).env("REDIS_PASSWORD", "right"));
    assert!(seen(&right).contains("no evolution log"), "{}", seen(&right));
    // What stands in the address goes before.
    let url = ground.url.replace("://", "://:right@");
    let right = run(ground.tc(&["status", "-s", &url]).env("REDIS_PASSWORD", "hunter2"));
    assert!(seen(&right).contains("no evolution log") && !seen(&right).contains("right"), "{}", seen(&right));
}
