//! Filters, against the package's own code over the same runs.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use temporal_code::foreign::substantial::{Files, Filter, Subject, Zone};

use crate::support::{folder, run, script};

/// Base64, for values that are written by hand.
fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).for_each(|at| out.push(char::from(ALPHABET[(word >> (18 - 6 * at) & 63) as usize])));
        out.push_str(&"=="[..3 - chunk.len()]);
    }
    out
}

/// Results of every kind that JSON has, and what else a history can be.
pub(crate) fn histories() -> Vec<String> {
    let values = [
        "null",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "1.0",
        "1.5",
        "2",
        "1e300",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "\"\"",
        "\"hello\"",
        "\"COMPLETED\"",
        "\"Zo\u{eb}\"",
        "[]",
        "[1,2,3]",
        "[1.0,true,null]",
        "[[1],{\"a\":1}]",
        "{}",
        "{\"a\":1}",
        "{\"a\":{\"b\":[1,2]},\"c\":\"x\"}",
        "\"2026-11-21T21:49:22.854594Z\"",
    ];
    let start = r#"{"at": "2026-11-21T21:49:22.854594Z", "start": {"kwargs": {}}}"#;
    let mut histories = Vec::new();
    for value in values {
        for how in ["ok", "err"] {
            histories.push(format!(r#"{{"events": [{start}, {{"stop": {{"{how}": "{}"}}}}]}}"#, base64(value)));
        }
    }
    histories.push("{}".to_owned());
    histories.push(r#"{"events": []}"#.to_owned());
    histories.push(format!("{{\"events\": [{start}]}}"));
    histories.push(format!(r#"{{"events": [{{"stop": {{"ok": "{}"}}}}]}}"#, base64("1")));
    histories.push(format!(r#"{{"events": [{start}, {{"stop": {{"ok": "{}"}}}}]}}"#, base64("no json")));
    histories.push(format!(r#"{{"events": [{start}, {{"stop": {{}}}}]}}"#));
    let timed = r#"{"at": "2026-11-21T22:00:00Z", "stop": {"ok": "MQ=="}}"#;
    histories.push(format!("{{\"events\": [{start}, {timed}, {start}, {{\"stop\": {{\"err\": \"Mg==\"}}}}]}}"));
    histories.push(format!("{{\"events\": [{{\"start\": {{}}}}, {timed}]}}"));
    histories
}

fn filters() -> Vec<String> {
    let terms = [
        "null",
        "true",
        "0",
        "1",
        "1.0",
        "1.5",
        "2",
        "9007199254740992.0",
        "18446744073709551616",
        "\"\"",
        "\"h\"",
        "\"hello\"",
        "[]",
        "[1]",
        "[1,2,3]",
        "[1,2,4]",
        "[\"a\"]",
        "[\"hello\",1.5,null,[1]]",
        "{}",
        "{\"a\":1}",
        "{\"a\":{\"b\":[1,2]}}",
        "{\"hello\":1}",
    ];
    let mut filters = Vec::new();
    for operator in ["eq", "gt", "gte", "lt", "lte", "in", "contains"] {
        filters.extend(terms.iter().map(|term| format!("{{\"{operator}\": {term}}}")));
        for time in [
            "2026-11-21T21:49:22.854594Z",
            "2026-11-21T21:49:22.854594",
            "2026-12-01",
            "1970-01-01",
            "no time",
            "49:22",
        ] {
            for at in ["started_at", "ended_at"] {
                filters.push(format!("{{\"{at}\": {{\"{operator}\": \"{time}\"}}}}"));
            }
        }
        filters.push(format!("{{\"started_at\": {{\"{operator}\": null}}}}"));
        filters.push(format!("{{\"started_at\": {{\"{operator}\": [\"2026-11-21 21:49:22.854594+00:00\", 1]}}}}"));
    }
    filters.extend(
        [
            "{}",
            r#"{"and": []}"#,
            r#"{"or": []}"#,
            r#"{"and": [{"gt": 0}, {"lt": 2}]}"#,
            r#"{"or": [{"eq": 1}, {"eq": "hello"}, {"contains": 2}]}"#,
            r#"{"or": [{"eq": 1}, 5]}"#,
            r#"{"and": [{"eq": 1}, 5]}"#,
            r#"{"and": [{"eq": 1}, null]}"#,
            r#"{"and": {"eq": 1}}"#,
            r#"{"not": {"eq": 1}}"#,
            r#"{"not": {"not": {"in": [1, "hello", null]}}}"#,
            r#"{"not": []}"#,
            r#"{"not": null}"#,
            r#"{"not": 1}"#,
            r#"{"gt": 0, "lt": 2}"#,
            r#"{"eq": 1, "and": [{"eq": 1}]}"#,
            r#"{"and": [{"eq": 1}], "eq": 1}"#,
            r#"{"nope": 1}"#,
            r#"{"eq": 1, "nope": 1}"#,
            r#"{"started_at": 1}"#,
            r#"{"started_at": {}}"#,
            r#"{"started_at": {"nope": 1}}"#,
            r#"{"started_at": {"gt": "2026-01-01", "lt": "2027-01-01"}, "nope": 1}"#,
            r#"{"started_at": {"contains": "2026-11", "gt": "2026-01-01"}}"#,
            r#"{"started_at": {"contains": "2026-11", "in": "2026-11-21 21:49:22.854594+00:00 and more"}}"#,
            r#"{"ended_at": {"eq": null}}"#,
            r#"{"and": [{"started_at": {"lte": "2020-01-01"}}, {"or": [{"eq": 1}, {"not": {"contains": "h"}}]}]}"#,
        ]
        .map(str::to_owned),
    );
    filters
}

pub(crate) fn write_store(root: &Path, histories: &[String]) {
    for name in ["runs", "schedules", "leases", "links/runs/w"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    for (at, history) in histories.iter().enumerate() {
        let run = format!("w-{at:04}");
        std::fs::create_dir(root.join("runs").join(&run)).unwrap();
        std::fs::write(root.join("runs").join(&run).join("events"), history).unwrap();
        std::fs::write(root.join("links/runs/w").join(&run), &run).unwrap();
    }
    std::fs::write(root.join("links/runs/w/w-none"), "w-none").unwrap();
}

/// Our answer about a run, in the words of the script.
fn ours(files: &Files, run: &str, filter: &str) -> Value {
    let reading = files.reading(run).unwrap();
    match Subject::as_package(reading.as_ref().map(|reading| &reading.records)) {
        Err(_) => json!("error"),
        Ok(None) => json!("none"),
        Ok(Some(subject)) => match Filter::parse(filter).unwrap().holds(&subject) {
            Ok(holds) => json!(holds),
            Err(_) => json!("error"),
        },
    }
}

#[test]
fn answers_are_those_of_the_package() {
    let folder = folder();
    let store = folder.path().join("store");
    write_store(&store, &histories());
    let cases = folder.path().join("cases.json");
    let (stores, filters) = (json!([store]), filters());
    std::fs::write(&cases, json!({"stores": stores, "filters": filters}).to_string()).unwrap();
    let answers = run(script("filters.py").arg(&cases));
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), (histories().len() + 1) * filters.len());
    let files = Files::open(&store, Zone::utc()).unwrap();
    let mut differ = String::new();
    let mut kinds = [0; 4];
    for answer in answers {
        let (run, filter) = (answer[0].as_str().unwrap(), answer[1].as_str().unwrap());
        let (theirs, ours) = (&answer[2], ours(&files, run, filter));
        let kind = [json!(true), json!(false), json!("error"), json!("none")].iter().position(|kind| kind == theirs);
        kinds[kind.expect("an answer")] += 1;
        if *theirs != ours {
            let _ = writeln!(differ, "{run} {filter}: theirs {theirs}, ours {ours}");
        }
    }
    assert!(differ.is_empty(), "{differ}");
    // Every kind of answer is among them, often.
    assert!(kinds.iter().all(|count| *count > 100), "{kinds:?}");
}

#[test]
fn what_the_package_does_not_have() {
    let records = |text: &str| temporal_code::foreign::substantial::Reading::parse(text.as_bytes()).records;
    let subject = |text: &str| {
        let history = temporal_code::foreign::substantial::fold(&records(text));
        Subject::of(&history, Some("2026-11-22T00:00:00Z".parse().unwrap())).unwrap()
    };
    let holds = |filter: &str, text: &str| Filter::parse(filter).unwrap().holds(&subject(text)).unwrap();
    let done = r#"{"events": [{"start": {}}, {"stop": {"ok": "MTA="}}]}"#;
    for (filter, text, wanted) in [
        (r#"{"status": {"eq": "COMPLETED"}}"#, done, true),
        (r#"{"status": {"in": ["ONGOING", "UNKNOWN"]}}"#, done, false),
        (r#"{"status": {"eq": "ONGOING"}}"#, r#"{"events": [{"start": {}}]}"#, true),
        (r#"{"status": {"eq": "UNKNOWN"}}"#, "{}", true),
        (r#"{"status": {"contains": "ERROR"}}"#, r#"{"events": [{"start": {}}, {"stop": {"err": "MQ=="}}]}"#, true),
        (r#"{"and": [{"status": {"eq": "COMPLETED"}}, {"eq": 10}]}"#, done, true),
        (r#"{"ended_at": {"gt": "2026-11-21"}}"#, done, true),
        (r#"{"lte": 5}"#, done, true),
    ] {
        assert_eq!(holds(filter, text), wanted, "{filter} {text}");
    }
    let mended = Filter::parse(r#"{"lte": 5}"#).unwrap().mended();
    assert!(!mended.holds(&subject(done)).unwrap());
    for bad in ["", "[]", "1", "{", &format!("{}{}", "{\"not\":".repeat(100_000), "}".repeat(100_000))] {
        assert!(Filter::parse(bad).is_err());
    }
}
