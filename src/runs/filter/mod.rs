//! Filters over runs, in the words of the package `substantial` and for runs of every format.
//!
//! A filter is a JSON object, all of whose members have to hold of a run. `and`, `or` and `not` take filters. `eq`, `gt`, `gte`,
//! `lt`, `lte`, `in` and `contains` look at the result. `started_at`, `ended_at` and `status` take an object of these for the times
//! and for one of `COMPLETED`, `COMPLETED_WITH_ERROR`, `ONGOING` and `UNKNOWN`.
//!
//! A run that has no result has null. An error is no result, so that nothing equals it, but `in` and `contains` look at it as
//! well. Values compare as JSON does: `1` is `1.0`, and `true` is not `1`. `docs/python.md` says where the package differs.

mod compare;

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use super::run::Run;
use super::value::RunValue;
use crate::text::quote;
use crate::time::Timestamp;
use crate::workflow::Status;
use compare::{equal, includes, is_same_kind, kind, order};

/// Largest filter, in bytes.
const FILTER_BYTES_MAX: usize = 1 << 20;

/// A filter over runs. Clones share it.
#[derive(Clone, Debug)]
pub struct RunFilter(Arc<Condition>);

/// Why a filter is none, or has no answer for a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RunFilterError(String);

impl RunFilterError {
    fn new(what: impl Into<String>) -> Self {
        RunFilterError(what.into())
    }
}

/// What has to hold of a run. It is nested only as deep as JSON is read.
#[derive(Debug)]
enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Term(Field, Operator, Value),
}

/// What a term looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Result,
    StartedAt,
    EndedAt,
    Status,
}

/// How a term looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Eq,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    Contains,
}

impl RunFilter {
    /// Reads a filter.
    ///
    /// # Errors
    /// If it is not JSON, or not a filter, or too large.
    pub fn parse(text: &str) -> Result<RunFilter, RunFilterError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(RunFilterError::new("the filter is too large"));
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|error| RunFilterError::new(format!("the filter is not JSON: {error}")))?;
        Ok(RunFilter(Arc::new(condition(&value)?)))
    }

    /// Whether the filter holds of a run.
    ///
    /// # Errors
    /// If values have no order that are to be compared.
    pub fn holds(&self, run: &Run) -> Result<bool, RunFilterError> {
        Subject::of(run).meets(&self.0)
    }
}

/// The condition that a filter is.
fn condition(filter: &Value) -> Result<Condition, RunFilterError> {
    let Value::Object(members) = filter else {
        return Err(RunFilterError::new(format!("a filter is an object, like {{\"eq\": 1}}, not {}", kind(filter))));
    };
    let member = |(name, value): (&String, &Value)| {
        Ok(match name.as_str() {
            "and" => Condition::All(each(name, value)?),
            "or" => Condition::Any(each(name, value)?),
            "not" => Condition::Not(Box::new(condition(value)?)),
            "started_at" => Condition::All(terms(name, Field::StartedAt, value)?),
            "ended_at" => Condition::All(terms(name, Field::EndedAt, value)?),
            "status" => Condition::All(terms(name, Field::Status, value)?),
            _ => term(Field::Result, name, value)?,
        })
    };
    members.iter().map(member).collect::<Result<_, _>>().map(Condition::All)
}

fn each(name: &str, value: &Value) -> Result<Vec<Condition>, RunFilterError> {
    let Value::Array(filters) = value else {
        return Err(RunFilterError::new(format!("`{name}` takes a list of filters, not {}", kind(value))));
    };
    filters.iter().map(condition).collect()
}

fn terms(name: &str, field: Field, value: &Value) -> Result<Vec<Condition>, RunFilterError> {
    let Value::Object(operators) = value else {
        return Err(RunFilterError::new(format!("`{name}` takes an object, like {{\"eq\": …}}, not {}", kind(value))));
    };
    operators.iter().map(|(operator, operand)| term(field, operator, operand)).collect()
}

fn term(field: Field, operator: &str, operand: &Value) -> Result<Condition, RunFilterError> {
    let operator = match operator {
        "eq" => Operator::Eq,
        "gt" => Operator::Gt,
        "gte" => Operator::Gte,
        "lt" => Operator::Lt,
        "lte" => Operator::Lte,
        "in" => Operator::In,
        "contains" => Operator::Contains,
        other => return Err(RunFilterError::new(format!("{} is no operator of filters", quote(other)))),
    };
    let is_time = matches!(field, Field::StartedAt | Field::EndedAt) && operator.compares() && !operand.is_null();
    let operand = if is_time { micros(time(operand)?) } else { operand.clone() };
    Ok(Condition::Term(field, operator, operand))
}

/// The time that a time is compared with.
fn time(operand: &Value) -> Result<Timestamp, RunFilterError> {
    let time = operand.as_str().and_then(|text| Timestamp::parse(text.as_bytes()));
    time.ok_or_else(|| {
        let shown = operand.as_str().map_or_else(|| kind(operand).to_owned(), quote);
        RunFilterError::new(format!("a time is compared with a time, like \"2026-06-05T10:30:00Z\", not {shown}"))
    })
}

/// A time as what is compared of it.
fn micros(time: Timestamp) -> Value {
    Value::from(time.micros())
}

impl Operator {
    fn compares(self) -> bool {
        !matches!(self, Operator::In | Operator::Contains)
    }
}

/// A run as a filter sees it.
struct Subject<'r> {
    run: &'r Run,
    /// What it ended with, or why that cannot be compared.
    outcome: Result<Value, RunFilterError>,
    is_error: bool,
}

impl<'r> Subject<'r> {
    fn of(run: &'r Run) -> Self {
        let is_error = matches!(run.status, Status::Failed | Status::Cancelled);
        let outcome = match run.status {
            Status::Completed => run.result.as_ref(),
            _ if is_error => run.error.as_ref(),
            _ => None,
        };
        let outcome = match outcome {
            Some(RunValue::Json(json)) => json.read().map_err(|error| RunFilterError::new(error.to_string())),
            Some(RunValue::Text(text) | RunValue::Python(text) | RunValue::Cut(text)) => Ok(Value::from(text.as_str())),
            None => Ok(Value::Null),
        };
        Subject { run, outcome, is_error }
    }

    fn meets(&self, condition: &Condition) -> Result<bool, RunFilterError> {
        match condition {
            Condition::All(conditions) => {
                for condition in conditions {
                    if !self.meets(condition)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Any(conditions) => {
                for condition in conditions {
                    if self.meets(condition)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::Not(condition) => Ok(!self.meets(condition)?),
            Condition::Term(field, operator, operand) => self.meets_term(*field, *operator, operand),
        }
    }

    fn meets_term(&self, field: Field, operator: Operator, operand: &Value) -> Result<bool, RunFilterError> {
        let time = |time: Option<Timestamp>| match time {
            Some(time) if operator.compares() => micros(time),
            Some(time) => Value::from(time.to_string()),
            None => Value::Null,
        };
        match field {
            Field::Result if self.is_error && operator.compares() => Ok(false),
            Field::Result => holds(self.outcome.as_ref().map_err(Clone::clone)?, operator, operand),
            Field::StartedAt => holds(&time(self.run.started_at), operator, operand),
            Field::EndedAt => holds(&time(self.run.ended_at), operator, operand),
            Field::Status => holds(&Value::from(self.status()), operator, operand),
        }
    }

    /// The status by the name that the newer sibling of the package gives it.
    fn status(&self) -> &'static str {
        match self.run.status {
            Status::Completed => "COMPLETED",
            Status::Failed | Status::Cancelled => "COMPLETED_WITH_ERROR",
            Status::Corrupt | Status::Parked => "UNKNOWN",
            _ if self.run.events == Some(0) => "UNKNOWN",
            _ => "ONGOING",
        }
    }
}

/// Whether a value is as an operator says.
fn holds(value: &Value, operator: Operator, operand: &Value) -> Result<bool, RunFilterError> {
    let is = |wanted: &[Ordering]| match order(value, operand) {
        _ if !is_same_kind(value, operand) => Ok(false),
        Some(order) => Ok(wanted.contains(&order)),
        None => Err(RunFilterError::new(format!("{} and {} have no order", kind(value), kind(operand)))),
    };
    match operator {
        Operator::Eq => Ok(equal(value, operand)),
        Operator::Gt => is(&[Ordering::Greater]),
        Operator::Gte => is(&[Ordering::Greater, Ordering::Equal]),
        Operator::Lt => is(&[Ordering::Less]),
        Operator::Lte => is(&[Ordering::Less, Ordering::Equal]),
        Operator::In => Ok(includes(value, operand)),
        Operator::Contains => Ok(includes(operand, value)),
    }
}
