//! Damaged stores of the Python packages.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use expect_test::expect;
use serde_json::{Value, json};

use super::{answer, copy_of, ids, items, on, says};
use crate::{root, seen, tc_of_nobody};

const START: &str = r#"{"at": "2026-11-21T21:49:23.001048Z", "start": {"kwargs": {}}}"#;

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A store of substantial with these runs.
fn substantial(histories: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store");
    for name in ["runs", "schedules/default", "leases", "links/runs/w"] {
        std::fs::create_dir_all(path.join(name)).expect("made");
    }
    for (run, events) in histories {
        std::fs::create_dir(path.join("runs").join(run)).expect("made");
        std::fs::write(path.join("runs").join(run).join("events"), events).expect("written");
        link(&path, run);
    }
    (folder, path)
}

fn link(path: &Path, run: &str) {
    std::fs::write(path.join("links/runs/w").join(run), run).expect("written");
}

fn events(events: &[&str]) -> Vec<u8> {
    format!("{{\"runId\": \"w\", \"events\": [{}]}}", events.join(", ")).into_bytes()
}

fn done() -> Vec<u8> {
    events(&[START, &format!(r#"{{"stop": {{"ok": "{}"}}}}"#, base64("42"))])
}

/// A line about each run: how it stands, why, and what a replay of it says.
fn summary(path: &Path) -> String {
    let answer = answer(path, &["runs"]);
    let mut text = String::new();
    for item in answer["items"].as_array().expect("items") {
        let id = item["run"].as_str().expect("an id");
        let replay = on(path, &["replay", id]);
        let because = item["because"].as_str().unwrap_or("-");
        let _ = writeln!(
            text,
            "{id}: {} [{:?}] {because}",
            item["status"].as_str().expect("a status"),
            replay.status.code()
        );
    }
    let _ = writeln!(text, "complete: {}", answer["complete"]);
    for warning in answer["warnings"].as_array().expect("warnings") {
        let _ = writeln!(
            text,
            "{}",
            warning["message"].as_str().expect("a text").replace(path.to_str().expect("UTF-8"), "…")
        );
    }
    text
}

#[test]
fn damaged_histories_of_substantial() {
    let stop = format!(r#"{{"stop": {{"ok": "{}"}}}}"#, base64("42"));
    let save = |id: &str, counter: &str| {
        format!(r#"{{"save": {{"id": {id}, "value": "{}", "counter": {counter}}}}}"#, base64("1"))
    };
    let deep = format!("{{\"events\": {}", "[".repeat(1 << 20));
    let histories: Vec<(&str, Vec<u8>)> = vec![
        ("w-00-good", done()),
        ("w-01-broken", events(&[START, r#"{"save": {"id": 1, "value": "#, START])),
        ("w-02-base64", events(&[START, r#"{"save": {"id": 1, "value": "*no*", "counter": -1}}"#])),
        ("w-03-no-json", events(&[START, &format!(r#"{{"stop": {{"ok": "{}"}}}}"#, base64("{no json"))])),
        ("w-04-kind", events(&[START, r#"{"teleport": {"to": "mars"}}"#])),
        (
            "w-05-fields",
            events(&[START, r#"{"save": {"id": 1, "value": "MQ==", "counter": -1, "new": [1]}, "more": 1}"#]),
        ),
        ("w-06-two-starts", events(&[START, START])),
        ("w-07-no-start", events(&[&stop])),
        ("w-08-after-end", events(&[START, &stop, &save("1", "-1")])),
        ("w-09-numbers", events(&[START, &save("1e400", "-1")])),
        ("w-10-numbers", events(&[START, &save("1", "99999999999999999999")])),
        ("w-11-numbers", events(&[START, &save("-1", "1.5")])),
        ("w-12-two-kinds", events(&[START, r#"{"stop": {"ok": "MQ=="}, "save": {"id": 1}}"#])),
        ("w-13-empty", Vec::new()),
        ("w-14-array", b"[]".to_vec()),
        ("w-15-nothing", b"{}".to_vec()),
        ("w-16-deep", deep.into_bytes()),
        ("w-17-bytes", (0..=255u8).cycle().take(5_000).collect()),
        ("w-18-no-kind", events(&[START, "{}"])),
        ("w-19-time", events(&[r#"{"at": "2026-13-99T99:99:99Z", "start": {"kwargs": {}}}"#])),
        ("w-20-null", events(&["null", START])),
        (
            "w-21-sleep",
            events(&[START, r#"{"sleep": {"id": 1, "start": "0001-01-01T00:00:00Z", "end": "9999-12-31T23:59:59Z"}}"#]),
        ),
        ("w-99-good", done()),
    ];
    let (_keep, path) = substantial(&histories);
    let runs = path.join("runs");
    for (name, make) in [("w-30-zeros", 0), ("w-31-link", 1), ("w-32-pipe", 2), ("w-33-folder", 3), ("w-34-none", 4)] {
        let events = runs.join(name).join("events");
        std::fs::create_dir(runs.join(name)).expect("made");
        link(&path, name);
        match make {
            0 => std::fs::File::create(&events).and_then(|file| file.set_len(100 << 20)).expect("made"),
            1 => std::os::unix::fs::symlink(runs.join("w-00-good/events"), &events).expect("linked"),
            2 => assert!(std::process::Command::new("mkfifo").arg(&events).status().expect("mkfifo").success()),
            3 => std::fs::create_dir(&events).expect("made"),
            _ => {}
        }
    }
    // Half of a start: a link alone, and a schedule alone.
    link(&path, "w-40-link-alone");
    let planned = path.join("schedules/default/2026-11-21T21:50:00");
    std::fs::create_dir(&planned).expect("made");
    std::fs::write(planned.join("w-41-schedule-alone"), START).expect("written");
    std::fs::write(planned.join("w-42-empty-schedule"), "").expect("written");
    std::fs::write(planned.join("w-43-broken-schedule"), "{\"start\": {").expect("written");
    expect![[r#"
        w-00-good: completed [Some(0)] event 2 ends it with a result
        w-01-broken: corrupt [Some(1)] the history cannot be read: event 2, at byte 118: expected a value
        w-02-base64: corrupt [Some(1)] the history cannot be read: event 2, at byte 118: `value` is not base64
        w-03-no-json: completed [Some(0)] event 2 ends it with a result
        w-04-kind: pending [Some(1)] it has not ended, and nothing leads to it: its schedule was lost
        w-05-fields: pending [Some(0)] it has not ended, and nothing leads to it: its schedule was lost
        w-06-two-starts: corrupt [Some(1)] event 2: a second start: the one of event 1 has not stopped
        w-07-no-start: corrupt [Some(1)] event 1: the first event is not a start
        w-08-after-end: completed [Some(1)] event 2 ends it with a result
        w-09-numbers: corrupt [Some(1)] the history cannot be read: event 2, at byte 106: `id` is not a whole number in its range
        w-10-numbers: corrupt [Some(1)] the history cannot be read: event 2, at byte 137: `counter` is not a whole number in its range
        w-11-numbers: corrupt [Some(1)] the history cannot be read: event 2, at byte 106: `id` is not a whole number in its range
        w-12-two-kinds: corrupt [Some(1)] the history cannot be read: event 2, at byte 123: it is both `stop` and `save`
        w-13-empty: corrupt [Some(1)] the history cannot be read: at byte 0: it ends too early
        w-14-array: corrupt [Some(1)] the history cannot be read: at byte 0: it is not an object
        w-15-nothing: pending [Some(0)] there is no history, and nothing that leads to one
        w-16-deep: corrupt [Some(1)] the history cannot be read: event 1, at byte 1012: nested too deeply
        w-17-bytes: corrupt [Some(1)] the history cannot be read: at byte 0: it is not an object
        w-18-no-kind: pending [Some(1)] it has not ended, and nothing leads to it: its schedule was lost
        w-19-time: corrupt [Some(1)] the history cannot be read: event 1, at byte 33: `at` is not a time
        w-20-null: corrupt [Some(1)] the history cannot be read: event 1, at byte 26: the event is not an object
        w-21-sleep: pending [Some(0)] it has not ended, and nothing leads to it: its schedule was lost
        w-30-zeros: corrupt [Some(1)] the history cannot be read: it is larger than 67108864 bytes
        w-31-link: corrupt [Some(1)] the history cannot be read: it is of another kind than it should be; links are not followed
        w-32-pipe: corrupt [Some(1)] the history cannot be read: it is not a file
        w-33-folder: corrupt [Some(1)] the history cannot be read: it is not a file
        w-34-none: pending [Some(0)] there is no history, and nothing that leads to one
        w-40-link-alone: pending [Some(0)] there is no history, and nothing that leads to one
        w-41-schedule-alone: pending [Some(0)] no worker has taken its start
        w-42-empty-schedule: pending [Some(0)] there is no history, and no start that leads to one
        w-43-broken-schedule: pending [Some(0)] there is no history, and no start that leads to one
        w-99-good: completed [Some(0)] event 2 ends it with a result
        complete: false
        …/runs/w-01-broken/events: event 2, at byte 118: expected a value
        …/runs/w-02-base64/events: event 2, at byte 118: `value` is not base64
        …/runs/w-09-numbers/events: event 2, at byte 106: `id` is not a whole number in its range
        …/runs/w-10-numbers/events: event 2, at byte 137: `counter` is not a whole number in its range
        …/runs/w-11-numbers/events: event 2, at byte 106: `id` is not a whole number in its range
        …/runs/w-12-two-kinds/events: event 2, at byte 123: it is both `stop` and `save`
        …/runs/w-13-empty/events: at byte 0: it ends too early: it is half written, and stays so
        …/runs/w-14-array/events: at byte 0: it is not an object
        …/runs/w-16-deep/events: event 1, at byte 1012: nested too deeply
        …/runs/w-17-bytes/events: at byte 0: it is not an object
        …/runs/w-19-time/events: event 1, at byte 33: `at` is not a time
        …/runs/w-20-null/events: event 1, at byte 26: the event is not an object
        …/runs/w-30-zeros/events: it is larger than 67108864 bytes
        …/runs/w-31-link/events: it is of another kind than it should be; links are not followed
        …/runs/w-32-pipe/events: it is not a file
        …/runs/w-33-folder/events: it is not a file
        …/schedules/default/2026-11-21T21:50:00/w-43-broken-schedule: at byte 11: it ends too early
    "#]].assert_eq(&summary(&path));

    let listed = items(&path, &["runs"]);
    assert_eq!(listed.len(), histories.len() + 5 + 4);
    let good = items(&path, &["runs", "--status", "completed", "--where", r#"{"eq": 42}"#]);
    assert!(ids(&good).contains(&"w-00-good") && ids(&good).contains(&"w-99-good"), "{good:?}");
    let output = on(&path, &["replay", "--all"]);
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    for id in ids(&listed) {
        let shown = on(&path, &["show", id]);
        assert!(matches!(shown.status.code(), Some(0 | 1)), "{}", seen(&shown));
        let result = on(&path, &["result", id]);
        assert!(matches!(result.status.code(), Some(0 | 1 | 2 | 8)), "{}", seen(&result));
    }
}

#[test]
fn a_history_of_substantial_cut_at_any_byte() {
    let fixture = "fixtures/substantial-0.1/fs/runs/waiter-6b5ade46-c793-4430-8338-0791e675a118/events";
    let whole = std::fs::read(root().join(fixture)).expect("a fixture");
    let names: Vec<String> = (0..=whole.len()).map(|at| format!("w-{at:04}")).collect();
    let cut = |(at, name): (usize, &String)| -> (String, Vec<u8>) { (name.clone(), whole[..at].to_vec()) };
    let cuts: Vec<(String, Vec<u8>)> = names.iter().enumerate().map(cut).collect();
    let cuts: Vec<(&str, Vec<u8>)> = cuts.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let (_keep, path) = substantial(&cuts);
    let started = std::time::Instant::now();
    let answer = answer(&path, &["runs"]);
    // Each is looked at again, since it may be half written, but not all of them for long.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    let listed = answer["items"].as_array().expect("items");
    assert_eq!(ids(listed), names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(answer["complete"], false);
    for (at, item) in listed.iter().enumerate().skip(1) {
        let sound = at == whole.len() || whole[at..].iter().all(u8::is_ascii_whitespace);
        assert_eq!(item["status"] == "corrupt", !sound, "{at}: {item}");
        assert!(sound || item["because"].as_str().is_some_and(|because| because.contains("ends too early")), "{item}");
    }
    let replayed = items(&path, &["replay", "--all"]);
    assert_eq!(replayed.len(), listed.len());
    for item in replayed.iter().filter(|item| item["sound"] == false) {
        let problem = &item["problems"][0];
        assert!(problem["seq"].as_u64().is_some_and(|seq| (1..=3).contains(&seq)), "{item}");
        assert!(problem["problem"].as_str().is_some_and(|what| what.contains("at byte")), "{item}");
    }
}

#[test]
fn what_may_not_be_read_of_substantial_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let (keep, path) = substantial(&[("w-1", done()), ("w-2", done()), ("w-3", done())]);
    for closed in ["runs/w-1/events", "runs/w-2"] {
        std::fs::set_permissions(path.join(closed), std::fs::Permissions::from_mode(0o000)).expect("set");
    }
    let of_nobody = |arguments: &[&str]| {
        let output = tc_of_nobody(keep.path(), &[arguments, &["-s", "store"]].concat()).output().expect("tc runs");
        (output.status.code(), seen(&output), output)
    };
    let (code, text, output) = of_nobody(&["runs", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{text}"));
    assert_eq!((code, &answer["complete"]), (Some(0), &json!(false)), "{text}");
    let listed = answer["items"].as_array().expect("items");
    assert_eq!((ids(listed), &listed[0]["status"]), (vec!["w-3"], &json!("completed")));
    let warnings = answer["warnings"].to_string();
    assert!(warnings.contains("w-1/events is not allowed"), "{warnings}");
    assert!(warnings.contains("1 run more could not be read") || warnings.contains("w-2"), "{warnings}");
    for id in ["w-1", "w-2"] {
        for command in [&["replay", id][..], &["result", id], &["send", id, "x"]] {
            let (code, text, _) = of_nobody(command);
            assert!(code == Some(4) && text.contains(id) && text.contains("not allowed"), "{text}");
        }
    }
    // So that the folder can be removed.
    std::fs::set_permissions(path.join("runs/w-2"), std::fs::Permissions::from_mode(0o755)).expect("set");
}

#[cfg(unix)]
#[test]
fn runs_are_not_cancelled_because_schedules_or_leases_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let (keep, store) = copy_of("fixtures/substantial-0.1/fs");
    for lease in std::fs::read_dir(store.join("leases")).expect("leases").flatten() {
        // No worker holds a run.
        let file = std::fs::File::open(lease.path()).expect("a lease");
        file.set_modified(std::time::UNIX_EPOCH).expect("set");
    }
    let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    let of_nobody =
        |arguments: &[&str]| tc_of_nobody(keep.path(), &[arguments, &["-s", "store"]].concat()).output().expect("tc");
    let cancelled = || {
        let output = of_nobody(&["runs", "--json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", seen(&output)));
        let items = answer["items"].as_array().expect("items").clone();
        let cancelled = items.iter().filter(|item| item["status"] == "cancelled").cloned().collect::<Vec<_>>();
        (items.len(), ids(&cancelled).len(), answer["complete"] == true)
    };
    let (all, really, _) = cancelled();
    assert!(really > 0 && all > really);
    for part in ["schedules/default", "leases"] {
        let mode = std::fs::metadata(store.join(part)).expect("a folder").permissions().mode();
        set(&store.join(part), 0o000);
        // That nothing leads to a run is not known now.
        assert_eq!(cancelled(), (all, 0, false), "{part}");
        let waiter = std::fs::read_dir(store.join("runs")).expect("runs").flatten();
        let waiter = waiter.map(|run| run.file_name().into_string().expect("UTF-8"));
        let waiter = waiter.filter(|run| run.starts_with("waiter-")).min().expect("a run that waits");
        says(&of_nobody(&["result", &waiter, "--wait", "--timeout", "1s"]), 8, &["has not ended yet"]);
        set(&store.join(part), mode);
    }
}

/// A pickle of an instance whose call stack is what these bytes make.
fn instance(call_stack: &[u8]) -> Vec<u8> {
    [&b"\x80\x04}(X\x0b\x00\x00\x00instance_idX\x01\x00\x00\x00xX\x0a\x00\x00\x00call_stack"[..], call_stack, b"u."]
        .concat()
}

/// A pickle of an instance that has ended with the value that these bytes make.
fn ended(value: &[u8]) -> Vec<u8> {
    let key = |key: &str| [&[0x8c, u8::try_from(key.len()).expect("short")], key.as_bytes()].concat();
    let nested = |value: &[u8]| {
        let pickle = [b"\x80\x04", value, b"."].concat();
        [b"B", &u32::try_from(pickle.len()).expect("not too long").to_le_bytes()[..], &pickle].concat()
    };
    let parts =
        [key("calls"), b"]".to_vec(), key("pending_return_values"), nested(b"N"), key("last_result"), nested(value)];
    instance(&[b"}(", &parts.concat()[..], b"u"].concat())
}

#[test]
fn results_of_durable_python_are_whole_or_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("states");
    std::fs::create_dir(&path).expect("made");
    let put =
        |name: &str, value: &[u8]| std::fs::write(path.join(format!("{name}.pkl")), ended(value)).expect("written");
    let long = "x".repeat(70_000);
    put("long", &[&b"X"[..], &70_000u32.to_le_bytes(), long.as_bytes()].concat());
    put("many", &[&b"]("[..], &b"K\x01".repeat(30_000), b"e"].concat());
    let pairs = (0..150u8).flat_map(|number| [b'K', number, b'K', number]).collect::<Vec<_>>();
    put("keys", &[&b"}("[..], &pairs, b"u"].concat());
    put("deep", &[&b"]".repeat(2_000)[..], &b"a".repeat(1_999)].concat());
    let result = |name: &str| seen(&on(&path, &["result", name]));
    assert_eq!(result("long"), format!("\"{long}\"\n"));
    assert_eq!(result("many"), format!("[{}]\n", ["1"; 30_000].join(",")));
    let keys = (0..150).map(|number| format!("{number}: {number}")).collect::<Vec<_>>();
    assert_eq!(result("keys"), format!("{{{}}}\n", keys.join(", ")));
    for output in ["table", "json"] {
        says(&on(&path, &["result", "deep", "--output", output]), 2, &["the result of deep is too large or too deep"]);
    }
}

#[test]
fn hostile_pickles_of_durable_python() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("states");
    std::fs::create_dir(&path).expect("made");
    let whole = std::fs::read(root().join("fixtures/durable-python/greet-1.pkl")).expect("a fixture");
    let made = folder.path().join("made");
    let text = |text: &str| [&[0x8c, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    let class = |module: &str, name: &str| [text(module), text(name), vec![0x93]].concat();
    let system = text(&format!("touch {}", made.display()));
    let call = [class("os", "system"), system, b"\x85R".to_vec()].concat();
    let open = text(&format!("open(\"{}\", \"w\")", made.display()));
    let builtin = [class("builtins", "eval"), open, b"\x85R".to_vec()].concat();
    let mut bomb = b"]\x94".to_vec();
    for level in 0..60u8 {
        bomb.extend([b'h', level, b'h', level, 0x86, 0x94]);
    }
    let deep = [&b"]".repeat(1 << 20)[..], &b"a".repeat((1 << 20) - 1)].concat();
    let marks = b"(".repeat(1 << 20);
    let put = |name: &str, bytes: &[u8]| std::fs::write(path.join(format!("{name}.pkl")), bytes).expect("written");
    put("a-good", &whole);
    put("b-system", &[b"\x80\x04", &call[..], b"."].concat());
    put("c-system-inside", &instance(&call));
    put("d-eval", &instance(&builtin));
    put("e-deep", &instance(&deep));
    put("f-marks", &instance(&marks));
    put("g-length", &instance(b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc"));
    put("h-length", &instance(b"X\xff\xff\xff\xffabc"));
    put("i-long", &instance(b"\x8b\xff\xff\xff\x7f"));
    put("j-bomb", &instance(&bomb));
    put("k-class", &instance(&[class("no.such", "Class"), b")\x81".to_vec()].concat()));
    put("l-memo", &instance(b"]j\xff\xff\xff\xff"));
    put("m-get", &instance(b"h\xff"));
    put("n-half", &whole[..whole.len() / 2]);
    put("o-empty", b"");
    put("p-frame", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff}.");
    put("q-stop", &instance(b"0"));
    put("r-persistent", &instance(b"\x8c\x03abcQ"));
    put("s-protocol", b"\x80\xff}.");
    put("z-good", &whole);
    std::fs::File::create(path.join("t-zeros.pkl")).and_then(|file| file.set_len(4 << 30)).expect("made");
    std::fs::create_dir(path.join("u-folder.pkl")).expect("made");
    std::os::unix::fs::symlink("/dev/zero", path.join("v-device.pkl")).expect("linked");
    assert!(std::process::Command::new("mkfifo").arg(path.join("w-pipe.pkl")).status().expect("mkfifo").success());

    let answer = answer(&path, &["runs"]);
    let listed = answer["items"].as_array().expect("items");
    assert_eq!(listed.len(), 24);
    for item in listed {
        let id = item["run"].as_str().expect("an id");
        let good = id.ends_with("good");
        assert_eq!(item["status"], if good { "waiting" } else { "corrupt" }, "{item}");
        let replay = on(&path, &["replay", id]);
        assert_eq!(replay.status.code(), Some(i32::from(!good)), "{}", seen(&replay));
        assert!(replay.stdout.len() + replay.stderr.len() < 4_000, "{}", seen(&replay));
        if !good {
            assert!(item["because"].as_str().is_some_and(|because| because.contains(&format!("{id}.pkl"))), "{item}");
            says(&on(&path, &["result", id]), 1, &[id, "is corrupt"]);
        }
        let shown = on(&path, &["show", id]);
        assert!(seen(&shown).contains(if good { "allow" } else { id }), "{}", seen(&shown));
    }
    says(&on(&path, &["replay", "--all"]), 1, &["24 runs", "22 corrupt, 2 sound"]);
    assert!(!made.exists(), "a pickle was run");
}

#[test]
fn many_files_that_are_half_written_do_not_hold_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = std::fs::read(root().join("fixtures/durable-python/greet-1.pkl")).expect("a fixture");
    for number in 0..400 {
        let end = if number == 0 { whole.len() } else { number * whole.len() / 400 };
        let path = folder.path().join(format!("cut-{number:03}.pkl"));
        std::fs::write(&path, &whole[..end]).expect("written");
        // Of those that were written long ago nobody finishes any more.
        let file = std::fs::File::options().write(true).open(path).expect("opened");
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3_600)).expect("set");
    }
    let started = std::time::Instant::now();
    let listed = items(folder.path(), &["runs"]);
    assert_eq!(listed.iter().filter(|item| item["status"] == "corrupt").count(), 399);
    assert_eq!(listed[0]["status"], "waiting");
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
