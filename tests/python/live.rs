//! `tc` beside processes that are writing.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Writer, assert_each_once, count, folder, items, json_of, tc, text};

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait for what must not come: `tc` looks at followed logs ten times a second.
const QUIET: Duration = Duration::from_millis(500);

#[test]
fn every_call_counts_once_while_four_processes_write() {
    const CALLS: u64 = 2_000;
    let log = folder();
    fs::write(log.path().join("evolution.jsonl"), "").expect("a file");
    let mut writers = (0..4).map(|n| Writer::start(log.path(), &format!("w{n}"))).collect::<Vec<_>>();
    writers.iter_mut().for_each(|writer| writer.order(CALLS, 0));

    let calls = || {
        let status = json_of(tc(log.path()).args(["status", "--json"]), &[0]);
        let functions = status["items"].as_array().expect("items").iter();
        functions.map(|item| count(&item["calls"])).sum::<u64>()
    };
    let (mut seen, start) = (0, Instant::now());
    while seen < 4 * CALLS {
        let now = calls();
        assert!(now >= seen, "{now} calls after {seen}");
        assert!(start.elapsed() < PATIENCE, "{now} calls");
        seen = now;
    }
    writers.into_iter().for_each(|writer| assert_eq!(writer.finish(), CALLS));
    let status = json_of(tc(log.path()).args(["status", "--json"]), &[0]);
    assert_eq!(items(&status).len(), 4);
    for item in items(&status) {
        assert_eq!(count(&item["calls"]), CALLS, "{item}");
    }
}

/// `tc history --follow` and what it has printed so far.
struct Follow {
    child: Child,
    lines: Receiver<String>,
    seen: BTreeMap<String, u64>,
    count: u64,
}

impl Follow {
    fn start(log: &Path) -> Follow {
        let mut command = tc(log);
        command.args(["history", "--follow", "--quiet", "-o", "jsonl", "--limit", "all"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("tc runs");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Follow { child, lines, seen: BTreeMap::new(), count: 0 }
    }

    /// Takes the next event, if one comes in time.
    fn next(&mut self, time: Duration) -> bool {
        let Ok(line) = self.lines.recv_timeout(time) else { return false };
        let event = serde_json::from_str::<Value>(&line).expect("JSON");
        *self.seen.entry(text(&event["value"]).trim_matches('\'').to_string()).or_default() += 1;
        self.count += 1;
        true
    }

    /// Waits until so many events were printed in all; whether they were.
    fn wait_for(&mut self, count: u64) -> bool {
        while self.count < count {
            if !self.next(PATIENCE) {
                return false;
            }
        }
        true
    }

    /// Everything that it printed, when no more comes.
    fn finish(mut self) -> BTreeMap<String, u64> {
        while self.next(QUIET) {}
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_followed_log_gives_each_event_once_across_rotation() {
    const ROTATIONS: u64 = 20;
    const CALLS: u64 = 1_500;
    let log = folder();
    let current = log.path().join("evolution.jsonl");
    let mut writers = (0..3).map(|n| Writer::start(log.path(), &format!("w{n}"))).collect::<Vec<_>>();
    for writer in &mut writers {
        writer.order(20, 0);
        writer.wait();
        writer.order(CALLS, 4);
    }
    let mut follow = Follow::start(log.path());
    assert!(follow.wait_for(60));

    // The writers open the log by its name for each event: after a rename, the next event makes a new one.
    for number in 1..=ROTATIONS {
        thread::sleep(Duration::from_millis(83));
        let rotated = log.path().join(format!("evolution.jsonl.{number}"));
        fs::rename(&current, rotated).expect("a log to rotate");
    }
    let made = writers.into_iter().map(|writer| (writer.name.clone(), writer.finish())).collect::<Vec<_>>();
    follow.wait_for(made.iter().map(|(_, calls)| calls).sum());
    assert_each_once(&follow.finish(), &made);
}

#[test]
fn a_followed_log_gives_each_event_once_across_truncation() {
    let log = folder();
    let mut writer = Writer::start(log.path(), "w");
    writer.order(50, 0);
    writer.wait();
    let mut follow = Follow::start(log.path());
    assert!(follow.wait_for(50));
    writer.order(200, 2);
    writer.wait();

    // What is cut away must have been seen, and what comes next must be shorter: a file that was cut and has grown past its
    // old length looks like one that only grew.
    assert!(follow.wait_for(250));
    let file = OpenOptions::new().write(true).open(log.path().join("evolution.jsonl")).expect("the log");
    file.set_len(0).expect("a shorter log");
    writer.order(150, 2);
    let name = writer.name.clone();
    let calls = writer.finish();
    follow.wait_for(calls);
    assert_each_once(&follow.finish(), &[(name, calls)]);
}
