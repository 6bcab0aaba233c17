//! What others told a run of ours.

use std::collections::VecDeque;

use crate::runs::details::InboxMessage;
use crate::runs::problem::Seq;
use crate::runs::value::RunValue;
use crate::store::{Error, Name, Store};
use crate::time::Timestamp;
use crate::workflow::{Cursor, Ending, InboxBody, InboxEntry, Message, RunState, inbox_log, read_inbox};

/// Most lines of an inbox that are kept; the first ones are let go.
const MESSAGES_MAX: usize = 10_000;

/// The last lines of an inbox.
#[derive(Default)]
pub(super) struct InboxTail {
    pub(super) kept: VecDeque<InboxMessage>,
    pub(super) before: u64,
    pub(super) problem: Option<String>,
}

/// The lines of the inbox that are there, and whether the run has taken each.
pub(super) async fn read_tail(store: &dyn Store, state: &RunState) -> Result<InboxTail, Error> {
    let mut tail = InboxTail::default();
    let taken = state.inbox();
    let each = |log: &Name, number: u64, entry: InboxEntry<'_>| {
        let generation = log.generation();
        let is_taken = (generation, number) <= (taken.generation, taken.seq);
        let blank = message_of(Some(Seq { generation, number }), Some(entry.at), entry.body, is_taken);
        tail.kept.extend(blank);
        if tail.kept.len() > MESSAGES_MAX {
            tail.kept.pop_front();
            tail.before += 1;
        }
    };
    let first = Cursor { generation: 1, seq: 0 };
    let reader = read_inbox(store, &inbox_log(state.run())?, first, each).await?;
    tail.problem = reader.problem().map(|problem| format!("{}, {problem}", reader.log()));
    Ok(tail)
}

fn message_of(seq: Option<Seq>, at: Option<Timestamp>, body: InboxBody<'_>, is_taken: bool) -> Option<InboxMessage> {
    let blank = InboxMessage { seq, at, is_taken, ..InboxMessage::new(body.kind()) };
    match body {
        InboxBody::Message(message) => Some(with_content(blank, &message)),
        InboxBody::Cancel(request) => Some(InboxMessage {
            id: Some(request.id.into_owned()),
            value: request.reason.map(|reason| RunValue::Text(reason.into_owned())),
            from: request.from.map(std::borrow::Cow::into_owned),
            ..blank
        }),
        InboxBody::ChildEnd { id, run, ending, .. } => {
            let value = Some(ending_value(&ending));
            Some(InboxMessage { id: Some(id.into_owned()), event: Some(run.into_owned()), value, ..blank })
        }
        InboxBody::Turn => None,
    }
}

pub(super) fn with_content(blank: InboxMessage, message: &Message<'_>) -> InboxMessage {
    InboxMessage {
        id: Some(message.id.to_string()),
        event: Some(message.event.to_string()),
        value: Some((&message.value).into()),
        from: message.from.as_ref().map(ToString::to_string),
        ..blank
    }
}

pub(super) fn ending_value(ending: &Ending<'_>) -> RunValue {
    match ending {
        Ending::Ok(value) | Ending::Failed(value) => value.into(),
        Ending::Cancelled(reason) => {
            RunValue::Text(reason.as_ref().map_or("cancelled".into(), |r| format!("cancelled: {r}")))
        }
    }
}
