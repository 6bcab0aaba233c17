//! Running processes obey what is decided elsewhere, find it again after a restart, and decide together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use temporal_code::SeededRandom;
use temporal_code::functions::{AbTest, Canary, Durability, Evolving, Tracker};
use temporal_code::logs::{Change, Decision};

use crate::bucket::way;
use crate::ground::{Ground, exit, json, wait_for};
use crate::servers::s3_proxy::Fault;

type Function = Evolving<(), u32>;

fn function(tracker: &Tracker) -> Function {
    let function = Evolving::new("pay", |(): &()| 1).variant("v2", |(): &()| 2).variant("v3", |(): &()| 3);
    let function = function.strategy(AbTest::split([0.5, 0.5, 0.0])).random(Arc::new(SeededRandom::new(1)));
    function.tracker(tracker)
}

fn weights(function: &Function) -> Vec<f64> {
    function.stats().variants.iter().map(|variant| variant.weight).collect()
}

fn close_to(weights: &[f64], expected: &[f64]) -> bool {
    weights.iter().zip(expected).all(|(weight, expected)| (weight - expected).abs() < 1e-9)
}

#[test]
fn each_decision_holds_in_a_running_process_and_after_a_restart() {
    for ground in Ground::all() {
        let tracker = ground.tracker();
        let running = function(&tracker);
        (0..50).for_each(|_| drop(running.call(&())));
        tracker.flush(Duration::from_secs(30)).expect("written");
        let decisions: [(&[&str], [f64; 3]); 5] = [
            (&["rollback", "pay", "v2", "-y"], [1.0, 0.0, 0.0]),
            (&["promote", "pay", "v2", "-y", "--reason", "it was the network"], [0.0, 1.0, 0.0]),
            (&["weight", "pay", "v3", "25%", "-y", "--force"], [0.0, 0.75, 0.25]),
            (&["promote", "pay", "v9", "-y", "--force"], [0.5, 0.5, 0.0]),
            (&["weight", "pay", "--release", "-y"], [0.5, 0.5, 0.0]),
        ];
        for (arguments, expected) in decisions {
            assert_eq!(exit(&mut ground.tc(arguments)), 0, "{arguments:?}");
            let decided = Instant::now();
            let is_heard = || {
                let last = running.stats().standing.last().map(|last| last.variant.clone());
                last.is_none() == arguments.contains(&"--release") && last.is_none_or(|last| last == arguments[2])
            };
            wait_for("to obey", || is_heard() && close_to(&weights(&running), &expected));
            // A second is promised; a machine that does a hundred other things may take some more.
            assert!(decided.elapsed() < Duration::from_secs(10), "{arguments:?}");
            let again = ground.tracker();
            let restarted = function(&again);
            assert_eq!(restarted.stats().standing, running.stats().standing);
            assert!(close_to(&weights(&restarted), &expected), "{arguments:?}");
            again.close().expect("closed");
        }
        tracker.close().expect("closed");
        assert_eq!(tracker.health().dropped, 0);
    }
}

#[test]
fn what_a_program_forces_itself_holds_at_once_and_for_others() {
    for ground in Ground::all() {
        let (one, other) = (ground.tracker(), ground.tracker());
        let (here, there) = (function(&one), function(&other));
        one.decide(Decision {
            function: "pay".into(),
            variant: "v3".into(),
            change: Change::Promote,
            at: None,
            forced: true,
            by: None,
            reason: None,
        });
        assert!(close_to(&weights(&here), &[0.0, 0.0, 1.0]));
        wait_for("the other to obey", || close_to(&weights(&there), &[0.0, 0.0, 1.0]));
        one.close().expect("closed");
        other.close().expect("closed");
    }
}

#[test]
fn processes_decide_together_and_once() {
    for ground in Ground::all() {
        let open = || {
            let tracker = ground.open(Tracker::options().durability(Durability::Every(Duration::from_millis(50))));
            let function = Evolving::new("search", |(): &()| 1).variant("v2", |(): &()| 2);
            let function = function.strategy(Canary::new().weight(0.5).promote_after(60)).tracker(&tracker);
            (tracker, function)
        };
        let pairs = (0..4).map(|_| open()).collect::<Vec<_>>();
        let is_promoted = |function: &Evolving<(), u32>| function.stats().variants[1].weight == 1.0;
        // No one of them has enough calls by itself.
        for _ in 0..40 {
            for (_, function) in &pairs {
                let _ = function.call(&());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        wait_for("all to know", || pairs.iter().all(|(_, function)| is_promoted(function)));
        for (tracker, _) in &pairs {
            tracker.flush(Duration::from_secs(30)).expect("written");
        }
        let events = json(&mut ground.tc(&["events", "--json"]));
        let promotions = events["items"].as_array().expect("items").iter().find(|item| item["event"] == "promotion");
        assert_eq!(promotions.map(|item| item["count"].clone()), Some(1.into()), "{events}");
        // One that starts later finds it decided.
        let (late, function) = open();
        assert!(is_promoted(&function));
        late.close().expect("closed");
        pairs.iter().for_each(|(tracker, _)| tracker.close().expect("closed"));
    }
}

#[test]
fn a_strategy_finds_what_was_counted_and_what_was_released() {
    for ground in Ground::all() {
        let open = || {
            let tracker = ground.open(Tracker::options().durability(Durability::Every(Duration::from_millis(50))));
            let function = Evolving::new("search", |(): &()| 1).variant("v2", |(): &()| 2);
            let function = function.strategy(Canary::new().weight(1.0).promote_after(100)).tracker(&tracker);
            (tracker, function)
        };
        let (tracker, function) = open();
        (0..60).for_each(|_| drop(function.call(&())));
        tracker.close().expect("closed");
        assert_eq!(exit(&mut ground.tc(&["weight", "search", "--release", "-y"])), 0);
        let (tracker, function) = open();
        (0..60).for_each(|_| drop(function.call(&())));
        tracker.close().expect("closed");
        let promotions = || json(&mut ground.tc(&["status", "search", "--json"]))["items"][0]["promotions"].clone();
        assert_eq!(promotions(), 0, "it started anew, so 60 calls count");
        let (tracker, function) = open();
        (0..60).for_each(|_| drop(function.call(&())));
        tracker.flush(Duration::from_secs(30)).expect("written");
        tracker.close().expect("closed");
        assert_eq!(promotions(), 1, "those 60 and the next 40 are enough");
    }
}

#[test]
fn what_the_log_has_of_a_function_is_known_to_its_program() {
    for ground in Ground::all() {
        let tracker = ground.tracker();
        let running = function(&tracker);
        (0..25).for_each(|_| drop(running.call(&())));
        let summary = tracker.summary("pay").expect("readable").expect("in the log");
        assert_eq!(summary.calls(), 25);
        assert!(tracker.path().is_none() && ground.url.starts_with(&tracker.location()[..8]));
        tracker.close().expect("closed");
    }
}

/// A function that is given its tracker while the log is away is logged, counts and obeys as soon as it is there.
fn comes_late(ground: &Ground, go_away: impl FnOnce(), come_back: impl FnOnce()) {
    let open = || ground.open(Tracker::options().durability(Durability::Every(Duration::from_millis(50))));
    let function = || Evolving::new("search", |(): &()| 1).variant("v2", |(): &()| 2);
    let canary = || Canary::new().weight(1.0).promote_after(100);
    let before = open();
    let earlier = function().strategy(canary()).tracker(&before);
    (0..60).for_each(|_| drop(earlier.call(&())));
    before.close().expect("closed");
    assert_eq!(exit(&mut ground.tc(&["weight", "pay", "v2", "100%", "-y", "--force"])), 0);

    let tracker =
        ground.open(Tracker::options().durability(Durability::Every(Duration::from_millis(50))).events_max(64));
    go_away();
    // What was decided is known from before.
    let paying = self::function(&tracker);
    assert!(close_to(&weights(&paying), &[0.0, 1.0, 0.0]));
    let late = function().strategy(canary()).tracker(&tracker);
    assert!(late.trouble().is_some() && tracker.health().trouble.is_some());
    (0..45).for_each(|_| assert_eq!(late.call(&()).expect("an answer"), 2));
    assert!(tracker.flush(Duration::from_millis(300)).is_err());
    come_back();
    wait_for("it to be told", || late.trouble().is_none());
    tracker.flush(Duration::from_secs(60)).expect("written");
    assert_eq!((tracker.health().dropped, tracker.health().trouble), (0, None));
    let status = || json(&mut ground.tc(&["status", "search", "--json"]))["items"][0].clone();
    wait_for("the hundredth call to count", || status()["promotions"] == 1);
    assert_eq!(status()["calls"], 105);
    assert_eq!(exit(&mut ground.tc(&["rollback", "search", "v2", "-y", "--force"])), 0);
    wait_for("to obey", || late.stats().variants[1].weight == 0.0);
    tracker.close().expect("closed");
}

#[test]
fn a_log_that_is_away_is_looked_at_again() {
    let ground = Ground::redis();
    comes_late(&ground, || ground.server().kill(), || ground.server().revive());
    let way = way();
    comes_late(&way.ground, || way.proxy.plan(|_| Fault::Answer(503, "SlowDown")), || _ = way.proxy.calm());
    let ground = Ground::folder();
    let aside = format!("{}-aside", ground.url);
    let go_away = || {
        std::fs::rename(&ground.url, &aside).expect("renamed");
        std::fs::write(&ground.url, "").expect("written");
    };
    let come_back = || {
        std::fs::remove_file(&ground.url).expect("removed");
        std::fs::rename(&aside, &ground.url).expect("renamed");
    };
    comes_late(&ground, go_away, come_back);
}

/// One function whose history cannot be read holds up no other.
#[test]
fn a_log_that_cannot_be_told_holds_up_nobody_else() {
    let ground = Ground::folder();
    let durability = Durability::Every(Duration::from_millis(20));
    let tracker = ground.open(Tracker::options().durability(durability).events_max(64));
    // Put aside later, and no file at all.
    let aside = std::path::Path::new(&ground.url).join("evolution.jsonl.1");
    std::os::unix::fs::symlink("x".repeat(300), &aside).expect("linked");
    let learning = Evolving::new("search", |(): &()| 1).variant("v2", |(): &()| 2);
    let learning = learning.strategy(Canary::new().weight(0.5).promote_after(10_000)).tracker(&tracker);
    assert!(learning.trouble().is_some());
    let other = function(&tracker);
    assert!(other.trouble().is_none());
    for _ in 0..200 {
        learning.call(&()).expect("an answer");
        other.call(&()).expect("an answer");
        std::thread::sleep(Duration::from_millis(3));
    }
    let calls = |function: &str| {
        let log = std::fs::read_to_string(std::path::Path::new(&ground.url).join("evolution.jsonl")).expect("a log");
        log.lines().filter(|line| line.contains(&format!("\"function\": \"{function}\", \"timestamp"))).count()
    };
    wait_for("the other to be logged", || calls("pay") == 200);
    assert_eq!(calls("search"), 0);
    let health = tracker.health();
    assert!(health.trouble.is_some() && health.dropped == 200 - 64, "{health:?}");
    std::fs::remove_file(&aside).expect("removed");
    wait_for("it to be told", || learning.trouble().is_none());
    tracker.flush(Duration::from_secs(30)).expect("written");
    assert_eq!((calls("search"), tracker.health().dropped), (64, 200 - 64));
    tracker.close().expect("closed");
}
