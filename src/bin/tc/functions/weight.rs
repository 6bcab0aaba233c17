//! `tc weight`: sets a variant's share of traffic, or gives the function back to its strategy.

use anyhow::Result;
use clap::Args;

use crate::error::Failure;
use crate::functions::decide::{self, DecideArgs, Proposal, Subject};
use crate::output::figures::percent;
use crate::surroundings::Context;
use temporal_code::logs::Change;

/// Set a variant's share of traffic
///
/// The other variants share the rest as their strategy, or what was decided before, says. Appends the decision to the log.
/// Processes that follow the log obey it within a second, also after a restart, until something else is decided.
#[derive(Debug, Args)]
pub(crate) struct WeightArgs {
    /// The function
    function: String,
    /// The variant
    #[arg(required_unless_present = "release")]
    variant: Option<String>,
    /// Its share: 25%, or 0.25
    #[arg(required_unless_present = "release")]
    share: Option<String>,
    /// Hand the function back to its strategy, which starts anew: all that was decided is forgotten
    #[arg(long, conflicts_with_all = ["variant", "share"])]
    release: bool,
    #[command(flatten)]
    decide: DecideArgs,
}

pub(crate) fn run(context: &Context, args: &WeightArgs) -> Result<u8> {
    decide::run(context, "tc.weight/1", &args.function, &args.decide, |subject| {
        let (Some(variant), Some(share), false) = (&args.variant, &args.share, args.release) else {
            let effect = "its strategy decides again, and starts anew".to_string();
            return Ok(Proposal { variant: String::new(), change: Change::Release, effect });
        };
        subject.check(variant)?;
        let new = parse_share(share)?;
        let effect = format!("{variant} gets {} of traffic", percent(new));
        Ok(Proposal {
            variant: variant.clone(),
            change: Change::Weight { old: current(subject, variant), new },
            effect,
        })
    })
}

/// A share of 0 to 1, given so or in percent.
fn parse_share(text: &str) -> Result<f64> {
    let wrong = || {
        let message = format!("`{text}` is not a share of traffic");
        Failure::new("usage", message).hint("give 25% or 0.25; all of it is 100% or 1.0")
    };
    let share = match text.trim().strip_suffix('%') {
        // As text: dividing the float would make 0.33299999999999996 of 33.3.
        Some(percent) => format!("{}e-2", percent.trim()).parse::<f64>().map_err(|_| wrong())?,
        // 25 is more likely to be meant as a percentage than not, and 1 as well as not.
        None if text.trim().bytes().all(|byte| byte.is_ascii_digit()) && text.trim() != "0" => {
            return Err(wrong().into());
        }
        None => text.trim().parse::<f64>().map_err(|_| wrong())?,
    };
    // Adding 0 makes one of -0.
    if (0.0..=1.0).contains(&share) { Ok(share + 0.0) } else { Err(wrong().into()) }
}

/// The share until now, as well as the log tells: what was decided, for the variant itself or by taking all traffic elsewhere,
/// else what its calls were chosen with, else its share of calls.
fn current(subject: &Subject<'_>, name: &str) -> Option<f64> {
    let summary = subject.summary?;
    let place = summary.variants.iter().position(|variant| *variant.name == *name)?;
    let calls = summary.variants.iter().map(|variant| variant.primary.calls).sum();
    let rounded = |share: f64| (share * 1e4).round() / 1e4;
    let seen = summary.variants.iter().map(|variant| variant.weight.or(variant.primary.share_of(calls).map(rounded)));
    let seen = seen.collect::<Vec<_>>();
    let names = summary.variants.iter().map(|variant| &*variant.name).collect::<Vec<_>>();
    let overruled = summary.standing.resolve(&names).map(|forced| {
        let mut shares = seen.iter().map(|share| share.unwrap_or(0.0)).collect::<Vec<_>>();
        forced.overrule(&mut shares);
        rounded(shares[place])
    });
    summary.standing.share(name).or(overruled).or(seen[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_in_both_ways() {
        for (text, share) in [
            ("25%", 0.25),
            ("0.25", 0.25),
            ("0", 0.0),
            ("100 %", 1.0),
            ("1.0", 1.0),
            ("12.5%", 0.125),
            ("33.3%", 0.333),
        ] {
            assert_eq!(parse_share(text).expect("a share"), share, "{text}");
        }
        for text in ["", "%", "25", "1", "-1%", "101%", "1.1", "NaN", "inf", "0x1", "25%%", "½", "1e1%"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
    }
}
