//! What the tests share.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use temporal_code::Timestamp;
use temporal_code::functions::{Situation, Strategy};

/// A folder that is gone when the test is over.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The lines of a folder's log, each of which must be an object; none if there is no log.
pub(crate) fn records(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("evolution.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// How many records have this member.
pub(crate) fn count(records: &[Value], key: &str, value: &str) -> usize {
    records.iter().filter(|record| record[key] == value).count()
}

/// A time of 2026.
pub(crate) fn time(text: &str) -> Timestamp {
    format!("2026-{text}").parse().expect("a time")
}

/// Waits until something is so, ten seconds at most.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what} takes too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `tc` at work on a store.
pub(crate) fn tc(store: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_tc")).arg("--store").arg(store).args(arguments).output();
    let output = output.expect("tc runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The last variant gets every call.
pub(crate) struct Last;

impl Strategy for Last {
    fn name(&self) -> &str {
        "Last"
    }

    fn weights(&self, _: &Situation<'_>, weights: &mut [f64]) {
        if let Some(last) = weights.last_mut() {
            *last = 1.0;
        }
    }
}
