//! The Python example folds decisions as the library does.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use temporal_code::logs::{Change, Decision, DecisionsInForce};
use temporal_code::{Random as _, SeededRandom, Timestamp};

use crate::support::{folder, run_script};

/// Decisions, as lines of a log, about a function that has some variants.
struct Case {
    lines: Vec<String>,
    variants: Vec<&'static str>,
    own: Vec<f64>,
}

impl Case {
    fn of(lines: Vec<String>) -> Case {
        Case { lines, variants: vec!["v1", "v2", "v3"], own: vec![0.9, 0.0, 0.1] }
    }

    fn own(self, own: [f64; 3]) -> Case {
        Case { own: own.to_vec(), ..self }
    }

    /// What the library makes of it.
    fn weights(&self) -> Option<Vec<f64>> {
        let mut standing = DecisionsInForce::default();
        let ours = |decision: &Decision| decision.function == "f";
        self.lines
            .iter()
            .filter_map(|line| Decision::parse(line.trim_end()))
            .filter(ours)
            .for_each(|one| standing.apply(&one));
        let mut weights = self.own.clone();
        standing.resolve(&self.variants)?.overrule(&mut weights);
        Some(weights)
    }

    fn json(&self) -> Value {
        json!({"lines": self.lines, "variants": self.variants, "own": self.own})
    }
}

/// The line of a forced decision; each has a time of its own.
fn line(variant: &str, change: Change) -> String {
    use std::sync::atomic::{AtomicI64, Ordering};
    static MICROS: AtomicI64 = AtomicI64::new(1_780_000_000_000_000);
    let decision = Decision {
        function: "f".into(),
        variant: if change == Change::Release { String::new() } else { variant.into() },
        change,
        at: Some(Timestamp::from_micros(MICROS.fetch_add(1, Ordering::Relaxed))),
        forced: true,
        by: Some("ada@host".into()),
        reason: Some("looks \"good\"\u{2028}".into()),
    };
    decision.to_line()
}

fn promote(variant: &str) -> String {
    line(variant, Change::Promote)
}

fn rollback(variant: &str, to: Option<&str>) -> String {
    line(variant, Change::Rollback { to: to.map(str::to_string) })
}

fn weight(variant: &str, new: f64) -> String {
    line(variant, Change::Weight { old: Some(0.1), new })
}

fn release() -> String {
    line("", Change::Release)
}

/// A decision as a strategy makes it.
fn unforced(line: &str) -> String {
    line.replace(", \"forced\": true", "")
}

/// The sequences that the library's own tests look at.
fn known() -> Vec<Case> {
    let sequences = vec![
        vec![],
        vec![promote("v2")],
        vec![promote("v2"), rollback("v2", None)],
        vec![promote("v3"), rollback("v3", Some("v2"))],
        vec![rollback("v1", Some("v2")), rollback("v2", Some("v1"))],
        vec![weight("v3", 0.25)],
        vec![weight("v2", 0.5)],
        vec![weight("v2", 0.5), weight("v3", 0.2)],
        vec![weight("v2", 0.8), weight("v3", 0.6)],
        vec![promote("v2"), weight("v3", 0.1)],
        vec![promote("v2"), weight("v2", 0.25)],
        vec![rollback("v2", None), weight("v2", 0.5)],
        vec![rollback("v1", None)],
        vec![promote("v2"), release()],
        vec![promote("v2"), unforced(&release())],
        vec![unforced(&promote("v2"))],
        vec![promote("v9")],
        vec![weight("v9", 0.5)],
        vec![weight("v9", 0.5), weight("v2", 0.2)],
        vec![promote("v2"), promote("v9")],
        vec![rollback("v2", Some("v9"))],
        vec![weight("v3", 0.0), weight("v1", 0.0), weight("v2", 0.0)],
        vec![weight("v1", 1.0 / 3.0), weight("v2", 1.0 / 3.0), weight("v3", 1.0 / 3.0)],
    ];
    let mut cases = sequences.into_iter().map(Case::of).collect::<Vec<_>>();
    cases.push(Case::of(vec![weight("v3", 0.25)]).own([0.0, 0.0, 1.0]));
    cases.push(Case::of(vec![weight("v1", 0.25)]).own([1.0, 0.0, 0.0]));
    // The same line twice in one log is two decisions.
    let (first, second) = (promote("v2"), rollback("v2", None));
    cases.push(Case::of(vec![first.clone(), second, first]));
    cases
}

/// Lines that are no decisions, or barely, each in front of one and behind one.
fn odd() -> Vec<Case> {
    let lines = [
        r#"{"event": "call", "function": "f", "variant": "v2", "forced": true}"#,
        r#"{"event": "promotion", "function": "f", "forced": true}"#,
        r#"{"event": "promotion", "function": 3, "variant": "v2", "forced": true}"#,
        r#"{"event": "promotion", "function": "F", "variant": "v2", "forced": true}"#,
        r#"{"event": ["promotion"], "function": "f", "variant": "v2", "forced": true}"#,
        r#"{"event": "promotion", "function": "f", "variant": ["v2"], "forced": true}"#,
        r#"{"event": "promotion", "function": "f", "variant": "v2", "forced": "true"}"#,
        r#"{"event": "promotion", "function": "f", "variant": "v2", "forced": 1}"#,
        r#"{"event": "promotion", "function": "f", "variant": "v2", "forced": false}"#,
        r#"{"event": "promotion", "function": "f", "variant": "v2", "forced": true"#,
        r#"{"forced":true,"variant":"\u0076\u0032","function":"\u0066","event":"promotion"}"#,
        r#"{"event": "promotion", "event": "rollback", "function": "f", "variant": "v2", "forced": true, "reason": ""}"#,
        r#"{"event": "rollback", "function": "f", "variant": "v2", "forced": 1}"#,
        r#"{"event": "rollback", "function": "f", "variant": "v2", "forced": true, "to": 3}"#,
        r#"{"event": "rollback", "function": "f", "variant": "v2", "forced": true, "to": ["v3"]}"#,
        r#"{"event": "rollback", "function": "f", "variant": "v2", "forced": true, "to": "v2"}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "new_weight": 0.5, "forced": 1}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "new_weight": 7, "forced": true}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "new_weight": -0.5, "forced": true}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "new_weight": -0.0, "forced": true}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "new_weight": NaN, "forced": true}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "new_weight": Infinity, "forced": true}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "new_weight": "1", "forced": true}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "new_weight": true, "forced": true}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "new_weight": null, "forced": true}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "new_weight": 1, "forced": true}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "new_weight": 5e-1, "forced": true}"#,
        r#"{"event": "weight_change", "function": "f", "variant": "v2", "forced": true}"#,
        r#"{"event": "release", "function": "f", "variant": 3}"#,
        r#"{"event": "dropped", "function": "f", "variant": "v2", "count": 3}"#,
        r#"["promotion"]"#,
        r#""promotion""#,
        "3",
        "",
        "not JSON",
    ];
    let around = |odd: &str| {
        let odd = format!("{odd}\n");
        [
            vec![odd.clone()],
            vec![promote("v3"), odd.clone()],
            vec![odd.clone(), weight("v1", 0.25)],
            vec![weight("v2", 0.5), weight("v3", 0.25), odd],
        ]
    };
    let mut cases = lines.into_iter().flat_map(around).map(Case::of).collect::<Vec<_>>();
    let deep = format!("{}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    cases.push(Case::of(vec![promote("v3"), deep]));
    cases
}

/// Sequences that nobody thought of.
fn random(count: usize) -> Vec<Case> {
    let chance = SeededRandom::new(20_261_122);
    let one_of = |names: &[&'static str]| names[(chance.uniform() * names.len() as f64) as usize];
    let one = || {
        let names = ["v1", "v2", "v3", "v4", "v9"];
        let share = (chance.uniform() * 20.0).round() / 20.0;
        let line = match (chance.uniform() * 20.0) as u32 {
            0..3 => promote(one_of(&names)),
            3..6 => rollback(one_of(&names), None),
            6..9 => rollback(one_of(&names), Some(one_of(&names))),
            9 => release(),
            _ => weight(one_of(&names), share),
        };
        if chance.uniform() < 0.1 { unforced(&line) } else { line }
    };
    let case = |number: usize| {
        let lines = (0..1 + number % 7).map(|_| one()).collect();
        let variants = ["v1", "v2", "v3", "v4"][..1 + number % 4].to_vec();
        let own = variants.iter().map(|_| chance.uniform() * 4.0 - 1.0).collect::<Vec<_>>();
        let total = own.iter().map(|weight| weight.max(0.0)).sum::<f64>().max(0.1);
        Case { lines, variants, own: own.iter().map(|weight| weight / total).collect() }
    };
    (0..count).map(case).collect()
}

fn close(ours: Option<&[f64]>, theirs: &Value) -> bool {
    match (ours, theirs.as_array()) {
        (None, None) => theirs.is_null(),
        (Some(ours), Some(theirs)) => {
            let near = |(ours, theirs): (&f64, &Value)| theirs.as_f64().is_some_and(|it| (it - ours).abs() < 1e-9);
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(near)
        }
        _ => false,
    }
}

#[test]
fn decisions_come_to_the_same_in_both_languages() {
    let cases = [known(), odd(), random(600)].into_iter().flatten().collect::<Vec<_>>();
    let folder = folder();
    let file = folder.path().join("cases.json");
    std::fs::write(&file, Value::from(cases.iter().map(Case::json).collect::<Vec<_>>()).to_string()).expect("written");
    let theirs = run_script("fold.py", [&file]);
    let mut seen = BTreeMap::new();
    for (number, case) in cases.iter().enumerate() {
        let ours = case.weights();
        for (list, when) in ["at the start", "as it grew"].iter().enumerate() {
            let theirs = &theirs[list][number];
            assert!(close(ours.as_deref(), theirs), "{when}: {theirs}, not {ours:?}: {}", case.json());
        }
        *seen.entry(ours.is_some()).or_insert(0) += 1;
    }
    assert!(seen[&true] > 300 && seen[&false] > 50, "{seen:?}");
}
