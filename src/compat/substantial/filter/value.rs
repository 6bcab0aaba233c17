//! Values as Python compares them.

use std::cmp::Ordering;

use crate::time::Timestamp;

/// A value of JSON, or a time, as Python has it.
#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    List(Vec<Value>),
    /// In order, no key twice.
    Dict(Vec<(String, Value)>),
    Time(Timestamp),
}

impl Value {
    /// The value of a JSON text, which is nested at most as deep as `serde_json` reads.
    pub(super) fn parse(text: &str) -> Result<Value, String> {
        let json: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Value::of(json)
    }

    fn of(json: serde_json::Value) -> Result<Value, String> {
        use serde_json::Value as Json;
        Ok(match json {
            Json::Null => Value::None,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(number) => number_of(number.as_str())?,
            Json::String(text) => Value::Str(text),
            Json::Array(values) => Value::List(values.into_iter().map(Value::of).collect::<Result<_, _>>()?),
            Json::Object(members) => {
                let members = members.into_iter().map(|(key, value)| Ok((key, Value::of(value)?)));
                Value::Dict(members.collect::<Result<_, String>>()?)
            }
        })
    }

    /// What kind of value it is, in Python's words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::None => "None",
            Value::Bool(_) => "a bool",
            Value::Int(_) => "an int",
            Value::Float(_) => "a float",
            Value::Str(_) => "a str",
            Value::List(_) => "a list",
            Value::Dict(_) => "a dict",
            Value::Time(_) => "a time",
        }
    }

    /// `isinstance(self, type(other))`: a bool is an int as well.
    pub(super) fn is_of_type_of(&self, other: &Value) -> bool {
        matches!((self, other), (Value::Bool(_), Value::Int(_))) || self.kind() == other.kind()
    }

    /// A bool as the int that it is.
    fn plain(&self) -> Value {
        match self {
            Value::Bool(value) => Value::Int(i128::from(*value)),
            other => other.clone(),
        }
    }

    fn number(&self) -> Option<Value> {
        matches!(self, Value::Bool(_) | Value::Int(_) | Value::Float(_)).then(|| self.plain())
    }

    /// `==`. Values are nested only so deep.
    pub(super) fn equals(&self, other: &Value) -> bool {
        if let (Some(left), Some(right)) = (self.number(), other.number()) {
            return numbers(&left, &right) == Some(Ordering::Equal);
        }
        match (self, other) {
            (Value::None, Value::None) => true,
            (Value::Str(left), Value::Str(right)) => left == right,
            (Value::Time(left), Value::Time(right)) => left == right,
            (Value::List(left), Value::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.equals(right))
            }
            (Value::Dict(left), Value::Dict(right)) => {
                let same = |(key, value): &(String, Value)| other.get(key).is_some_and(|other| value.equals(other));
                left.len() == right.len() && left.iter().all(same)
            }
            _ => false,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let Value::Dict(members) = self else { return None };
        members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The order of two values; an error for those that have none.
    pub(super) fn compare(&self, other: &Value) -> Result<Ordering, String> {
        if let (Some(left), Some(right)) = (self.number(), other.number()) {
            // Without NaN, which JSON does not have, numbers always have an order.
            return Ok(numbers(&left, &right).unwrap_or(Ordering::Equal));
        }
        match (self, other) {
            (Value::Str(left), Value::Str(right)) => Ok(left.cmp(right)),
            (Value::Time(left), Value::Time(right)) => Ok(left.cmp(right)),
            (Value::List(left), Value::List(right)) => {
                let differ = left.iter().zip(right).find(|(left, right)| !left.equals(right));
                differ.map_or_else(|| Ok(left.len().cmp(&right.len())), |(left, right)| left.compare(right))
            }
            _ => Err(format!("{} and {} have no order", self.kind(), other.kind())),
        }
    }
}

/// As `orjson` reads a number: whole ones of more than 64 bits are floats.
fn number_of(text: &str) -> Result<Value, String> {
    if !text.contains(['.', 'e', 'E'])
        && let Ok(int) = text.parse::<i128>()
        && (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&int)
    {
        return Ok(Value::Int(int));
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() => Ok(Value::Float(float)),
        _ => Err("a number is too large".to_owned()),
    }
}

fn numbers(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Float(right)) => Some(exact(*left, *right)),
        (Value::Float(left), Value::Int(right)) => Some(exact(*right, *left).reverse()),
        _ => None,
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
    fn ints_and_floats_compare_exactly() {
        let value = |text: &str| Value::parse(text).unwrap();
        for (left, right, order) in [
            ("1", "1.0", Ordering::Equal),
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            ("-1", "-1.5", Ordering::Greater),
            ("1", "1.5", Ordering::Less),
            ("18446744073709551615", "1e300", Ordering::Less),
            ("true", "1", Ordering::Equal),
            ("[1, 2]", "[1.0, 2, 0]", Ordering::Less),
            ("\"a\"", "\"b\"", Ordering::Less),
        ] {
            assert_eq!(value(left).compare(&value(right)), Ok(order), "{left} {right}");
            assert_eq!(value(right).compare(&value(left)), Ok(order.reverse()), "{left} {right}");
        }
        assert!(value("{}").compare(&value("{}")).is_err());
        assert!(value("[1]").compare(&value("[\"a\"]")).is_err());
        assert!(matches!(value("18446744073709551616"), Value::Float(_)));
        assert!(value(r#"{"a": 1, "b": [true]}"#).equals(&value(r#"{"b": [1.0], "a": 1}"#)));
    }
}
