//! Any bytes as a time: nothing panics, and a time that was read is read again from how it is printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temporal_code::Timestamp;

fuzz_target!(|text: &[u8]| {
    let Some(at) = Timestamp::parse(text) else { return };
    assert!((Timestamp::MIN..=Timestamp::MAX).contains(&at));
    let printed = at.to_string();
    assert_eq!(Timestamp::parse(printed.as_bytes()), Some(at));
    assert_eq!(Timestamp::parse(printed.as_bytes()).map(|at| at.to_string()), Some(printed.clone()));
    assert_eq!(Timestamp::parse(printed.replace('Z', "+00:00").as_bytes()), Some(at));
    assert_eq!(Timestamp::from_micros(at.micros()), at);
    assert!(text.is_ascii());
});
