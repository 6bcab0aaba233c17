//! Where the system allows little: no threads, few open files, small files. What cannot be done is told, and nothing panics.

use std::path::Path;
use std::process::Command;

use super::{call, folder, run, seen, tc_of_nobody};

/// `tc` as somebody who may do no more than others, with one of the limits that `prlimit` sets.
fn limited(folder: &Path, limit: &str, arguments: &[&str]) -> String {
    let tc = tc_of_nobody(folder, arguments);
    let mut command = Command::new("prlimit");
    command.arg(limit).arg(tc.get_program()).args(arguments).current_dir(folder).env_clear().env("TZ", "UTC");
    command.stdin(std::process::Stdio::null());
    if std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder).expect("a folder")) == 0 {
        std::os::unix::process::CommandExt::uid(&mut command, 65_534);
    }
    seen(&run(&mut command))
}

/// A folder with a log of some megabytes, and runs of every format.
fn ground() -> (tempfile::TempDir, std::path::PathBuf) {
    let log =
        (0..12_000).map(|n| call("f", "v1", &format!("2026-06-01T00:{:02}:{:02}", n / 60 % 60, n % 60), 1.5, None));
    let (keep, path) = folder(&[("logs/evolution.jsonl", log.collect::<String>().as_bytes())]);
    for (from, to) in [("runs", "ours"), ("substantial-0.1/fs", "substantial"), ("durable-python", "durable")] {
        let from = super::root().join("fixtures").join(from);
        assert!(Command::new("cp").arg("-r").arg(from).arg(path.join(to)).status().expect("cp runs").success());
    }
    assert!(Command::new("chmod").args(["-R", "a+rwX"]).arg(&path).status().expect("chmod runs").success());
    (keep, path)
}

const COMMANDS: [&str; 9] = [
    "status -s logs --threads 4",
    "history -n 3 -s logs",
    "report f -s logs",
    "promote f v1 --yes --dry-run -s logs",
    "runs -s ours",
    "runs -s substantial",
    "runs -s durable",
    "show import-13 -s ours",
    "fsck -s ours",
];

#[test]
fn without_threads_one_does_it_all_or_it_is_told() {
    let (_keep, path) = ground();
    for (number, command) in COMMANDS.iter().enumerate() {
        let arguments = command.split(' ').collect::<Vec<_>>();
        let text = limited(&path, "--nproc=1", &arguments);
        let expected = seen(&run(&mut tc_of_nobody(&path, &arguments)));
        if number >= 4 {
            assert!(text.contains("no thread can be made") && text.ends_with("[exit 2]\n"), "{command}: {text}");
        } else {
            let text = text
                .lines()
                .filter(|line| !line.contains("no thread can be made") && !line.contains("event\": \"promotion"));
            let expected = expected.lines().filter(|line| !line.contains("event\": \"promotion"));
            assert!(text.eq(expected), "{command}");
        }
    }
}

#[test]
fn with_few_threads_nothing_panics() {
    let (_keep, path) = ground();
    for limit in 1..=6 {
        for command in COMMANDS {
            let text = limited(&path, &format!("--nproc={limit}"), &command.split(' ').collect::<Vec<_>>());
            assert!(!text.contains("panicked") && !text.contains("[killed]"), "{limit}: {command}: {text}");
        }
    }
}

#[test]
fn with_few_descriptors_nothing_is_told_to_be_missing() {
    let (_keep, path) = ground();
    for limit in [5, 7, 8, 9, 10, 11, 12, 13, 14, 16, 20] {
        for command in COMMANDS {
            let text = limited(&path, &format!("--nofile={limit}"), &command.split(' ').collect::<Vec<_>>());
            for wrong in ["panicked", "no workflow runs in", "No runs", "no evolution log", "[killed]"] {
                assert!(!text.contains(wrong), "{limit}: {command}: {text}");
            }
            let failed = text.contains("Too many open files") || text.contains("did not succeed");
            assert!(failed == text.ends_with("[exit 2]\n") || text.contains("warning"), "{limit}: {command}: {text}");
        }
    }
}

#[test]
fn what_is_too_large_is_an_error() {
    let (_keep, path) = ground();
    let log = std::fs::read(path.join("logs/evolution.jsonl")).expect("a log");
    for command in ["promote f v1 --yes -s logs", "weight f v1 10% --yes -s logs"] {
        let text = limited(&path, "--fsize=1000", &command.split(' ').collect::<Vec<_>>());
        assert!(text.contains("File too large") && text.ends_with("[exit 2]\n"), "{command}: {text}");
    }
    // As the log's owner.
    let mut clean = Command::new("prlimit");
    clean.args([
        "--fsize=1000",
        env!("CARGO_BIN_EXE_tc"),
        "clean",
        "--older-than",
        "1d",
        "--archive",
        "--yes",
        "-s",
        "logs",
    ]);
    let text = seen(&run(clean.current_dir(&path)));
    assert!(text.contains("File too large") && text.ends_with("[exit 2]\n"), "{text}");
    assert!(std::fs::read(path.join("logs/evolution.jsonl")).expect("a log") == log);
}
