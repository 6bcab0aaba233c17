//! What an answer could not take into account, and where.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::output::figures::counted;
use temporal_code::logs::{Evidence, LineFault, LinePlace};
use temporal_code::text;

/// Something that an answer leaves out, or that a reader should know of.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Warning {
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) places: Vec<Spot>,
    /// The answer is not complete because of it.
    #[serde(skip)]
    pub(crate) loses: bool,
}

/// Where a line is, and what is wrong with it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Spot {
    /// The entry or the object, if the log is not a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) part: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
    pub(crate) offset: u64,
    pub(crate) problem: String,
}

impl From<&LinePlace> for Spot {
    fn from(place: &LinePlace) -> Self {
        Spot { part: place.part.clone(), line: place.line, offset: place.offset, problem: place.fault.to_string() }
    }
}

impl Warning {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Warning { message: message.into(), file: None, count: None, places: Vec::new(), loses: false }
    }

    pub(crate) fn lost(message: impl Into<String>) -> Self {
        Warning { loses: true, ..Warning::new(message) }
    }
}

/// Adds that something is lost, once.
pub(crate) fn add_lost(warnings: &mut Vec<Warning>, message: String) {
    if !warnings.iter().any(|warning| warning.message == message) {
        warnings.push(Warning::lost(message));
    }
}

/// What the evidence of a scan has to say.
pub(crate) fn of_scan(evidence: &[Evidence]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for log in evidence {
        let mut add = |warning: Warning| warnings.push(Warning { file: Some(log.name.clone()), ..warning });
        let spots = |is_meant: fn(&LineFault) -> bool| {
            let places = log.places.iter().filter(|place| is_meant(&place.fault));
            places.map(Spot::from).collect::<Vec<_>>()
        };
        let is_lost = |fault: &LineFault| matches!(fault, LineFault::Lost(_));
        if log.skipped > 0 {
            let message = format!("{} skipped", counted(log.skipped, "line", "lines"));
            let places = spots(|fault| fault.loses() && !matches!(fault, LineFault::Lost(_)));
            add(Warning { count: Some(log.skipped), places, ..Warning::lost(message) });
        }
        if log.glued > 0 {
            let message = format!("{} with several events, all read", counted(log.glued, "line", "lines"));
            let places = spots(|fault| *fault == LineFault::Glued);
            add(Warning { count: Some(log.glued), places, ..Warning::new(message) });
        }
        if log.foreign > 0 {
            let message =
                format!("{} with other text, from which no event is missing", counted(log.foreign, "line", "lines"));
            let places = spots(|fault| *fault == LineFault::Foreign);
            add(Warning { count: Some(log.foreign), places, ..Warning::new(message) });
        }
        if log.lost_parts > 0 {
            let message = format!("{} could not be read to the end", counted(log.lost_parts, "object", "objects"));
            add(Warning { count: Some(log.lost_parts), places: spots(is_lost), ..Warning::lost(message) });
        }
        if log.shrunk {
            add(Warning::lost("the file became shorter while it was read"));
        }
        if let Some(message) = damage(log) {
            add(Warning::lost(message));
        }
    }
    warnings
}

/// How far a log was read that is damaged or cannot be decompressed, and why.
pub(crate) fn damage(log: &Evidence) -> Option<String> {
    let damage = log.damaged.as_ref()?;
    Some(match log.lines {
        0 => format!("nothing of it was read: {damage}"),
        lines => format!("damaged or cut short, read up to line {lines}: {damage}"),
    })
}

/// How many places are named unless asked for all.
const PLACES_SHOWN: usize = 3;

/// Prints warnings to standard error.
pub(crate) fn print(warnings: &[Warning], verbose: bool) {
    let mut text = String::new();
    for warning in warnings {
        let file = warning.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
        text += &format!("warning: {}{}\n", text::harmless(&file), text::harmless(&warning.message));
        let shown = if verbose { warning.places.len() } else { PLACES_SHOWN };
        for place in warning.places.iter().take(shown) {
            let at = place.line.map_or_else(|| format!("byte {}", place.offset), |line| format!("line {line}"));
            let part = place.part.as_ref().map(|part| format!("{} ", text::harmless(part))).unwrap_or_default();
            text += &format!("  {part}{at}: {}\n", text::harmless(&place.problem));
        }
        let named = warning.places.len().min(shown) as u64;
        if let Some(count) = warning.count.filter(|count| named > 0 && *count > named) {
            text += &format!("  and {} more\n", counted(count - named, "line", "lines"));
        }
    }
    // There is nobody left to tell when standard error is gone too.
    let _ = io::stderr().write_all(text.as_bytes());
}
