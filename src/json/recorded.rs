//! Values as runs record them: JSON kept as its own text, neither built into a tree nor changed.

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::depth;

/// Deepest nesting of a value that is recorded. A line may be nested a little deeper, since a value can come to stand inside
/// of a state, inside of the seal of a generation.
pub const VALUE_DEPTH_MAX: usize = 90;

/// One JSON value on one line, as text.
#[derive(Clone)]
pub struct Json<'a>(Cow<'a, str>);

impl<'a> Json<'a> {
    /// What `value` is as JSON.
    ///
    /// # Errors
    /// [`InvalidValue`] if it cannot be JSON, or is nested deeper than [`VALUE_DEPTH_MAX`].
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Json<'static>, InvalidValue> {
        Json::raw_of(value)?.checked()
    }

    /// As [`Json::of`], as deep as a line may be.
    pub(crate) fn raw_of<T: Serialize + ?Sized>(value: &T) -> Result<Json<'static>, InvalidValue> {
        Ok(Json(Cow::Owned(serde_json::to_string(value).map_err(InvalidValue::new)?)))
    }

    /// The value that `text` is.
    ///
    /// # Errors
    /// [`InvalidValue`] if it is not JSON (RFC 8259), or nested deeper than [`VALUE_DEPTH_MAX`].
    pub fn parse(text: &str) -> Result<Json<'static>, InvalidValue> {
        // In JSON these stand between tokens only, where a blank does as well.
        let text = text.replace(['\n', '\r'], " ");
        let raw: &RawValue = serde_json::from_str(&text).map_err(InvalidValue::new)?;
        Json(Cow::Owned(raw.get().to_owned())).checked()
    }

    /// `null`.
    pub const fn null() -> Json<'static> {
        Json(Cow::Borrowed("null"))
    }

    fn checked(self) -> Result<Self, InvalidValue> {
        if depth(self.text()) > VALUE_DEPTH_MAX {
            return Err(InvalidValue::new(format!("it is nested more than {VALUE_DEPTH_MAX} deep")));
        }
        Ok(self)
    }

    /// Wraps a text that was read as one value of a line.
    #[inline]
    pub(crate) fn scanned(text: &'a str) -> Self {
        Json(Cow::Borrowed(text))
    }

    /// The JSON text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The value as a `T`.
    ///
    /// # Errors
    /// [`InvalidValue`] if it is not one.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, InvalidValue> {
        serde_json::from_str(self.text()).map_err(InvalidValue::new)
    }

    /// The same value with its own text.
    pub fn into_owned(self) -> Json<'static> {
        Json(Cow::Owned(self.0.into_owned()))
    }

    /// A copy with its own text.
    pub(crate) fn owned(&self) -> Json<'static> {
        Json(Cow::Owned(self.text().to_owned()))
    }

    /// The same value, borrowed.
    pub fn as_borrowed(&self) -> Json<'_> {
        Json(Cow::Borrowed(&self.0))
    }
}

/// A text or a thing that is no value to be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid value: {problem}")]
pub struct InvalidValue {
    /// What is wrong with it.
    pub problem: String,
}

impl InvalidValue {
    fn new(problem: impl ToString) -> Self {
        InvalidValue { problem: problem.to_string() }
    }
}

/// Two values are equal if their texts are.
impl PartialEq for Json<'_> {
    fn eq(&self, other: &Json<'_>) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json<'_> {}

/// The JSON text.
impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.text()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_its_text_but_for_newlines() {
        assert_eq!(
            Json::parse(" {\"a\" : 1.50,\r\n \"a\\n\":\t[ ]} ").unwrap().text(),
            "{\"a\" : 1.50,   \"a\\n\":\t[ ]}"
        );
        assert_eq!(Json::of(&("x\n", 1u8)).unwrap().text(), r#"["x\n",1]"#);
        assert_eq!(Json::null().read::<Option<u8>>().unwrap(), None);
        for bad in ["", "NaN", "{", "1 2", "'a'"] {
            assert!(Json::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}\"[\\\"[\"{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(&nested(VALUE_DEPTH_MAX)).is_ok());
        assert!(Json::parse(&nested(VALUE_DEPTH_MAX + 1)).is_err());
        assert!(Json::parse(&nested(1_000_000)).is_err());
    }
}
