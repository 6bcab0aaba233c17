//! The operators, as the package's own code has them.

use std::cmp::Ordering;

use super::value::Value;
use super::{FilterError, Outcome, Subject};
use crate::text::quote;
use crate::time::Timestamp;

/// Whether a filter holds.
pub(super) type Answer = Result<bool, FilterError>;

fn refused(what: impl Into<String>) -> Answer {
    Err(FilterError::new(what))
}

/// Whether an object of operators holds. A filter is nested only as deep as JSON is read.
pub(super) fn expression(subject: &Subject, filter: &Value, mended: bool) -> Answer {
    let Value::Dict(operators) = filter else {
        return refused(format!("a filter is an object, not {}", filter.kind()));
    };
    for (operator, value) in operators {
        match operator.as_str() {
            "and" | "or" => {
                if !each(subject, operator, value, mended)? {
                    return Ok(false);
                }
            }
            "not" => {
                if matches!(value, Value::None | Value::List(_)) {
                    return refused(format!("`not` expects an object, not {}", value.kind()));
                }
                if expression(subject, value, mended)? {
                    return Ok(false);
                }
            }
            // The package returns here, whatever else the object holds.
            "started_at" => return times(subject.started_at, value, mended),
            "ended_at" => return times(subject.ended_at, value, mended),
            "status" => return terms(&Outcome::Ok(Value::Str(subject.status.to_owned())), value, mended),
            _ => {
                if !terms(&subject.result, filter, mended)? {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

fn each(subject: &Subject, operator: &str, value: &Value, mended: bool) -> Answer {
    let Value::List(filters) = value else {
        return refused(format!("`{operator}` expects a list, not {}", value.kind()));
    };
    if filters.iter().any(|filter| matches!(filter, Value::None)) {
        return refused(format!("an operand of `{operator}` cannot be null"));
    }
    let all = operator == "and";
    for filter in filters {
        if expression(subject, filter, mended)? != all {
            return Ok(!all);
        }
    }
    Ok(all)
}

/// Terms about a time. Texts that are times are times, where they are compared.
fn times(time: Option<Timestamp>, filter: &Value, mended: bool) -> Answer {
    let outcome = time.map_or(Outcome::None, |time| Outcome::Ok(Value::Time(time)));
    let Value::Dict(operators) = filter else { return terms(&outcome, filter, mended) };
    let read = |(operator, value): &(String, Value)| {
        let time = match value {
            Value::Str(text) if operator != "in" && operator != "contains" => Timestamp::parse(text.as_bytes()),
            _ => None,
        };
        (operator.clone(), time.map_or_else(|| value.clone(), Value::Time))
    };
    terms(&outcome, &Value::Dict(operators.iter().map(read).collect()), mended)
}

fn terms(outcome: &Outcome, filter: &Value, mended: bool) -> Answer {
    let Value::Dict(operators) = filter else {
        return refused(format!("expected an object of operators, not {}", filter.kind()));
    };
    let mut result = outcome.clone();
    for (operator, term) in operators {
        // A null stands for no result; anything else for a result that is no error.
        let same = match (&result, term) {
            (Outcome::None, Value::None) => true,
            (Outcome::Ok(_), Value::None) | (Outcome::None | Outcome::Err(_), _) => false,
            (Outcome::Ok(value), term) => value.is_of_type_of(term),
        };
        let value = result.value();
        let ordered = |left: &Value, wanted: &[Ordering]| {
            Ok(same && wanted.contains(&left.compare(term).map_err(FilterError::new)?))
        };
        let holds = match operator.as_str() {
            "eq" => Ok(same && value.equals(term)),
            _ if !same && matches!(operator.as_str(), "gt" | "gte" | "lt" | "lte") => Ok(false),
            "gt" => ordered(value, &[Ordering::Greater]),
            "gte" => ordered(value, &[Ordering::Greater, Ordering::Equal]),
            "lt" => ordered(value, &[Ordering::Less]),
            "lte" => ordered(if mended { value } else { term }, &[Ordering::Less, Ordering::Equal]),
            "in" | "contains" => {
                if let Value::Time(time) = value {
                    result = Outcome::Ok(Value::Str(shown(*time)));
                }
                let value = result.value();
                let (part, whole) = if operator == "in" { (value, term) } else { (term, value) };
                Ok(includes(part, whole))
            }
            other => {
                refused(format!("{} is no operator: it must be eq, gt, gte, lt, lte, in or contains", quote(other)))
            }
        };
        if !holds? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// As Python's `str` shows a time in UTC.
fn shown(time: Timestamp) -> String {
    time.isoformat().replacen('T', " ", 1)
}

fn includes(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (part, Value::List(values)) => values.iter().any(|value| part.equals(value)),
        (Value::Dict(members), whole @ Value::Dict(_)) => {
            members.iter().all(|(key, value)| whole.get(key).is_some_and(|there| value.equals(there)))
        }
        (Value::Str(key), whole @ Value::Dict(_)) => whole.get(key).is_some(),
        (Value::Str(part), Value::Str(whole)) => whole.contains(part.as_str()),
        _ => false,
    }
}
