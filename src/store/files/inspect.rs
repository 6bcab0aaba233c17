//! Looking for what does not belong into the folder of a store, or is damaged.

use std::path::Path;

use super::{DUE, Files, failed};
use crate::store::beneath::is_foreign;
use crate::store::{Due, Error, Finding, Kind, Name, Queue};

/// Most findings that are kept.
const FINDINGS_MAX: usize = 10_000;

/// How much of a log is read at a time, in bytes.
const READ_BYTES: usize = 1 << 20;

impl Files {
    /// Every log read to its end, and every name looked at.
    pub(super) fn inspect(&self, repair: bool) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        let mut kinds = Vec::new();
        self.each_entry(&self.root, |name| {
            if let Some(kind) = Kind::parse(name) {
                kinds.push(kind);
            }
        })?;
        kinds.sort_unstable();
        for kind in kinds.into_iter().filter(|kind| self.root.join(kind.as_str()).is_dir()) {
            self.inspect_logs(kind, repair, &mut findings)?;
        }
        match self.inspect_due(&mut findings) {
            Err(error @ Error::Denied { .. }) => findings.push(Finding::unread(&self.root.join(DUE).display(), &error)),
            looked => looked?,
        }
        findings.truncate(FINDINGS_MAX);
        findings.sort_by(|a, b| (&a.place, &a.problem).cmp(&(&b.place, &b.problem)));
        Ok(findings)
    }

    fn inspect_logs(&self, kind: Kind, repair: bool, findings: &mut Vec<Finding>) -> Result<(), Error> {
        let folder = self.root.join(kind.as_str());
        let opened = match self.folder(&folder) {
            Err(error @ Error::Denied { .. }) => {
                findings.push(Finding::unread(&folder.display(), &error));
                return Ok(());
            }
            opened => opened?,
        };
        let Some(opened) = opened else { return Ok(()) };
        let visit = |name: &str, _: bool| {
            let path = folder.join(name);
            match name.strip_suffix(".jsonl").and_then(|stem| Name::from_stem(kind, stem)) {
                Some(log) => self.inspect_log(&log, &path, repair, findings)?,
                None if is_leftover(&path) => self.inspect_leftover(&path, repair, findings)?,
                None if is_foreign(name) => {}
                None => findings.push(Finding::new(&path.display(), "it is not a log, and does not belong here")),
            }
            Ok(findings.len() < FINDINGS_MAX)
        };
        opened.names(visit).map(drop)
    }

    fn inspect_log(&self, log: &Name, path: &Path, repair: bool, findings: &mut Vec<Finding>) -> Result<(), Error> {
        let tail = match self.open_to_read(path) {
            Ok(Some((_, tail))) => tail,
            Ok(None) => return Ok(()),
            Err(error @ Error::Corrupt { .. }) => {
                findings.push(Finding::of(&error));
                return Ok(());
            }
            Err(error) => {
                findings.push(Finding::unread(&path.display(), &error));
                return Ok(());
            }
        };
        if tail.size > tail.bytes {
            let problem = format!("its last {} bytes are a torn append, never acknowledged", tail.size - tail.bytes);
            let mut finding = Finding::new(&path.display(), &problem);
            if tail.bytes > 0 {
                finding = finding.with_remedy("cut them off, as the next writer would");
            }
            // Without a sound line in front it may be no log at all.
            if repair && tail.bytes > 0 {
                self.mend(log)?;
                finding.repaired = true;
            }
            findings.push(finding);
        }
        let mut after = 0;
        loop {
            match self.read(log, after, READ_BYTES) {
                Ok(page) if page.has_more() => after = page.end().last.number(),
                Ok(_) => return Ok(()),
                Err(error @ Error::Corrupt { .. }) => {
                    findings.push(Finding::of(&error));
                    return Ok(());
                }
                Err(error) => {
                    findings.push(Finding::unread(&path.display(), &error));
                    return Ok(());
                }
            }
        }
    }

    /// A process died while it replaced a log.
    fn inspect_leftover(&self, path: &Path, repair: bool, findings: &mut Vec<Finding>) -> Result<(), Error> {
        let mut finding = Finding::new(&path.display(), "it was left by a process that died while it let go of a log")
            .with_remedy("remove it");
        if repair {
            self.disk.remove(&self.root, path).map_err(|e| failed("removing", path, e))?;
            finding.repaired = true;
        }
        findings.push(finding);
        Ok(())
    }

    fn inspect_due(&self, findings: &mut Vec<Finding>) -> Result<(), Error> {
        let due = self.root.join(DUE);
        let mut queues = Vec::new();
        self.each_entry(&due, |name| match Queue::from_key(name) {
            Some(queue) => queues.push(queue),
            None if is_foreign(name) => {}
            None => {
                findings.push(Finding::new(&due.join(name).display(), "it is not a queue, and does not belong here"))
            }
        })?;
        for queue in queues {
            match self.inspect_queue(&queue, findings) {
                Err(error @ Error::Denied { .. }) => {
                    findings.push(Finding::unread(&self.queue_folder(&queue).display(), &error));
                }
                looked => looked?,
            }
        }
        Ok(())
    }

    fn inspect_queue(&self, queue: &Queue, findings: &mut Vec<Finding>) -> Result<(), Error> {
        let folder = self.queue_folder(queue);
        let mut hours = Vec::new();
        self.each_entry(&folder, |name| {
            if super::due::is_hour(name) {
                hours.push(name.to_owned());
            } else if name != super::due::WAKE && !is_foreign(name) {
                findings
                    .push(Finding::new(&folder.join(name).display(), "it is not an hour, and does not belong here"));
            }
        })?;
        for hour in hours {
            let folder = folder.join(&hour);
            self.each_entry(&folder, |entry| {
                let due = Due::from_entry(queue, entry);
                let place = folder.join(entry);
                match due {
                    Some(due) if super::due::hour(due.at) == hour => {}
                    Some(_) => findings.push(Finding::new(&place.display(), "it is in the folder of another hour")),
                    None => {
                        findings.push(Finding::new(&place.display(), "it is not an entry, and does not belong here"))
                    }
                }
            })?;
            findings.truncate(FINDINGS_MAX);
        }
        Ok(())
    }
}

fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with('.') && name.ends_with(".forget")
}
