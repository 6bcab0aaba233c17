//! Events and values as the package's own client writes them, byte for byte.

use std::fmt::Write as _;

use serde_json::Value;

use super::{base64, number};
use crate::json::Json;
use crate::store::Error;
use crate::time::Timestamp;

/// The JSON of an event that asks a run to start.
///
/// # Errors
/// [`Error::Invalid`] if `kwargs` is not an object, or Python could not have it.
pub(super) fn start(at: Timestamp, kwargs: &Json<'_>) -> Result<String, Error> {
    let value: Value = kwargs.read()?;
    if !value.is_object() {
        return Err(Error::invalid("arguments of a workflow", "they are not an object: each argument needs its name"));
    }
    let mut out = format!("{{\"at\": \"{}\", \"start\": {{\"kwargs\": ", proto_time(at));
    dumps(&mut out, &value)?;
    out.push_str("}}");
    Ok(out)
}

/// The JSON of an event that is a message.
///
/// # Errors
/// [`Error::Invalid`] if Python could not have the value.
pub(super) fn send(at: Timestamp, name: &str, value: &Json<'_>) -> Result<String, Error> {
    let mut compact = String::new();
    orjson(&mut compact, &value.read()?)?;
    let mut out = format!("{{\"at\": \"{}\", \"send\": {{", proto_time(at));
    // Fields at their default are left out.
    if !name.is_empty() {
        out.push_str("\"name\": ");
        ascii_string(&mut out, name);
        out.push_str(", ");
    }
    let _ = write!(out, "\"value\": \"{}\"}}}}", base64::encode(compact.as_bytes()));
    Ok(out)
}

/// A naive time as its JSON of protobuf prints it: with no fraction, three or six digits.
fn proto_time(naive: Timestamp) -> String {
    let text = naive.to_string();
    match text.strip_suffix("000Z") {
        Some(short) if short.contains('.') => format!("{short}Z"),
        _ => text,
    }
}

/// As `json.dumps` does. Values are nested no deeper than a [`Json`] may be.
fn dumps(out: &mut String, value: &Value) -> Result<(), Error> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&number::number(number.as_str())?.repr()),
        Value::String(text) => ascii_string(out, text),
        Value::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                dumps(out, value)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (at, (key, value)) in members.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                ascii_string(out, key);
                out.push_str(": ");
                dumps(out, value)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// As `orjson.dumps` does.
fn orjson(out: &mut String, value: &Value) -> Result<(), Error> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
        Value::Number(number) => out.push_str(&number::number(number.as_str())?.orjson()?),
        Value::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                orjson(out, value)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (at, (key, value)) in members.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                orjson(out, value)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// A string in which all but printable ASCII is escaped.
fn ascii_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}
