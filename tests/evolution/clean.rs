//! `tc clean`: what was counted goes, decisions that stand do not, and writers go on meanwhile.

use std::time::Duration;

use serde_json::Value;
use temporal_code::functions::{AbTest, Evolving};

use crate::ground::{Ground, exit, json, run, seen, tc, wait_for};

fn line(event: &str, variant: &str, at: &str) -> String {
    let rest = match event {
        "call" => "\"value\": null, \"error\": null, \"latency_ms\": 1.0, \"success\": true",
        _ => "\"forced\": true, \"by\": \"ada\"",
    };
    format!(
        "{{\"event\": \"{event}\", \"function\": \"f\", \"timestamp\": \"{at}+00:00\", \"variant\": \"{variant}\", {rest}}}\n"
    )
}

/// 300 old calls, 300 young ones, and three decisions of which the last stands.
fn log() -> String {
    let old = (0..300).map(|n| line("call", "v1", &format!("2020-01-01T00:{:02}:{:02}", n / 60, n % 60)));
    let young = (0..300).map(|n| line("call", "v2", &format!("2999-01-01T00:{:02}:{:02}", n / 60, n % 60)));
    let decisions = ["v2", "v3", "v2"]
        .into_iter()
        .zip(1..)
        .map(|(variant, day)| line("promotion", variant, &format!("2020-02-0{day}T00:00:00")));
    old.chain(decisions).chain(young).collect()
}

fn function(answer: &Value) -> (u64, u64, Option<&str>) {
    let item = &answer["items"][0];
    let forced = item["forced"]["variant"].as_str();
    (item["calls"].as_u64().unwrap_or(0), item["promotions"].as_u64().unwrap_or(0), forced)
}

#[test]
fn older_events_go_and_what_stands_stays() {
    for ground in Ground::all() {
        ground.write(&log());
        assert_eq!(exit(&mut ground.tc(&["clean", "--older-than", "30d"])), 2, "nobody can be asked");
        let dry = json(&mut ground.tc(&["clean", "--older-than", "30d", "--dry-run", "--json"]));
        assert_eq!(function(&json(&mut ground.tc(&["status", "--json"]))), (600, 3, Some("v2")));
        let folder = tempfile::tempdir().expect("a folder");
        let archive = format!("--archive={}", folder.path().display());
        assert_eq!(exit(&mut ground.tc(&["clean", "--older-than", "30d", "--yes", "--archive"])), 2);
        let done = json(&mut ground.tc(&["clean", "--older-than", "30d", "--yes", "--json", &archive]));
        let figures = |answer: &Value| {
            let items = answer["items"].as_array().expect("items").clone();
            let figures = items.iter().map(|item| {
                (item["events_deleted"].clone(), item["events_kept"].clone(), item["standing_decisions"].clone())
            });
            figures.collect::<Vec<_>>()
        };
        assert_eq!(figures(&dry), figures(&done));
        let [calls, decisions] = figures(&done).try_into().expect("two halves");
        // A part with a young event stays whole.
        let gone = calls.0.as_u64().expect("a number");
        assert!((200..=300).contains(&gone) && calls.1 == 600 - gone, "{done}");
        assert_eq!(decisions, (2.into(), 1.into(), 1.into()), "{done}");
        let status = json(&mut ground.tc(&["status", "--json"]));
        assert_eq!(function(&status), (600 - gone, 1, Some("v2")));
        let archived = json(&mut tc(&["status", "--json", "-s", folder.path().to_str().expect("UTF-8")]));
        assert_eq!(function(&archived).0, gone);
        assert_eq!(archived["complete"], true);
        let again = run(&mut ground.tc(&["clean", "--older-than", "30d"]));
        assert!(seen(&again).starts_with("LOG") && seen(&again).contains("Nothing to clean."), "{}", seen(&again));
    }
}

/// What is to be kept and cannot be is not deleted, and what cannot be read is no older than anything.
#[test]
fn nothing_goes_that_cannot_be_archived_or_read() {
    for ground in Ground::all() {
        ground.write(&log());
        let before = json(&mut ground.tc(&["status", "--json"]))["items"].clone();
        let file = tempfile::NamedTempFile::new().expect("a file");
        let archive = format!("--archive={}", file.path().join("folder").display());
        let output = run(&mut ground.tc(&["clean", "--yes", &archive]));
        assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
        assert!(seen(&output).contains("error: cannot clean "), "{}", seen(&output));
        assert_eq!(json(&mut ground.tc(&["status", "--json"]))["items"], before);
    }
    let ground = Ground::redis();
    ground.write(&line("call", "v1", "2020-01-01T00:00:00"));
    let mut connection = ground.server().admin();
    for (field, value) in [("lines", "torn \u{1b}[31m\n"), ("other", "x")] {
        let mut command = ::redis::cmd("XADD");
        command.arg("{tc}:evolution").arg("*").arg(field).arg(value).query::<String>(&mut connection).expect("added");
    }
    let output = run(&mut ground.tc(&["clean", "--yes", "--older-than", "30d"]));
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    assert!(
        seen(&output).contains("2 lines could not be read") && !seen(&output).contains('\u{1b}'),
        "{}",
        seen(&output)
    );
    assert_eq!(::redis::cmd("XLEN").arg("{tc}:evolution").query::<u64>(&mut connection), Ok(2));
    ground.server().kill();
    let output = run(&mut ground.tc(&["clean", "--yes", "--json"]));
    assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
    assert!(seen(&output).contains("\"unavailable\""), "{}", seen(&output));
}

#[test]
fn all_goes_and_processes_go_back_to_their_strategies() {
    for ground in Ground::all() {
        ground.write(&log());
        let tracker = ground.tracker();
        let function =
            Evolving::new("f", |(): &()| 1).variant("v2", |(): &()| 2).strategy(AbTest::even()).tracker(&tracker);
        assert_eq!(function.stats().variants[1].weight, 1.0);
        let output = run(&mut ground.tc(&["clean", "--yes"]));
        assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
        assert!(seen(&output).contains("processes would go back to their strategies"), "{}", seen(&output));
        wait_for("to go back", || function.stats().variants[1].weight == 0.5);
        (0..10).for_each(|_| drop(function.call(&())));
        tracker.flush(Duration::from_secs(30)).expect("written");
        let status = json(&mut ground.tc(&["status", "--json"]));
        assert_eq!((status["items"][0]["calls"].as_u64(), &status["items"][0]["forced"]), (Some(10), &Value::Null));
        // A decision has its place behind those that are gone.
        assert_eq!(exit(&mut ground.tc(&["promote", "f", "v1", "-y"])), 0);
        wait_for("to obey", || function.stats().variants[0].weight == 1.0);
        tracker.close().expect("closed");
        assert_eq!(exit(&mut ground.tc(&["clean", "--yes"])), 0);
        assert_eq!(exit(&mut ground.tc(&["promote", "f", "v2", "-y", "--force"])), 0);
    }
}

#[test]
fn what_comes_while_it_is_cleaned_is_not_lost() {
    for ground in Ground::all() {
        ground.write(&log());
        let tracker = ground.open(
            temporal_code::functions::Tracker::options()
                .durability(temporal_code::functions::Durability::Every(Duration::from_millis(20))),
        );
        let function = Evolving::new("late", |n: &u64| *n).tracker(&tracker);
        let cleaned = std::sync::atomic::AtomicBool::new(false);
        let calls = std::thread::scope(|scope| {
            let caller = scope.spawn(|| {
                let mut calls = 0;
                while !cleaned.load(std::sync::atomic::Ordering::Relaxed) {
                    calls += 1;
                    let _ = function.call(&calls);
                    std::thread::sleep(Duration::from_micros(200));
                }
                calls
            });
            for _ in 0..3 {
                assert_eq!(exit(&mut ground.tc(&["clean", "--yes", "--older-than", "30d"])), 0);
            }
            cleaned.store(true, std::sync::atomic::Ordering::Relaxed);
            caller.join().expect("it called")
        });
        tracker.close().expect("closed");
        let status = json(&mut ground.tc(&["status", "late", "--json"]));
        assert_eq!(status["items"][0]["calls"].as_u64(), Some(calls));
    }
}
