//! Any bytes as a history, an event or a filter of the Python package substantial: reading and folding never fail badly, and a filter
//! has the same answer twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temporal_code::Timestamp;
use temporal_code::foreign::substantial::{Filter, SUBSTANTIAL_PROBLEMS_MAX, StoredRun, Subject, SubstantialFold, SubstantialReading, WorkerZone, read_event, workflow_of};

fn check(bytes: &[u8]) {
    let reading = SubstantialReading::parse(bytes);
    if let Some(misread) = &reading.misread {
        assert!(misread.byte <= bytes.len() && !misread.to_string().contains('\u{1b}'));
    }
    let mut fold = SubstantialFold::default();
    for event in &reading.records.events {
        assert!(!fold.event(event).to_string().contains('\u{1b}'));
    }
    let history = fold.into_history();
    assert_eq!(history.events, reading.records.events.len());
    assert!(history.problems.len() <= SUBSTANTIAL_PROBLEMS_MAX && history.problems.len() as u64 <= history.problems_count);
    for filter in [r#"{"or": [{"lte": 1}, {"contains": "a"}]}"#, r#"{"not": {"started_at": {"gt": "2020-01-01"}}}"#] {
        let filter = Filter::parse(filter).expect("a filter");
        if let Ok(Some(subject)) = Subject::as_package(Some(&reading.records)) {
            assert_eq!(filter.holds(&subject), filter.holds(&subject));
        }
    }
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
        if let Ok(filter) = Filter::parse(text) {
            let history = r#"{"events": [{"at": "2026-01-01T00:00:00Z", "start": {}}, {"stop": {"ok": "WzEsImEiXQ=="}}]}"#;
            let records = SubstantialReading::parse(history.as_bytes()).records;
            let subject = Subject::as_package(Some(&records)).expect("JSON").expect("an end");
            assert_eq!(filter.holds(&subject), filter.holds(&subject));
        }
    }
});
