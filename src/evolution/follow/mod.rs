//! New events of logs that grow, found by looking again from time to time.

mod files;
mod known;
mod lines;
mod remote;
mod stream;
mod update;

use std::path::PathBuf;

use super::latest::Found;
use super::remote::RemoteLog;
use super::source::{ReadError, Source};
use crate::store::Error;
use crate::time::Timestamp;
use files::FileFollower;
use remote::RemoteFollower;
use stream::StreamFollower;
pub use update::{Notice, Spot, Update};

/// Logs that are followed, each from some place on.
pub struct Follower {
    files: FileFollower,
    remotes: Vec<RemoteFollower>,
    streams: Vec<StreamFollower>,
}

impl Follower {
    /// Follows files from the last line that has no end yet, and other logs from now on; what was there before is not given
    /// out. Pipes and standard input have nothing that was there before, and are followed from their start. Compressed files
    /// do not grow in place, and are left out.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn at_end<E: From<ReadError> + From<Error>>(
        sources: &[Source],
        remotes: &[RemoteLog],
        threads: usize,
        now: Timestamp,
    ) -> Result<Follower, E> {
        let (streams, files) = sources.iter().cloned().partition::<Vec<_>, _>(Source::is_stream);
        let files = FileFollower::at_end(&files, threads)?;
        let streams = streams.iter().map(StreamFollower::begin).collect::<Result<Vec<_>, _>>()?;
        let remotes = remotes.iter().map(|log| RemoteFollower::begin(log, now)).collect::<Result<Vec<_>, _>>()?;
        Ok(Follower { files, remotes, streams })
    }

    /// Whether nothing can come any more: all that is followed are pipes, and they have ended.
    pub fn is_over(&self) -> bool {
        self.files.is_empty() && self.remotes.is_empty() && self.streams.iter().all(StreamFollower::is_over)
    }

    /// Whether an event of `source` that was read behind [`Follower::at_end`] is one of those that are given out.
    pub fn gives_out(&self, source: &Source, found: &Found) -> bool {
        match &found.part {
            Some(part) => self.remotes.iter().any(|remote| remote.gives_out(part)),
            None => {
                let start = source.path().and_then(|path| self.files.start_of(path));
                start.is_some_and(|start| found.offset >= start)
            }
        }
    }

    /// Looks at every log once and gives out each line that was completed since, and what else happened. `paths` are
    /// the files as they now are: new ones are followed from their start, missing ones no longer. A store that cannot be
    /// reached is tried again with later looks.
    ///
    /// # Errors
    /// A log cannot be read, or `sink` fails.
    pub fn poll<E: From<ReadError>>(
        &mut self,
        paths: &[PathBuf],
        now: Timestamp,
        sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.files.poll(paths, sink)?;
        self.streams.iter_mut().try_for_each(|stream| stream.poll(sink))?;
        self.remotes.iter_mut().try_for_each(|remote| remote.poll(now, sink))
    }
}
