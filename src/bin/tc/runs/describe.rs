//! Runs in words.

use crate::args::TimeStyle;
use crate::output::table::Tone;
use crate::surroundings::Context;
use temporal_code::Timestamp;
use temporal_code::workflows::{Run, Status, Waiting};

/// Most names in one sentence.
const NAMES_MAX: usize = 3;

/// The colour of a status.
pub(crate) fn tone(status: Status) -> Tone {
    match status {
        Status::Completed => Tone::Good,
        Status::Failed | Status::Corrupt | Status::Parked => Tone::Bad,
        Status::Retrying => Tone::Warn,
        Status::Cancelled | Status::Pending => Tone::Dim,
        Status::Running | Status::Sleeping | Status::Waiting => Tone::Plain,
    }
}

fn names(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(" or ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} or {more} more"),
    }
}

/// Whom or what a run waits for, but for times.
pub(super) fn subjects(waiting: &Waiting) -> Vec<String> {
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
    parts
}

/// What a run waits for, as `allow`, `approve or reject, deadline in 2h`, `wakes in 3d`, `next attempt was due 5m ago`.
pub(crate) fn waiting(context: &Context, waiting: &Waiting) -> String {
    let mut parts = subjects(waiting);
    let when = |at: Timestamp| context.recency(Some(at));
    // An absolute time says by itself whether it is past.
    let is_past = |at: Timestamp| at <= context.now && context.global.time != Some(TimeStyle::Iso);
    if let Some(until) = waiting.until {
        let words = match (parts.is_empty(), is_past(until)) {
            (true, false) => "wakes",
            (true, true) => "should have woken",
            (false, false) => "deadline",
            (false, true) => "deadline was",
        };
        parts.push(format!("{words} {}", when(until)));
    }
    if let Some(retry_at) = waiting.retry_at {
        let words = if is_past(retry_at) { "next attempt was due" } else { "next attempt" };
        parts.push(format!("{words} {}", when(retry_at)));
    }
    parts.join(", ")
}

/// What a list says beside the status: what is waited for, why it failed, what came of it.
pub(crate) fn detail(context: &Context, run: &Run) -> String {
    if let Some(waits) = run.waiting_for.as_ref().map(|waits| waiting(context, waits)).filter(|text| !text.is_empty()) {
        return match run.error.as_ref().filter(|_| run.status == Status::Retrying) {
            Some(error) => format!("{waits}: {}", error.plain()),
            None => waits,
        };
    }
    match run.status {
        Status::Completed => run.result.as_ref().map(|value| value.one_line().into_owned()).unwrap_or_default(),
        Status::Failed | Status::Retrying => run.error.as_ref().map(|error| error.plain()).unwrap_or_default(),
        _ => run.because.clone().unwrap_or_default(),
    }
}
