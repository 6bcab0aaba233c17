//! Histories of our own that are cut, changed, or written by somebody else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{answer, copy_of, ids, items, on, says};
use crate::{root, seen, tc_of_nobody};

/// A history of seven events whose run's id has eleven characters.
fn history() -> String {
    let path = root().join("fixtures/history/v1/runs/completed-1.jsonl");
    std::fs::read_to_string(path).expect("a fixture")
}

/// A store with the histories of these runs.
fn store(histories: impl IntoIterator<Item = (String, Vec<u8>)>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_path_buf();
    std::fs::create_dir(path.join("runs")).expect("made");
    std::fs::write(path.join("store.json"), "{\"schema\":\"tc.store/1\"}\n").expect("written");
    for (id, bytes) in histories {
        std::fs::write(path.join(format!("runs/{id}.jsonl")), bytes).expect("written");
    }
    (folder, path)
}

/// How many events stand in the first bytes: those of appends that are whole.
fn whole_events(text: &str) -> u64 {
    let lines = || text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let last = lines().collect::<Vec<_>>().iter().rposition(|line| !line.contains("\"more\":true"));
    last.map_or(0, |last| last as u64 + 1)
}

#[test]
fn a_history_cut_at_any_byte_is_its_whole_appends() {
    let whole = history();
    let cuts: Vec<usize> = (0..=whole.len()).filter(|at| whole.is_char_boundary(*at)).collect();
    let id = |at: usize| format!("cut-{at:07}");
    let cut = |at: &usize| (id(*at), whole.replace("completed-1", &id(*at)).as_bytes()[..*at].to_vec());
    let (_keep, path) = store(cuts.iter().map(cut));
    let answer = answer(&path, &["runs"]);
    assert_eq!((&answer["complete"], &answer["warnings"]), (&json!(true), &json!([])));
    let listed = answer["items"].as_array().expect("items");
    let wanted: Vec<(String, u64)> =
        cuts.iter().map(|at| (id(*at), whole_events(&whole[..*at]))).filter(|(_, events)| *events > 0).collect();
    let found: Vec<(String, u64)> = listed
        .iter()
        .map(|item| (item["run"].as_str().expect("an id").to_owned(), item["events"].as_u64().expect("a number")))
        .collect();
    assert_eq!(found, wanted);
    let status = |events: u64| match events {
        1 => "pending",
        2 | 5 => "running",
        4 => "waiting",
        7 => "completed",
        other => panic!("{other}"),
    };
    for item in listed {
        assert_eq!(item["status"], status(item["events"].as_u64().expect("a number")), "{item}");
    }
    says(&on(&path, &["replay", "--all"]), 0, &["all are sound"]);
    assert_eq!(items(&path, &["replay", "--all"]).len(), found.len());
}

#[test]
fn a_line_cut_at_any_byte_is_named() {
    let whole = history();
    let cuts: Vec<usize> = (1..whole.len()).filter(|at| whole.is_char_boundary(*at)).collect();
    let id = |at: usize| format!("cut-{at:07}");
    let cut = |at: &usize| {
        let mut text = whole.replace("completed-1", &id(*at))[..*at].to_owned();
        // What the line ends with is there, as if the middle of it were lost.
        text.push('\n');
        (id(*at), text.into_bytes())
    };
    let (_keep, path) = store(cuts.iter().map(cut));
    let replayed = items(&path, &["replay", "--all"]);
    let at_end = |at: usize| whole.as_bytes()[at] == b'\n' || whole.as_bytes()[at - 1] == b'\n';
    for at in &cuts {
        let run = replayed.iter().find(|item| item["run"] == id(*at));
        if at_end(*at) {
            // A whole line, or an empty one behind it.
            continue;
        }
        let run = run.unwrap_or_else(|| panic!("no run {at}"));
        assert_eq!(run["sound"], false, "{run}");
        let problem = &run["problems"][0];
        assert_eq!(problem["corrupt"], true, "{run}");
        // A store that cannot tell where its log ends reads nothing of it, but says where that is.
        let start = whole[..*at].rfind('\n').map_or(0, |newline| newline + 1);
        assert_eq!("completed-1".len(), id(*at).len(), "the bytes are where they were");
        let what = problem["problem"].as_str().expect("a text");
        if !what.starts_with("it cannot be read") {
            // The front of the line is whole, so that the store takes it for one.
            let line = whole[..*at].matches('\n').count() as u64 + 1;
            assert_eq!(problem["seq"], line, "{at}: {problem}");
            assert!(what.starts_with("it is not JSON") && what.contains("at byte"), "{at}: {problem}");
            continue;
        }
        assert!(what.contains(&format!("at byte {start},")), "{at}: {problem}");
    }
    let listed = items(&path, &["runs"]);
    assert_eq!(listed.len(), replayed.len());
    let corrupt = |items: &[Value]| items.iter().filter(|item| item["status"] == "corrupt").count();
    assert!(corrupt(&listed) > whole.len() * 9 / 10, "{}", corrupt(&listed));
    assert_eq!(on(&path, &["replay", "--all"]).status.code(), Some(1));
}

#[test]
fn every_corrupt_history_is_told_with_its_line() {
    let path = root().join("fixtures/history/v1-corrupt");
    let known = std::fs::read_to_string(root().join("fixtures/history/v1-corrupt.txt")).expect("a fixture");
    let listed = items(&path, &["runs"]);
    let files = std::fs::read_dir(path.join("runs")).expect("a folder").count();
    assert_eq!(listed.len(), files);
    for item in &listed {
        let id = item["run"].as_str().expect("an id");
        let output = on(&path, &["replay", id]);
        let text = seen(&output);
        if id == "torn" {
            says(&output, 0, &["Sound"]);
            assert_eq!(item["status"], "running");
            continue;
        }
        let status = if text.contains("newer version") { "parked" } else { "corrupt" };
        assert_eq!((output.status.code(), &item["status"]), (Some(1), &json!(status)), "{text}");
        let finding = known
            .lines()
            .find(|line| line.contains(&format!("runs/{id}:")) || line.contains(&format!("runs/{id}.jsonl:")));
        let (_, problem) =
            finding.unwrap_or_else(|| panic!("nothing is known of {id}")).split_once(": ").expect("a problem");
        let words = problem.split_once(": ").map_or(problem, |(_, words)| words);
        assert!(text.contains(words), "{words}: {text}");
        let replay = &items(&path, &["replay", id])[0];
        let seq = replay["problems"][0]["seq"].as_u64().expect("a number");
        assert!(text.contains(&format!("event {seq}: ")), "{text}");
        // Each event in front of the place is there.
        assert_eq!(replay["steps"].as_array().map(Vec::len), Some(seq as usize - 1), "{text}");
        assert_eq!(item["events"], seq - 1, "{text}");
        says(&on(&path, &["result", id]), 1, &[id, &format!("is {status}")]);
    }
    says(&on(&path, &["replay", "--all"]), 1, &["23 runs", "20 corrupt, 2 not sound, 1 sound"]);
    assert_eq!(items(&path, &["runs", "--status", "corrupt"]).len(), 20);
}

#[test]
fn what_is_no_history_does_not_hide_the_others() {
    let good = |id: &str| (id.to_owned(), history().replace("completed-1", id).into_bytes());
    let long_line = {
        let mut line =
            String::from("{\"seq\":1,\"token\":\"0000000000000001\",\"at\":\"2026-11-22T04:00:00Z\",\"x\":\"");
        line.extend(std::iter::repeat_n('x', 18 << 20));
        line + "\"}\n"
    };
    let deep = format!("{{\"seq\":1,\"token\":\"0000000000000001\",\"x\":{}\n", "[".repeat(1 << 20));
    let mut numbers = String::new();
    for number in ["1e999", "-1", "18446744073709551616", "1.5", "null"] {
        let _ = writeln!(numbers, "{{\"seq\":{number},\"token\":\"0000000000000001\"}}");
    }
    let bad = [
        ("m-long", long_line.into_bytes()),
        ("m-deep", deep.into_bytes()),
        ("m-numbers", numbers.into_bytes()),
        ("m-bytes", (1..=255u8).cycle().take(10_201).collect()),
        ("m-lines", vec![b'\n'; 100_000]),
        ("m-array", b"[1,2]\n".to_vec()),
    ];
    let (_keep, path) =
        store(bad.map(|(id, bytes)| (id.to_owned(), bytes)).into_iter().chain([good("a-good"), good("z-good")]));
    let runs = path.join("runs");
    std::fs::File::create(runs.join("m-zeros.jsonl")).and_then(|file| file.set_len(100 << 20)).expect("made");
    std::fs::create_dir(runs.join("m-folder.jsonl")).expect("made");
    let made = std::process::Command::new("mkfifo").arg(runs.join("m-pipe.jsonl")).status().expect("mkfifo");
    assert!(made.success());
    std::os::unix::fs::symlink("nowhere", runs.join("m-link.jsonl")).expect("linked");
    let answer = answer(&path, &["runs"]);
    let listed = answer["items"].as_array().expect("items");
    let of = |id: &str| listed.iter().find(|item| item["run"] == id);
    for id in ["a-good", "z-good"] {
        assert_eq!(of(id).expect("it is listed")["status"], "completed");
    }
    for id in ["m-long", "m-deep", "m-numbers", "m-bytes", "m-lines", "m-array"] {
        let said = of(id).map(|item| item["status"] == "corrupt");
        let warned = answer["warnings"].to_string().contains(id) && answer["complete"] == false;
        assert!(said == Some(true) || warned, "{id}: {:?} {}", of(id), answer["warnings"]);
        let output = on(&path, &["replay", id]);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{}", seen(&output));
        assert!(output.stdout.len() + output.stderr.len() < 4_000, "{}", seen(&output));
    }
    // Zeros are what a crash leaves of an append that was never acknowledged.
    for id in ["m-zeros", "m-folder", "m-pipe", "m-link"] {
        assert_ne!(on(&path, &["replay", id]).status.code(), Some(0), "{id}");
        assert_ne!(of(id).map(|item| &item["status"]), Some(&json!("completed")));
    }
    let all = on(&path, &["replay", "--all"]);
    says(&all, 1, &["corrupt"]);
    says(&on(&path, &["replay", "z-good"]), 0, &["Sound: 7 events"]);
}

#[test]
fn a_history_that_may_not_be_read_is_told() {
    let (_keep, path) = copy_of("fixtures/runs");
    close(&path.join("runs/order-3.jsonl"));
    let output =
        tc_of_nobody(path.parent().expect("a parent"), &["runs", "-s", "store", "--json"]).output().expect("tc");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", seen(&output)));
    let all = ids(answer["items"].as_array().expect("items")).len();
    assert_eq!((all, &answer["complete"]), (26, &json!(false)), "{}", seen(&output));
    assert!(answer["warnings"].to_string().contains("order-3"), "{}", answer["warnings"]);
    for command in [&["replay", "order-3"][..], &["result", "order-3"], &["send", "order-3", "x"]] {
        let output =
            tc_of_nobody(path.parent().expect("a parent"), &[command, &["-s", "store"]].concat()).output().expect("tc");
        says(&output, 4, &["order-3", "ermission denied"]);
    }
    let all = tc_of_nobody(path.parent().expect("a parent"), &["replay", "--all", "-s", "store"]).output().expect("tc");
    says(&all, 1, &["26 runs", "order-3"]);
}

/// Takes away all that others may do with a file.
fn close(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).expect("set");
}

/// Every event in front of a damaged line is shown, also those of the same append, and the number is that of the line.
#[test]
fn damage_anywhere_has_its_true_number() {
    let history = history();
    let lines: Vec<&str> = history.lines().collect();
    let broken = |at: usize| {
        let id = format!("broken-{at}-x");
        let line = |(number, line): (usize, &&str)| match number + 1 == at {
            true => "no line\n".to_owned(),
            false => line.replace("completed-1", &id) + "\n",
        };
        (id.clone(), lines.iter().enumerate().map(line).collect::<String>().into_bytes())
    };
    let (_keep, path) = store((1..=lines.len()).map(broken));
    for at in 1..=lines.len() {
        let id = format!("broken-{at}-x");
        let shown = &items(&path, &["show", &id])[0];
        let events = shown["history"].as_array().expect("a history").len();
        assert_eq!((events, &shown["problems"][0]["seq"]), (at - 1, &json!(at)), "{shown}");
        assert_eq!(shown["events"], json!(at - 1), "{shown}");
        let replayed = &items(&path, &["replay", &id])[0];
        let steps = replayed["steps"].as_array().expect("steps").len();
        assert_eq!((steps, &replayed["problems"][0]["seq"]), (at - 1, &json!(at)), "{replayed}");
    }
}

/// What a newer version wrote is not said to be corrupt, by no command.
#[test]
fn a_newer_version_is_told_as_such() {
    let newer = |id: &str, version: u32, more: &str| {
        let front: String = history().lines().take(2).map(|line| line.replace("completed-1", id) + "\n").collect();
        (id.to_owned(), (front.replace("\"v\":1", &format!("\"v\":{version}")) + more).into_bytes())
    };
    let event = "{\"seq\":3,\"token\":\"00000000000000aa\",\"at\":\"2026-11-22T04:00:50Z\",\"type\":\"teleport\"}\n";
    let (_keep, path) = store([newer("newer-event", 1, event), newer("newer-start", 9, "")]);
    for id in ["newer-event", "newer-start"] {
        for (command, code) in [
            (&["runs"][..], 0),
            (&["show", id], 0),
            (&["replay", id], 1),
            (&["replay", "--all"], 1),
            (&["result", id], 1),
            (&["send", id, "x"], 0),
            (&["cancel", id, "--yes"], 0),
            (&["fsck"], 1),
        ] {
            let output = on(&path, command);
            says(&output, code, &["newer version"]);
            assert!(!seen(&output).to_lowercase().contains("corrupt"), "{command:?}: {}", seen(&output));
        }
        assert_eq!(items(&path, &["show", id])[0]["status"], "parked");
    }
    says(&on(&path, &["runs", "--status", "parked"]), 0, &["newer-event", "newer-start"]);
}

/// What file systems and tools put beside runs is no run, and nothing that fsck asks a person about.
#[test]
fn what_others_put_there_is_no_run() {
    for (fixture, places) in [
        ("fixtures/runs", &["", "runs/", "inbox/", "due/", "due/default/"][..]),
        ("fixtures/substantial-0.1/fs", &["", "runs/", "schedules/", "schedules/default/", "links/runs/", "leases/"]),
        ("fixtures/durable-python", &[""]),
    ] {
        let (_keep, path) = copy_of(fixture);
        let look = |command: &[&str]| on(&path, command).stdout;
        let before = (look(&["runs", "--json"]), look(&["fsck"]));
        for place in places {
            for name in ["lost+found", "@eaDir/x", ".git/objects/ab"] {
                std::fs::create_dir_all(path.join(place).join(name)).expect("made");
            }
            std::fs::write(path.join(place).join(".DS_Store"), "x").expect("written");
            std::fs::write(path.join(place).join(".git/objects/ab/cd"), "x").expect("written");
        }
        assert_eq!((look(&["runs", "--json"]), look(&["fsck"])), before, "{fixture}");
    }
}
