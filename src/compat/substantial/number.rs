//! Numbers as Python has them: whole ones and floats are not the same, and each prints in its own way.

use crate::compat::float::float_repr;
use crate::store::Error;

/// A number of JSON as Python reads it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    /// A whole number, as its digits.
    Int(String),
    /// A float.
    Float(f64),
}

/// Longest whole number that is passed on, in digits: Python itself refuses to print longer ones.
const DIGITS_MAX: usize = 4_300;

/// What the text of a JSON number is.
///
/// # Errors
/// [`Error::Invalid`] for a float that is not finite, or a whole number of too many digits.
pub(super) fn number(text: &str) -> Result<Number, Error> {
    if !text.contains(['.', 'e', 'E']) {
        if text.len() > DIGITS_MAX {
            return Err(Error::invalid("number", "it has too many digits"));
        }
        return Ok(Number::Int(if text == "-0" { "0" } else { text }.to_owned()));
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() => Ok(Number::Float(float)),
        _ => Err(Error::invalid("number", "it is too large for a float")),
    }
}

impl Number {
    /// As Python's `repr` prints it, and its `json` module.
    pub(super) fn repr(&self) -> String {
        match self {
            Number::Int(digits) => digits.clone(),
            Number::Float(float) => float_repr(*float),
        }
    }

    /// As `orjson` prints it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for whole numbers of more than 64 bits, which `orjson` refuses.
    pub(super) fn orjson(&self) -> Result<String, Error> {
        match self {
            Number::Int(digits) if digits.parse::<i64>().is_ok() || digits.parse::<u64>().is_ok() => Ok(digits.clone()),
            Number::Int(_) => Err(Error::invalid("number", "it has more than 64 bits, which the package cannot send")),
            // Both print the shortest digits that read the same, in one layout.
            Number::Float(float) => serde_json::to_string(float).map_err(|e| Error::invalid("number", e.to_string())),
        }
    }
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
            let number = number(text).unwrap();
            assert_eq!((number.repr().as_str(), number.orjson().unwrap().as_str()), (repr, orjson), "{text}");
        }
        assert!(number("1e999").is_err());
        assert!(number("123456789012345678901").unwrap().orjson().is_err());
    }
}
