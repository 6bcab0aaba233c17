//! Which objects a store consists of, by their keys.
//!
//! ```text
//! store.json                                                    that writes are exclusive here was tried out
//! store.probe/…                                                 while it is being tried out
//! due/default/2026-11-22T04:34:16.123456Z_runs.greet-1          an entry of the due index, empty
//! runs/greet-1/1/00000000000000000001.jsonl                     an append: its lines, from number 1
//! runs/greet-1/1/00000000000000000004.jsonl                     the next one
//! runs/greet-1/1/-00000000000000000001-00000000000000000900.jsonl   a fold: a copy of lines 1 to 900, for reading
//! ```
//!
//! An append is one object, so it lands whole or not at all, and is created only where there is none, so one of many wins.
//! Its key says where it begins; where it ends, its lines say. Objects of appends are never removed: what is
//! [forgotten](crate::store::Store::forget) is made empty. Folds can be removed at any time.

use crate::store::{Kind, Name, Queue};

/// Where it is noted that the bucket was tried out.
pub(super) const MARKER: &str = "store.json";

/// What the keys of objects that only try out the bucket begin with. It is no kind, for the dot.
pub(super) const PROBES: &str = "store.probe/";

/// What the keys of an evolution log begin with.
pub(crate) const EVOLUTION: &str = "evolution/";

/// What the keys of the due index begin with.
pub(super) const DUE: &str = "due/";

/// The width of numbers in keys: that of the largest.
const DIGITS: usize = 20;

const ENDING: &str = ".jsonl";

/// A copy of several appends in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fold {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) bytes: u64,
}

/// An append, as a list shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) first: u64,
    pub(super) bytes: u64,
}

/// What the keys of a log begin with.
pub(super) fn log_start(log: &Name) -> String {
    format!("{}/{}/{}/", log.kind(), log.key(), log.generation())
}

/// The key of the append whose first line has this number.
pub(super) fn commit_key(log: &Name, first: u64) -> String {
    format!("{}{first:0DIGITS$}{ENDING}", log_start(log))
}

pub(super) fn fold_key(log: &Name, from: u64, to: u64) -> String {
    format!("{}-{from:0DIGITS$}-{to:0DIGITS$}{ENDING}", log_start(log))
}

/// What an object of a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Commit(Commit),
    Fold(Fold),
}

/// The object of a log whose key, behind [`log_start`], is `rest`; none for one that no store made.
pub(super) fn member(rest: &str, bytes: u64) -> Option<Member> {
    let stem = rest.strip_suffix(ENDING)?;
    if let Some(range) = stem.strip_prefix('-') {
        let (from, to) = range.split_once('-')?;
        let (from, to) = (number(from)?, number(to)?);
        return (from <= to).then_some(Member::Fold(Fold { from, to, bytes }));
    }
    Some(Member::Commit(Commit { first: number(stem)?, bytes }))
}

fn number(digits: &str) -> Option<u64> {
    if digits.len() != DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number| *number > 0)
}

/// What the keys of a kind's logs begin with.
pub(super) fn kind_start(kind: Kind) -> String {
    format!("{kind}/")
}

/// A key behind all objects of the log's generations, and before all logs that follow.
pub(super) fn behind_log(name: &Name) -> String {
    format!("{}/{}/~", name.kind(), name.key())
}

/// What the keys of a queue's entries begin with.
pub(super) fn queue_start(queue: &Queue) -> String {
    format!("{DUE}{}/", queue.key())
}

/// The log that a key belongs to, and what follows in it: `runs/greet-1/1/`, `00…1.jsonl`.
pub(super) fn log_of(key: &str) -> Option<(Name, &str)> {
    let mut parts = key.splitn(4, '/');
    let kind = Kind::parse(parts.next()?)?;
    let name = Name::from_key(kind, parts.next()?)?;
    let digits = parts.next()?;
    let generation: u32 = digits.parse().ok()?;
    (generation > 0 && generation.to_string() == digits).then_some(())?;
    Some((name.in_generation(generation), parts.next()?))
}

/// Whether a store makes objects with such a key: those of an evolution log are none.
pub(crate) fn is_of_store(key: &str) -> bool {
    let of_log = || log_of(key).is_some_and(|(_, rest)| member(rest, 0).is_some());
    key == MARKER || key.starts_with(PROBES) || key.starts_with(DUE) || of_log()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_are_in_the_order_of_numbers() {
        let log = Name::new(Kind::new("runs"), "../a").unwrap().in_generation(2);
        let mut before = fold_key(&log, u64::MAX, u64::MAX);
        for first in [1, 9, 10, 999, u64::MAX] {
            let key = commit_key(&log, first);
            assert!(before < key, "{key}");
            let (found, rest) = log_of(&key).unwrap();
            assert_eq!((&found, member(rest, 7)), (&log, Some(Member::Commit(Commit { first, bytes: 7 }))));
            before = key;
        }
        let fold = fold_key(&log, 3, 77);
        assert_eq!(member(log_of(&fold).unwrap().1, 8), Some(Member::Fold(Fold { from: 3, to: 77, bytes: 8 })));
        assert!(before < behind_log(&log) && fold < commit_key(&log, 1));
        assert!(behind_log(&log) < commit_key(&Name::new(log.kind(), "../a0").unwrap(), 1));
        assert!(behind_log(&log) > commit_key(&log.in_generation(u32::MAX), u64::MAX));
    }

    #[test]
    fn what_no_store_made_is_nothing() {
        for rest in [
            "",
            "x",
            "1.jsonl",
            "00000000000000000000.jsonl",
            "0000000000000000001.jsonl",
            "99999999999999999999.jsonl",
            "+0000000000000000001.jsonl",
            "00000000000000000001.json",
            "00000000000000000001.jsonl/x",
            "-00000000000000000001.jsonl",
            "-00000000000000000002-00000000000000000001.jsonl",
            "-00000000000000000001-00000000000000000002-00000000000000000003.jsonl",
        ] {
            assert_eq!(member(rest, 0), None, "{rest}");
        }
        for key in
            ["", "runs", "runs/a", "runs/a/1", "runs/a/01/x", "runs/a/0/x", "runs/../1/x", "due/a/1/x", "R/a/1/x"]
        {
            assert_eq!(log_of(key), None, "{key}");
        }
        assert_eq!(log_of("runs/a/1/").unwrap().1, "");
    }
}
