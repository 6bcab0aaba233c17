//! From what was asked for to the logs: paths, globs, and the store that is near.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::args::{Global, StoreFormat};
use super::error::Failure;
use crate::evolution::folder::{self, LOG_NAME};
use crate::evolution::source::Source;

/// Folders that are looked for, here and then upwards.
const NEAR: [&str; 2] = ["evolution_logs", ".tc"];

/// The logs of a store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    /// What it is called in messages.
    pub(crate) name: String,
    /// Its logs, in time order.
    pub(crate) sources: Vec<Source>,
    /// What was asked for, to look again.
    roots: Vec<PathBuf>,
    format: StoreFormat,
}

impl Store {
    /// The one log to append to: the file that was named, or the one that is written to in the folder that was.
    pub(crate) fn log_to_append(&self) -> Result<PathBuf> {
        let folder = match self.roots.as_slice() {
            [root] if root.is_dir() => Some(root),
            _ => None,
        };
        let paths = self.sources.iter().filter_map(Source::path).map(Path::to_path_buf).collect::<Vec<_>>();
        let is_part = |path: &PathBuf| {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            name.starts_with("evolution")
        };
        match (folder, paths.as_slice()) {
            (Some(folder), parts) if parts.iter().all(is_part) => Ok(folder.join(LOG_NAME)),
            (_, [one]) if folder::is_compressed(one) => {
                let message = format!("{} is compressed: nothing can be appended to it", one.display());
                Err(Failure::new("usage", message).into())
            }
            (_, [one]) if !one.is_file() => {
                Err(Failure::new("usage", format!("{} is not a file that can be appended to", one.display())).into())
            }
            (_, [one]) => Ok(one.clone()),
            (_, []) => Err(Failure::new("usage", "a decision cannot be appended to standard input").into()),
            (_, [first, ..]) => {
                let message = format!("the store has {} logs: to which of them?", paths.len());
                let hint = format!("name one: --store {}", first.display());
                Err(Failure::new("usage", message).hint(hint).into())
            }
        }
    }

    /// Paths of the logs that are there now: new ones may have come.
    pub(crate) fn look_again(&self) -> Vec<PathBuf> {
        let found = self.roots.iter().filter_map(|root| logs_at(root, self.format).ok()).flatten();
        found.filter_map(|source| source.path().map(Path::to_path_buf)).collect()
    }
}

/// The store that `--store` or `TC_STORE` names, else the one that is near.
pub(crate) fn store(global: &Global) -> Result<Store> {
    let variable = || std::env::var_os("TC_STORE").filter(|value| !value.is_empty());
    let mut asked = global.store.clone();
    if asked.is_empty() {
        asked.extend(variable());
    }
    let roots = match asked.is_empty() {
        false => asked.iter().map(PathBuf::from).collect(),
        true => vec![near()?],
    };
    let mut sources = Vec::new();
    // The same log under two names would count twice.
    let mut known = std::collections::HashSet::new();
    for root in &roots {
        for source in logs_at(root, global.format)? {
            let path = source.path().map(|path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()));
            if known.insert(path) {
                sources.push(source);
            }
        }
    }
    folder::in_time_order(&mut sources);
    let name = roots.iter().map(|root| redacted(&root.to_string_lossy())).collect::<Vec<_>>().join(", ");
    Ok(Store { name, sources, roots, format: global.format })
}

fn near() -> Result<PathBuf> {
    let here =
        std::env::current_dir().map_err(|cause| Failure::new("io", "cannot tell the current folder").cause(cause))?;
    for (steps, folder) in here.ancestors().enumerate() {
        for name in NEAR {
            if folder.join(name).is_dir() {
                let up = std::iter::repeat_n("..", steps).collect::<PathBuf>();
                return Ok(up.join(name));
            }
        }
    }
    let message = "no store: there is no folder evolution_logs or .tc here or above";
    let hint = "name one with --store PATH or TC_STORE: a log file, a folder, a quoted glob, or - for standard input";
    Err(Failure::new("no_store", message).hint(hint).into())
}

/// The logs that one `--store` stands for.
fn logs_at(root: &Path, format: StoreFormat) -> Result<Vec<Source>> {
    if root == Path::new("-") {
        return Ok(vec![Source::Stdin]);
    }
    if let Some((scheme, rest)) = root.to_str().and_then(|text| text.split_once("://")) {
        return match scheme {
            "file" => logs_at(Path::new(rest), format),
            _ => Err(unsupported(scheme, root)),
        };
    }
    match std::fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => logs_in(root, format),
        Ok(_) => Ok(vec![Source::File(root.to_path_buf())]),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => logs_like(root),
        Err(error) => Err(Failure::new("unreadable", format!("cannot read {}", root.display())).cause(error).into()),
    }
}

fn unsupported(scheme: &str, root: &Path) -> anyhow::Error {
    let url = redacted(&root.to_string_lossy());
    match scheme {
        "redis" | "rediss" | "s3" | "gs" | "az" => {
            let message = format!("{url}: this version of tc reads files only");
            Failure::new("unsupported", message)
                .hint("copy the log here, or pipe it in: … | tc status --store -")
                .into()
        }
        _ => Failure::new("usage", format!("{url}: `{scheme}://` is no kind of store")).into(),
    }
}

/// A URL without its user and password.
fn redacted(url: &str) -> String {
    match url.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('@'))) {
        Some((scheme, Some((_, rest)))) => format!("{scheme}://…@{rest}"),
        _ => url.to_string(),
    }
}

/// The logs in a folder.
fn logs_in(folder: &Path, format: StoreFormat) -> Result<Vec<Source>> {
    let unreadable =
        |cause: std::io::Error| Failure::new("unreadable", format!("cannot read {}", folder.display())).cause(cause);
    let logs = folder::logs_in(folder).map_err(unreadable)?;
    if logs.is_empty() {
        return Err(empty_folder(folder, format));
    }
    Ok(logs.into_iter().map(Source::File).collect())
}

fn empty_folder(folder: &Path, format: StoreFormat) -> anyhow::Error {
    let has = |name: &str| folder.join(name).is_dir();
    let pickles = || {
        std::fs::read_dir(folder).is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.path().extension() == Some(OsStr::new("pkl"))))
        })
    };
    let name = folder.display();
    let foreign = match format {
        StoreFormat::TemporalCode => None,
        StoreFormat::Auto if has("runs") && (has("schedules") || has("links") || has("leases")) => Some("substantial"),
        StoreFormat::Auto => pickles().then_some("durable-python"),
    };
    match foreign {
        Some(package) => {
            let message = format!("{name} holds workflow runs of {package}, and no evolution log");
            Failure::new("no_log", message).hint("this version of tc reads evolution logs only").into()
        }
        None => {
            let hint = "a log is a file named *.jsonl, perhaps rotated (.jsonl.1) or compressed (.gz, .zst)";
            Failure::new("no_log", format!("no evolution log in the folder {name}")).hint(hint).into()
        }
    }
}

/// The files that fit a glob; an error that helps, if it is none or nothing fits.
fn logs_like(pattern: &Path) -> Result<Vec<Source>> {
    let text = pattern.to_string_lossy();
    if !text.contains(['*', '?', '[']) {
        let failure = Failure::new("not_found", format!("no such file or folder: {text}"));
        let near = neighbours(pattern);
        let hint =
            pattern.file_name().and_then(|name| nearest(&name.to_string_lossy(), near.iter().map(String::as_str)));
        return Err(match hint {
            Some(hint) => failure.hint(hint).into(),
            None => failure.into(),
        });
    }
    let wrong = |error: glob::PatternError| Failure::new("usage", format!("{text} is not a glob: {error}"));
    let found = glob::glob(&text).map_err(wrong)?;
    let mut logs = Vec::new();
    for path in found {
        let path = path.map_err(|error| {
            let message = format!("cannot read {}", error.path().display());
            Failure::new("unreadable", message).cause(std::io::Error::from(error))
        })?;
        if path.is_file() {
            logs.push(Source::File(path));
        }
    }
    if logs.is_empty() {
        return Err(Failure::new("not_found", format!("no file fits the glob {text}")).into());
    }
    Ok(logs)
}

fn neighbours(path: &Path) -> Vec<String> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).take(10_000).collect()
}

/// `did you mean …` with the known names nearest to `name`, if any is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const NAMES_MAX: usize = 3;
    const LIKENESS_MIN: f64 = 0.75;
    let lower = name.to_lowercase();
    let likeness = |other: &'a str| {
        let other_lower = other.to_lowercase();
        let part = !lower.is_empty() && (other_lower.contains(&lower) || lower.contains(&other_lower));
        let score = strsim::jaro_winkler(&lower, &other_lower);
        (if part { score.max(LIKENESS_MIN) } else { score }, other)
    };
    let mut near = known.into_iter().map(likeness).filter(|(score, _)| *score >= LIKENESS_MIN).collect::<Vec<_>>();
    near.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then(a.1.cmp(b.1)));
    near.truncate(NAMES_MAX);
    let names = near.iter().map(|(_, name)| format!("`{name}`")).collect::<Vec<_>>();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

/// The error for a function that no event is of.
pub(crate) fn unknown_function<'a>(
    name: &str,
    store: &Store,
    known: impl IntoIterator<Item = &'a str>,
) -> anyhow::Error {
    let known = known.into_iter().collect::<Vec<_>>();
    let message = format!("no events of a function `{name}` in {}", store.name);
    let hint = nearest(name, known.iter().copied());
    let hint = hint.or_else(|| (!known.is_empty()).then(|| "`tc status` lists the functions there are".into()));
    let failure = Failure::new("unknown_function", message);
    match hint {
        Some(hint) => failure.hint(hint).into(),
        None => failure.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(redacted("redis://user:secret@host:1/0"), "redis://…@host:1/0");
        assert_eq!(redacted("s3://bucket/prefix"), "s3://bucket/prefix");
    }

    #[test]
    fn near_names_are_suggested() {
        let known = ["rank_results", "greeting", "get_pricing"];
        assert_eq!(nearest("rank_result", known).as_deref(), Some("did you mean `rank_results`?"));
        assert_eq!(nearest("pricing", known).as_deref(), Some("did you mean `get_pricing`?"));
        assert_eq!(nearest("zzz", known), None);
    }
}
