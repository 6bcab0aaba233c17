//! Trying out whether a bucket can hold a store, before the first write.
//!
//! Some servers take the header that forbids overwriting and overwrite all the same, or look first and write then, so that
//! of two writers at once both are told that they were first. A store on such a server would lose acknowledged lines. So
//! writers race for objects here, a few times; what came out is noted in an object, so that this is done once for a store
//! and not by every process.

use bytes::Bytes;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::bucket::{Created, Query};
use super::layout::{MARKER, PROBES};
use crate::random::ThreadRandom;
use crate::store::{Error, Token};
use crate::text::quote;

/// What the marker says that it is.
const SCHEMA: &str = "tc.store/1";

/// Longest marker.
const MARKER_BYTES_MAX: u64 = 64 << 10;

/// Most ways to the bucket that are noted.
const PLACES_MAX: usize = 8;

/// How often writers race, after one writer came twice.
const ROUNDS: usize = 4;

/// How many race.
const RACERS: usize = 8;

/// The object that notes what was tried out.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Marker {
    schema: String,
    /// Endpoints and buckets by which exclusive writes were seen to be exclusive. The same objects may be copied to
    /// another server, which has to be tried out by itself.
    #[serde(default)]
    exclusive: Vec<String>,
}

impl Shared {
    /// Whether writes have been found to be exclusive, and so this handle is one that writes.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.initialized()
    }

    /// Sees to it that writes are exclusive here: at the first write, by the marker, or else by trying.
    pub(super) async fn prove(&self) -> Result<(), Error> {
        let prove = || async {
            let marker = self.marker().await?;
            if marker.as_ref().is_some_and(|marker| marker.exclusive.contains(&self.way())) {
                return Ok(());
            }
            self.try_out().await?;
            self.mark(marker).await
        };
        self.proven.get_or_try_init(prove).await.copied()
    }

    /// How this handle gets to the bucket.
    fn way(&self) -> String {
        format!("{} {}", self.bucket.endpoint(), self.bucket.address())
    }

    pub(super) async fn marker(&self) -> Result<Option<Marker>, Error> {
        let Some(text) = self.bucket.get(MARKER, MARKER_BYTES_MAX).await? else { return Ok(None) };
        let Ok(marker) = serde_json::from_slice::<Marker>(&text) else {
            return Err(self.bucket.unfit(&format!("its {MARKER} is something else")));
        };
        if marker.schema != SCHEMA {
            let shown = quote(&marker.schema);
            return Err(self.bucket.unfit(&format!("it is of the format {shown}, and not `{SCHEMA}`")));
        }
        Ok(Some(marker))
    }

    async fn mark(&self, marker: Option<Marker>) -> Result<(), Error> {
        let mut exclusive = marker.map_or_else(Vec::new, |marker| marker.exclusive);
        let surplus = (exclusive.len() + 1).saturating_sub(PLACES_MAX);
        exclusive.drain(..surplus);
        exclusive.push(self.way());
        let marker = Marker { schema: SCHEMA.to_owned(), exclusive };
        let text = serde_json::to_vec(&marker).map_err(|e| Error::invalid("marker", e.to_string()))?;
        self.bucket.put(MARKER, text.into()).await
    }

    /// Tries out whether writes are exclusive, and cleans up.
    ///
    /// # Errors
    /// [`Error::Unfit`] if they are not.
    pub(super) async fn try_out(&self) -> Result<(), Error> {
        let start = format!("{PROBES}{}/", Token::new(&ThreadRandom));
        let keys: Vec<String> = (0..=ROUNDS).map(|round| format!("{start}{round}")).collect();
        let result = self.try_keys(&start, &keys).await;
        // What is left is found by `inspect`.
        let _ = join_all(keys.iter().map(|key| self.bucket.delete(key))).await;
        result
    }

    async fn try_keys(&self, start: &str, keys: &[String]) -> Result<(), Error> {
        for (round, key) in keys.iter().enumerate() {
            if round == 0 {
                self.come_twice(key).await?;
            } else {
                self.race(key).await?;
            }
        }
        let listed = self.bucket.list(&Query { start: start.to_owned(), ..Query::default() }, None).await?;
        if !listed.objects.iter().map(|(key, _)| key).eq(keys) {
            return Err(self.bucket.unfit("it does not list what was just written"));
        }
        Ok(())
    }

    /// One writer after the other.
    async fn come_twice(&self, key: &str) -> Result<(), Error> {
        if self.bucket.create(key, body(0)).await? == Created::Exists {
            return Err(self.bucket.unfit("it says that an object exists that was never written"));
        }
        match self.bucket.create(key, body(1)).await? {
            Created::Exists => self.holds(key, 0).await,
            Created::Done => Err(self.bucket.unfit("it overwrites objects when it is told not to")),
        }
    }

    /// Many writers at once.
    async fn race(&self, key: &str) -> Result<(), Error> {
        let results = join_all((0..RACERS).map(|racer| self.bucket.create(key, body(racer)))).await;
        let mut winners = Vec::new();
        let mut failed = None;
        for (racer, result) in results.into_iter().enumerate() {
            match result {
                Ok(Created::Done) => winners.push(racer),
                Ok(Created::Exists) => {}
                Err(error) if error.retryable() => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        match (winners.as_slice(), failed) {
            ([winner], _) => self.holds(key, *winner).await,
            // Whoever failed may have won.
            ([], Some(error)) => Err(error),
            ([], None) => Err(self.bucket.unfit("of writers at the same time none writes an object")),
            (winners, _) => Err(self.bucket.unfit(&format!(
                "of {RACERS} writers at the same time, {} were told that they wrote an object first",
                winners.len()
            ))),
        }
    }

    /// Who was told to have written the object has.
    async fn holds(&self, key: &str, racer: usize) -> Result<(), Error> {
        let expected = body(racer);
        match self.bucket.get(key, expected.len() as u64 + 1_000).await? {
            Some(found) if found == expected => Ok(()),
            _ => Err(self.bucket.unfit("an object is not what was acknowledged to be written")),
        }
    }
}

/// What a writer writes: of different lengths, to be told apart if it is mixed.
fn body(racer: usize) -> Bytes {
    format!("{{\"racer\":{racer},\"fill\":\"{}\"}}\n", "x".repeat(100 * racer)).into()
}
