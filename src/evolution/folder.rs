//! The logs of a folder: the one that is written to, and those that were put aside before it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::file::FileNumber;
use super::packed::is_compressed_file;
use super::source::{Progress, Source};
use crate::time::Timestamp;

/// The log that trackers write to in their folder.
pub const LOG_NAME: &str = "evolution.jsonl";

/// The logs in a folder: `evolution*.jsonl` and its rotated and compressed parts, or else every log there is.
///
/// # Errors
/// The folder cannot be read.
pub fn logs_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs = all_logs(folder)?;
    let ours = |path: &PathBuf| name_of(path).to_ascii_lowercase().starts_with("evolution");
    if logs.iter().any(ours) {
        logs.retain(ours);
    }
    Ok(logs)
}

/// The log at a path: `evolution.jsonl` in that folder or, where it ends in `.jsonl`, that file.
pub(crate) fn log_at(path: &Path) -> PathBuf {
    let is_log = path.extension().is_some_and(|extension| extension == "jsonl") && !path.is_dir();
    if is_log { path.to_path_buf() } else { path.join(LOG_NAME) }
}

/// What `log` was before it was put aside and a new one begun, in time order.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn put_aside(log: &Path) -> io::Result<Vec<Source>> {
    let folder = log.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut sources = rotated(folder, log)?.into_iter().map(Source::File).collect::<Vec<_>>();
    in_time_order(&mut sources);
    Ok(sources)
}

/// The logs in a folder that `log` was.
fn rotated(folder: &Path, log: &Path) -> io::Result<Vec<PathBuf>> {
    let stem = log.file_name().and_then(OsStr::to_str).and_then(|name| name.split_once(".jsonl"));
    let Some((stem, _)) = stem else { return Ok(Vec::new()) };
    let is_part = |path: &PathBuf| {
        let name = name_of(path);
        let Some(rest) = name.strip_prefix(stem).map(without_endings) else { return false };
        // `evolution-eu.jsonl` is a log of its own.
        let is_part = rest
            .to_ascii_lowercase()
            .find(".jsonl")
            .is_some_and(|at| rest[..at].chars().all(is_number) && rest[at + ".jsonl".len()..].chars().all(is_number));
        is_part && path.file_name() != log.file_name()
    };
    Ok(all_logs(folder)?.into_iter().filter(is_part).collect())
}

fn all_logs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // What cannot be looked at is named when it is to be read.
        let is_there = || match std::fs::metadata(&path) {
            Ok(metadata) => metadata.is_file(),
            // Links that lead nowhere, or round in circles, lead to no log.
            Err(error) => !matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)),
        };
        if is_log(&path) && is_there() {
            logs.push(Source::File(path));
        }
    }
    // The log that is written to has the shortest name, and stays where others are the same.
    logs.sort_by_cached_key(|log| (log.name().len(), log.name()));
    each_once(&mut logs);
    Ok(logs.iter().filter_map(Source::path).map(Path::to_path_buf).collect())
}

/// Leaves of logs that are the same one each: the first of those that lead to the same file, and what was compressed or put
/// aside only where the log itself is not there, or has another content.
pub fn each_once(logs: &mut Vec<Source>) {
    // The name itself may be a link to what is called otherwise.
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::canonicalize(folder)
            .unwrap_or_else(|_| folder.to_path_buf())
            .join(path.file_name().unwrap_or_default())
    };
    let all = logs.iter().filter_map(Source::path).map(place).collect::<HashSet<_>>();
    logs.retain(|log| !log.path().is_some_and(|path| is_copy(&place(path), &all)));
    let (mut known, mut files) = (HashSet::new(), HashSet::new());
    logs.retain(|log| {
        let file = log.path().and_then(|path| std::fs::metadata(path).ok());
        file.is_none_or(|file| files.insert(FileNumber::of(&file))) && known.insert(log.clone())
    });
}

/// How much of two logs must be alike for them to be the same, in bytes.
const ALIKE_BYTES: u64 = 1 << 16;

/// Whether a log was compressed or put aside, and begins as one of these does that is called so without that ending. What is
/// just being made of a log has no end yet, and a log may have grown since.
fn is_copy(log: &Path, all: &HashSet<PathBuf>) -> bool {
    let beginning = |log: &Path| {
        let (mut bytes, progress) = (Vec::new(), Progress::default());
        // Opening a pipe would wait for who writes to it.
        let reader = log.is_file().then(|| Source::File(log.to_path_buf()).reader(&progress).ok()).flatten();
        // What is damaged gives what is in front of that.
        let _ = reader.map(|reader| reader.take(ALIKE_BYTES).read_to_end(&mut bytes));
        bytes
    };
    let name = name_of(log);
    let originals = std::iter::successors(before_ending(&name), |name| before_ending(name));
    let original = originals.map(|name| log.with_file_name(name)).find(|original| all.contains(original));
    original.is_some_and(|original| {
        let (copy, original) = (beginning(log), beginning(&original));
        let alike = copy.len().min(original.len());
        let is_enough = copy[..alike].contains(&b'\n') || copy.len() == original.len();
        is_enough && alike > 0 && copy[..alike] == original[..alike]
    })
}

/// Whether a file is compressed: by its first bytes or, where there are none, by its name.
pub fn is_compressed(path: &Path) -> bool {
    // Opening a pipe would wait for who writes to it.
    let has_bytes = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0);
    if !has_bytes {
        return is_packed_by_name(path);
    }
    File::open(path).map_or_else(|_| is_packed_by_name(path), |file| is_compressed_file(&file).unwrap_or(false))
}

/// The endings that programs give a file when they compress it.
const PACKED: [&str; 6] = [".gz", ".zst", ".xz", ".bz2", ".lz4", ".z"];

/// Those of a file that was put aside.
const ASIDE: [&str; 2] = [".old", ".bak"];

fn is_packed_by_name(path: &Path) -> bool {
    PACKED.iter().any(|ending| without_ending(&name_of(path), ending).is_some())
}

fn name_of(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// A name without its ending, in capitals or not, if it has that.
fn without_ending<'n>(name: &'n str, ending: &str) -> Option<&'n str> {
    let (stem, behind) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    behind.eq_ignore_ascii_case(ending).then_some(stem)
}

/// A name without the last ending that tells that the file was compressed or put aside, if it has one.
pub(crate) fn before_ending(name: &str) -> Option<&str> {
    PACKED.iter().chain(&ASIDE).find_map(|ending| without_ending(name, ending))
}

/// A name without all such endings.
fn without_endings(name: &str) -> &str {
    before_ending(name).map_or(name, without_endings)
}

/// Nothing but numbers and times.
fn is_number(c: char) -> bool {
    c.is_ascii_digit() || "-_.TZ:+".contains(c)
}

/// Whether a file is a log by its name: `x.jsonl`, `x.jsonl.1`, `x.jsonl-20260601`, `x.jsonl.old`, `x.jsonl.2.gz`,
/// `x-2026.jsonl.zst`. Whether it can be read, its content tells.
pub(crate) fn is_log(path: &Path) -> bool {
    let name = name_of(path);
    let stem = without_endings(&name).trim_end_matches(is_number);
    !name.starts_with('.') && [".jsonl", ".ndjson"].iter().any(|ending| without_ending(stem, ending).is_some())
}

/// Sorts logs by their first event; those of the same time, or of none, by name, a higher rotation number being older.
pub fn in_time_order(sources: &mut [Source]) {
    if sources.len() < 2 {
        return;
    }
    // A copy in a bucket is called as a file is.
    let name = |source: &Source| source.path().map_or_else(|| PathBuf::from(source.name()), Path::to_path_buf);
    sources.sort_by_cached_key(|source| {
        let first = source.first_time().unwrap_or(Timestamp::MIN);
        (first, std::cmp::Reverse(rotation(&name(source))), name(source))
    });
}

/// 2 for `evolution.jsonl.2.gz`, 0 for a log that was not rotated.
fn rotation(path: &Path) -> u64 {
    without_endings(&name_of(path)).rsplit_once('.').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_known_by_their_names() {
        for name in [
            "evolution.jsonl",
            "evolution.jsonl.1",
            "evolution.jsonl.12.gz",
            "evolution-2026-06-01.jsonl.zst",
            "evolution.jsonl-20260601",
            "evolution.jsonl.3.xz",
            "evolution.jsonl.4.bz2",
            "evolution.jsonl.lz4",
            "evolution.jsonl.1.Z",
            "evolution.jsonl.old",
            "evolution.jsonl.1.bak.gz",
            "Evolution.JSONL.1.GZ",
            "x.ndjson",
        ] {
            assert!(is_log(Path::new(name)), "{name}");
        }
        for name in ["evolution.json", ".evolution.jsonl", "jsonl", "notes.txt", "x.jsonl.swp", "x.jsonl.lock"] {
            assert!(!is_log(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_log_that_is_being_compressed_counts_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let event = |day: u32| {
            let line = format!(r#"{{"event": "release", "function": "f", "timestamp": "2026-06-{day:02}T00:00:00"}}"#);
            line.into_bytes()
        };
        let packed = |day| zstd::stream::encode_all(&*event(day), 0).expect("compressed");
        for (name, content) in [
            ("evolution.jsonl", event(4)),
            ("evolution.jsonl.zst", packed(3)),
            ("evolution.jsonl.1", event(2)),
            ("evolution.jsonl.1.zst", packed(2)),
            ("evolution.jsonl.2.zst", packed(1)),
        ] {
            std::fs::write(folder.path().join(name), content).expect("written");
        }
        let logs = logs_in(folder.path()).expect("logs");
        let mut names = logs.iter().filter_map(|log| log.file_name()?.to_str()).collect::<Vec<_>>();
        names.sort_unstable();
        assert_eq!(names, ["evolution.jsonl", "evolution.jsonl.1", "evolution.jsonl.2.zst", "evolution.jsonl.zst"]);
    }
}
