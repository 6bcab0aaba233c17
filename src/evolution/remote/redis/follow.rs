//! Following both streams.

use std::sync::Arc;

use super::page::Range;
use super::shared::Shared;
use crate::evolution::piece::{Piece, Place};
use crate::evolution::remote::site::Follower;
use crate::store::Error;
use crate::time::Timestamp;

/// Most pages of a stream that one look reads, so that the other one is not forgotten.
const PAGES_MAX: usize = 64;

/// Gives out what comes to the streams.
pub(super) struct RedisFollower {
    shared: Arc<Shared>,
    streams: [Stream; 2],
}

struct Stream {
    key: String,
    name: String,
    /// Where it ended when it was begun to be followed.
    start: Place,
    /// The last entry that was given out.
    last: Place,
}

impl RedisFollower {
    pub(super) fn begin(shared: &Arc<Shared>) -> Result<Self, Error> {
        let stream = |key: &String| -> Result<Stream, Error> {
            let start = shared.end_of(key)?;
            Ok(Stream { key: key.clone(), name: shared.name_of(key), start, last: start })
        };
        let streams = [stream(&shared.calls)?, stream(&shared.decisions)?];
        Ok(RedisFollower { shared: shared.clone(), streams })
    }
}

impl Follower for RedisFollower {
    fn poll(&mut self, _: Timestamp, each: &mut dyn FnMut(Piece)) -> Result<(), Error> {
        for stream in &mut self.streams {
            let mut range = Range::from(stream.last.next());
            for _ in 0..PAGES_MAX {
                let page = self.shared.page(&stream.key, range, None)?;
                let rest = range.behind(&page);
                if let Some((_, last)) = page.ends {
                    stream.last = last;
                    each(page.into_piece(&stream.name));
                }
                match rest {
                    Some(rest) => range = rest,
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn gives_out(&self, part: &str) -> bool {
        self.streams.iter().any(|stream| {
            let id = part.strip_prefix(stream.name.as_str()).and_then(|rest| rest.strip_prefix(" entry "));
            id.and_then(Place::parse).is_some_and(|place| place > stream.start)
        })
    }
}
