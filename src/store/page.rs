//! What a store gives to read.

use bytes::Bytes;

use super::line::{Header, Token};
use super::{Append, Error, Name, Position};

/// Where a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Behind the last line, or the start if there is no log.
    pub last: Position,
    /// Nothing may follow.
    pub sealed: bool,
}

impl End {
    /// The end of a log that has no lines.
    pub const START: End = End { last: Position::START, sealed: false };

    /// The end of a log whose last line has this header.
    pub const fn behind(header: Header) -> Self {
        End { last: Position::behind(header), sealed: header.sealed }
    }
}

/// What is to be done with an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Write it.
    Write,
    /// It landed before.
    Landed,
}

/// Whether `append` may be written to a log that is at `end`. `token_of` tells the token of a line that the log has.
///
/// This is the contract of every store in one place.
pub(crate) fn admit(
    append: &Append,
    token: Token,
    end: End,
    token_of: impl FnOnce(u64) -> Option<Token>,
) -> Result<Admission, Error> {
    let (expected, actual) = (append.after.number(), end.last.number());
    if actual > expected && token_of(expected + 1) == Some(token) {
        return Ok(Admission::Landed);
    }
    let log = &append.log;
    if actual < expected {
        return Err(lost(log, expected, actual));
    }
    if end.sealed {
        return Err(Error::Sealed { log: log.clone(), last: actual });
    }
    if actual > expected {
        return Err(Error::Conflict { log: log.clone(), expected, actual });
    }
    match (append.after.token(), end.last.token()) {
        (Some(known), Some(found)) if known != found => Err(changed(log, actual)),
        _ => Ok(Admission::Write),
    }
}

/// The log ended at `known` once, and now ends at `actual`.
pub(crate) fn lost(log: &Name, known: u64, actual: u64) -> Error {
    let problem = format!("it ends at line {actual}, and had line {known} before");
    Error::Lost { place: log.to_string(), problem }
}

/// Line `number` is another than it was.
pub(crate) fn changed(log: &Name, number: u64) -> Error {
    let problem = format!("line {number} is not the one that was there before");
    Error::Lost { place: log.to_string(), problem }
}

/// Some lines of a log, whole appends of it.
#[derive(Clone, Debug)]
pub struct Page {
    text: Bytes,
    end: End,
    more: bool,
}

impl Page {
    /// A page without lines, at the end of a log.
    pub(crate) fn empty(end: End) -> Self {
        Page { text: Bytes::new(), end, more: false }
    }

    /// A page of lines that were checked, behind the last of which the log goes on if `more`.
    pub(crate) fn new(text: Bytes, end: End, more: bool) -> Self {
        Page { text, end, more }
    }

    /// The lines, each with its newline.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// Behind the last line of the page, or the end of the log if the page has none.
    pub fn end(&self) -> End {
        self.end
    }

    /// Whether the log had more lines behind this page when it was read.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// The lines one by one.
    #[inline]
    pub fn lines(&self) -> impl Iterator<Item = (Header, &[u8])> {
        // Pages are made of lines that were checked.
        lines_in(&self.text)
    }
}

/// Lines that were checked, one by one.
#[inline]
pub(crate) fn lines_in(mut rest: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    std::iter::from_fn(move || {
        let line;
        (line, rest) = split_line(rest)?;
        Some((Header::parse(line)?, line))
    })
}

/// The first line of `text` without its newline, and what follows; none if no newline is left.
#[inline]
pub(crate) fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let newline = memchr::memchr(b'\n', text)?;
    Some((&text[..newline], &text[newline + 1..]))
}

/// Whole lines that were found to follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    /// Bytes of whole appends.
    pub(crate) bytes: usize,
    /// The header of the last line of these; none if there is no whole append.
    pub(crate) last: Option<Header>,
    /// The number of the first line; 0 if there is none.
    pub(crate) first: u64,
    /// Bytes of lines without fault, those of an append that is not whole included.
    pub(crate) sound: usize,
}

/// Checks that the lines at the start of `text` are numbered without a gap, from `first` where it is given, and stops behind
/// the first whole append that makes `enough` bytes. A last line without newline, and a last append that is not whole, are
/// left out: see [`Checked::bytes`].
///
/// # Errors
/// [`Error::Corrupt`] for a line that has no header, or another number than its place. `place` names the log, and
/// `bytes_before` is what stands before `text` in it.
pub(crate) fn check_lines(
    text: &[u8],
    first: Option<u64>,
    enough: usize,
    place: &dyn std::fmt::Display,
    bytes_before: u64,
) -> Result<Checked, Error> {
    let (checked, damage) = scan_lines(text, first, enough, place, bytes_before);
    damage.map_or(Ok(checked), Err)
}

/// The same, with what stands in front of the damage.
pub(crate) fn scan_lines(
    text: &[u8],
    first: Option<u64>,
    enough: usize,
    place: &dyn std::fmt::Display,
    bytes_before: u64,
) -> (Checked, Option<Error>) {
    let mut checked = Checked { bytes: 0, last: None, first: 0, sound: 0 };
    let mut expected = first;
    let mut at = 0;
    let mut sealed = false;
    // The append that goes on.
    let mut open: Option<Token> = None;
    while let Some((line, _)) = split_line(&text[at..]) {
        let offset = bytes_before + at as u64;
        let Some(header) = Header::parse(line) else {
            return (checked, Some(no_header(place, expected, offset)));
        };
        if expected.is_some_and(|expected| expected != header.seq) {
            return (checked, Some(wrong_number(place, expected.unwrap_or(0), header.seq, offset)));
        }
        if sealed {
            let problem = format!("line {} at byte {offset} follows a seal", header.seq);
            return (checked, Some(Error::corrupt(place.to_string(), problem)));
        }
        if open.is_some_and(|open| open != header.token) {
            let problem = format!("line {} at byte {offset} is of another append than the line before", header.seq);
            let problem = problem + ", which says that its own goes on";
            return (checked, Some(Error::corrupt(place.to_string(), problem)));
        }
        open = header.more.then_some(header.token);
        if checked.first == 0 {
            checked.first = header.seq;
        }
        expected = Some(header.seq.saturating_add(1));
        sealed = header.sealed;
        at += line.len() + 1;
        checked.sound = at;
        if !header.more {
            checked.bytes = at;
            checked.last = Some(header);
            if at >= enough {
                break;
            }
        }
    }
    (checked, None)
}

/// What of `text` stands behind line `after`.
pub(crate) fn behind(text: &Bytes, after: u64) -> Bytes {
    let mut at = 0;
    while let Some((line, _)) = split_line(&text[at..]) {
        if Header::parse(line).is_some_and(|header| header.seq > after) {
            break;
        }
        at += line.len() + 1;
    }
    text.slice(at..)
}

/// What of an append that is damaged, or that has damage behind it, stands behind line `after` and is sound; its first line is
/// number `first`.
pub(crate) fn sound_lines(text: &Bytes, first: u64, after: u64) -> Bytes {
    let (checked, _) = scan_lines(text, Some(first), usize::MAX, &"", 0);
    behind(&text.slice(..checked.sound), after)
}

fn no_header(place: &dyn std::fmt::Display, expected: Option<u64>, offset: u64) -> Error {
    let number = expected.map_or_else(String::new, |number| format!("line {number} "));
    Error::corrupt(place.to_string(), format!("{number}at byte {offset} is not a line of a log"))
}

fn wrong_number(place: &dyn std::fmt::Display, expected: u64, found: u64, offset: u64) -> Error {
    Error::corrupt(place.to_string(), format!("line {found} at byte {offset} stands where line {expected} should"))
}
