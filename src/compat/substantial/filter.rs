//! The package's filters over results, as JSON, with the answers that the package's own code gives.
//!
//! A filter is an object of operators: `and`, `or` and `not` take filters; `eq`, `gt`, `gte`, `lt`, `lte`, `in` and `contains` look
//! at the result or the error that a run ended with; `started_at` and `ended_at` take an object of these for the times, and
//! `status`, of the package's newer sibling, for one of `COMPLETED`, `COMPLETED_WITH_ERROR`, `ONGOING` and `UNKNOWN`.
//!
//! The answers follow the Python code in all that it does: a whole number is not equal to a float at the top (`same` compares
//! types) but is within lists; what cannot be compared is an error; all that stands behind `started_at` in one object is
//! ignored; and `lte` compares its operand with itself, so that it is true of every value of the same type. [`Filter::mended`]
//! puts the last right. Texts that are times count as times under `started_at` and `ended_at`, where a Python program would give
//! `datetime`s; without a zone they are taken as the times of the history are, which have a `Z` that says nothing.

mod evaluate;
mod value;

use std::sync::Arc;

use super::fold::History;
use super::records::{Payload, Records, Stop};
use crate::text::quote;
use crate::time::Timestamp;
use crate::workflow::Json;
use evaluate::{Answer, expression};
use value::Value;

/// Largest filter, in bytes.
const FILTER_BYTES_MAX: usize = 1 << 20;

/// A filter. Clones share it.
#[derive(Clone, Debug)]
pub struct Filter {
    value: Arc<Value>,
    mended: bool,
}

/// Why a filter is none, or has no answer for a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(String);

impl FilterError {
    fn new(what: impl Into<String>) -> Self {
        FilterError(what.into())
    }
}

/// What a filter looks at.
#[derive(Clone, Debug)]
pub struct Subject {
    result: Outcome,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    status: &'static str,
}

/// What a run ended with.
#[derive(Clone, Debug)]
enum Outcome {
    None,
    Ok(Value),
    Err(Value),
}

impl Outcome {
    fn value(&self) -> &Value {
        match self {
            Outcome::None => &Value::None,
            Outcome::Ok(value) | Outcome::Err(value) => value,
        }
    }
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// If it is not JSON, not an object, or too large. What its operators are is looked at when they are used, as in the package.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(FilterError::new("the filter is too large"));
        }
        let value = Value::parse(text).map_err(|what| FilterError(format!("the filter is not JSON: {what}")))?;
        match value {
            Value::Dict(_) => Ok(Filter { value: Arc::new(value), mended: false }),
            _ => Err(FilterError::new("the filter is not an object, like {\"eq\": 1}")),
        }
    }

    /// The same filter, in which `lte` compares with the result.
    #[must_use]
    pub fn mended(self) -> Filter {
        Filter { mended: true, ..self }
    }

    /// Whether the filter uses an operator of this name anywhere.
    pub fn uses(&self, operator: &str) -> bool {
        let mut left = vec![&*self.value];
        while let Some(value) = left.pop() {
            match value {
                Value::Dict(members) if members.iter().any(|(name, _)| name == operator) => return true,
                Value::Dict(members) => left.extend(members.iter().map(|(_, value)| value)),
                Value::List(values) => left.extend(values),
                _ => {}
            }
        }
        false
    }

    /// Whether the filter holds of a run.
    ///
    /// # Errors
    /// Where the package raises an exception: operators that are not known, and values that cannot be compared.
    pub fn holds(&self, subject: &Subject) -> Answer {
        expression(subject, &self.value, self.mended)
    }
}

impl Subject {
    /// A run as the package's filters see it. None for one that goes on: they leave it out.
    ///
    /// Since the package writes no time into the end of a run, `ended_at` is 1970 to it.
    ///
    /// # Errors
    /// If the result is not JSON.
    pub fn as_package(records: Option<&Records>) -> Result<Option<Subject>, FilterError> {
        let none = Subject { result: Outcome::None, started_at: None, ended_at: None, status: "UNKNOWN" };
        let Some(records) = records.filter(|records| !records.events.is_empty()) else { return Ok(Some(none)) };
        let zero = Timestamp::from_micros(0);
        let mut started_at = None;
        for event in &records.events {
            match &event.body {
                Some(super::Body::Start(_)) => started_at = Some(event.at.unwrap_or(zero)),
                Some(super::Body::Stop(stop)) => {
                    let ended_at = Some(event.at.unwrap_or(zero));
                    let (result, status) = outcome(stop)?;
                    return Ok(Some(Subject { result, started_at, ended_at, status }));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// A run as it is: also one that goes on, and with the time of its end if that is known. Times are given as the history
    /// has them, naive.
    ///
    /// # Errors
    /// If the result is not JSON.
    pub fn of(history: &History, ended_at: Option<Timestamp>) -> Result<Subject, FilterError> {
        let started_at = history.life().and_then(|life| life.started_at);
        let end = history.life().and_then(|life| life.end.as_ref());
        let (result, status) = match end {
            Some(end) => outcome(&end.how)?,
            None if history.corrupt || history.lives.is_empty() => (Outcome::None, "UNKNOWN"),
            None => (Outcome::None, "ONGOING"),
        };
        Ok(Subject { result, started_at, ended_at, status })
    }

    /// Another run than one of the package, that has begun.
    ///
    /// # Errors
    /// If the result is not JSON that can be compared.
    pub fn new(
        result: Option<Result<&Json<'_>, &Json<'_>>>,
        started_at: Option<Timestamp>,
        ended_at: Option<Timestamp>,
    ) -> Result<Subject, FilterError> {
        let value = |json: &Json<'_>| Value::parse(json.text()).map_err(FilterError);
        let (result, status) = match result {
            None => (Outcome::None, "ONGOING"),
            Some(Ok(json)) => (Outcome::Ok(value(json)?), "COMPLETED"),
            Some(Err(json)) => (Outcome::Err(value(json)?), "COMPLETED_WITH_ERROR"),
        };
        Ok(Subject { result, started_at, ended_at, status })
    }

    /// The status by the name that the newer sibling of the package gives it.
    pub fn status(&self) -> &'static str {
        self.status
    }
}

fn outcome(stop: &Stop) -> Result<(Outcome, &'static str), FilterError> {
    let value = |payload: &Payload| match payload {
        Payload::Json(json) => Value::parse(json.text()).map_err(FilterError),
        Payload::Bytes(bytes) => {
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned();
            Err(FilterError(format!("the result is not JSON: {}", quote(&shown))))
        }
    };
    Ok(match stop {
        Stop::Ok(payload) => (Outcome::Ok(value(payload)?), "COMPLETED"),
        Stop::Err(payload) => (Outcome::Err(value(payload)?), "COMPLETED_WITH_ERROR"),
        Stop::Unsaid => (Outcome::Ok(value(&Payload::default())?), "COMPLETED"),
    })
}
