//! Every command says of a log what it says of the same log in a file.

use serde_json::Value;

use crate::ground::{Ground, fixture, json, run, seen, tc};

/// An answer without what says where things are.
fn without_places(mut answer: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for name in ["source", "logs", "store", "file"] {
                    members.remove(name);
                }
                members.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut answer);
    answer
}

#[test]
fn every_command_agrees_with_the_same_log_in_a_file() {
    let log = fixture("demo/evolution.jsonl");
    for ground in Ground::all() {
        ground.write(&log);
        for arguments in [
            &["--json"][..],
            &["status", "--json"],
            &["status", "greeting", "--json"],
            &["status", "--json", "--since", "2026-11-21T20:00:00Z"],
            &["status", "--json", "--until", "2026-11-21T20:00:00Z"],
            &["events", "--json"],
            &["events", "rollback", "--json"],
            &["summary", "process_payment", "--json"],
            &["report", "process_payment", "--json"],
            &["report", "greeting", "--json"],
            &["history", "--json"],
            &["history", "all", "--json"],
            &["history", "-n", "all", "--json"],
            &["history", "process_payment", "7", "--json"],
            &["history", "pay", "--json"],
            &["history", "--failed", "--json", "-n", "all"],
            &["history", "--event", "promotion", "--json"],
            &["history", "-n", "3", "--json", "--until", "2026-11-21T20:00:00Z"],
            &["status", "--threads", "1", "--json"],
        ] {
            let (there, here) = (run(&mut ground.tc(arguments)), run(tc(arguments).env("TC_STORE", "fixtures/demo")));
            assert_eq!(there.status.code(), here.status.code(), "{arguments:?}: {}", seen(&there));
            if here.stdout.is_empty() {
                continue;
            }
            let parse = |output: &std::process::Output| -> Value {
                without_places(serde_json::from_slice(&output.stdout).expect("JSON"))
            };
            assert_eq!(parse(&there), parse(&here), "{arguments:?} at {}", ground.url);
        }
    }
}

#[test]
fn places_name_the_part_and_the_line_in_it() {
    for ground in Ground::all() {
        let log = fixture("demo/evolution.jsonl");
        let call = log.lines().find(|line| line.contains("\"event\": \"call\"")).expect("a call");
        ground.write(&format!("{call}\n{call}\n{{not json \u{1b}[31m\n{call}\n"));
        let answer = json(&mut ground.tc(&["history", "-n", "2", "--json"]));
        let spots = answer["items"].as_array().expect("items").iter().map(|item| item["source"].clone());
        let spots = spots.collect::<Vec<_>>();
        assert_eq!((spots[0]["line"].as_u64(), spots[1]["line"].as_u64()), (Some(2), Some(4)), "{spots:?}");
        assert!(spots[0]["file"].as_str().is_some_and(|file| file.starts_with(&ground.url)), "{spots:?}");
        assert_eq!(answer["complete"], false);
        let place = &answer["warnings"][0]["places"][0];
        assert_eq!((&place["line"], &place["part"]), (&3.into(), &spots[0]["file"]));
        let output = run(&mut ground.tc(&["status"]));
        assert!(seen(&output).contains(" line 3: not JSON"), "{}", seen(&output));
        assert!(!seen(&output).contains('\u{1b}'));
        let output = run(&mut ground.tc(&["status", "--strict"]));
        assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
    }
}

#[test]
fn stores_are_read_together() {
    let log = fixture("demo/evolution.jsonl");
    for ground in Ground::all() {
        let lines = log.lines().map(|line| format!("{line}\n")).collect::<Vec<_>>();
        let (first, second) = lines.split_at(lines.len() / 2);
        ground.write(&second.concat());
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("first.jsonl");
        std::fs::write(&file, first.concat()).expect("written");
        let file = file.to_str().expect("UTF-8");
        for arguments in [&["status", "--json"][..], &["history", "-n", "all", "--json"], &["events", "--json"]] {
            let both = || {
                let mut command = ground.tc(arguments);
                command.env_remove("TC_STORE").args(["-s", file, "-s", &ground.url]);
                command
            };
            let apart = json(&mut both());
            let named = apart["items"].as_array().expect("items").iter().map(|item| item["store"].as_str());
            let named = named.map(|store| store.expect("a store")).collect::<std::collections::BTreeSet<_>>();
            assert_eq!(named.len(), 2, "{arguments:?} {named:?}");
            assert!(named.iter().all(|store| *store == file || store.starts_with(&ground.url)), "{named:?}");
            let there = json(both().arg("--merge"));
            let here = json(tc(arguments).env("TC_STORE", "fixtures/demo"));
            assert_eq!(without_places(there), without_places(here), "{arguments:?} at {}", ground.url);
        }
    }
}

#[test]
fn a_store_without_a_log_and_one_that_is_away() {
    for ground in Ground::all() {
        let output = run(&mut ground.tc(&["status"]));
        assert_eq!(output.status.code(), Some(2));
        assert!(seen(&output).contains("error: no evolution log at "), "{}", seen(&output));
    }
    let output = run(&mut tc(&["status", "-s", "redis://u:hunter2@127.0.0.1:1/0", "-s", "fixtures/demo"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(seen(&output).contains("did not succeed") && !seen(&output).contains("hunter2"), "{}", seen(&output));
    let error: Value =
        serde_json::from_slice(&run(&mut tc(&["status", "--json", "-s", "redis://127.0.0.1:1"])).stderr).expect("JSON");
    assert_eq!(error["error"]["code"], "unavailable");
}
