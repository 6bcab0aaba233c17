//! Several stores at once: each command uses what each of them has, and names those that give it nothing.

use serde_json::Value;

use super::{call, folder, json, root, run, seen, tc};

/// A folder with two logs of one function, and the path of a store of runs.
fn stores() -> (tempfile::TempDir, std::path::PathBuf, String) {
    let one = |hour: u32, variant: &str| call("f", variant, &format!("2026-06-01T{hour:02}:00:00"), 1.0, None);
    let (keep, path) = folder(&[
        ("a.jsonl", [one(1, "v1"), one(4, "v2")].concat().as_bytes()),
        (
            "b.jsonl",
            [one(2, "v1"), one(3, "v1"), call("g", "v1", "2026-06-01T05:00:00", 1.0, None)].concat().as_bytes(),
        ),
    ]);
    (keep, path, root().join("fixtures/runs").display().to_string())
}

/// `a.jsonl 2` for an item of that store with so many calls.
fn told(answer: &Value, member: &str) -> Vec<String> {
    let items = answer["items"].as_array().expect("items");
    items.iter().map(|item| format!("{} {}", item["store"].as_str().unwrap_or("-"), item[member])).collect()
}

#[test]
fn functions_of_equal_name_are_told_apart_or_added_up() {
    let (_keep, path, runs) = stores();
    let ask = |arguments: &[&str], member: &str| {
        let both = ["--json", "-s", "a.jsonl", "-s", "b.jsonl", "-s", &runs];
        told(&json(tc(arguments).args(both).current_dir(&path)), member)
    };
    assert_eq!(ask(&["status"], "calls"), ["a.jsonl 2", "b.jsonl 2", "b.jsonl 1"]);
    assert_eq!(ask(&["status", "f"], "calls"), ["a.jsonl 2", "b.jsonl 2"]);
    assert_eq!(ask(&["status", "g"], "calls"), ["b.jsonl 1"]);
    assert_eq!(ask(&["status", "f", "--merge"], "calls"), ["- 4"]);
    assert_eq!(ask(&["summary", "f"], "calls"), ["a.jsonl 2", "b.jsonl 2"]);
    assert_eq!(ask(&["summary", "f", "--merge"], "calls"), ["- 4"]);
    assert_eq!(ask(&["events"], "count"), ["a.jsonl 2", "b.jsonl 3"]);
    assert_eq!(ask(&["events", "call"], "count"), ["a.jsonl 2", "b.jsonl 2", "b.jsonl 1"]);
    assert_eq!(ask(&["events", "--merge"], "count"), ["- 5"]);
    assert_eq!(ask(&["report", "f"], "baseline"), ["a.jsonl \"v1\"", "b.jsonl \"v1\""]);
    let in_time = ["a.jsonl \"v1\"", "b.jsonl \"v1\"", "b.jsonl \"v1\"", "a.jsonl \"v2\""];
    assert_eq!(ask(&["history", "f"], "variant"), in_time);
    assert_eq!(ask(&["history", "f", "1", "--merge"], "variant"), ["- \"v2\""]);
    // One store needs no name.
    assert_eq!(told(&json(tc(&["status", "--json", "-s", "b.jsonl"]).current_dir(&path)), "calls"), ["- 2", "- 1"]);
}

#[test]
fn each_store_gives_what_it_has() {
    let (_keep, path, runs) = stores();
    let answer = |arguments: &[&str]| {
        let both = ["-s", "a.jsonl", "-s", &runs];
        run(tc(arguments).args(both).current_dir(&path))
    };
    for arguments in [&["status", "--strict"][..], &["--strict"]] {
        let output = answer(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
        assert!(seen(&output).contains("f ") && seen(&output).contains("order "), "{}", seen(&output));
        assert!(!seen(&output).contains("warning"), "{}", seen(&output));
    }
    let without_log = format!("warning: {runs} holds workflow runs of tc, and no evolution log");
    for arguments in [&["status", "f"][..], &["report", "f"], &["history"], &["events"], &["summary", "f"]] {
        let output = answer(arguments);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", seen(&output));
        assert_eq!(seen(&output).matches(&without_log).count(), 1, "{}", seen(&output));
    }
    let output = answer(&["rollback", "f", "v2", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    assert!(seen(&output).contains("Written to a.jsonl"), "{}", seen(&output));
    for arguments in [
        &["runs"][..],
        &["show", "greet-1"],
        &["replay", "--all"],
        &["result", "greet-2"],
        &["runs", "--sort", "since"],
    ] {
        let output = answer(arguments);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", seen(&output));
        assert_eq!(seen(&output).matches("warning: no workflow runs in a.jsonl").count(), 1, "{}", seen(&output));
    }
    let output = answer(&["fsck"]);
    assert!(
        seen(&output).contains("runs looked at") && seen(&output).contains("warning: no workflow runs here: a.jsonl")
    );
    for arguments in [&["runs", "--json"][..], &["show", "greet-1", "--json"], &["result", "greet-2", "--json"]] {
        let item = &json(tc(arguments).args(["-s", "a.jsonl", "-s", &runs]).current_dir(&path))["items"][0];
        assert_eq!(item["store"], Value::from(&*runs), "{arguments:?}");
    }
    // Of several stores without a log it is told what the first one lacks.
    let output = run(tc(&["events", "-s", &runs, "-s", &runs]).current_dir(&path));
    assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
    assert!(seen(&output).contains("and no evolution log"), "{}", seen(&output));
}

#[test]
fn what_was_read_is_named() {
    let (_keep, path, runs) = stores();
    let read = |arguments: &[&str]| json(tc(arguments).args(["--json", "-v"]).current_dir(&path))["read"].clone();
    let both = ["-s", "a.jsonl", "-s", "b.jsonl"];
    for command in [&["status"][..], &["events"], &["history"], &["summary", "f"], &["clean", "--dry-run"]] {
        assert_eq!(read(&[command, &both].concat()), serde_json::json!(["a.jsonl", "b.jsonl"]), "{command:?}");
    }
    for command in [&["runs"][..], &["show", "greet-1"], &["replay", "greet-1"], &["result", "greet-2"], &["fsck"]] {
        assert_eq!(
            read(&[command, &["-s", &runs]].concat()),
            serde_json::json!([format!("{runs}, of tc")]),
            "{command:?}"
        );
    }
    let output = run(tc(&["history", "-v", "-s", "a.jsonl"]).current_dir(&path));
    assert!(seen(&output).contains("read: a.jsonl\n"), "{}", seen(&output));
    let output = run(tc(&["runs", "-v", "-s", &runs]).current_dir(&path));
    assert!(seen(&output).contains(&format!("read: {runs}, of tc\n")), "{}", seen(&output));
}
