//! What our client writes, byte for byte against what the package's own client writes for the same calls.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use temporal_code::Timestamp;
use temporal_code::foreign::substantial::{PlannedEvent, SubstantialClient, SubstantialFiles, WorkerZone};
use temporal_code::stores::Error;
use temporal_code::workflows::Json;

use crate::support::{at, copy, fixtures, folder, run, script};

/// The uuid whose random bits are these.
const UUID: &str = "00000000-0000-4000-8000-0000000000";

/// Calls as the script takes them. A value is given as text, since Python and we must read the same.
pub(crate) fn calls() -> Vec<Value> {
    let call = |text: &str| serde_json::from_str(text).unwrap();
    let kwargs = [
        "{}",
        r#"{"name": "Ada", "factor": 0.25, "n": 3, "list": [1, 2.0, null, true, false, {"a": []}], "empty": {}}"#,
        r#"{"text": "Zoë 𝄞 \" \\ / \b\f\n\r\t\u0001\u007f\u2028", "key ü": "x"}"#,
        r#"{"big": 123456789012345678901234567890, "neg": -0.0, "e": 1e16, "s": 1e-7, "h": 1.5e300, "i": 100000.0, "z": -5}"#,
    ];
    let mut calls: Vec<Value> = Vec::new();
    let times = [
        "2026-11-22T10:00:00.123456",
        "2026-11-22T10:00:01",
        "2026-11-22T10:00:02.500000",
        "2026-11-22T10:00:03.000001",
    ];
    for (number, (kwargs, now)) in kwargs.iter().zip(times).enumerate() {
        let queue = if number == 1 { "slow" } else { "default" };
        calls.push(call(&format!(
            r#"{{"now": "{now}", "queue": "{queue}", "workflow": "order", "uuid": "{UUID}{number:02x}", "kwargs": {kwargs}}}"#
        )));
    }
    let values = [
        "null",
        r#"{"by": "Zoë", "amount": 12.5, "list": [1, 2.0, {"a": {}}], "text": "\" \\ \b\f\n\r\t\u0001\u007f\u2028 𝄞"}"#,
        "18446744073709551615",
        "[1e16, 1e-7, 1.5e300, 100000.0, -0.0, 1e15, 123456789.125, 5e-324, 0.00001, -9223372036854775808]",
        "\"plain\"",
    ];
    for (number, value) in values.iter().enumerate() {
        let name = ["by", "Zoë's \\\"name\\\"", "", "a b", "x\\u0007"][number];
        calls.push(call(&format!(
            r#"{{"now": "2026-11-22T10:01:0{number}.00{number}", "queue": "default", "run": "order-{UUID}00", "name": "{name}",
                "value": {value}}}"#
        )));
    }
    calls
}

/// Does the same calls with our client; `east_s` is how far its zone is ahead of UTC.
pub(crate) async fn do_calls(client: &SubstantialClient, calls: &[Value], east_s: i64) -> Vec<PlannedEvent> {
    let mut planned = Vec::new();
    for call in calls {
        let text = |name: &str| call[name].as_str().unwrap();
        let now = at(text("now")).offset_micros(-east_s * 1_000_000);
        // The text as the file has it, so that numbers are not changed on the way.
        let json = |name: &str| Json::parse(&call[name].to_string()).unwrap();
        planned.push(if call.get("workflow").is_some() {
            let random = u128::from_str_radix(&text("uuid").replace('-', ""), 16).unwrap();
            client.start(text("workflow"), &json("kwargs"), text("queue"), random, now).await.unwrap()
        } else {
            client.send(text("run"), text("name"), &json("value"), text("queue"), now).await.unwrap()
        });
    }
    planned
}

/// Every file below a folder, and every folder, with what it holds.
fn tree(root: &Path) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.insert(name, None);
                open.push(path);
            } else {
                found.insert(name, Some(std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

fn client(root: &Path) -> SubstantialClient {
    SubstantialClient::Files(Arc::new(SubstantialFiles::open(root, WorkerZone::utc()).unwrap()))
}

/// Does calls with both clients in copies of one store, and compares all that is there then.
async fn compare(before: impl Fn(&Path), calls: &[Value]) -> BTreeMap<String, Option<String>> {
    let folder = folder();
    let (theirs, ours) = (folder.path().join("theirs"), folder.path().join("ours"));
    before(&theirs);
    before(&ours);
    let file = folder.path().join("calls.json");
    std::fs::write(&file, serde_json::to_string(calls).unwrap()).unwrap();
    let runs = run(script("client.py").arg("fs").arg(&theirs).arg(&file));
    let planned = do_calls(&client(&ours), calls, 0).await;
    assert_eq!(runs, json!(planned.iter().map(|planned| &planned.run).collect::<Vec<_>>()));
    let (theirs, ours) = (tree(&theirs), tree(&ours));
    assert_eq!(theirs, ours);
    ours
}

fn empty(root: &Path) {
    ["runs", "schedules", "leases"].iter().for_each(|name| std::fs::create_dir_all(root.join(name)).unwrap());
}

#[tokio::test]
async fn files_are_those_of_the_package() {
    let calls = calls();
    let tree = compare(empty, &calls).await;
    let schedules = tree.iter().filter(|(name, held)| name.starts_with("schedules/") && held.is_some());
    assert_eq!(schedules.count(), calls.len());
}

#[tokio::test]
async fn schedules_without_events_make_way() {
    let run = "waiter-6b5ade46-c793-4430-8338-0791e675a118";
    let before = |root: &Path| {
        copy(&fixtures().join("fs"), root);
        // One that comes later stays, and so do those of others and those with events.
        for (time, run, held) in [
            ("2026-11-21T21:50:10", run, ""),
            ("2026-11-21T21:50:20.000001", run, ""),
            ("2026-11-21T21:50:09", run, r#"{"send": {"name": "other"}}"#),
            ("2026-11-21T21:50:09", "waiter-2", ""),
        ] {
            let folder = root.join("schedules/default").join(time);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(run), held).unwrap();
        }
    };
    let call = json!({"now": "2026-11-21T21:50:20", "queue": "default", "run": run, "name": "approve", "value": 1});
    let tree = compare(before, &[call]).await;
    let left: Vec<&str> =
        tree.keys().filter(|name| name.starts_with("schedules/") && name.ends_with(run)).map(String::as_str).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[tokio::test]
async fn a_time_that_is_taken_is_not_taken_again() {
    let folder = folder();
    empty(folder.path());
    let client = client(folder.path());
    let now = at("2026-11-22T10:00:00Z");
    let mut times: Vec<Timestamp> = Vec::new();
    for number in 0..5 {
        let planned = client.send("order-1", "n", &Json::of(&number).unwrap(), "default", now).await.unwrap();
        times.push(planned.at);
    }
    assert_eq!(times, (0..5).map(|us| now.offset_micros(us)).collect::<Vec<_>>());
    let found = client.read(&["order-1"]).await.unwrap().remove(0);
    assert_eq!((found.schedules_count, found.warnings.len()), (5, 0));
    // Nothing of what was written on the way is left.
    assert!(tree(folder.path()).keys().all(|name| !name.contains(".tc-")));
}

#[tokio::test]
async fn what_the_package_could_not_have_is_refused() {
    let folder = folder();
    empty(folder.path());
    let client = client(folder.path());
    let (now, null) = (at("2026-11-22T10:00:00Z"), Json::null());
    let long = "x".repeat(300);
    for bad in ["", "..", ".", "a/b", "../../etc/passwd", "a:/b", "a\0b", "a\u{1b}[31mb", long.as_str()] {
        let refused = [
            client.send(bad, "n", &null, "default", now).await.unwrap_err(),
            client.send("order-1", "n", &null, bad, now).await.unwrap_err(),
            client.start(bad, &Json::parse("{}").unwrap(), "default", 0, now).await.unwrap_err(),
        ];
        for error in refused {
            assert!(matches!(error, Error::Invalid { .. }), "{bad}: {error}");
            assert!(!error.to_string().contains('\u{1b}'));
        }
    }
    for bad in ["1", "[]", "null"] {
        assert!(client.start("order", &Json::parse(bad).unwrap(), "default", 0, now).await.is_err(), "{bad}");
    }
    for bad in ["1e999", "123456789012345678901234567890"] {
        assert!(client.send("order-1", "n", &Json::parse(bad).unwrap(), "default", now).await.is_err(), "{bad}");
    }
    assert_eq!(tree(folder.path()).len(), 3);
}
