//! Random runs fold as the model says, and those that lost, repeated or exchanged a line are told.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use temporal_code::workflows::Fold;

use crate::model::{count_types, run};
use crate::support::{dump, fold, header, log};

fn value(line: &str) -> Value {
    serde_json::from_str(line).expect("JSON")
}

/// The lines with numbers anew, as if nothing were missing.
fn renumbered(lines: &[String]) -> Vec<String> {
    let line = |(at, line): (usize, &String)| {
        let behind = line.find(",\"token\"").expect("a token");
        format!("{{\"seq\":{}{}", at + 1, &line[behind..])
    };
    lines.iter().enumerate().map(line).collect()
}

fn is_refused(lines: &[String]) -> bool {
    fold(log(), lines).1.is_err()
}

fn takes_inbox(line: &Value) -> bool {
    line.get("inbox").is_some()
}

fn call(line: &Value) -> Option<(&str, u64)> {
    Some((line["step"].as_str()?, line["n"].as_u64()?))
}

/// Whether a history must be told that lost line `at` and had its lines numbered anew.
fn loss_must_be_told(lines: &[Value], at: usize) -> bool {
    let (before, lost, rest) = (&lines[..at], &lines[at], &lines[at + 1..]);
    let kind = lost["type"].as_str().expect("a type");
    let same_call = |line: &Value| call(line) == call(lost);
    match kind {
        "start" => !rest.is_empty(),
        // Whatever follows names it, or the next claim's number is too high.
        "claim" => !rest.is_empty(),
        "log" => rest.iter().any(|line| line["type"] == "log"),
        // Lines of the inbox behind it have numbers that begin anew, as they do before it if it is the first.
        "turn" => lost["inbox"] != 1 && rest.iter().any(takes_inbox),
        _ if takes_inbox(lost) => rest.iter().take_while(|line| line["type"] != "turn").any(takes_inbox),
        // What comes of them needs them.
        "sleep" | "wait" | "child" => rest.iter().any(same_call),
        "save" if !before.iter().any(same_call) => rest.iter().any(same_call),
        "save" => rest.iter().any(|line| same_call(line) && line["type"] == "save"),
        _ => false,
    }
}

/// Whether a line may come twice without a contradiction.
fn may_repeat(line: &Value) -> bool {
    let first_turn = line["type"] == "turn" && line["inbox"] == 1;
    line["type"] == "renew" || first_turn || (line["type"] == "revert" && line.get("step").is_none())
}

/// Whether two lines that follow each other cannot change places.
fn order_matters(first: &Value, second: &Value) -> bool {
    let either = |kind: &str| first["type"] == kind || second["type"] == kind;
    let both = |kind: &str| first["type"] == kind && second["type"] == kind;
    (call(first).is_some() && call(first) == call(second) && first["type"] != "revert")
        || either("start")
        || either("claim")
        || either("release")
        || both("log")
        || (takes_inbox(first) && takes_inbox(second) && !both("turn"))
        || second["type"] == "stop"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// The writer holds every line against the model; here the lines are folded again, one generation after another.
    #[test]
    fn random_runs_fold_as_the_model_says(choices in proptest::collection::vec(any::<u8>(), 0..600)) {
        for (at, lines) in run(&choices).iter().enumerate() {
            let (_, result) = fold(log().in_generation(at as u32 + 1), lines);
            prop_assert_eq!(result, Ok(()));
        }
    }

    #[test]
    fn a_line_that_is_lost_repeated_or_exchanged_is_told(
        choices in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
    ) {
        let lines = run(&choices).swap_remove(0);
        let at = at.index(lines.len());
        let values: Vec<Value> = lines.iter().map(|line| value(line)).collect();

        let mut lost = lines.clone();
        lost.remove(at);
        // A line lost from the end leaves a shorter history, which is as sound.
        prop_assert_eq!(is_refused(&lost), at + 1 < lines.len());
        if loss_must_be_told(&values, at) {
            prop_assert!(is_refused(&renumbered(&lost)), "without {}", lines[at]);
        }

        let mut repeated = lines.clone();
        repeated.insert(at, lines[at].clone());
        prop_assert!(is_refused(&repeated));
        if !may_repeat(&values[at]) {
            prop_assert!(is_refused(&renumbered(&repeated)), "twice {}", lines[at]);
        }

        if at + 1 < lines.len() {
            let mut exchanged = lines.clone();
            exchanged.swap(at, at + 1);
            prop_assert!(is_refused(&exchanged));
            if order_matters(&values[at], &values[at + 1]) {
                prop_assert!(is_refused(&renumbered(&exchanged)), "{} before {}", lines[at + 1], lines[at]);
            }
        }
    }

    /// A fold that went on from a copy is the fold of the whole.
    #[test]
    fn a_fold_may_stop_and_go_on_anywhere(
        choices in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
    ) {
        let lines = run(&choices).swap_remove(0);
        let (half, _) = fold(log(), &lines[..at.index(lines.len())]);
        let mut rest: Fold = half.clone();
        for line in &lines[at.index(lines.len())..] {
            prop_assert!(rest.line(header(line), line.as_bytes()).is_ok());
        }
        prop_assert_eq!(dump(rest.state()), dump(fold(log(), &lines).0.state()));
    }
}

#[test]
fn chance_brings_every_type_of_line() {
    let mut counts = BTreeMap::new();
    let mut random = 1u64;
    for _ in 0..200 {
        let choices: Vec<u8> = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 56) as u8
        })
        .take(500)
        .collect();
        count_types(&run(&choices), &mut counts);
    }
    let types = [
        "start",
        "claim",
        "renew",
        "release",
        "save",
        "compensation",
        "value",
        "sleep",
        "wake",
        "wait",
        "receive",
        "ensure",
        "skip",
        "turn",
        "log",
        "revert",
        "child",
        "child_end",
        "cancel",
        "continue",
        "compact",
        "stop",
    ];
    for kind in types {
        assert!(counts.get(kind).is_some_and(|count| *count >= 20), "{kind}: {counts:?}");
    }
    assert_eq!(counts.len(), types.len());
}
