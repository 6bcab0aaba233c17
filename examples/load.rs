//! Four functions under load, for a log worth looking at; decisions of `tc` are obeyed meanwhile.
//!
//! `cargo run --release --example load -- [SECONDS] [STORE]`, and in another terminal
//! `tc rollback checkout v2`, `tc weight rank_results v2 50%`, `tc history --follow`. STORE is a folder, `redis://…` or
//! `s3://…`; `evolution_logs` if not said.

use std::time::{Duration, Instant};

use temporal_code::Timestamp;
use temporal_code::functions::{AbTest, Canary, Evolving, Gradual, Manual, Ramp, Tracker, days};
use temporal_code::stores::{Address, Settings};

/// Takes its time: so many microseconds, give or take a half, and seldom ten times as long.
fn work(micros: f64) {
    let spread = 0.5 + fastrand::f64() + if fastrand::f64() < 0.01 { 9.0 } else { 0.0 };
    std::thread::sleep(Duration::from_nanos((micros * spread * 1e3) as u64));
}

fn fails(rate: f64, error: &str) -> Result<(), String> {
    if fastrand::f64() < rate { Err(error.to_string()) } else { Ok(()) }
}

fn repeat(running: impl Fn() -> bool, call: impl Fn()) {
    while running() {
        call();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(30), |text| text.parse())?;
    let store = std::env::args().nth(2).unwrap_or_else(|| "evolution_logs".to_string());
    let address = Address::parse(&store)?;
    let settings = Settings::from_environment(std::env::vars());
    let tracker = Tracker::options().rotate_at_bytes(64 << 20).open_at(&address, &settings)?;
    let start = Timestamp::now().offset_micros(-3 * 86_400_000_000);
    let rank = Evolving::new("rank_results", |(): &()| work(400.0))
        .variant("v2", |(): &()| work(250.0))
        .strategy(Gradual::new(start, days(14)))
        .tracker(&tracker);
    let pay = Evolving::fallible("checkout", |(): &()| {
        work(900.0);
        fails(0.002, "gateway timeout")
    });
    let pay = pay.variant("v2", |(): &()| {
        work(700.0);
        fails(0.004, "gateway timeout").and_then(|()| fails(0.02, "card declined"))
    });
    let pay = pay.strategy(Ramp::new([0.1, 0.3]).step_time(Duration::from_secs(120))).tracker(&tracker);
    let greet = Evolving::new("greeting", |_: &u32| work(100.0)).variant("casual", |_: &u32| work(100.0));
    let greet = greet.strategy(AbTest::even()).tracker(&tracker);
    let search = Evolving::fallible("search", |(): &()| fails(0.001, "index is busy").map(|()| work(300.0)));
    let search = search.variant("v2", |(): &()| fails(0.003, "index is busy").map(|()| work(200.0)));
    let search = search.strategy(Canary::new().weight(0.05).promote_after(1_000)).tracker(&tracker);
    let export = Evolving::new("export", |(): &()| work(2_000.0)).variant("v2", |(): &()| work(1_500.0));
    let export = export.strategy(Manual).tracker(&tracker);

    let begun = Instant::now();
    let running = || begun.elapsed() < Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        scope.spawn(|| repeat(running, || _ = rank.call(&())));
        scope.spawn(|| repeat(running, || _ = pay.call(&())));
        scope.spawn(|| repeat(running, || _ = search.call(&())));
        scope.spawn(|| repeat(running, || _ = export.call(&())));
        scope.spawn(|| {
            repeat(running, || {
                let user = fastrand::u32(..5_000);
                _ = greet.call_for(user.to_le_bytes(), &user);
            });
        });
        while running() {
            std::thread::sleep(Duration::from_secs(1));
            let share = |stats: temporal_code::functions::Stats| {
                let shares =
                    stats.variants.iter().map(|variant| format!("{} {:.0}%", variant.name, variant.weight * 100.0));
                format!("{}: {}", stats.function, shares.collect::<Vec<_>>().join(" "))
            };
            println!("{}  {}  {}", share(rank.stats()), share(pay.stats()), share(search.stats()));
        }
    });
    tracker.close()?;
    let health = tracker.health();
    println!("{} bytes written, {} events dropped", health.written_bytes, health.dropped);
    Ok(())
}
