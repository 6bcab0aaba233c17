//! Addresses of object stores: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.

use std::fmt;
use std::time::Duration;

use crate::store::Error;

/// Longest prefix, in bytes: with a log's name behind it, it has to be a key, of which 1,024 bytes are allowed.
const PREFIX_BYTES_MAX: usize = 400;

/// Who keeps the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Provider {
    /// Amazon S3, and what speaks its protocol: MinIO, Ceph, R2 ….
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl Provider {
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Provider::S3 => "s3",
            Provider::Google => "gs",
            Provider::Azure => "az",
        }
    }
}

/// Where a store is: a bucket, and what the keys of its objects begin with.
///
/// ```
/// use temporal_code::stores::BucketAddress;
/// let address = BucketAddress::parse("s3://logs/teams/search/").unwrap();
/// assert_eq!((address.bucket(), address.prefix()), ("logs", "teams/search"));
/// assert_eq!(address.to_string(), "s3://logs/teams/search");
/// assert!(BucketAddress::parse("s3://key:secret@logs").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BucketAddress {
    provider: Provider,
    bucket: Box<str>,
    prefix: Box<str>,
}

impl BucketAddress {
    /// Reads an address. It has no credentials, port, query or fragment, and nothing in it is percent-encoded.
    ///
    /// # Errors
    /// [`Error::Invalid`] for anything else. The error does not repeat what it was given, which may be a secret.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |problem: &str| Err(Error::invalid("address of an object store", problem));
        let Some((scheme, rest)) = text.split_once("://") else {
            return invalid("it is to be s3://bucket/prefix, gs://bucket/prefix or az://container/prefix");
        };
        let provider = match scheme.to_ascii_lowercase().as_str() {
            "s3" | "s3a" => Provider::S3,
            "gs" => Provider::Google,
            "az" | "azure" => Provider::Azure,
            _ => return invalid("it begins with neither s3://, gs:// nor az://"),
        };
        if rest.contains('@') {
            return invalid("it must not have credentials; these come from the environment");
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if let Err(problem) = check_bucket(bucket).and_then(|()| check_prefix(prefix)) {
            return invalid(problem);
        }
        Ok(BucketAddress { provider, bucket: bucket.into(), prefix: prefix.trim_end_matches('/').into() })
    }

    /// The same address without the last part of its prefix, and that part; none if there is no prefix.
    pub fn parent(&self) -> Option<(Self, &str)> {
        let (prefix, last) = self.prefix.rsplit_once('/').unwrap_or(("", &self.prefix));
        (!last.is_empty()).then(|| (BucketAddress { prefix: prefix.into(), ..self.clone() }, last))
    }

    /// Who keeps it.
    pub(crate) fn provider(&self) -> Provider {
        self.provider
    }

    /// The bucket, or the container.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What keys begin with, without a `/` at either end; may be empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// How a store in a bucket is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketOptions {
    /// Longest that one request may take, its answer included.
    pub request_timeout: Duration,
    /// Longest that a connection may take to be made.
    pub connect_timeout: Duration,
    /// How often a watch looks whether another process has changed something.
    pub poll_every: Duration,
}

impl Default for BucketOptions {
    /// Requests of at most 30 s, connections of at most 5 s, a look every 2 s.
    fn default() -> Self {
        BucketOptions {
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            poll_every: Duration::from_secs(2),
        }
    }
}

/// The union of what the three providers allow. What only one of them refuses, it refuses itself.
fn check_bucket(bucket: &str) -> Result<(), &'static str> {
    let bytes = bucket.as_bytes();
    if !(3..=222).contains(&bytes.len()) {
        return Err("its bucket has to have 3 to 222 characters");
    }
    if !bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Err("its bucket may have ASCII letters, digits, `-`, `_` and `.` only");
    }
    if !bytes[0].is_ascii_alphanumeric() || bucket.contains("..") {
        return Err("its bucket has to begin with a letter or a digit, and has no two dots in a row");
    }
    if bucket.ends_with("--x-s3") {
        return Err("directory buckets (S3 Express) do not list in order, which is needed");
    }
    Ok(())
}

/// Plain parts only, so that a key reads the same in an address, in a request and in a list.
fn check_prefix(prefix: &str) -> Result<(), &'static str> {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if prefix.len() > PREFIX_BYTES_MAX {
        return Err("its prefix is longer than 400 bytes");
    }
    if prefix.is_empty() {
        return Ok(());
    }
    for part in prefix.split('/') {
        if part.is_empty() || part == "." || part == ".." {
            return Err("its prefix has a part that is empty, `.` or `..`");
        }
        if !part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.=,+!'()".contains(&b)) {
            return Err("its prefix may have ASCII letters, digits and -_.=,+!'() only");
        }
    }
    Ok(())
}

/// As it is parsed, in its shortest form.
impl fmt::Display for BucketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.provider.scheme(), self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, provider, bucket, prefix, shown) in [
            ("s3://logs", Provider::S3, "logs", "", "s3://logs"),
            ("s3://logs/", Provider::S3, "logs", "", "s3://logs"),
            ("S3A://my.logs/a/b/", Provider::S3, "my.logs", "a/b", "s3://my.logs/a/b"),
            ("gs://a_b-c/x=1,y=2", Provider::Google, "a_b-c", "x=1,y=2", "gs://a_b-c/x=1,y=2"),
            ("az://container/.tc", Provider::Azure, "container", ".tc", "az://container/.tc"),
        ] {
            let address = BucketAddress::parse(text).unwrap();
            assert_eq!((address.provider(), address.bucket(), address.prefix()), (provider, bucket, prefix), "{text}");
            assert_eq!((address.to_string().as_str(), format!("{address:?}").as_str()), (shown, shown));
            assert_eq!(BucketAddress::parse(shown).unwrap(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_repeated() {
        for text in [
            "",
            "logs",
            "s3:/logs",
            "s3://",
            "s3:///prefix",
            "s3://ab",
            "http://logs/x",
            "file:///etc/passwd",
            "s3://key:hunter2@logs/x",
            "s3://logs/x@hunter2",
            "s3://logs:9000/hunter2",
            "s3://logs?token=hunter2",
            "s3://logs/x?token=hunter2",
            "s3://logs/x#hunter2",
            "s3://logs/../hunter2",
            "s3://logs/./hunter2",
            "s3://logs//hunter2",
            "s3://logs/hunter2//",
            "s3://logs/%2e%2e/hunter2",
            "s3://logs/\u{1b}[31mhunter2",
            "s3://logs/hunter2\n",
            "s3://lögs/hunter2",
            "s3://logs/ hunter2",
            "s3://logs/a\\hunter2",
            "s3://-logs/hunter2",
            "s3://lo..gs/hunter2",
            "s3://.logs/hunter2",
            "s3://logs--use1-az4--x-s3/hunter2",
        ] {
            let error = BucketAddress::parse(text).unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{text}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2") && !shown.contains('\u{1b}') && !shown.contains('\n'), "{shown}");
        }
        assert!(BucketAddress::parse(&format!("s3://logs/{}", "x".repeat(PREFIX_BYTES_MAX))).is_ok());
        assert!(BucketAddress::parse(&format!("s3://logs/{}", "x".repeat(PREFIX_BYTES_MAX + 1))).is_err());
        assert!(BucketAddress::parse(&format!("s3://{}", "x".repeat(223))).is_err());
    }
}
