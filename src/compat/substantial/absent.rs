//! Stands in for stores of the package on Redis where a build has none: there is no value of this type.

use super::listing::{ListedRun, Listing};
use super::records::SubstantialReading;
use super::stored_run::{NewSchedule, StoredRun};
use super::zone::WorkerZone;
use crate::store::redis::absent;
use crate::store::{Error, RedisAddress, RedisOptions};

/// A store of the package on Redis, which this build knows nothing of.
#[derive(Debug)]
pub enum SubstantialRedis {}

type Answer<T> = Result<T, Error>;

impl SubstantialRedis {
    /// Says that this build has no such stores.
    ///
    /// # Errors
    /// [`Error::Invalid`], always.
    pub fn new(_: &RedisAddress, _: &RedisOptions, _: WorkerZone) -> Answer<SubstantialRedis> {
        Err(absent())
    }

    pub(crate) fn zone(&self) -> &WorkerZone {
        match *self {}
    }

    pub(crate) async fn detect(&self) -> Answer<bool> {
        match *self {}
    }

    pub(crate) async fn runs(&self, _: Option<&str>, _: Option<&str>, _: usize) -> Answer<Listing<ListedRun>> {
        match *self {}
    }

    pub(crate) async fn read(&self, _: &[&str]) -> Answer<Vec<StoredRun>> {
        match *self {}
    }

    pub(crate) async fn reading(&self, _: &str) -> Answer<Option<SubstantialReading>> {
        match *self {}
    }

    pub(super) async fn add_schedule(&self, _: &NewSchedule) -> Answer<bool> {
        match *self {}
    }

    pub(super) async fn scheduled(&self, _: &NewSchedule) -> Answer<Option<Vec<u8>>> {
        match *self {}
    }
}
