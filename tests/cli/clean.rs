//! `tc clean`: what it shows, what it asks, what it deletes.

use serde_json::Value;

use super::{call, folder, json, run, seen, tc};

fn log() -> String {
    let old = (0..5).map(|n| call("f", "v1", &format!("2020-01-01T00:00:0{n}"), 1.0, None));
    let young = (0..3).map(|n| call("f", "v2", &format!("2999-01-01T00:00:0{n}"), 1.0, None));
    old.chain(young).collect::<String>() + "not json\n"
}

fn calls(path: &std::path::Path) -> Value {
    json(tc(&["status", "--json", "-s"]).arg(path))["items"][0]["calls"].clone()
}

#[test]
fn it_asks_only_people() {
    let (_keep, path) = folder(&[("evolution.jsonl", log().as_bytes())]);
    let output = run(tc(&["clean", "-s"]).arg(&path));
    assert!(
        seen(&output).starts_with("! error: deleting needs --yes where nobody can be asked\n"),
        "{}",
        seen(&output)
    );
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(calls(&path), 8);
}

#[test]
fn a_dry_run_deletes_nothing() {
    let (_keep, path) = folder(&[("evolution.jsonl", log().as_bytes())]);
    let answer = json(tc(&["clean", "--dry-run", "--json", "-s"]).arg(&path));
    let item = &answer["items"][0];
    assert_eq!(
        (&item["events_deleted"], &item["action"], &item["dry_run"]),
        (&8.into(), &"delete".into(), &true.into())
    );
    assert_eq!(std::fs::read_to_string(path.join("evolution.jsonl")).expect("there"), log());
}

#[test]
fn all_of_it() {
    let (_keep, path) = folder(&[("evolution.jsonl", log().as_bytes())]);
    let output = run(tc(&["clean", "--yes", "-s"]).arg(path.join("evolution.jsonl")));
    assert!(seen(&output).contains("Cleaned."), "{}", seen(&output));
    // The last line may be the start of one that is being written.
    let left = std::fs::read_dir(&path).expect("a folder").count();
    assert_eq!(left, 0);
}

#[test]
fn only_the_older_ones() {
    let (_keep, path) = folder(&[("evolution.jsonl", log().as_bytes())]);
    let answer = json(tc(&["clean", "--older-than", "30d", "--archive", "--yes", "--json", "-s"]).arg(&path));
    let item = &answer["items"][0];
    assert_eq!(
        (&item["events_deleted"], &item["events_kept"], &item["action"]),
        (&5.into(), &3.into(), &"shorten".into())
    );
    assert_eq!(calls(&path), 3);
    let kept = std::fs::read_to_string(path.join("evolution.jsonl")).expect("there");
    assert!(kept.ends_with("not json\n"), "what cannot be read stays");
    let archive = item["archive"].as_str().expect("an archive");
    assert_eq!(calls(std::path::Path::new(archive)), 5);
    let names = std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names = names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>();
    names.sort();
    assert_eq!(names, ["archive", "evolution.jsonl"]);
}

#[test]
fn a_byte_order_mark_counts_only_in_front() {
    let old = call("f", "v1", "2020-01-01T00:00:00", 1.0, None);
    let (_keep, path) = folder(&[("evolution.jsonl", format!("\u{feff}{old}{old}\u{feff}{old}").as_bytes())]);
    let answer = json(tc(&["clean", "--older-than", "30d", "--yes", "--json", "-s"]).arg(&path));
    let item = &answer["items"][0];
    assert_eq!((&item["events_deleted"], &item["unreadable_lines"]), (&2.into(), &1.into()));
    assert_eq!(std::fs::read_to_string(path.join("evolution.jsonl")).expect("there"), format!("\u{feff}{old}"));
}

#[test]
fn nothing_to_do() {
    let (_keep, path) = folder(&[("evolution.jsonl", log().as_bytes())]);
    let output = run(tc(&["clean", "--older-than", "9999w", "-s"]).arg(&path));
    assert!(seen(&output).contains("Nothing to clean.\n! warning: "), "{}", seen(&output));
}

#[test]
fn wrong_ages() {
    for age in ["x", "-1d", "30", ""] {
        let output = run(&mut tc(&["clean", &format!("--older-than={age}"), "-s", "fixtures/demo"]));
        assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
    }
}
