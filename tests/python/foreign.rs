//! What Rust writes is read by the package's own command line, and by DuckDB: every line, and all of it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use temporal_code::functions::{AbTest, Evolving, Tracker};

use crate::support::{count, folder, json_of, run_script, tc, text};

/// Texts that readers stumble over: ends of lines for some, quotes, characters of four bytes, what looks like an event.
const TEXTS: [&str; 16] = [
    "plain",
    "",
    "one\u{2028}two\u{2029}three",
    "\u{85}\u{b}\u{c}\u{1c}\u{1d}\u{1e}",
    "a\nb\r\nc\td",
    "\0\u{1}\u{7f}\u{1b}[31m",
    r#"she said "yes", and \ left"#,
    "it's 'quoted'",
    "😀 👩‍👩‍👧 Zoë 日本語",
    "\u{feff}mark\u{a0}space",
    "\u{fffd}\u{ffff}\u{10ffff}",
    r#"{"event": "promotion", "function": "f", "variant": "v2"}"#,
    r"\u0022, \ud83d, \n",
    "NaN",
    "2026-06-01T00:00:00",
    "0123",
];

/// Printed as it is.
struct Shown(&'static str);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A name that holds much of the above, and which a table's column holds.
const NAME: &str = "odd \"n\u{2028}\u{85}😀\t\\'";

/// How many calls each variant of [`NAME`] gets for each text.
const ROUNDS: usize = 4;

/// Calls that return each text and fail with each, for units and not, and answers by the first variant.
fn write_calls(folder: &Path) {
    let tracker = Tracker::open(folder).expect("a log");
    let echo = |text: &&'static str| Ok(Shown(text));
    let function = Evolving::fallible(NAME, echo).variant("vé\u{2028}", |text: &&'static str| Err::<Shown, _>(*text));
    let function = function.strategy(AbTest::split([0.5, 0.5])).log_values().tracker(&tracker);
    // By turns, so that the numbers are known.
    let draws = temporal_code::testing::Draws::new([0.25, 0.75]);
    let function = function.random(std::sync::Arc::new(draws));
    for text in TEXTS.iter().flat_map(|text| [text; 2 * ROUNDS]) {
        function.call(text).expect("an answer");
    }
    for unit in 0..10 {
        function.call_for(format!("user {unit}"), &"unit").expect("an answer");
    }
    tracker.close().expect("closed");
}

/// Calls without values, some of which the queue has no room for while somebody else holds the log. Returns how many.
fn write_and_drop(folder: &Path) -> u64 {
    let tracker = Tracker::options().events_max(16).open(folder).expect("a log");
    let function = Evolving::new("full", |(): &()| ()).tracker(&tracker);
    let lock = File::open(folder.join("evolution.jsonl")).expect("a log");
    lock.lock().expect("locked");
    (0..1_000).for_each(|_| function.call(&()).expect("an answer"));
    lock.unlock().expect("unlocked");
    tracker.flush(Duration::from_secs(5)).expect("written");
    drop(function);
    tracker.close().expect("closed");
    tracker.health().dropped
}

/// One decision of each kind.
fn decide(folder: &Path) {
    for arguments in [
        &["promote", NAME, "vé\u{2028}", "--reason", "\u{2028}\u{85}\"'\n😀"][..],
        &["weight", NAME, "v1", "12.5%", "--by", "Zoë \u{2029}"],
        &["rollback", NAME, "vé\u{2028}", "--to", "v1"],
        &["rollback", "full", "v9", "--force"],
        &["weight", "full", "--release"],
    ] {
        json_of(tc(folder).args(arguments).args(["--yes", "--json"]), &[0]);
    }
}

/// The items that `tc` prints, with no warning but one of so many calls that were dropped.
fn items(folder: &Path, command: &str, dropped: u64) -> Vec<Value> {
    let json = json_of(tc(folder).args([command, "--json"]), &[0]);
    let warnings = json["warnings"].as_array().expect("warnings").iter();
    assert_eq!(warnings.map(|warning| count(&warning["count"])).collect::<Vec<_>>(), [dropped], "{json}");
    json["items"].as_array().expect("items").clone()
}

/// A JSON object's counts.
fn counts(value: &Value) -> BTreeMap<String, u64> {
    value.as_object().expect("an object").iter().map(|(key, times)| (key.clone(), count(times))).collect()
}

#[test]
fn the_package_and_duckdb_read_every_event() {
    let folder = folder();
    write_calls(folder.path());
    let dropped = write_and_drop(folder.path());
    assert!(dropped > 900, "{dropped} dropped");
    decide(folder.path());
    let log = folder.path().join("evolution.jsonl");
    let found = run_script("read_log.py", [&log]);

    let ours = items(folder.path(), "events", dropped);
    let ours = ours.iter().map(|item| (text(&item["event"]).to_string(), count(&item["count"])));
    let ours = ours.collect::<BTreeMap<_, _>>();
    let lines = std::fs::read(&log).expect("a log").iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(ours.values().sum::<u64>(), lines);
    for kind in ["call", "promotion", "rollback", "weight_change", "release", "dropped"] {
        assert!(ours.contains_key(kind), "{kind} is in {ours:?}");
    }
    for events in [&found["package"]["events"], &found["breakdown"], &found["duckdb"]["events"]] {
        assert_eq!(counts(events), ours);
    }
    // Its `history` has no line for types that it does not know.
    let known = |kind: &str| !["release", "dropped"].contains(&kind);
    let shown = ours.iter().filter(|(kind, _)| known(kind)).map(|(kind, times)| (kind.clone(), *times));
    assert_eq!(counts(&found["history"]), shown.collect());
    check_texts(&found);
    check_status(&found["status"], &items(folder.path(), "status", dropped), lines);
    let duckdb = &found["duckdb"];
    let failures = (TEXTS.len() * ROUNDS) as u64;
    assert!(count(&duckdb["fallbacks"]) >= failures, "{duckdb}");
    assert_eq!(["units", "dropped", "forced"].map(|key| count(&duckdb[key])), [10, dropped, 5]);
}

/// Values and errors arrive as they were.
fn check_texts(found: &Value) {
    for reader in ["package", "duckdb"] {
        let (values, errors) = (counts(&found[reader]["values"]), counts(&found[reader]["errors"]));
        for text in TEXTS {
            // Half of the calls are answered at once, and half after a failure.
            assert_eq!(values.get(text), Some(&(2 * ROUNDS as u64)), "{reader}: {text:?}");
            assert_eq!(errors.get(text), Some(&(ROUNDS as u64)), "{reader}: {text:?}");
        }
        assert_eq!(values.len(), TEXTS.len() + 1, "and those of units");
    }
}

/// What its `status` prints against what ours says.
fn check_status(theirs: &Value, ours: &[Value], lines: u64) {
    let rows = theirs.as_array().expect("lines").iter().map(|line| line.as_array().expect("words"));
    let rows = rows.map(|words| words.iter().map(text).collect::<Vec<_>>()).collect::<Vec<_>>();
    assert!(rows.contains(&vec!["Total", "events:", &lines.to_string()]), "{rows:?}");
    assert!(rows.contains(&vec!["Functions", "tracked:", "2"]), "{rows:?}");
    for item in ours {
        let number = |key: &str| count(&item[key]).to_string();
        let first = text(&item["function"]).split_whitespace().next().expect("a word");
        let row = rows.iter().find(|words| words.first() == Some(&first)).expect("a row");
        let end = [number("promotions"), number("rollbacks")];
        assert!(row.ends_with(&end.each_ref().map(String::as_str)), "{row:?}: {item}");
        assert!(row.contains(&number("calls").as_str()), "{row:?}: {item}");
    }
}

#[test]
fn duckdb_reads_keys_that_come_late() {
    // It guesses types from the first 20,480 lines.
    let folder = folder();
    let tracker = Tracker::open(folder.path()).expect("a log");
    let function = Evolving::new("f", |(): &()| ()).variant("v2", |(): &()| ()).tracker(&tracker);
    (0..25_000).for_each(|_| function.call(&()).expect("an answer"));
    tracker.flush(Duration::from_secs(5)).expect("written");
    json_of(tc(folder.path()).args(["promote", "f", "v2", "--force", "--yes", "--json"]), &[0]);
    json_of(tc(folder.path()).args(["weight", "f", "--release", "--yes", "--json"]), &[0]);
    (0..10).for_each(|unit| function.call_for([unit], &()).expect("an answer"));
    tracker.close().expect("closed");
    let found = run_script("read_log.py", [&folder.path().join("evolution.jsonl")]);
    let events = counts(&found["package"]["events"]);
    assert_eq!(counts(&found["duckdb"]["events"]), events);
    assert_eq!(events.values().sum::<u64>(), 25_012);
}
