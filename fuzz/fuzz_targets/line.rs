//! Any bytes as one line: nothing panics, and every event that is handed on has what its kind needs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temporal_code::Timestamp;
use temporal_code::logs::{EventKind, LineFault, LogEvent, read_line, read_records};

fn check(line: &str, record: &str, event: &LogEvent<'_>) {
    assert!(line.contains(record) && record.starts_with('{') && record.ends_with('}'));
    if !matches!(event.kind, EventKind::Other(_)) {
        assert!(event.function.is_some() && event.variant.is_some());
    }
    if event.kind != EventKind::Call {
        assert_eq!(event.outcome, Default::default());
    }
    for name in event.function.iter().chain(&event.variant) {
        assert_eq!(name.as_str().as_bytes(), name.as_bytes());
    }
    for at in event.at.into_iter().chain(event.began()) {
        assert!((Timestamp::MIN..=Timestamp::MAX).contains(&at));
    }
    if let Some(error) = event.outcome.error {
        assert!(!error.is_null() && record.contains(error.text()));
    }
}

fuzz_target!(|line: &[u8]| {
    let (mut records, mut events) = (0, 0);
    let result = read_records(line, &mut |record, event| {
        records += 1;
        let line = std::str::from_utf8(line).expect("only text has events");
        check(line, record, &event);
        // An event's own text is that event, alone.
        let mut again = Vec::new();
        assert_eq!(read_line(record.as_bytes(), &mut |event| again.push(format!("{event:?}"))), Ok(()));
        assert_eq!(again, [format!("{event:?}")]);
    });
    let same = read_line(line, &mut |_| events += 1);
    assert_eq!((events, &same), (records, &result));
    match result {
        Ok(()) => assert!(records <= 1),
        Err(LineFault::Glued) => assert!(records >= 2),
        Err(LineFault::Encoding(at)) => assert!(records == 0 && at < line.len()),
        Err(LineFault::Syntax(error)) => assert!(records == 0 && error.at <= line.len()),
        Err(LineFault::Torn(_)) => assert!(records >= 1),
        Err(_) => {}
    }
});
