//! Values of JSON as filters compare them: whole numbers and floats are numbers, and compare exactly.

use std::cmp::Ordering;

use serde_json::Value;

/// A number, as `orjson` reads it: whole ones of more than 64 bits are floats.
enum Number {
    Int(i128),
    Float(f64),
}

/// What kind of value it is, in a word or two.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

pub(super) fn is_same_kind(left: &Value, right: &Value) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}

pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => numbers(left, right) == Ordering::Equal,
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => left.len() == right.len() && has_all(right, left),
        (left, right) => left == right,
    }
}

/// Whether an object has all the members of another.
fn has_all(whole: &serde_json::Map<String, Value>, part: &serde_json::Map<String, Value>) -> bool {
    part.iter().all(|(key, value)| whole.get(key).is_some_and(|there| equal(value, there)))
}

/// The order of two values; none if they have none.
pub(super) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => Some(numbers(left, right)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Array(left), Value::Array(right)) => {
            let differ = left.iter().zip(right).find(|(left, right)| !equal(left, right));
            differ.map_or_else(|| Some(left.len().cmp(&right.len())), |(left, right)| order(left, right))
        }
        _ => None,
    }
}

/// Whether a value is one of a list, a key or the members of an object, or a part of a text.
pub(super) fn includes(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (part, Value::Array(values)) => values.iter().any(|value| equal(part, value)),
        (Value::Object(part), Value::Object(whole)) => has_all(whole, part),
        (Value::String(key), Value::Object(whole)) => whole.contains_key(key),
        (Value::String(part), Value::String(whole)) => whole.contains(part.as_str()),
        _ => false,
    }
}

impl Number {
    fn of(number: &serde_json::Number) -> Number {
        let text = number.as_str();
        match text.parse::<i128>() {
            Ok(int) if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&int) => Number::Int(int),
            _ => Number::Float(text.parse().unwrap_or(f64::NAN)),
        }
    }
}

fn numbers(left: &serde_json::Number, right: &serde_json::Number) -> Ordering {
    match (Number::of(left), Number::of(right)) {
        (Number::Int(left), Number::Int(right)) => left.cmp(&right),
        (Number::Float(left), Number::Float(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
        (Number::Int(left), Number::Float(right)) => exact(left, right),
        (Number::Float(left), Number::Int(right)) => exact(right, left).reverse(),
    }
}

/// Compares without rounding the int: Python does not either.
fn exact(int: i128, float: f64) -> Ordering {
    // Ints have at most 65 bits, so floats out of this range are decided, and those in it have an exact floor.
    if float >= 1e30 {
        return Ordering::Less;
    }
    if float <= -1e30 {
        return Ordering::Greater;
    }
    let floor = float.floor();
    int.cmp(&(floor as i128)).then(if float > floor { Ordering::Less } else { Ordering::Equal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_compare_exactly() {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        for (left, right, wanted) in [
            ("1", "1.0", Ordering::Equal),
            ("-0", "0.0", Ordering::Equal),
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            ("-1", "-1.5", Ordering::Greater),
            ("1", "1.5", Ordering::Less),
            ("18446744073709551615", "1e300", Ordering::Less),
            ("18446744073709551616", "18446744073709551617", Ordering::Equal),
            ("1e999", "1e998", Ordering::Equal),
            ("false", "true", Ordering::Less),
            ("[1, 2]", "[1.0, 2, 0]", Ordering::Less),
            ("\"a\"", "\"b\"", Ordering::Less),
        ] {
            assert_eq!(order(&value(left), &value(right)), Some(wanted), "{left} {right}");
            assert_eq!(order(&value(right), &value(left)), Some(wanted.reverse()), "{left} {right}");
            assert_eq!(equal(&value(left), &value(right)), wanted == Ordering::Equal, "{left} {right}");
        }
        for (left, right) in [("{}", "{}"), ("[1]", "[\"a\"]"), ("true", "1"), ("null", "null")] {
            assert_eq!(order(&value(left), &value(right)), None, "{left} {right}");
        }
        assert!(equal(&value(r#"{"a": 1, "b": [true]}"#), &value(r#"{"b": [true], "a": 1.0}"#)));
        assert!(!equal(&value("true"), &value("1")) && !equal(&value("[1]"), &value("[true]")));
    }
}
