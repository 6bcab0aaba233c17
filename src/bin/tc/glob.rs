//! The files that fit a glob: whatever their names are, and none left out without a word.

use std::collections::{HashSet, VecDeque};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use glob::{MatchOptions, Pattern};

use crate::error::Failure;

/// Hidden files are not meant, as in a shell.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Whether a path is a glob.
pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The files that fit.
///
/// # Errors
/// It is no glob, or a folder or a file that may fit cannot be looked at.
pub(crate) fn files(pattern: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |error| Failure::new("usage", format!("{} is not a glob: {error}", pattern.display()));
    Pattern::new(&pattern.to_string_lossy()).map_err(wrong)?;
    let mut found = vec![PathBuf::new()];
    let last = pattern.components().next_back();
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !is_glob(&text) {
            found.iter_mut().for_each(|path| path.push(component));
        } else if text == "**" {
            found = below(found, Some(component) == last)?;
        } else {
            let pattern = Pattern::new(&text).map_err(wrong)?;
            let mut fitting = Vec::new();
            for folder in found {
                fitting.extend(entries(&folder)?.into_iter().filter(|path| fits(&pattern, path)));
            }
            found = fitting;
        }
    }
    let mut files = Vec::new();
    for path in found {
        if metadata(&path)?.is_some_and(|metadata| metadata.is_file()) {
            files.push(path);
        }
    }
    Ok(files)
}

fn fits(pattern: &Pattern, path: &Path) -> bool {
    path.file_name().is_some_and(|name| pattern.matches_with(&name.to_string_lossy(), OPTIONS))
}

/// These folders and all that are in them, each once, whatever links lead to it; or the files in them.
fn below(folders: Vec<PathBuf>, files: bool) -> Result<Vec<PathBuf>> {
    let (mut waiting, mut known, mut found) = (VecDeque::from(folders), HashSet::new(), Vec::new());
    while let Some(folder) = waiting.pop_front() {
        if !metadata(&folder)?.is_some_and(|it| it.is_dir() && known.insert((it.dev(), it.ino()))) {
            continue;
        }
        for path in entries(&folder)?.into_iter().filter(|path| !is_hidden(path)) {
            match metadata(&path)? {
                Some(metadata) if metadata.is_dir() => waiting.push_back(path),
                Some(_) if files => found.push(path),
                _ => {}
            }
        }
        found.extend((!files).then_some(folder));
    }
    Ok(found)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// What is in a folder, in order; nothing, if it is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let unreadable = |cause| Failure::unreadable(here.display(), cause);
    let entries = match std::fs::read_dir(here) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let names = entries.map(|entry| entry.map(|entry| folder.join(entry.file_name())));
    let mut paths = names.collect::<std::io::Result<Vec<_>>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

/// What a path leads to, if to anything.
fn metadata(path: &Path) -> Result<Option<std::fs::Metadata>> {
    let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    match std::fs::metadata(here) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Failure::unreadable(here.display(), error).into()),
    }
}

/// Links that lead nowhere, or round in circles, lead to no log.
fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}
