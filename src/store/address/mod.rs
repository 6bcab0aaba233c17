//! Where a store is, as users write it, and how to get there.

pub(super) mod bucket;
pub(super) mod redis;

use std::fmt;
use std::path::{Path, PathBuf};

pub use bucket::{BucketAddress, BucketOptions};
pub use redis::{RedisAddress, RedisOptions};

use super::{Error, FileOptions};
use crate::retry::RetryPolicy;

/// Where a store or an evolution log is. It prints without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A folder; of an evolution log, also a file.
    Path(PathBuf),
    /// A prefix in a database of a Redis, or of what speaks its protocol.
    Redis(RedisAddress),
    /// A prefix in a bucket of an object store.
    Bucket(BucketAddress),
}

/// What is needed to get to an [`Address`]: all of it from outside, nothing is looked up.
#[derive(Clone, Default)]
pub struct Settings {
    /// For folders.
    pub files: FileOptions,
    /// For a Redis.
    pub redis: RedisOptions,
    /// For buckets.
    pub bucket: BucketOptions,
    /// Names and values as the environment has them: `REDIS_USERNAME` and `REDIS_PASSWORD`, for an address that has none of
    /// both, or the password alone for one that has a user; what begins with `AWS_`, `GOOGLE_` or `AZURE_` and means what it means to these providers.
    pub environment: Vec<(String, String)>,
    /// How calls of a store that failed are made again.
    pub retry: RetryPolicy,
}

impl Settings {
    /// What is usual, with credentials from an environment. The library does not look at the environment by itself: a program
    /// passes `std::env::vars()`, or whatever else it has.
    pub fn from_environment(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let counts = |name: &str| ["REDIS_", "AWS_", "GOOGLE_", "AZURE_"].iter().any(|start| name.starts_with(start));
        let environment = environment.into_iter().filter(|(name, _)| counts(name)).collect();
        Settings { environment, ..Settings::default() }
    }

    /// The options for this Redis, with what the environment has of it.
    pub fn redis_of(&self, address: &RedisAddress) -> RedisOptions {
        let mut options = self.redis.clone();
        // What is said of this server goes before what is said of any.
        if address.password.is_some() || options.username.is_some() || options.password.is_some() {
            return options;
        }
        let value = |wanted: &str| {
            let found = self.environment.iter().find(|(name, value)| name == wanted && !value.is_empty());
            found.map(|(_, value)| value.clone())
        };
        if address.username.is_none() {
            options.username = value("REDIS_USERNAME");
        }
        options.password = value("REDIS_PASSWORD");
        options
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.environment.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Settings").field("environment", &names).finish_non_exhaustive()
    }
}

impl Address {
    /// Reads `redis://`, `rediss://` (with TLS), `unix://` (a socket of a Redis), `s3://`, `gs://` and `az://` addresses;
    /// what is behind `file://`, and all that has no word and `://` in front, is a path.
    ///
    /// ```
    /// use temporal_code::stores::Address;
    /// assert_eq!(Address::parse(".tc").unwrap().to_string(), ".tc");
    /// assert_eq!(Address::parse("redis://:secret@db.example/1").unwrap().to_string(), "redis://db.example:6379/1");
    /// assert!(Address::parse("ftp://example").is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] for an address that is wrong. It does not repeat the address, which may have a password in an
    /// unexpected place.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let Some(scheme) = scheme(text) else { return path(text) };
        match scheme.as_str() {
            "file" => path(&text["file://".len()..]),
            "redis" | "rediss" | "valkey" | "valkeys" | "unix" | "redis+unix" | "valkey+unix" => {
                RedisAddress::parse(text).map(Address::Redis)
            }
            "s3" | "s3a" | "gs" | "az" | "azure" => BucketAddress::parse(text).map(Address::Bucket),
            _ => Err(Error::invalid("address of a store", format!("`{scheme}://` is no kind of store"))),
        }
    }

    /// Whether a text is an address by its form, whatever it is the address of.
    pub fn has_scheme(text: &str) -> bool {
        scheme(text).is_some()
    }

    /// The path, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Path(path) => Some(path),
            Address::Redis(_) | Address::Bucket(_) => None,
        }
    }
}

/// What stands in front of `://`, in small letters, if that is a word.
fn scheme(text: &str) -> Option<String> {
    let (scheme, _) = text.split_once("://")?;
    let word =
        !scheme.is_empty() && scheme.len() <= 20 && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
    word.then(|| scheme.to_ascii_lowercase())
}

fn path(path: &str) -> Result<Address, Error> {
    if path.is_empty() {
        return Err(Error::invalid("address of a store", "it is empty"));
    }
    Ok(Address::Path(PathBuf::from(path)))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Path(path) => path.display().fmt(f),
            Address::Redis(address) => address.fmt(f),
            Address::Bucket(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_word_in_front_is_a_path() {
        for text in [".tc", "a:b", "://x", "two words://x", "file://.tc/x"] {
            assert!(matches!(Address::parse(text), Ok(Address::Path(_))), "{text}");
        }
        assert_eq!(Address::parse("file:///a/b").unwrap(), Address::Path("/a/b".into()));
        for text in ["", "file://", "ftp://a", "http://hunter2@a"] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn settings_keep_what_counts_and_show_no_values() {
        let names = ["REDIS_PASSWORD", "AWS_SECRET_ACCESS_KEY", "HOME"];
        let settings = Settings::from_environment(names.map(|name| (name.to_owned(), "hunter2".to_owned())));
        let shown = format!("{settings:?}");
        assert!(shown.contains("REDIS_PASSWORD") && !shown.contains("HOME") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_is_said_of_a_redis_goes_before_the_environment() {
        let address = |text: &str| RedisAddress::parse(text).unwrap();
        let mut settings = Settings::from_environment([("REDIS_PASSWORD".to_owned(), "general".to_owned())]);
        assert_eq!(settings.redis_of(&address("redis://a")).password.as_deref(), Some("general"));
        assert_eq!(settings.redis_of(&address("redis://:own@a")).password, None, "that of the address is taken");
        assert_eq!(settings.redis_of(&address("redis://u@a")).password.as_deref(), Some("general"));
        settings.redis.password = Some("given".to_owned());
        assert_eq!(settings.redis_of(&address("redis://a")).password.as_deref(), Some("given"));
        let empty = Settings::from_environment([("REDIS_PASSWORD".to_owned(), String::new())]);
        assert_eq!(empty.redis_of(&address("redis://a")).password, None);
    }
}
