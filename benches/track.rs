//! What a call through `Evolving` costs, and how many events a second reach the log. Run by `scripts/bench-track`, which puts
//! the Python package beside it; prints JSON.
//!
//! `cargo bench --bench track -- [SECONDS] [FOLDER]`

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use temporal_code::Timestamp;
use temporal_code::functions::{AbTest, Canary, Durability, Evolving, Gradual, Tracker, days};

/// Calls timed together, so that reading the clock does not count.
const BATCH: u32 = 100;
const BATCHES: usize = 20_000;

/// Median nanoseconds of one call, and its 99th percentile over batches.
fn cost(mut call: impl FnMut(u64), pause: impl Fn()) -> (f64, f64) {
    let mut times = Vec::with_capacity(BATCHES);
    let mut number = 0;
    for batch in 0..BATCHES {
        if batch % 100 == 0 {
            pause();
        }
        let start = Instant::now();
        for _ in 0..BATCH {
            number += 1;
            call(number);
        }
        times.push(start.elapsed().as_nanos() as f64 / f64::from(BATCH));
    }
    times.sort_by(f64::total_cmp);
    (times[BATCHES / 2], times[BATCHES * 99 / 100])
}

fn work(number: &u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect::<Vec<_>>();
    let seconds = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(10);
    let given = arguments.get(1).map(PathBuf::from);
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let folder = given.unwrap_or_else(|| temporary.path().to_path_buf());

    let direct = cost(|n| _ = black_box(work(black_box(&n))), || {});
    let yesterday = Timestamp::now().offset_micros(-86_400_000_000);
    let untracked = [
        ("ab", Evolving::new("rank", work).variant("v2", work).strategy(AbTest::even())),
        ("gradual", Evolving::new("rank", work).variant("v2", work).strategy(Gradual::new(yesterday, days(14)))),
        ("canary", Evolving::new("rank", work).variant("v2", work).strategy(Canary::new())),
    ];
    let mut lines = vec![format!("\"direct\": {:.1}", direct.0)];
    for (name, function) in &untracked {
        let (median, p99) = cost(|n| _ = black_box(function.call(black_box(&n))), || {});
        lines.push(format!("\"untracked_{name}\": {median:.1}, \"untracked_{name}_p99\": {p99:.1}"));
    }

    let tracker = Tracker::open(&folder).expect("a log");
    // So that what is timed is the caller's thread alone, the writer gets its turn between.
    let pause = || tracker.flush(Duration::from_secs(10)).expect("flushed");
    for (name, start) in [("ab", None), ("gradual", Some(yesterday))] {
        let function = Evolving::new(name, work).variant("v2", work);
        let function = match start {
            None => function.strategy(AbTest::even()),
            Some(start) => function.strategy(Gradual::new(start, days(14))),
        };
        let function = function.tracker(&tracker);
        let (median, p99) = cost(|n| _ = black_box(function.call(black_box(&n))), pause);
        lines.push(format!("\"tracked_{name}\": {median:.1}, \"tracked_{name}_p99\": {p99:.1}"));
        let (median, _) = cost(|n| _ = black_box(function.call_for(n.to_le_bytes(), black_box(&n))), pause);
        lines.push(format!("\"tracked_{name}_sticky\": {median:.1}"));
    }
    let dropped = tracker.health().dropped;
    drop(tracker);
    lines.push(format!("\"dropped_while_timed\": {dropped}"));
    lines.push(sustained(&folder, seconds));
    println!("{{{}}}", lines.join(", "));
}

/// As many events as reach the log, from one thread that waits whenever the queue fills up.
fn sustained(folder: &std::path::Path, seconds: u64) -> String {
    let options = Tracker::options().durability(Durability::Every(Duration::from_secs(1))).rotate_at_bytes(256 << 20);
    let tracker = options.open(folder.join("sustained")).expect("a log");
    let function = Evolving::new("rank_results", work).variant("v2", work).strategy(AbTest::even()).tracker(&tracker);
    let stop = AtomicBool::new(false);
    let (mut early_kib, mut calls) = (0, 0u64);
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Logs that were put aside are not kept: a minute of them is ten gigabytes.
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(200));
                for entry in std::fs::read_dir(folder.join("sustained")).into_iter().flatten().flatten() {
                    if entry.file_name() != "evolution.jsonl" {
                        let _ = std::fs::remove_file(entry.path());
                    }
                }
            }
        });
        let span = Duration::from_secs(seconds);
        while start.elapsed() < span {
            for _ in 0..1_000 {
                calls += 1;
                let _ = black_box(function.call(black_box(&calls)));
            }
            // A pace that leaves nothing out: what is dropped does not reach the log.
            let behind = calls as f64 / *PACE - start.elapsed().as_secs_f64();
            if behind > 0.001 {
                std::thread::sleep(Duration::from_secs_f64(behind));
            }
            if early_kib == 0 && start.elapsed() > span / 10 {
                early_kib = resident_kib();
            }
        }
        tracker.flush(Duration::from_secs(60)).expect("flushed");
        stop.store(true, Ordering::Relaxed);
    });
    let took = start.elapsed().as_secs_f64();
    let health = tracker.health();
    let rate = (calls - health.dropped) as f64 / took;
    format!(
        "\"sustained_per_s\": {rate:.0}, \"sustained_s\": {took:.1}, \"sustained_dropped\": {}, \"written_mb_per_s\": {:.0}, \
         \"rss_kib_early\": {early_kib}, \"rss_kib_late\": {}",
        health.dropped,
        health.written_bytes as f64 / took / 1e6,
        resident_kib()
    )
}

/// Events a second that are asked for; `TC_BENCH_PACE` of them, if set.
static PACE: std::sync::LazyLock<f64> = std::sync::LazyLock::new(|| {
    std::env::var("TC_BENCH_PACE").ok().and_then(|text| text.parse().ok()).unwrap_or(1_200_000.0)
});
