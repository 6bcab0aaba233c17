//! The log of one replay, as the package writes it.

use super::records::SUBSTANTIAL_HISTORY_BYTES_MAX;
use crate::json::{self, Raw};
use crate::time::Timestamp;

/// Most notes of one log that are kept.
const NOTES_MAX: usize = 64;

/// Most characters of a text that a note keeps.
const TEXT_CHARS_MAX: usize = 4_000;

/// What a replay noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayNote {
    /// When, as naive as it was written.
    pub at: Option<Timestamp>,
    /// What it says.
    pub message: String,
    /// The kind of error; none if it is not one.
    pub error: Option<String>,
    /// Where the error arose.
    pub stack: Option<String>,
}

/// The notes of a log, or why it cannot be read.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<ReplayNote>, String> {
    if bytes.len() > SUBSTANTIAL_HISTORY_BYTES_MAX {
        return Err("it is too large".to_owned());
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| format!("at byte {}: it is not UTF-8", error.valid_up_to()))?;
    let ([list], end) = json::pick(text, 0, ["metadata"]).map_err(|error| error.to_string())?;
    if end < text.len() {
        return Err(format!("at byte {end}: more follows"));
    }
    let Some(list) = list else { return Ok(Vec::new()) };
    let list = list.text();
    let mut notes = Vec::new();
    let mut at = if list.starts_with('[') { 1 } else { return Err("`metadata` is not a list".to_owned()) };
    // The list is known to be well formed: it ends where no value comes any more.
    while let Ok((value, behind)) = json::value(list, at) {
        if notes.len() == NOTES_MAX {
            break;
        }
        notes.push(note(value.text()));
        at = behind + 1;
    }
    Ok(notes)
}

fn note(text: &str) -> ReplayNote {
    // What is not as it should be is left out: a log says what helps a person, and nothing depends on it.
    let ([at, info, error], _) = json::pick(text, 0, ["at", "info", "error"]).unwrap_or_default();
    let said = error.or(info).and_then(|said| json::pick(said.text(), 0, ["message", "type", "stack"]).ok());
    let [message, kind, stack] = said.unwrap_or_default().0.map(|value| {
        let text = value.and_then(Raw::as_str)?;
        Some(text.chars().take(TEXT_CHARS_MAX).collect::<String>())
    });
    ReplayNote {
        at: at.and_then(Raw::as_str).and_then(|text| Timestamp::parse(text.as_bytes())),
        message: message.unwrap_or_default(),
        error: error.map(|_| kind.unwrap_or_default()),
        stack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_and_bounded() {
        let text = r#"{"runId": "r", "metadata": [{"at": "2026-11-21T21:49:23.360460Z", "info": {"message": "replay"}},
            {"error": {"message": "error: x", "stack": "stacktrace", "type": "<class 'KeyError'>"}}, 7, {"error": 3}]}"#;
        let notes = parse(text.as_bytes()).unwrap();
        assert_eq!((notes.len(), &*notes[0].message, notes[0].error.is_none()), (4, "replay", true));
        assert_eq!(notes[1].error.as_deref(), Some("<class 'KeyError'>"));
        assert_eq!((&notes[2], notes[3].error.as_deref()), (&ReplayNote::default(), Some("")));
        let many = format!("{{\"metadata\": [{}1]}}", "1,".repeat(1_000));
        assert_eq!(parse(many.as_bytes()).unwrap().len(), NOTES_MAX);
        assert_eq!(parse(b"{}").unwrap(), []);
        assert_eq!(parse(br#"{"metadata": []}"#).unwrap(), []);
        for bad in [&b""[..], b"{", b"[]", b"{} {}", b"{\"metadata\": 1}", b"\xff"] {
            assert!(parse(bad).is_err());
        }
    }
}
