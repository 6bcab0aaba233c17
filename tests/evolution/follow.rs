//! `tc history --follow`: what comes is printed once, whoever writes it, and goes on when the store was away.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use temporal_code::functions::{Durability, Evolving, Tracker};

use crate::ground::{Ground, PATIENCE, exit, fixture, run};

/// A process that follows, and the lines that it prints. It ends with this value.
pub(crate) struct Follow {
    child: Child,
    lines: Receiver<String>,
}

impl Follow {
    pub(crate) fn start(ground: &Ground, arguments: &[&str]) -> Self {
        let mut command = ground.tc(&["history", "--follow", "--quiet"]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().expect("tc starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Follow { child, lines }
    }

    #[track_caller]
    pub(crate) fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    /// The next line as JSON.
    #[track_caller]
    pub(crate) fn record(&self) -> Value {
        serde_json::from_str(&self.next()).expect("JSON")
    }

    /// What else was printed.
    pub(crate) fn rest(self) -> Vec<String> {
        std::thread::sleep(Duration::from_secs(3));
        self.lines.try_iter().collect()
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_comes_is_printed_once() {
    for ground in Ground::all() {
        ground.write(&fixture("demo/evolution.jsonl"));
        for flag in ["--json", "-ojsonl"] {
            let follow = Follow::start(&ground, &["-n", "3", flag]);
            let last = (0..3).map(|_| follow.record()).collect::<Vec<_>>();
            assert!(last.iter().all(|record| record["event"].is_string()), "{last:?}");
            let tracker = ground.open(Tracker::options().durability(Durability::Every(Duration::from_millis(100))));
            let function = Evolving::new("late", |n: &u64| *n).log_values().tracker(&tracker);
            for round in 0..3 {
                for n in 0..40 {
                    function.call(&(round * 40 + n)).expect("an answer");
                }
                tracker.flush(Duration::from_secs(30)).expect("written");
                assert_eq!(exit(&mut ground.tc(&["promote", "other", "v2", "--force", "-y"])), 0);
                let mut calls = Vec::new();
                let mut decisions = 0;
                while calls.len() < 40 || decisions == 0 {
                    let record = follow.record();
                    assert!(record["source"]["file"].as_str().is_some_and(|file| file.starts_with(&ground.url)));
                    match record["event"].as_str() {
                        Some("call") => {
                            calls.push(record["value"].as_str().and_then(|value| value.parse::<u64>().ok()))
                        }
                        _ => decisions += 1,
                    }
                }
                assert_eq!(calls, (round * 40..round * 40 + 40).map(Some).collect::<Vec<_>>(), "{}", ground.url);
            }
            assert_eq!(follow.rest(), [""; 0]);
            tracker.close().expect("closed");
        }
    }
}

#[test]
fn only_what_was_asked_for_is_printed() {
    for ground in Ground::all() {
        ground.write(&fixture("demo/evolution.jsonl"));
        let follow = Follow::start(&ground, &["other", "-n", "2"]);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(exit(&mut ground.tc(&["promote", "greeting", "casual", "-y"])), 0);
        assert_eq!(exit(&mut ground.tc(&["promote", "other", "v\u{1b}[31m2", "--force", "-y"])), 0);
        let line = follow.next();
        assert!(line.contains("other") && line.contains("promoted") && !line.contains('\u{1b}'), "{line}");
        assert_eq!(follow.rest(), [""; 0]);
        let refused = run(&mut ground.tc(&["history", "--follow", "-o", "csv"]));
        assert_eq!(refused.status.code(), Some(2));
    }
}

#[test]
fn a_store_that_was_away_is_followed_on() {
    let ground = Ground::redis();
    ground.write(&fixture("demo/evolution.jsonl"));
    let follow = Follow::start(&ground, &["-n", "1", "--json"]);
    follow.record();
    ground.server().kill();
    std::thread::sleep(Duration::from_millis(500));
    ground.server().revive();
    assert_eq!(exit(&mut ground.tc(&["promote", "other", "v2", "--force", "-y"])), 0);
    assert_eq!(follow.record()["event"], "promotion");
}
