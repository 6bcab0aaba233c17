//! The due index: one empty file an entry, in folders by hour, so that looking for what is due now does not read what is
//! due in a year.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::list::Smallest;
use super::{DUE, Files, failed};
use crate::store::beneath::Folder;
use crate::store::{Due, Error, Queue};
use crate::time::Timestamp;

/// How often a folder may vanish while an entry is put into it.
const PUT_TRIES: usize = 100;

/// A queue's file that grows with each entry that comes, for those who watch. Not an hour.
pub(super) const WAKE: &str = "wake";

/// The wake file is emptied when it has grown to this, in bytes.
const WAKE_BYTES_MAX: u64 = 1 << 20;

/// The hour of a time, as its folder is called: `2026-11-22T04`.
pub(super) fn hour(at: Timestamp) -> String {
    let mut text = at.fixed_width();
    text.truncate("2026-11-22T04".len());
    text
}

/// Whether a folder is one of an hour.
pub(super) fn is_hour(folder: &str) -> bool {
    folder.len() == 13 && Timestamp::parse(format!("{folder}:00:00Z").as_bytes()).is_some_and(|at| hour(at) == folder)
}

impl Files {
    pub(super) fn queue_folder(&self, queue: &Queue) -> PathBuf {
        self.root.join(DUE).join(queue.key())
    }

    pub(super) fn put_due(&self, due: &Due) -> Result<(), Error> {
        let queue = self.queue_folder(&due.queue);
        self.make_folder(&self.root.join(DUE))?;
        self.make_folder(&queue)?;
        let folder = queue.join(hour(due.at));
        let path = folder.join(due.to_entry());
        for _ in 0..PUT_TRIES {
            self.make_folder(&folder)?;
            match self.disk.touch(&self.root, &path).and_then(|()| self.disk.sync_folder(&folder)) {
                Ok(()) => {
                    self.wake(&due.queue);
                    return Ok(());
                }
                // The hour was over, and somebody cleared it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => _ = self.durable.lock().remove(&folder),
                Err(error) => return Err(failed("putting", &path, error)),
            }
        }
        Err(failed("putting", &path, io::Error::other("its folder was removed again and again")))
    }

    /// Tells watchers in other processes. They look for themselves now and then, so a failure is no trouble.
    fn wake(&self, queue: &Queue) {
        let path = self.queue_folder(queue).join(WAKE);
        if let Ok(file) = self.disk.open_to_append(&self.root, &path, true) {
            if file.metadata().is_ok_and(|metadata| metadata.len() >= WAKE_BYTES_MAX) {
                let _ = file.set_len(0);
            }
            let _ = self.disk.write(&file, b".");
        }
    }

    /// An entry that comes back because its removal was not durable wakes for nothing, and does no harm.
    pub(super) fn drop_due(&self, due: &Due) -> Result<(), Error> {
        let folder = self.queue_folder(&due.queue).join(hour(due.at));
        let path = folder.join(due.to_entry());
        self.disk.remove(&self.root, &path).map_err(|e| failed("removing", &path, e))?;
        let latest = Timestamp::from_micros(self.latest_now.load(Ordering::Relaxed));
        if hour(due.at) < hour(latest) && self.remove_folder(&folder).is_ok() {
            self.durable.lock().remove(&folder);
        }
        Ok(())
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<bool> {
        let (above, name) = Folder::above(&self.root, folder)?;
        above.unlink(name, true)
    }

    pub(super) fn due(
        &self,
        queue: &Queue,
        after: Option<&Due>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        self.latest_now.fetch_max(now.micros(), Ordering::Relaxed);
        let mut found = Vec::new();
        let first = after.map(|after| hour(after.at)).unwrap_or_default();
        for hour in self.hours(queue, &hour(now))?.into_iter().filter(|hour| *hour >= first) {
            if found.len() >= limit {
                break;
            }
            let mut smallest = Smallest::new(limit - found.len(), Due::cmp);
            self.each_entry(&self.queue_folder(queue).join(hour), |entry| {
                let wanted = |due: &Due| due.at <= now && after.is_none_or(|after| due > after);
                if let Some(due) = Due::from_entry(queue, entry).filter(wanted) {
                    smallest.add(due);
                }
            })?;
            found.append(&mut smallest.into_sorted());
        }
        Ok(found)
    }

    /// The hours that have folders, up to `last`, in order.
    fn hours(&self, queue: &Queue, last: &str) -> Result<Vec<String>, Error> {
        let mut hours = Vec::new();
        self.each_entry(&self.queue_folder(queue), |hour| {
            if is_hour(hour) && hour <= last {
                hours.push(hour.to_owned());
            }
        })?;
        hours.sort_unstable();
        Ok(hours)
    }

    pub(super) fn queues(&self) -> Result<Vec<Queue>, Error> {
        let mut queues = Vec::new();
        self.each_entry(&self.root.join(DUE), |name| queues.extend(Queue::from_key(name)))?;
        queues.sort_unstable();
        let mut with_entries = Vec::new();
        for queue in queues {
            if !self.due(&queue, None, Timestamp::MAX, 1)?.is_empty() {
                with_entries.push(queue);
            }
        }
        Ok(with_entries)
    }
}
