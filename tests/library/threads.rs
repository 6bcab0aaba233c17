//! What is read does not depend on how many threads read it, nor on how the log is packed.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use temporal_code::Timestamp;
use temporal_code::logs::{ERRORS_MAX, EventFilter, LogEvent, LogSource, ReadProgress};
use temporal_code::testing::{self, BLOCK_BYTES, PLACES_MAX, ScanRecord, Visitor};

use crate::support::{Call, EXACT, FAST, How, Rng, START_US, dump, file_of, options, read, source, trace, with_errors};

const BLOCKS: u64 = 7;
const THREADS: [usize; 4] = [1, 2, 3, 8];

/// A log, and what must be found in it.
#[derive(Default)]
struct Built {
    log: String,
    now_us: i64,
    lines: u64,
    calls: u64,
    faulty: u64,
    /// Calls of `v1` after a failure of `v2`, and how many of these have a border of blocks in between.
    fallbacks: u64,
    straddling: u64,
    /// Errors of `noisy`'s `v2`, in order of their first, with how often.
    errors: Vec<(String, u64)>,
    /// Latencies of `f0`'s `v1`.
    latencies_us: Vec<u64>,
}

impl Built {
    fn new(seed: u64) -> Self {
        let (mut built, mut rng) = (Built::default(), Rng(seed));
        while (built.log.len() as u64) < BLOCKS * BLOCK_BYTES {
            let left = BLOCK_BYTES - built.log.len() as u64 % BLOCK_BYTES;
            match rng.below(40) {
                _ if left < 600 => built.pair_across(left as usize, &mut rng),
                0..=1 => built.fault(&mut rng),
                2..=9 => built.noise(&mut rng),
                10..=12 => built.pair(&mut rng),
                13 => built.decision(),
                _ => built.call(&mut rng),
            }
        }
        built
    }

    fn push(&mut self, line: &str) {
        self.log.push_str(line);
        self.lines += 1;
    }

    /// Far enough from the last call that none is taken for another's fallback.
    fn later(&mut self, rng: &mut Rng) -> i64 {
        self.now_us += 4_000 + rng.below(3_000) as i64;
        self.now_us
    }

    fn call(&mut self, rng: &mut Rng) {
        let (number, at_us, latency_us) = (rng.below(6), self.later(rng), rng.below(2_000));
        let variant = ["v1", "v2", "v10", "é"][rng.below(4)];
        let call = Call::ok(&format!("f{number}"), variant, at_us).taking(latency_us as f64 / 1_000.0);
        // What the fast path declines is spread over the log.
        let line = call.line();
        self.push(&if rng.one_in(5) { line.replace("\"value\": ", "\"value\":") } else { line });
        self.calls += 1;
        if (number, variant) == (0, "v1") {
            self.latencies_us.push(latency_us as u64);
        }
    }

    fn pair(&mut self, rng: &mut Rng) {
        let (at_us, block) = (self.later(rng), self.log.len() as u64 / BLOCK_BYTES);
        self.push(&Call::failed("pair", "v2", at_us, "down").line());
        self.calls += 2;
        self.fallbacks += 1;
        self.straddling += u64::from(self.log.len() as u64 / BLOCK_BYTES != block);
        self.now_us += 100;
        self.push(&Call::ok("pair", "v1", self.now_us).line());
    }

    /// A failure that begins in front of the next border of blocks, which is `left` bytes away, and its fallback behind it.
    fn pair_across(&mut self, left: usize, rng: &mut Rng) {
        self.push(&(" ".repeat(left - 80) + "\n"));
        self.pair(rng);
    }

    /// A failure with a message that is new, mostly.
    fn noise(&mut self, rng: &mut Rng) {
        let at_us = self.later(rng);
        if self.errors.is_empty() || !rng.one_in(4) {
            self.errors.push((format!("error \"{}\" é\n", self.errors.len()), 0));
        }
        let which = if rng.one_in(4) { rng.below(self.errors.len()) } else { self.errors.len() - 1 };
        // The first of a message must come when it was made up.
        let which = if self.errors.last().is_some_and(|last| last.1 == 0) { self.errors.len() - 1 } else { which };
        let (message, count) = &mut self.errors[which];
        *count += 1;
        let line = Call::failed("noisy", "v2", at_us, message).line();
        self.calls += 1;
        self.push(&line);
    }

    fn fault(&mut self, rng: &mut Rng) {
        let lines =
            ["{\"event\": \"call\", \"fun\n", "[]\n", "{\"a\": 1}\n", "{\"event\": \"call\", \"function\": 3}\n"];
        self.push(rng.pick(&lines));
        self.faulty += 1;
    }

    fn decision(&mut self) {
        self.push("{\"event\": \"promotion\", \"function\": \"f0\", \"variant\": \"v2\"}\n");
    }
}

/// The log as it is and packed in several ways, in `folder`.
fn forms(folder: &Path, log: &[u8]) -> Vec<LogSource> {
    let half = log.len() / 2;
    let parts = log.chunks(100_003).collect::<Vec<_>>();
    let forms = [
        ("plain", log.to_vec()),
        ("whole.gz", gzip(log)),
        ("members.gz", parts.iter().flat_map(|part| gzip(part)).collect()),
        ("halves.gz", [gzip(&log[..half]), gzip(b""), gzip(&log[half..])].concat()),
        ("whole.zst", zstd(log)),
        ("frames.zst", parts.iter().flat_map(|part| zstd(part)).collect()),
    ];

    let write = |(name, bytes): &(&str, Vec<u8>)| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("written");
        source(&path)
    };
    forms.iter().map(write).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("packed")
}

#[test]
fn one_thread_reads_what_was_built() {
    let built = Built::new(1);
    assert!(built.straddling >= BLOCKS - 1 && built.errors.len() > ERRORS_MAX + 100, "{}", built.errors.len());
    let file = file_of(built.log.as_bytes());
    let (summary, evidence) = read(&[source(file.path())], &with_errors(), FAST).expect("a readable log");
    assert_eq!((evidence[0].lines, evidence[0].skipped + evidence[0].foreign), (built.lines, built.faulty));
    assert_eq!((summary.kinds()["call"], evidence[0].places.len()), (built.calls, 2 * PLACES_MAX));
    let variant = |function: &str, at: usize| summary.function(function).expect("was called").variants[at].clone();
    assert_eq!((variant("pair", 0).fallback.calls, variant("pair", 0).primary.calls), (built.fallbacks, 0));
    assert_eq!(
        summary.functions.iter().flat_map(|f| &f.variants).map(|v| v.fallback.calls).sum::<u64>(),
        built.fallbacks
    );

    let noisy = variant("noisy", 0).errors;
    let (kept, other) = built.errors.split_at(ERRORS_MAX);
    let found = noisy.messages.iter().map(|(message, count)| (message.as_deref(), *count));
    assert!(found.eq(kept.iter().map(|(message, count)| (Some(message.as_str()), *count))), "in the order of the log");
    assert_eq!(noisy.other, other.iter().map(|(_, count)| count).sum::<u64>());

    let sum_ns = built.latencies_us.iter().sum::<u64>() * 1_000;
    let mean = variant("f0", 0).primary.latency.mean_ns().map(f64::to_bits);
    assert_eq!(mean, Some((sum_ns as f64 / built.latencies_us.len() as f64).to_bits()));
}

#[test]
fn any_number_of_threads_and_any_packing_give_the_same() {
    let built = Built::new(2);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let forms = forms(folder.path(), built.log.as_bytes());
    let expected = dump(&forms[..1], &with_errors(), FAST);
    for form in &forms {
        for threads in THREADS {
            let found = dump(std::slice::from_ref(form), &with_errors(), How { threads, ..FAST });
            assert!(found == expected, "{threads} threads, {}", form.name());
        }
    }
    for threads in THREADS {
        let found = dump(&forms[..1], &with_errors(), How { threads, ..EXACT });
        assert!(found == expected, "{threads} threads, exact");
    }
}

#[test]
fn several_logs_are_merged_in_the_order_given() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = Built::new(3).log;
    // Cut between two lines: the second part may begin with the fallback of the first.
    let cuts = log.match_indices("\"down\"").nth(40).map(|(at, _)| at + log[at..].find('\n').expect("a line ends") + 1);
    let (old, new) = log.split_at(cuts.expect("a failure"));
    std::fs::create_dir(folder.path().join("new")).expect("a folder");
    let (old, new) = (forms(folder.path(), old.as_bytes()), forms(&folder.path().join("new"), new.as_bytes()));
    let whole = file_of(log.as_bytes());
    let whole = read(&[source(whole.path())], &with_errors(), FAST).expect("a readable log").0;
    for (first, second) in [(0, 0), (0, 1), (2, 0), (5, 4), (1, 1)] {
        let logs = [old[first].clone(), new[second].clone()];
        let expected = dump(&logs, &with_errors(), FAST);
        assert!(expected.starts_with(&crate::support::summary_text(&whole)), "{first} {second}: as one log");
        for threads in THREADS {
            assert!(dump(&logs, &with_errors(), How { threads, ..FAST }) == expected, "{threads}: {first} {second}");
        }
    }
}

#[test]
fn filters_do_not_depend_on_threads() {
    let built = Built::new(4);
    let file = file_of(built.log.as_bytes());
    let at = |share: i64| Some(Timestamp::from_micros(START_US + built.now_us / 4 * share));
    let filters = [
        EventFilter { since: at(1), until: at(3), ..with_errors() },
        EventFilter { function: Some("pair".into()), ..with_errors() },
        EventFilter { function: Some("noisy".into()), since: at(2), ..with_errors() },
    ];
    for filter in filters {
        let expected = dump(&[source(file.path())], &filter, FAST);
        for threads in THREADS {
            let found = dump(&[source(file.path())], &filter, How { threads, ..FAST });
            assert!(found == expected, "{threads} threads, {filter:?}");
        }
    }
}

#[test]
fn events_come_in_order_and_backwards_by_blocks() {
    let built = Built::new(5);
    let file = file_of(built.log.as_bytes());
    let log = source(file.path());
    let (forwards, _) = trace(&log, FAST);
    let backwards = |threads| How { threads, backwards: true, ..FAST };
    let (expected, evidence) = trace(&log, backwards(1));
    let sorted = |events: &[String]| {
        let mut events = events.iter().filter(|text| !text.ends_with("before")).cloned().collect::<Vec<_>>();
        events.sort();
        events
    };
    assert!(sorted(&expected) == sorted(&forwards));
    assert!(expected != forwards && evidence.places.iter().all(|place| place.line.is_none()));
    assert!(evidence.places.is_sorted_by_key(|place| place.offset));
    for threads in THREADS {
        assert!(trace(&log, How { threads, ..FAST }).0 == forwards, "{threads}");
        assert!(trace(&log, backwards(threads)).0 == expected, "{threads} backwards");
    }
}

/// Counts the events that it is shown.
#[derive(Default)]
struct Counter(u64);

impl Visitor for Counter {
    type Part = u64;

    fn event(&mut self, _: &ScanRecord<'_>, _: &LogEvent<'_>) {
        self.0 += 1;
    }

    fn end_block(&mut self) -> u64 {
        std::mem::take(&mut self.0)
    }
}

#[test]
fn a_merge_that_has_enough_ends_the_scan() {
    let built = Built::new(6);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for log in forms(folder.path(), built.log.as_bytes()) {
        for threads in THREADS {
            let (mut merged, progress) = (0, ReadProgress::default());
            let how = How { threads, ..FAST };
            let merge = |_, _| {
                merged += 1;
                if merged == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let logs = [log.clone(), log.clone()];
            let scanned = testing::scan(&logs, &options(&progress, how), Counter::default, merge);
            assert!(scanned.is_ok() && merged == 3, "{threads} threads, {}: {merged}", log.name());
        }
    }
}
