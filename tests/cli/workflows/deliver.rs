//! What is told to runs from outside, and runs that begin.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{SHOP, answer, copy_of, ids, items, on, says};
use crate::{seen, tc};

/// The lines of an inbox.
fn inbox(store: &Path, key: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(store.join(format!("inbox/{key}.jsonl"))).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What `tc fsck` finds.
fn findings(store: &Path) -> BTreeSet<String> {
    answer(store, &["fsck"])["items"].as_array().expect("items").iter().map(Value::to_string).collect()
}

#[test]
fn a_key_sends_once() {
    let (_keep, store) = copy_of(SHOP);
    let send =
        |value: &str| on(&store, &["send", "greet-1", "allow", value, "--idempotency-key", "k-1", "--from", "Ada"]);
    says(&send(r#"{"a": 1, "b": [2]}"#), 0, &["allow was sent to greet-1."]);
    let line = inbox(&store, "greet-1");
    assert_eq!(line.len(), 1);
    let value = json!({"a": 1, "b": [2]});
    assert_eq!((&line[0]["event"], &line[0]["id"], &line[0]["from"]), (&json!("allow"), &json!("k-1"), &json!("Ada")));
    assert_eq!(line[0]["value"], value);
    says(&send(r#"{"b":[2],"a":1}"#), 0, &["was sent to greet-1 before with this key. Nothing was sent now"]);
    says(&send(r#"{"a": 2}"#), 5, &["k-1", "another content", "hint: use another key"][..2]);
    let other = on(&store, &["send", "greet-1", "deny", "null", "--idempotency-key", "k-1"]);
    says(&other, 5, &["k-1", "another content"]);
    says(&on(&store, &["cancel", "greet-1", "--yes", "--idempotency-key", "k-1"]), 5, &["another content"]);
    assert_eq!(inbox(&store, "greet-1").len(), 1);
    let again = answer(&store, &["send", "greet-1", "allow", r#"{"a": 1, "b": [2]}"#, "--idempotency-key", "k-1"]);
    let item = &again["items"][0];
    assert_eq!((&item["run"], &item["event"]), (&json!("greet-1"), &json!("allow")));
    assert_eq!((&item["id"], &item["deduplicated"]), (&json!("k-1"), &json!(true)));
    // Without a key each is another.
    for _ in 0..2 {
        says(&on(&store, &["send", "greet-1", "allow", "text"]), 0, &["was sent"]);
    }
    assert_eq!(inbox(&store, "greet-1").len(), 3);
}

#[test]
fn a_key_sends_once_however_many_send_at_once() {
    let (_keep, store) = copy_of(SHOP);
    for round in 0..3 {
        let key = format!("k-{round}");
        let send = || -> Child {
            let mut command = tc(&["send", "greet-1", "allow", "1", "--idempotency-key", &key, "--json", "-s"]);
            command.arg(&store).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tc starts")
        };
        let all: Vec<Child> = (0..6).map(|_| send()).collect();
        let mut fresh = 0;
        for child in all {
            let output = child.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{}", seen(&output));
            let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            fresh += usize::from(said["items"][0]["deduplicated"] == false);
        }
        let lines = inbox(&store, "greet-1");
        assert_eq!((fresh, lines.iter().filter(|line| line["id"] == *key).count()), (1, 1), "{lines:?}");
    }
}

#[test]
fn values_are_json_or_text() {
    let (keep, store) = copy_of(SHOP);
    let file = keep.path().join("value.json");
    std::fs::write(&file, "{\"from\": \"a file\"}\n").expect("written");
    let at_file = format!("@{}", file.display());
    let cases: [(&[&str], Value); 8] = [
        (&[], Value::Null),
        (&["12.50"], serde_json::from_str("12.50").expect("JSON")),
        (&["-3"], json!(-3)),
        (&["yes"], json!("yes")),
        (&["12", "--text"], json!("12")),
        (&["{by: 1}", "--text"], json!("{by: 1}")),
        (&[&at_file], json!({"from": "a file"})),
        (&[""], json!("")),
    ];
    for (arguments, value) in cases {
        says(&on(&store, &[&["send", "greet-1", "allow"], arguments].concat()), 0, &["was sent"]);
        let lines = inbox(&store, "greet-1");
        assert_eq!(lines.last().expect("a line")["value"], value, "{arguments:?}");
    }
    let text = std::fs::read_to_string(store.join("inbox/greet-1.jsonl")).expect("an inbox");
    assert!(text.contains("\"value\":12.50,"), "a number stays as it is written: {text}");
}

#[test]
fn what_has_ended_takes_nothing() {
    let (_keep, store) = copy_of(SHOP);
    let ended = ["greet-2 has already completed", "order-5 has already failed", "order-10 was already cancelled"];
    for told in ended {
        let id = told.split(' ').next().expect("an id");
        says(&on(&store, &["send", id, "allow"]), 2, &[told, "hint: "]);
        says(&on(&store, &["cancel", id, "--yes"]), 2, &[told]);
    }
    says(&on(&store, &["send", "greet-9", "allow"]), 2, &["no run `greet-9`", "did you mean", "greet-1"]);
    says(&on(&store, &["cancel", "greet-1"]), 2, &["--yes"]);
    assert!(inbox(&store, "greet-1").is_empty());
    // Its workers may know more than this program; they are told what is in the way.
    let corrupt = on(&store, &["send", "import-13", "go"]);
    says(&corrupt, corrupt.status.code().filter(|code| *code < 3).expect("a code"), &["import-13 is corrupt"]);
}

#[test]
fn what_is_delivered_leaves_nothing_for_fsck() {
    let (_keep, store) = copy_of(SHOP);
    let before = findings(&store);
    says(&on(&store, &["send", "greet-1", "allow", "true"]), 0, &["was sent"]);
    // A run of several generations, whose inbox has several too.
    says(&on(&store, &["send", "stock-2", "delivered", "1"]), 0, &["was sent"]);
    says(&on(&store, &["send", "order-3", "changed", "1"]), 0, &["was sent"]);
    says(&on(&store, &["cancel", "order-6", "--yes", "--reason", "late"]), 0, &["A request to cancel was sent"]);
    says(&on(&store, &["cancel", "survey-1", "--yes", "--wait", "--timeout", "1s"]), 8, &["has not ended yet"]);
    says(&on(&store, &["send", "greet-1", "allow", "--wait", "--timeout", "1s"]), 8, &["has not taken it yet"]);
    says(&on(&store, &["start", "order", r#"{"item": "lamp"}"#, "--id", "order-99"]), 0, &["order-99\n"]);
    says(&on(&store, &["start", "mail", "--queue", "post", "--id", "a b/ü"]), 0, &["a b/ü\n"]);
    says(&on(&store, &["start", "order", "--idempotency-key", "k"]), 0, &["order-k\n"]);
    says(&on(&store, &["start", "order", "--wait", "--timeout", "1s"]), 8, &["has not ended yet"]);
    let new: Vec<String> = findings(&store).difference(&before).cloned().collect();
    assert!(new.is_empty(), "{new:#?}");
    let all = items(&store, &["runs"]);
    assert_eq!(all.len(), 27 + 4);
    let begun = all.iter().find(|item| item["run"] == "order-99").expect("order-99");
    assert_eq!(
        (&begun["status"], &begun["workflow"], &begun["events"]),
        (&json!("pending"), &json!("order"), &json!(1))
    );
    assert_eq!(ids(&items(&store, &["runs", "mail"])), ["a b/ü"]);
    says(&on(&store, &["replay", "--all"]), 1, &["1 corrupt, 30 sound"]);
}

#[test]
fn messages_do_not_hide_what_leads_to_a_run() {
    let (_keep, store) = copy_of(SHOP);
    says(&on(&store, &["start", "order", "--id", "noted"]), 0, &["noted"]);
    let before = findings(&store);
    for number in 0..20 {
        says(&on(&store, &["send", "noted", "note", &number.to_string()]), 0, &["was sent"]);
    }
    assert_eq!(findings(&store), before);
}

/// A server that takes connections and says nothing.
fn silent() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    address
}

#[test]
fn the_timeout_is_that_of_the_whole_command() {
    let server = silent();
    let bucket = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"].map(|name| (name, "x".to_owned()));
    let bucket = bucket.into_iter().chain([("AWS_ENDPOINT_URL", format!("http://{server}"))]);
    let bucket = bucket.collect::<Vec<_>>();
    for store in [format!("redis://{server}"), "s3://bucket/prefix".to_owned()] {
        let commands: [&[&str]; 4] = [
            &["result", "a", "--wait"],
            &["send", "a", "go"],
            &["cancel", "a", "--yes", "--wait"],
            &["start", "order", "--wait"],
        ];
        for command in commands {
            let begun = Instant::now();
            let mut tc = tc(command);
            tc.args(["--timeout", "1s", "--store", &store]).envs(bucket.iter().cloned());
            says(&tc.output().expect("tc"), 8, &["did not answer within 1s"]);
            assert!(begun.elapsed() < Duration::from_secs(5), "{command:?} on {store}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn who_stops_waiting_is_told_what_was_done() {
    let (_keep, store) = copy_of(SHOP);
    let waits: [(&[&str], &str); 2] = [
        (&["send", "greet-1", "allow", "--wait"], "allow was sent to greet-1.\nThe run has not taken it yet."),
        (
            &["cancel", "survey-1", "--yes", "--wait"],
            "A request to cancel was sent to survey-1.\nThe run has not ended yet.",
        ),
    ];
    for (arguments, said) in waits {
        let inboxes = || std::fs::read_dir(store.join("inbox")).expect("inboxes").flatten();
        let bytes = || inboxes().map(|inbox| inbox.metadata().map_or(0, |file| file.len())).sum::<u64>();
        let before = bytes();
        let mut tc = tc(arguments);
        tc.arg("--store").arg(&store).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = tc.spawn().expect("tc");
        while bytes() == before {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(500));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
        says(&child.wait_with_output().expect("its output"), 130, &[said]);
    }
}

#[test]
fn a_run_begins_once() {
    let (_keep, store) = copy_of(SHOP);
    let start = |more: &[&str]| on(&store, &[&["start", "order", r#"{"n": 1}"#], more].concat());
    says(&start(&["--id", "X"]), 0, &["X\n"]);
    says(&start(&["--id", "X"]), 5, &["there is a run `X` already", "hint: "]);
    says(&start(&["--id", "order-1"]), 5, &["there is a run `order-1` already"]);
    let key = ["--idempotency-key", "of-monday"];
    let first = answer(&store, &[&["start", "order", r#"{"n": 1}"#], &key[..]].concat());
    let second = answer(&store, &[&["start", "order", r#"{ "n":1 }"#], &key[..]].concat());
    let of = |answer: &Value| (answer["items"][0]["run"].clone(), answer["items"][0]["deduplicated"].clone());
    assert_eq!(of(&first).1, false);
    assert_eq!(of(&second), (of(&first).0, json!(true)));
    let other = on(&store, &[&["start", "order", r#"{"n": 2}"#], &key[..]].concat());
    says(&other, 5, &["of-monday", "another content"]);
    let mine = ["--id", "mine", "--idempotency-key", "of-me"];
    says(&start(&mine), 0, &["mine\n"]);
    says(&start(&mine), 0, &["mine\n", "no second run was started"]);
    says(&start(&["--id", "mine"]), 5, &["there is a run `mine` already"]);

    let spawn = |_| {
        let mut command = tc(&["start", "order", "{}", "--idempotency-key", "at-once", "--json", "-s"]);
        command.arg(&store).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tc starts")
    };
    let all: Vec<Child> = (0..6).map(spawn).collect();
    let mut fresh = 0;
    for child in all {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", seen(&output));
        let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(said["items"][0]["run"], "order-at-once");
        fresh += usize::from(said["items"][0]["deduplicated"] == false);
    }
    assert_eq!(fresh, 1);
    assert_eq!(items(&store, &["runs"]).len(), 27 + 4);
}

#[test]
fn ids_with_any_characters_stay_in_the_store() {
    let (keep, store) = copy_of(SHOP);
    for id in ["../../x", "..", ".", "/etc/passwd", "a\nb", "\u{1b}[31m", "a\u{202e}b", "-x", " ", "%2e"] {
        let output = on(&store, &["start", "order", "--json", &format!("--id={id}")]);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", seen(&output)));
        assert_eq!(said["items"][0]["run"], id);
        assert_eq!(items(&store, &["runs"]).iter().filter(|item| item["run"] == id).count(), 1, "{id:?}");
        says(&on(&store, &["send", "--", id, "x", "1"]), 0, &["was sent"]);
        says(&on(&store, &["result", "--", id]), 8, &["has not ended"]);
        assert_eq!(on(&store, &["replay", "--", id]).status.code(), Some(0), "{id:?}");
    }
    let outside: Vec<_> =
        std::fs::read_dir(keep.path()).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(outside, ["store"]);
}

/// The id of a run that is gone may be the front of another's, which must not be told what was meant for it.
#[test]
fn a_change_takes_whole_ids_only() {
    let (_keep, path) = copy_of("fixtures/runs");
    let before = on(&path, &["show", "greet-1", "--json"]).stdout;
    for command in [&["send", "greet-", "by"][..], &["send", "gre", "by", "--json"], &["cancel", "greet-", "--yes"]] {
        // One run alone begins so.
        let gone = path.join("runs/greet-2.jsonl");
        let _ = std::fs::remove_file(gone);
        says(&on(&path, command), 2, &["no run `gre", "did you mean greet-1?", "whole id"]);
    }
    assert_eq!(on(&path, &["show", "greet-1", "--json"]).stdout, before);
    says(&on(&path, &["show", "greet-"]), 0, &["greet-1"]);
    says(&on(&path, &["replay", "gre"]), 0, &[]);
    says(&on(&path, &["send", "greet-1", "by"]), 0, &["by was sent to greet-1"]);
}
