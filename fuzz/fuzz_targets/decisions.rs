//! Any bytes as the lines of a log: what is forced is well formed, and a decision that is written again reads as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temporal_code::logs::{Change, Decision, DecisionsInForce};

const VARIANTS: [&str; 3] = ["v1", "v2", "v3"];

fn check(standing: &DecisionsInForce) {
    let Some(forced) = standing.resolve(&VARIANTS) else { return };
    for own in [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.2, 0.3, 0.5], [0.0; 3]] {
        let mut weights = own;
        forced.overrule(&mut weights);
        assert!(weights.iter().all(|weight| (0.0..=1.0 + 1e-9).contains(weight)), "{weights:?}");
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{weights:?}");
        if let Some(only) = forced.only() {
            assert_eq!(weights[only], 1.0);
        }
    }
}

fuzz_target!(|log: &[u8]| {
    let mut standing = DecisionsInForce::default();
    for line in String::from_utf8_lossy(log).lines() {
        let Some(decision) = Decision::parse(line) else { continue };
        let again = Decision::parse(&decision.to_line());
        // What was cut once is not cut again, and a time without a reading is left out.
        assert_eq!(again.as_ref().map(|again| &again.variant), Some(&decision.variant));
        assert_eq!(again.map(|again| again.forced), Some(decision.forced));
        if let Change::Weight { new, .. } = decision.change {
            assert!((0.0..=1.0).contains(&new));
        }
        standing.apply(&decision);
        check(&standing);
    }
});
