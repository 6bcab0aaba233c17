//! Deleting events from logs that others may be writing to, whatever they are kept in: what was counted goes, and nothing else.

mod beside;
mod file;

use std::io;
use std::path::{Path, PathBuf};

use super::fate::{Archive, Unfinished};
pub use super::fate::{CleanCounts, Fate};
use super::piece::io_error;
use super::remote::site::Site;
use super::remote::{RemoteLog, clean};
use crate::store::Error;
use crate::store::beneath::Folder;
use crate::time::Timestamp;
use file::FilePlan;

/// What cleaning would do to one log, or to one half of a log that is not a file.
#[derive(Clone, Debug)]
pub struct CleanPlan {
    /// What it is called.
    pub name: String,
    /// How much would go.
    pub counts: CleanCounts,
    of: Of,
}

#[derive(Clone, Debug)]
enum Of {
    File(FilePlan),
    Parts(RemoteLog, clean::Plan),
}

impl CleanPlan {
    /// Looks at a file: all its events are to go or, with `older_than`, those from before that time. Events without a
    /// readable time, and lines that cannot be read, are as old as nobody knows, and stay. A link is not followed.
    ///
    /// # Errors
    /// The log cannot be read, or is not a file.
    pub fn of_file(path: &Path, older_than: Option<Timestamp>) -> io::Result<CleanPlan> {
        let plan = FilePlan::new(path, older_than)?;
        Ok(CleanPlan { name: plan.path().display().to_string(), counts: plan.counts, of: Of::File(plan) })
    }

    /// Looks in the same way at what trackers wrote to a log that is not a file.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub fn of_remote(log: &RemoteLog, older_than: Option<Timestamp>) -> Result<Vec<CleanPlan>, Error> {
        let plans = log.site().plans(older_than)?.into_iter();
        let plan = |plan: clean::Plan| CleanPlan {
            name: plan.name.clone(),
            counts: plan.counts,
            of: Of::Parts(log.clone(), plan),
        };
        Ok(plans.map(plan).collect())
    }

    /// The folder beside the log for what is deleted, if it is a file.
    pub fn archive_beside(&self) -> Option<PathBuf> {
        match &self.of {
            Of::File(plan) => Some(plan.folder.join(beside::ARCHIVE)),
            Of::Parts(..) => None,
        }
    }

    /// Does what the plan says. Deleted events go to the folder `archive` first, if there is one, into a file named after
    /// `now`, which is returned. What an earlier cleaning of a file left behind when it was stopped is cleared away.
    ///
    /// # Errors
    /// The first step that fails; until then nothing was deleted. [`io::ErrorKind::ResourceBusy`] if another cleaning is at
    /// work on the file, or was since the plan was made.
    pub fn carry_out(&self, archive: Option<&Path>, now: Timestamp) -> io::Result<Option<PathBuf>> {
        match &self.of {
            Of::File(plan) => plan.carry_out(archive, now),
            Of::Parts(log, plan) => carry_out_parts(log.site(), plan, archive, now),
        }
    }
}

/// Carries a plan out. What goes is put into the folder `archive` first, if there is one. Returns the archived file.
fn carry_out_parts(
    site: &dyn Site,
    plan: &clean::Plan,
    archive: Option<&Path>,
    now: Timestamp,
) -> io::Result<Option<PathBuf>> {
    if !plan.counts.fate.deletes() {
        return Ok(None);
    }
    let folder = archive.map(beside::archive_folder).transpose()?;
    let archived = folder.as_ref().map(|folder| save(site, plan, folder, now)).transpose()?;
    // What fails half way has deleted some of it.
    let archived = archived.map(Unfinished::keep);
    site.delete(plan).map_err(io_error)?;
    Ok(archived)
}

fn save<'a>(site: &dyn Site, plan: &clean::Plan, folder: &'a Folder, now: Timestamp) -> io::Result<Unfinished<'a>> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' };
    let name = plan.name.chars().map(plain).collect::<String>();
    let mut archive = Archive::create(folder, name.trim_matches('-'), None, now)?;
    for part in &plan.parts {
        if let Some(lines) = site.read_part(plan, part).map_err(io_error)? {
            archive.take(&lines)?;
        }
    }
    archive.finish()
}
