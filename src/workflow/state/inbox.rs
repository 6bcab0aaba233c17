//! The inbox of a run: what others tell it. Anybody may append to it; only the worker that holds the run takes from it, by
//! lines of the history.

use std::borrow::Cow;

use crate::store::{End, Error, Header, Line, Name, Page, Position};
use crate::time::Timestamp;
use crate::workflow::history::event::{Call, Ending, Event, Message, Request};
use crate::workflow::history::problem::{Fault, Problem};
use crate::workflow::history::read::{Fields, unknown};
use crate::workflow::history::wire::Wire;

/// One line of an inbox.
#[derive(Clone, Debug, PartialEq)]
pub struct InboxEntry<'a> {
    /// When it was appended, by the clock of who did.
    pub at: Timestamp,
    /// What it tells.
    pub body: InboxBody<'a>,
}

/// What a line of an inbox tells.
#[derive(Clone, Debug, PartialEq)]
pub enum InboxBody<'a> {
    /// A message.
    Message(Message<'a>),
    /// A request to cancel the run.
    Cancel(Request<'a>),
    /// A child has ended.
    ChildEnd {
        /// What tells the line from others.
        id: Cow<'a, str>,
        /// The child's id.
        run: Cow<'a, str>,
        /// The step that began it.
        call: Call<'a>,
        /// How it ended.
        ending: Ending<'a>,
    },
    /// The inbox goes on in its next generation. The log's seal.
    Turn,
}

impl<'a> InboxEntry<'a> {
    /// The line that this is.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is longer or deeper than a line may be.
    pub fn line(&self) -> Result<Line, Error> {
        let mut wire = Wire::of_kind(Some(self.at), self.body.kind());
        match &self.body {
            InboxBody::Message(message) => wire.put_message(message),
            InboxBody::Cancel(request) => wire.put_request(request),
            InboxBody::ChildEnd { id, run, call, ending } => {
                wire.put_child(id, run, call);
                wire.put_ending(ending);
            }
            InboxBody::Turn => {}
        }
        Line::of(&wire)
    }

    fn parse(line: &'a [u8]) -> Result<Self, Fault> {
        let mut fields = Fields::empty();
        fields.read(line)?;
        fields.check_version()?;
        let at = fields.at()?.ok_or_else(|| Fault::corrupt("it has no `at`"))?;
        let body = match &*fields.kind()? {
            "message" => InboxBody::Message(Message { sent_at: Some(at), ..fields.message()? }),
            "cancel" => InboxBody::Cancel(fields.request()?),
            "child_end" => InboxBody::ChildEnd {
                id: fields.id()?,
                run: fields.run()?,
                call: fields.call()?,
                ending: fields.ending()?,
            },
            "turn" => InboxBody::Turn,
            other => return Err(unknown(other)),
        };
        Ok(InboxEntry { at, body })
    }

    /// The event by which a history takes this line, number `seq` of the inbox, when nothing speaks against it. A message
    /// goes to `to`, or is kept.
    pub fn event(self, seq: u64, to: Option<Call<'a>>, done: bool) -> Event<'a> {
        match self.body {
            InboxBody::Message(message) => {
                let done = done && to.is_some();
                Event::Receive { inbox: seq, message, to, done }
            }
            InboxBody::Cancel(request) => Event::Cancel { inbox: seq, request },
            InboxBody::ChildEnd { call, ending, .. } => Event::ChildEnd { call, inbox: Some(seq), ending },
            InboxBody::Turn => Event::Turn { inbox: seq },
        }
    }
}

impl InboxBody<'_> {
    /// The word by which lines name this kind.
    pub fn kind(&self) -> &'static str {
        match self {
            InboxBody::Message(_) => "message",
            InboxBody::Cancel(_) => "cancel",
            InboxBody::ChildEnd { .. } => "child_end",
            InboxBody::Turn => "turn",
        }
    }

    /// What tells the line from others.
    pub fn id(&self) -> Option<&str> {
        match self {
            InboxBody::Message(message) => Some(&message.id),
            InboxBody::Cancel(request) => Some(&request.id),
            InboxBody::ChildEnd { id, .. } => Some(id),
            InboxBody::Turn => None,
        }
    }
}

/// Reads an inbox, of one generation, line by line.
#[derive(Clone, Debug)]
pub struct InboxFold {
    log: Name,
    end: End,
    problem: Option<Problem>,
}

impl InboxFold {
    /// A reader that has seen the lines of `log` up to `after`.
    pub fn new(log: Name, after: u64) -> Self {
        InboxFold { log, end: End { last: Position::at(after), sealed: false }, problem: None }
    }

    /// The inbox.
    pub fn log(&self) -> &Name {
        &self.log
    }

    /// Where it ends, as far as it was read.
    pub fn end(&self) -> End {
        self.end
    }

    /// Why it cannot be as it is.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// The inbox has a problem that was found elsewhere, such as damage that its store met.
    pub fn refuse(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    /// Reads all lines of a page and hands each on with its number.
    ///
    /// # Errors
    /// As [`InboxFold::line`].
    pub fn page<'a>(&mut self, page: &'a Page, mut each: impl FnMut(u64, InboxEntry<'a>)) -> Result<(), Problem> {
        for (header, line) in page.lines() {
            each(header.seq, self.line(header, line)?);
        }
        Ok(())
    }

    /// Reads one line. Its lines may have been forgotten up to the seal.
    ///
    /// # Errors
    /// Why it cannot be a line of an inbox, or cannot follow those before; all that follows is then refused for the same
    /// reason.
    pub fn line<'a>(&mut self, header: Header, line: &'a [u8]) -> Result<InboxEntry<'a>, Problem> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        let read = self.check(header).and_then(|()| {
            let entry = InboxEntry::parse(line)?;
            match header.sealed == matches!(entry.body, InboxBody::Turn) {
                true => Ok(entry),
                false if header.sealed => Err(Fault::corrupt(format!("a {} seals the inbox", entry.body.kind()))),
                false => Err(Fault::corrupt("the inbox goes on in its next generation, but is not sealed")),
            }
        });
        match read {
            Ok(entry) => {
                self.end = End::behind(header);
                Ok(entry)
            }
            Err(fault) => Err(self.problem.insert(fault.at(header.seq)).clone()),
        }
    }

    fn check(&self, header: Header) -> Result<(), Fault> {
        let last = self.end.last.number();
        if self.end.sealed {
            return Err(Fault::corrupt(format!("it follows line {last}, with which the inbox was sealed")));
        }
        if last.checked_add(1) != Some(header.seq) && !(last < header.seq && header.sealed) {
            return Err(Fault::corrupt(format!("line {} should stand here", last.saturating_add(1))));
        }
        Ok(())
    }
}
