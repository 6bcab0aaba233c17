//! Calls that were made because another variant had failed are known as such and counted apart.

use temporal_code::logs::{EventFilter, Summary};
use temporal_code::testing::BLOCK_BYTES;

use crate::support::{Call, FAST, How, Rng, file_of, fixture, read, source, summary_of};

/// Calls of `function`'s `variant`: (primary, fallback).
fn counts(summary: &Summary, function: &str, variant: &str) -> (u64, u64) {
    let function = summary.function(function);
    let variant = function.and_then(|function| function.variants.iter().find(|found| *found.name == *variant));
    variant.map_or((0, 0), |variant| (variant.primary.calls, variant.fallback.calls))
}

fn summary(calls: &[Call]) -> Summary {
    let (summary, evidence) = summary_of(calls.iter().map(Call::line).collect::<String>().as_bytes());
    assert_eq!((evidence.lines, evidence.complete()), (calls.len() as u64, true));
    summary
}

/// Primary and fallback calls of `v1` of function `f`.
fn first_variant(calls: &[Call]) -> (u64, u64) {
    counts(&summary(calls), "f", "v1")
}

fn failed(at_us: i64) -> Call {
    Call::failed("f", "v2", at_us, "down")
}

fn first(at_us: i64) -> Call {
    Call::ok("f", "v1", at_us)
}

#[test]
fn a_real_log_has_one_for_each_failure() {
    let log = std::fs::read(fixture("evolution/evolution.jsonl")).expect("the fixture");
    let (summary, evidence) = summary_of(&log);
    assert!(evidence.complete());
    assert_eq!(counts(&summary, "rank_results", "v1"), (99, 7));
    assert_eq!(counts(&summary, "rank_results", "v2"), (101, 0));
    assert_eq!(counts(&summary, "process_payment", "v1"), (170, 5));
    assert_eq!(counts(&summary, "greeting", "v1"), (104, 0));
}

#[test]
fn a_mark_decides() {
    let calls = [first(0).marked(true), first(1).marked(false), Call::ok("f", "v3", 2).marked(true), first(3)];
    let summary = summary(&calls);
    assert_eq!(counts(&summary, "f", "v1"), (2, 1));
    assert_eq!(counts(&summary, "f", "v3"), (0, 1));
    let odd = first(0).marked(true).line().replace("\"fallback\": true", "\"fallback\": \"true\"");
    assert_eq!(counts(&summary_of(odd.as_bytes()).0, "f", "v1"), (1, 0));
}

#[test]
fn a_marked_failure_is_no_cause() {
    assert_eq!(first_variant(&[failed(0).marked(true), first(10)]), (1, 0));
    assert_eq!(first_variant(&[failed(0).marked(false), first(10)]), (0, 1));
}

#[test]
fn a_call_that_begins_right_after_a_failure_is_one() {
    for (gap_us, fallback) in [(-21, 0), (-20, 1), (-1, 1), (0, 1), (60, 1), (1_000, 1), (1_001, 0), (50_000, 0)] {
        for latency_ms in [0.0, 0.01, 3.25, 12_000.5] {
            let ends = gap_us + (latency_ms * 1_000.0) as i64;
            let calls = [failed(0), first(ends).taking(latency_ms)];
            assert_eq!(first_variant(&calls), (1 - fallback, fallback), "{gap_us} {latency_ms}");
        }
    }
}

#[test]
fn the_gap_is_counted_from_the_end_of_the_failure() {
    let slow = failed(2_000_000).taking(1_999.0);
    assert_eq!(first_variant(&[slow.clone(), first(2_000_100)]), (0, 1));
    assert_eq!(first_variant(&[slow, first(1_100).taking(0.1)]), (1, 0));
}

#[test]
fn each_failure_has_one_at_most() {
    assert_eq!(first_variant(&[failed(0), first(50), first(90)]), (1, 1));
    assert_eq!(first_variant(&[failed(0), failed(20), first(50), first(90), first(95)]), (1, 2));
    let burst = (0..60).map(failed).chain((100..170).map(first)).collect::<Vec<_>>();
    assert_eq!(first_variant(&burst), (10, 60));
}

#[test]
fn failures_of_the_first_variant_are_no_cause() {
    let own = Call::failed("f", "v1", 0, "down");
    assert_eq!(first_variant(&[own.clone(), first(50)]), (2, 0));
    // A fallback that fails too ends the request.
    let failing = Call::failed("f", "v1", 40, "down too");
    let calls = [failed(0), failing, first(90)];
    let summary = summary(&calls);
    assert_eq!(counts(&summary, "f", "v1"), (1, 1));
    let variant = &summary.functions[0].variants[0];
    assert_eq!((variant.fallback.failures(), variant.primary.failures()), (1, 0));
    assert_eq!(variant.errors.messages, [(Some("down too".into()), 1)]);
}

#[test]
fn only_the_first_variant_of_the_same_function_answers() {
    let summary = summary(&[failed(0), Call::ok("g", "v1", 10), Call::ok("f", "v3", 20), Call::ok("f", "V1", 30)]);
    for (function, variant) in [("g", "v1"), ("f", "v3"), ("f", "V1"), ("f", "v2")] {
        assert_eq!(counts(&summary, function, variant), (1, 0), "{function} {variant}");
    }
    assert_eq!(first_variant(&[first(10), failed(0)]), (1, 0), "the failure comes first in the log");
}

#[test]
fn calls_without_a_time_or_latency_are_none() {
    let lines = |change: fn(String) -> String| change(failed(0).line()) + &change(first(10).line());
    let undated = lines(|line| line.replace("2026-11-21T21:00:00", "yesterday"));
    assert_eq!(counts(&summary_of(undated.as_bytes()).0, "f", "v1"), (1, 0));
    let unmeasured = failed(0).line() + &first(10).line().replace("0.0", "null");
    assert_eq!(counts(&summary_of(unmeasured.as_bytes()).0, "f", "v1"), (1, 0));
}

#[test]
fn what_the_filter_leaves_out_explains_nothing() {
    let calls = [Call::ok("g", "v1", -50), failed(0), first(60), failed(9_000_000), first(9_000_060)];
    let file = file_of(calls.iter().map(Call::line).collect::<String>().as_bytes());
    let read = |filter: EventFilter| read(&[source(file.path())], &filter, FAST).expect("a readable log").0;
    let summary = read(EventFilter { function: Some("f".into()), ..EventFilter::default() });
    assert_eq!((counts(&summary, "f", "v1"), counts(&summary, "g", "v1")), ((0, 2), (0, 0)));
    let since = temporal_code::Timestamp::from_micros(crate::support::START_US + 9_000_000);
    assert_eq!(counts(&read(EventFilter { since: Some(since), ..EventFilter::default() }), "f", "v1"), (0, 1));
    assert_eq!(counts(&read(EventFilter { until: Some(since), ..EventFilter::default() }), "f", "v1"), (0, 1));
}

/// One of several threads of a program: when it is free again, and what it has logged (when, line).
struct Worker {
    now_us: i64,
    logged: Vec<(i64, String)>,
    /// Requests by variant, and those that fell back.
    sent: [u64; 2],
    fallbacks: u64,
    fallback_ns: u128,
}

impl Worker {
    fn request(&mut self, rng: &mut Rng, function: &str) {
        let chosen = rng.below(2);
        self.sent[chosen] += 1;
        let mut latency_us = 10 * rng.below(600) as i64;
        self.now_us += 2_500 + rng.below(4_000) as i64 + latency_us;
        let fails = chosen == 1 && rng.one_in(6);
        let variant = ["v1", "v2"][chosen];
        let call = if fails { failed(self.now_us) } else { Call::ok(function, variant, self.now_us) };
        self.log(Call { function: function.into(), ..call }, latency_us);
        if fails {
            latency_us = 10 * rng.below(600) as i64;
            self.now_us += 30 + rng.below(400) as i64 + latency_us;
            self.fallbacks += 1;
            self.fallback_ns += u128::from(latency_us as u64 * 1_000);
            self.log(Call::ok(function, "v1", self.now_us), latency_us);
        }
    }

    fn log(&mut self, call: Call, latency_us: i64) {
        self.logged.push((self.now_us, call.taking(latency_us as f64 / 1_000.0).line()));
    }
}

fn workers(rng: &mut Rng, requests: usize, function: impl Fn(usize) -> String) -> Vec<Worker> {
    let mut workers = Vec::new();
    for number in 0..8 {
        let now_us = rng.below(5_000) as i64;
        let mut worker = Worker { now_us, logged: Vec::new(), sent: [0; 2], fallbacks: 0, fallback_ns: 0 };
        (0..requests).for_each(|_| worker.request(rng, &function(number)));
        workers.push(worker);
    }
    workers
}

/// The log that the workers write together: by time, but a line may be late by up to 0.2 ms.
fn interleaved(rng: &mut Rng, workers: &[Worker]) -> String {
    let mut lines = Vec::new();
    for worker in workers {
        let mut last = 0;
        for (at, line) in &worker.logged {
            last = last.max(at + rng.below(200) as i64);
            lines.push((last, line.as_str()));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line).collect()
}

#[test]
fn eight_threads_that_write_one_log() {
    let mut rng = Rng(8);
    let workers = workers(&mut rng, 1_200, |_| "f".into());
    let log = interleaved(&mut rng, &workers);
    assert!(log.len() as u64 > 5 * BLOCK_BYTES);
    let sum = |of: fn(&Worker) -> u64| workers.iter().map(of).sum::<u64>();
    for threads in [1, 3] {
        let file = file_of(log.as_bytes());
        let how = How { threads, ..FAST };
        let (summary, _) = read(&[source(file.path())], &EventFilter::default(), how).expect("a readable log");
        assert_eq!(counts(&summary, "f", "v2"), (sum(|worker| worker.sent[1]), 0));
        let (primary, fallback) = counts(&summary, "f", "v1");
        let (sent, fell_back) = (sum(|worker| worker.sent[0]), sum(|worker| worker.fallbacks));
        assert_eq!(primary + fallback, sent + fell_back);
        assert_eq!(fallback, fell_back, "every failure is answered once, if not always by its own call");
    }
}

#[test]
fn eight_threads_that_each_call_their_own_function() {
    let mut rng = Rng(9);
    let workers = workers(&mut rng, 1_200, |number| format!("f{number}"));
    let (summary, _) = summary_of(interleaved(&mut rng, &workers).as_bytes());
    for (number, worker) in workers.iter().enumerate() {
        let function = format!("f{number}");
        assert_eq!(counts(&summary, &function, "v1"), (worker.sent[0], worker.fallbacks), "{function}");
        assert_eq!(counts(&summary, &function, "v2"), (worker.sent[1], 0), "{function}");
        let fallback = &summary.function(&function).expect("was called").variants[0].fallback;
        let mean = worker.fallback_ns as f64 / worker.fallbacks as f64;
        assert_eq!(fallback.latency.mean_ns(), Some(mean), "{function}: the very calls");
    }
}

/// A line that is no JSON and ends at byte `end` of a log that has `start` bytes.
fn pad(start: usize, end: usize) -> String {
    "x".repeat(end - start - 1) + "\n"
}

#[test]
fn a_border_of_blocks_between_failure_and_fallback_hides_nothing() {
    let (border, cause, answer) = (BLOCK_BYTES as usize, failed(0).line(), first(100).line());
    for back in 0..=cause.len() + answer.len() {
        let log = pad(0, border - back) + &cause + &answer + &first(200).line();
        assert_eq!(counts(&summary_of(log.as_bytes()).0, "f", "v1"), (1, 1), "{back}");
        let log = pad(0, border - back) + &cause + &first(1_001).line();
        assert_eq!(counts(&summary_of(log.as_bytes()).0, "f", "v1"), (1, 0), "{back}");
    }
}

#[test]
fn a_block_without_events_between_hides_nothing() {
    let border = BLOCK_BYTES as usize;
    for blocks in 1..4 {
        let head = failed(0).line() + &failed(1).line();
        let log = head.clone() + &pad(head.len(), border * blocks + 7) + &first(100).line() + &first(150).line();
        assert_eq!(counts(&summary_of(log.as_bytes()).0, "f", "v1"), (0, 2), "{blocks}");
    }
}

#[test]
fn a_failure_answered_in_its_block_is_not_answered_again_in_the_next() {
    let border = BLOCK_BYTES as usize;
    let head = failed(0).line() + &first(100).line();
    let log = head.clone() + &pad(head.len(), border) + &first(200).line() + &failed(300).line() + &first(350).line();
    assert_eq!(counts(&summary_of(log.as_bytes()).0, "f", "v1"), (1, 2));
}

#[test]
fn a_log_that_was_cut_in_two_is_read_as_one() {
    let (old, new) = (file_of(failed(0).line().as_bytes()), file_of(first(100).line().as_bytes()));
    let read = |files: [&tempfile::NamedTempFile; 2]| {
        let sources = files.map(|file| source(file.path()));
        counts(&read(&sources, &EventFilter::default(), FAST).expect("readable logs").0, "f", "v1")
    };
    assert_eq!((read([&old, &new]), read([&new, &old])), ((0, 1), (1, 0)));
}
