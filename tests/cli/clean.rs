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

fn names(path: &std::path::Path) -> Vec<String> {
    let names = std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names = names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>();
    names.sort();
    names
}

/// Every event, from the log and its archives.
fn everything(path: &std::path::Path) -> Vec<String> {
    let mut lines = Vec::new();
    let archives = std::fs::read_dir(path.join("archive")).into_iter().flatten();
    for archive in archives.map(|entry| entry.expect("an entry").path()) {
        let mut text = String::new();
        let mut file = flate2::read::GzDecoder::new(std::fs::File::open(archive).expect("there"));
        std::io::Read::read_to_string(&mut file, &mut text).expect("an archive");
        lines.extend(text.lines().map(String::from));
    }
    let log = std::fs::read_to_string(path.join("evolution.jsonl")).unwrap_or_default();
    lines.extend(log.lines().map(String::from));
    lines.sort();
    lines
}

#[test]
fn several_cleanings_at_once_lose_nothing() {
    let log = (0..3_000).map(|n| call("f", "v1", &format!("20{:02}-01-01T00:00:00.{:06}", n / 100, n), 1.0, None));
    let log = log.collect::<String>();
    let mut expected = log.lines().map(String::from).collect::<Vec<_>>();
    expected.sort();
    for _ in 0..30 {
        let (_keep, path) = folder(&[("evolution.jsonl", log.as_bytes())]);
        let ages = ["600w", "800w", "1000w", "600w"];
        let start = |age| {
            let mut command = tc(&["clean", "--older-than", age, "--archive", "--yes", "-s"]);
            command.arg(&path).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            command.spawn().expect("tc starts")
        };
        let children = ages.map(start);
        let codes = children.map(|mut child| child.wait().expect("an end").code().expect("a code"));
        assert!(codes.contains(&0) && codes.iter().all(|code| [0, 5].contains(code)), "{codes:?}");
        assert!(everything(&path) == expected, "{codes:?} {:?}", names(&path));
        assert_eq!(names(&path), ["archive", "evolution.jsonl"]);
    }
}

#[test]
fn a_cleaning_does_not_wait_for_another() {
    let (_keep, path) = folder(&[("evolution.jsonl", log().as_bytes())]);
    let lock = std::fs::File::create(path.join(".evolution.jsonl.tc-lock")).expect("made");
    lock.lock().expect("locked");
    let output = run(tc(&["clean", "--yes", "-s"]).arg(&path));
    assert!(seen(&output).contains("another `tc clean` is at work on it: nothing was deleted"), "{}", seen(&output));
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(calls(&path), 8);
    lock.unlock().expect("let go");
    assert_eq!(run(tc(&["clean", "--yes", "-s"]).arg(&path)).status.code(), Some(0));
    assert!(names(&path).is_empty(), "{:?}", names(&path));
}

#[test]
fn what_a_stopped_cleaning_left_is_cleared_away() {
    // Before the log was replaced: its archive holds what is still in the log.
    let (_keep, path) = folder(&[("evolution.jsonl", log().as_bytes()), ("archive/evolution-1Z.jsonl.gz", b"half")]);
    std::fs::hard_link(path.join("evolution.jsonl"), path.join(".evolution.jsonl.tc-old-1Z")).expect("linked");
    std::fs::write(path.join(".evolution.jsonl.tc-new-12"), "{}").expect("written");
    let clean = || run(tc(&["clean", "--older-than", "30d", "--yes", "-s"]).arg(&path));
    assert_eq!(clean().status.code(), Some(0));
    assert_eq!((names(&path).len(), names(&path.join("archive")).len(), calls(&path)), (2, 0, Value::from(3)));
    // Just before the end, so that the next cleaning has nothing to do.
    std::fs::write(path.join(".evolution.jsonl.tc-lock"), "").expect("written");
    assert_eq!(clean().status.code(), Some(0));
    assert_eq!((names(&path).len(), calls(&path)), (2, Value::from(3)));
    // Behind that: what came late is carried over, once. The cleaning itself has nothing to do.
    let late = call("f", "v2", "2999-01-02T00:00:00", 1.0, None);
    let other = call("f", "v2", "2999-01-03T00:00:00", 1.0, None);
    let mut text = std::fs::read_to_string(path.join("evolution.jsonl")).expect("there");
    text.push_str(&late);
    std::fs::write(path.join("evolution.jsonl"), &text).expect("written");
    std::fs::write(path.join(".evolution.jsonl.tc-old-1Z-5"), format!("old!\n{late}{other}")).expect("written");
    assert_eq!(clean().status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(path.join("evolution.jsonl")).expect("there"), text + &other);
    assert_eq!(names(&path), ["archive", "evolution.jsonl"]);
}

#[test]
#[cfg(unix)]
fn no_link_leads_out_of_the_folder_of_a_log() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().expect("a folder");
    let precious = outside.path().join("precious");
    std::fs::write(&precious, log()).expect("written");
    let (_keep, path) = folder(&[]);
    symlink(&precious, path.join("evolution.jsonl")).expect("linked");
    for arguments in [&["promote", "f", "v2", "--force", "--yes", "-s"][..], &["clean", "--yes", "-s"]] {
        let output = run(tc(arguments).arg(&path));
        assert!(seen(&output).contains("evolution.jsonl is a link"), "{}", seen(&output));
        assert_eq!(output.status.code(), Some(2));
    }
    assert_eq!(std::fs::read_to_string(&precious).expect("there"), log());
    // The folder for archives, and each name that is made beside the log.
    std::fs::remove_file(path.join("evolution.jsonl")).expect("removed");
    std::fs::write(path.join("evolution.jsonl"), log()).expect("written");
    symlink(outside.path(), path.join("archive")).expect("linked");
    let output = run(tc(&["clean", "--yes", "--archive", "-s"]).arg(&path));
    assert!(seen(&output).contains("archive is a link"), "{}", seen(&output));
    symlink(outside.path().join("made"), path.join(".evolution.jsonl.tc-lock")).expect("linked");
    let output = run(tc(&["clean", "--yes", "-s"]).arg(&path));
    assert!(seen(&output).contains("tc-lock is a link"), "{}", seen(&output));
    std::fs::remove_file(path.join(".evolution.jsonl.tc-lock")).expect("removed");
    symlink(outside.path().join("made"), path.join(".evolution.jsonl.tc-new-1")).expect("linked");
    symlink(&precious, path.join(".evolution.jsonl.tc-old-1-0")).expect("linked");
    assert_eq!(run(tc(&["clean", "--yes", "--older-than", "30d", "-s"]).arg(&path)).status.code(), Some(0));
    assert_eq!((names(outside.path()), calls(&path)), (vec!["precious".to_string()], 3.into()));
    // What was named itself is followed.
    symlink(&precious, path.join("link.jsonl")).expect("linked");
    let output = run(tc(&["clean", "--yes", "--older-than", "30d", "-s"]).arg(path.join("link.jsonl")));
    assert_eq!((output.status.code(), calls(&precious)), (Some(0), 3.into()));
}

#[test]
#[cfg(target_os = "linux")]
fn attributes_stay_and_archives_of_what_failed_go() {
    let (_keep, path) = folder(&[("evolution.jsonl", log().as_bytes())]);
    let file = || std::fs::File::open(path.join("evolution.jsonl")).expect("there");
    // Read and write for the owner and one user more, nothing for others.
    let entry =
        |tag: u16, rights: u16, id: u32| [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat();
    let entries = [(1, 6, u32::MAX), (2, 6, 1234), (4, 0, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)];
    let list =
        [2_u32.to_le_bytes().to_vec(), entries.map(|(tag, rights, id)| entry(tag, rights, id)).concat()].concat();
    let all: [(&str, &[u8]); 2] = [("user.kept", b"yes"), ("system.posix_acl_access", &list)];
    for (name, value) in all {
        rustix::fs::fsetxattr(file(), name, value, rustix::fs::XattrFlags::empty()).expect("set");
    }
    let answer = json(tc(&["clean", "--older-than", "30d", "--archive", "--yes", "--json", "-s"]).arg(&path));
    let archive = answer["items"][0]["archive"].as_str().expect("an archive").to_string();
    for file in [file(), std::fs::File::open(&archive).expect("there")] {
        for (name, value) in all {
            let mut found = [0; 100];
            let count = rustix::fs::fgetxattr(&file, name, &mut found[..]).expect("kept");
            assert_eq!(&found[..count], value, "{name}");
        }
    }
    std::fs::remove_file(&archive).expect("removed");
    // A name as long as names can be leaves no room for another one beside it.
    let long = path.join(format!("{}.jsonl", "x".repeat(220)));
    std::fs::rename(path.join("evolution.jsonl"), &long).expect("renamed");
    for _ in 0..2 {
        assert_eq!(run(tc(&["clean", "--archive", "--yes", "-s"]).arg(&long)).status.code(), Some(2));
        assert!(names(&path.join("archive")).is_empty());
    }
}
