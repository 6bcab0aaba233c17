//! Prices change on a given day.
//!
//! `cargo run --example scheduled`, then `cargo run -- status get_pricing`

use temporal_code::functions::{Evolving, Scheduled, Tracker};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tracker = Tracker::open("evolution_logs")?;
    let price = Evolving::new("get_pricing", |product: &str| format!("{product}: 99 flat"))
        .variant("v2", |product: &str| format!("{product}: 49 and up"))
        .variant("v3", |product: &str| format!("{product}: ask us"))
        .strategy(Scheduled::new([
            ("2026-06-01".parse()?, "v1"),
            ("2026-07-01".parse()?, "v2"),
            ("2099-01-01".parse()?, "v3"),
        ]))
        .tracker(&tracker);

    for product in ["basic", "premium"] {
        println!("{}", price.call(product)?);
    }
    Ok(())
}
