//! How many events of a history are folded in a second, on one core, from the bytes that a store gives; and how many lines
//! serde_json only parses in that time, into its `Value`. Prints JSON.
//!
//! `cargo bench --bench fold -- [EVENTS]`

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};
use temporal_code::Timestamp;
use temporal_code::stores::Header;
use temporal_code::workflows::{Call, Entry, Event, Fold, Json, Message, Outcome, Start, run_log};

/// Rounds of which the best counts: what else the machine does only makes a round longer.
const ROUNDS: usize = 5;

/// Seconds that this thread has run: not those in which others had its core.
fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// A run that repeats one round of work: a step that is tried twice, two that are not, a look at the clock, a word, a sleep,
/// a wait for a message, and now and then a new claim.
fn history(events: usize) -> Vec<u8> {
    let start = Timestamp::parse(b"2026-11-22T04:34:16.123456Z").expect("a time");
    let mut text = Vec::new();
    let (mut seq, mut claim, mut round) = (0u64, 0u64, 0u64);
    let mut push = |claim: u64, event: Event<'_>| {
        seq += 1;
        let at = start.offset_micros(seq as i64 * 1_234);
        let claim = Some(claim).filter(|_| seq > 1);
        let line = Entry { at, claim, event }.line().expect("a line");
        text.extend_from_slice(format!("{{\"seq\":{seq},\"token\":\"{:016x}\",", seq / 3).as_bytes());
        text.extend_from_slice(&line.as_str().as_bytes()[1..]);
        text.push(b'\n');
        seq as usize
    };
    let json = |text: &str| Json::parse(text).expect("JSON");
    let order = r#"{"order":"8a6e0804-2bd0-4672-b79d-d97027f9071a","amount":12.50,"currency":"EUR"}"#;
    push(0, Event::Start(Box::new(Start::new("order-1", "order", json(order)))));
    loop {
        round += 1;
        if round % 50 == 1 {
            claim += 1;
            push(claim, Event::Claim { worker: "worker-7f3a".into(), until: Timestamp::MAX });
        }
        let save = |step: &'static str, attempt, outcome| Event::Save {
            call: Call::new(step, round),
            attempt,
            outcome,
            compensate: false,
            took_us: Some(1_503),
        };
        let error = r#"{"type":"Timeout","message":"no answer in 5 s"}"#;
        push(claim, save("reserve stock", 1, Outcome::Retry { error: json(error), at: start }));
        push(claim, save("reserve stock", 2, Outcome::Done(json(r#"{"reserved":3}"#))));
        push(claim, Event::Value { call: Call::new("now", round), value: json("\"2026-11-22T04:34:16.123456Z\"") });
        push(claim, save("charge", 1, Outcome::Done(json(order))));
        push(claim, Event::Log { n: round, text: "charged, and now it is \"shipped\"".into(), level: None });
        push(claim, save("ship", 1, Outcome::Done(json("[1,2,3]"))));
        let call = Call::new("pause", round);
        push(claim, Event::Sleep { call: call.clone(), until: start });
        push(claim, Event::Wake { call });
        let call = Call::new("approved", round);
        let wait =
            Event::Wait { call: call.clone(), events: vec!["approved".into()], until: None, take: 0, done: false };
        push(claim, wait);
        let message = Message {
            id: "2c1b1d0e-6bd6-4f3a-8d0d-9d5a3c0e8c11".into(),
            event: "approved".into(),
            value: json("true"),
            from: None,
            sent_at: Some(start),
        };
        if push(claim, Event::Receive { inbox: round, message, to: Some(call), done: true }) >= events {
            return text;
        }
    }
}

fn fold(text: &[u8]) -> (Fold, u64) {
    let mut fold = Fold::new(run_log("order-1").expect("a name"));
    let (mut lines, mut begin) = (0, 0);
    for end in memchr::memchr_iter(b'\n', text) {
        let line = &text[begin..end];
        begin = end + 1;
        let header = Header::parse(line).expect("a header");
        black_box(fold.line(header, line).expect("sound"));
        lines += 1;
    }
    (fold, lines)
}

fn parse(text: &[u8]) -> u64 {
    let mut lines = 0;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        black_box(serde_json::from_slice::<serde_json::Value>(line).expect("JSON"));
        lines += 1;
    }
    lines
}

/// The fewest seconds that `work` took.
fn best(mut work: impl FnMut()) -> f64 {
    let round = |_| {
        let start = thread_seconds();
        work();
        thread_seconds() - start
    };
    (0..ROUNDS).map(round).fold(f64::MAX, f64::min)
}

fn main() {
    let events = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let text = history(events);
    let mut lines = 0;
    let fold_seconds = best(|| {
        let (fold, count) = fold(&text);
        lines = count;
        black_box(fold);
    });
    let parse_seconds = best(|| assert_eq!(parse(&text), lines));
    println!(
        "{{\"events\": {lines}, \"bytes\": {}, \"events_per_s\": {:.0}, \"mb_per_s\": {:.0}, \"serde_json_lines_per_s\": {:.0}}}",
        text.len(),
        lines as f64 / fold_seconds,
        text.len() as f64 / fold_seconds / 1e6,
        lines as f64 / parse_seconds
    );
}
