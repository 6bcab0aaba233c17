//! Decisions of `tc`, one at a time and against each other.

use serde_json::Value;

use crate::ground::{Ground, exit, fixture, json, run, seen};

fn decisions(ground: &Ground) -> Vec<Value> {
    let answer = json(&mut ground.tc(&["history", "-n", "all", "--json"]));
    let items = answer["items"].as_array().expect("items").clone();
    items.into_iter().filter(|item| item["forced"] == true).collect()
}

#[test]
fn decisions_are_written_and_read_back() {
    for ground in Ground::all() {
        ground.write(&fixture("demo/evolution.jsonl"));
        let output =
            run(&mut ground.tc(&["promote", "process_payment", "v2", "--yes", "--by", "ada", "--reason", "né\u{1b}"]));
        assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
        assert!(seen(&output).contains("process_payment: v2 gets all traffic."), "{}", seen(&output));
        assert_eq!(exit(&mut ground.tc(&["rollback", "greeting", "casual", "--yes"])), 0);
        assert_eq!(exit(&mut ground.tc(&["weight", "greeting", "casual", "25%", "--yes"])), 0);
        let dry = json(&mut ground.tc(&["weight", "greeting", "--release", "--dry-run", "--json"]));
        assert_eq!((&dry["items"][0]["event"], &dry["items"][0]["dry_run"]), (&"release".into(), &true.into()));
        let made = decisions(&ground);
        let events = made.iter().map(|decision| decision["event"].as_str().expect("an event")).collect::<Vec<_>>();
        assert_eq!(events, ["promotion", "rollback", "weight_change"]);
        assert_eq!((&made[0]["by"], &made[0]["reason"]), (&"ada".into(), &"né\u{1b}".into()));
        let status = json(&mut ground.tc(&["status", "greeting", "--json"]));
        assert_eq!(status["items"][0]["forced"]["shares"]["casual"], 0.25);
        let commands: [(&[&str], &str, &str); 4] = [
            (&["promote", "greeting", "casual"], "tc.promote/1", "promotion"),
            (&["rollback", "greeting", "casual"], "tc.rollback/1", "rollback"),
            (&["weight", "greeting", "casual", "0.5"], "tc.weight/1", "weight_change"),
            (&["weight", "greeting", "--release"], "tc.weight/1", "release"),
        ];
        for (command, schema, event) in commands {
            let answer = json(ground.tc(command).args(["--yes", "--json"]));
            let item = &answer["items"][0];
            assert_eq!(
                (&answer["schema"], &item["event"], &item["dry_run"]),
                (&schema.into(), &event.into(), &false.into())
            );
            let last = decisions(&ground).pop().expect("a decision");
            assert_eq!((&last["event"], &last["timestamp"]), (&item["event"], &item["timestamp"]), "{answer}");
        }
        let output = run(&mut ground.tc(&["promote", "process_paymen", "v2", "--yes"]));
        assert!(seen(&output).contains("did you mean `process_payment`?"), "{}", seen(&output));
    }
}

#[test]
fn names_steer_nothing() {
    let long = "x".repeat(10_000);
    for ground in Ground::all() {
        ground.write(&fixture("demo/evolution.jsonl"));
        let names = [
            "../../x",
            "a/b/c",
            "{tc}:store",
            "decisions",
            " ",
            "\u{202e}x",
            "a\nb\u{1b}[31m",
            "*",
            "'; return 1 --",
            &long,
        ];
        for name in names {
            let output = run(&mut ground.tc(&["promote", name, "v\u{1b}/../2", "--yes", "--force", "--json"]));
            assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
        }
        let made = decisions(&ground);
        let seen_names = made.iter().map(|decision| decision["function"].as_str().expect("a name")).collect::<Vec<_>>();
        assert_eq!(seen_names, names);
        let output = run(&mut ground.tc(&["history"]));
        assert!(!seen(&output).contains(['\u{1b}', '\u{202e}']), "{}", seen(&output));
    }
}

#[test]
fn if_last_refuses_what_was_decided_by_an_old_picture() {
    for ground in Ground::all() {
        ground.write(&fixture("demo/evolution.jsonl"));
        let last = || {
            let answer = json(&mut ground.tc(&["status", "greeting", "--json"]));
            answer["items"][0]["last_event"].as_str().expect("a time").to_string()
        };
        let before = last();
        assert_eq!(exit(&mut ground.tc(&["promote", "greeting", "casual", "-y", "--if-last", &before])), 0);
        for flags in [&[][..], &["--ignore-calls"]] {
            let mut command = ground.tc(&["promote", "greeting", "casual", "-y", "--if-last", &before]);
            let output = run(command.args(flags));
            assert_eq!(output.status.code(), Some(5), "{}", seen(&output));
            assert!(seen(&output).contains("hint: see what happened"), "{}", seen(&output));
        }
        assert_eq!(
            exit(&mut ground.tc(&["promote", "greeting", "casual", "-y", "--if-last", &before, "--dry-run"])),
            5
        );
        assert_eq!(exit(&mut ground.tc(&["rollback", "greeting", "casual", "-y", "--if-last", &last()])), 0);
        assert_eq!(exit(&mut ground.tc(&["rollback", "greeting", "casual", "-y", "--if-last", "7"])), 2);
        assert_eq!(decisions(&ground).len(), 2);
    }
}

/// Sixteen at once: each either stands in the log, or was refused because another came first; and all who know of the same
/// last decision cannot all be first.
#[test]
fn of_those_who_decide_at_once_each_has_seen_the_one_before_or_is_refused() {
    for ground in Ground::all() {
        ground.write(&fixture("demo/evolution.jsonl"));
        let last = json(&mut ground.tc(&["status", "greeting", "--json"]))["items"][0]["last_event"].clone();
        let last = last.as_str().expect("a time");
        let race = |flags: &[&str]| {
            let children = (0..16).map(|number| {
                let by = number.to_string();
                let mut command = ground.tc(&["promote", "greeting", "casual", "--yes", "--by", &by]);
                command.args(flags).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
                command.spawn().expect("tc starts")
            });
            let children = children.collect::<Vec<_>>();
            let exits = children.into_iter().map(|mut child| child.wait().expect("it ends").code());
            exits.collect::<Vec<_>>()
        };
        // All have the same picture: one is first.
        let exits = race(&["--if-last", last, "--ignore-calls"]);
        assert_eq!(exits.iter().filter(|exit| **exit == Some(0)).count(), 1, "{exits:?}");
        assert_eq!(exits.iter().filter(|exit| **exit == Some(5)).count(), 15, "{exits:?}");
        assert_eq!(decisions(&ground).len(), 1);
        // Each has the picture of when it looked.
        let exits = race(&[]);
        let winners = exits.iter().filter(|exit| **exit == Some(0)).count();
        assert!(winners >= 1 && exits.iter().all(|exit| matches!(exit, Some(0 | 5))), "{exits:?}");
        let made = decisions(&ground);
        assert_eq!(made.len(), 1 + winners);
        for (number, exit) in exits.iter().enumerate() {
            let stands = made[1..].iter().filter(|decision| decision["by"] == number.to_string().as_str()).count();
            assert_eq!(stands, usize::from(*exit == Some(0)), "{number}");
        }
    }
}
