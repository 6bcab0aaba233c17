//! Plain values as JSON.

use super::{Pickle, PickleId, PickleValue};
use crate::compat::float::float_repr;
use crate::json::{Json, VALUE_DEPTH_MAX};

impl Pickle<'_> {
    /// A value as JSON, if JSON can say the same: None, bools, numbers but NaN and the infinities, strings, lists and tuples of
    /// these, and dicts whose keys are strings. None for any other, and beyond `bytes_max` bytes of text.
    pub fn to_json(&self, id: PickleId, bytes_max: usize) -> Option<Json<'static>> {
        let mut text = String::new();
        let mut open: Vec<Open<'_>> = Vec::new();
        let mut next = Some(id);
        loop {
            if let Some(id) = next {
                match self.get(id) {
                    PickleValue::List(items) | PickleValue::Tuple(items) => {
                        text.push('[');
                        open.push(Open { items: Items::List(items), at: 0 });
                    }
                    PickleValue::Dict(pairs) => {
                        text.push('{');
                        open.push(Open { items: Items::Dict(pairs), at: 0 });
                    }
                    scalar => push_scalar(&mut text, scalar, bytes_max)?,
                }
            }
            if text.len() > bytes_max || open.len() > VALUE_DEPTH_MAX {
                return None;
            }
            let Some(last) = open.last_mut() else { break };
            next = match last.next(&mut text, self, bytes_max)? {
                Some(id) => Some(id),
                None => {
                    open.pop();
                    None
                }
            };
        }
        Json::parse(&text).ok()
    }
}

/// A list or dict of which something is still to be written.
struct Open<'p> {
    items: Items<'p>,
    at: usize,
}

enum Items<'p> {
    List(&'p [PickleId]),
    Dict(&'p [(PickleId, PickleId)]),
}

impl Open<'_> {
    /// The next value, behind its comma and key, or the end. None if the key is not a string.
    fn next(&mut self, text: &mut String, pickle: &Pickle<'_>, bytes_max: usize) -> Option<Option<PickleId>> {
        let (value, key, close) = match self.items {
            Items::List(items) => (items.get(self.at).copied(), None, ']'),
            Items::Dict(pairs) => {
                let pair = pairs.get(self.at).copied();
                (pair.map(|(_, value)| value), pair.map(|(key, _)| key), '}')
            }
        };
        if value.is_none() {
            text.push(close);
        } else if self.at > 0 {
            text.push(',');
        }
        if let Some(key) = key {
            let key = pickle.str(key)?;
            // So that it is not taken for what JSON cannot say.
            match key.strip_prefix('$').filter(|rest| rest.trim_start_matches('$') == "repr") {
                Some(_) => push_string(text, &format!("${key}"), bytes_max)?,
                None => push_string(text, key, bytes_max)?,
            }
            text.push(':');
        }
        self.at += 1;
        Some(value)
    }
}

fn push_scalar(text: &mut String, value: &PickleValue<'_>, bytes_max: usize) -> Option<()> {
    match value {
        PickleValue::None => text.push_str("null"),
        PickleValue::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        PickleValue::Int(value) => text.push_str(&value.to_string()),
        PickleValue::BigInt(value) => text.push_str(&value.to_decimal()?),
        PickleValue::Float(value) if value.is_finite() => text.push_str(&float_repr(*value)),
        PickleValue::Str(value) => push_string(text, value, bytes_max)?,
        _ => return None,
    }
    Some(())
}

fn push_string(text: &mut String, value: &str, bytes_max: usize) -> Option<()> {
    (value.len() <= bytes_max).then(|| text.push_str(&serde_json::Value::from(value).to_string()))
}
