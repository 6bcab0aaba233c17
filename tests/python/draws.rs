//! At the same draws and times the package's strategies and ours choose the same variants.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use temporal_code::functions::{AbTest, Canary, Evolving, Gradual, Scheduled, Strategy, days};
use temporal_code::testing::Draws;
use temporal_code::{ManualClock, Random as _, SeededRandom, Timestamp};

use crate::support::{folder, run_script};

/// One strategy in both languages, and what it is run over.
struct Case {
    theirs: Value,
    ours: Box<dyn FnOnce(Function) -> Function>,
    variants: usize,
    draws: Vec<f64>,
    times: Vec<Timestamp>,
    fails: Vec<u8>,
}

/// Its argument says which variants fail, as in `draws.py`.
type Function = Evolving<u8, (), String>;

const CALLS: usize = 4_000;

impl Case {
    fn new(class: &str, arguments: Value, strategy: impl Strategy + 'static, variants: usize) -> Case {
        let chance = SeededRandom::new(class.len() as u64 * 100 + variants as u64);
        // The package calls a variant without weight when the draw is exactly 0; ours never does.
        let draws = (0..CALLS).map(|_| chance.uniform().max(1e-12)).collect();
        let ours = Box::new(|function: Function| function.strategy(strategy));
        let times = vec![time("06-01"); CALLS];
        Case { theirs: json!([class, arguments]), ours, variants, draws, times, fails: vec![0; CALLS] }
    }

    /// Calls that begin at `start` and are so many microseconds apart.
    fn over(self, start: Timestamp, step_us: i64) -> Case {
        let times = (0..CALLS as i64).map(|call| start.offset_micros(call * step_us)).collect();
        Case { times, ..self }
    }

    /// Draws that are where one variant's share ends and another's begins, and the floats on both sides of it.
    fn at_borders(mut self, borders: &[f64]) -> Case {
        for (place, draw) in self.draws.iter_mut().enumerate().filter(|(place, _)| place % 3 > 0) {
            let border = borders[place % borders.len()];
            *draw = match place % 5 {
                0 => border.next_down(),
                1 => border.next_up(),
                _ => border,
            }
            .clamp(f64::MIN_POSITIVE, 1.0f64.next_down());
        }
        self
    }

    /// Draws at the border between the first variant's share and the last one's, as a gradual shift moves it: a time that
    /// is off by a microsecond shows.
    fn at_moving_border(mut self, start: Timestamp, span: u64) -> Case {
        for (place, (draw, at)) in self.draws.iter_mut().zip(&self.times).enumerate() {
            let elapsed_s = (at.micros() - start.micros()) as f64 / 1e6;
            let border = 1.0 - (elapsed_s / (span as f64 * 86_400.0)).clamp(0.0, 1.0);
            let draws = [border.next_down(), border, border.next_up()];
            *draw = draws[place % 3].clamp(f64::MIN_POSITIVE, 1.0f64.next_down());
        }
        self
    }

    /// Failures of `v1` in so many calls of a hundred, and of the others in so many.
    fn failing(self, first: f64, others: f64, seed: u64) -> Case {
        let chance = SeededRandom::new(seed);
        let fails = |percent: f64| u8::from(chance.uniform() * 100.0 < percent);
        Case { fails: (0..CALLS).map(|_| fails(first) + 2 * fails(others)).collect(), ..self }
    }

    fn json(&self) -> Value {
        let times = self.times.iter().map(|at| at.micros()).collect::<Vec<_>>();
        json!({"strategy": self.theirs, "variants": self.variants, "draws": self.draws, "times": times, "fails": self.fails})
    }

    /// The variants that ours runs, in order.
    fn run(self) -> Vec<usize> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = |number: usize| {
            let seen = seen.clone();
            move |fails: &u8| {
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(number);
                if fails & if number == 1 { 1 } else { 2 } > 0 { Err("as told".to_string()) } else { Ok(()) }
            }
        };
        let first = Evolving::fallible("f", answer(1));
        let function = (2..=self.variants).fold(first, |it, number| it.variant(&format!("v{number}"), answer(number)));
        let clock = Arc::new(ManualClock::new(self.times[0]));
        let function = function.clock(clock.clone()).random(Arc::new(Draws::new(self.draws)));
        let function = (self.ours)(function);
        for (at, fails) in self.times.iter().zip(&self.fails) {
            clock.set(*at);
            assert_eq!(function.call(fails).is_err(), fails & 1 > 0 && function_failed(&seen, *fails));
        }
        drop(function);
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

/// Whether the last variant that was run failed.
fn function_failed(seen: &Mutex<Vec<usize>>, fails: u8) -> bool {
    let last = seen.lock().unwrap_or_else(PoisonError::into_inner).last().copied();
    last.is_some_and(|number| fails & if number == 1 { 1 } else { 2 } > 0)
}

/// A time of 2026.
fn time(text: &str) -> Timestamp {
    format!("2026-{text}").parse().expect("a time")
}

#[track_caller]
fn check(cases: Vec<Case>) {
    let folder = folder();
    let file = folder.path().join("cases.json");
    let json = Value::from(cases.iter().map(Case::json).collect::<Vec<_>>());
    std::fs::write(&file, json.to_string()).expect("written");
    let theirs = run_script("draws.py", [&file]);
    for (case, theirs) in cases.into_iter().zip(theirs.as_array().expect("a list")) {
        let (name, variants) = (case.theirs.to_string(), case.variants);
        let theirs = theirs.as_array().expect("a list").iter().filter_map(Value::as_u64).map(|it| it as usize);
        let (ours, theirs) = (case.run(), theirs.collect::<Vec<_>>());
        let apart = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
        assert_eq!(apart, None, "{name}, {variants} variants");
        assert_eq!(ours.len(), theirs.len(), "{name}, {variants} variants");
        assert!(ours.len() >= CALLS);
    }
}

#[test]
fn gradual_shifts_choose_the_same() {
    let (start, step_us) = (time("05-15"), 350_000_001);
    let case = |variants, span| {
        let arguments = json!({"start": "2026-05-15", "duration_days": span});
        let case = Case::new("GradualStrategy", arguments, Gradual::new(start, days(span)), variants);
        // From a day before the shift until after its end.
        case.over(start.offset_micros(-86_400_000_000), step_us).failing(5.0, 20.0, span)
    };
    assert!(step_us * CALLS as i64 > 15 * 86_400_000_000);
    let mut cases = vec![case(1, 7), case(2, 7), case(2, 14), case(3, 14), case(4, 1)];
    cases.extend([1, 7, 14].map(|span| case(2, span).at_moving_border(start, span)));
    check(cases);
}

#[test]
fn canaries_choose_and_decide_the_same() {
    let case = |variants: usize, weight: f64, after: u32, threshold: f64| {
        let arguments = json!({"canary_weight": weight, "promote_after": after, "rollback_threshold": threshold});
        let ours = Canary::new().weight(weight).promote_after(after).rollback_threshold(threshold);
        Case::new("CanaryStrategy", arguments, ours, variants)
    };
    let mut cases = vec![
        case(1, 0.1, 100, 0.95),
        case(2, 0.1, 0, 0.95).failing(0.0, 50.0, 1),
        case(2, 0.1, 1, 1.0).failing(0.0, 50.0, 2),
        case(2, 1.0, 20, 0.5).failing(10.0, 50.0, 3),
        case(3, 0.25, 200, 0.95).failing(3.0, 5.0, 4),
        case(2, 0.1, 100, 0.0).failing(0.0, 100.0, 5),
        case(2, 0.1, 100, 0.95).failing(2.0, 5.0, 6).at_borders(&[0.9, 1.0 - 0.1, 0.5, 1.0]),
    ];
    cases.extend((0..30).map(|seed| {
        let after = 20 + 20 * (seed as u32 % 5);
        case(2, 0.1, after, 0.95).failing(1.0, 5.0, 100 + seed)
    }));
    check(cases);
}

#[test]
fn splits_choose_the_same() {
    let case = |variants: usize, split: &[f64]| {
        Case::new("ABTestStrategy", json!({"split": split}), AbTest::split(split.iter().copied()), variants)
            .failing(5.0, 20.0, 1)
    };
    let mut cases = (1..=11).map(|variants| case(variants, &[])).collect::<Vec<_>>();
    cases.extend([
        case(2, &[0.9, 0.1]).at_borders(&[0.9, 1.0]),
        case(3, &[0.5, 0.3, 0.2]).at_borders(&[0.5, 0.8, 1.0]),
        case(3, &[0.1, 0.0, 0.9]),
        case(3, &[0.5, 0.5]).at_borders(&[1.0 / 3.0, 2.0 / 3.0, 1.0]),
        case(2, &[0.25, 0.25]),
        case(2, &[0.75, 0.75]),
    ]);
    check(cases);
}

#[test]
fn schedules_choose_the_same() {
    let case = |variants: usize, phases: &[(&str, &str)]| {
        let ours = Scheduled::new(phases.iter().map(|(at, name)| (time(at), *name)));
        let theirs = phases.iter().map(|(at, name)| (format!("2026-{at}"), name)).collect::<Vec<_>>();
        let case = Case::new("ScheduledStrategy", json!({"schedule": theirs}), ours, variants);
        // To the microsecond at the first switch.
        let step = Duration::from_secs(1_800).as_micros() as i64;
        case.over(time("06-01").offset_micros(-100 * step - 1), step).failing(5.0, 20.0, 1)
    };
    check(vec![
        case(2, &[("06-01", "v2")]),
        case(3, &[("06-01", "v2"), ("06-15T12:00:00", "v3"), ("07-01", "v1")]),
        case(3, &[("06-15", "v3"), ("06-01", "v2"), ("06-01", "v3")]),
        case(2, &[("06-01", "v9"), ("06-10", "v2"), ("06-20", "v7")]),
        case(2, &[("05-31T23:59:59.999999", "v2"), ("06-02T00:00:00.000001", "v1")]),
        case(2, &[]),
    ]);
}
