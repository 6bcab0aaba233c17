//! Any text as a JSON object: what serde_json takes we take, with the same members, and what we take serde_json takes,
//! but for what only Python's `json` allows and for serde_json's own limits of depth and range.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use temporal_code::json;

/// The members that an object has, and whether the whole text was read.
fn ours(text: &str) -> Option<Vec<(String, String)>> {
    let mut members = Vec::new();
    let end = json::object(text, 0, |key, value| members.push((key.into_owned(), value.text().to_string()))).ok()?;
    (end == text.len()).then_some(members)
}

/// What serde_json refuses of what we take: numbers that are none or too big, surrogates alone, depth.
fn excused(error: &serde_json::Error, text: &str) -> bool {
    let why = error.to_string();
    let python_only = ["NaN", "Infinity"].iter().any(|word| text.contains(word));
    let limits = ["number out of range", "recursion limit exceeded", "lone leading surrogate", "unexpected end of hex"];
    python_only || limits.iter().any(|limit| why.starts_with(limit)) || text.contains("\\u")
}

fuzz_target!(|text: &[u8]| {
    let Ok(text) = std::str::from_utf8(text) else { return };
    match (serde_json::from_str::<Value>(text), ours(text)) {
        (Ok(Value::Object(theirs)), Some(ours)) => {
            for (key, value) in &theirs {
                let last = ours.iter().rev().find(|(ours, _)| ours == key).expect("a key that serde_json has");
                let read: Value = serde_json::from_str(&last.1).expect("a value that serde_json took");
                assert_eq!(read, *value);
            }
            assert!(ours.iter().all(|(key, _)| theirs.contains_key(key)));
        }
        (Ok(Value::Object(_)), None) => unreachable!("serde_json takes {text:?}"),
        (Ok(_), ours) => assert!(ours.is_none(), "no object: {text:?}"),
        (Err(error), Some(_)) => assert!(excused(&error, text), "{error}: {text:?}"),
        (Err(_), None) => {}
    }
});
