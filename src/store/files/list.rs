//! Listing a folder in order, in memory that does not grow with it.

use std::cmp::Ordering;
use std::io;
use std::path::Path;

use super::{Files, failed};
use crate::store::beneath::Folder;
use crate::store::name::{encode, is_key};
use crate::store::{Error, Kind, Name};

/// The first few of many things that come in any order.
pub(super) struct Smallest<T> {
    limit: usize,
    kept: Vec<T>,
    /// Whether the last of what was kept is behind `limit` others: what comes behind it is not kept.
    full: bool,
    compare: fn(&T, &T) -> Ordering,
}

impl<T> Smallest<T> {
    pub(super) fn new(limit: usize, compare: fn(&T, &T) -> Ordering) -> Self {
        Smallest { limit, kept: Vec::new(), full: false, compare }
    }

    /// The last that may still be among the smallest; none if any may.
    pub(super) fn bound(&self) -> Option<&T> {
        self.kept.get(self.limit.checked_sub(1)?).filter(|_| self.full)
    }

    /// Keeps it, until there are enough that come before it.
    pub(super) fn add(&mut self, thing: T) {
        self.kept.push(thing);
        if self.kept.len() >= self.limit.saturating_mul(2).max(64) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.kept.len() > self.limit {
            if self.limit > 0 {
                self.kept.select_nth_unstable_by(self.limit - 1, self.compare);
                self.full = true;
            }
            self.kept.truncate(self.limit);
        }
    }

    pub(super) fn into_sorted(mut self) -> Vec<T> {
        self.cut();
        self.kept.sort_unstable_by(self.compare);
        self.kept
    }
}

/// The order of names, in which a key comes behind those that go on from it with what sorts before `/`.
pub(super) fn compare_keys(left: &str, right: &str) -> Ordering {
    let with_end = |key: &str| key.bytes().chain([b'/']).collect::<Vec<u8>>();
    let common = left.len().min(right.len());
    // Nearly always they differ before one of them ends.
    match left.as_bytes()[..common].cmp(&right.as_bytes()[..common]) {
        Ordering::Equal => with_end(left).cmp(&with_end(right)),
        order => order,
    }
}

impl Files {
    /// A folder of the store; none if there is none.
    pub(super) fn folder(&self, folder: &Path) -> Result<Option<Folder>, Error> {
        let opened = match folder == self.root {
            true => Folder::at(folder),
            false => Folder::above(&self.root, folder).and_then(|(above, name)| above.step(name)),
        };
        match opened {
            Ok(opened) => Ok(Some(opened)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("listing", folder, error)),
        }
    }

    /// Hands the names in a folder of the store to `each`; none if there is no such folder.
    pub(super) fn each_entry(&self, folder: &Path, mut each: impl FnMut(&str)) -> Result<(), Error> {
        let Some(opened) = self.folder(folder)? else { return Ok(()) };
        // Ours are plain ASCII.
        let visit = |name: &str, _: bool| {
            each(name);
            Ok(true)
        };
        opened.names(visit).map(drop)
    }

    pub(super) fn list(&self, kind: Kind, start: &str, after: Option<&Name>, limit: usize) -> Result<Vec<Name>, Error> {
        let start = encode(start);
        let mut smallest = Smallest::new(limit, |a: &String, b: &String| compare_keys(a, b));
        self.each_entry(&self.root.join(kind.as_str()), |file| {
            let Some(key) = file.strip_suffix(".jsonl").filter(|key| key.starts_with(&start)) else { return };
            let behind = after.is_none_or(|after| compare_keys(key, after.key()) == Ordering::Greater);
            let wanted = behind && smallest.bound().is_none_or(|bound| compare_keys(key, bound) == Ordering::Less);
            if wanted && is_key(key) {
                smallest.add(key.to_owned());
            }
        })?;
        Ok(smallest.into_sorted().iter().filter_map(|key| Name::from_key(kind, key)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_names() {
        let kind = Kind::new("runs");
        let keys = ["a", "a-", "a-b", "a.b", "a0", "a=20", "a_", "aa", "b", "A", "-"];
        for left in keys {
            for right in keys {
                let names = Name::from_key(kind, left).unwrap().cmp(&Name::from_key(kind, right).unwrap());
                assert_eq!(compare_keys(left, right), names, "{left} {right}");
            }
        }
    }

    #[test]
    fn the_smallest_of_many_are_kept_in_little_memory() {
        for limit in [0, 1, 7, 100, 5_000] {
            let mut smallest = Smallest::new(limit, u64::cmp);
            for number in 0..3_000u64 {
                smallest.add(number * 7_919 % 3_001);
                assert!(smallest.kept.len() <= (2 * limit).max(64));
            }
            let expected: Vec<u64> = {
                let mut all: Vec<u64> = (0..3_000u64).map(|number| number * 7_919 % 3_001).collect();
                all.sort_unstable();
                all.truncate(limit);
                all
            };
            assert_eq!(smallest.into_sorted(), expected);
        }
    }
}
