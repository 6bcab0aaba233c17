//! The canary that grows in steps, over simulated days.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use temporal_code::functions::{Evolving, Ramp, Strategy, Tracker, hours};
use temporal_code::{ManualClock, Random as _, SeededRandom};

use super::support::{count, folder, records, tc, time, wait_for};

/// What a call is told to do: whether it fails, and how long it takes, in microseconds.
type Order = (bool, u64);
type Function = Evolving<Order, u32, String>;

fn function(strategy: impl Strategy + 'static, clock: &Arc<ManualClock>, seed: u64) -> Function {
    let answer = |number: u32, clock: Arc<ManualClock>| {
        move |order: &Order| {
            clock.advance(Duration::from_micros(order.1));
            if order.0 && number == 2 { Err("as told".to_string()) } else { Ok(number) }
        }
    };
    Evolving::fallible("f", answer(1, clock.clone()))
        .variant("v2", answer(2, clock.clone()))
        .strategy(strategy)
        .clock(clock.clone())
        .random(Arc::new(SeededRandom::new(seed)))
}

/// How the two variants of a simulation behave.
#[derive(Clone, Copy)]
struct World {
    failure_rates: [f64; 2],
    latency_us: [u64; 2],
}

const EQUAL: World = World { failure_rates: [0.05; 2], latency_us: [2_000; 2] };

/// Calls of both variants, each with its own chance to fail, a second apart. The first variant's failures are errors too.
fn simulate(strategy: Arc<Ramp>, world: World, seed: u64, calls: u32) {
    let clock = Arc::new(ManualClock::new(time("06-01")));
    let chance = SeededRandom::new(seed + 1_000);
    let (slow, chances) = (clock.clone(), Arc::new(chance));
    let run = move |variant: usize, clock: Arc<ManualClock>, chance: Arc<SeededRandom>| {
        move |(): &()| {
            let spread = 0.5 + chance.uniform();
            clock.advance(Duration::from_micros((world.latency_us[variant] as f64 * spread) as u64));
            if chance.uniform() < world.failure_rates[variant] { Err("bad luck") } else { Ok(()) }
        }
    };
    let function = Evolving::fallible("f", run(0, slow.clone(), chances.clone()))
        .variant("v2", run(1, slow, chances))
        .strategy(Shared(strategy))
        .clock(clock.clone())
        .random(Arc::new(SeededRandom::new(seed)));
    for _ in 0..calls {
        let _ = function.call(&());
        clock.advance(Duration::from_millis(200));
    }
}

/// A strategy that a test can look at while a function uses it.
struct Shared(Arc<Ramp>);

impl Strategy for Shared {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn weights(&self, situation: &temporal_code::functions::Situation<'_>, weights: &mut [f64]) {
        self.0.weights(situation, weights);
    }
    fn learns(&self) -> bool {
        self.0.learns()
    }
    fn observe(
        &self,
        call: &temporal_code::functions::Observation<'_>,
    ) -> Option<temporal_code::functions::StrategyVerdict> {
        self.0.observe(call)
    }
    fn hear(&self, decision: &temporal_code::logs::Decision, variants: &[Arc<str>]) {
        self.0.hear(decision, variants);
    }
}

/// Of so many rollouts, how many were rolled back and how many promoted.
fn outcomes(world: World, rollouts: u64, calls: u32) -> (u32, u32) {
    let (mut rolled_back, mut promoted) = (0, 0);
    for seed in 0..rollouts {
        let ramp = Arc::new(Ramp::new([0.1, 0.5]).step_time(Duration::from_secs(600)).step_calls(50));
        simulate(ramp.clone(), world, seed, calls);
        rolled_back += u32::from(ramp.is_rolled_back());
        promoted += u32::from(ramp.is_promoted());
    }
    (rolled_back, promoted)
}

#[test]
fn an_equal_variant_is_hardly_ever_rolled_back() {
    let (rolled_back, promoted) = outcomes(EQUAL, 100, 40_000);
    assert!(rolled_back <= 8, "{rolled_back} of 100; 5 are promised, on the average");
    assert!(promoted >= 80, "{promoted} of 100, {rolled_back} rolled back");
}

#[test]
fn a_variant_that_fails_more_often_is_found() {
    let (rolled_back, promoted) = outcomes(World { failure_rates: [0.02, 0.12], ..EQUAL }, 40, 10_000);
    assert_eq!((rolled_back, promoted), (40, 0));
}

#[test]
fn a_variant_that_is_slower_is_found() {
    let (rolled_back, promoted) = outcomes(World { latency_us: [2_000, 2_600], ..EQUAL }, 20, 10_000);
    assert_eq!((rolled_back, promoted), (20, 0));
}

#[test]
fn a_variant_that_never_fails_is_promoted() {
    let (rolled_back, promoted) = outcomes(World { failure_rates: [0.0; 2], ..EQUAL }, 20, 10_000);
    assert_eq!((rolled_back, promoted), (0, 20));
}

fn open(folder: &Path, clock: &Arc<ManualClock>) -> (Tracker, Function) {
    let tracker = Tracker::options().clock(clock.clone()).open(folder).expect("a log");
    let ramp = Ramp::new([0.2, 0.5]).step_time(hours(1)).step_calls(100);
    let function = function(ramp, clock, 7).tracker(&tracker);
    (tracker, function)
}

/// Calls for so many hours, ten a minute.
fn work(function: &Function, clock: &ManualClock, hours: u32, fails: bool) {
    for minute in 0..hours * 60 {
        for call in 0..10 {
            let failing = fails && (minute + call) % 2 == 0;
            function.call(&(failing, 1_000)).expect("an answer");
        }
        clock.advance(Duration::from_secs(60));
    }
}

#[test]
fn steps_are_logged_and_gone_on_with_after_a_restart() {
    let folder = folder();
    let clock = Arc::new(ManualClock::new(time("06-01")));
    let weight = |function: &Function| function.stats().variants[1].weight;
    let (tracker, function) = open(folder.path(), &clock);
    assert_eq!(weight(&function), 0.2);
    work(&function, &clock, 2, false);
    assert_eq!(weight(&function), 0.5);
    drop(function);
    tracker.close().expect("closed");

    let (tracker, function) = open(folder.path(), &clock);
    assert_eq!(weight(&function), 0.5, "the step it was at");
    work(&function, &clock, 2, false);
    assert_eq!(weight(&function), 1.0);
    drop(function);
    tracker.close().expect("closed");

    let (tracker, function) = open(folder.path(), &clock);
    assert_eq!(weight(&function), 1.0, "promoted for good");
    drop(function);
    tracker.close().expect("closed");
    let records = records(folder.path());
    let decisions = records.iter().filter(|record| record["event"] != "call").collect::<Vec<_>>();
    let told = decisions.iter().map(|record| (record["event"].as_str(), record["new_weight"].as_f64()));
    assert_eq!(told.collect::<Vec<_>>(), [(Some("weight_change"), Some(0.5)), (Some("promotion"), None)]);
}

#[test]
fn harm_after_a_restart_is_found_with_what_was_known_before() {
    let folder = folder();
    let clock = Arc::new(ManualClock::new(time("06-01")));
    let (tracker, function) = open(folder.path(), &clock);
    work(&function, &clock, 1, true);
    drop(function);
    tracker.close().expect("closed");
    let rolled_back = |records: &[serde_json::Value]| count(records, "event", "rollback");
    if rolled_back(&records(folder.path())) == 0 {
        let (tracker, function) = open(folder.path(), &clock);
        work(&function, &clock, 1, true);
        drop(function);
        tracker.close().expect("closed");
    }
    let records = records(folder.path());
    let rollback = records.iter().find(|record| record["event"] == "rollback").expect("a rollback");
    let reason = rollback["reason"].as_str().expect("a reason");
    assert!(reason.contains(" calls failed, of the first variant 0.00 % of "), "{reason}");

    let (_tracker, function) = open(folder.path(), &clock);
    assert_eq!(function.stats().variants[1].weight, 0.0, "for good");
    tc(folder.path(), &["weight", "f", "--release", "-y"]);
    wait_for("a new start", || function.stats().variants[1].weight == 0.2);
}

#[test]
fn one_unit_that_fails_again_and_again_is_one_failure() {
    let clock = Arc::new(ManualClock::new(time("06-01")));
    let ramp = Arc::new(Ramp::new([0.5]).step_time(hours(1_000)));
    let function = function(Shared(ramp.clone()), &clock, 3);
    for minute in 0..600 {
        for unit in 0..10 {
            // The same ten users, one of whom is always unlucky.
            let _ = function.call_for(format!("user {unit}"), &(unit == 3, 100));
        }
        let _ = function.call_for(format!("passer-by {minute}"), &(false, 100));
        clock.advance(Duration::from_secs(60));
    }
    assert_eq!(ramp.step(), Some(0), "ten users are not six thousand calls");
}
