//! Running processes obey what is decided elsewhere, find it again after a restart, and decide together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use temporal_code::SeededRandom;
use temporal_code::functions::{AbTest, Canary, Durability, Evolving, Tracker};
use temporal_code::logs::{Change, Decision};

use crate::ground::{Ground, exit, json, wait_for};

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
