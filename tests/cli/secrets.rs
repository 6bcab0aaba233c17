//! What may hold a password is never repeated, however it is misspelt and wherever it was typed.

use super::{call, folder, run, seen, tc};

const SECRET: &str = "hunter2";

/// Addresses with a password, each with something wrong. None of them leads to a server.
const MISSPELT: &[&str] = &[
    "\"redis://u:hunter2@h:1/0\"",
    "'redis://u:hunter2@h:1/0'",
    "“redis://u:hunter2@h:1/0”",
    "`redis://u:hunter2@h`",
    "\"redis://u:hunter2@h",
    "'rediss://:hunter2@h'",
    "\"s3://key:hunter2@bucket/prefix\"",
    " redis://u:hunter2@h",
    "\tredis://u:hunter2@h",
    "\nredis://u:hunter2@h\n",
    "\u{a0}redis://u:hunter2@h",
    "\u{feff}redis://u:hunter2@h",
    "\u{feff}redis:/u:hunter2@h",
    "\u{200b}redis://u:hunter2@h",
    "\u{1b}[31mredis://u:hunter2@h",
    "REDIS_URL=redis://u:hunter2@h",
    "export TC_STORE=redis://u:hunter2@h",
    "=redis://u:hunter2@h",
    "<redis://u:hunter2@h>",
    "(redis://u:hunter2@h)",
    "-redis://u:hunter2@h",
    "redis:/u:hunter2@h",
    "redis:u:hunter2@h",
    "redis:hunter2@h",
    "redis:///u:hunter2@h/hunter2",
    "redis://u:hunter2@h:99999",
    "redis://u:hunter2@h/x",
    "redis://u:hunter2/x@h",
    "redis://u:1#hunter2@h",
    "redis://u:hunter2",
    "redis:/:hunter2",
    "redis//u:hunter2@h",
    "rediss//:hunter2@h",
    "rediss//hunter2@h",
    "rediss//h?password=hunter2",
    "redis//:hunter2@h:1",
    "redis:\\\\u:hunter2@h",
    "redis;//u:hunter2@h",
    "redis.//u:hunter2@h",
    "redis: //u:hunter2@h",
    "REDIS:/u:hunter2@h",
    "Redis:u:hunter2@h",
    "REDISS//u:hunter2@h",
    "redsi://u:hunter2@h",
    "redis-tls://u:hunter2@h",
    "redis+tls:/u:hunter2@h",
    "http:redis://u:hunter2@h",
    "http://u:hunter2@h",
    "HTTPS://u:hunter2@h/bucket",
    "ftp://u:hunter2@h",
    "://u:hunter2@h",
    "//u:hunter2@h",
    "u:hunter2@h:6379",
    ":hunter2@h",
    "redis%3A%2F%2Fu%3Ahunter2%40h",
    "redis://u%3Ahunter2@",
    "unix:/u:hunter2@h",
    "unix:///u:hunter2@h.sock",
    "unix:///run/u%3Ahunter2%40h.sock",
    "unix://u:hunter2@/run/x",
    "file://u:hunter2@h/x",
    "FILE:///u:hunter2@h",
    "valkey:/u:hunter2@h",
    "valkeys//u:hunter2@h",
    "s3:/key:hunter2@bucket",
    "s3:key:hunter2@bucket/prefix",
    "s3//key:hunter2@bucket",
    "s3://key:hunter2@bucket",
    "S3A://key:hunter2@bucket",
    "s4://key:hunter2@bucket",
    "s3:///key:hunter2@bucket",
    "gs:/key:hunter2@bucket",
    "az:/account:hunter2@container",
    "./redis:/u:hunter2@h",
    "fixtures/demo/evolution.jsonl/redis:/u:hunter2@h",
    "logs/*:hunter2@h",
    "redis:/u:hunter2@[h*",
    "**:hunter2@h",
    "redis:/u:hunter2@h, redis:/u:hunter2@i",
    "redis://u:hunter2@h,redis://u:hunter2@i",
];

const COMMANDS: &[&[&str]] = &[
    &[],
    &["status"],
    &["status", "f"],
    &["history"],
    &["events"],
    &["summary", "f"],
    &["report", "f"],
    &["promote", "f", "v1", "--yes"],
    &["rollback", "f", "--yes"],
    &["weight", "f", "v1", "50%", "--yes"],
    &["runs"],
    &["show", "r"],
    &["replay", "r"],
    &["send", "r", "e", "1"],
    &["start", "w", "1"],
    &["result", "r"],
    &["cancel", "r", "--yes"],
    &["clean", "--yes"],
    &["fsck"],
];

#[track_caller]
fn keeps_it(command: &mut std::process::Command) {
    let output = run(command);
    let text = seen(&output);
    assert!(!text.contains(SECRET), "{command:?}: {text}");
    assert_ne!(output.status.code(), Some(0), "{command:?}: {text}");
}

#[test]
fn stores_are_not_repeated() {
    assert!(MISSPELT.len() >= 60);
    for (number, text) in MISSPELT.iter().enumerate() {
        for (place, command) in COMMANDS.iter().enumerate() {
            let format = ["table", "json"][(number + place) % 2];
            keeps_it(tc(command).args(["-o", format]).arg(format!("--store={text}")));
        }
        let long = format!("{text}{}", "x".repeat(5_000));
        keeps_it(&mut tc(&["status", &format!("-s{long}")]));
        keeps_it(tc(&["runs"]).env("TC_STORE", text));
        keeps_it(&mut tc(&["status", "-s", "fixtures/demo", "-s", text]));
        keeps_it(&mut tc(&["runs", "--json", "-s", "fixtures/runs", "-s", text]));
    }
}

#[test]
fn what_was_typed_in_place_of_something_else_is_not_repeated() {
    let has_user = |text: &&str| text.contains('@') || text.contains("://");
    for (number, text) in MISSPELT.iter().copied().filter(has_user).chain(["redis://u:hunter2@h:1/0"]).enumerate() {
        let format = ["table", "json"][number % 2];
        for arguments in [
            &[text][..],
            &["status", text, "-s", "fixtures/demo"],
            &["status", &format!("--stor{text}")],
            &["status", &format!("--bogus={text}")],
            &["status", "--tz", text],
            &["history", "--since", text, "-s", "fixtures/demo"],
            &["show", text, "-s", "fixtures/runs"],
            &["runs", "--status", text],
            &["start", "w", &format!("@{text}"), "-s", "fixtures/nowhere"],
            &["events", "-s", "fixtures/demo", "--threads", text],
        ] {
            let output = run(tc(&["-o", format]).args(arguments));
            assert!(!seen(&output).contains(SECRET), "{arguments:?}: {}", seen(&output));
        }
    }
}

#[test]
fn paths_that_are_there_are_repeated() {
    let event = call("f", "v1", "2026-06-01T00:00:00", 1.0, None);
    let (_keep, path) = folder(&[("a:b@c/evolution.jsonl", event.as_bytes()), ("d:e@f.jsonl", event.as_bytes())]);
    for store in ["a:b@c", "a:b@c/*.jsonl", "d:e@f.jsonl", "d:*@f.jsonl"] {
        let text = seen(&run(tc(&["status", "-v", "-s", store]).current_dir(&path)));
        assert!(text.contains("! read: a:b@c/") || text.contains("! read: d:e@f.jsonl"), "{store}: {text}");
        let text = seen(&run(tc(&["status", "nothing", "-s", store]).current_dir(&path)));
        assert!(text.contains(&format!("`nothing` in {store}")), "{text}");
    }
}
