//! Strategies over simulated time: equal to the original's rules at the same draws, and distributed as they promise.

use std::sync::Arc;
use std::time::Duration;

use temporal_code::functions::{AbTest, Canary, Evolving, Gradual, Scheduled, Strategy, Tracker, days, hours};
use temporal_code::testing::Draws;
use temporal_code::{ManualClock, Random, SeededRandom};

use super::support::{count, folder, records, time};

type Function = Evolving<bool, usize, String>;

/// A function of so many variants that fail when they are told to; an answer is the variant's number.
fn function(
    variants: usize,
    strategy: impl Strategy + 'static,
    clock: &Arc<ManualClock>,
    random: Arc<dyn Random>,
) -> Function {
    let answer =
        |number: usize| move |fails: &bool| if *fails && number > 1 { Err("as told".to_string()) } else { Ok(number) };
    let first = Evolving::fallible("f", answer(1)).clock(clock.clone()).random(random).strategy(strategy);
    (2..=variants).fold(first, |function, number| function.variant(&format!("v{number}"), answer(number)))
}

/// The original's choice: the cumulative weights are walked up to the draw.
fn walk(weights: &[f64], draw: f64) -> usize {
    let mut cumulative = 0.0;
    for (index, weight) in weights.iter().enumerate() {
        cumulative += weight;
        if draw <= cumulative {
            return index + 1;
        }
    }
    weights.len()
}

/// Numbers that do not repeat for a while, none of them 0.
fn draws(seed: u64, count: usize) -> Vec<f64> {
    let random = SeededRandom::new(seed);
    (0..count).map(|_| random.uniform().max(1e-12)).collect()
}

/// The chance of a greater sum of squares is 1 in 1,000 for so many degrees of freedom.
const CHI_SQUARE_MAX: [f64; 5] = [0.0, 10.83, 13.82, 16.27, 18.47];

fn chi_square(seen: &[f64], expected: &[f64]) -> f64 {
    seen.iter().zip(expected).map(|(seen, expected)| (seen - expected).powi(2) / expected).sum()
}

#[test]
fn gradual_follows_its_line() {
    let numbers = draws(1, 20_000);
    let clock = Arc::new(ManualClock::new(time("05-14")));
    let start = time("05-15");
    let function = function(3, Gradual::new(start, days(14)), &clock, Arc::new(Draws::new(numbers.clone())));
    let (mut seen, mut expected) = ([0.0; 2], [0.0; 2]);
    for draw in numbers {
        let elapsed_s = (function_now(&clock) - start.micros()) as f64 / 1e6;
        let total_s = 14.0 * 86_400.0;
        let progress = if elapsed_s <= 0.0 {
            0.0
        } else if elapsed_s >= total_s {
            1.0
        } else {
            elapsed_s / total_s
        };
        let answer = function.call(&false).expect("an answer");
        assert_eq!(answer, walk(&[1.0 - progress, 0.0, progress], draw));
        if progress > 0.0 && progress < 1.0 {
            seen[answer / 3] += 1.0;
            expected[0] += 1.0 - progress;
            expected[1] += progress;
        }
        clock.advance(Duration::from_secs(75));
    }
    assert!(function_now(&clock) > time("05-30").micros(), "the whole span was simulated");
    assert!(chi_square(&seen, &expected) < CHI_SQUARE_MAX[1], "{seen:?} {expected:?}");
}

fn function_now(clock: &ManualClock) -> i64 {
    temporal_code::Clock::now(clock).micros()
}

#[test]
fn an_ab_test_splits_as_told() {
    let clock = Arc::new(ManualClock::new(time("06-01")));
    for (split, weights) in [
        (AbTest::even(), vec![1.0 / 3.0; 3]),
        (AbTest::split([0.5, 0.3, 0.2]), vec![0.5, 0.3, 0.2]),
        (AbTest::split([0.5, 0.5]), vec![1.0 / 3.0; 3]),
    ] {
        let numbers = draws(2, 30_000);
        let function = function(3, split, &clock, Arc::new(Draws::new(numbers.clone())));
        let mut seen = [0.0; 3];
        for draw in numbers {
            let answer = function.call(&false).expect("an answer");
            assert_eq!(answer, walk(&weights, draw));
            seen[answer - 1] += 1.0;
        }
        let expected = weights.iter().map(|weight| weight * 30_000.0).collect::<Vec<_>>();
        assert!(chi_square(&seen, &expected) < CHI_SQUARE_MAX[2], "{seen:?}");
    }
}

#[test]
fn sticky_units_are_split_as_told_too() {
    let clock = Arc::new(ManualClock::new(time("06-01")));
    let function = function(4, AbTest::split([0.4, 0.3, 0.2, 0.1]), &clock, Arc::new(Draws::new([])));
    let mut seen = [0.0; 4];
    for unit in 0..20_000 {
        seen[function.call_for(format!("user {unit}"), &false).expect("an answer") - 1] += 1.0;
    }
    assert!(chi_square(&seen, &[8_000.0, 6_000.0, 4_000.0, 2_000.0]) < CHI_SQUARE_MAX[3], "{seen:?}");
}

#[test]
fn the_default_generator_splits_as_told() {
    let clock = Arc::new(ManualClock::new(time("06-01")));
    let function = function(2, AbTest::split([0.9, 0.1]), &clock, Arc::new(temporal_code::ThreadRandom));
    let second = (0..100_000).filter(|_| function.call(&false) == Ok(2)).count() as f64;
    // Not seeded: six standard deviations.
    assert!((second - 10_000.0).abs() < 6.0 * 95.0, "{second}");
}

#[test]
fn a_canary_decides_by_the_rules_of_the_original() {
    // A reference: the original's strategy, call by call.
    for (seed, failure_rate) in [(3, 0.0), (4, 0.03), (5, 0.049), (6, 0.05), (7, 0.06), (8, 0.2), (9, 0.05), (10, 0.05)]
    {
        let clock = Arc::new(ManualClock::new(time("06-01")));
        let (numbers, faults) = (draws(seed, 4_000), draws(seed + 100, 4_000));
        let function = function(2, Canary::new(), &clock, Arc::new(Draws::new(numbers.clone())));
        let (mut calls, mut successes, mut promoted, mut rolled_back) = (0, 0, false, false);
        for (draw, fault) in numbers.into_iter().zip(faults) {
            let fails = fault < failure_rate;
            if !promoted && !rolled_back && calls >= 100 {
                let rate = f64::from(successes) / f64::from(calls);
                if rate >= 0.95 { promoted = true } else { rolled_back = true }
            }
            let chosen = match (promoted, rolled_back) {
                (_, true) => 1,
                (true, _) => 2,
                _ => walk(&[1.0 - 0.1, 0.1], draw),
            };
            if chosen == 2 {
                calls += 1;
                successes += i32::from(!fails);
            }
            let expected = if fails { 1 } else { chosen };
            assert_eq!(function.call(&fails), Ok(expected), "seed {seed}");
        }
        let stats = function.stats();
        assert_eq!(stats.variants[1].calls, calls as u64);
        assert_eq!(
            (stats.variants[1].weight, stats.variants[0].weight),
            if promoted { (1.0, 0.0) } else { (0.0, 1.0) }
        );
        assert_ne!(promoted, rolled_back, "4,000 calls decide");
    }
}

#[test]
fn a_canary_gets_its_share_until_it_is_decided() {
    let clock = Arc::new(ManualClock::new(time("06-01")));
    let canary = Canary::new().weight(0.2).promote_after(1_000_000);
    let function = function(2, canary, &clock, Arc::new(SeededRandom::new(11)));
    let second = (0..20_000).filter(|_| function.call(&false) == Ok(2)).count() as f64;
    assert!(chi_square(&[second, 20_000.0 - second], &[4_000.0, 16_000.0]) < CHI_SQUARE_MAX[1], "{second}");
}

#[test]
fn a_canary_waits_for_its_time_and_minds_how_long_calls_take() {
    let clock = Arc::new(ManualClock::new(time("06-01")));
    let canary = Canary::new().weight(1.0).promote_after(10).min_time(hours(1));
    let patient = function(2, canary, &clock, Arc::new(Draws::new([0.5])));
    for _ in 0..60 {
        assert_eq!(patient.stats().variants[0].weight, 0.0, "all to the canary, but not decided");
        patient.call(&true).expect("v1 answers");
        clock.advance(Duration::from_secs(60));
    }
    patient.call(&true).expect("v1 answers");
    assert_eq!(patient.stats().variants[1].weight, 0.0, "rolled back after an hour");

    let folder = folder();
    let tracker = Tracker::options().clock(clock.clone()).open(folder.path()).expect("a log");
    let slow = clock.clone();
    let function = Evolving::new("f", |_: &()| 1).variant("v2", move |_: &()| {
        slow.advance(Duration::from_millis(30));
        2
    });
    let canary = Canary::new().weight(1.0).promote_after(10).latency_max(Duration::from_millis(20));
    let function = function.strategy(canary).tracker(&tracker);
    (0..20).for_each(|_| drop(function.call(&())));
    assert_eq!(function.call(&()), Ok(1));
    tracker.close().expect("closed");
    let records = records(folder.path());
    let rollback = records.iter().find(|record| record["event"] == "rollback").expect("a rollback");
    assert_eq!(rollback["reason"], "0 of 10 calls succeeded within 20 ms: 0.0 %, less than 95.0 %");
}

#[test]
fn what_a_canary_decided_and_counted_survives_a_restart() {
    let folder = folder();
    let life = |calls: usize, fails: bool| {
        let tracker = Tracker::open(folder.path()).expect("a log");
        let clock = Arc::new(ManualClock::new(time("06-01")));
        let canary = Canary::new().weight(1.0);
        let function = function(2, canary, &clock, Arc::new(Draws::new([0.5]))).tracker(&tracker);
        let answers = (0..calls).map(|_| function.call(&fails).expect("an answer")).collect::<Vec<_>>();
        tracker.close().expect("closed");
        answers
    };
    // Sixty calls, then forty more: the hundredth decides.
    assert!(life(60, false).iter().all(|answer| *answer == 2));
    assert_eq!(count(&records(folder.path()), "event", "promotion"), 0);
    life(39, true);
    let answers = life(3, true);
    assert_eq!(count(&records(folder.path()), "event", "rollback"), 1, "60 of 100 succeeded");
    assert_eq!(answers, [1, 1, 1]);
    let calls = count(&records(folder.path()), "variant", "v2");
    assert!(life(50, false).iter().all(|answer| *answer == 1), "rolled back for good");
    assert_eq!(count(&records(folder.path()), "variant", "v2"), calls, "no call of it, and no second decision");
}

#[test]
fn calls_that_the_original_logged_count_at_the_start() {
    let folder = folder();
    let line = r#"{"event": "call", "function": "f", "timestamp": "2026-06-01T00:00:00.000001+00:00", "variant": "v2", "value": "2", "error": null, "latency_ms": 0.5, "success": true}"#;
    std::fs::write(folder.path().join("evolution.jsonl"), format!("{line}\n").repeat(100)).expect("written");
    let tracker = Tracker::open(folder.path()).expect("a log");
    let clock = Arc::new(ManualClock::new(time("06-01")));
    let function = function(2, Canary::new(), &clock, Arc::new(Draws::new([0.5]))).tracker(&tracker);
    assert_eq!(function.call(&false), Ok(2), "promoted by what is in the log");
    tracker.close().expect("closed");
    assert_eq!(count(&records(folder.path()), "event", "promotion"), 1, "and written down");
}

#[test]
fn two_processes_decide_once_and_together() {
    let folder = folder();
    let clock = Arc::new(ManualClock::new(time("06-01")));
    // Two trackers on one log are to each other what two processes are.
    let open = || {
        let tracker = Tracker::open(folder.path()).expect("a log");
        let canary = Canary::new().weight(1.0).promote_after(50);
        let function = function(2, canary, &clock, Arc::new(Draws::new([0.5]))).tracker(&tracker);
        (tracker, function)
    };
    let ((first_tracker, first), (second_tracker, second)) = (open(), open());
    for _ in 0..25 {
        first.call(&true).expect("v1 answers");
        second.call(&true).expect("v1 answers");
    }
    super::support::wait_for("one decision for both", || {
        [&first, &second].iter().all(|function| function.stats().variants[1].weight == 0.0)
    });
    first_tracker.close().expect("closed");
    second_tracker.close().expect("closed");
    assert_eq!(count(&records(folder.path()), "event", "rollback"), 1);
}

#[test]
fn switches_come_on_time() {
    let clock = Arc::new(ManualClock::new(time("05-31T23:59:59.999999")));
    let function = function(3, Scheduled::switch_at(time("06-01")), &clock, Arc::new(Draws::new([])));
    assert_eq!(function.call(&false), Ok(1));
    clock.advance(Duration::from_micros(1));
    assert_eq!(function.call(&false), Ok(2));
}
