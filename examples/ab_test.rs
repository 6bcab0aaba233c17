//! Two greetings for as many users each; who gets which stays the same.
//!
//! `cargo run --example ab_test`, then `cargo run -- report greeting`

use temporal_code::functions::{AbTest, Evolving, Tracker};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tracker = Tracker::open("evolution_logs")?;
    let greet = Evolving::new("greeting", |user: &str| format!("Dear {user}, welcome."))
        .variant("casual", |user: &str| format!("Hey {user}!"))
        .strategy(AbTest::split([0.5, 0.5]))
        .log_values()
        .tracker(&tracker);

    for visit in 0..500 {
        let user = format!("user-{}", visit % 100);
        let greeting = greet.call_for(&user, &user)?;
        if visit < 3 {
            println!("{greeting}");
        }
    }
    Ok(())
}
