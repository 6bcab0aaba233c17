//! Writing both streams.

use std::sync::Arc;

use ::redis::{Cmd, Value, cmd, pipe};

use super::page::{Page, Range};
use super::read::{RedisPieces, first_since};
use super::shared::{Shared, place};
use crate::chance::{Random as _, ThreadRandom};
use crate::evolution::piece::Place;
use crate::evolution::remote::site::{Decide, Heard, Known, NotAll, Writer};
use crate::store::Error;
use crate::time::Timestamp;

/// Longest entry, in bytes, unless a single line is longer.
const ENTRY_BYTES_MAX: usize = 256 << 10;

/// Most entries that are on their way at the same time.
const ENTRIES_AT_ONCE: usize = 8;

/// How long it is remembered what a writer wrote last, in seconds: an answer that was lost is asked for again much sooner.
const WRITER_SECONDS: u32 = 86_400;

/// How many decisions are read at a time.
const DECISIONS_AT_ONCE: usize = 1_000;

/// How often decisions are read anew when they change while they are read.
const ANEW_MAX: usize = 3;

/// Most pages of calls that one look reads.
const PAGES_MAX: usize = 64;

/// One writer, which nobody else is.
pub(super) struct RedisWriter {
    shared: Arc<Shared>,
    id: String,
    /// The number of the last entry that is there for sure.
    number: u64,
    /// The lengths of entries that were sent since: perhaps they are there, perhaps not.
    in_doubt: Vec<usize>,
    written_bytes: u64,
    /// Up to where calls of others were handed on.
    calls: Option<Place>,
}

impl RedisWriter {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let id = format!("{:016x}", ThreadRandom.bits());
        RedisWriter { shared: shared.clone(), id, number: 0, in_doubt: Vec::new(), written_bytes: 0, calls: None }
    }

    fn append_command(&self, number: u64, lines: &[u8]) -> Cmd {
        let script = include_str!("append.lua");
        let mut command = Cmd::with_capacity(9, lines.len() + script.len() + 200);
        command.arg("EVAL").arg(script).arg(2).arg(&self.shared.calls).arg(self.shared.keys.writer(&self.id));
        command.arg(&self.id).arg(number).arg(lines).arg(WRITER_SECONDS);
        command
    }

    /// Decisions from `from` on, where they end, and how many there are in all.
    fn decisions_from(&self, from: Place) -> Result<(Page, Place, u64), Error> {
        let script = concat!(include_str!("state.lua"), include_str!("decisions.lua"));
        let mut command = cmd("EVAL");
        command.arg(script).arg(1).arg(&self.shared.decisions).arg(from.to_string()).arg(DECISIONS_AT_ONCE);
        let answer = self.shared.ask(command, "reading decisions")?;
        let understood = || {
            let Value::Array(parts) = answer else { return None };
            let [last, Value::Int(length), entries] = <[Value; 3]>::try_from(parts).ok()? else { return None };
            let page = Page::new(entries, false, None)?;
            Some((page, place_of(&last)?, u64::try_from(length).ok()?))
        };
        understood().ok_or_else(|| self.shared.odd())
    }

    /// Hands on all decisions behind those that are known, and notes after each page that they are. False if some that were
    /// known are gone.
    fn go_on(&self, known: &mut Known, each: &mut dyn FnMut(Heard<'_>)) -> Result<bool, Error> {
        loop {
            let (page, last, length) = self.decisions_from(known.last.next())?;
            if last < known.last {
                return Ok(false);
            }
            for (_, lines) in page.entries() {
                each(Heard::Lines(lines));
            }
            known.state += page.count as u64;
            match page.ends {
                Some((_, end)) if page.count >= DECISIONS_AT_ONCE => known.last = end,
                _ => {
                    // Ids that were deleted are not given again.
                    known.last = last;
                    return Ok(known.state == length);
                }
            }
        }
    }
}

impl Writer for RedisWriter {
    fn batch_bytes_max(&self) -> usize {
        ENTRY_BYTES_MAX * ENTRIES_AT_ONCE
    }

    fn append(&mut self, lines: &[u8], _: Timestamp) -> Result<(), NotAll> {
        let mut taken = 0;
        while taken < lines.len() {
            if self.in_doubt.is_empty() {
                self.in_doubt = lengths(&lines[taken..]);
            }
            let mut commands = pipe();
            let mut at = taken;
            for (index, length) in self.in_doubt.iter().enumerate() {
                // What was sent before is given again first of all.
                let entry = lines.get(at..at + length).unwrap_or_default();
                commands.add_command(self.append_command(self.number + 1 + index as u64, entry));
                at += length;
            }
            if let Err(cause) = self.shared.ask_all(commands, "writing an evolution log") {
                return Err(NotAll { taken, cause });
            }
            self.number += self.in_doubt.len() as u64;
            self.written_bytes += (at - taken) as u64;
            self.in_doubt.clear();
            taken = at;
        }
        Ok(())
    }

    fn sync(&mut self, _: Timestamp) -> Result<(), Error> {
        // What was acknowledged is as safe as the server makes it.
        Ok(())
    }

    fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    fn held_lines(&self) -> u64 {
        0
    }

    fn decide(&mut self, known: &Known, line: &str) -> Result<Decide, Error> {
        let after = known.last;
        let script = concat!(include_str!("state.lua"), include_str!("decide.lua"));
        let mut command = cmd("EVAL");
        command.arg(script).arg(1).arg(&self.shared.decisions);
        command.arg(after.to_string()).arg(after.next().to_string()).arg(line);
        let answer = self.shared.ask(command, "writing a decision")?;
        let Value::Array(parts) = &answer else { return Err(self.shared.odd()) };
        let word = match parts.first() {
            Some(Value::BulkString(word)) => word.as_slice(),
            Some(Value::SimpleString(word)) => word.as_bytes(),
            _ => &[],
        };
        match (word, parts.get(1).and_then(place_of)) {
            (b"done", Some(last)) => Ok(Decide::Done(Known { last, state: known.state + 1 })),
            (b"moved", Some(_)) => Ok(Decide::Moved),
            _ => Err(self.shared.odd()),
        }
    }

    fn decisions(&mut self, known: &mut Known, each: &mut dyn FnMut(Heard<'_>)) -> Result<(), Error> {
        for _ in 0..ANEW_MAX {
            if self.go_on(known, each)? {
                break;
            }
            *known = Known::default();
            each(Heard::Anew);
        }
        Ok(())
    }

    fn calls(&mut self, _: Timestamp, each: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let Some(mut last) = self.calls else { return Ok(()) };
        let mut range = Range::from(last.next());
        for _ in 0..PAGES_MAX {
            let page = self.shared.page(&self.shared.calls, range, Some(&self.id))?;
            last = page.ends.map_or(last, |(_, end)| end);
            if !page.text.is_empty() {
                each(&page.text);
            }
            self.calls = Some(last);
            match range.behind(&page) {
                Some(rest) => range = rest,
                None => break,
            }
        }
        Ok(())
    }

    fn history(&mut self, since: Option<Timestamp>, _: Timestamp, each: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let to = match self.calls {
            Some(place) => place,
            None => self.shared.end_of(&self.shared.calls)?,
        };
        self.calls = Some(to);
        let range = Range { to, ..Range::from(first_since(since)) };
        let mut pages = RedisPieces::new(&self.shared, &self.shared.calls, range);
        while let Some(page) = pages.next_page()? {
            each(&page.text);
        }
        Ok(())
    }

    fn forget_calls(&mut self) {
        self.calls = None;
    }
}

fn place_of(value: &Value) -> Option<Place> {
    match value {
        Value::BulkString(id) => place(id),
        Value::SimpleString(id) => place(id.as_bytes()),
        _ => None,
    }
}

/// How long the next entries are to be: whole lines, as many as fit.
fn lengths(lines: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut rest = lines;
    while !rest.is_empty() && lengths.len() < ENTRIES_AT_ONCE {
        let fits = &rest[..rest.len().min(ENTRY_BYTES_MAX)];
        let end = memchr::memrchr(b'\n', fits).or_else(|| memchr::memchr(b'\n', rest));
        let length = end.map_or(rest.len(), |newline| newline + 1);
        lengths.push(length);
        rest = &rest[length..];
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_whole_lines() {
        assert_eq!(lengths(b""), [0usize; 0]);
        assert_eq!(lengths(b"a\nb\n"), [4]);
        let long = "x".repeat(ENTRY_BYTES_MAX);
        let lines = format!("a\n{long}\nb\nc\n");
        assert_eq!(lengths(lines.as_bytes()), [2, ENTRY_BYTES_MAX + 1, 4]);
        let many = "y\n".repeat(ENTRY_BYTES_MAX * ENTRIES_AT_ONCE);
        assert_eq!(lengths(many.as_bytes()), [ENTRY_BYTES_MAX; ENTRIES_AT_ONCE]);
    }
}
