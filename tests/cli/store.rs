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
fn logs_that_cannot_be_decompressed_are_named() {
    let packed: [(&str, &[u8]); 4] = [
        ("evolution.jsonl.2.xz", b"\xfd7zXZ\0\0\x04"),
        ("evolution.jsonl.3.bz2", b"BZh91AY&SY"),
        ("evolution.jsonl.4.lz4", b"\x04\x22\x4d\x18\x64"),
        ("evolution.jsonl.5.Z", b"\x1f\x9d\x90"),
    ];
    for (name, bytes) in packed {
        let (_keep, path) = folder(&[("evolution.jsonl", hour(5).as_bytes()), (name, bytes)]);
        let of = |arguments: &[&str]| run(tc(arguments).current_dir(&path).args(["-s", "."]));
        for command in
            [&["status", "--json"][..], &["history", "-n1", "--json"], &["promote", "f", "v1", "--yes", "--json"]]
        {
            let output = of(command);
            let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(answer["complete"], false, "{name} {command:?}: {answer}");
            assert!(answer["warnings"].to_string().contains(name), "{answer}");
        }
        let strict = seen(&of(&["status", "--strict"]));
        assert!(
            strict.contains(name) && strict.contains("which is not read") && strict.ends_with("[exit 2]\n"),
            "{strict}"
        );
        // What cannot be read is neither written to nor thrown away.
        for arguments in [&["clean", "--yes", "-s", name][..], &["promote", "f", "v1", "--yes", "-s", name]] {
            run(tc(arguments).current_dir(&path));
            assert_eq!(std::fs::read(path.join(name)).expect("there"), bytes, "{arguments:?}");
        }
        let alone = seen(&run(tc(&["status", "-s", name]).current_dir(&path)));
        assert!(alone.contains("[exit 2]"), "{alone}");
    }
}

#[test]
fn logs_are_put_aside_under_many_names() {
    let (_keep, path) = folder(&[
        ("evolution.jsonl", hour(5).as_bytes()),
        ("evolution.jsonl.old", hour(4).as_bytes()),
        ("evolution.jsonl.BAK", hour(3).as_bytes()),
        ("evolution.jsonl.1.GZ", &gzip(&hour(2))),
        ("Evolution.JSONL.2", hour(1).as_bytes()),
    ]);
    assert_eq!(calls(&json(tc(&["status", "--json", "-s", "."]).current_dir(&path))), 5);
}

#[test]
fn copies_of_a_log_count_once() {
    let (log, older) = ([hour(4), hour(5)].concat(), [hour(1), hour(2)].concat());
    let (_keep, path) = folder(&[
        ("evolution.jsonl", log.as_bytes()),
        // Made when it was shorter.
        ("evolution.jsonl.bak", hour(4).as_bytes()),
        ("evolution.jsonl.gz", &gzip(&log)),
        ("evolution.jsonl.1", older.as_bytes()),
        ("evolution.jsonl.1.gz", &gzip(&older)),
        ("evolution.jsonl.2.gz", &gzip(&hour(0))),
        (".evolution.jsonl.swp", log.as_bytes()),
        (".evolution.jsonl.tc-new-0123", log.as_bytes()),
        ("sub/.hidden/evolution.jsonl", log.as_bytes()),
    ]);
    std::fs::hard_link(path.join("evolution.jsonl"), path.join("evolution-2026.jsonl")).expect("linked");
    std::os::unix::fs::symlink("evolution.jsonl", path.join("evolution.jsonl.3")).expect("linked");
    std::os::unix::fs::symlink("..", path.join("sub/up")).expect("linked");
    for stores in [
        "-s .",
        "-s *",
        "-s *.jsonl*",
        "-s **/*",
        "-s **",
        "-s evolution.jsonl.gz -s evolution.jsonl -s *.1* -s *.2.gz",
    ] {
        let command = &mut tc(&["status", "--json", "--merge"]);
        let answer = json(command.current_dir(&path).args(stores.split(' ')));
        assert_eq!(calls(&answer), 5, "{stores}: {answer}");
    }
    // It is there for who names nothing else.
    assert_eq!(calls(&json(tc(&["status", "--json", "-s", "evolution.jsonl.gz"]).current_dir(&path))), 2);
    // Another log of the same name, packed, is no copy.
    let (_keep, path) = folder(&[("evolution.jsonl", b""), ("evolution.jsonl.gz", &gzip(&log))]);
    assert_eq!(calls(&json(tc(&["status", "--json", "-s", "."]).current_dir(&path))), 2);
}

#[test]
fn globs_tell_of_folders_that_are_closed() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_keep, path) = folder(&[("logs/a/x.jsonl", hour(1).as_bytes()), ("logs/b/x.jsonl", hour(2).as_bytes())]);
    std::fs::set_permissions(path.join("logs/b"), std::fs::Permissions::from_mode(0o700)).expect("set");
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&path).expect("a folder")) == 0;
    if !is_root {
        std::fs::set_permissions(path.join("logs/b"), std::fs::Permissions::from_mode(0o000)).expect("set");
    }
    for pattern in ["logs/*/x.jsonl", "logs/**", "logs/**/*.jsonl", "logs/*/*"] {
        let text = seen(&run(&mut super::tc_of_nobody(&path, &["status", "-s", pattern])));
        assert!(text.contains("cannot read logs/b") && text.ends_with("[exit 2]\n"), "{pattern}: {text}");
    }
    std::fs::set_permissions(path.join("logs/b"), std::fs::Permissions::from_mode(0o755)).expect("set");
    let text = seen(&run(&mut super::tc_of_nobody(&path, &["status", "-s", "logs/**"])));
    assert!(!text.contains("exit"), "{text}");
}

#[test]
fn links_in_circles_end() {
    let (_keep, path) = folder(&[("logs/a/x.jsonl", hour(1).as_bytes())]);
    for name in ["l1", "l2", "a/l3"] {
        std::os::unix::fs::symlink(path.join("logs"), path.join("logs").join(name)).expect("linked");
    }
    std::os::unix::fs::symlink("itself", path.join("logs/itself")).expect("linked");
    let start = std::time::Instant::now();
    for pattern in ["logs/**", "logs/**/*.jsonl", "logs/**/**/x.jsonl"] {
        assert_eq!(calls(&json(tc(&["status", "--json", "-s", pattern]).current_dir(&path))), 1, "{pattern}");
    }
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn names_that_are_no_text_are_read() {
    use std::os::unix::ffi::OsStrExt as _;
    let (_keep, path) = folder(&[("evolution.jsonl", hour(1).as_bytes())]);
    std::fs::write(path.join(std::ffi::OsStr::from_bytes(b"evolution-\xff.jsonl")), hour(2)).expect("written");
    for store in [".", "*.jsonl", "**"] {
        assert_eq!(calls(&json(tc(&["status", "--json", "-s", store]).current_dir(&path))), 2, "{store}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn files_that_know_no_size_are_read() {
    // What a process was given as its environment is read by another as a file of no bytes.
    let mut sleeper = std::process::Command::new("sleep");
    let mut sleeper = sleeper.arg("60").env_clear().env("X", format!("1\n{}", hour(1))).spawn().expect("it starts");
    let environment = format!("/proc/{}/environ", sleeper.id());
    let mut answer = Value::Null;
    // Until it is `sleep`, it has another environment.
    for _ in 0..100 {
        let output = run(&mut tc(&["status", "--json", "-s", &environment]));
        answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if calls(&answer) == 1 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    sleeper.kill().expect("ended");
    let _ = sleeper.wait();
    assert_eq!(calls(&answer), 1, "{answer}");
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

/// A server that takes connections and says nothing.
#[test]
fn on_a_terminal_a_silent_store_is_named() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let store = format!("redis://{}", silent.local_addr().expect("an address"));
    for command in ["status", "history -f", "promote f v2 --yes"] {
        let typed = format!("timeout 3 {} {command} -s {store}", env!("CARGO_BIN_EXE_tc"));
        let output = run(std::process::Command::new("script").args(["-qec", &typed, "/dev/null"]));
        assert!(seen(&output).contains(&format!("waiting for {store}")), "{command}: {}", seen(&output));
    }
}
