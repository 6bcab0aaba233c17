//! The steps of a run, and what it was told.

use crate::output::Section;
use crate::output::figures::{count, counted};
use crate::output::table::{Cell, Tone};
use crate::runs::layout::{Rows, heading};
use crate::runs::show::timeline::{elapsed, select, tone};
use crate::surroundings::Context;
use temporal_code::runs::{InboxMessage, RunDetails, RunValue, STEP_GIVEN_UP, StepView, Timeline};
use temporal_code::text;

/// Most steps and messages that are shown.
const STEPS_MAX: usize = 100;
const MESSAGES_MAX: usize = 100;

/// The steps, each with how it stands and what came of it.
pub(super) fn steps(context: &Context, details: &RunDetails, timeline: &Timeline) -> Option<Section> {
    let steps = &details.state.steps;
    if steps.is_empty() {
        return None;
    }
    let shown = select(steps.len(), STEPS_MAX, &|place| steps[place].is_open);
    let columns =
        [("step", false, 0), ("kind", false, 3), ("state", false, 0), ("attempts", true, 2), ("took", true, 1)];
    let mut rows = Rows::new(&columns, "value or error");
    for place in &shown {
        let step = &steps[*place];
        let state = if step.is_open && details.run.ended_at.is_some() { STEP_GIVEN_UP } else { step.state };
        let took = timeline.took(details.state.life, &step.step).map(elapsed);
        let attempts = step.attempts.filter(|attempts| *attempts != 1).map(count);
        let cells = vec![
            Cell::name(&step.step),
            Cell::new(step.kind).tone(Tone::Dim),
            Cell::new(state).tone(tone(state)),
            Cell::new(attempts.unwrap_or_default()),
            Cell::new(took.unwrap_or_default()).tone(Tone::Dim),
        ];
        let text_tone = if step.error.is_some() { tone(step.state) } else { Tone::Plain };
        rows.row(cells, outcome(context, step), text_tone);
    }
    let notes = match steps.len() - shown.len() {
        0 => String::new(),
        more => context
            .prose(Tone::Dim, &format!("{} more, all of them with -o json", counted(more as u64, "step", "steps"))),
    };
    Some(Section { title: heading(context, "Steps"), table: Some(rows.without_empty().table(context)), notes })
}

/// What a step gave, or what it waits for.
fn outcome(context: &Context, step: &StepView) -> String {
    let mut parts = Vec::new();
    let names = step.subjects.join(" or ");
    match step.kind {
        _ if names.is_empty() => {}
        "child" => parts.push(names),
        _ if step.is_open => parts.push(format!("for {names}")),
        _ => {}
    }
    let until = step.until.filter(|_| step.is_open).map(|at| context.clock(Some(at)));
    parts.extend(until.map(|until| match step.state {
        "retrying" => format!("next at {until}"),
        _ => format!("until {until}"),
    }));
    parts.extend(step.error.as_ref().map(short));
    parts.extend(step.value.as_ref().map(short));
    let mut text = parts.join(", ");
    if let Some(word) = step.compensation.filter(|word| *word != "ready") {
        text += if text.is_empty() { "" } else { "; " };
        text += &format!("compensation {word}");
    }
    text
}

/// A value that need not be whole.
fn short(value: &RunValue) -> String {
    text::shorten(&value.plain(), 1_000).into_owned()
}

/// What others told the run, and whether it took it.
pub(super) fn inbox(context: &Context, details: &RunDetails) -> Option<Section> {
    let (messages, kept) = (&details.inbox, &details.state.kept);
    if messages.is_empty() && kept.is_empty() {
        return None;
    }
    let columns = [
        ("seq", true, 4),
        ("sent", false, 1),
        ("type", false, 3),
        ("name", false, 0),
        ("from", false, 2),
        ("taken", false, 0),
    ];
    let mut rows = Rows::new(&columns, "value");
    for message in messages.iter().skip(messages.len().saturating_sub(MESSAGES_MAX)) {
        let taken =
            if message.is_taken { Cell::new("taken").tone(Tone::Dim) } else { Cell::new("not taken").tone(Tone::Warn) };
        rows.row(
            message_cells(context, message, taken),
            message.value.as_ref().map(short).unwrap_or_default(),
            Tone::Plain,
        );
    }
    let is_shown = |kept: &InboxMessage| messages.iter().any(|message| message.id.is_some() && message.id == kept.id);
    for message in kept.iter().filter(|kept| !is_shown(kept)).take(MESSAGES_MAX) {
        let taken = Cell::new("kept").tone(Tone::Warn);
        rows.row(
            message_cells(context, message, taken),
            message.value.as_ref().map(short).unwrap_or_default(),
            Tone::Plain,
        );
    }
    let mut notes = String::new();
    let before = details.inbox_before + messages.len().saturating_sub(MESSAGES_MAX) as u64;
    if before > 0 {
        notes += &context.prose(Tone::Dim, &format!("{} before these", count(before)));
    }
    if !kept.is_empty() {
        let kept = counted(kept.len() as u64, "message is", "messages are");
        notes += &context.prose(Tone::Dim, &format!("{kept} kept: nobody waits for such a message yet."));
    }
    Some(Section { title: heading(context, "Inbox"), table: Some(rows.without_empty().table(context)), notes })
}

fn message_cells(context: &Context, message: &InboxMessage, taken: Cell) -> Vec<Cell> {
    vec![
        Cell::new(message.seq.map_or_else(String::new, |seq| seq.to_string())).tone(Tone::Dim),
        Cell::new(context.clock(message.at)).tone(Tone::Dim),
        Cell::new(message.kind),
        Cell::new(message.event.as_deref().unwrap_or_default()),
        Cell::new(message.from.as_deref().unwrap_or_default()).tone(Tone::Dim),
        taken,
    ]
}
