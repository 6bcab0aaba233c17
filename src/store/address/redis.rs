//! Which Redis, which store in it, and how to talk to it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use crate::store::Error;

/// What the keys of a store begin with where nothing else is asked for.
const PREFIX: &str = "tc";

/// Longest prefix, in bytes.
const PREFIX_BYTES_MAX: usize = 64;

/// The port of Redis.
const PORT: u16 = 6379;

/// Where a store is: a server, a database of it, and what the store's keys begin with.
///
/// It prints without user name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    pub(crate) endpoint: Endpoint,
    pub(crate) database: u32,
    pub(crate) prefix: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

/// What is connected to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

impl RedisAddress {
    /// Reads `redis://[user[:password]@]host[:port][/database][?prefix=NAME]`; `rediss://` for TLS; `valkey://` and
    /// `valkeys://`, which mean the same; and `unix:///path/of.socket[?database=N][&prefix=NAME]`.
    ///
    /// A password in an address ends up in the history of shells and in lists of processes: better give it by itself, as
    /// [`RedisOptions::password`].
    ///
    /// ```
    /// use temporal_code::stores::RedisAddress;
    /// let address = RedisAddress::parse("rediss://worker:secret@redis.example.com/2?prefix=shop").unwrap();
    /// assert_eq!(address.to_string(), "rediss://redis.example.com:6379/2?prefix=shop");
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is none of these. The message has nothing of the text, because that may have a password in
    /// an unexpected place.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        if url.fragment().is_some() {
            return Err(invalid("it has a `#`; in a password, that is written %23"));
        }
        let parameters = Parameters::parse(&url)?;
        let tls = match url.scheme() {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            "unix" | "redis+unix" | "valkey+unix" => return Self::of_socket(&url, parameters),
            _ => return Err(invalid("it begins with neither redis://, rediss:// nor unix://")),
        };
        if parameters.database.is_some() {
            return Err(invalid("the database of a server is given as /NUMBER"));
        }
        Ok(RedisAddress {
            endpoint: Endpoint::Tcp { host: host_of(&url)?, port: url.port().unwrap_or(PORT), tls },
            database: database_of(url.path().strip_prefix('/').unwrap_or_default())?,
            prefix: parameters.prefix,
            username: decoded(url.username())?,
            password: decoded(url.password().unwrap_or_default())?,
        })
    }

    fn of_socket(url: &Url, parameters: Parameters) -> Result<Self, Error> {
        if url.host_str().is_some_and(|host| !host.is_empty()) || url.password().is_some() || url.path().len() < 2 {
            return Err(invalid("a socket is given as unix:///path/of.socket"));
        }
        let path = decoded(url.path())?.unwrap_or_default();
        if path.chars().any(char::is_control) {
            return Err(invalid("its path has control characters"));
        }
        // A socket has no such name. What was to be an address of a server with a password would be shown with it.
        if path.split_once(':').is_some_and(|(_, behind)| behind.contains('@')) {
            return Err(invalid("its path has an `@` behind a `:`, as if it were a user with a password"));
        }
        let database = parameters.database.as_deref().map_or(Ok(0), database_of)?;
        let endpoint = Endpoint::Unix(PathBuf::from(path));
        Ok(RedisAddress { endpoint, database, prefix: parameters.prefix, username: None, password: None })
    }

    /// What the keys of the store begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether it has a user name or a password in it.
    pub fn has_credentials(&self) -> bool {
        self.username.is_some() || self.password.is_some()
    }

    /// The number of the database.
    pub fn database(&self) -> u32 {
        self.database
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = Some(&self.prefix).filter(|prefix| *prefix != PREFIX);
        match &self.endpoint {
            Endpoint::Tcp { host, port, tls } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}/{}", self.database)?;
                prefix.map_or(Ok(()), |prefix| write!(f, "?prefix={prefix}"))
            }
            Endpoint::Unix(path) => {
                write!(f, "unix://{}?database={}", path.display(), self.database)?;
                prefix.map_or(Ok(()), |prefix| write!(f, "&prefix={prefix}"))
            }
        }
    }
}

fn invalid(problem: &str) -> Error {
    Error::invalid("address of a Redis", problem)
}

struct Parameters {
    prefix: String,
    database: Option<String>,
}

impl Parameters {
    fn parse(url: &Url) -> Result<Self, Error> {
        let (mut prefix, mut database) = (None, None);
        for (key, value) in url.query_pairs() {
            let before = match &*key {
                "prefix" => prefix.replace(value.into_owned()),
                "database" => database.replace(value.into_owned()),
                _ => return Err(invalid("behind `?` it has something else than `prefix`")),
            };
            if before.is_some() {
                return Err(invalid("it has a parameter twice"));
            }
        }
        let prefix = prefix.unwrap_or_else(|| PREFIX.to_owned());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
        if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX || !prefix.bytes().all(plain) {
            return Err(invalid("a prefix is 1 to 64 ASCII letters, digits, or any of - _ . : /"));
        }
        Ok(Parameters { prefix, database })
    }
}

fn host_of(url: &Url) -> Result<String, Error> {
    match url.host() {
        Some(Host::Ipv4(address)) => Ok(address.to_string()),
        Some(Host::Ipv6(address)) => Ok(address.to_string()),
        Some(Host::Domain(name)) if is_host(name) => Ok(name.to_owned()),
        Some(Host::Domain(name)) if !name.is_empty() => Err(invalid("its host is not a plain name")),
        _ => Err(invalid("it names no host")),
    }
}

/// A name that can be looked up, or an address.
pub(crate) fn is_host(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.len() <= 253 && (name.bytes().all(plain) || name.parse::<std::net::IpAddr>().is_ok())
}

fn database_of(text: &str) -> Result<u32, Error> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    // The text is not repeated: behind a stray `/` there may be the rest of a password.
    text.parse().ok().filter(|_| digits).ok_or_else(|| invalid("its database is not a number"))
}

/// The text that is percent-encoded; none if it is empty.
fn decoded(text: &str) -> Result<Option<String>, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(_) => Err(invalid("a part of it is not UTF-8 when decoded")),
    }
}

/// How to talk to a Redis. It prints without what is secret.
#[derive(Clone)]
pub struct RedisOptions {
    /// The user; goes before one in the address. None for the user `default`.
    pub username: Option<String>,
    /// The password; goes before one in the address.
    pub password: Option<String>,
    /// Certificates, in PEM, of those whom to trust with `rediss://`. None for those whom browsers trust.
    pub ca_certificates: Option<Vec<u8>>,
    /// The certificate, in PEM, to show to a server that asks for one; [`client_key`](Self::client_key) belongs to it.
    pub client_certificate: Option<Vec<u8>>,
    /// The private key, in PEM, of [`client_certificate`](Self::client_certificate).
    pub client_key: Option<Vec<u8>>,
    /// Longest wait for a connection, with all that it takes to be let in.
    pub connect_timeout: Duration,
    /// Longest wait for an answer.
    pub response_timeout: Duration,
    /// How many replicas must have a batch before it is acknowledged. With at least 1, what was acknowledged survives a
    /// failover to one of them, which a failover otherwise need not; each batch then takes a round trip to them.
    pub replicas_min: u32,
}

impl Default for RedisOptions {
    /// No credentials but those of the address, five seconds for a connection, ten for an answer, no replicas.
    fn default() -> Self {
        RedisOptions {
            username: None,
            password: None,
            ca_certificates: None,
            client_certificate: None,
            client_key: None,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(10),
            replicas_min: 0,
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = |is_there: bool| if is_there { "given" } else { "none" };
        f.debug_struct("RedisOptions")
            .field("username", &given(self.username.is_some()))
            .field("password", &given(self.password.is_some()))
            .field("ca_certificates", &given(self.ca_certificates.is_some()))
            .field("client_certificate", &given(self.client_certificate.is_some()))
            .field("client_key", &given(self.client_key.is_some()))
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("replicas_min", &self.replicas_min)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> RedisAddress {
        RedisAddress::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn addresses_have_one_form() {
        for (text, shown) in [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("redis://localhost/", "redis://localhost:6379/0"),
            ("valkey://10.0.0.7:7000/15", "redis://10.0.0.7:7000/15"),
            ("redis://[::1]:7000/15", "redis://[::1]:7000/15"),
            ("rediss://a.b_c-d.example/?prefix=shop:eu.1", "rediss://a.b_c-d.example:6379/0?prefix=shop:eu.1"),
            ("redis://localhost?prefix=tc", "redis://localhost:6379/0"),
            ("unix:///run/redis.sock", "unix:///run/redis.sock?database=0"),
            ("redis+unix:///run/a%20b.sock?prefix=x&database=3", "unix:///run/a b.sock?database=3&prefix=x"),
        ] {
            assert_eq!(parsed(text).to_string(), shown);
        }
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        for (text, username, password) in [
            ("redis://h", None, None),
            ("redis://u@h", Some("u"), None),
            ("redis://:hunter2@h", None, Some("hunter2")),
            ("redis://u:hunter2@h:1/2?prefix=x", Some("u"), Some("hunter2")),
            ("redis://u:hunter2%40%2F%3A%23%25%zz%C3%A9@h", Some("u"), Some("hunter2@/:#%%zzé")),
            ("redis://u:a@hunter2@h", Some("u"), Some("a@hunter2")),
            ("redis://u:@h", Some("u"), None),
        ] {
            let address = parsed(text);
            assert_eq!((address.username.as_deref(), address.password.as_deref()), (username, password), "{text}");
            let shown = format!("{address} {address:?} {:?}", Some(&address));
            assert!(!shown.contains("hunter2") && !shown.contains('@'), "{shown}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        let long = format!("redis://h?prefix={}", "hunter2".repeat(10));
        let deep = format!("redis://{}", "hunter2.".repeat(100_000));
        for text in [
            "",
            "hunter2",
            "hunter2://h",
            "http://u:hunter2@h",
            "redis:hunter2",
            "redis://",
            "redis:///1",
            "redis://:hunter2@",
            "redis://u:hunter2@:6379",
            "redis://u:hunter2/x@h",
            "redis://u:1/hunter2@h",
            "redis://u:1?hunter2@h",
            "redis://u:hunter2?x@h",
            "redis://u:hunter2#x@h",
            "redis://u:1#hunter2@h",
            "redis://u:hunter2@h:99999",
            "redis://u:hunter2@h:x",
            "redis://u:hunter2@h/-1",
            "redis://u:hunter2@h/1/2",
            "redis://u:hunter2@h/4294967296",
            "redis://u:hunter2@h/0?database=1",
            "redis://u:hunter2@h?password=hunter2",
            "redis://u:hunter2@h?prefix=a&prefix=b",
            "redis://u:hunter2@h?prefix=",
            "redis://u:hunter2@h?prefix={a}",
            "redis://u:hunter2@h?prefix=a*",
            "redis://u:hunter2@h?prefix=%00",
            "redis://u:hunter2@h?prefix=%0Ahunter2",
            "redis://u:hunter2@h?prefix=é",
            "redis://u:hunter2@h%00x",
            "redis://u:hunter2@h é",
            "redis://u:hunter2@\u{1b}[31m",
            "redis://u:hunter2%FF@h",
            "redis://u:hunter2@[::1",
            "unix://hunter2",
            "unix://u:hunter2@/x",
            "unix:///",
            "unix:///hunter2%0Ax",
            "unix:///u:hunter2@h",
            "unix:///u%3Ahunter2%40h.sock?database=1",
            "unix:///x?database=hunter2",
            "unix:///x#hunter2",
            &long,
            &deep,
        ] {
            let error = RedisAddress::parse(text).expect_err(text);
            assert!(matches!(error, Error::Invalid { .. }), "{text}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2") && !shown.contains('\u{1b}') && shown.len() < 400, "{shown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_panic_or_an_error_that_repeats_it(before in ".{0,20}", behind in ".{0,20}") {
            for text in [
                format!("{before}hunter2{behind}"),
                format!("redis://{before}:hunter2{behind}@h"),
                format!("rediss://u:hunter2@{before}/{behind}"),
                format!("unix://{before}hunter2?{behind}"),
            ] {
                if let Err(error) = RedisAddress::parse(&text) {
                    assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}");
                }
            }
        }
    }

    #[test]
    fn options_are_not_shown_with_what_is_secret() {
        let secret = || Some("hunter2".to_owned());
        let pem = || Some(b"hunter2".to_vec());
        let options = RedisOptions {
            username: secret(),
            password: secret(),
            client_certificate: pem(),
            client_key: pem(),
            ..RedisOptions::default()
        };
        let shown = format!("{options:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("104, 117"), "{shown}");
    }
}
