//! `tc history --follow` on files and pipes: each event is printed once, when it comes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::{call, folder, tc};

/// How long a line is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long nothing comes where nothing should.
const QUIET: Duration = Duration::from_millis(700);

/// `tc history -f` and the lines that it prints. It ends with this value.
struct Follow {
    child: Child,
    lines: Receiver<String>,
}

impl Follow {
    fn start(store: &Path, arguments: &[&str], stdin: Stdio) -> Follow {
        let mut command = tc(&["history", "-f", "-n", "0", "-o", "jsonl", "-s"]);
        command.arg(store).args(arguments).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("tc starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Follow { child, lines }
    }

    /// The latency of the next call that is printed, by which it is known.
    #[track_caller]
    fn next(&self) -> u64 {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        line["latency_ms"].as_f64().unwrap_or_default() as u64
    }

    #[track_caller]
    fn is_quiet(&self) {
        assert_eq!(self.lines.recv_timeout(QUIET).ok(), None);
    }

    /// It ends by itself: what it said on standard error.
    fn end(mut self) -> String {
        let status = self.child.wait().expect("waited");
        assert!(status.success(), "{status}");
        assert_eq!(self.lines.iter().count(), 0);
        self.warnings()
    }

    fn warnings(&mut self) -> String {
        let _ = self.child.kill();
        let mut text = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut text).expect("read");
        text
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A call that is known by its number.
fn numbered(number: u64) -> String {
    call("f", "v1", &format!("2024-06-01T{:02}:{:02}:00", number / 60, number % 60), number as f64, None)
}

fn calls(numbers: impl IntoIterator<Item = u64>) -> String {
    numbers.into_iter().map(numbered).collect()
}

fn append(log: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(log).expect("opened");
    file.write_all(text.as_bytes()).expect("written");
}

/// A folder with a log of these calls, and the log.
fn log_of(numbers: impl IntoIterator<Item = u64>) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let (keep, path) = folder(&[("evolution.jsonl", calls(numbers).as_bytes())]);
    let log = path.join("evolution.jsonl");
    (keep, path, log)
}

/// Starts to follow a log that has call 1, and sees that it does.
fn followed(folder: &Path, log: &Path) -> Follow {
    let follow = Follow::start(folder, &[], Stdio::null());
    let mut number = 500;
    loop {
        append(log, &numbered(number));
        if follow.lines.recv_timeout(QUIET).is_ok() {
            return follow;
        }
        number += 1;
        assert!(number < 530, "nothing is followed");
    }
}

#[test]
fn standard_input_is_printed_as_it_comes_until_it_ends() {
    let mut follow = Follow::start(Path::new("-"), &[], Stdio::piped());
    let mut input = follow.child.stdin.take().expect("a pipe");
    for number in 1..4 {
        input.write_all(numbered(number).as_bytes()).expect("written");
        assert_eq!(follow.next(), number);
    }
    // The last line needs no end.
    input.write_all(numbered(4).trim_end().as_bytes()).expect("written");
    follow.is_quiet();
    drop(input);
    assert_eq!(follow.next(), 4);
    assert_eq!(follow.end(), "");
}

#[cfg(unix)]
#[test]
fn a_named_pipe_is_printed_as_it_comes_until_it_ends() {
    let (_keep, path) = folder(&[]);
    let pipe = path.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let follow = Follow::start(&pipe, &[], Stdio::null());
    let mut input = std::fs::OpenOptions::new().write(true).open(&pipe).expect("opened");
    for number in 1..3 {
        input.write_all(numbered(number).as_bytes()).expect("written");
        assert_eq!(follow.next(), number);
    }
    follow.is_quiet();
    drop(input);
    assert_eq!(follow.end(), "");
}

#[cfg(unix)]
#[test]
fn a_named_pipe_is_read_once() {
    let (_keep, path) = folder(&[]);
    let pipe = path.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let name = pipe.to_str().expect("UTF-8");
    for arguments in
        [&["history", "unknown"][..], &["history", "--since", "2027-01-01"], &["summary", "f", "--since", "2027-01-01"]]
    {
        let child = tc(&[arguments, &["-s", name]].concat()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("tc starts");
        let mut input = std::fs::OpenOptions::new().write(true).open(&pipe).expect("opened");
        input.write_all(numbered(1).as_bytes()).expect("written");
        drop(input);
        let end = std::time::Instant::now() + PATIENCE;
        while child.try_wait().expect("waited").is_none() {
            if std::time::Instant::now() > end {
                let _ = child.kill();
                panic!("{arguments:?} hangs");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let mut refused = tc(&["promote", "f", "v1", "-y", "-s", name]).stderr(Stdio::null()).spawn().expect("tc starts");
    std::thread::sleep(QUIET);
    let status = refused.try_wait().expect("waited");
    let _ = refused.kill();
    assert_eq!(status.and_then(|status| status.code()), Some(2));
}

#[test]
fn a_copy_of_a_log_is_not_printed() {
    let (_keep, path, log) = log_of(1..200);
    let follow = followed(&path, &log);
    std::fs::copy(&log, path.join("evolution.jsonl.1")).expect("copied");
    append(&log, &numbered(200));
    assert_eq!(follow.next(), 200);
    follow.is_quiet();
    // A copy that is being made is a part at first.
    append(&path.join("evolution.jsonl.2"), &calls(1..100));
    follow.is_quiet();
    append(&path.join("evolution.jsonl.2"), &calls(100..200));
    follow.is_quiet();
}

#[test]
fn a_log_that_is_copied_and_truncated_is_printed_once() {
    let (_keep, path, log) = log_of(1..200);
    let follow = followed(&path, &log);
    for round in 0..2 {
        // What came just before is in the copy alone.
        append(&log, &numbered(200 + round));
        std::fs::copy(&log, path.join("evolution.jsonl.1")).expect("copied");
        std::fs::write(&log, "").expect("truncated");
        assert_eq!(follow.next(), 200 + round);
        append(&log, &numbered(300 + round));
        assert_eq!(follow.next(), 300 + round);
        follow.is_quiet();
    }
}

#[test]
fn a_log_that_is_overwritten_is_read_from_its_start() {
    let (_keep, path, log) = log_of(1..100);
    let follow = followed(&path, &log);
    let length = std::fs::metadata(&log).expect("there").len();
    let other = calls(1_000..1_200);
    assert!(other.len() as u64 > length);
    std::fs::write(&log, other).expect("overwritten");
    for number in 1_000..1_200 {
        assert_eq!(follow.next(), number);
    }
    follow.is_quiet();
}

#[test]
fn what_was_printed_is_not_printed_again_when_lines_are_removed() {
    let (_keep, path, log) = log_of(1..3_000);
    let follow = followed(&path, &log);
    append(&log, &calls([3_000, 3_001]));
    assert_eq!((follow.next(), follow.next()), (3_000, 3_001));
    // A cleaned log, with what came meanwhile behind it, takes the log's place.
    let clean = path.join(".fresh");
    std::fs::write(&clean, calls([17, 2_000, 3_000, 3_002])).expect("written");
    std::fs::rename(&clean, &log).expect("renamed");
    assert_eq!(follow.next(), 3_002);
    follow.is_quiet();
    // The same without another file.
    std::fs::write(&log, calls([2_000, 3_002, 3_003])).expect("overwritten");
    assert_eq!(follow.next(), 3_003);
    follow.is_quiet();
}

#[test]
fn cleaning_prints_nothing_again() {
    let (_keep, path, log) = log_of(1..1_000);
    let follow = followed(&path, &log);
    // A process that keeps the log open adds to it, also while it is cleaned.
    let mut writer = std::fs::OpenOptions::new().append(true).open(&log).expect("opened");
    // Five hours of the calls.
    let since = Duration::from_secs(1_717_218_000);
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH + since).expect("later").as_secs();
    let clean = tc(&["clean", "--older-than", &format!("{age}s"), "-y", "-s"])
        .arg(&log)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut clean = clean.expect("tc starts");
    for number in 600..640 {
        writer.write_all(numbered(number).as_bytes()).expect("written");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(clean.wait().expect("waited").success());
    let mut printed = (600..640).map(|_| follow.next()).collect::<Vec<_>>();
    printed.sort_unstable();
    assert_eq!(printed, (600..640).collect::<Vec<_>>());
    follow.is_quiet();
}

#[test]
fn a_compressed_file_in_a_logs_place_is_told_and_left_out() {
    let (_keep, path, log) = log_of(1..10);
    let mut follow = followed(&path, &log);
    let fresh = path.join(".fresh");
    let packed = zstd::stream::encode_all(calls(10..20).as_bytes(), 0).expect("compressed");
    std::fs::write(&fresh, packed).expect("written");
    std::fs::rename(&fresh, &log).expect("renamed");
    follow.is_quiet();
    std::fs::write(&fresh, numbered(20)).expect("written");
    std::fs::rename(&fresh, &log).expect("renamed");
    assert_eq!(follow.next(), 20);
    let warnings = follow.warnings();
    assert!(warnings.contains("it is compressed now, and what is compressed is not followed"), "{warnings}");
}
