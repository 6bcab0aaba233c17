//! The logs of a folder: the one that is written to, and those that were put aside before it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::packed::is_compressed_file;
use super::source::Source;
use crate::time::Timestamp;

/// The log that trackers write to in their folder.
pub const LOG_NAME: &str = "evolution.jsonl";

/// The logs in a folder: `evolution*.jsonl` and its rotated and compressed parts, or else every log there is.
///
/// # Errors
/// The folder cannot be read.
pub fn logs_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs = all_logs(folder)?;
    let ours =
        |path: &PathBuf| path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("evolution"));
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
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let Some(rest) = name.strip_prefix(stem) else { return false };
        let rest = rest.strip_suffix(".gz").or(rest.strip_suffix(".zst")).unwrap_or(rest);
        // Nothing but numbers and times: `evolution-eu.jsonl` is a log of its own.
        let is_number = |part: &str| part.chars().all(|c| c.is_ascii_digit() || "-_.TZ:+".contains(c));
        let parts = rest.split_once(".jsonl");
        parts.is_some_and(|(before, behind)| is_number(before) && is_number(behind))
            && path.file_name() != log.file_name()
    };
    Ok(all_logs(folder)?.into_iter().filter(is_part).collect())
}

fn all_logs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if is_log(&path) && path.is_file() {
            logs.push(path);
        }
    }
    let all = logs.iter().cloned().collect::<HashSet<_>>();
    logs.retain(|log| !is_being_made(log, &all));
    Ok(logs)
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

fn is_packed_by_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz" || extension == "zst")
}

/// Whether a file is a log by its name: `x.jsonl`, `x.jsonl.1`, `x.jsonl-20260601`, `x.jsonl.2.gz`, `x-2026.jsonl.zst`.
pub(crate) fn is_log(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return false };
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(name);
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || "-_.TZ:+".contains(c));
    !name.starts_with('.') && (stem.ends_with(".jsonl") || stem.ends_with(".ndjson"))
}

/// Whether a compressed log is just being made of another: that is still there, and begins with the same event. What is
/// made of it has no end yet.
fn is_being_made(log: &Path, all: &HashSet<PathBuf>) -> bool {
    let whole = log.with_extension("");
    let first = |log: &Path| Source::File(log.to_path_buf()).first_time();
    is_packed_by_name(log) && all.contains(&whole) && first(log).is_some_and(|at| first(&whole) == Some(at))
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
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(name);
    name.rsplit_once('.').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
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
            "x.ndjson",
        ] {
            assert!(is_log(Path::new(name)), "{name}");
        }
        for name in ["evolution.json", ".evolution.jsonl", "jsonl", "notes.txt", "x.jsonl.bak", "x.jsonl.lock"] {
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
