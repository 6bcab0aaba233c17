//! Arguments that are none.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{SHOP, answer, copy_of, on, says};
use crate::{run, seen, tc};

#[test]
fn nonsense_is_named() {
    let deep = format!("{}{}", "{\"not\":".repeat(2_000), "}".repeat(2_000));
    let cases: &[(&[&str], &[&str])] = &[
        (&["runs", "--where", "nonsense"], &["--where"]),
        (&["runs", "--where", "[]"], &["--where"]),
        (&["runs", "--where", ""], &["--where"]),
        (&["runs", "--where", &deep], &["--where"]),
        (&["runs", "--where", r#"{"nope": 1}"#], &["--where", "`nope` is no operator of filters"]),
        (&["runs", "--where", r#"{"or": [{"eq": 1}, 5]}"#], &["--where", "a filter is an object", "a number"]),
        (
            &["runs", "--where", r#"{"started_at": {"gt": "soon"}}"#],
            &["--where", "a time is compared with a time", "`soon`"],
        ),
        (&["runs", "--status", "nonsense"], &["nonsense", "waiting"]),
        (&["runs", "--since", "nonsense"], &["since", "nonsense"]),
        (&["runs", "--sort", "nonsense"], &["nonsense", "started"]),
        (&["runs", "-n", "-1"], &["-1"]),
        (&["result", "greet-1", "--wait", "--timeout", "nonsense"], &["nonsense", "not a span of time"]),
        (&["result", "greet-1", "--wait", "--timeout=-5s"], &["-5s", "not a span of time"]),
        (&["send", "greet-1", "allow", "--wait", "--timeout", "9999999999999999999d"], &["not a span of time"]),
        (&["send", "greet-1", "allow", "{by: 1}"], &["begins like JSON", "--text"]),
        (&["send", "greet-1", "allow", "[1,"], &["begins like JSON"]),
        (&["send", "greet-1", "allow", "\"x"], &["begins like JSON"]),
        (&["send", "greet-1", "allow", "@missing-file"], &["cannot read missing-file"]),
        (&["send", "greet-1", "allow", "@fixtures"], &["cannot read fixtures"]),
        (&["send", "greet-1", "allow", "@fixtures/corrupt/not-utf8.jsonl"], &["not UTF-8"]),
        (&["send", "greet-1", "", "1"], &["the name of the event is empty"]),
        (&["send", "greet-1"], &["<EVENT>"]),
        (&["replay"], &["<RUN"]),
        (&["replay", "greet-1", "--all"], &["--all"]),
        (&["replay", "greet-1", "--at", "nonsense"], &["nonsense"]),
        (&["replay", "greet-1", "--at", "99"], &["greet-1 has no event 99", "the last is 5"]),
        (&["replay", "greet-1", "--at", "0"], &["greet-1 has no event 0: the next is 1"]),
        (&["replay", "greet-1", "--at", "1970-01-01"], &["nothing had happened to greet-1", "hint: it began at"]),
        (&["replay", "greet-1", "--at", "2.1"], &["greet-1 has no event 2.1"]),
        (&["replay", "greet-1", "--at", "18446744073709551616"], &["18446744073709551616"]),
        (&["start", ""], &["name"]),
        (&["start", "order", "--id", ""], &["empty"]),
        (&["start", "order", "--queue", ""], &["empty"]),
        (&["start", "order", "{"], &["begins like JSON"]),
    ];
    let (_keep, store) = copy_of(SHOP);
    for (arguments, words) in cases {
        let output = on(&store, arguments);
        says(&output, 2, words);
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let output = on(&store, &[arguments, &["--json"][..]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error: serde_json::Value =
            serde_json::from_slice(&output.stderr).unwrap_or_else(|_| panic!("{}", seen(&output)));
        assert!(error["error"]["message"].is_string() && error["error"]["code"].is_string(), "{error}");
    }
    // Whether values have an order is found out run by run.
    let odd = answer(&store, &["runs", "--where", r#"{"gt": null}"#]);
    assert!(odd["complete"] == false && odd["warnings"].to_string().contains("null and null have no order"), "{odd}");
    // Later than all that happened is the end.
    says(&on(&store, &["replay", "greet-1", "--at", "2036-01-01"]), 0, &["greet-1 after event 5"]);
    assert!(!store.join("inbox/greet-1.jsonl").exists(), "nothing was sent");
}

/// Stores of each format, with a run that is there.
fn stores() -> Vec<(PathBuf, &'static str)> {
    let at = |fixture: &str| crate::root().join(fixture);
    vec![
        (at(SHOP), "greet-1"),
        (at("fixtures/substantial-0.1/fs"), "waiter-6b5ade46-c793-4430-8338-0791e675a118"),
        (at("fixtures/durable-python"), "greet-1"),
    ]
}

#[test]
fn ids_that_can_be_none() {
    let long = "x".repeat(10_000);
    for (store, known) in stores() {
        for id in ["", "../../x", "..", ".", "/", "/etc/passwd", &long, "a\nb", "\u{1b}]0;x\u{7}", "*", "ü"] {
            for arguments in [
                vec!["result", "--", id],
                vec!["replay", "--", id],
                vec!["replay", "--diff", known, "--", id],
                vec!["send", "--", id, "x", "1"],
                vec!["cancel", "--yes", "--", id],
            ] {
                let output = on(&store, &arguments);
                says(&output, 2, &["error: ", "no run"]);
                assert!(output.stderr.len() < 2_000 && output.stdout.is_empty(), "{} bytes", output.stderr.len());
                assert!(seen(&output).lines().count() <= 4, "{}", seen(&output));
            }
        }
        // The front of an id does, if there is one such.
        let front: String = known.chars().take(known.len() - 1).collect();
        assert!(matches!(on(&store, &["replay", &front]).status.code(), Some(0 | 2)));
    }
}

#[test]
fn a_value_that_is_too_large_is_refused_and_a_large_one_sent() {
    let (_keep, store) = copy_of(SHOP);
    let send = |megabytes: usize| {
        let mut command = tc(&["send", "greet-1", "allow", "-", "-s"]);
        command.arg(&store).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("tc starts");
        let mut input = child.stdin.take().expect("an input");
        // Whoever does not want it all does not read it all.
        let _ = input.write_all("x".repeat(megabytes << 20).as_bytes());
        drop(input);
        child.wait_with_output().expect("it ends")
    };
    says(&send(20), 2, &["standard input has more than", "bytes"]);
    assert!(!store.join("inbox/greet-1.jsonl").exists());
    says(&send(1), 0, &["was sent"]);
    let listed = on(&store, &["runs", "--json"]);
    assert!(listed.status.success() && listed.stdout.len() < 100_000, "{}", listed.stdout.len());
    // As large as a line may be, there is no room for what stands around it.
    says(&send(16), 2, &["bytes"]);
}

#[test]
fn stores_that_are_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let file = path.join("file");
    std::fs::write(&file, "text").expect("written");
    for command in
        [&["runs"][..], &["replay", "x"], &["replay", "--all"], &["result", "x"], &["send", "x", "y"], &["start", "x"]]
    {
        says(&on(path, command), 2, &["no workflow runs in", "hint: "]);
        says(&on(path.join("missing"), command), 2, &["no such file or folder", "missing"]);
        says(&on(&file, command), 2, &["error: "]);
        says(&on("redis://127.0.0.1:1/0", command), 2, &["error: ", "127.0.0.1:1"]);
        for format in ["tc", "substantial", "durable-python"] {
            let output = on(path, &[command, &["--format", format]].concat());
            let lists = format == "durable-python" && (command == ["runs"] || command.contains(&"--all"));
            assert_eq!(output.status.code(), Some(if lists { 0 } else { 2 }), "{command:?} {format} {}", seen(&output));
        }
    }
    assert_eq!(std::fs::read_dir(path).expect("a folder").count(), 1, "nothing was made");
    // The nearest is found, and one of evolution logs is none.
    let near = run(tc(&["runs"]).current_dir(Path::new(path)));
    says(&near, 2, &["error: ", "hint: "]);
    says(&on("fixtures/demo", &["runs"]), 2, &["no workflow runs"]);
}
