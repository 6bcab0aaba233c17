//! What only an object store has: segments and copies, answers that are lost, and objects that others put there.

use std::time::Duration;

use serde_json::Value;
use temporal_code::functions::{Durability, Evolving, Tracker};

use crate::follow::Follow;
use crate::ground::{Ground, exit, fixture, gzip, json, run, seen, segment_at, tc, wait_for};
use crate::servers::moto::Moto;
use crate::servers::s3_proxy::{Fault, Proxy, Seen};

fn call(function: &str, n: u64) -> String {
    format!(
        "{{\"event\": \"call\", \"function\": \"{function}\", \"timestamp\": \"2026-01-02T03:04:{:02}+00:00\", \
         \"variant\": \"v1\", \"value\": {n}, \"error\": null, \"latency_ms\": 1.0, \"success\": true}}\n",
        n % 60
    )
}

fn value(record: &Value) -> u64 {
    let value = &record["value"];
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).expect("a value")
}

fn zst(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).expect("compressed")
}

/// A bucket behind a proxy, and what runs the proxy.
pub(crate) struct Way {
    pub(crate) proxy: Proxy,
    /// Through the proxy.
    pub(crate) ground: Ground,
    /// Past it.
    direct: Ground,
    _runtime: tokio::runtime::Runtime,
}

pub(crate) fn way() -> Way {
    let moto = Moto::shared();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let proxy = runtime.block_on(Proxy::start(moto.port));
    let bucket = moto.new_bucket();
    let ground = Ground::in_bucket(moto.port, proxy.port, &bucket);
    Way { proxy, ground, direct: Ground::in_bucket(moto.port, moto.port, &bucket), _runtime: runtime }
}

fn is_segment(seen: &Seen) -> bool {
    seen.method == "PUT" && seen.target.contains("/evolution/2")
}

fn calls(ground: &Ground, function: &str) -> u64 {
    let status = json(&mut ground.tc(&["status", function, "--json"]));
    assert_eq!(status["complete"], true, "{status}");
    status["items"][0]["calls"].as_u64().expect("calls")
}

#[test]
fn trackers_write_segments_as_they_are_described() {
    let ground = Ground::bucket();
    let tracker = ground.open(Tracker::options().durability(Durability::EachEvent));
    let function = Evolving::new("f", |n: &u64| *n).log_values().tracker(&tracker);
    for n in 0..3 {
        function.call(&n).expect("an answer");
    }
    tracker.close().expect("closed");
    let keys = ground.keys();
    let segments = keys.iter().filter(|key| key.starts_with("logs/evolution/2")).collect::<Vec<_>>();
    assert_eq!(segments.len(), 3, "{keys:?}");
    let mut values = Vec::new();
    for key in segments {
        let name = key.rsplit_once('/').expect("a folder").1;
        let parts = name.strip_suffix(".jsonl.zst").expect("compressed").split('_').collect::<Vec<_>>();
        let [put, first, last, id, lines] = parts.as_slice() else { panic!("{name}") };
        assert!(first == last && last <= put && *lines == "1", "{name}");
        assert_eq!(format!("{}-{}-{}/{}", &put[..4], &put[4..6], &put[6..8], &put[9..11]), key[15..28]);
        let (writer, number) = id.split_once('-').expect("a number");
        assert!(writer.len() == 16 && number.parse::<u64>().is_ok_and(|number| number > 0));
        let text = zstd::decode_all(&ground.get(key)[..]).expect("zstd");
        let record: Value = serde_json::from_slice(&text).expect("one line");
        assert_eq!(
            record["timestamp"].as_str().map(|at| at[..19].replace(['-', ':'], "")),
            Some(first[..15].to_owned())
        );
        values.push(value(&record));
    }
    assert_eq!(values, [0, 1, 2]);
}

/// Whatever becomes of the answers, what was put is there once.
#[test]
fn answers_that_are_lost_put_nothing_twice() {
    let way = way();
    let faults = [
        Fault::CloseAfter,
        Fault::CloseBefore,
        Fault::Twice,
        Fault::Answer(503, "SlowDown"),
        Fault::Late(Duration::from_millis(300)),
        Fault::HalfBody,
    ];
    let mut number = 0;
    way.proxy.plan(move |seen| {
        let is_struck = is_segment(seen) && {
            number += 1;
            number % 2 == 1
        };
        if is_struck { faults[number / 2 % faults.len()] } else { Fault::None }
    });
    let tracker = way.ground.open(Tracker::options().durability(Durability::Every(Duration::from_millis(20))));
    let function = Evolving::new("f", |n: &u64| *n).log_values().tracker(&tracker);
    for round in 0..8 {
        for n in 0..50 {
            function.call(&(round * 50 + n)).expect("an answer");
        }
        tracker.flush(Duration::from_secs(30)).expect("written");
    }
    tracker.close().expect("closed");
    way.proxy.calm();
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(calls(&way.direct, "f"), 400);
    let history = json(&mut way.direct.tc(&["history", "-n", "all", "--json"]));
    let values = history["items"].as_array().expect("items").iter().map(value);
    assert_eq!(values.collect::<Vec<_>>(), (0..400).collect::<Vec<_>>());
    assert_eq!(tracker.health().dropped, 0);
}

#[test]
fn copies_of_a_log_count_once_and_what_cannot_be_decompressed_is_named() {
    let ground = Ground::bucket();
    let log = |from: u64, to: u64| (from..to).map(|n| call("f", n)).collect::<String>();
    ground.put("logs/x.jsonl", log(10, 20).as_bytes());
    ground.put("logs/x.jsonl.gz", &gzip(&log(10, 20)));
    ground.put("logs/x.jsonl.OLD", log(10, 15).as_bytes());
    ground.put("logs/x.jsonl.bak", log(5, 10).as_bytes());
    ground.put("logs/x.jsonl.1.GZ", &gzip(&log(0, 5)));
    assert_eq!(calls(&ground, "f"), 20);
    ground.put("logs/x.jsonl.2.xz", b"\xfd7zXZ\0\0\x04");
    let status = json(&mut ground.tc(&["status", "f", "--json"]));
    assert_eq!((&status["complete"], &status["items"][0]["calls"]), (&false.into(), &20.into()));
    assert!(status["warnings"].to_string().contains("compressed by xz"), "{status}");
    let strict = seen(&run(&mut ground.tc(&["status", "f", "--strict"])));
    assert!(strict.contains("x.jsonl.2.xz") && strict.contains("[exit Some(2)]"), "{strict}");
}

#[test]
fn the_same_segment_under_two_names_counts_once_and_goes_as_one() {
    let ground = Ground::bucket();
    for (put, lines) in [("2026-01-02T04:00:00Z", 3), ("2026-01-02T04:02:00Z", 3)] {
        let text = (0..lines).map(|n| call("f", n)).collect::<String>();
        let (key, body) = segment_at(put, 7, &text);
        ground.put(&format!("logs/{key}"), &body);
    }
    assert_eq!(ground.keys().len(), 2);
    assert_eq!(calls(&ground, "f"), 3);
    assert_eq!(json(&mut ground.tc(&["history", "-n", "all", "--json"]))["items"].as_array().map(Vec::len), Some(3));
    let cleaned = json(&mut ground.tc(&["clean", "--yes", "--json"]));
    assert_eq!(cleaned["items"][0]["events_deleted"], 3);
    assert_eq!(ground.keys(), [""; 0]);
}

#[test]
fn a_decision_whose_answer_is_lost_lands_once() {
    let way = way();
    way.direct.write(&fixture("demo/evolution.jsonl"));
    let before = way.direct.keys().len();
    // That writes are exclusive is tried out first, and noted.
    assert_eq!(exit(&mut way.ground.tc(&["promote", "greeting", "casual", "-y", "--by", "first"])), 0);
    let faults = [Fault::CloseAfter, Fault::Answer(503, "SlowDown"), Fault::Twice, Fault::CloseBefore];
    for (number, fault) in faults.into_iter().enumerate() {
        way.proxy.once(fault, |seen| seen.is_create && seen.target.contains("/decisions/"));
        let by = format!("n{number}");
        let output = run(&mut way.ground.tc(&["promote", "greeting", "casual", "-y", "--by", &by, "--json"]));
        assert_eq!(output.status.code(), Some(0), "{fault:?}: {}", seen(&output));
        let history = json(&mut way.direct.tc(&["history", "-n", "1", "--event", "promotion", "--json"]));
        assert_eq!(history["items"][0]["by"], by.as_str());
    }
    // And `store.json`.
    assert_eq!(way.direct.keys().len(), before + faults.len() + 2, "{:?}", way.direct.keys());
}

#[test]
fn copies_are_read_as_files_are() {
    let ground = Ground::bucket();
    let folder = tempfile::tempdir().expect("a folder");
    let log = fixture("demo/evolution.jsonl");
    let lines = log.split_inclusive('\n').collect::<Vec<_>>();
    let parts = lines.chunks(lines.len().div_ceil(4)).map(<[&str]>::concat).collect::<Vec<_>>();
    let files = [
        ("evolution.jsonl.3.gz", gzip(&parts[0])),
        ("evolution.jsonl.2.zst", zst(&parts[1])),
        ("evolution.jsonl.1", parts[2].clone().into_bytes()),
        ("evolution.jsonl", parts[3].clone().into_bytes()),
    ];
    for (name, body) in &files {
        std::fs::write(folder.path().join(name), body).expect("written");
        ground.put(&format!("logs/python/{name}"), body);
    }
    // Neither these nor what tools put there for folders are logs, or in the way of any.
    for key in [
        "logs/",
        "logs/python/",
        "logs/evolution.",
        "logs/python/readme.md",
        "logs/runs/greet-1/1/00000000000000000001.jsonl",
    ] {
        ground.put(key, b"");
    }
    ground.put("logs/empty.jsonl", b"");
    let there = folder.path().to_str().expect("UTF-8");
    for arguments in [
        &["status", "--json"][..],
        &["history", "-n", "all", "--json"],
        &["history", "-n", "5", "--json"],
        &["events", "--json"],
    ] {
        let (here, there) = (json(&mut ground.tc(arguments)), json(&mut tc(&[arguments, &["-s", there]].concat())));
        let plain = |mut answer: Value| {
            for item in answer["items"].as_array_mut().expect("items") {
                item.as_object_mut().expect("an object").remove("source");
            }
            answer["items"].clone()
        };
        assert_eq!(here["complete"], true, "{here}");
        assert_eq!(plain(here), plain(there), "{arguments:?}");
    }
    for (name, _) in &files {
        let url = format!("{}/python/{name}", ground.url);
        let one = json(ground.tc(&["events", "--json"]).env("TC_STORE", &url));
        let file = json(&mut tc(&["events", "--json", "-s", folder.path().join(name).to_str().expect("UTF-8")]));
        assert_eq!(one["items"], file["items"], "{name}");
    }
    // Nothing can be appended to one object, and copies are not ours to delete.
    let url = format!("{}/python/evolution.jsonl", ground.url);
    let output = run(ground.tc(&["promote", "greeting", "casual", "-y", "--force"]).env("TC_STORE", url));
    assert_eq!(output.status.code(), Some(2));
    assert!(seen(&output).contains("names one object"), "{}", seen(&output));
    let before = ground.keys();
    let output = run(&mut ground.tc(&["clean", "--yes"]));
    assert!(seen(&output).contains("only what trackers wrote is deleted"), "{}", seen(&output));
    assert_eq!(ground.keys(), before);
    // What is decided about them stands beside them.
    assert_eq!(exit(&mut ground.tc(&["promote", "greeting", "casual", "-y"])), 0);
    let status = json(&mut ground.tc(&["status", "greeting", "--json"]));
    assert_eq!(status["items"][0]["forced"]["variant"], "casual");
}

/// Large ones are read in parts, from either end.
#[test]
fn a_large_copy_is_read_from_its_front_and_from_its_end() {
    let ground = Ground::bucket();
    let text = (0..120_000).map(|n| call("f", n)).collect::<String>();
    assert!(text.len() > 16 << 20);
    ground.put("logs/a/large.jsonl", text.as_bytes());
    ground.put("logs/b/large.jsonl.zst", &zst(&text));
    assert_eq!(calls(&ground, "f"), 240_000);
    for name in ["a/large.jsonl", "b/large.jsonl.zst"] {
        let mut command = ground.tc(&["history", "-n", "50000", "--json"]);
        let history = json(command.env("TC_STORE", format!("{}/{name}", ground.url)));
        let values = history["items"].as_array().expect("items").iter().map(value);
        assert!(values.eq(70_000..120_000), "{name}");
    }
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_read() {
    let ground = Ground::bucket();
    ground.put("logs/good.jsonl", call("good", 1).as_bytes());
    let whole = zst(&(0..20_000).map(|n| call("half", n * 7_919)).collect::<String>());
    ground.put("logs/cut.jsonl.zst", &whole[..whole.len() / 2]);
    ground.put("logs/junk.jsonl.gz", b"\x1f\x8b\x08junk");
    let mut bomb = Vec::new();
    let zeros = std::io::Read::take(std::io::repeat(0), 2 << 30);
    zstd::stream::copy_encode(zeros, &mut bomb, 1).expect("compressed");
    ground.put("logs/bomb.jsonl.zst", &bomb);
    let (key, mut body) = segment_at("2026-01-02T04:00:00Z", 7, &call("segment", 1));
    body.truncate(body.len() - 5);
    ground.put(&format!("logs/{key}"), &body);
    let stray = format!("{}odd\u{202e}.jsonl", key.split_at(24).0);
    ground.put(&format!("logs/{}", stray.replace('\u{202e}', "%E2%80%AE")), b"");
    let odd = ["%2E%2E/up.jsonl", "a%1B%5B31m.jsonl", "x/%2E/dot.jsonl", "x//y.jsonl"];
    for key in odd {
        ground.put(&format!("logs/{key}"), call("odd", 1).as_bytes());
    }
    for arguments in [
        &["status", "--json"][..],
        &["events", "--json"],
        &["history", "-n", "all", "--json"],
        &["summary", "good", "--json"],
    ] {
        let answer = json(&mut ground.tc(arguments));
        assert_eq!(answer["complete"], false, "{answer}");
        assert!(
            answer["items"].to_string().contains("call") || answer["items"].to_string().contains("good"),
            "{answer}"
        );
        let warnings = answer["warnings"].to_string();
        for name in [
            "cut.jsonl.zst",
            "junk.jsonl.gz",
            "bomb.jsonl.zst",
            "/up.jsonl",
            "31m.jsonl",
            "dot.jsonl",
            "x//y.jsonl",
            "00000000000000aa-7",
            "odd",
        ] {
            assert!(warnings.contains(name), "{name} in {arguments:?}: {answer}");
        }
    }
    let output = run(&mut ground.tc(&["status", "-v"]));
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    assert!(!seen(&output).contains(['\u{1b}', '\u{202e}']), "{}", seen(&output));
    assert_eq!(exit(&mut ground.tc(&["status", "--strict"])), 2);
    // What is damaged is not deleted by its age, and no copy is at all.
    let before = ground.keys();
    assert_eq!(exit(&mut ground.tc(&["clean", "--older-than", "1d", "--yes"])), 0);
    assert_eq!(ground.keys(), before);
}

#[test]
fn what_is_gone_before_it_is_read_is_named() {
    let way = way();
    way.direct.write(&fixture("demo/evolution.jsonl"));
    way.direct.put("logs/copy.jsonl", call("copy", 1).as_bytes());
    let all = json(&mut way.direct.tc(&["status", "--json"]));
    assert_eq!(all["complete"], true);
    for gone in ["copy.jsonl", "000000000003.jsonl", "00000000000000aa-2_"] {
        way.proxy.plan(move |seen| match seen.method == "GET" && seen.target.contains(gone) {
            true => Fault::Answer(404, "NoSuchKey"),
            false => Fault::None,
        });
        for arguments in [&["status", "--json"][..], &["history", "-n", "all", "--json"]] {
            let answer = json(&mut way.ground.tc(arguments));
            assert_eq!(answer["complete"], false, "{gone}: {answer}");
            let warnings = answer["warnings"].to_string();
            assert!(warnings.contains(gone) && warnings.contains("it is gone"), "{gone}: {warnings}");
        }
    }
}

#[test]
fn what_is_refused_and_what_is_not_there() {
    let way = way();
    way.direct.write(&fixture("demo/evolution.jsonl"));
    type Wanted = fn(&Seen) -> bool;
    let struck: [Wanted; 2] = [Seen::is_list, |seen| seen.method == "GET" && !seen.is_list()];
    for wanted in struck {
        way.proxy.plan(move |seen| if wanted(seen) { Fault::Answer(403, "AccessDenied") } else { Fault::None });
        for arguments in [
            &["status"][..],
            &["history"],
            &["promote", "greeting", "casual", "-y"],
            &["clean", "--yes"],
            &["history", "--follow"],
        ] {
            let output = run(&mut way.ground.tc(arguments));
            assert_eq!(output.status.code(), Some(4), "{arguments:?}: {}", seen(&output));
            assert!(seen(&output).contains("hint: credentials come from AWS_ACCESS_KEY_ID"), "{}", seen(&output));
            assert!(!seen(&output).contains("not-shown-anywhere"));
            let output = run(way.ground.tc(arguments).arg("--json"));
            let error: Value = serde_json::from_slice(&output.stderr).expect("JSON");
            assert_eq!((output.status.code(), &error["error"]["code"]), (Some(4), &"denied".into()), "{error}");
        }
    }
    way.proxy.plan(|seen| if seen.method == "PUT" { Fault::Answer(403, "AccessDenied") } else { Fault::None });
    assert_eq!(exit(&mut way.ground.tc(&["status"])), 0);
    assert_eq!(exit(&mut way.ground.tc(&["promote", "greeting", "casual", "-y"])), 4);
    way.proxy.calm();
    let output = run(way.ground.tc(&["status"]).env("TC_STORE", "s3://nobodys-bucket/x"));
    assert_eq!(output.status.code(), Some(2));
    assert!(seen(&output).contains("there is no bucket `nobodys-bucket`"), "{}", seen(&output));
    let output = run(way.ground.tc(&["status"]).env("TC_STORE", format!("{}/elsewhere", way.ground.url)));
    assert_eq!(output.status.code(), Some(2));
    assert!(seen(&output).contains("error: no evolution log at "), "{}", seen(&output));
    // A name of the same beginning is another.
    let output = run(way.ground.tc(&["status"]).env("TC_STORE", way.ground.url.trim_end_matches('s')));
    assert!(seen(&output).contains("error: no evolution log at "), "{}", seen(&output));
}

#[test]
fn what_passes_is_asked_again() {
    let way = way();
    way.direct.write(&fixture("demo/evolution.jsonl"));
    let answer = |ground: &Ground| json(&mut ground.tc(&["status", "--json"]));
    let expected = answer(&way.direct);
    let mut number = 0;
    let faults =
        [Fault::Answer(503, "SlowDown"), Fault::HalfBody, Fault::CloseAfter, Fault::Answer(500, "InternalError")];
    way.proxy.plan(move |_| {
        number += 1;
        if number % 3 == 0 { faults[number / 3 % faults.len()] } else { Fault::None }
    });
    assert_eq!(answer(&way.ground), expected);
    assert!(way.proxy.calm() > 10);
}

/// What is older than what was asked for is not even asked for.
#[test]
fn only_segments_that_can_matter_are_fetched() {
    let way = way();
    for day in 1..=28 {
        let text = call("f", 1).replace("2026-01-02", &format!("2026-03-{day:02}"));
        let (key, body) = segment_at(&format!("2026-03-{day:02}T03:05:00Z"), day, &text);
        way.direct.put(&format!("logs/{key}"), &body);
    }
    let fetched = |arguments: &[&str]| {
        let fetched = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = fetched.clone();
        way.proxy.plan(move |request| {
            if request.method == "GET" && !request.is_list() && request.target.contains(".jsonl") {
                seen.lock().expect("a list").push(request.target.clone());
            }
            Fault::None
        });
        let answer = json(&mut way.ground.tc(arguments));
        let days = fetched
            .lock()
            .expect("a list")
            .iter()
            .map(|key| key.split("/evolution/").nth(1).expect("a key")[..10].to_owned())
            .collect::<std::collections::BTreeSet<_>>();
        (answer, days)
    };
    let (answer, days) = fetched(&["status", "--json", "--since", "2026-03-27T00:00:00Z"]);
    assert_eq!(answer["items"][0]["calls"], 2);
    assert_eq!(days.into_iter().collect::<Vec<_>>(), ["2026-03-27", "2026-03-28"]);
    let (answer, days) = fetched(&["status", "--json", "--until", "2026-03-03T00:00:00Z"]);
    assert_eq!(answer["items"][0]["calls"], 2);
    assert_eq!(days.into_iter().collect::<Vec<_>>(), ["2026-03-01", "2026-03-02"]);
    let (answer, days) = fetched(&["history", "-n", "1", "--json"]);
    assert_eq!(answer["items"].as_array().map(Vec::len), Some(1));
    // How many are on their way before the last ones are looked at depends on who is faster.
    assert!(days.len() < 28, "{days:?}");
}

/// A writer that is late is found by who follows, and what was there before is not printed again.
#[test]
fn segments_that_come_late_are_followed() {
    let ground = Ground::bucket();
    let now = temporal_code::Timestamp::now();
    let put = |ago_s: i64, number: u64, function: &str| {
        let (key, body) = segment_at(&now.offset_micros(-ago_s * 1_000_000).to_string(), number, &call(function, 1));
        ground.put(&format!("logs/{key}"), &body);
    };
    put(120, 1, "before");
    let follow = Follow::start(&ground, &["-n", "1", "--json"]);
    assert_eq!(follow.record()["function"], "before");
    std::thread::sleep(Duration::from_secs(1));
    put(300, 2, "late");
    assert_eq!(follow.record()["function"], "late");
    // The same again, by another name.
    put(100, 2, "late");
    put(0, 3, "now");
    assert_eq!(follow.record()["function"], "now");
    assert_eq!(follow.rest(), [""; 0]);
}

/// Somebody numbers a decision as no one would, and another is no decision.
#[test]
fn odd_decisions_stop_nobody() {
    let ground = Ground::bucket();
    ground.write(&fixture("demo/evolution.jsonl"));
    ground.put("logs/evolution/decisions/18446744073709551615.jsonl", b"x\n");
    ground.put("logs/evolution/decisions/x.jsonl", b"x\n");
    ground.put("logs/evolution/decisions/000000000099.jsonl", &vec![b'x'; 3 << 20]);
    let tracker = ground.tracker();
    let function = Evolving::new("greeting", |(): &()| 1).variant("casual", |(): &()| 2).tracker(&tracker);
    assert_eq!(exit(&mut ground.tc(&["promote", "greeting", "casual", "-y"])), 0);
    wait_for("to obey", || function.stats().variants[1].weight == 1.0);
    let answer = json(&mut ground.tc(&["status", "--json"]));
    assert_eq!(answer["complete"], false);
    assert!(answer["warnings"].to_string().contains("000000000099.jsonl"), "{answer}");
    tracker.close().expect("closed");
    ground.put("logs/evolution/decisions/999999999999.jsonl", b"x\n");
    let output = run(&mut ground.tc(&["promote", "greeting", "casual", "-y"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(seen(&output).contains("used up all numbers"), "{}", seen(&output));
}
