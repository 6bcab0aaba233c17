//! Finding logs: folders, globs, compressed and rotated ones, standard input.

use std::io::Write;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::{call, folder, json, run, seen, tc};

fn hour(hour: u32) -> String {
    call("f", "v1", &format!("2026-06-01T{hour:02}:00:00"), f64::from(hour), None)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("written");
    encoder.finish().expect("finished")
}

fn calls(answer: &Value) -> u64 {
    answer["items"][0]["calls"].as_u64().unwrap_or(0)
}

#[test]
fn the_nearest_folder_is_found_upwards() {
    let (_keep, path) = folder(&[("evolution_logs/evolution.jsonl", hour(1).as_bytes()), ("a/b/c/x", b"")]);
    assert_eq!(calls(&json(tc(&["status", "--json"]).current_dir(path.join("a/b/c")))), 1);
    let output = run(tc(&["history", "--json"]).current_dir(path.join("a/b")));
    assert!(seen(&output).contains("\"file\":\"../../evolution_logs/evolution.jsonl\""), "{}", seen(&output));
    let (_keep, path) = folder(&[(".tc/evolution.jsonl", hour(1).as_bytes())]);
    assert_eq!(calls(&json(tc(&["status", "--json"]).current_dir(&path))), 1);
}

#[test]
fn the_flag_beats_the_variable_beats_the_folder() {
    let three = [hour(1), hour(2), hour(3)].concat();
    let (_keep, path) = folder(&[
        ("evolution_logs/evolution.jsonl", hour(1).as_bytes()),
        ("two.jsonl", [hour(1), hour(2)].concat().as_bytes()),
        ("three.jsonl", three.as_bytes()),
    ]);
    let status = || {
        let mut command = tc(&["status", "--json"]);
        command.current_dir(&path);
        command
    };
    assert_eq!(calls(&json(&mut status())), 1);
    assert_eq!(calls(&json(status().env("TC_STORE", "two.jsonl"))), 2);
    assert_eq!(calls(&json(status().env("TC_STORE", "two.jsonl").args(["-s", "three.jsonl"]))), 3);
    assert_eq!(calls(&json(status().env("TC_STORE", "")),), 1);
}

#[test]
fn several_stores_count_each_log_once() {
    let (_keep, path) = folder(&[("a.jsonl", hour(1).as_bytes()), ("b.jsonl", hour(2).as_bytes())]);
    let stores = ["-s", "a.jsonl", "-s", "*.jsonl", "-s", "b.jsonl"];
    assert_eq!(calls(&json(tc(&["status", "--json", "--merge"]).current_dir(&path).args(stores))), 2);
    std::os::unix::fs::symlink("a.jsonl", path.join("link.jsonl")).expect("linked");
    let stores = ["-s", "a.jsonl", "-s", "./a.jsonl", "-s", "link.jsonl", "-s", "."];
    assert_eq!(calls(&json(tc(&["status", "--json", "--merge"]).current_dir(&path).args(stores))), 2);
}

#[test]
fn rotated_and_compressed_logs_are_read_in_time_order() {
    let zst = zstd::encode_all([hour(2), hour(3)].concat().as_bytes(), 3).expect("compressed");
    let (_keep, path) = folder(&[
        ("evolution.jsonl", [hour(8), hour(9)].concat().as_bytes()),
        ("evolution.jsonl.1", [hour(6), hour(7)].concat().as_bytes()),
        ("evolution.jsonl.2.gz", &gzip(&[hour(4), hour(5)].concat())),
        ("evolution-2026-06-01.jsonl.zst", &zst),
        ("other.jsonl", hour(20).as_bytes()),
        ("archive/evolution.jsonl", hour(21).as_bytes()),
    ]);
    let latencies = |arguments: &[&str]| {
        let answer = json(tc(&["history", "--json", "-s", "."]).current_dir(&path).args(arguments));
        let items = answer["items"].as_array().expect("items").clone();
        items.iter().map(|item| item["latency_ms"].as_f64().unwrap_or(f64::NAN)).collect::<Vec<_>>()
    };
    assert_eq!(latencies(&[]), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    assert_eq!(latencies(&["-n", "5"]), [5.0, 6.0, 7.0, 8.0, 9.0]);
    assert_eq!(latencies(&["-n", "1"]), [9.0]);
    assert_eq!(latencies(&["--until", "2026-06-01T04:30:00Z"]), [2.0, 3.0, 4.0]);
}

#[test]
fn logs_that_overlap_are_merged_by_time() {
    let odd = [hour(1), hour(3), hour(5), hour(7)].concat();
    let even = [hour(2), hour(4), hour(6)].concat();
    let (_keep, path) = folder(&[("a.jsonl", odd.as_bytes()), ("b.jsonl", even.as_bytes())]);
    let answer = json(tc(&["history", "-n", "4", "--json", "-s", "a.jsonl", "-s", "b.jsonl"]).current_dir(&path));
    let items = answer["items"].as_array().expect("items");
    let spots = items.iter().map(|item| {
        format!("{} {}:{}", item["latency_ms"], item["source"]["file"].as_str().unwrap_or("?"), item["source"]["line"])
    });
    assert_eq!(spots.collect::<Vec<_>>(), ["4.0 b.jsonl:2", "5.0 a.jsonl:3", "6.0 b.jsonl:3", "7.0 a.jsonl:4"]);
}

#[test]
fn standard_input_plain_and_compressed() {
    let text = [hour(1), hour(2)].concat();
    let zst = zstd::encode_all(text.as_bytes(), 3).expect("compressed");
    for bytes in [text.clone().into_bytes(), gzip(&text), zst] {
        let mut command = tc(&["status", "--json", "-s", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("tc starts");
        child.stdin.take().expect("a pipe").write_all(&bytes).expect("written");
        let output = child.wait_with_output().expect("it ends");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(calls(&answer), 2);
    }
}

#[test]
fn what_is_compressed_is_known_by_its_content() {
    let (_keep, path) = folder(&[("plain.jsonl.gz", hour(1).as_bytes()), ("packed.jsonl", &gzip(&hour(2)))]);
    for name in ["plain.jsonl.gz", "packed.jsonl"] {
        assert_eq!(calls(&json(tc(&["status", "--json", "-s", name]).current_dir(&path))), 1, "{name}");
    }
}

#[test]
fn an_empty_log_has_no_items() {
    for command in ["status", "history", "events"] {
        let answer = json(&mut tc(&[command, "--json", "-s", "fixtures/corrupt/empty.jsonl"]));
        assert_eq!(answer["items"], Value::Array(Vec::new()));
        assert_eq!(answer["complete"], true);
        assert_eq!(answer["schema"], format!("tc.{command}/1"));
    }
}

#[test]
fn following_prints_what_comes() {
    use std::io::{BufRead, BufReader};
    let (_keep, path) = folder(&[("evolution.jsonl", hour(1).as_bytes())]);
    let log = path.join("evolution.jsonl");
    let mut child = tc(&["history", "f", "--follow", "-o", "jsonl", "-s"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("tc starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = || {
        let line: Value = serde_json::from_str(&lines.next().expect("a line").expect("read")).expect("JSON");
        (line["latency_ms"].as_f64().unwrap_or(0.0), line["source"]["line"].as_u64())
    };
    let append = |text: &str| {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&log).expect("opened");
        file.write_all(text.as_bytes()).expect("written");
    };
    assert_eq!(next(), (1.0, Some(1)));
    let second = hour(2);
    let (head, tail) = second.split_at(40);
    append(head);
    std::thread::sleep(std::time::Duration::from_millis(250));
    append(tail);
    assert_eq!(next(), (2.0, Some(2)));
    append("broken\n");
    append(&call("other", "v1", "2026-06-01T00:00:00", 9.0, None));
    append(&hour(3));
    assert_eq!(next(), (3.0, Some(5)));
    // Rotated: the old name's file is not read again, the new one from its start.
    let mut held = std::fs::OpenOptions::new().append(true).open(&log).expect("opened");
    std::fs::rename(&log, path.join("evolution.jsonl.1")).expect("renamed");
    append(&hour(4));
    assert_eq!(next(), (4.0, Some(1)));
    // What a writer that still has the old file open adds to it is not lost.
    held.write_all(hour(6).as_bytes()).expect("written");
    assert_eq!(next(), (6.0, Some(6)));
    std::fs::write(&log, "").expect("truncated");
    std::thread::sleep(std::time::Duration::from_millis(250));
    append(&hour(5));
    assert_eq!(next(), (5.0, Some(1)));
    child.kill().expect("killed");
    child.wait().expect("waited");
}

#[test]
#[cfg(unix)]
fn a_store_that_is_near_and_of_somebody_else_is_refused() {
    let (_keep, path) = folder(&[(".tc/evolution.jsonl", hour(1).as_bytes()), ("below/x", b"")]);
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    let mut status = super::tc_of_nobody(&path, &["status", "--json"]);
    // Only root can give a folder away; what is root's is everybody's to use.
    if std::os::unix::fs::chown(path.join(".tc"), Some(12_345), None).is_err() {
        return;
    }
    for command in [tc(&["status"]).current_dir(path.join("below")), &mut status] {
        let output = run(command);
        assert!(seen(&output).contains(".tc, belongs to somebody else"), "{}", seen(&output));
        assert_eq!(output.status.code(), Some(2));
    }
    assert_eq!(calls(&json(tc(&["status", "--json", "-s", "../.tc"]).current_dir(path.join("below")))), 1);
    std::os::unix::fs::chown(path.join(".tc"), Some(0), None).expect("given back");
    assert_eq!(calls(&json(&mut status)), 1);
}
