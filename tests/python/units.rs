//! The stated hash is enough for another language to give each unit the same variant.

use serde_json::{Value, json};
use temporal_code::functions::{AbTest, Evolving, Tracker};

use crate::support::{folder, run_script};

/// The hash and the variant of each unit, as our log has them.
fn logged(function: &str, split: [f64; 3], units: &[String]) -> Vec<Value> {
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    let evolving = Evolving::new(function, |(): &()| ()).variant("v2", |(): &()| ()).variant("drüben", |(): &()| ());
    let evolving = evolving.strategy(AbTest::split(split)).tracker(&tracker);
    units.iter().for_each(|unit| evolving.call_for(unit, &()).expect("an answer"));
    tracker.close().expect("closed");
    let text = std::fs::read_to_string(folder.path().join("evolution.jsonl")).expect("a log");
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    records.map(|record| json!([record["unit"], record["variant"]])).collect()
}

#[test]
fn python_gives_each_unit_the_same_variant() {
    let units = (0..2_000).map(|number| format!("user {number} é")).chain([String::new(), "😀\0".into()]);
    let units = units.collect::<Vec<_>>();
    let functions = [("pay", [0.5, 0.3, 0.2]), ("module.Größe", [0.01, 0.0, 0.99]), ("", [1.0, 1e-3, 1e-9])].map(
        |(function, split)| {
            let case =
                json!({"function": function, "variants": ["v1", "v2", "drüben"], "weights": split, "units": units});
            (case, logged(function, split, &units))
        },
    );
    let folder = folder();
    let file = folder.path().join("cases.json");
    std::fs::write(&file, Value::from(functions.each_ref().map(|(case, _)| case.clone()).to_vec()).to_string())
        .expect("written");
    let theirs = run_script("units.py", [&file]);
    for (number, (_, ours)) in functions.iter().enumerate() {
        assert_eq!(theirs[number].as_array(), Some(ours));
    }
}
