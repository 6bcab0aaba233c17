//! `tc clean` beside processes that are writing: no event is lost, and none is there twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Writer, assert_each_once, count, folder, items, json_of, run_script, tc};

const WRITERS: u64 = 3;

/// Starts the writers, each with a first few calls made and more ordered: about as many seconds as they are thousands.
fn writers(log: &Path, calls: u64) -> Vec<Writer> {
    let mut writers = (0..WRITERS).map(|n| Writer::start(log, &format!("w{n}"))).collect::<Vec<_>>();
    for writer in &mut writers {
        writer.order(10, 0);
        writer.wait();
        writer.order(calls, 2);
    }
    writers
}

fn finish(writers: Vec<Writer>) -> Vec<(String, u64)> {
    writers.into_iter().map(|writer| (writer.name.clone(), writer.finish())).collect()
}

/// What one `tc clean --yes` did.
fn clean(log: &Path, arguments: &[&str]) -> Value {
    let json = json_of(tc(log).args(["clean", "--yes", "--json"]).args(arguments), &[0]);
    items(&json)[0].clone()
}

/// How often each value is there, read by Python alone.
fn values(folders: &[&Path]) -> BTreeMap<String, u64> {
    let counts = run_script("read_values.py", folders);
    let counts = counts.as_object().expect("counts").iter();
    counts.map(|(value, times)| (value.clone(), count(times))).collect()
}

#[test]
fn clean_deletes_only_what_it_counted() {
    let log = folder();
    let writers = writers(log.path(), 1_500);
    let mut deleted = 0;
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(150));
        let item = clean(log.path(), &[]);
        assert_eq!(item["action"], "delete", "{item}");
        deleted += count(&item["events_deleted"]);
    }
    let made = finish(writers).iter().map(|(_, calls)| calls).sum::<u64>();
    let left = values(&[log.path()]);
    assert!(left.values().all(|times| *times == 1), "{left:?}");
    assert_eq!(deleted + left.len() as u64, made);
}

#[test]
fn clean_archives_every_event_that_it_deletes() {
    let log = folder();
    let writers = writers(log.path(), 1_500);
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(150));
        let item = clean(log.path(), &["--archive"]);
        assert!(item["archive"].is_string(), "{item}");
    }
    let made = finish(writers);
    let archive = log.path().join("archive");
    assert_each_once(&values(&[log.path(), &archive]), &made);
}

#[test]
fn clean_archives_the_older_events_and_leaves_the_others() {
    let (log, archive) = (folder(), folder());
    let writers = writers(log.path(), 2_000);
    let into = format!("--archive={}", archive.path().display());
    let mut shortened = 0;
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(700));
        let item = clean(log.path(), &["--older-than", "1s", &into]);
        shortened += u64::from(item["action"] == "shorten");
    }
    let made = finish(writers);
    assert!(shortened > 0);
    assert_each_once(&values(&[log.path(), archive.path()]), &made);
}
