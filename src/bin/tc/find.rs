//! From what was asked for to the logs: paths, globs, addresses, and the store that is near.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::args::{Global, StoreFormat};
use crate::error::Failure;
use crate::output::progress;
use crate::{glob, settings, shell};
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

/// One thing that was asked for, or where a decision goes.
#[derive(Clone, Debug)]
pub(crate) enum Root {
    Path(PathBuf),
    Remote(RemoteLog),
}

impl Root {
    pub(crate) fn name(&self) -> String {
        match self {
            Root::Path(path) => path.display().to_string(),
            Root::Remote(log) => log.location().to_string(),
        }
    }

    /// Whether a log, by its name, is one of those that are here.
    fn has(&self, log: &str) -> bool {
        let Root::Path(path) = self else { return log.starts_with(&self.name()) };
        let is_like = || ::glob::Pattern::new(&path.to_string_lossy()).is_ok_and(|pattern| pattern.matches(log));
        Path::new(log).starts_with(path) || is_like()
    }
}

impl Store {
    /// The one log to append to: the file that was named, the one that is written to in the folder that was, or the one that
    /// is not a file.
    pub(crate) fn log_to_append(&self) -> Result<Root> {
        match self.roots.as_slice() {
            [Root::Remote(log)] => Ok(Root::Remote(log.clone())),
            roots if roots.iter().any(|root| matches!(root, Root::Remote(_))) => {
                let message = format!("{} stores were named: to which of them?", roots.len());
                Err(Failure::new("usage", message).hint("name one with --store").into())
            }
            _ => self.file_to_append().map(Root::Path),
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
                let hint = format!("name one: --store {}", shell::word(&first.to_string_lossy()));
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

    /// What was asked for that has this log, by its name.
    pub(crate) fn root_of(&self, log: &str) -> Option<String> {
        self.roots.iter().find(|root| root.has(log)).map(Root::name)
    }

    /// Those that are not files.
    pub(crate) fn remotes(&self) -> impl Iterator<Item = &RemoteLog> {
        self.roots.iter().filter_map(|root| if let Root::Remote(log) = root { Some(log) } else { None })
    }
}

/// The stores with evolution logs among those that were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Stores {
    /// At least one.
    pub(crate) all: Vec<Store>,
    /// The others.
    pub(crate) without: Vec<Without>,
    /// Whether what is in one is told apart from what is in another.
    pub(crate) told_apart: bool,
}

/// A store that gives nothing to a command.
#[derive(Clone, Debug)]
pub(crate) struct Without {
    pub(crate) store: String,
    pub(crate) why: String,
}

impl Stores {
    /// The logs of all.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &LogSource> {
        self.all.iter().flat_map(|store| &store.sources)
    }

    /// Leaves each log to the first store that has it, whatever names lead to it.
    fn count_once(&mut self) {
        let mut once = self.sources().cloned().collect::<Vec<_>>();
        logs::each_once(&mut once);
        let mut once = once.into_iter().collect::<HashSet<_>>();
        for mut store in std::mem::take(&mut self.all) {
            store.sources.retain(|source| once.remove(source));
            if store.sources.is_empty() {
                let why = format!("{}: its logs are those of a store that was named before", store.name);
                self.without.push(Without { store: store.name, why });
            } else {
                logs::in_time_order(&mut store.sources);
                self.all.push(store);
            }
        }
    }

    /// What they are called.
    pub(crate) fn names(&self) -> String {
        self.all.iter().map(|store| &*store.name).collect::<Vec<_>>().join(", ")
    }

    /// The same logs, those of all stores taken for one store's.
    pub(crate) fn as_one(&self) -> Result<Stores> {
        Ok(Stores { all: vec![self.merged()?], without: self.without.clone(), told_apart: false })
    }

    /// All of them as one store.
    pub(crate) fn merged(&self) -> Result<Store> {
        let merged = self.all.iter().cloned().reduce(|mut all, store| {
            all.name = format!("{}, {}", all.name, store.name);
            all.sources.extend(store.sources);
            all.roots.extend(store.roots);
            all
        });
        let mut merged = merged.ok_or_else(|| Failure::new("no_log", "no evolution log"))?;
        logs::in_time_order(&mut merged.sources);
        Ok(merged)
    }
}

/// The stores that `--store` or `TC_STORE` names, else the one that is near.
pub(crate) fn stores(global: &Global) -> Result<Stores> {
    if !matches!(global.format, StoreFormat::Auto | StoreFormat::TemporalCode) {
        let failure = Failure::new("no_log", "no evolution logs are looked for: --format names workflow runs");
        return Err(failure.hint("`tc runs` lists them").into());
    }
    let asked = asked(global)?;
    let mut stores = Stores { all: Vec::new(), without: Vec::new(), told_apart: asked.len() > 1 };
    let mut refusal = None;
    for text in asked {
        let found = root(&text).and_then(|root| {
            let sources = match &root {
                Root::Path(path) => logs_at(path, global.format)?,
                Root::Remote(log) => progress::ask(global.quiet, log.location(), || logs_of(log))?,
            };
            Ok(Store { name: root.name(), sources, roots: vec![root], format: global.format })
        });
        match found {
            Err(error) if lacks_logs(&error) => {
                stores.without.push(Without { store: shown(&text), why: error.to_string() });
                refusal.get_or_insert(error);
            }
            found => stores.all.push(found?),
        }
    }
    stores.count_once();
    match refusal {
        Some(refusal) if stores.all.is_empty() => Err(refusal),
        _ => Ok(stores),
    }
}

/// Whether it says that a store has no evolution log, and nothing worse.
pub(crate) fn lacks_logs(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.code == "no_log")
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
    if is_named(global) { asked(global) } else { Ok(near_all()?.into_iter().map(OsString::from).collect()) }
}

/// Whether a store was named, and not looked for.
pub(crate) fn is_named(global: &Global) -> bool {
    !global.store.is_empty() || std::env::var_os("TC_STORE").is_some_and(|value| !value.is_empty())
}

/// What one `--store` is: a path or an address. What is neither may be an address with a password, whatever is wrong with
/// it: it is refused here, so that nothing behind this can repeat it.
pub(crate) fn address(text: &OsStr) -> Result<Address> {
    let typed = text.to_string_lossy();
    let parsed = Address::parse(&typed);
    let is_doubtful = parsed.is_err() && !typed.is_empty();
    let address = if Address::has_scheme(&typed) { parsed? } else { Address::Path(text.into()) };
    match address.path() {
        Some(path) if (is_doubtful || may_hold_secret(&path.to_string_lossy())) && !is_there(path) => {
            let message = "what was named as a store is no address, and no path that is there; it may hold a password, and is \
                           not repeated";
            let hint = "an address is redis://HOST or s3://BUCKET/PREFIX, with nothing in front and no quotes in it";
            Err(Failure::new("usage", message).hint(hint).into())
        }
        _ => Ok(address),
    }
}

/// Whether a text may be an address with a password in it, however it is misspelt.
fn may_hold_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase().replace("%3a", ":").replace("%2f", "/").replace("%40", "@");
    let has_user = |mark: &str| text.split_once(mark).is_some_and(|(_, behind)| behind.contains('@'));
    text.contains("://") || has_user(":") || has_user("//")
}

/// Whether a path, or one that fits a glob, is there: then it is known for what it is.
fn is_there(path: &Path) -> bool {
    let fits = || glob::is_glob(&path.to_string_lossy()) && glob::files(path).is_ok_and(|files| !files.is_empty());
    path.symlink_metadata().is_ok() || fits()
}

/// What one `--store` is called in messages, without credentials.
pub(crate) fn shown(text: &OsStr) -> String {
    address(text).map_or_else(|_| "…".into(), |address| address.to_string())
}

/// What was typed anywhere, as a store or in place of something else, that may hold a password; and what to show instead.
pub(crate) fn secrets(arguments: &[OsString]) -> Vec<(String, String)> {
    let typed = arguments.iter().skip(1).cloned().chain(std::env::var_os("TC_STORE"));
    let mut secrets = Vec::new();
    for text in typed.map(|text| text.to_string_lossy().into_owned()) {
        let is_option = |_: &&str| text.starts_with('-');
        let value = text.split_once('=').map(|(_, value)| value).filter(is_option);
        // As a whole, as the value of an option, as the name of a file, and as one of several.
        let forms = [Some(&*text), value, text.get(2..).filter(is_option), text.strip_prefix('@')];
        let parts = forms.into_iter().flatten().flat_map(|form| form.split(',').chain([form]));
        for part in parts.filter(|part| may_hold_secret(part)) {
            let shown = shown(OsStr::new(part));
            // What has no credentials is shown as it is.
            if shown != *part && (shown == "…" || part.contains('@')) {
                secrets.push((part.to_owned(), shown));
            }
        }
    }
    secrets.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    secrets
}

fn root(text: &OsStr) -> Result<Root> {
    let address = address(text)?;
    match (address.path(), RemoteLog::at(&address, &settings::of(&address)?)?) {
        (Some(path), _) => Ok(Root::Path(path.to_owned())),
        (None, Some(log)) => Ok(Root::Remote(log)),
        (None, None) => Err(Failure::new("unsupported", format!("{address}: nothing can be read there")).into()),
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
        .hint(format!("if you trust it, name it: --store {}", shell::word(&store.to_string_lossy())))
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
    if !glob::is_glob(&text) {
        let failure = Failure::new("not_found", format!("no such file or folder: {text}"));
        let near = neighbours(pattern);
        let hint =
            pattern.file_name().and_then(|name| nearest(&name.to_string_lossy(), near.iter().map(String::as_str)));
        return Err(failure.maybe_hint(hint).into());
    }
    let logs = glob::files(pattern)?;
    if logs.is_empty() {
        return Err(Failure::new("not_found", format!("no file fits the glob {text}")).into());
    }
    Ok(logs.into_iter().map(LogSource::File).collect())
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

/// The error for a function that no event is of in `store`.
pub(crate) fn unknown_function<'a>(name: &str, store: &str, known: impl IntoIterator<Item = &'a str>) -> anyhow::Error {
    let known = known.into_iter().collect::<Vec<_>>();
    let message = format!("no events of a function `{name}` in {store}");
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
    fn addresses_are_shown_without_passwords() {
        for (text, expected) in [
            ("redis://user:secret@host:1/0", "redis://host:1/0"),
            ("s3://bucket/prefix/", "s3://bucket/prefix"),
            ("logs/a", "logs/a"),
            ("logs/a:b@c", "…"),
        ] {
            assert_eq!(shown(OsStr::new(text)), expected);
        }
    }

    #[test]
    fn near_names_are_suggested() {
        let known = ["rank_results", "greeting", "get_pricing"];
        assert_eq!(nearest("rank_result", known).as_deref(), Some("did you mean `rank_results`?"));
        assert_eq!(nearest("pricing", known).as_deref(), Some("did you mean `get_pricing`?"));
        assert_eq!(nearest("zzz", known), None);
    }
}
