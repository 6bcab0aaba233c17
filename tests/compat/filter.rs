//! Filters, against the package's own code over the same runs: where the answers are the same, and where they differ and why.

use std::collections::BTreeMap;
use std::path::Path;

use expect_test::expect;
use serde_json::{Value, json};
use temporal_code::Timestamp;
use temporal_code::workflows::{Run, RunFilter, Status};

use crate::support::{folder, run, runs_at, script};

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

/// The runs of a store, by their ids.
async fn runs_of(store: &Path) -> BTreeMap<String, Run> {
    let runs = runs_at(store);
    let ids = runs.ids(None, "", None, 1_000).await.unwrap().ids;
    let looked = runs.look(&ids, Timestamp::now()).await.unwrap();
    looked.runs.into_iter().map(|(id, run)| (id, run.unwrap())).collect()
}

/// Our answer about a run, in the words of the script.
fn ours(run: &Run, filter: &RunFilter) -> Value {
    filter.holds(run).map_or_else(|_| json!("error"), |holds| json!(holds))
}

/// Whether somewhere in a filter or a value there is what is looked for.
fn has(value: &Value, is_it: &dyn Fn(&str, &Value) -> bool) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(key, value)| is_it(key, value) || has(value, is_it)),
        Value::Array(values) => values.iter().any(|value| is_it("", value) || has(value, is_it)),
        _ => false,
    }
}

/// Why the package may answer otherwise: what docs/python.md says of it. `history` is what it reads of the run.
fn reasons(run: &Run, history: &str, filter: &Value, theirs: &Value, always_fails: bool) -> Vec<&'static str> {
    const NODES: [&str; 5] = ["and", "or", "not", "started_at", "ended_at"];
    let uses = |wanted: &str| has(filter, &|key, _| key == wanted);
    let number = |_: &str, value: &Value| value.is_number() || value.is_boolean();
    let result = [&run.result, &run.error].map(|value| value.as_ref().map_or("null", |value| value.text()).to_owned());
    let result = serde_json::from_str::<Value>(&format!("[{}, {}]", result[0], result[1])).unwrap_or_default();
    let beside = |_: &str, value: &Value| {
        let Value::Object(members) = value else { return false };
        let keys: Vec<&str> = members.keys().map(String::as_str).collect();
        let nodes = keys.iter().filter(|key| NODES.contains(key)).count();
        keys.len() > 1 && nodes > 0
    };
    let time_text = |key: &str, value: &Value| {
        let in_text = value.get("contains").is_some() || value.get("in").is_some();
        matches!(key, "started_at" | "ended_at") && in_text
    };
    let unrecorded = uses("started_at") && run.started_at.is_none() || uses("ended_at") && run.ended_at.is_none();
    let all = [
        (theirs == "none", "the run goes on"),
        (always_fails, "the result is not JSON"),
        (history.matches("\"start\"").count() > 1, "the run was started again"),
        (run.status == Status::Corrupt, "the history is corrupt"),
        (uses("lte"), "lte"),
        (unrecorded, "a time is not recorded"),
        (has(&json!([filter]), &beside), "members beside and, or, not or a time"),
        (has(filter, &time_text), "times as texts"),
        (has(filter, &number) && has(&result, &number), "kinds of numbers"),
        (has(filter, &|_, value| value.is_null()) && has(&result, &|_, value| value.is_null()), "null"),
    ];
    all.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason).collect()
}

/// What the package and its mended operators say of each run and filter: the run, the filter, and both answers.
fn ask_the_package(folder: &Path, store: &Path, filters: &[String]) -> Vec<[Value; 4]> {
    let cases = folder.join("cases.json");
    std::fs::write(&cases, json!({"stores": [store], "filters": filters}).to_string()).unwrap();
    serde_json::from_value(run(script("filters.py").arg(&cases))).unwrap()
}

#[tokio::test]
async fn answers_are_those_of_the_package_but_for_its_mistakes() {
    let folder = folder();
    let store = folder.path().join("store");
    let histories = histories();
    write_store(&store, &histories);
    let runs = runs_of(&store).await;
    let all = filters();
    // Those that can be none are refused before a run is looked at.
    let filters: BTreeMap<&String, RunFilter> =
        all.iter().filter_map(|text| Some((text, RunFilter::parse(text).ok()?))).collect();
    let answers = ask_the_package(folder.path(), &store, &all);
    assert_eq!(answers.len(), runs.len() * all.len());
    let fails = |id: &Value| answers.iter().filter(|[run, ..]| run == id).all(|[_, _, theirs, _]| theirs == "error");
    let always_fail: Vec<&str> = runs.keys().map(String::as_str).filter(|id| fails(&json!(id))).collect();

    let (mut same, mut differ) = (BTreeMap::<String, usize>::new(), BTreeMap::<&str, usize>::new());
    for [id, text, theirs, mended] in &answers {
        let (id, text) = (id.as_str().unwrap(), text.as_str().unwrap());
        let Some(filter) = filters.get(&text.to_owned()) else { continue };
        let ours = ours(&runs[id], filter);
        assert_eq!(ours, *mended, "{id} {text}");
        let history = id.strip_prefix("w-").and_then(|at| histories.get(at.parse::<usize>().ok()?));
        let history = history.map_or("", String::as_str);
        let filter: Value = serde_json::from_str(text).unwrap();
        let reasons = reasons(&runs[id], history, &filter, theirs, always_fail.contains(&id));
        if *theirs == ours {
            *same.entry(theirs.to_string()).or_default() += 1;
        } else {
            assert!(!reasons.is_empty(), "{id} {text}: theirs {theirs}, ours {ours}");
            // Which reason it is can be told where there is one.
            let reason = if reasons.len() == 1 { reasons[0] } else { "one of several" };
            *differ.entry(reason).or_default() += 1;
        }
    }
    // How often each answer is the same, and how often it differs for each reason.
    expect![[r#"
        (
            {
                "\"error\"": 107,
                "false": 11177,
                "true": 1059,
            },
            {
                "a time is not recorded": 255,
                "kinds of numbers": 93,
                "lte": 78,
                "null": 4,
                "one of several": 778,
                "the history is corrupt": 12,
                "the result is not JSON": 305,
                "the run goes on": 144,
                "times as texts": 266,
            },
        )
    "#]]
    .assert_debug_eq(&(same, differ));
    let refused: Vec<&String> = all.iter().filter(|text| !filters.contains_key(text)).collect();
    expect![[r#"
        [
            "{\"started_at\": {\"eq\": \"no time\"}}",
            "{\"ended_at\": {\"eq\": \"no time\"}}",
            "{\"started_at\": {\"eq\": \"49:22\"}}",
            "{\"ended_at\": {\"eq\": \"49:22\"}}",
            "{\"started_at\": {\"eq\": [\"2026-11-21 21:49:22.854594+00:00\", 1]}}",
            "{\"started_at\": {\"gt\": \"no time\"}}",
            "{\"ended_at\": {\"gt\": \"no time\"}}",
            "{\"started_at\": {\"gt\": \"49:22\"}}",
            "{\"ended_at\": {\"gt\": \"49:22\"}}",
            "{\"started_at\": {\"gt\": [\"2026-11-21 21:49:22.854594+00:00\", 1]}}",
            "{\"started_at\": {\"gte\": \"no time\"}}",
            "{\"ended_at\": {\"gte\": \"no time\"}}",
            "{\"started_at\": {\"gte\": \"49:22\"}}",
            "{\"ended_at\": {\"gte\": \"49:22\"}}",
            "{\"started_at\": {\"gte\": [\"2026-11-21 21:49:22.854594+00:00\", 1]}}",
            "{\"started_at\": {\"lt\": \"no time\"}}",
            "{\"ended_at\": {\"lt\": \"no time\"}}",
            "{\"started_at\": {\"lt\": \"49:22\"}}",
            "{\"ended_at\": {\"lt\": \"49:22\"}}",
            "{\"started_at\": {\"lt\": [\"2026-11-21 21:49:22.854594+00:00\", 1]}}",
            "{\"started_at\": {\"lte\": \"no time\"}}",
            "{\"ended_at\": {\"lte\": \"no time\"}}",
            "{\"started_at\": {\"lte\": \"49:22\"}}",
            "{\"ended_at\": {\"lte\": \"49:22\"}}",
            "{\"started_at\": {\"lte\": [\"2026-11-21 21:49:22.854594+00:00\", 1]}}",
            "{\"or\": [{\"eq\": 1}, 5]}",
            "{\"and\": [{\"eq\": 1}, 5]}",
            "{\"and\": [{\"eq\": 1}, null]}",
            "{\"and\": {\"eq\": 1}}",
            "{\"not\": []}",
            "{\"not\": null}",
            "{\"not\": 1}",
            "{\"nope\": 1}",
            "{\"eq\": 1, \"nope\": 1}",
            "{\"started_at\": 1}",
            "{\"started_at\": {\"nope\": 1}}",
            "{\"started_at\": {\"gt\": \"2026-01-01\", \"lt\": \"2027-01-01\"}, \"nope\": 1}",
        ]
    "#]]
    .assert_debug_eq(&refused);
}

/// What docs/python.md says of the package, one example of each.
#[tokio::test]
async fn what_the_package_answers_otherwise() {
    let start = r#"{"at": "2026-11-21T21:49:22Z", "start": {}}"#;
    let ended = |stop: &str| format!(r#"{{"events": [{start}, {{"stop": {stop}}}]}}"#);
    let ok = |value: &str| ended(&format!(r#"{{"ok": "{}"}}"#, base64(value)));
    // The history, the filter, the package's answer, and ours.
    let cases = [
        (ok("10"), r#"{"lte": 5}"#, json!(true), false),
        (ok("10.0"), r#"{"gt": 5}"#, json!(false), true),
        (ok("true"), r#"{"gte": 1}"#, json!(true), false),
        (ok("[true]"), r#"{"eq": [1]}"#, json!(true), false),
        (ok("null"), r#"{"eq": null}"#, json!(false), true),
        (ok("1"), r#"{"started_at": {"gt": "2026-01-01"}, "eq": 2}"#, json!(true), false),
        (ok("1"), r#"{"eq": 1, "not": {"eq": 2}}"#, json!("error"), true),
        (ok("1"), r#"{"started_at": {"contains": "2026-11-21", "gt": "2026-01-01"}}"#, json!(false), true),
        (ok("1"), r#"{"started_at": {"contains": "2026-11-21T21:49"}}"#, json!(false), true),
        (ok("1"), r#"{"ended_at": {"lt": "1971-01-01"}}"#, json!(true), false),
        (format!(r#"{{"events": [{start}]}}"#), r#"{"started_at": {"gt": "2026-01-01"}}"#, json!("none"), true),
        (ok("no json"), r#"{"started_at": {"gt": "2026-01-01"}}"#, json!("error"), true),
        (ended("{}"), r#"{"eq": null}"#, json!("error"), true),
        (
            format!(r#"{{"events": [{start}, {{"stop": {{"ok": "MQ=="}}}}, {start}]}}"#),
            r#"{"eq": 1}"#,
            json!(true),
            false,
        ),
        (r#"{"events": [{"stop": {"ok": "MQ=="}}]}"#.to_owned(), r#"{"eq": 1}"#, json!(true), false),
    ];
    let folder = folder();
    let store = folder.path().join("store");
    let histories: Vec<String> = cases.iter().map(|(history, ..)| history.clone()).collect();
    write_store(&store, &histories);
    let filters: Vec<String> = cases.iter().map(|(_, filter, ..)| (*filter).to_owned()).collect();
    let answers = ask_the_package(folder.path(), &store, &filters);
    let runs = runs_of(&store).await;
    for (at, (history, filter, theirs, wanted)) in cases.iter().enumerate() {
        let id = format!("w-{at:04}");
        let [_, _, said, mended] = answers.iter().find(|[run, text, ..]| *run == id && text == filter).unwrap();
        assert_eq!((said, mended), (theirs, &json!(wanted)), "{history} {filter}");
        assert_eq!(ours(&runs[&id], &RunFilter::parse(filter).unwrap()), json!(wanted), "{history} {filter}");
    }
}

#[tokio::test]
async fn what_the_package_does_not_have() {
    let start = r#"{"at": "2026-11-21T21:49:22Z", "start": {}}"#;
    let histories = [
        r#"{"stop": {"ok": "MTA="}}"#,
        r#"{"stop": {"err": "MQ=="}}"#,
        r#"{"at": "2026-11-22T00:00:00Z", "stop": {"ok": "MTA="}}"#,
        r#"{"sleep": {"id": 1}}"#,
    ];
    let mut histories: Vec<String> =
        histories.iter().map(|event| format!("{{\"events\": [{start}, {event}]}}")).collect();
    histories.push("{}".to_owned());
    let folder = folder();
    write_store(folder.path(), &histories);
    let runs = runs_of(folder.path()).await;
    for (filter, wanted) in [
        (r#"{"status": {"eq": "COMPLETED"}}"#, &["w-0000", "w-0002"][..]),
        (r#"{"status": {"in": ["ONGOING", "UNKNOWN"]}}"#, &["w-0003", "w-0004", "w-none"]),
        (r#"{"status": {"eq": "ONGOING"}}"#, &["w-0003"]),
        (r#"{"status": {"eq": "UNKNOWN"}}"#, &["w-0004", "w-none"]),
        (r#"{"status": {"contains": "ERROR"}}"#, &["w-0001"]),
        (r#"{"and": [{"status": {"eq": "COMPLETED"}}, {"eq": 10}]}"#, &["w-0000", "w-0002"]),
        (r#"{"status": {"eq": "COMPLETED"}, "gt": 10}"#, &[]),
        (r#"{"ended_at": {"gt": "2026-11-21"}}"#, &["w-0002"]),
        (r#"{"ended_at": {"in": ["2026-11-22T00:00:00Z"]}}"#, &["w-0002"]),
        (r#"{"ended_at": {"eq": null}}"#, &["w-0000", "w-0001", "w-0003", "w-0004", "w-none"]),
    ] {
        let filter = RunFilter::parse(filter).unwrap();
        let found: Vec<&str> = runs.iter().filter(|(_, run)| filter.holds(run).unwrap()).map(|(id, _)| &**id).collect();
        assert_eq!(found, wanted, "{filter:?}");
    }
    for bad in ["", "[]", "1", "{", &format!("{}{}", "{\"not\":".repeat(100_000), "}".repeat(100_000))] {
        assert!(RunFilter::parse(bad).is_err());
    }
    let large = format!("{{\"eq\": \"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(RunFilter::parse(&large).unwrap_err().to_string(), "the filter is too large");
}
