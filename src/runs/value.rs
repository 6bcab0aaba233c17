//! Values of runs, and texts of them that are cut.

use std::borrow::Cow;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::compat::durable_python::SavedValue;
use crate::compat::substantial::SubstantialPayload;
use crate::json::{Json, repr};

/// A value of a run: JSON, or else a text that says what it is.
#[derive(Clone, Debug, PartialEq)]
pub enum RunValue {
    /// JSON.
    Json(Json<'static>),
    /// A text that somebody wrote or that says what it is.
    Text(String),
    /// What JSON cannot say, as Python prints it. In JSON it is an object with the one member `$repr`.
    Python(String),
    /// The same, of which something was left out, since it is too large or too deep.
    Cut(String),
}

impl RunValue {
    /// As text: JSON as it is written.
    pub fn text(&self) -> &str {
        match self {
            RunValue::Json(json) => json.text(),
            RunValue::Text(text) | RunValue::Python(text) | RunValue::Cut(text) => text,
        }
    }

    /// As text on one line, without the blanks that indent JSON.
    pub fn one_line(&self) -> Cow<'_, str> {
        match self {
            RunValue::Json(json) => compact(json.text()),
            RunValue::Text(text) | RunValue::Python(text) | RunValue::Cut(text) => Cow::Borrowed(text),
        }
    }

    /// As JSON: a text is a string, and what JSON cannot say an object with the one member `$repr`.
    pub fn json(&self) -> Cow<'_, str> {
        match self {
            RunValue::Json(json) => Cow::Borrowed(json.text()),
            RunValue::Text(text) => Cow::Owned(serde_json::Value::from(text.as_str()).to_string()),
            RunValue::Python(text) | RunValue::Cut(text) => Cow::Owned(repr(text)),
        }
    }

    /// As a person would say it: of an error its type and message, of a text the text itself.
    pub fn plain(&self) -> String {
        let RunValue::Json(json) = self else { return self.text().to_owned() };
        if json.text().starts_with('"') {
            return json.read::<String>().unwrap_or_else(|_| json.text().to_owned());
        }
        error_text(json).unwrap_or_else(|| compact(json.text()).into_owned())
    }
}

/// The JSON itself.
impl Serialize for RunValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            RunValue::Text(text) => serializer.serialize_str(text),
            RunValue::Python(text) | RunValue::Cut(text) => {
                let mut members = serializer.serialize_map(Some(1))?;
                members.serialize_entry("$repr", text)?;
                members.end()
            }
            RunValue::Json(json) => match serde_json::from_str::<&RawValue>(json.text()) {
                Ok(raw) => raw.serialize(serializer),
                // What no other reader takes for JSON must not spoil all that is around it.
                Err(_) => serializer.serialize_unit(),
            },
        }
    }
}

/// Largest JSON that is put on one line, in bytes: longer ones are cut wherever they are shown.
const COMPACT_MAX: usize = 64 << 10;

/// JSON without the blanks that indent it, and with letters instead of their escapes.
fn compact(json: &str) -> Cow<'_, str> {
    let is_plain = !json.contains("  ") && !json.contains("\\u") && !json.contains('\t');
    if is_plain || json.len() > COMPACT_MAX {
        return Cow::Borrowed(json);
    }
    match serde_json::from_str::<serde_json::Value>(json) {
        Ok(value) => Cow::Owned(value.to_string()),
        Err(_) => Cow::Borrowed(json),
    }
}

/// `Timeout: no answer`, if it is an object that says so.
fn error_text(error: &Json<'_>) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Said {
        #[serde(rename = "type")]
        kind: Option<String>,
        message: Option<String>,
    }
    if !error.text().trim_start().starts_with('{') {
        return None;
    }
    match error.read::<Said>().ok()? {
        Said { kind: Some(kind), message: Some(message) } => Some(format!("{kind}: {message}")),
        Said { kind: None, message: Some(message) } => Some(message),
        _ => None,
    }
}

impl From<&Json<'_>> for RunValue {
    fn from(json: &Json<'_>) -> Self {
        RunValue::Json(json.clone().into_owned())
    }
}

impl From<&SubstantialPayload> for RunValue {
    fn from(payload: &SubstantialPayload) -> Self {
        match payload {
            SubstantialPayload::Json(json) => RunValue::Json(json.clone()),
            SubstantialPayload::Bytes(bytes) => of_bytes(bytes),
        }
    }
}

/// Most bytes that are shown as such.
const BYTES_MAX: usize = 4 << 10;

fn of_bytes(bytes: &[u8]) -> RunValue {
    if bytes.len() > BYTES_MAX {
        return RunValue::Cut(format!("{} bytes that are not JSON", bytes.len()));
    }
    RunValue::Python(format!("b'{}'", bytes.escape_ascii().to_string().replace("\\\"", "\"")))
}

impl From<&SavedValue> for RunValue {
    fn from(seen: &SavedValue) -> Self {
        match &seen.json {
            Some(json) => RunValue::Json(json.clone()),
            None if seen.complete => RunValue::Python(seen.text.clone()),
            None => RunValue::Cut(seen.text.clone()),
        }
    }
}

/// Most characters of a value or name that a sentence repeats.
const QUOTED_MAX: usize = 160;

/// A text, cut.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

pub(super) fn quoted(json: &Json<'_>) -> String {
    cut(&compact(json.text())).into_owned()
}

pub(super) fn quoted_error(json: &Json<'_>) -> String {
    error_text(json).map_or_else(|| quoted(json), |text| cut(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_on_one_line() {
        for (json, wanted) in [
            (r#"{   "a":   1.50,      "b  c": "x \"  y\\"   }"#, r#"{"a":1.50,"b  c":"x \"  y\\"}"#),
            (r#"{"a": 1}"#, r#"{"a": 1}"#),
            (r#"{"b":"Zo\u00eb","a":"\u001b"}"#, r#"{"b":"Zoë","a":"\u001b"}"#),
            (r#"["\ud800"]"#, r#"["\ud800"]"#),
        ] {
            assert_eq!(compact(json), wanted);
        }
    }

    #[test]
    fn values_are_said_plainly() {
        let said = |json: &str| RunValue::Json(Json::parse(json).unwrap()).plain();
        assert_eq!(said(r#"{"type":"Timeout","message":"no answer"}"#), "Timeout: no answer");
        assert_eq!(said(r#"{"message":"no answer"}"#), "no answer");
        assert_eq!(said(r#"{"type":7,"message":"no answer"}"#), r#"{"type":7,"message":"no answer"}"#);
        assert_eq!(said(r#""RuntimeError: card declined""#), "RuntimeError: card declined");
        assert_eq!(said("12.50"), "12.50");
        assert_eq!(RunValue::Text("<x.Y>".into()).json(), "\"<x.Y>\"");
        assert_eq!(RunValue::Text("nan".into()).json(), "\"nan\"");
        for value in [RunValue::Python("nan".into()), RunValue::Cut("nan".into())] {
            assert_eq!(value.json(), r#"{"$repr":"nan"}"#);
            assert_eq!(serde_json::to_string(&value).unwrap(), r#"{"$repr":"nan"}"#);
        }
        let bytes = SubstantialPayload::Bytes([0xff, b'"', b'a'].into());
        assert_eq!(RunValue::from(&bytes), RunValue::Python(r#"b'\xff"a'"#.into()));
    }
}
