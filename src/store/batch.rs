//! What is to be done to a store, in order.

use super::line::{HEADER_BYTES_MAX, Header, LINE_BYTES_MAX, Line, Token};
use super::{Error, Kind, Name, Queue};
use crate::time::{FIXED_WIDTH, Timestamp};

/// Most bytes that the appends of one batch may have together, headers included: what fits one object, one script and one
/// write.
pub const BATCH_BYTES_MAX: usize = 4 * LINE_BYTES_MAX;

/// Most parts of one batch.
pub(crate) const BATCH_OPS_MAX: usize = 1_000;

/// A place between two lines of a log: behind line `number`.
///
/// One that came from a store knows that line's token too, and is thereby bound to what was read: a store that meanwhile
/// lost lines and got others in their place refuses to append after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    number: u64,
    token: Option<Token>,
}

impl Position {
    /// Before the first line.
    pub const START: Position = Position { number: 0, token: None };

    /// Behind line `number`, whatever is written there.
    pub const fn at(number: u64) -> Self {
        Position { number, token: None }
    }

    /// Behind the line with this header.
    pub const fn behind(header: Header) -> Self {
        Position { number: header.seq, token: Some(header.token) }
    }

    /// The number of the line before this place, 0 at the start.
    pub const fn number(self) -> u64 {
        self.number
    }

    /// The token of the line before this place, where it is known.
    pub const fn token(self) -> Option<Token> {
        self.token
    }
}

/// When a run is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Due {
    /// The queue whose workers look.
    pub queue: Queue,
    /// Not before this.
    pub at: Timestamp,
    /// The log of the run.
    pub run: Name,
}

impl Due {
    /// The entry as one plain word, ordered by time: `2026-11-22T04:34:16.123456Z_runs.greet-1`.
    pub(crate) fn to_entry(&self) -> String {
        format!("{}_{}.{}", self.at.fixed_width(), self.run.kind(), self.run.stem())
    }

    /// The entry of `queue` that is written so; none if there is none.
    pub(crate) fn from_entry(queue: &Queue, entry: &str) -> Option<Self> {
        let (time, run) = entry.split_at_checked(FIXED_WIDTH)?;
        let at = Timestamp::parse(time.as_bytes())?;
        let (kind, stem) = run.strip_prefix('_')?.split_once('.')?;
        let run = Name::from_stem(Kind::parse(kind)?, stem)?;
        // One entry, one form.
        (at.fixed_width() == time).then(|| Due { queue: queue.clone(), at, run })
    }
}

/// Lines that follow a place, together or not at all.
#[derive(Clone, Debug)]
pub struct Append {
    /// The log.
    pub log: Name,
    /// The place that must be its end.
    pub after: Position,
    /// At least one.
    pub lines: Vec<Line>,
    /// The last line is the log's last ever.
    pub seal: bool,
}

impl Append {
    /// The end of the log once this has landed.
    pub(crate) fn end(&self, token: Token) -> Position {
        Position { number: self.after.number.saturating_add(self.lines.len() as u64), token: Some(token) }
    }

    /// The lines as they are kept, each with its header and newline.
    pub(crate) fn framed(&self, token: Token) -> Vec<u8> {
        let body: usize = self.lines.iter().map(|line| line.as_str().len() + 64).sum();
        let mut text = Vec::with_capacity(body);
        let last = self.lines.len().saturating_sub(1);
        for (at, line) in self.lines.iter().enumerate() {
            let seq = self.after.number.saturating_add(at as u64 + 1);
            Header { seq, token, more: at < last, sealed: self.seal && at == last }.write(line, &mut text);
        }
        text
    }
}

/// One part of a batch.
#[derive(Clone, Debug)]
pub enum Op {
    /// Lines go to the end of a log.
    Append(Append),
    /// An entry of the due index comes; no change if it is there.
    PutDue(Due),
    /// An entry of the due index goes; no change if it is not there.
    DropDue(Due),
}

/// Parts that are done in their order, or all at once where the store can.
///
/// After a crash, a store holds what a prefix of the batch makes; whoever puts batches together sees to it that every
/// prefix is safe. The same batch may be applied again, as often as one likes: what has landed is known by the token and
/// left as it is.
#[derive(Clone, Debug)]
pub struct Batch {
    token: Token,
    ops: Vec<Op>,
}

impl Batch {
    /// A batch without parts. `token` must be new.
    pub fn new(token: Token) -> Self {
        Batch { token, ops: Vec::new() }
    }

    /// Lines to go to the end of `log`, which must be at `after`.
    #[must_use]
    pub fn append(self, log: &Name, after: Position, lines: Vec<Line>) -> Self {
        self.with(Op::Append(Append { log: log.clone(), after, lines, seal: false }))
    }

    /// As [`Batch::append`], and nothing may follow.
    #[must_use]
    pub fn seal(self, log: &Name, after: Position, lines: Vec<Line>) -> Self {
        self.with(Op::Append(Append { log: log.clone(), after, lines, seal: true }))
    }

    /// An entry of the due index.
    #[must_use]
    pub fn put_due(self, due: Due) -> Self {
        self.with(Op::PutDue(due))
    }

    /// An entry of the due index that has been served.
    #[must_use]
    pub fn drop_due(self, due: Due) -> Self {
        self.with(Op::DropDue(due))
    }

    /// One more part.
    #[must_use]
    pub fn with(mut self, op: Op) -> Self {
        self.ops.push(op);
        self
    }

    /// What tells this batch from others.
    pub fn token(&self) -> Token {
        self.token
    }

    /// The parts in order.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The appends among the parts, in order.
    pub fn appends(&self) -> impl Iterator<Item = &Append> {
        self.ops.iter().filter_map(|op| if let Op::Append(append) = op { Some(append) } else { None })
    }

    /// Where the appended logs end once all has landed, in the order of the appends.
    pub(crate) fn ends(&self) -> Vec<Position> {
        self.appends().map(|append| append.end(self.token)).collect()
    }

    /// The first `len` parts, as a crash after them would leave them.
    #[must_use]
    pub fn prefix(&self, len: usize) -> Self {
        Batch { token: self.token, ops: self.ops.iter().take(len).cloned().collect() }
    }

    /// Every store calls this first.
    ///
    /// # Errors
    /// [`Error::Invalid`] if an append has no lines, or two are to the same log, or the batch is too large.
    pub fn check(&self) -> Result<(), Error> {
        let invalid = |problem: String| Err(Error::Invalid { what: "batch".to_owned(), problem });
        if self.ops.len() > BATCH_OPS_MAX {
            return invalid(format!("it has {} parts, more than {BATCH_OPS_MAX}", self.ops.len()));
        }
        let mut bytes = 0usize;
        let mut logs = std::collections::HashSet::new();
        for append in self.appends() {
            if append.lines.is_empty() {
                return invalid(format!("nothing to append to {}", append.log));
            }
            if self.ops.len() > 1 && !logs.insert(&append.log) {
                return invalid(format!("two appends to {}", append.log));
            }
            bytes += append.lines.iter().map(|line| line.as_str().len() + HEADER_BYTES_MAX).sum::<usize>();
        }
        if bytes > BATCH_BYTES_MAX {
            return invalid(format!("it has {bytes} bytes, more than {BATCH_BYTES_MAX}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_with_its_headers() {
        let log = Name::new(Kind::new("runs"), "a").unwrap();
        let batch = |lines: Vec<Line>| Batch::new(Token::from_bits(1)).append(&log, Position::START, lines);
        let longest = format!("{{\"a\":\"{}\"}}", "x".repeat(LINE_BYTES_MAX - HEADER_BYTES_MAX - 8));
        let longest = Line::new(&longest).unwrap();
        let four = batch(vec![longest.clone(); 4]);
        assert!(four.check().is_ok());
        let framed = four.appends().next().unwrap().framed(four.token());
        assert!(framed.len() <= BATCH_BYTES_MAX && framed.len() + 4 * HEADER_BYTES_MAX > BATCH_BYTES_MAX);
        assert!(batch(vec![longest; 5]).check().is_err());
        // Nearly all of it is headers.
        let short = Line::new("{\"a\":1}").unwrap();
        let many = BATCH_BYTES_MAX / (short.as_str().len() + HEADER_BYTES_MAX);
        assert!(batch(vec![short.clone(); many]).check().is_ok());
        assert!(matches!(batch(vec![short; many + 1]).check(), Err(Error::Invalid { .. })));
    }

    #[test]
    fn entries_come_back_are_in_order_and_have_one_form() {
        let queue = Queue::default();
        let run = Name::new(Kind::new("runs"), "../a.b,c_d").unwrap().in_generation(3);
        let mut before = String::new();
        for at in [Timestamp::MIN, Timestamp::from_micros(-1), Timestamp::from_micros(0), Timestamp::MAX] {
            let due = Due { queue: queue.clone(), at, run: run.clone() };
            let entry = due.to_entry();
            assert!(before < entry);
            assert_eq!(Due::from_entry(&queue, &entry), Some(due));
            before = entry;
        }
        for entry in [
            "",
            "x",
            "2026-11-22T04:34:16.123456Z",
            "2026-11-22T04:34:16.123456Z_runs",
            "2026-11-22 04:34:16.123456Z_runs.a",
            "2026-11-22T04:34:16.123456Z_due.a",
            "2026-11-22T04:34:16.123456Z_runs.a/b",
            "2026-11-22T04:34:16.12345éZ_runs.a",
        ] {
            assert_eq!(Due::from_entry(&queue, entry), None, "{entry}");
        }
    }
}
