//! Names, values and errors that try to steer the terminal, or to break out of the format.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::Value;

use super::on;
use crate::{root, run, seen, tc};

/// What a terminal must not see.
const EVIL: &str = "a\u{1b}[2J\u{9b}31m\r\n\t\u{7}\u{202e}b\u{2066}c\u{feff}\u{2028}\u{0}|,\"'`<x>";

/// The same where no zero byte can be.
fn name() -> String {
    EVIL.replace(['\0', '/'], "")
}

fn steers(text: &str) -> Option<char> {
    text.chars().find(|c| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    })
}

fn store(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::create_dir(&path).expect("made");
    (folder, path)
}

/// A key of a store of ours, for an id.
fn key(id: &str) -> String {
    id.bytes()
        .map(|b| if b.is_ascii_alphanumeric() || b == b'-' { char::from(b).to_string() } else { format!("={b:02X}") })
        .collect()
}

/// Runs of ours: one that failed, one that is done, one that waits, and one that is corrupt.
fn ours() -> (tempfile::TempDir, PathBuf, Vec<String>) {
    let (keep, path) = store("store");
    std::fs::create_dir(path.join("runs")).expect("made");
    std::fs::write(path.join("store.json"), "{\"schema\":\"tc.store/1\"}\n").expect("written");
    let evil = Value::from(EVIL).to_string();
    let line = |seq: u32, rest: &str| {
        format!("{{\"seq\":{seq},\"token\":\"00000000000000a{seq}\",\"at\":\"2026-11-22T04:00:0{seq}Z\",{rest}}}\n")
    };
    let sealed = |seq: u32, rest: &str| line(seq, rest).replacen("\"at\"", "\"sealed\":true,\"at\"", 1);
    let mut ids = Vec::new();
    for (number, kind) in ["failed", "done", "waits", "corrupt", "cancelled"].iter().enumerate() {
        let id = format!("{number}{}", name());
        let begin = line(
            1,
            &format!(
                "\"type\":\"start\",\"v\":1,\"run\":{},\"workflow\":{evil},\"queue\":\"default\",\"input\":{{{evil}:{evil}}}",
                Value::from(id.as_str())
            ),
        ) + &line(
            2,
            &format!("\"type\":\"claim\",\"claim\":1,\"worker\":{evil},\"until\":\"2026-11-22T04:01:00Z\""),
        ) + &line(3, &format!("\"type\":\"log\",\"claim\":1,\"n\":1,\"level\":{evil},\"text\":{evil}"))
            + &line(4, &format!("\"type\":\"save\",\"claim\":1,\"step\":{evil},\"n\":1,\"value\":{evil}"));
        let stop = |how: &str| {
            sealed(
                5,
                &format!(
                    "\"type\":\"stop\",\"claim\":1,\"v\":1,\"workflow\":{evil},{how},\"started_at\":\"2026-11-22T04:00:01Z\",\"events\":5"
                ),
            )
        };
        let end = match *kind {
            "failed" => stop(&format!("\"error\":{{\"type\":{evil},\"message\":{evil}}}")),
            "done" => stop(&format!("\"ok\":{evil}")),
            "waits" => line(5, &format!("\"type\":\"wait\",\"claim\":1,\"step\":{evil},\"n\":1,\"for\":[{evil}]")),
            "cancelled" => stop(&format!("\"cancelled\":true,\"reason\":{evil}")),
            _ => line(5, &format!("\"type\":{evil}")),
        };
        std::fs::write(path.join(format!("runs/{}.jsonl", key(&id))), begin + &end).expect("written");
        ids.push(id);
    }
    (keep, path, ids)
}

/// The same of substantial.
fn theirs() -> (tempfile::TempDir, PathBuf, Vec<String>) {
    let (keep, path) = store("store");
    let workflow = name();
    for name in
        ["runs", "schedules/default", "leases", &format!("links/runs/{workflow}"), &format!("schedules/{workflow}")]
    {
        std::fs::create_dir_all(path.join(name)).expect("made");
    }
    let evil = Value::from(EVIL).to_string();
    // White space between tokens is not escaped in JSON.
    let payload = base64::engine::general_purpose::STANDARD.encode(format!("{{\r\n\t{evil}:\r{evil}\n}}"));
    let start = format!("{{\"at\": \"2026-11-21T21:49:23Z\", \"start\": {{\"kwargs\": {{\n\t{evil}:\r\n {evil}}}}}}}");
    let save = format!("{{\"save\": {{\"id\": 1, \"value\": \"{payload}\", \"counter\": -1}}}}");
    let send =
        format!("{{\"at\": \"2026-11-21T21:49:24Z\", \"send\": {{\"name\": {evil}, \"value\": \"{payload}\"}}}}");
    let mut ids = Vec::new();
    for (number, end) in [
        format!("{{\"stop\": {{\"ok\": \"{payload}\"}}}}"),
        format!("{{\"stop\": {{\"err\": \"{payload}\"}}}}"),
        format!("{{{evil}: {evil}}}"),
        format!("{{\"save\": {evil}}}"),
    ]
    .iter()
    .enumerate()
    {
        let id = format!("{workflow}-{number}");
        let folder = path.join("runs").join(&id);
        std::fs::create_dir_all(folder.join("logs")).expect("made");
        let log = format!(
            "{{\"metadata\": [{{\"at\": \"2026-11-21T21:49:23Z\", \"error\": {{\"message\": {evil}, \"type\": {evil}}}}}]}}"
        );
        std::fs::write(folder.join("logs/2026-11-21T21:49:23"), log).expect("written");
        std::fs::write(folder.join("logs").join(&workflow), EVIL).expect("written");
        std::fs::write(folder.join("events"), format!("{{\"events\": [{start}, {save}, {send}, {end}]}}"))
            .expect("written");
        std::fs::write(path.join("links/runs").join(&workflow).join(&id), &id).expect("written");
        let planned = path.join("schedules/default/2026-11-21T21:50:00");
        std::fs::create_dir_all(&planned).expect("made");
        std::fs::write(planned.join(&id), &send).expect("written");
        ids.push(id);
    }
    (keep, path, ids)
}

/// The same of durable-python.
fn programs() -> (tempfile::TempDir, PathBuf, Vec<String>) {
    let (keep, path) = store("states");
    let mut ids = Vec::new();
    for (number, fixture) in ["greet-1", "order-1", "greet-2", "parent-1"].iter().enumerate() {
        let whole = std::fs::read(root().join(format!("fixtures/durable-python/{fixture}.pkl"))).expect("a fixture");
        let mut changed = whole;
        // Of the same length: of an event, of a result, of names of variables.
        for (word, evil) in [
            (&b"allow"[..], &b"a\x1b[2J"[..]),
            (b"hello", b"\x1b[7mh"),
            (b"total", b"t\r\n\t\x07"),
            (b"approve", b"a\xc2\x9b\xe2\x80\xaev"),
        ] {
            assert_eq!(word.len(), evil.len());
            for at in memchr::memmem::find_iter(&changed.clone(), word) {
                changed[at..at + word.len()].copy_from_slice(evil);
            }
        }
        let id = format!("{number}{}", name());
        std::fs::write(path.join(format!("{id}.pkl")), changed).expect("written");
        ids.push(id);
    }
    let torn = format!("9{}", name());
    std::fs::write(path.join(format!("{torn}.pkl")), b"\x80\x05\x95instance_id call_stack").expect("written");
    ids.push(torn);
    (keep, path, ids)
}

#[track_caller]
fn is_harmless(store: &Path, arguments: &[&str], format: &str, width: usize) {
    let mut command = tc(&["-o", format]);
    command.arg("-s").arg(store).env("COLUMNS", width.to_string()).args(arguments);
    let output = run(&mut command);
    let text = seen(&output);
    // CSV that goes to a program carries texts as they are.
    assert!(format == "csv" || steers(&text).is_none(), "{format} {width} {arguments:?}: {text:?}");
    assert!(matches!(output.status.code(), Some(0 | 1 | 2 | 5 | 8)), "{text}");
    let out = std::str::from_utf8(&output.stdout).expect("UTF-8");
    let is_json = |text: &str| {
        serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error} {arguments:?}: {text}"))
    };
    match format {
        "json" if !out.is_empty() => drop(is_json(out)),
        "jsonl" => out.lines().for_each(|line| assert!(is_json(line).is_object(), "{line}")),
        "csv" => {
            let mut rows = csv::Reader::from_reader(out.as_bytes());
            rows.records().for_each(|row| drop(row.expect("rows of one length")));
        }
        "markdown" => {
            let cells = |line: &str| line.replace("\\|", "").matches('|').count();
            for table in out.split("\n\n").filter(|table| table.starts_with("| ")) {
                let rows: Vec<usize> = table.trim_end().lines().map(cells).collect();
                assert!(rows.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
            }
        }
        _ => {}
    }
    if matches!(format, "json" | "jsonl") && output.status.code() == Some(2) {
        let error = String::from_utf8(output.stderr.clone()).expect("UTF-8");
        let last = error.lines().last().expect("a line");
        assert!(is_json(last)["error"]["message"].is_string(), "{error}");
    }
}

fn are_harmless(store: &Path, ids: &[String]) {
    let listed = on(store, &["runs", "--json"]);
    let answer: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let runs: Vec<&str> =
        answer["items"].as_array().expect("items").iter().filter_map(|item| item["run"].as_str()).collect();
    assert_eq!(runs, ids, "each is listed by its whole name");
    let name = name();
    let forms =
        [("table", 40), ("table", 80), ("table", 160), ("json", 80), ("jsonl", 80), ("csv", 80), ("markdown", 80)];
    for (format, width) in forms {
        let mut commands: Vec<Vec<&str>> = vec![
            vec!["runs"],
            vec!["runs", "--sort", "updated"],
            vec!["runs", "--", &name],
            vec!["runs", "--where", r#"{"contains": "a"}"#],
            vec!["replay", "--all"],
            vec!["send", "--", &name, &name],
            vec!["send", "--", &name, &name, "{\u{1b}"],
            vec!["start", "--id", &ids[0], "--", &name],
        ];
        for id in ids {
            commands.push(vec!["show", "--", id]);
            commands.push(vec!["replay", "--", id]);
            commands.push(vec!["replay", "--at", "3", "--", id]);
            commands.push(vec!["replay", "--diff", &ids[0], "--", id]);
            commands.push(vec!["result", "--", id]);
            commands.push(vec!["send", "--idempotency-key", &name, "--", id, &name]);
            commands.push(vec!["cancel", "--yes", "--reason", &name, "--", id]);
        }
        for command in commands {
            is_harmless(store, &command, format, width);
        }
    }
}

#[test]
fn runs_of_ours() {
    let (_keep, path, ids) = ours();
    are_harmless(&path, &ids);
}

#[test]
fn runs_of_substantial() {
    let (_keep, path, ids) = theirs();
    are_harmless(&path, &ids);
}

#[test]
fn programs_of_durable_python() {
    let (_keep, path, ids) = programs();
    are_harmless(&path, &ids);
}
