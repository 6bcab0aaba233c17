//! Some entries of a stream.

use std::sync::Arc;

use ::redis::{Value, cmd};

use super::shared::{Shared, place};
use crate::evolution::piece::{Content, Origin, Piece, Place};
use crate::evolution::remote::worker::{Pending, gone};
use crate::store::Error;
use crate::store::redis::explain;

/// How many bytes a page should have: the server serves nobody else while it makes one.
const PAGE_BYTES: usize = 2 << 20;

/// Most entries of a page.
const ENTRIES_MAX: usize = 4_096;

/// Entries of a first page, whose size nobody knows.
const ENTRIES_FIRST: usize = 8;

/// What stands for an entry that has no lines, so that it is told like any other line that cannot be read.
const NO_LINES: &[u8] = b"(an entry without a field `lines`)\n";

/// Entries in the order of the stream.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Whole lines.
    pub(super) text: Vec<u8>,
    /// Line and byte with which each begins, and its id.
    entries: Vec<(u64, u64, Place)>,
    /// How many there were, those left out too.
    pub(super) count: usize,
    /// The first and the last id.
    pub(super) ends: Option<(Place, Place)>,
    lines: u64,
}

/// Which entries to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) from: Place,
    /// Not behind this one.
    pub(super) to: Place,
    pub(super) backwards: bool,
    pub(super) count: usize,
}

impl Range {
    /// All from here on.
    pub(super) fn from(from: Place) -> Self {
        Range { from, to: Place(u64::MAX, u64::MAX), backwards: false, count: ENTRIES_FIRST }
    }

    /// What is left of it behind a page, or in front of it; none if nothing is.
    pub(super) fn behind(self, page: &Page) -> Option<Range> {
        let (first, last) = page.ends?;
        if page.count < self.count || first == Place::default() {
            return None;
        }
        // So many of the same size make a page.
        let bytes = (page.text.len() / page.count.max(1)).max(1);
        let count = (PAGE_BYTES / bytes).clamp(1, ENTRIES_MAX).min(self.count * 8);
        Some(match self.backwards {
            true => Range { to: before(first), count, ..self },
            false => Range { from: last.next(), count, ..self },
        })
    }

    fn is_empty(self) -> bool {
        self.from > self.to
    }
}

/// The id before this one.
fn before(place: Place) -> Place {
    match place.1.checked_sub(1) {
        Some(second) => Place(place.0, second),
        None => Place(place.0.saturating_sub(1), u64::MAX),
    }
}

impl Shared {
    /// Begins to read entries of a stream, without those of the writer `without`.
    pub(super) fn begin_page(&self, key: &str, range: Range, without: Option<&str>) -> Pending<Result<Page, Error>> {
        let (link, location, key) = (self.link.clone(), self.location.clone(), key.to_owned());
        let without = without.map(str::to_owned);
        self.worker.begin(async move {
            if range.is_empty() {
                return Ok(Page::default());
            }
            let mut command = match range.backwards {
                true => cmd("XREVRANGE").arg(&key).arg(range.to.to_string()).arg(range.from.to_string()).to_owned(),
                false => cmd("XRANGE").arg(&key).arg(range.from.to_string()).arg(range.to.to_string()).to_owned(),
            };
            command.arg("COUNT").arg(range.count);
            let answer = link.send(&command).await;
            let answer = answer.map_err(|error| explain(&error, "reading an evolution log", &location))?;
            let page = Page::new(answer, range.backwards, without.as_deref());
            page.ok_or_else(|| Error::Unfit {
                place: location,
                problem: "what it answers is no part of a stream".into(),
            })
        })
    }

    /// Reads entries of a stream, without those of the writer `without`.
    pub(super) fn page(&self, key: &str, range: Range, without: Option<&str>) -> Result<Page, Error> {
        self.begin_page(key, range, without).wait().unwrap_or_else(|| Err(gone()))
    }
}

impl Page {
    /// What `XRANGE` answered; none if that makes no sense.
    pub(super) fn new(answer: Value, backwards: bool, without: Option<&str>) -> Option<Page> {
        let Value::Array(mut entries) = answer else { return None };
        if backwards {
            entries.reverse();
        }
        let mut page = Page { count: entries.len(), ..Page::default() };
        for entry in entries {
            let Value::Array(mut parts) = entry else { return None };
            let (Some(fields), Some(Value::BulkString(id)), true) = (parts.pop(), parts.pop(), parts.is_empty()) else {
                return None;
            };
            page.take(place(&id)?, fields, without)?;
        }
        Some(page)
    }

    fn take(&mut self, place: Place, fields: Value, without: Option<&str>) -> Option<()> {
        let first = self.ends.map_or(place, |(first, _)| first);
        self.ends = Some((first, place));
        let fields = match fields {
            Value::Array(fields) => fields,
            // One that was deleted while it was read.
            Value::Nil => return Some(()),
            _ => return None,
        };
        let (mut lines, mut is_left_out) = (None, false);
        let mut fields = fields.into_iter();
        while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) = (fields.next(), fields.next()) {
            match name.as_slice() {
                b"lines" => lines = Some(value),
                b"writer" => is_left_out |= without.is_some_and(|without| without.as_bytes() == value),
                _ => {}
            }
        }
        if !is_left_out {
            self.push(place, lines.as_deref().unwrap_or(NO_LINES));
        }
        Some(())
    }

    fn push(&mut self, place: Place, lines: &[u8]) {
        self.entries.push((self.lines, self.text.len() as u64, place));
        self.text.extend_from_slice(lines);
        self.lines += memchr::memchr_iter(b'\n', lines).count() as u64;
        if !lines.is_empty() && lines.last() != Some(&b'\n') {
            self.text.push(b'\n');
            self.lines += 1;
        }
    }

    /// Each entry's id and lines.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Place, &[u8])> {
        let ends = self.entries.iter().skip(1).map(|(_, start, _)| *start).chain([self.text.len() as u64]);
        self.entries.iter().zip(ends).map(|((_, start, place), end)| {
            (*place, &self.text[usize::try_from(*start).unwrap_or(0)..usize::try_from(end).unwrap_or(0)])
        })
    }

    /// The page as a piece of the log `name`.
    pub(super) fn into_piece(self, name: &str) -> Piece {
        let stored_bytes = self.text.len() as u64;
        let origin = Arc::new(Origin::entries(name, self.entries));
        Piece { content: Content::Lines(self.text), offset: 0, origin, stored_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn entry(id: &str, fields: &[&str]) -> Value {
        Value::Array(vec![bulk(id), Value::Array(fields.iter().map(|field| bulk(field)).collect())])
    }

    #[test]
    fn entries_become_lines() {
        let answer = Value::Array(vec![
            entry("5-0", &["lines", "a\nb\n", "writer", "w"]),
            entry("5-1", &["writer", "w", "lines", "c"]),
            entry("6-0", &["other", "x"]),
            entry("7-0", &["lines", ""]),
            entry("8-0", &["lines", "d\n", "writer", "v"]),
        ]);
        let page = Page::new(answer.clone(), false, None).expect("a page");
        let lines = "a\nb\nc\n(an entry without a field `lines`)\nd\n";
        assert_eq!((page.text.as_slice(), page.count), (lines.as_bytes(), 5));
        let entries = page.entries().map(|(place, lines)| (place.to_string(), lines.to_vec()));
        assert_eq!(entries.last(), Some(("8-0".into(), b"d\n".to_vec())));
        let without = Page::new(answer, false, Some("w")).expect("a page");
        assert_eq!(without.text, "(an entry without a field `lines`)\nd\n".as_bytes());
        assert_eq!(without.ends, Some((Place(5, 0), Place(8, 0))));
    }

    #[test]
    fn what_is_no_page_is_none() {
        for answer in [
            Value::Nil,
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Array(vec![bulk("1-0")])]),
            Value::Array(vec![entry("x", &["lines", "a"])]),
            Value::Array(vec![entry("1", &["lines", "a"])]),
            Value::Array(vec![Value::Array(vec![bulk("1-0"), Value::Int(3)])]),
        ] {
            assert!(Page::new(answer.clone(), false, None).is_none(), "{answer:?}");
        }
    }

    #[test]
    fn ranges_go_on_behind_and_in_front() {
        let page = |first, last, count| Page { ends: Some((first, last)), count, ..Page::default() };
        let range = Range { count: 2, ..Range::from(Place(1, 0)) };
        let next = range.behind(&page(Place(1, 0), Place(1, u64::MAX), 2)).expect("more");
        assert_eq!((next.from, next.count), (Place(2, 0), 16));
        assert!(range.behind(&page(Place(1, 0), Place(2, 0), 1)).is_none());
        let back = Range { backwards: true, ..range };
        let next = back.behind(&page(Place(7, 0), Place(9, 0), 2)).expect("more");
        assert_eq!((next.from, next.to), (Place(1, 0), Place(6, u64::MAX)));
    }
}
