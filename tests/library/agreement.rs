//! The fast path of the scan reads every log as the exact path does: events, counts, times, latencies, errors and what
//! is said of broken lines.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use temporal_code::logs::Evidence;
use temporal_code::testing::BLOCK_BYTES;

use crate::mutate::{self, NOT_UTF8, TOKENS, nested, render};
use crate::support::{
    Call, EXACT, FAST, Rng, dump, evidence_text, file_of, python_time, read, real_lines, source, summary_of,
    summary_text, trace, with_errors,
};

const SEED: u64 = 20_261_121;

/// Fails where the two paths differ on a log, and shows the first difference.
pub(crate) fn agree(log: &[u8]) {
    let file = file_of(log);
    let log_at = source(file.path());
    let shown = || String::from_utf8_lossy(&log[..log.len().min(600)]).into_owned();
    let (fast, exact) = (trace(&log_at, FAST).0, trace(&log_at, EXACT).0);
    let differing = fast.iter().zip(&exact).find(|(fast, exact)| fast != exact);
    assert!(differing.is_none(), "{differing:#?} in {:?}", shown());
    assert_eq!(fast.len(), exact.len(), "events of {:?}", shown());
    let logs = [log_at];
    let (fast, exact) = (dump(&logs, &with_errors(), FAST), dump(&logs, &with_errors(), EXACT));
    let differing = fast.lines().zip(exact.lines()).find(|(fast, exact)| fast != exact);
    assert!(fast == exact, "{differing:#?} of {:?}", shown());
}

/// The same, with a real line in front and one behind.
fn agree_between(line: &[u8]) {
    let real = real_lines();
    agree(line);
    agree(&[&real[0][..], b"\n", line, b"\n", &real[9], b"\n"].concat());
}

fn call() -> Vec<u8> {
    Call::failed("f", "v2", 0, "x").taking(1.25).line().trim_end().into()
}

/// Lines that trackers of this library write: the package's, with keys of our own behind.
fn ours() -> Vec<Vec<u8>> {
    let call = String::from_utf8(call()).expect("text");
    let keys = [
        r#", "weight": 0.25}"#,
        r#", "weight": 1.0, "unit": "9e124c98a398664e"}"#,
        r#", "fallback": true, "unit": "0123456789abcdef"}"#,
        r#", "unit": "ffffffffffffffff"}"#,
    ];
    keys.iter().map(|keys| call.replace('}', keys).into_bytes()).collect()
}

fn calls() -> Vec<Vec<u8>> {
    [vec![call()], ours()].concat()
}

/// Real lines, and as many of ours.
fn many_lines() -> Vec<Vec<u8>> {
    let real = real_lines();
    let ours = ours().into_iter().cycle().take(real.len());
    real.iter().cloned().chain(ours).collect()
}

#[test]
fn on_what_our_tracker_adds() {
    let line = String::from_utf8(call()).expect("text");
    for keys in [
        r#""weight": 0.1"#,
        r#""weight": 0.123456"#,
        r#""weight": 0.1234567"#,
        r#""weight": 1.5"#,
        r#""weight": 00.5"#,
        r#""weight": 2"#,
        r#""weight": 1."#,
        r#""weight": -0.5"#,
        r#""weight": NaN"#,
        r#""weight": null"#,
        r#""weight": "0.5""#,
        r#""weight": 0.5, "fallback": true"#,
        r#""weight": 0.5, "fallback": null"#,
        r#""fallback": true"#,
        r#""fallback": false"#,
        r#""fallback": "true""#,
        r#""fallback": true, "weight": 0.5"#,
        r#""fallback": true, "fallback": false"#,
        r#""unit": "9E124C98A398664E""#,
        r#""unit": "9e124c98a398664""#,
        r#""unit": "9e124c98a398664ef""#,
        r#""unit": "\u0039e124c98a398664e""#,
        r#""unit": 7"#,
        r#""unit": null, "unit": "0000000000000007""#,
        r#""weight":0.5"#,
        r#""other": [{}]"#,
    ] {
        let line = line.replace('}', &format!(", {keys}}}"));
        agree_between(line.as_bytes());
        agree_between(line.replace("\"v2\"", "\"v1\"").as_bytes());
    }
}

#[test]
fn on_the_real_log() {
    let lines = real_lines();
    assert_eq!(lines.len(), 815);
    agree(&lines.join(&b'\n'));
    agree(&lines.join(&b"\r\n"[..]));
}

#[test]
fn on_a_line_torn_at_every_byte_and_glued() {
    let next = real_lines()[0].clone();
    for line in calls() {
        let mut log = Vec::new();
        for cut in 0..=line.len() {
            log.extend_from_slice(&[&line[..cut], b"\n"].concat());
            log.extend_from_slice(&[&line[..cut], &next, b"\n"].concat());
            log.extend_from_slice(&[&line, &line[..cut], &next, b"\n"].concat());
            log.extend_from_slice(&[&line[cut..], b"\n"].concat());
            agree(&line[..cut]);
        }
        agree(&log);
    }
}

#[test]
fn on_every_byte_at_every_place() {
    for (line, byte) in every_byte_of_every_line() {
        let mut log = Vec::new();
        for at in 0..line.len() {
            let mut replaced = line.clone();
            replaced[at] = byte;
            log.extend_from_slice(&[&replaced, &b"\n"[..]].concat());
            log.extend_from_slice(&[&line[..at], &[byte], &line[at..], b"\n"].concat());
            log.extend_from_slice(&[&line[..at], &line[at + 1..], b"\n"].concat());
        }
        agree(&log);
    }
}

fn every_byte_of_every_line() -> impl Iterator<Item = (Vec<u8>, u8)> {
    const BYTES: [u8; 14] = [0, 0x1f, b' ', b'"', b'\\', b'0', b'9', b'}', b'\n', b'\r', 0x7f, 0x80, 0xc3, 0xff];
    calls().into_iter().flat_map(|line| BYTES.map(|byte| (line.clone(), byte)))
}

#[test]
fn on_bytes_that_are_no_text_at_every_place() {
    let line = call();
    for bytes in NOT_UTF8 {
        let at_every = (0..=line.len()).map(|at| [&line[..at], bytes, &line[at..], b"\n"].concat());
        agree(&at_every.collect::<Vec<_>>().concat());
    }
}

#[test]
fn on_nuls_over_every_part() {
    let line = call();
    for start in 0..line.len() {
        let mut first = line.clone();
        let end = (start + 10).min(line.len());
        first[start..end].fill(0);
        agree(&[&first, &b"\n"[..], &line, b"\n"].concat());
    }
}

/// What a crash leaves of a page may read as the date that nothing has been compared with yet.
#[test]
fn on_a_first_date_of_nuls() {
    let line = String::from_utf8(call()).expect("text");
    let line = line.replace("2026-11-21", &"\0".repeat(10));
    agree(format!("{line}\n").as_bytes());
    let (summary, evidence) = summary_of(format!("{line}\n").as_bytes());
    assert_eq!((summary.functions.len(), evidence.skipped), (0, 1), "JSON has no NUL in a string");
}

#[test]
fn on_strings_with_anything_in_them() {
    for token in TOKENS {
        for length in [0, 1, 7, 15, 16, 31, 32, 33, 64] {
            let mut log = Vec::new();
            for field in ["f", "v2", "None", "x"] {
                let text = format!("\"{}{token}{}\"", "a".repeat(length), "b".repeat(length / 2));
                let line = String::from_utf8(call()).expect("text");
                log.extend_from_slice(line.replacen(&format!("\"{field}\""), &text, 1).as_bytes());
                log.push(b'\n');
            }
            agree(&log);
        }
    }
}

#[test]
fn on_odd_numbers_and_times() {
    let line = String::from_utf8(call()).expect("text");
    for number in mutate::numbers() {
        agree_between(line.replace("1.25", number).as_bytes());
    }
    for time in mutate::times() {
        agree_between(line.replace("2026-11-21T21:00:00+00:00", time).as_bytes());
    }
    assert!(mutate::numbers().len() == 40 && mutate::times().len() == 39);
}

#[test]
fn on_deep_nesting() {
    for depth in [1, 127, 128, 129, 999, 1_000, 1_001, 100_000] {
        let line = String::from_utf8(call()).expect("text").replace("\"None\"", &nested(depth));
        agree_between(line.as_bytes());
        let (summary, _) = summary_of(line.as_bytes());
        assert_eq!(summary.functions.len(), usize::from(depth <= 1_000), "{depth}");
    }
}

#[test]
fn on_marks_of_byte_order_and_ends() {
    let (line, bom) = (call(), &b"\xef\xbb\xbf"[..]);
    let logs: [&[&[u8]]; 14] = [
        &[bom],
        &[bom, b"\n"],
        &[bom, &line],
        &[bom, &line, b"\n", &line],
        &[bom, bom, &line, b"\n", &line],
        &[&line, b"\n", bom, &line, b"\n", &line],
        &[&line, b"\n", bom],
        &[&line, bom, b"\n"],
        &[b"\xef\xbb", &line],
        &[b"\n\n", &line, b"\n\n\n"],
        &[&line, b"\r", &line, b"\r"],
        &[&line, b"\r\n\r\n", &line, b"\r\n"],
        &[&line, b"\x0b\n\x0c\n \n\t\n", &line],
        &[&line, b"\0\0\0\0"],
    ];
    logs.iter().for_each(|parts| agree(&parts.concat()));
    let (summary, evidence) = summary_of(&[bom, &line, b"\n", bom, &line].concat());
    assert_eq!((summary.functions[0].calls(), evidence.lines, evidence.foreign), (2, 2, 1), "only in front");
}

#[test]
fn on_twenty_thousand_mutations() {
    let (mut rng, lines) = (Rng(SEED), many_lines());
    // Every log begins anew, so that each mutation is sometimes the first line of a block.
    for _ in 0..20 {
        let log = (0..1_000).map(|_| mutate::line(&mut rng, &lines)).collect::<Vec<_>>().concat();
        agree(&log);
        let (summary, evidence) = summary_of(&log);
        let calls = summary.kinds()["call"];
        assert!((300..900).contains(&calls) && evidence.skipped > 200 && evidence.glued > 2, "{calls} {evidence:?}");
    }
}

#[test]
fn on_single_mutated_lines() {
    let (mut rng, lines) = (Rng(SEED + 1), many_lines());
    (0..1_500).for_each(|_| agree(&mutate::line(&mut rng, &lines)));
}

/// Calls by function, variant and success, as serde_json reads them; a line that it refuses is left out of `log`.
fn counted_by_serde(rng: &mut Rng, log: &mut Vec<u8>) -> BTreeMap<(String, String), (u64, u64)> {
    let mut counts = BTreeMap::new();
    let lines = real_lines();
    while log.len() < 2_000_000 {
        let line = mutate::line(rng, &lines);
        let Ok(Value::Object(object)) = serde_json::from_slice(&line) else { continue };
        if line.iter().filter(|byte| **byte == b'\n').count() != 1 || line.last() != Some(&b'\n') {
            continue;
        }
        log.extend_from_slice(&line);
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_string);
        let success = object.get("success").and_then(Value::as_bool);
        if let (Some("call"), Some(function), Some(variant), Some(success)) =
            (text("event").as_deref(), text("function"), text("variant"), success)
        {
            let count: &mut (u64, u64) = counts.entry((function, variant)).or_default();
            *count = (count.0 + 1, count.1 + u64::from(success));
        }
    }
    counts
}

#[test]
fn and_both_count_what_serde_json_counts() {
    let mut log = Vec::new();
    let expected = counted_by_serde(&mut Rng(SEED + 2), &mut log);
    let (summary, evidence) = summary_of(&log);
    let mut counted = BTreeMap::new();
    for function in &summary.functions {
        for variant in function.variants.iter().filter(|variant| variant.all().calls > 0) {
            let all = variant.all();
            counted.insert((function.name.to_string(), variant.name.to_string()), (all.calls, all.successes));
        }
    }
    assert_eq!(counted, expected);
    assert_eq!(evidence.lines, log.iter().filter(|byte| **byte == b'\n').count() as u64);
    assert!(counted.len() > 200, "the mutations reach the names");
}

#[test]
fn on_a_line_of_fifty_megabytes() {
    let value = "x".repeat(50_000_000);
    let next = Call::ok("next", "v1", 9).line();
    let garbage = format!("{{\"event\": \"call\", \"function\": \"{value}\n{next}");
    let whole = Call { value, ..Call::ok("long", "v2", 5) }.line() + &next;
    for (log, calls, skipped) in [(whole, 2, 0), (garbage, 1, 1)] {
        let file = file_of(log.as_bytes());
        let read = |how| read(&[source(file.path())], &with_errors(), how).expect("a readable log");
        let ((fast, fast_evidence), (exact, exact_evidence)) = (read(FAST), read(EXACT));
        assert_eq!(summary_text(&fast), summary_text(&exact));
        assert_eq!(evidence_text(&fast_evidence[0]), evidence_text(&exact_evidence[0]));
        assert_eq!((fast.kinds()["call"], fast_evidence[0].lines, fast_evidence[0].skipped), (calls, 2, skipped));
    }
}

/// Lines that are put across the border of two blocks, as they are.
fn straddlers() -> Vec<Vec<u8>> {
    let line = call();
    vec![
        [&line, &b"\n"[..]].concat(),
        [&line[..], &line, b"\n"].concat(),
        [&line[..50], &line, b"\n"].concat(),
        [&line[..], b"\r\n"].concat(),
        "{\"event\": \"promotion\", \"function\": \"é\\n\", \"variant\": \"日本\"}\n".into(),
        b"\n\n\n".to_vec(),
        [&line[..70], b"\xff\n"].concat(),
        [b"\xef\xbb\xbf", &line[..], b"\n"].concat(),
    ]
}

/// A log whose second line begins `back` bytes in front of the border of the first two blocks. The first is no JSON, which
/// shows at once.
fn across(line: &[u8], back: usize) -> Vec<u8> {
    let pad = "x".repeat(BLOCK_BYTES as usize - back - 1) + "\n";
    let behind = Call::ok("behind", "v1", 7_000_000).line();
    [pad.as_bytes(), line, behind.as_bytes()].concat()
}

#[test]
fn on_lines_across_a_border_at_every_offset() {
    for line in straddlers() {
        let (expected, evidence) = summary_of(&across(&line, BLOCK_BYTES as usize / 2));
        for back in 0..=line.len() + 2 {
            let log = across(&line, back);
            let file = file_of(&log);
            let read = |how| read(&[source(file.path())], &with_errors(), how).expect("a readable log");
            let ((summary, found), (exact, exact_found)) = (read(FAST), read(EXACT));
            assert_eq!(summary_text(&summary), summary_text(&exact), "{back}");
            assert_eq!(evidence_text(&found[0]), evidence_text(&exact_found[0]), "{back}");
            assert_eq!(summary.kinds(), expected.kinds(), "{back}");
            let counts = |evidence: &Evidence| (evidence.lines, evidence.skipped, evidence.glued, evidence.foreign);
            assert_eq!(counts(&found[0]), counts(&evidence), "{back}");
            let place = found[0].places.get(1).map(|place| (place.line, place.offset));
            assert!(place.is_none_or(|place| place == (Some(2), BLOCK_BYTES - back as u64)), "{back}: {place:?}");
        }
    }
}

/// Text for a JSON string: mostly names, sometimes anything.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z_.<>0-9]{0,40}",
        2 => any::<String>(),
        1 => prop::sample::select(TOKENS.to_vec()).prop_map(str::to_string),
    ]
}

/// A string as some writer might have it: Python's escapes, all escaped, or raw, which may not be JSON at all.
fn quoted() -> impl Strategy<Value = String> {
    (text(), 0..8u8).prop_map(|(text, how)| match how {
        0 => format!("\"{text}\""),
        1 => format!("\"{}\"", text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<String>()),
        _ => serde_json::to_string(&text).expect("text is JSON"),
    })
}

fn or_odd(usual: impl Strategy<Value = String> + 'static, odd: Vec<&'static str>) -> BoxedStrategy<String> {
    prop_oneof![6 => usual, 1 => prop::sample::select(odd).prop_map(str::to_string)].boxed()
}

/// The members of a call in the tracker's order.
fn members() -> impl Strategy<Value = Vec<(String, String)>> {
    let odd_times = mutate::times().into_iter().map(|time| format!("\"{time}\"")).collect::<Vec<_>>();
    let time = (0..4_000_000_000_000_000i64).prop_map(|us| format!("\"{}\"", python_time(us)));
    let latency =
        (0u64..1 << 40, 0..8u32).prop_map(|(n, digits)| format!("{:?}", n as f64 / 10f64.powi(digits as i32)));
    let values = (
        prop_oneof![6 => quoted(), 2 => Just("\"f\"".to_string())],
        prop_oneof![6 => time, 1 => prop::sample::select(odd_times)],
        prop::sample::select(vec!["\"v1\"", "\"v2\"", "\"v10\"", "\"\"", "\"é\""]),
        or_odd(quoted(), vec!["null", "1", "[]"]),
        or_odd(quoted(), vec!["null", "null", "null", "{\"a\": 1}"]),
        or_odd(latency, mutate::numbers()),
        or_odd(any::<bool>().prop_map(|yes| yes.to_string()), vec!["null", "1", "\"true\"", "True"]),
    );
    values.prop_map(|(function, time, variant, value, error, latency, success)| {
        let keys = ["event", "function", "timestamp", "variant", "value", "error", "latency_ms", "success"];
        let values = ["\"call\"".into(), function, time, variant.into(), value, error, latency, success];
        keys.map(str::to_string).into_iter().zip(values).collect()
    })
}

/// A line that the tracker might have written, but for one thing at most.
fn written() -> impl Strategy<Value = Vec<u8>> {
    (members(), 0..12usize, 0..8usize, any::<prop::sample::Index>()).prop_map(|(mut members, change, at, cut)| {
        match change {
            0 => members.rotate_left(at),
            1 => drop(members.remove(at)),
            2 => members.push(members[at].clone()),
            3 => members.insert(at, ("extra".into(), "[1, {\"a\": NaN}]".into())),
            _ => {}
        }
        let comma = if change == 4 { "," } else { ", " };
        let mut line = render(&members, comma, ": ");
        match change {
            5 => line.truncate(cut.index(line.len())),
            6 => line.extend(line.clone()),
            7 => line.push(b'\r'),
            _ => {}
        }
        if change != 8 {
            line.push(b'\n');
        }
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn on_any_log(lines in prop::collection::vec(written(), 1..12)) {
        agree(&lines.concat());
    }
}
