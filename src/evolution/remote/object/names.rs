//! What objects of an evolution log are called.
//!
//! ```text
//! evolution/2026-06-05/10/20260605T103005.507299Z_20260605T103000.500000Z_20260605T103004.999999Z_9f86d081884c7d65-12_4711.jsonl.zst
//!           day        hour  when it was put      its first event         its last event          writer       number  lines
//! evolution/decisions/000000000012.jsonl
//! ```
//!
//! A segment is named after the time at which it is put, by the clock that its events are dated by: so none of its events is
//! later, what is listed behind a time holds all events from then on, and one that is written late comes late in the list.

use std::fmt;
use std::path::Path;

use crate::evolution::folder;
use crate::store::object::EVOLUTION;
use crate::time::Timestamp;

/// What the keys of decisions begin with.
pub(super) const DECISIONS: &str = "evolution/decisions/";

/// The endings that readers accept.
const ENDINGS: [&str; 3] = [".jsonl.zst", ".jsonl.gz", ".jsonl"];

/// How wide the numbers of decisions are: lists are in the order of names.
const DIGITS: usize = 12;

/// The greatest number that a decision can have.
pub(super) const NUMBER_MAX: u64 = 999_999_999_999;

/// Lines that one writer put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) put: Timestamp,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) id: SegmentId,
    pub(super) lines: u64,
}

/// Whose segment it is, and its number: two objects with the same are the same segment, put twice because an answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SegmentId {
    pub(super) writer: u64,
    pub(super) number: u64,
}

impl Segment {
    /// The key of the segment with the ending `.jsonl.zst`.
    pub(super) fn key(&self) -> String {
        format!("{}{self}.jsonl.zst", hour_of(self.put))
    }

    /// The segment that has this key; none if it is none.
    pub(super) fn parse(key: &str) -> Option<Segment> {
        let (folder, name) = key.rsplit_once('/')?;
        let stem = ENDINGS.into_iter().find_map(|ending| name.strip_suffix(ending))?;
        let parts = stem.split('_').collect::<Vec<_>>();
        let [put, first, last, id, lines] = parts.as_slice() else { return None };
        let (writer, number) = id.split_once('-')?;
        let writer = (writer.len() == 16).then(|| u64::from_str_radix(writer, 16).ok()).flatten()?;
        let segment = Segment {
            put: time(put)?,
            first: time(first)?,
            last: time(last)?,
            id: SegmentId { writer, number: number.parse().ok()? },
            lines: lines.parse().ok()?,
        };
        (hour_of(segment.put).trim_end_matches('/') == folder).then_some(segment)
    }

    /// Whether it may hold an event of this span of time.
    pub(super) fn may_hold(&self, since: Option<Timestamp>, until: Option<Timestamp>) -> bool {
        since.is_none_or(|since| self.last >= since) && until.is_none_or(|until| self.first < until)
    }
}

/// The name behind the folder, without an ending.
impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SegmentId { writer, number } = self.id;
        let (put, first, last) = (stamp(self.put), stamp(self.first), stamp(self.last));
        write!(f, "{put}_{first}_{last}_{writer:016x}-{number}_{}", self.lines)
    }
}

/// `20260605T103005.507299Z`: in the order of times.
fn stamp(at: Timestamp) -> String {
    at.fixed_width().replace(['-', ':'], "")
}

fn time(stamp: &str) -> Option<Timestamp> {
    const WIDTH: usize = "20260605T103005.507299Z".len();
    if stamp.len() != WIDTH || !stamp.is_ascii() {
        return None;
    }
    let (date, clock) = stamp.split_once('T')?;
    if date.len() != 8 {
        return None;
    }
    let text = format!(
        "{}-{}-{}T{}:{}:{}",
        &date[..4],
        &date[4..6],
        &date[6..],
        clock.get(..2)?,
        clock.get(2..4)?,
        clock.get(4..)?
    );
    Timestamp::parse(text.as_bytes()).filter(|at| super::names::stamp(*at) == stamp)
}

/// The folder of a day: `evolution/2026-06-05/`.
pub(super) fn day_of(at: Timestamp) -> String {
    format!("{EVOLUTION}{}/", &at.fixed_width()[..10])
}

/// The folder of an hour: `evolution/2026-06-05/10/`.
pub(super) fn hour_of(at: Timestamp) -> String {
    format!("{}{}/", day_of(at), &at.fixed_width()[11..13])
}

/// What the keys of segments that were put at this time, or later in the same hour, are behind of.
pub(super) fn behind(at: Timestamp) -> String {
    hour_of(at) + &stamp(at)
}

/// Whether a key is the folder of a day.
pub(super) fn is_day(folder: &str) -> bool {
    let day = folder.strip_prefix(EVOLUTION).and_then(|rest| rest.strip_suffix('/')).unwrap_or_default();
    Timestamp::parse(day.as_bytes()).is_some_and(|at| day_of(at) == folder)
}

/// Whether an object is a log by its name, without its folder.
pub(super) fn is_log(name: &str) -> bool {
    folder::is_log(Path::new(name.rsplit_once('/').map_or(name, |(_, name)| name)))
}

/// The key of a decision.
pub(super) fn decision(number: u64) -> String {
    format!("{DECISIONS}{number:0DIGITS$}.jsonl")
}

/// The number of the decision that has this key; none if it is none.
pub(super) fn number_of(key: &str) -> Option<u64> {
    let number = key.strip_prefix(DECISIONS)?.strip_suffix(".jsonl")?.parse().ok()?;
    ((1..=NUMBER_MAX).contains(&number) && decision(number) == key).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text.as_bytes()).expect("a time")
    }

    fn segment() -> Segment {
        Segment {
            put: at("2026-06-05T10:30:05.507299Z"),
            first: at("2026-06-05T09:59:59.5Z"),
            last: at("2026-06-05T10:30:04Z"),
            id: SegmentId { writer: 0x9f86_d081_884c_7d65, number: 12 },
            lines: 4_711,
        }
    }

    #[test]
    fn segments_are_known_by_their_keys() {
        let key = "evolution/2026-06-05/10/20260605T103005.507299Z_20260605T095959.500000Z_20260605T103004.000000Z_9f86d081884c7d65-12_4711.jsonl.zst";
        assert_eq!(segment().key(), key);
        assert_eq!(Segment::parse(key), Some(segment()));
        assert_eq!(Segment::parse(&key.replace(".zst", ".gz")), Some(segment()));
        assert_eq!(Segment::parse(&key.replace(".zst", "")), Some(segment()));
        for bad in [
            "",
            "x.jsonl",
            &key.replace("/10/", "/11/"),
            &key.replace("2026-06-05", "2026-06-06"),
            &key.replace("evolution", "elsewhere"),
            &key.replace(".zst", ".bz2"),
            &key.replace("_4711", ""),
            &key.replace("_4711", "_-1"),
            &key.replace("9f86", "9g86"),
            &key.replace("9f86", "9f8"),
            &key.replace("103005.507299", "103005.5072"),
            &key.replace("T103005", "T993005"),
            &key.replace("20260605T103005", "2026060ÄT10300"),
        ] {
            assert_eq!(Segment::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn keys_are_in_the_order_of_times() {
        let mut keys = Vec::new();
        for (put, number) in
            [("0001-01-01", 2), ("2026-06-05T09:59:59.999999", 1), ("2026-06-05T10:00:00", 10), ("9999-12-31", 9)]
        {
            let id = SegmentId { writer: 1, number };
            keys.push(Segment { put: at(put), id, ..segment() }.key());
        }
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(keys.iter().all(|key| Segment::parse(key).is_some_and(|segment| *key > behind(segment.put))));
        assert!(keys.iter().all(|key| key.as_str() < DECISIONS));
    }

    #[test]
    fn spans_are_told_by_names() {
        let segment = segment();
        assert!(segment.may_hold(None, None) && segment.may_hold(Some(segment.last), None));
        assert!(!segment.may_hold(Some(segment.put), None) && !segment.may_hold(None, Some(segment.first)));
    }

    #[test]
    fn decisions_and_days_are_known() {
        assert_eq!(number_of(&decision(7)), Some(7));
        assert_eq!(number_of("evolution/decisions/7.jsonl"), None);
        assert_eq!(number_of("evolution/decisions/+00000000007.jsonl"), None);
        assert_eq!(number_of(&decision(NUMBER_MAX)), Some(NUMBER_MAX));
        assert_eq!((number_of(&decision(NUMBER_MAX + 1)), number_of(&decision(0))), (None, None));
        assert_eq!(number_of(&decision(u64::MAX)), None);
        assert!(is_day("evolution/2026-06-05/") && !is_day("evolution/2026-6-5/") && !is_day(DECISIONS));
    }
}
