//! Where a store is, as users write it, and how it is opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "object-store")]
use super::object::{BucketAddress, BucketOptions, BucketStore};
#[cfg(feature = "redis")]
use super::redis::{RedisAddress, RedisOptions, RedisStore};
use super::{Error, FileOptions, FileStore, RetryPolicy, RetryingStore, Store};
use crate::random::ThreadRandom;

/// Where a store is. It prints without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A folder.
    Folder(PathBuf),
    /// A prefix in a database of a Redis.
    #[cfg(feature = "redis")]
    Redis(RedisAddress),
    /// A prefix in a bucket of an object store.
    #[cfg(feature = "object-store")]
    Bucket(BucketAddress),
}

/// What is needed to open a store besides its address: all of it from outside, nothing is looked up.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// For folders.
    pub files: FileOptions,
    /// For a Redis.
    #[cfg(feature = "redis")]
    pub redis: RedisOptions,
    /// For buckets.
    #[cfg(feature = "object-store")]
    pub bucket: BucketOptions,
    /// Names and values as the environment has them; those of object stores' providers are used.
    #[cfg(feature = "object-store")]
    pub environment: Vec<(String, String)>,
    /// How calls that failed are made again.
    pub retry: RetryPolicy,
}

#[cfg(not(feature = "redis"))]
const LACKS_REDIS: &str = "this build has no Redis (feature `redis`)";

#[cfg(not(feature = "object-store"))]
const LACKS_BUCKETS: &str = "this build has no object stores (feature `object-store`)";

impl Address {
    /// Reads `redis://`, `rediss://` (with TLS), `unix://` (a socket of a Redis), `s3://`, `gs://` and `az://` addresses;
    /// `file://` and all else is the path of a folder.
    ///
    /// ```
    /// use temporal_code::store::Address;
    /// assert_eq!(Address::parse(".tc").unwrap().to_string(), ".tc");
    /// # #[cfg(feature = "redis")]
    /// assert_eq!(Address::parse("redis://:secret@db.example/1").unwrap().to_string(), "redis://db.example:6379/1");
    /// assert!(Address::parse("ftp://example").is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] for an address that is wrong, or of a kind that this build does not have. It does not repeat the
    /// address, which may have a password in an unexpected place.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = text.split_once("://") else { return folder(text) };
        match scheme {
            "file" => folder(rest),
            "redis" | "rediss" | "valkey" | "valkeys" | "unix" | "redis+unix" | "valkey+unix" => redis(text),
            "s3" | "gs" | "az" => bucket(text),
            _ => Err(Error::invalid(
                "address of a store",
                "it begins with none of redis://, rediss://, unix://, s3://, gs://, az:// and file://",
            )),
        }
    }

    /// Opens the store. A folder must be one already, unless `create`; elsewhere a store begins with its first batch.
    ///
    /// # Errors
    /// What the medium says; see `open` of each store.
    pub async fn open(&self, settings: &Settings, create: bool) -> Result<Arc<dyn Store>, Error> {
        let store: Arc<dyn Store> = match self {
            Address::Folder(path) if create => Arc::new(FileStore::create(path, settings.files)?),
            Address::Folder(path) => Arc::new(FileStore::open(path, settings.files)?),
            #[cfg(feature = "redis")]
            Address::Redis(address) => Arc::new(RedisStore::open(address, &settings.redis).await?),
            #[cfg(feature = "object-store")]
            Address::Bucket(address) => {
                Arc::new(BucketStore::open(address, &settings.environment, settings.bucket.clone())?)
            }
        };
        Ok(Arc::new(RetryingStore::new(store, settings.retry, Arc::new(ThreadRandom))))
    }
}

fn folder(path: &str) -> Result<Address, Error> {
    if path.is_empty() {
        return Err(Error::invalid("address of a store", "it is empty"));
    }
    Ok(Address::Folder(PathBuf::from(path)))
}

#[cfg(feature = "redis")]
fn redis(text: &str) -> Result<Address, Error> {
    RedisAddress::parse(text).map(Address::Redis)
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str) -> Result<Address, Error> {
    Err(Error::invalid("address of a store", LACKS_REDIS))
}

#[cfg(feature = "object-store")]
fn bucket(text: &str) -> Result<Address, Error> {
    BucketAddress::parse(text).map(Address::Bucket)
}

#[cfg(not(feature = "object-store"))]
fn bucket(_: &str) -> Result<Address, Error> {
    Err(Error::invalid("address of a store", LACKS_BUCKETS))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Folder(path) => path.display().fmt(f),
            #[cfg(feature = "redis")]
            Address::Redis(address) => address.fmt(f),
            #[cfg(feature = "object-store")]
            Address::Bucket(address) => address.fmt(f),
        }
    }
}
