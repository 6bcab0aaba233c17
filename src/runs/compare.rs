//! Where two runs went different ways.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value};

use super::Runs;
use super::event::{EventSummary, NativeEvent, RunEvent};
use crate::compat::substantial::EventBody;
use crate::store::Error;
use crate::time::Timestamp;

/// Most events that are compared.
const COMPARED_MAX: usize = 4 << 20;

/// Most events that are told from the first difference on, of each run.
const TOLD_MAX: usize = 200;

/// What differs from run to run whatever their code does.
const INCIDENTAL: [&str; 14] = [
    "seq",
    "token",
    "more",
    "sealed",
    "at",
    "claim",
    "took_us",
    "sent_at",
    "from",
    "inbox",
    "start",
    "started_at",
    "next",
    "events",
];

/// How two runs differ. What workers did with them (claims, renewals, releases) and when does not count.
#[derive(Clone, Debug, Default)]
pub struct RunDifference {
    /// How many events are the same, from the first on.
    pub same: usize,
    /// The events of each run from the first that differs on, at most 200; with each, whether the other run's event in the same
    /// place says the same.
    pub sides: [Vec<(EventSummary, bool)>; 2],
    /// How many more there are of each.
    pub more: [usize; 2],
}

/// Compares the histories of two runs. None in place of one that is not there.
///
/// # Errors
/// What the stores say.
pub async fn compare_runs(
    one: (&Runs, &str),
    other: (&Runs, &str),
    now: Timestamp,
) -> Result<Result<RunDifference, String>, Error> {
    let mut marks: [Vec<u64>; 2] = Default::default();
    for ((runs, id), marks) in [one, other].into_iter().zip(&mut marks) {
        let mut visit = |event: &RunEvent<'_>| {
            marks.extend(mark(event, id));
            marks.len() < COMPARED_MAX
        };
        if runs.follow(id, now, &mut visit).await?.is_none() {
            return Ok(Err(id.to_owned()));
        }
    }
    let same = marks[0].iter().zip(&marks[1]).take_while(|(left, right)| left == right).count();
    let mut difference = RunDifference { same, ..RunDifference::default() };
    for (side, (runs, id)) in [one, other].into_iter().enumerate() {
        let mut seen = 0;
        let told = &mut difference.sides[side];
        let mut visit = |event: &RunEvent<'_>| {
            if counts(event) {
                seen += 1;
                if seen > same && told.len() < TOLD_MAX {
                    told.push((event.summary(), marks[0].get(seen - 1) == marks[1].get(seen - 1)));
                }
            }
            seen < COMPARED_MAX
        };
        runs.follow(id, now, &mut visit).await?;
        difference.more[side] = seen.saturating_sub(same).saturating_sub(told.len());
    }
    Ok(Ok(difference))
}

/// Whether an event is of what a run's code did, and not of how workers shared it.
fn counts(event: &RunEvent<'_>) -> bool {
    !matches!(event.kind(), "claim" | "renew" | "release" | "skip" | "turn")
}

/// What is the same for events that say the same.
fn mark(event: &RunEvent<'_>, run: &str) -> Option<u64> {
    if !counts(event) {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    let text = match event.native {
        NativeEvent::Own { line, .. } => own_text(line, run),
        NativeEvent::Substantial { event, .. } => match &event.body {
            // Sleeps are the same if they last as long.
            Some(EventBody::Sleep { id, start, end }) => {
                let lasts = start.zip(*end).map(|(start, end)| (end.micros() - start.micros()) / 1_000_000);
                format!("sleep {id} {lasts:?}")
            }
            body => format!("{body:?} {:?}", event.compensation),
        },
    };
    text.hash(&mut hasher);
    Some(hasher.finish())
}

fn own_text(line: &[u8], run: &str) -> String {
    let Ok(Value::Object(mut object)) = serde_json::from_slice::<Value>(line) else {
        return String::from_utf8_lossy(line).into_owned();
    };
    spans(&mut object);
    INCIDENTAL.iter().for_each(|key| drop(object.remove(*key)));
    // Ids of messages, requests and children follow from that of the run, or are made up.
    object.remove("id");
    rename(&mut object, run);
    object.sort_keys();
    Value::Object(object).to_string()
}

/// Points in time are the same in two runs if they are as far off, in whole seconds.
fn spans(object: &mut Map<String, Value>) {
    let time = |value: Option<&Value>| value.and_then(Value::as_str).and_then(|text| Timestamp::parse(text.as_bytes()));
    let Some(at) = time(object.get("at")) else { return };
    for key in ["until", "retry_at"] {
        if let Some(then) = time(object.get(key)) {
            let seconds = (then.micros().saturating_sub(at.micros()) + 500_000).div_euclid(1_000_000);
            object.insert(key.to_owned(), Value::from(seconds));
        }
    }
}

/// Ids that begin with that of the run are the same in another run where they go on the same.
fn rename(object: &mut Map<String, Value>, run: &str) {
    if let Some(Value::String(id)) = object.get_mut("run")
        && let Some(rest) = id.strip_prefix(run)
    {
        *id = format!("\u{0}{rest}");
    }
}
