//! Events and values as the package's own client writes them, byte for byte.

use std::fmt::Write as _;

use serde_json::Value;

use super::base64;
use crate::compat::float::float_repr;
use crate::json::Json;
use crate::store::Error;
use crate::time::Timestamp;

/// Longest whole number that is passed on, in digits: Python itself refuses to print longer ones.
const DIGITS_MAX: usize = 4_300;

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
    Writer::Python.value(&mut out, &value)?;
    out.push_str("}}");
    Ok(out)
}

/// The JSON of an event that is a message.
///
/// # Errors
/// [`Error::Invalid`] if Python could not have the value.
pub(super) fn send(at: Timestamp, name: &str, value: &Json<'_>) -> Result<String, Error> {
    let mut compact = String::new();
    Writer::Orjson.value(&mut compact, &value.read()?)?;
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

/// Who else writes JSON so.
#[derive(Clone, Copy, PartialEq)]
enum Writer {
    /// `json.dumps`.
    Python,
    /// `orjson.dumps`.
    Orjson,
}

impl Writer {
    /// Values are nested no deeper than a [`Json`] may be.
    fn value(self, out: &mut String, value: &Value) -> Result<(), Error> {
        let (comma, colon) = if self == Writer::Python { (", ", ": ") } else { (",", ":") };
        match value {
            Value::Null | Value::Bool(_) => out.push_str(&value.to_string()),
            Value::Number(number) => out.push_str(&self.number(number.as_str())?),
            Value::String(text) => self.string(out, text),
            Value::Array(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at > 0 { comma } else { "" });
                    self.value(out, value)?;
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    out.push_str(if at > 0 { comma } else { "" });
                    self.string(out, key);
                    out.push_str(colon);
                    self.value(out, value)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }

    fn string(self, out: &mut String, text: &str) {
        match self {
            Writer::Python => ascii_string(out, text),
            Writer::Orjson => out.push_str(&Value::from(text).to_string()),
        }
    }

    /// The number of JSON as Python has it, to which whole ones and floats are not the same.
    fn number(self, text: &str) -> Result<String, Error> {
        let invalid = |problem: &str| Err(Error::invalid("number", problem));
        if text.contains(['.', 'e', 'E']) {
            return match text.parse::<f64>() {
                // Both print the shortest digits that read the same, each in its own layout.
                Ok(float) if float.is_finite() && self == Writer::Python => Ok(float_repr(float)),
                Ok(float) if float.is_finite() => Ok(Value::from(float).to_string()),
                _ => invalid("it is too large for a float"),
            };
        }
        if text.len() > DIGITS_MAX {
            return invalid("it has too many digits");
        }
        if self == Writer::Orjson && text.parse::<i64>().is_err() && text.parse::<u64>().is_err() {
            return invalid("it has more than 64 bits, which the package cannot send");
        }
        Ok(if text == "-0" { "0" } else { text }.to_owned())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_python() {
        for (text, repr, orjson) in [
            ("1.0", "1.0", "1.0"),
            ("1e2", "100.0", "100.0"),
            ("-0.0", "-0.0", "-0.0"),
            ("0.1", "0.1", "0.1"),
            ("0.0001", "0.0001", "0.0001"),
            ("1e15", "1000000000000000.0", "1000000000000000.0"),
            ("1.5e300", "1.5e+300", "1.5e+300"),
            ("12345678901234567890", "12345678901234567890", "12345678901234567890"),
            ("-0", "0", "0"),
        ] {
            let printed = [Writer::Python, Writer::Orjson].map(|writer| writer.number(text).unwrap());
            assert_eq!(printed, [repr, orjson], "{text}");
        }
        assert!(Writer::Python.number("1e999").is_err());
        assert!(Writer::Orjson.number("123456789012345678901").is_err());
    }
}
