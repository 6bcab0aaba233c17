//! Any text as the address of a store, an id, a key, a line: none is read as another than it was written, and no address
//! shows its password.
#![no_main]

use libfuzzer_sys::fuzz_target;
use temporal_code::stores::{Address, Header, Kind, Line, Name, Queue};

const RUNS: Kind = Kind::new("runs");

fuzz_target!(|bytes: &[u8]| {
    let _ = Header::parse(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(name) = Name::new(RUNS, text) {
        assert_eq!(name.id(), text);
        assert!(!name.key().contains(['/', '\\', '\n', '{', '}']) && !name.key().starts_with('.'));
        assert_eq!(Name::from_key(RUNS, name.key()).as_ref(), Some(&name));
    }
    if let Some(name) = Name::from_key(RUNS, text) {
        assert_eq!(Name::new(RUNS, &name.id()).unwrap().key(), text);
    }
    if let Some(queue) = Queue::from_key(text) {
        assert_eq!(Queue::new(&queue.name()).unwrap(), queue);
    }
    if let Ok(line) = Line::new(text) {
        let framed = format!("{{\"seq\":7,\"token\":\"0123456789abcdef\",{}", line.as_str()[1..].trim_start());
        let header = Header::parse(framed.as_bytes()).unwrap();
        assert!(header.seq == 7 && !header.more && !header.sealed);
        assert!(serde_json::from_str::<serde_json::Value>(&framed).is_ok());
    }
    if let Ok(address) = Address::parse(text) {
        let shown = address.to_string();
        if !matches!(address, Address::Path(_)) {
            let again = Address::parse(&shown).unwrap();
            assert_eq!(again.to_string(), shown);
        }
    }
    // A password in its place is never shown, whatever it is.
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) && text.len() > 8 {
        for scheme in ["redis", "rediss"] {
            let result = Address::parse(&format!("{scheme}://u:{text}@host/0"));
            let shown = result.map_or_else(|error| error.to_string(), |address| format!("{address} {address:?}"));
            assert!(!shown.contains(text));
        }
    }
});
