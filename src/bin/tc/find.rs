//! From what was asked for to the logs: paths, globs, addresses, and the store that is near.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::args::{Global, StoreFormat};
use crate::credentials;
use crate::error::Failure;
use temporal_code::logs::{self, LOG_NAME, LogSource, RemoteLog};
use temporal_code::stores::{Address, FileStore};

/// Folders that are looked for, here and then upwards.
const NEAR: [&str; 2] = ["evolution_logs", ".tc"];

/// The logs of a store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    /// What it is called in messages.
    pub(crate) name: String,
    /// Its logs, in time order.
    pub(crate) sources: Vec<LogSource>,
    /// What was asked for, to look again.
    roots: Vec<Root>,
    format: StoreFormat,
}

/// One thing that was asked for.
#[derive(Clone, Debug)]
enum Root {
    Path(PathBuf),
    Remote(RemoteLog),
}

/// Where a decision goes.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    File(PathBuf),
    Remote(RemoteLog),
}

impl Store {
    /// The one log to append to: the file that was named, the one that is written to in the folder that was, or the one that
    /// is not a file.
    pub(crate) fn log_to_append(&self) -> Result<Target> {
        match self.roots.as_slice() {
            [Root::Remote(log)] => Ok(Target::Remote(log.clone())),
            roots if roots.iter().any(|root| matches!(root, Root::Remote(_))) => {
                let message = format!("{} stores were named: to which of them?", roots.len());
                Err(Failure::new("usage", message).hint("name one with --store").into())
            }
            _ => self.file_to_append().map(Target::File),
        }
    }

    fn file_to_append(&self) -> Result<PathBuf> {
        let folder = match self.roots.as_slice() {
            [Root::Path(root)] if root.is_dir() => Some(root),
            _ => None,
        };
        let paths = self.sources.iter().filter_map(LogSource::path).map(Path::to_path_buf).collect::<Vec<_>>();
        let is_part = |path: &PathBuf| {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            name.starts_with("evolution")
        };
        match (folder, paths.as_slice()) {
            (Some(folder), parts) if parts.iter().all(is_part) => Ok(folder.join(LOG_NAME)),
            (_, [one]) if logs::is_compressed(one) => {
                let message = format!("{} is compressed: nothing can be appended to it", one.display());
                Err(Failure::new("usage", message).into())
            }
            (_, [one]) if !one.is_file() => {
                Err(Failure::new("usage", format!("{} is not a file that can be appended to", one.display())).into())
            }
            (_, [one]) => Ok(self.to_change(one)),
            (_, []) => Err(Failure::new("usage", "a decision cannot be appended to standard input").into()),
            (_, [first, ..]) => {
                let message = format!("the store has {} logs: to which of them?", paths.len());
                let hint = format!("name one: --store {}", first.display());
                Err(Failure::new("usage", message).hint(hint).into())
            }
        }
    }

    /// Where a file is to be changed: behind a link only if the link itself was named. The library follows none.
    pub(crate) fn to_change(&self, path: &Path) -> PathBuf {
        let is_named = self.roots.iter().any(|root| matches!(root, Root::Path(named) if named == path));
        let target = (is_named && path.is_symlink()).then(|| std::fs::canonicalize(path).ok()).flatten();
        target.unwrap_or_else(|| path.to_path_buf())
    }

    /// Paths of the logs that are there now: new ones may have come.
    pub(crate) fn look_again(&self) -> Vec<PathBuf> {
        let paths = self.roots.iter().filter_map(|root| if let Root::Path(path) = root { Some(path) } else { None });
        let found = paths.filter_map(|path| logs_at(path, self.format).ok()).flatten();
        found.filter_map(|source| source.path().map(Path::to_path_buf)).collect()
    }

    /// Those that are not files.
    pub(crate) fn remotes(&self) -> impl Iterator<Item = &RemoteLog> {
        self.roots.iter().filter_map(|root| if let Root::Remote(log) = root { Some(log) } else { None })
    }
}

/// The store that `--store` or `TC_STORE` names, else the one that is near.
pub(crate) fn store(global: &Global) -> Result<Store> {
    if !matches!(global.format, StoreFormat::Auto | StoreFormat::TemporalCode) {
        let failure = Failure::new("no_log", "no evolution logs are looked for: --format names workflow runs");
        return Err(failure.hint("`tc runs` lists them").into());
    }
    let roots = asked(global)?.iter().map(root).collect::<Result<Vec<_>>>()?;
    let mut sources = Vec::new();
    // The same log under two names would count twice.
    let mut known = HashSet::new();
    for root in &roots {
        let found = match root {
            Root::Path(path) => logs_at(path, global.format)?,
            Root::Remote(log) => logs_of(log)?,
        };
        for source in found {
            let path = source.path().map(|path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()));
            if known.insert(path.map_or_else(|| source.clone(), LogSource::File)) {
                sources.push(source);
            }
        }
    }
    logs::in_time_order(&mut sources);
    let name = |root: &Root| match root {
        Root::Path(path) => path.display().to_string(),
        Root::Remote(log) => log.location().to_string(),
    };
    let name = roots.iter().map(name).collect::<Vec<_>>().join(", ");
    Ok(Store { name, sources, roots, format: global.format })
}

/// What `--store` or `TC_STORE` says, else the store that is near.
pub(crate) fn asked(global: &Global) -> Result<Vec<OsString>> {
    let variable = || std::env::var_os("TC_STORE").filter(|value| !value.is_empty());
    let mut asked = global.store.clone();
    if asked.is_empty() {
        asked.extend(variable());
    }
    if asked.is_empty() {
        asked.push(near()?.into());
    }
    Ok(asked)
}

/// The same for workflow runs: of the folders that are near, all may have some.
pub(crate) fn asked_for_runs(global: &Global) -> Result<Vec<OsString>> {
    let is_named = !global.store.is_empty() || std::env::var_os("TC_STORE").is_some_and(|value| !value.is_empty());
    if is_named { asked(global) } else { Ok(near_all()?.into_iter().map(OsString::from).collect()) }
}

/// What one `--store` is: a path or an address.
pub(crate) fn address(text: &OsString) -> Result<Address> {
    let Some(text) = text.to_str().filter(|text| is_address(text)) else { return Ok(Address::Path(text.into())) };
    if !Address::has_scheme(text) {
        let failure = Failure::new("usage", "the address of a store has `://` behind its first word");
        return Err(failure.hint("as in redis://HOST or s3://BUCKET/PREFIX").into());
    }
    Ok(Address::parse(text)?)
}

fn root(text: &OsString) -> Result<Root> {
    let address = address(text)?;
    match (address.path(), RemoteLog::at(&address, &credentials::settings(&address)?)?) {
        (Some(path), _) => Ok(Root::Path(path.to_owned())),
        (None, Some(log)) => Ok(Root::Remote(log)),
        (None, None) => Err(Failure::new("unsupported", format!("{address}: nothing can be read there")).into()),
    }
}

/// Whether something is, or was to be, an address: then it may hold a password, and is not repeated.
fn is_address(text: &str) -> bool {
    const SCHEMES: [&str; 7] = ["redis", "rediss", "valkey", "valkeys", "s3", "gs", "az"];
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    Address::has_scheme(text) || scheme.is_some_and(|scheme| SCHEMES.contains(&&*scheme) && !Path::new(text).exists())
}

/// What one `--store` is called in messages, without credentials.
pub(crate) fn shown(text: &OsString) -> String {
    match text.to_str().filter(|text| is_address(text)) {
        Some(address) if Address::has_scheme(address) => {
            Address::parse(address).map_or_else(|_| "…".into(), |address| address.to_string())
        }
        Some(_) => "…".into(),
        None => text.to_string_lossy().into_owned(),
    }
}

/// The logs of a store that is not files.
fn logs_of(log: &RemoteLog) -> Result<Vec<LogSource>> {
    let logs = log.sources()?;
    if logs.is_empty() {
        let hint = "trackers make one there; one with another prefix is another store";
        return Err(Failure::new("no_log", format!("no evolution log at {}", log.location())).hint(hint).into());
    }
    Ok(logs)
}

fn near() -> Result<PathBuf> {
    near_all().map(|mut found| found.swap_remove(0))
}

/// The stores in the nearest folder that has any; at least one.
fn near_all() -> Result<Vec<PathBuf>> {
    let here =
        std::env::current_dir().map_err(|cause| Failure::new("io", "cannot tell the current folder").cause(cause))?;
    for (steps, folder) in here.ancestors().enumerate() {
        let up = std::iter::repeat_n("..", steps).collect::<PathBuf>();
        let there = NEAR.iter().filter(|name| folder.join(name).is_dir()).map(|name| up.join(name));
        let found = there.collect::<Vec<_>>();
        if !found.is_empty() {
            found.iter().try_for_each(|store| refuse_of_others(store))?;
            return Ok(found);
        }
    }
    let message = "no store: there is no folder evolution_logs or .tc here or above";
    let hint = "name one with --store PATH or TC_STORE: a log file, a folder, a quoted glob, or - for standard input";
    Err(Failure::new("no_store", message).hint(hint).into())
}

/// Refuses a store that nobody named, and that somebody else put there.
#[cfg(unix)]
fn refuse_of_others(store: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let user = rustix::process::geteuid().as_raw();
    // Whoever uses sudo is still themselves.
    let behind_sudo = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok()).filter(|_| user == 0);
    let ours = |metadata: std::io::Result<std::fs::Metadata>| {
        metadata.is_ok_and(|metadata| [0, user, behind_sudo.unwrap_or(user)].contains(&metadata.uid()))
    };
    if ours(std::fs::symlink_metadata(store)) && ours(std::fs::metadata(store)) {
        return Ok(());
    }
    let message = format!("the store that is near, {}, belongs to somebody else", store.display());
    Err(Failure::new("not_yours", message)
        .hint(format!("if you trust it, name it: --store {}", store.display()))
        .into())
}

#[cfg(not(unix))]
fn refuse_of_others(_: &Path) -> Result<()> {
    Ok(())
}

/// The logs that one `--store` stands for.
fn logs_at(root: &Path, format: StoreFormat) -> Result<Vec<LogSource>> {
    if root == Path::new("-") {
        return Ok(vec![LogSource::Stdin]);
    }
    match std::fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => logs_in(root, format),
        Ok(_) => Ok(vec![LogSource::File(root.to_path_buf())]),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => logs_like(root),
        Err(error) => Err(Failure::unreadable(root.display(), error).into()),
    }
}

/// The logs in a folder.
fn logs_in(folder: &Path, format: StoreFormat) -> Result<Vec<LogSource>> {
    let logs = logs::logs_in(folder).map_err(|cause| Failure::unreadable(folder.display(), cause))?;
    if logs.is_empty() {
        return Err(empty_folder(folder, format));
    }
    Ok(logs.into_iter().map(LogSource::File).collect())
}

fn empty_folder(folder: &Path, format: StoreFormat) -> anyhow::Error {
    let has = |name: &str| folder.join(name).is_dir();
    let pickles = || {
        std::fs::read_dir(folder).is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.path().extension() == Some(OsStr::new("pkl"))))
        })
    };
    let name = folder.display();
    let kind = match format {
        StoreFormat::TemporalCode => None,
        _ if FileStore::is_at(folder) => Some("tc"),
        _ if has("runs") && (has("schedules") || has("links") || has("leases")) => Some("substantial"),
        _ => pickles().then_some("durable-python"),
    };
    match kind {
        Some(kind) => {
            let message = format!("{name} holds workflow runs of {kind}, and no evolution log");
            Failure::new("no_log", message).hint("`tc runs` lists them").into()
        }
        None => {
            let hint = "a log is a file named *.jsonl, perhaps rotated (.jsonl.1) or compressed (.gz, .zst)";
            Failure::new("no_log", format!("no evolution log in the folder {name}")).hint(hint).into()
        }
    }
}

/// The files that fit a glob; an error that helps, if it is none or nothing fits.
fn logs_like(pattern: &Path) -> Result<Vec<LogSource>> {
    let text = pattern.to_string_lossy();
    if !text.contains(['*', '?', '[']) {
        let failure = Failure::new("not_found", format!("no such file or folder: {text}"));
        let near = neighbours(pattern);
        let hint =
            pattern.file_name().and_then(|name| nearest(&name.to_string_lossy(), near.iter().map(String::as_str)));
        return Err(failure.maybe_hint(hint).into());
    }
    let wrong = |error: glob::PatternError| Failure::new("usage", format!("{text} is not a glob: {error}"));
    let found = glob::glob(&text).map_err(wrong)?;
    let mut logs = Vec::new();
    for path in found {
        let path = path
            .map_err(|error| Failure::unreadable(error.path().to_path_buf().display(), std::io::Error::from(error)))?;
        if path.is_file() {
            logs.push(LogSource::File(path));
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
    // Nobody types longer ones, and comparing them takes long.
    const BYTES_MAX: usize = 1_000;
    if name.len() > BYTES_MAX {
        return None;
    }
    let lower = name.to_lowercase();
    let likeness = |other: &'a str| {
        let other_lower = other.to_lowercase();
        let part = !lower.is_empty() && (other_lower.contains(&lower) || lower.contains(&other_lower));
        let score = strsim::jaro_winkler(&lower, &other_lower);
        (if part { score.max(LIKENESS_MIN) } else { score }, other)
    };
    let known = known.into_iter().filter(|other| *other != name && other.len() <= BYTES_MAX);
    let mut near = known.map(likeness).filter(|(score, _)| *score >= LIKENESS_MIN).collect::<Vec<_>>();
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
    Failure::new("unknown_function", message).maybe_hint(hint).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_no_hint() {
        let long = "greet".repeat(1 << 20);
        assert_eq!(nearest("greet", ["greet", "greeting", &long]), Some("did you mean `greeting`?".to_owned()));
        assert_eq!(nearest("greet", ["greet"]), None);
        assert_eq!(nearest(&long, ["greeting"]), None);
    }

    #[test]
    fn passwords_are_not_shown() {
        for text in [
            "redis://user:hunter2@host:1/0",
            "redis://user:hunter2/x@host",
            "redis:user:hunter2@host",
            "redis:/user:hunter2@host",
            "s3://key:hunter2@bucket/prefix",
            "http://user:hunter2@host",
            "REDIS://user:hunter2@host",
        ] {
            assert!(!shown(&text.into()).contains("hunter2"), "{text}");
            let error = root(&text.into()).map_or_else(|error| format!("{error:?}"), |root| format!("{root:?}"));
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
        assert_eq!(shown(&"redis://user:secret@host:1/0".into()), "redis://host:1/0");
        assert_eq!(shown(&"logs/a:b@c".into()), "logs/a:b@c");
    }

    #[test]
    fn near_names_are_suggested() {
        let known = ["rank_results", "greeting", "get_pricing"];
        assert_eq!(nearest("rank_result", known).as_deref(), Some("did you mean `rank_results`?"));
        assert_eq!(nearest("pricing", known).as_deref(), Some("did you mean `get_pricing`?"));
        assert_eq!(nearest("zzz", known), None);
    }
}
