//! `docs/format.md` says what is so: its examples are read, folded and written again, and no type of line is left out.

use std::collections::{BTreeMap, BTreeSet};

use temporal_code::stores::{Due, Kind, Name, Queue};
use temporal_code::workflows::{
    Fold, INBOX, InboxFold, RUNS, Status, VALUE_DEPTH_MAX, VERSION, WAIT_EVENTS_MAX, inbox_due, inbox_log, run_due,
    run_log,
};

use crate::support::header;

fn document() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format.md");
    std::fs::read_to_string(path).expect("the document")
}

/// The lines of each log that the document shows, by their numbers. A block names its log: ```` ```jsonl runs/order-1,2 ````.
fn examples(document: &str) -> BTreeMap<(String, u32), BTreeMap<u64, String>> {
    let mut logs: BTreeMap<(String, u32), BTreeMap<u64, String>> = BTreeMap::new();
    let mut log = None;
    for line in document.lines() {
        if let Some(name) = line.strip_prefix("```jsonl ") {
            let (name, generation) = name.split_once(',').unwrap_or((name, "1"));
            log = Some((name.to_owned(), generation.parse().expect("a generation")));
        } else if line.starts_with("```") {
            log = None;
        } else if let Some(log) = &log {
            let twice = logs.entry(log.clone()).or_default().insert(header(line).seq, line.to_owned());
            assert_eq!(twice, None, "{line}");
        }
    }
    logs
}

/// The body of a line, as it would be appended.
fn body(line: &str) -> String {
    format!("{{{}", &line[line.find("\"at\":").expect("a time")..])
}

#[test]
fn examples_are_sound_and_complete() {
    let (mut events, mut bodies) = (BTreeSet::new(), BTreeSet::new());
    let mut seals = BTreeMap::new();
    for ((name, generation), lines) in examples(&document()) {
        let (kind, id) = name.split_once('/').expect("a kind");
        let log = Name::new(Kind::parse(kind).expect("a kind"), id).expect("a name").in_generation(generation);
        let (mut fold, mut inbox) = (Fold::new(log.clone()), InboxFold::new(log.clone(), 0));
        for line in lines.values() {
            let (header, bytes) = (header(line), line.as_bytes());
            let written = if log.kind() == RUNS {
                let entry = fold.line(header, bytes).unwrap_or_else(|problem| panic!("{log}: {problem}: {line}"));
                events.insert(entry.event.kind());
                entry.line()
            } else {
                assert_eq!(log.kind(), INBOX);
                let entry = inbox.line(header, bytes).unwrap_or_else(|problem| panic!("{log}: {problem}: {line}"));
                bodies.insert(entry.body.kind());
                entry.line()
            };
            assert_eq!(written.expect("a line").as_str(), body(line), "what was read is written as it was");
        }
        assert_eq!(fold.state().warnings(), []);
        if let Some(before) = seals.insert(id.to_owned(), fold.state().next().cloned()).flatten()
            && log.kind() == RUNS
        {
            assert_eq!(before.text(), body(&lines[&1]), "{log} begins as the seal before it says");
        }
        if log.kind() == RUNS && generation == 3 {
            assert_eq!(fold.state().status(), Status::Cancelled);
        }
    }
    let all = [
        "cancel",
        "child",
        "child_end",
        "claim",
        "compact",
        "compensation",
        "continue",
        "ensure",
        "log",
        "receive",
        "release",
        "renew",
        "revert",
        "save",
        "skip",
        "sleep",
        "start",
        "stop",
        "turn",
        "value",
        "wait",
        "wake",
    ];
    assert!(events.iter().eq(all.iter()), "{events:?}");
    assert!(bodies.iter().eq(["cancel", "child_end", "message", "turn"].iter()), "{bodies:?}");
    // Each type has its row.
    for kind in events.union(&bodies) {
        assert!(document().contains(&format!("\n| `{kind}` |")), "{kind} is in no table");
    }
}

#[test]
fn entries_are_called_as_it_says() {
    let text = document();
    let lines = examples(&text);
    let at = |log: &str| {
        let line: serde_json::Value = serde_json::from_str(&lines[&(log.to_owned(), 1)][&1]).expect("JSON");
        temporal_code::Timestamp::parse(line["at"].as_str().expect("a time").as_bytes()).expect("a time")
    };
    let shown = |due: &Due, log: &str| format!("`due/default/2026-11-22T04/{}_{log}.greet-1`", due.at.fixed_width());
    let queue = Queue::default();
    let due = run_due(&queue, &run_log("greet-1").expect("a name"), 1, at("runs/greet-1"));
    assert!(text.contains(&shown(&due, "runs")), "{}", shown(&due, "runs"));
    let due = inbox_due(&queue, &inbox_log("greet-1").expect("a name"), 1, at("inbox/greet-1"));
    assert!(text.contains(&shown(&due, "inbox")), "{}", shown(&due, "inbox"));
}

#[test]
fn limits_are_those_of_the_program() {
    let text = document().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("All of it is version {VERSION}.")));
    assert!(text.contains(&format!("is nested at most {VALUE_DEPTH_MAX} deep")));
    assert!(text.contains(&format!("it waits for, at most {WAIT_EVENTS_MAX};")));
    let mib = |bytes: usize| format!("at most {} MiB", bytes >> 20);
    assert!(text.contains(&mib(temporal_code::stores::LINE_BYTES_MAX)));
    assert!(text.contains(&mib(temporal_code::stores::BATCH_BYTES_MAX)));
    assert!(text.contains(&format!("nested at most {} deep", temporal_code::stores::DEPTH_MAX)));
    assert!(text.contains(&format!("at most {} bytes", temporal_code::stores::KEY_BYTES_MAX)));
}
