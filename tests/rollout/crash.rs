//! Processes that die, and processes that share a log.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use temporal_code::functions::Tracker;
use temporal_code::{Random as _, SeededRandom};

use super::child::{Part, acknowledged};
use super::support::{folder, wait_for};

/// How often each event is in the logs of a folder, and how many lines are broken.
pub(crate) fn events(folder: &Path) -> (HashMap<String, u32>, usize) {
    let (mut seen, mut broken) = (HashMap::new(), 0);
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        for line in String::from_utf8_lossy(&std::fs::read(path).expect("a log")).lines() {
            match serde_json::from_str::<Value>(line) {
                Ok(record) => {
                    let id = record["value"].as_str().expect("a value").trim_matches('"').to_string();
                    *seen.entry(id).or_insert(0) += 1;
                }
                Err(_) => broken += 1,
            }
        }
    }
    (seen, broken)
}

/// Kills a child at random moments, again and again on one log.
fn killed_again_and_again(durability: &'static str, rounds: u32) {
    let folder = folder();
    let chance = SeededRandom::new(u64::from(rounds) + durability.len() as u64);
    let mut promised = Vec::new();
    for round in 0..rounds {
        let acks = folder.path().join(format!("{round}.acks"));
        let part = Part {
            number: round,
            durability,
            calls: 0,
            rotate: 200_000,
            pause_us: if round % 2 == 0 { 0 } else { 300 },
        };
        let mut child = part.start(folder.path(), &acks);
        wait_for("the child's first acknowledgement", || acknowledged(&acks) > 0);
        std::thread::sleep(Duration::from_micros((chance.uniform() * 15_000.0) as u64));
        child.kill().expect("killed");
        child.wait().expect("gone");
        promised.push(acknowledged(&acks));
    }
    // The next start goes on cleanly: it mends the end, and what it adds is whole.
    let (_, broken_before) = events(folder.path());
    let acks = folder.path().join("last.acks");
    let last = Part { number: rounds, durability, calls: 100, rotate: 0, pause_us: 0 };
    assert!(last.start(folder.path(), &acks).wait().expect("ended").success());
    promised.push(100);
    let (seen, broken) = events(folder.path());
    assert!(broken <= broken_before, "{broken} broken lines, {broken_before} before");
    assert!(broken <= rounds as usize, "{broken} broken lines of {rounds} deaths");
    for (round, calls) in promised.iter().enumerate() {
        for call in 0..*calls {
            let id = format!("{round}-{call}");
            assert_eq!(seen.get(&id), Some(&1), "{id} of {calls} was acknowledged");
        }
    }
    assert!(seen.values().all(|times| *times == 1), "nothing is there twice");
    assert!(promised.iter().sum::<u64>() > u64::from(rounds), "there is something to lose");
}

#[test]
fn nothing_acknowledged_is_lost_when_each_event_is_safe() {
    killed_again_and_again("each", 200);
}

#[test]
fn nothing_acknowledged_is_lost_when_events_are_safe_every_few_milliseconds() {
    killed_again_and_again("every", 200);
}

#[test]
fn nothing_acknowledged_is_lost_when_events_are_safe_on_close() {
    killed_again_and_again("close", 200);
}

#[test]
fn eight_processes_share_a_log_and_put_it_aside() {
    let folder = folder();
    let calls = 4_000;
    let parts = (0..8).map(|number| {
        let durability = ["each", "every", "close"][number as usize % 3];
        let calls = if durability == "each" { calls / 10 } else { calls };
        Part { number, durability, calls, rotate: 500_000, pause_us: 0 }
    });
    let parts = parts.collect::<Vec<_>>();
    let acks = |part: &Part| folder.path().join(format!("{}.acks", part.number));
    let children = parts.iter().map(|part| part.start(folder.path(), &acks(part))).collect::<Vec<_>>();
    for mut child in children {
        assert!(child.wait().expect("ended").success());
    }
    let (seen, broken) = events(folder.path());
    assert_eq!(broken, 0);
    let expected = parts.iter().flat_map(|part| (0..part.calls).map(|call| format!("{}-{call}", part.number)));
    let mut total = 0;
    for id in expected {
        assert_eq!(seen.get(&id), Some(&1), "{id}");
        total += 1;
    }
    assert_eq!(seen.len(), total);
    let logs = std::fs::read_dir(folder.path()).expect("a folder").flatten();
    let logs = logs.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "jsonl"));
    assert!(logs.count() > 3, "it was put aside several times");
}

#[test]
fn a_log_torn_at_any_byte_is_mended() {
    let whole = concat!(
        r#"{"event": "call", "function": "count", "timestamp": "2026-06-01T00:00:00+00:00", "#,
        r#""variant": "v1", "value": "é", "error": null, "latency_ms": 0.5, "success": true}"#
    );
    for cut in 0..=whole.len() {
        let folder = folder();
        let log = folder.path().join("evolution.jsonl");
        let mut bytes = format!("{whole}\n").into_bytes();
        bytes.extend_from_slice(&whole.as_bytes()[..cut]);
        std::fs::write(&log, &bytes).expect("written");
        let tracker = Tracker::open(folder.path()).expect("a log");
        let function = temporal_code::functions::Evolving::new("count", |_: &()| ()).tracker(&tracker);
        function.call(&()).expect("an answer");
        tracker.close().expect("closed");
        let after = std::fs::read(&log).expect("a log");
        assert!(after.starts_with(&bytes), "nothing that was there is changed");
        let lines = after.split(|byte| *byte == b'\n').collect::<Vec<_>>();
        let added = lines[lines.len() - 2];
        assert!(serde_json::from_slice::<Value>(added).is_ok_and(|record| record["weight"] == 1.0), "cut at {cut}");
        assert_eq!(lines.len(), if cut == 0 { 3 } else { 4 }, "cut at {cut}");
    }
}

/// A log that may not grow beyond some kilobytes: as far as a program can tell, a disk that is full.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_nothing_that_was_promised() {
    let folder = folder();
    let acks = folder.path().join("acks");
    let part = Part { number: 1, durability: "every", calls: 3_000, rotate: 70_000, pause_us: 100 };
    let command = part.command(folder.path(), &acks);
    let mut limited = std::process::Command::new("prlimit");
    // The limit lies in the middle of a line, and a signal that ends a process comes with it.
    limited.arg("--fsize=65536:unlimited").arg(command.get_program()).args(command.get_args());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = limited.spawn().expect("a child");
    let log = folder.path().join("evolution.jsonl");
    let size = || std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
    wait_for("the full disk", || {
        size() > 60_000 && {
            let before = size();
            std::thread::sleep(Duration::from_millis(50));
            size() == before
        }
    });
    let full = std::fs::read(&log).expect("a log");
    assert_eq!(full.last(), Some(&b'\n'), "no line is begun that has no room");
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().expect("a child").is_none(), "it works on");
    let promised = acknowledged(&acks);
    let room = std::process::Command::new("prlimit")
        .args([format!("--pid={}", child.id()), "--fsize=unlimited".into()])
        .status();
    assert!(room.expect("prlimit runs").success());
    assert!(child.wait().expect("ended").success());
    let (seen, broken) = events(folder.path());
    assert_eq!(broken, 0);
    assert!((0..promised).all(|call| seen.get(&format!("1-{call}")) == Some(&1)));
    assert_eq!((seen.len(), acknowledged(&acks)), (3_000, 3_000), "the queue held what could not be written");
    assert!(seen.values().all(|times| *times == 1));
}
