//! The damaged logs in `fixtures/corrupt/`: what is read of each, and what is said of the rest.

use crate::support::{EXACT, FAST, dump, fixture, read, source, trace, with_errors};

/// Log, events, lines, lines with a loss, glued lines, what is said first.
type Expected = (&'static str, u64, u64, u64, u64, &'static str);

const EXPECTED: [Expected; 10] = [
    ("torn-tail", 152, 153, 1, 0, "not JSON: the line ends too early at column 82"),
    ("glued", 153, 135, 19, 14, "not JSON: expected `,` or `}` at column 90; whole events beside it were read"),
    ("bom-crlf", 153, 153, 0, 0, ""),
    ("not-utf8", 102, 153, 51, 0, "not UTF-8 at column 123"),
    ("nul", 123, 154, 47, 0, "not JSON: expected an object at column 1; whole events beside it were read"),
    ("nan", 153, 153, 0, 0, ""),
    ("readme-key-order", 150, 150, 0, 0, ""),
    ("hostile-names", 98, 98, 0, 0, ""),
    ("empty", 0, 0, 0, 0, ""),
    ("one-line", 1, 1, 0, 0, ""),
];

#[test]
fn each_gives_what_is_whole_and_says_what_is_not() {
    let mut found = Vec::new();
    for (name, ..) in EXPECTED {
        let (summary, evidence) =
            read(&[source(&fixture(&format!("corrupt/{name}.jsonl")))], &with_errors(), FAST).expect("the fixture");
        let said = evidence[0].places.first().map_or(String::new(), |place| place.fault.to_string());
        let events = summary.kinds().values().sum::<u64>();
        found.push((name, events, evidence[0].lines, evidence[0].skipped, evidence[0].glued, said));
    }
    let found = found.iter().map(|(name, a, b, c, d, said)| (*name, *a, *b, *c, *d, said.as_str())).collect::<Vec<_>>();
    assert_eq!(found, EXPECTED);
}

#[test]
fn both_paths_read_them_alike() {
    for (name, ..) in EXPECTED {
        let log = source(&fixture(&format!("corrupt/{name}.jsonl")));
        assert_eq!(trace(&log, FAST).0, trace(&log, EXACT).0, "{name}");
        let logs = [log];
        assert_eq!(dump(&logs, &with_errors(), FAST), dump(&logs, &with_errors(), EXACT), "{name}");
    }
}

#[test]
fn names_come_through_as_they_were_written() {
    let log = source(&fixture("corrupt/hostile-names.jsonl"));
    let (summary, _) = read(&[log], &with_errors(), FAST).expect("the fixture");
    let plain = summary.function("plain").expect("was called");
    for name in
        ["", "\u{1b}[31mred\u{1b}[0m", "\u{9b}31mC1\u{9b}0m", "line\nbreak", "\u{202e}right-to-left", "nul\0nul"]
    {
        assert!(summary.function(name).is_some(), "{name:?}");
        assert!(plain.variants.iter().any(|variant| *variant.name == *name), "{name:?}");
        let errors = plain.variants.iter().flat_map(|variant| &variant.errors.messages);
        assert!(errors.into_iter().any(|(message, _)| message.as_deref() == Some(name)), "{name:?}");
    }
    assert!(summary.function("\u{fffd} lone \u{fffd}").is_some());
    assert!(summary.function(&"x".repeat(2_000)).is_some());
}

#[test]
fn a_copy_that_was_cut_off_gives_what_arrived() {
    let log = source(&fixture("corrupt/truncated.jsonl.gz"));
    let (summary, evidence) = read(&[log], &with_errors(), FAST).expect("the fixture");
    assert!(evidence[0].damaged.is_some() && !evidence[0].complete());
    let calls = summary.kinds().get("call").copied().unwrap_or(0);
    assert!((400..815).contains(&calls), "{calls}");
}
