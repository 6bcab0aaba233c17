//! Runs in words.

use crate::cli::context::Context;
use crate::cli::output::table::Tone;
use crate::runs::{Run, Waiting};
use crate::time::Timestamp;
use crate::workflow::Status;

/// Most names in one sentence.
const NAMES_MAX: usize = 3;

/// The colour of a status.
pub(crate) fn tone(status: Status) -> Tone {
    match status {
        Status::Completed => Tone::Good,
        Status::Failed | Status::Corrupt => Tone::Bad,
        Status::Retrying => Tone::Warn,
        Status::Cancelled | Status::Pending => Tone::Dim,
        Status::Running | Status::Sleeping | Status::Waiting => Tone::Plain,
    }
}

pub(super) fn names(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(" or ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} or {more} more"),
    }
}

/// What a run waits for, as `allow`, `approve or reject until in 2h`, `in 3d`.
pub(crate) fn waiting(context: &Context, waiting: &Waiting) -> String {
    let mut parts = Vec::new();
    if !waiting.events.is_empty() {
        parts.push(names(&waiting.events));
    }
    if let Some(unnamed) = &waiting.unnamed {
        parts.push(match unnamed.likely.is_empty() {
            true => "a message".into(),
            false => format!("a message, perhaps {}", names(&unnamed.likely)),
        });
    }
    if !waiting.children.is_empty() {
        parts.push(format!("the end of {}", names(&waiting.children)));
    }
    let at = |at: Timestamp| context.recency(Some(at));
    let mut text = parts.join(" or ");
    if let Some(until) = waiting.until {
        let when = at(until);
        text = if text.is_empty() { format!("the time: {when}") } else { format!("{text}, at most: {when}") };
    }
    if let Some(retry_at) = waiting.retry_at {
        let when = at(retry_at);
        text = if text.is_empty() {
            format!("the next attempt: {when}")
        } else {
            format!("{text}, or an attempt: {when}")
        };
    }
    text
}

/// What a list says beside the status: what is waited for, why it failed, what came of it.
pub(crate) fn detail(context: &Context, run: &Run) -> String {
    if let Some(waits) = run.waiting_for.as_ref().map(|waits| waiting(context, waits)).filter(|text| !text.is_empty()) {
        return match run.error.as_ref().filter(|_| run.status == Status::Retrying) {
            Some(error) => format!("{waits}, after {}", error.plain()),
            None => waits,
        };
    }
    match run.status {
        Status::Completed => run.result.as_ref().map(|value| value.text().to_owned()).unwrap_or_default(),
        Status::Failed | Status::Retrying => run.error.as_ref().map(|error| error.plain()).unwrap_or_default(),
        _ => run.because.clone().unwrap_or_default(),
    }
}
