//! Where evolution logs are, as users write it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::Site;
use crate::store::Error;
#[cfg(feature = "object-store")]
use crate::store::{BucketAddress, BucketOptions};
#[cfg(feature = "redis")]
use crate::store::{RedisAddress, RedisOptions};

/// Where an evolution log is, and how to get there. It prints without credentials.
#[derive(Clone)]
#[non_exhaustive]
pub enum Address {
    /// A file or a folder.
    Path(PathBuf),
    /// Redis, or what speaks its protocol.
    #[cfg(feature = "redis")]
    Redis(RedisAddress, RedisOptions),
    /// An object store: the bucket, settings with names as the environment has them, and options.
    #[cfg(feature = "object-store")]
    Bucket(BucketAddress, Vec<(String, String)>, BucketOptions),
}

impl Address {
    /// Reads a path, `redis://host`, `rediss://host`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    ///
    /// `environment` is where credentials come from, if not from a Redis' address: `REDIS_USERNAME` and `REDIS_PASSWORD`; and
    /// what begins with `AWS_`, `GOOGLE_` or `AZURE_` and means what it means to these providers. The library does not look
    /// at the environment by itself: a program passes `std::env::vars()`, or whatever else it has.
    ///
    /// ```
    /// use temporal_code::evolution::remote::Address;
    /// let environment = [("REDIS_PASSWORD".to_owned(), "secret".to_owned())];
    /// # #[cfg(feature = "redis")] {
    /// let address = Address::parse("redis://cache.example.com/1?prefix=shop", environment).unwrap();
    /// assert_eq!(address.to_string(), "redis://cache.example.com:6379/1?prefix=shop");
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is an address of no kind that there is, or of one that this build lacks. The message does not
    /// repeat the text, which may have a password in an unexpected place.
    pub fn parse(text: &str, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let Some(scheme) = scheme(text) else { return Ok(Address::Path(PathBuf::from(text))) };
        match scheme.as_str() {
            "file" => Ok(Address::Path(PathBuf::from(&text["file://".len()..]))),
            "redis" | "rediss" | "valkey" | "valkeys" | "unix" | "redis+unix" | "valkey+unix" => {
                redis(text, environment)
            }
            "s3" | "s3a" | "gs" | "az" | "azure" => bucket(text, environment),
            _ => Err(Error::Invalid { what: "store".into(), problem: format!("`{scheme}://` is no kind of store") }),
        }
    }

    /// Whether a text is an address by its form, whatever it is the address of.
    pub fn has_scheme(text: &str) -> bool {
        scheme(text).is_some()
    }

    /// The way there, which is not gone yet; none for files.
    pub(crate) fn site(&self) -> Result<Option<Arc<dyn Site>>, Error> {
        match self {
            Address::Path(_) => Ok(None),
            #[cfg(feature = "redis")]
            Address::Redis(address, options) => Ok(Some(Arc::new(super::redis::RedisSite::new(address, options)?))),
            #[cfg(feature = "object-store")]
            Address::Bucket(address, settings, options) => {
                Ok(Some(Arc::new(super::object::BucketSite::new(address, settings, options)?)))
            }
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

#[cfg(feature = "redis")]
fn redis(text: &str, environment: impl IntoIterator<Item = (String, String)>) -> Result<Address, Error> {
    let address = RedisAddress::parse(text)?;
    let mut options = RedisOptions::default();
    // What is said of this server goes before what is said of any.
    let is_silent = !address.has_credentials();
    for (name, value) in environment.into_iter().filter(|(_, value)| is_silent && !value.is_empty()) {
        match name.as_str() {
            "REDIS_USERNAME" => options.username = Some(value),
            "REDIS_PASSWORD" => options.password = Some(value),
            _ => {}
        }
    }
    Ok(Address::Redis(address, options))
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str, _: impl IntoIterator<Item = (String, String)>) -> Result<Address, Error> {
    Err(lacking("Redis", "redis"))
}

#[cfg(feature = "object-store")]
fn bucket(text: &str, environment: impl IntoIterator<Item = (String, String)>) -> Result<Address, Error> {
    let address = BucketAddress::parse(text)?;
    Ok(Address::Bucket(address, environment.into_iter().collect(), BucketOptions::default()))
}

#[cfg(not(feature = "object-store"))]
fn bucket(_: &str, _: impl IntoIterator<Item = (String, String)>) -> Result<Address, Error> {
    Err(lacking("object stores", "object-store"))
}

#[cfg(not(all(feature = "redis", feature = "object-store")))]
fn lacking(what: &str, feature: &str) -> Error {
    Error::Invalid {
        what: "store".into(),
        problem: format!("this build knows no {what}: it was made without the feature `{feature}`"),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Path(path) => path.display().fmt(f),
            #[cfg(feature = "redis")]
            Address::Redis(address, _) => address.fmt(f),
            #[cfg(feature = "object-store")]
            Address::Bucket(address, ..) => address.fmt(f),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.to_string()).finish()
    }
}
