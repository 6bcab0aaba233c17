//! Against other implementations' values, against what must hold for any counts, and against simulated experiments.

use std::cmp::Ordering;

use serde_json::Value;

use super::estimate::{CALLS_PLANNED, multiplier};
use super::*;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/statistics/sequential.json");

/// Runs `check` on each reference value of a method; there must be `count`.
fn each_reference(method: &str, count: usize, check: impl Fn(&Reference)) {
    let text = std::fs::read_to_string(FIXTURE).expect("the fixture");
    let fixture = serde_json::from_str::<Value>(&text).expect("JSON");
    let vectors = fixture["vectors"].as_array().expect("vectors").iter();
    let of_method = vectors.filter(|vector| vector["method"] == method).collect::<Vec<_>>();
    assert_eq!(of_method.len(), count, "{method}");
    of_method.iter().for_each(|vector| check(&Reference(vector)));
}

struct Reference<'a>(&'a Value);

impl Reference<'_> {
    fn input(&self, name: &str) -> f64 {
        self.0["input"][name].as_f64().expect(name)
    }

    fn strata(&self) -> Vec<Stratum> {
        let counts = |row: &Value| [0, 1, 2, 3].map(|column| row[column].as_u64().expect("a count"));
        let rows = self.0["input"]["strata_x1_n1_x2_n2"].as_array().expect("strata").iter();
        rows.map(counts).map(|[x1, n1, x2, n2]| stratum((n1, x1), (n2, x2))).collect()
    }

    fn output(&self, name: &str) -> Option<f64> {
        self.0["output"][name].as_f64()
    }

    #[track_caller]
    fn check(&self, name: &str, ours: f64) {
        let reference = self.output(name).unwrap_or_else(|| panic!("{}: no {name}", self.0["id"]));
        let tolerance = self.0["rel_tol"].as_f64().expect("rel_tol") * reference.abs();
        assert!((ours - reference).abs() <= tolerance, "{} {name}: {ours} is not {reference}", self.0["id"]);
    }
}

fn stratum((n1, x1): (u64, u64), (n2, x2): (u64, u64)) -> Stratum {
    Stratum { baseline: Arm::of(n1, x1), candidate: Arm::of(n2, x2) }
}

fn swapped(stratum: &Stratum) -> Stratum {
    Stratum { baseline: stratum.candidate, candidate: stratum.baseline }
}

fn compared<'a>(strata: impl IntoIterator<Item = &'a Stratum>) -> Comparison {
    let mut comparison = Comparison::default();
    strata.into_iter().for_each(|stratum| comparison.add(stratum));
    comparison
}

fn of_latencies(ms: &[f64]) -> Arm {
    let mut arm = Arm::default();
    ms.iter().for_each(|ms| arm.add(true, Some((ms * 1e6).round() as u64)));
    arm
}

#[track_caller]
fn assert_close(ours: f64, other: f64) {
    assert!((ours - other).abs() <= 1e-9 * other.abs().max(1.0), "{ours} is not {other}");
}

fn nearly_0(value: f64) -> bool {
    value.abs() < 1e-9
}

// ---- reference values

#[test]
fn evidence_equals_the_references() {
    each_reference("stratified_conditional_e_process", 9, |reference| {
        let ours = compared(&reference.strata());
        reference.check("log_e", ours.ln_e());
        if reference.output("e").is_some() {
            reference.check("e", ours.ln_e().exp());
            reference.check("anytime_p", ours.p_value());
        }
        let sign = reference.output("log_or_cond_mle").or(reference.output("sign_of_log_or_cond_mle"));
        let sign = sign.filter(|mle| !nearly_0(*mle)).unwrap_or(0.0);
        assert_eq!(Some(ours.direction()), sign.partial_cmp(&0.0), "{}", reference.0["id"]);
    });
}

#[test]
fn difference_equals_the_reference() {
    each_reference("cmh_mantel_haenszel", 1, |reference| {
        let ours = compared(&reference.strata());
        let alpha = reference.input("alpha");
        let difference = ours.difference(alpha).expect("enough calls");
        reference.check("rd_pseudo", difference.estimate);
        reference.check("rd_cs_lo", difference.low);
        reference.check("rd_cs_hi", difference.high);
        reference.check("rd_se_pseudo", ours.rates.standard_error());
        let t = reference.output("t_eff").expect("t_eff");
        reference.check("multiplier", multiplier(t, alpha).expect("alpha in range"));
    });
}

#[test]
fn multiplier_equals_the_references() {
    each_reference("asymptotic_cs_multiplier", 3, |reference| {
        assert_eq!(reference.input("n_star"), CALLS_PLANNED);
        let ours = multiplier(reference.input("t"), reference.input("alpha"));
        reference.check("multiplier", ours.expect("alpha in range"));
    });
}

#[test]
fn merged_latencies_equal_the_reference() {
    each_reference("chan_parallel_variance", 1, |reference| {
        let ms = |name: &str| {
            let values = reference.0["input"][name].as_array().expect(name);
            values.iter().map(|value| value.as_f64().expect("ms")).collect::<Vec<_>>()
        };
        let (mut merged, b) = (of_latencies(&ms("a_ms")), of_latencies(&ms("b_ms")));
        merged.merge(&b);
        let at_once = of_latencies(&[ms("a_ms"), ms("b_ms")].concat());
        for arm in [merged, at_once] {
            reference.check("n", arm.latency.count as f64);
            reference.check("mean", arm.latency.mean().expect("a mean"));
            reference.check("var", arm.latency.variance().expect("a variance"));
        }
    });
}

#[test]
fn latency_ratio_equals_the_reference() {
    each_reference("stratified_log_latency_ratio", 1, |reference| {
        let rows = reference.0["input"]["strata_baseline_ms_candidate_ms"].as_array().expect("strata").iter();
        let arm = |values: &Value| {
            let values = values.as_array().expect("latencies").iter();
            of_latencies(&values.map(|value| value.as_f64().expect("ms")).collect::<Vec<_>>())
        };
        let strata = rows.map(|row| Stratum { baseline: arm(&row[0]), candidate: arm(&row[1]) });
        let ours = compared(&strata.collect::<Vec<_>>());
        let ratio = ours.latency_ratio(reference.input("alpha")).expect("enough calls");
        reference.check("ratio", ratio.estimate);
        reference.check("low", ratio.low);
        reference.check("high", ratio.high);
    });
}

// ---- what must hold for any counts

/// Summed over all ways in which a stratum's failures can fall, each with its probability if the variants are equal, E
/// is 1: that is what bounds false alarms.
#[test]
fn expected_evidence_without_a_difference_is_1() {
    for (n1, n2, failures) in [(40, 10, 6), (5, 45, 12), (25, 25, 49), (3, 60, 20), (60, 3, 61), (1, 1, 1)] {
        let (low, high) = (failures - n1.min(failures), failures.min(n2));
        let ways = |n: u64, k: u64| (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product::<f64>();
        let expected = (low..=high).map(|x2| {
            let e = compared([&stratum((n1, failures - x2), (n2, x2))]).ln_e().exp();
            ways(n2, x2) * ways(n1, failures - x2) / ways(n1 + n2, failures) * e
        });
        assert_close(expected.sum(), 1.0);
    }
}

fn some_strata() -> Vec<Stratum> {
    let mut random = Random(7);
    let arm = |random: &mut Random, calls: u64| {
        let mut arm = Arm::default();
        (0..calls).for_each(|_| arm.add(random.unit() > 0.1, Some(random.next() % 100_000_000)));
        arm
    };
    let calls = [(40, 12), (3, 60), (0, 70), (80, 0), (500, 20), (25, 25), (1, 49)];
    calls.map(|(n1, n2)| Stratum { baseline: arm(&mut random, n1), candidate: arm(&mut random, n2) }).to_vec()
}

#[test]
fn the_order_of_strata_does_not_matter() {
    let strata = some_strata();
    let (forth, back) = (compared(&strata), compared(strata.iter().rev()));
    assert_close(forth.ln_e(), back.ln_e());
    assert_close(forth.difference(0.05).expect("calls").low, back.difference(0.05).expect("calls").low);
    assert_close(forth.latency_ratio(0.05).expect("calls").low, back.latency_ratio(0.05).expect("calls").low);
    assert_eq!(forth.calls().calls(), strata.iter().map(Stratum::calls).sum::<u64>());
    assert_eq!((forth.rates.baseline, forth.rates.candidate), (569, 166));
}

#[test]
fn the_other_way_round_is_the_opposite() {
    let strata = some_strata();
    let opposite = strata.iter().map(swapped).collect::<Vec<_>>();
    let (ours, other) = (compared(&strata), compared(&opposite));
    assert_close(ours.ln_e(), other.ln_e());
    assert_eq!(ours.direction(), other.direction().reverse());
    let (difference, negated) = (ours.difference(0.05).expect("calls"), other.difference(0.05).expect("calls"));
    assert_close(difference.estimate, -negated.estimate);
    assert_close(difference.low, -negated.high);
    let (ratio, inverse) = (ours.latency_ratio(0.05).expect("calls"), other.latency_ratio(0.05).expect("calls"));
    assert_close(ratio.estimate, 1.0 / inverse.estimate);
    assert_close(ratio.low, 1.0 / inverse.high);
}

#[test]
fn nothing_to_compare_is_no_evidence() {
    let none = [
        stratum((0, 0), (0, 0)),
        stratum((100, 0), (100, 0)),
        stratum((100, 100), (7, 7)),
        stratum((100, 30), (0, 0)),
        stratum((0, 0), (100, 30)),
        stratum((u64::MAX / 8, u64::MAX / 8), (u64::MAX / 8, u64::MAX / 8)),
    ];
    for stratum in none.iter().chain([&Stratum::default()]) {
        let ours = compared([stratum, stratum]);
        assert_eq!((ours.ln_e(), ours.p_value(), ours.direction()), (0.0, 1.0, Ordering::Equal), "{stratum:?}");
        assert_eq!((ours.difference(0.05), ours.latency_ratio(0.05)), (None, None), "{stratum:?}");
    }
    assert_eq!(Comparison::default().ln_e(), 0.0);
}

#[test]
fn an_alpha_out_of_range_gives_nothing() {
    let ours = compared(&some_strata());
    for alpha in [0.0, 1.0, -1.0, 2.0, f64::NAN, f64::INFINITY] {
        assert_eq!((ours.difference(alpha), ours.latency_ratio(alpha)), (None, None), "{alpha}");
    }
    let widest = ours.difference(1e-300).expect("a difference");
    assert!(widest.low >= -1.0 && widest.high <= 1.0 && widest.low < widest.estimate);
}

/// Were all terms of these added, the test would not end.
#[test]
fn counts_of_any_size_are_compared_at_once() {
    const MANY: u64 = u64::MAX;
    let worse = compared([&stratum((MANY, MANY / 4), (MANY, MANY / 2))]);
    assert!(worse.ln_e() > 100_000.0 && worse.ln_e().is_finite() && worse.p_value() == 0.0);
    assert_eq!(worse.direction(), Ordering::Greater);
    assert_close(worse.difference(0.05).expect("calls").estimate, 0.25);
    for strange in [
        stratum((MANY, 1_000), (1_000, 1_000)),
        stratum((MANY, MANY - 5), (70, 3)),
        stratum((MANY, 0), (MANY, MANY)),
        stratum((1, 1), (MANY, 1)),
        stratum((1 << 26, 1 << 25), (1, 1)),
    ] {
        let ours = compared([&strange, &strange]);
        assert!(ours.ln_e().is_finite() && !ours.p_value().is_nan(), "{strange:?}");
    }
    let mut sum = stratum((MANY, MANY), (MANY, 3));
    sum.merge(&stratum((5, 5), (MANY, MANY)));
    assert_eq!((sum.calls(), sum.candidate.failures), (MANY, MANY));
}

/// Scaled down, counts beyond the limit give less evidence than they hold, and never other evidence.
#[test]
fn evidence_grows_up_to_the_limit_and_not_beyond() {
    let of = |calls: u64| compared([&stratum((calls, calls / 4), (calls, calls / 4 + calls / 64))]).ln_e();
    let limit = of(1 << 25);
    assert!(limit > 1.9 * of(1 << 24) && nearly_0(of(1 << 40) / limit - 1.0));
    assert!(of((1 << 25) + (1 << 20)) > 0.5 * limit && of((1 << 25) + (1 << 20)) < limit);
}

#[test]
fn an_arm_holds_what_was_added() {
    let mut arm = Arm::of(3, 9);
    assert_eq!((arm.calls, arm.failures), (3, 3));
    assert_eq!((arm.latency.mean(), arm.latency.variance()), (None, None));
    // A failure's latency does not count, and a success may have none.
    arm.add(false, Some(1));
    arm.add(true, None);
    assert_eq!((arm.calls, arm.failures, arm.latency.count), (5, 4, 0));
    arm.add(true, Some(0));
    assert_eq!((arm.latency.mean(), arm.latency.variance()), (Some(0.005_f64.ln()), None));
    arm.add(true, Some(2_000_000));
    assert_close(arm.latency.mean().expect("a mean"), f64::midpoint(0.005_f64.ln(), 2.0_f64.ln()));
    let mut other = Arm::default();
    other.merge(&arm);
    other.merge(&Arm::default());
    assert_eq!(other, arm);
    assert_eq!(size_of::<Arm>(), 40);
}

// ---- when estimates are shown

#[test]
fn a_difference_is_shown_from_five_rare_outcomes_on() {
    let shown = |strata: &[Stratum]| compared(strata).difference(0.05).is_some();
    assert!(shown(&[stratum((50, 6), (50, 4))]) && !shown(&[stratum((50, 5), (50, 4))]));
    assert!(shown(&[stratum((90, 46), (10, 4))]) && !shown(&[stratum((90, 45), (10, 4))]));
    // The rarer outcome may be success.
    assert!(shown(&[stratum((50, 44), (50, 46))]) && !shown(&[stratum((50, 45), (50, 46))]));
    // Strata of one variant alone say nothing of a difference.
    let apart = [stratum((900, 100), (0, 0)), stratum((0, 0), (900, 50)), stratum((50, 5), (50, 4))];
    assert!(!shown(&apart));
}

#[test]
fn a_latency_ratio_is_shown_from_thirty_successes_on() {
    let arm = |calls: usize| of_latencies(&(0..calls).map(|call| 10.0 + call as f64).collect::<Vec<_>>());
    let shown = |a: usize, b: usize, strata: usize| {
        let stratum = Stratum { baseline: arm(a), candidate: arm(b) };
        compared(&vec![stratum; strata]).latency_ratio(0.05).is_some()
    };
    assert!(shown(30, 30, 1) && !shown(29, 90, 1) && !shown(90, 29, 1));
    assert!(shown(10, 2, 15) && !shown(10, 2, 14));
    // One call in each of many strata says nothing of the spread of calls.
    assert!(!shown(50, 1, 1_000) && !shown(1, 50, 1_000));
    let lonely = Stratum { baseline: arm(40), candidate: arm(1) };
    let pair = |count| vec![Stratum { baseline: arm(40), candidate: arm(2) }; count];
    let of = |pairs| compared(vec![lonely; 40].iter().chain(&pair(pairs))).latency_ratio(0.05).is_some();
    assert!(of(5) && !of(4));
}

// ---- cutting

/// Adds `calls` calls of a minute, one by one. Returns the size of the stratum that the first of them ends.
fn add_calls(strata: &mut Strata, minute: i64, calls: u64) -> Option<u64> {
    let mut ended = (0..calls).map(|call| strata.add(minute, call % 3 == 0, call % 7 > 0, Some(call)));
    let first = ended.next()?.map(|stratum| stratum.calls());
    assert!(ended.all(|ended| ended.is_none()));
    first
}

#[test]
fn a_stratum_ends_with_the_minute_by_which_it_has_fifty_calls() {
    let mut strata = Strata::default();
    assert_eq!(add_calls(&mut strata, 100, 49), None);
    assert_eq!(add_calls(&mut strata, 101, 1), None);
    assert_eq!(add_calls(&mut strata, 102, 50), Some(50));
    // However many calls a minute has, they stay together.
    assert_eq!(add_calls(&mut strata, 102, 1_000), None);
    assert_eq!(add_calls(&mut strata, 900, 3), Some(1_050));
    assert_eq!(strata.open.calls(), 3);
}

#[test]
fn calls_logged_late_belong_to_the_open_stratum() {
    let mut strata = Strata::default();
    assert_eq!(add_calls(&mut strata, -5, 60), None);
    assert_eq!(add_calls(&mut strata, -6, 60), None);
    assert_eq!(add_calls(&mut strata, i64::MIN, 1), None);
    assert_eq!(add_calls(&mut strata, -5, 1), None);
    assert_eq!(add_calls(&mut strata, -4, 1), Some(122));
    assert_eq!(add_calls(&mut strata, i64::MAX, 50), None);
}

#[test]
fn a_cut_ends_a_stratum_of_any_size() {
    let mut strata = Strata::default();
    assert_eq!(strata.cut(), None);
    assert_eq!(add_calls(&mut strata, 1, 2), None);
    assert_eq!(strata.cut().map(|stratum| stratum.calls()), Some(2));
    assert_eq!((strata.cut(), strata.open.calls()), (None, 0));
    // The rest of the minute begins the next one.
    assert_eq!(add_calls(&mut strata, 1, 50), None);
    assert_eq!(add_calls(&mut strata, 2, 1), Some(50));
}

#[test]
fn a_few_strata_can_be_enough() {
    let mut comparison = Comparison::default();
    for _ in 0..3 {
        comparison.add(&Stratum { baseline: Arm::of(45, 1), candidate: Arm::of(5, 4) });
    }
    assert!(comparison.p_value() < 0.001 && comparison.direction().is_gt());
}

// ---- experiments

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// At least 0, less than 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const EXPERIMENTS: u64 = 400;
const CALLS: u64 = 5_000;
const ALPHA: f64 = 0.05;

/// In how many experiments it happened at any of the looks, one after each stratum.
#[derive(Debug, Default)]
struct Found {
    worse: u32,
    better: u32,
    /// The interval of the difference, or of the ratio, did not hold 0, or 1.
    difference: u32,
    ratio: u32,
}

/// Runs experiments with 60 calls a minute. `world` tells of a moment (0 to 1) the share of the candidate, the failure
/// rates and the baseline's mean log latency; the candidate is no slower.
fn experiments(world: impl Fn(f64) -> (f64, [f64; 2], f64)) -> Found {
    let mut found = Found::default();
    for seed in 0..EXPERIMENTS {
        let mut random = Random(seed << 32);
        let (mut strata, mut comparison) = (Strata::default(), Comparison::default());
        let (mut direction, mut difference, mut ratio) = (None, false, false);
        for call in 0..CALLS {
            let (share, rates, ln_ms) = world(call as f64 / CALLS as f64);
            let candidate = random.unit() < share;
            let success = random.unit() >= rates[usize::from(candidate)];
            let ns = (ln_ms + random.unit() + random.unit() - random.unit()).exp() * 1e6;
            let Some(ended) = strata.add((call / 60) as i64, candidate, success, Some(ns as u64)) else { continue };
            comparison.add(&ended);
            if comparison.p_value() <= ALPHA {
                direction = direction.or(Some(comparison.direction()));
            }
            let without = |shown: Option<Estimate>, value: f64| shown.is_some_and(|e| e.low > value || e.high < value);
            difference |= without(comparison.difference(ALPHA), 0.0);
            ratio |= without(comparison.latency_ratio(ALPHA), 1.0);
        }
        found.worse += u32::from(direction == Some(Ordering::Greater));
        found.better += u32::from(direction == Some(Ordering::Less));
        found.difference += u32::from(difference);
        found.ratio += u32::from(ratio);
    }
    found
}

/// Of 400, 24 are 6%.
const FALSE_MAX: u32 = 23;

#[test]
fn without_a_difference_a_canary_seldom_alarms() {
    let found = experiments(|_| (0.1, [0.05, 0.05], 1.0));
    assert!(found.worse + found.better <= FALSE_MAX, "{found:?}");
    assert!(found.difference <= FALSE_MAX && found.ratio <= FALSE_MAX, "{found:?}");
    // And it is no test that never alarms.
    assert!(found.worse + found.better + found.difference + found.ratio > 5, "{found:?}");
}

/// Pooled, the candidate fails far less often here and is faster, in every experiment: it is called when all is well.
#[test]
fn a_ramp_while_failures_and_latencies_fall_seldom_alarms() {
    let found = experiments(|time| (time, [0.1 - 0.08 * time; 2], 3.0 - 2.0 * time));
    assert!(found.worse + found.better <= FALSE_MAX, "{found:?}");
    assert!(found.difference <= FALSE_MAX && found.ratio <= FALSE_MAX, "{found:?}");
}

#[test]
fn a_canary_that_fails_more_is_found_and_one_that_fails_less() {
    let worse = experiments(|_| (0.1, [0.01, 0.08], 1.0));
    assert!(worse.worse >= 390 && worse.better == 0 && worse.difference >= 300, "{worse:?}");
    let better = experiments(|_| (0.5, [0.08, 0.01], 1.0));
    assert!(better.better >= 390 && better.worse == 0 && better.difference >= 390, "{better:?}");
}
