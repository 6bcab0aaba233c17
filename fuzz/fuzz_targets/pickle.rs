//! Any bytes as a pickle, and as the state of an instance of durable-python: neither panics, and what is shown keeps to its
//! limits.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use temporal_code::foreign::durable_python::{SavedState, StateLimits};
use temporal_code::foreign::pickle::{Pickle, PickleLimits, ShowLimits};

fuzz_target!(|bytes: &[u8]| {
    let limits = PickleLimits { bytes_max: 1 << 20, values_max: 50_000, copied_bytes_max: 1 << 20, memo_max: 50_000 };
    match Pickle::read(bytes, &limits) {
        Ok(pickle) => {
            assert!(pickle.length() <= bytes.len() && pickle.values() <= limits.values_max);
            let show = ShowLimits { chars_max: 300, depth_max: 8, items_max: 20 };
            let shown = pickle.show(pickle.root(), &show);
            assert!(shown.text.chars().count() <= show.chars_max + 1);
            assert!(!shown.text.chars().any(char::is_control));
            if let Some(json) = pickle.to_json(pickle.root(), 1_000) {
                assert!(json.read::<serde_json::Value>().is_ok(), "{json}");
            }
            // What is cut is never taken for whole.
            assert!(Pickle::read(&bytes[..pickle.length() - 1], &limits).is_err());
        }
        Err(error) => assert!(error.at <= bytes.len(), "{error}"),
    }
    let limits = StateLimits { pickle: limits, frames_max: 20, nested_bytes_max: 1 << 20, ..StateLimits::default() };
    match SavedState::read(Path::new("x.pkl"), bytes, &limits) {
        Ok(state) => {
            assert!(state.frames.len() <= limits.frames_max);
            let _ = (state.status(), state.waiting_for(), state.result());
        }
        Err(damage) => assert!(damage.at.is_some_and(|at| at <= bytes.len() as u64), "{damage}"),
    }
});
