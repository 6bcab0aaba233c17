//! What others told a run of ours.

use std::collections::VecDeque;

use crate::runs::run::{Letter, Seq};
use crate::runs::value::Value;
use crate::store::{Error, Name, Store};
use crate::time::Timestamp;
use crate::workflow::{Cursor, Ending, InboxBody, InboxEntry, Message, RunState, inbox_log, read_inbox};

/// Most lines of an inbox that are kept; the first ones are let go.
const LETTERS_MAX: usize = 10_000;

/// The last lines of an inbox.
#[derive(Default)]
pub(super) struct Letters {
    pub(super) kept: VecDeque<Letter>,
    pub(super) before: u64,
    pub(super) problem: Option<String>,
}

/// The lines of the inbox that are there, and whether the run has taken each.
pub(super) async fn letters_of(store: &dyn Store, state: &RunState) -> Result<Letters, Error> {
    let mut letters = Letters::default();
    let taken = state.inbox();
    let each = |log: &Name, number: u64, entry: InboxEntry<'_>| {
        let generation = log.generation();
        let is_taken = (generation, number) <= (taken.generation, taken.seq);
        let letter = letter_of(Some(Seq { generation, number }), Some(entry.at), entry.body, is_taken);
        letters.kept.extend(letter);
        if letters.kept.len() > LETTERS_MAX {
            letters.kept.pop_front();
            letters.before += 1;
        }
    };
    let first = Cursor { generation: 1, seq: 0 };
    let reader = read_inbox(store, &inbox_log(state.run())?, first, each).await?;
    letters.problem = reader.problem().map(|problem| format!("{}, {problem}", reader.log()));
    Ok(letters)
}

fn letter_of(seq: Option<Seq>, at: Option<Timestamp>, body: InboxBody<'_>, is_taken: bool) -> Option<Letter> {
    let letter = Letter { seq, at, is_taken, ..Letter::new(body.kind()) };
    match body {
        InboxBody::Message(message) => Some(of_message(letter, &message)),
        InboxBody::Cancel(request) => Some(Letter {
            id: Some(request.id.into_owned()),
            value: request.reason.map(|reason| Value::Text(reason.into_owned())),
            from: request.from.map(std::borrow::Cow::into_owned),
            ..letter
        }),
        InboxBody::ChildEnd { id, run, ending, .. } => {
            let value = Some(ending_value(&ending));
            Some(Letter { id: Some(id.into_owned()), event: Some(run.into_owned()), value, ..letter })
        }
        InboxBody::Turn => None,
    }
}

pub(super) fn of_message(letter: Letter, message: &Message<'_>) -> Letter {
    Letter {
        id: Some(message.id.to_string()),
        event: Some(message.event.to_string()),
        value: Some((&message.value).into()),
        from: message.from.as_ref().map(ToString::to_string),
        ..letter
    }
}

pub(super) fn ending_value(ending: &Ending<'_>) -> Value {
    match ending {
        Ending::Ok(value) | Ending::Failed(value) => value.into(),
        Ending::Cancelled(reason) => {
            Value::Text(reason.as_ref().map_or("cancelled".into(), |r| format!("cancelled: {r}")))
        }
    }
}
