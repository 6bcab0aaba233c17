//! Any bytes as a history, an event or a filter of the Python package substantial: reading and folding never fail badly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temporal_code::Timestamp;
use temporal_code::foreign::substantial::{SUBSTANTIAL_PROBLEMS_MAX, StoredRun, SubstantialFold, SubstantialReading, WorkerZone, read_event, workflow_of};
use temporal_code::workflows::RunFilter;

fn check(bytes: &[u8]) {
    let reading = SubstantialReading::parse(bytes);
    if let Some(misread) = &reading.misread {
        assert!(misread.byte <= bytes.len() && !misread.to_string().contains('\u{1b}'));
    }
    let mut fold = SubstantialFold::default();
    for event in &reading.events {
        fold.event(event);
        assert!(!fold.history().last_change(event).contains('\u{1b}'));
    }
    let history = fold.into_history();
    assert_eq!(history.events, reading.events.len());
    assert!(history.problems.len() <= SUBSTANTIAL_PROBLEMS_MAX && history.problems.len() as u64 <= history.problems_count);
    let found = StoredRun { run: "w-1".to_owned(), reading: Some(reading), ..StoredRun::default() };
    for now in [Timestamp::MIN, Timestamp::from_micros(0), Timestamp::MAX] {
        let _ = found.status(&WorkerZone::new(|_| i32::MAX), now);
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let _ = read_event(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = workflow_of(text);
        check(format!("{{\"events\": [{{\"start\": {{}}}}, {text}]}}").as_bytes());
        let _ = RunFilter::parse(text);
    }
});
