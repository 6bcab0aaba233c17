//! A new way to pay gets a tenth of the calls, and is rolled back when too many of them fail.
//!
//! `cargo run --example canary`, then `cargo run -- summary process_payment`

use temporal_code::functions::{Canary, Evolving, Tracker};

fn process_payment(cents: &u64) -> Result<u64, String> {
    Ok(*cents)
}

/// Fails for some amounts; the caller does not notice, since the first variant answers then.
fn process_payment_v2(cents: &u64) -> Result<u64, String> {
    if cents.is_multiple_of(7) { Err(format!("card declined: {cents} cents")) } else { Ok(*cents) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tracker = Tracker::open("evolution_logs")?;
    let pay = Evolving::fallible("process_payment", process_payment)
        .variant("v2", process_payment_v2)
        .metadata("author", "payments team")
        .strategy(Canary::new().weight(0.1).promote_after(100).rollback_threshold(0.95))
        .log_values()
        .tracker(&tracker);

    for cents in 100..3_100 {
        assert_eq!(pay.call(&cents)?, cents);
    }
    for variant in pay.stats().variants {
        let (name, calls) = (variant.name, variant.calls);
        println!("{name}: {calls} calls, {:.1} % succeeded, active: {}", variant.success_rate * 100.0, variant.active);
    }
    Ok(())
}
