//! A new ranking takes over in the course of two weeks.
//!
//! `cargo run --example gradual`, then `cargo run -- history rank_results 5`

use temporal_code::Timestamp;
use temporal_code::functions::{Evolving, Gradual, Tracker, days};

/// Simple: the words in alphabetical order.
fn rank_results(items: &[&'static str]) -> Vec<&'static str> {
    let mut items = items.to_vec();
    items.sort_unstable();
    items
}

/// Clever: the long words first.
fn rank_results_v2(items: &[&'static str]) -> Vec<&'static str> {
    let mut items = items.to_vec();
    items.sort_unstable_by_key(|item| std::cmp::Reverse(item.len()));
    items
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tracker = Tracker::open("evolution_logs")?;
    // It began five days ago.
    let start = Timestamp::now().offset_micros(-5 * 86_400_000_000);
    let rank = Evolving::new("rank_results", rank_results)
        .variant("v2", rank_results_v2)
        .strategy(Gradual::new(start, days(14)))
        .tracker(&tracker);

    for _ in 0..1_000 {
        rank.call(&["banana", "fig", "cherry"])?;
    }
    for variant in rank.stats().variants {
        println!("{}: {} calls, {:.0} % of traffic now", variant.name, variant.calls, variant.weight * 100.0);
    }
    Ok(())
}
