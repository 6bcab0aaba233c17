//! Plain values of any shape, and damaged pickles: what Python reads is read here, and alike.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value as Json, json};
use temporal_code::foreign::pickle::{Pickle, PickleErrorKind, PickleId, PickleLimits, PickleValue};

use crate::support::{bytes_of, hex_of, run_script};

const VALUES: usize = 200;

fn floats() -> impl Strategy<Value = Json> {
    any::<f64>()
        .prop_filter("all NaN are one", |float| !float.is_nan())
        .prop_map(|float| json!(["float", hex_of(&float.to_be_bytes())]))
}

/// Values that can be keys.
fn keys() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<i64>().prop_filter("equal to bools", |n| *n > 1).prop_map(|n| json!(["int", n.to_string()])),
        (0..70u32, any::<i128>()).prop_map(|(shift, n)| json!(["int", ((n >> shift) | 2).to_string()])),
        ".{0,12}".prop_map(|text| json!(["str", text])),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| json!(["bytes", hex_of(&bytes)])),
    ]
}

fn unique(items: Vec<Json>) -> Vec<Json> {
    items.into_iter().map(|item| (item.to_string(), item)).collect::<BTreeMap<_, _>>().into_values().collect()
}

fn values() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(json!(["none", null])),
        any::<bool>().prop_map(|flag| json!(["bool", flag])),
        floats(),
        keys(),
        keys(),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| json!(["bytearray", hex_of(&bytes)])),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| json!(["list", items])),
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| json!(["tuple", items])),
            prop::collection::vec(keys(), 0..6).prop_map(|items| json!(["set", unique(items)])),
            prop::collection::vec(keys(), 0..6).prop_map(|items| json!(["frozenset", unique(items)])),
            prop::collection::vec((keys(), inner), 0..6).prop_map(|pairs| {
                let pairs: BTreeMap<_, _> = pairs.into_iter().map(|(k, v)| (k.to_string(), json!([k, v]))).collect();
                json!(["dict", pairs.into_values().collect::<Vec<_>>()])
            }),
        ]
    })
}

/// A value in the words of `plain.py`; none for what it has no words for.
fn describe(pickle: &Pickle<'_>, id: PickleId, depth: usize) -> Option<Json> {
    if depth > 200 {
        return None;
    }
    let all =
        |items: &[PickleId]| items.iter().map(|item| describe(pickle, *item, depth + 1)).collect::<Option<Vec<_>>>();
    Some(match pickle.get(id) {
        PickleValue::None => json!(["none", null]),
        PickleValue::Bool(flag) => json!(["bool", flag]),
        PickleValue::Int(number) => json!(["int", number.to_string()]),
        PickleValue::BigInt(number) => json!(["int", number.to_decimal()?]),
        PickleValue::Float(float) => json!(["float", hex_of(&float.to_be_bytes())]),
        PickleValue::Str(text) => json!(["str", text]),
        PickleValue::Surrogates(text) => json!(["surrogates", text]),
        PickleValue::Bytes(bytes) => json!(["bytes", hex_of(bytes)]),
        PickleValue::ByteArray(bytes) => json!(["bytearray", hex_of(bytes)]),
        PickleValue::List(items) => json!(["list", all(items)?]),
        PickleValue::Tuple(items) => json!(["tuple", all(items)?]),
        PickleValue::Set(items) => json!(["set", unique(all(items)?)]),
        PickleValue::FrozenSet(items) => json!(["frozenset", unique(all(items)?)]),
        PickleValue::Dict(pairs) => {
            let mut kept: Vec<(Json, Json)> = Vec::new();
            for (key, value) in pairs {
                let (key, value) = (describe(pickle, *key, depth + 1)?, describe(pickle, *value, depth + 1)?);
                match kept.iter_mut().find(|(other, _)| *other == key) {
                    Some((_, kept)) => *kept = value,
                    None => kept.push((key, value)),
                }
            }
            json!(["dict", kept.into_iter().map(|(key, value)| json!([key, value])).collect::<Vec<_>>()])
        }
        PickleValue::Class(_) | PickleValue::Object(_) | PickleValue::Persistent(_) | PickleValue::Extension(_) => {
            return None;
        }
    })
}

/// A description without the order of sets, and without what Python takes for one key: `1`, `1.0` and `True`.
fn comparable(value: &Json) -> String {
    match (value[0].as_str(), value[1].as_array()) {
        (Some("dict"), Some(pairs)) => {
            let mut pairs: Vec<String> =
                pairs.iter().map(|pair| comparable(&pair[0]) + ":" + &comparable(&pair[1])).collect();
            pairs.sort_unstable();
            format!("dict{pairs:?}")
        }
        (Some(kind), Some(items)) => {
            let mut items: Vec<String> = items.iter().map(comparable).collect();
            if kind.ends_with("set") {
                items.sort_unstable();
                items.dedup();
            }
            format!("{kind}{items:?}")
        }
        _ => value.to_string(),
    }
}

#[test]
fn values_of_any_shape_and_damaged_pickles() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = values();
    let wanted: Vec<Json> = (0..VALUES).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let request = folder.path().join("values.json");
    std::fs::write(&request, json!({"seed": 7, "values": wanted}).to_string()).expect("a file");
    let answer = run_script("plain.py", [&request]);

    let pickles = answer["pickles"].as_array().expect("pickles");
    assert_eq!(pickles.len(), VALUES * 4);
    for one in pickles {
        let value = &wanted[usize::try_from(one[0].as_u64().expect("an index")).expect("small")];
        let bytes = bytes_of(&one[2]);
        let pickle = Pickle::read(&bytes, &PickleLimits::default()).unwrap_or_else(|error| panic!("{value}: {error}"));
        let read = describe(&pickle, pickle.root(), 0).expect("plain");
        assert_eq!(comparable(&read), comparable(value), "protocol {}", one[1]);
    }

    let damaged = answer["damaged"].as_array().expect("damaged pickles");
    let (mut both, mut differ) = (0, Vec::new());
    for one in damaged {
        let bytes = bytes_of(&one[0]);
        let ours = Pickle::read(&bytes, &PickleLimits::default());
        if one[1].is_null() {
            continue;
        }
        match ours {
            Ok(pickle) => {
                match describe(&pickle, pickle.root(), 0).map(|value| comparable(&value)) {
                    Some(ours) if ours == comparable(&one[1]) => both += 1,
                    Some(ours) => differ.push(format!("{}: {} is {ours}", bytes.escape_ascii(), one[1])),
                    // A call that no writer makes so, such as one whose arguments are a list, stays a call.
                    None => {}
                }
            }
            // What no writer does: keys set in a list, digits with underscores between, a state restored into nothing. And the
            // reader in Python does not mind a frame that is too long, as the one in C does.
            Err(error) if error.opcode == Some("FRAME") => {}
            Err(error) if matches!(error.kind, PickleErrorKind::Value | PickleErrorKind::Argument) => {}
            Err(error) => differ.push(format!("{}: {} is refused: {error}", bytes.escape_ascii(), one[1])),
        }
    }
    assert!(both > 500, "Python reads only {both} of {}", damaged.len());
    assert!(
        differ.is_empty(),
        "{} of {both}:\n{}",
        differ.len(),
        differ.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
}
