//! New events of a log that is not a file.

use std::time::{Duration, Instant};

use super::update::{Notice, Spot, Update, each_record};
use crate::evolution::piece::{Piece, io_error};
use crate::evolution::remote::RemoteLog;
use crate::evolution::remote::site;
use crate::evolution::source::ReadError;
use crate::store::Error;
use crate::time::Timestamp;

/// How long a store that is away is left alone.
const AWAY: Duration = Duration::from_secs(1);

/// Follows one log, which may be away for a while.
pub(super) struct RemoteFollower {
    name: String,
    follower: Box<dyn site::Follower>,
    /// When it was tried last, if it is away.
    away: Option<Instant>,
}

impl RemoteFollower {
    pub(super) fn begin(log: &RemoteLog, now: Timestamp) -> Result<Self, Error> {
        let follower = log.site().follower(now)?;
        Ok(RemoteFollower { name: log.location().to_string(), follower, away: None })
    }

    pub(super) fn gives_out(&self, part: &str) -> bool {
        self.follower.gives_out(part)
    }

    pub(super) fn poll<E: From<ReadError>>(
        &mut self,
        now: Timestamp,
        sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.away.is_some_and(|tried| tried.elapsed() < AWAY) {
            return Ok(());
        }
        let mut given = Ok(());
        let polled = self.follower.poll(now, &mut |piece| {
            if given.is_ok() {
                given = give_out(piece, sink);
            }
        });
        given?;
        let notice = match polled {
            Ok(()) => self.away.take().map(|_| Notice::Back),
            Err(error) if error.retryable() => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                let is_new = self.away.replace(Instant::now()).is_none();
                is_new.then(|| Notice::Away(format!("{error}{cause}")))
            }
            Err(error) => return Err(ReadError { name: self.name.clone(), cause: io_error(error) }.into()),
        };
        let spot = Spot { log: &self.name, line: None, offset: 0 };
        notice.map_or(Ok(()), |notice| sink(&spot, Update::Notice(notice)))
    }
}

/// Gives out the events of a piece.
fn give_out<E: From<ReadError>>(
    piece: Piece,
    sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let Piece { content, origin, offset, .. } = piece;
    if let Some(problem) = content.problem() {
        let spot = Spot { log: origin.name(), line: None, offset };
        sink(&spot, Update::Notice(Notice::Lost(problem.to_owned())))?;
    }
    let (mut line, mut at, mut given) = (0, offset, Ok(()));
    let read = content.each_block(&mut |block| {
        for text in block.split_inclusive(|byte| *byte == b'\n') {
            if given.is_ok() {
                let spot = origin.spot(line, at);
                given = each_record(text, &Spot { log: &spot.part, line: spot.line, offset: spot.offset }, sink);
            }
            (line, at) = (line + 1, at + text.len() as u64);
        }
    });
    given?;
    read.map_err(|cause| ReadError { name: origin.name().to_string(), cause }.into())
}
