//! Values as people give them: JSON, or text, or `@file`, or `-` for standard input.

use std::io::Read as _;

use anyhow::Result;

use crate::error::Failure;
use temporal_code::stores::LINE_BYTES_MAX;
use temporal_code::workflows::Json;

/// The value that an argument stands for; without one, null. With `text` it is taken for text, whatever it looks like.
pub(crate) fn value(argument: Option<&str>, text: bool) -> Result<Json<'static>> {
    let Some(argument) = argument else { return Ok(Json::parse("null")?) };
    if text {
        return string(argument);
    }
    match argument {
        "-" => of_content(&read("standard input", std::io::stdin().lock())?, "standard input"),
        _ => match argument.strip_prefix('@') {
            Some(path) => {
                let file = std::fs::File::open(path).map_err(|cause| Failure::unreadable(path, cause))?;
                of_content(&read(path, file)?, path)
            }
            None => of_text(argument, "the value"),
        },
    }
}

fn read(name: &str, from: impl std::io::Read) -> Result<String> {
    let mut bytes = Vec::new();
    from.take(LINE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|cause| Failure::unreadable(name, cause))?;
    if bytes.len() > LINE_BYTES_MAX {
        return Err(Failure::new("too_large", format!("{name} has more than {LINE_BYTES_MAX} bytes")).into());
    }
    String::from_utf8(bytes).map_err(|_| Failure::new("bad_data", format!("{name} is not UTF-8")).into())
}

fn of_content(content: &str, name: &str) -> Result<Json<'static>> {
    // Editors on Windows put a byte order mark in front.
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    of_text(content.strip_suffix('\n').unwrap_or(content), name)
}

/// JSON where it is JSON, else a text; what begins like JSON and is none is a mistake.
fn of_text(text: &str, name: &str) -> Result<Json<'static>> {
    match Json::parse(text) {
        Ok(json) => Ok(json),
        Err(cause) if text.trim_start().starts_with(['{', '[', '"']) => {
            let failure = Failure::new("usage", format!("{name} begins like JSON, and is none"));
            Err(failure.cause(cause).hint("put it right, or send it as text with --text").into())
        }
        Err(_) => string(text),
    }
}

fn string(text: &str) -> Result<Json<'static>> {
    Ok(Json::of(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_or_text() {
        let of = |argument| value(Some(argument), false).unwrap().to_string();
        assert_eq!(of("12.50"), "12.50");
        assert_eq!(of(r#"{"by": "Ada"}"#), r#"{"by": "Ada"}"#);
        assert_eq!(of("Ada"), r#""Ada""#);
        assert_eq!(of(""), r#""""#);
        assert_eq!(of("NaN"), r#""NaN""#);
        assert_eq!(of_content("\u{feff}{\"by\": 1}\n", "a file").unwrap().to_string(), r#"{"by": 1}"#);
        assert_eq!(value(Some("12"), true).unwrap().to_string(), r#""12""#);
        assert_eq!(value(None, false).unwrap().to_string(), "null");
        assert!(value(Some("{by: 1}"), false).is_err());
        assert!(value(Some("@/no/such/file"), false).is_err());
        assert!(value(Some(&"[".repeat(1_000)), false).is_err());
    }
}
