//! What Redis and the way to it answer when something is wrong, as errors of a store.

use std::error::Error as _;
use std::sync::Arc;

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::Error;
use crate::text;

/// Most of what a server said that is passed on, in characters.
const SAID_CHARS_MAX: usize = 300;

/// The codes that matter, as they begin an answer.
const CODES: [&str; 16] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
    "WRONGTYPE",
];

/// The code that an answer begins with.
pub(super) fn code(error: &RedisError) -> Option<&'static str> {
    let first = error.code()?;
    // Before version 7, what a command in a script answered came wrapped in an error of the script.
    let wrapped = (first == "ERR").then(|| error.detail()).flatten().filter(|text| text.contains("@user_script"));
    match wrapped {
        Some(text) => CODES.into_iter().find(|code| text.split(' ').any(|word| word == *code)),
        None => CODES.into_iter().find(|code| *code == first),
    }
}

/// Whether a connection that gave this error should not be used again.
pub(super) fn breaks_connection(error: &RedisError) -> bool {
    // After a timeout the connection may be dead without anybody having said so. A replica may be a primary that was
    // demoted: its name may by now lead elsewhere.
    error.is_io_error() || error.is_unrecoverable_error() || matches!(code(error), Some("READONLY" | "NOAUTH"))
}

/// The error of a store that says what happened while `doing`, at `location`.
pub(crate) fn explain(error: &RedisError, doing: &str, location: &str) -> Error {
    let doing = format!("{doing} at {location}");
    // On one line and harmless on a terminal.
    let said = text::excerpt(&error.to_string(), SAID_CHARS_MAX);
    let unfit = |problem: String| Error::Unfit { place: location.to_owned(), problem };
    match code(error) {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => return Error::denied(doing, said),
        Some("READONLY") => return unfit("it is a read-only replica; the address of its primary is needed".to_owned()),
        Some("MOVED") => return unfit(format!("it is a node of a cluster that leads from one to the next: {said}")),
        Some("WRONGTYPE") => return Error::corrupt(location, format!("a key has another type than it should: {said}")),
        Some("OOM") => return Error::unavailable(format!("{doing}, whose memory is full,"), said),
        Some(_) => return Error::unavailable(doing, said),
        None => {}
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => Error::denied(doing, said),
        ErrorKind::Io => tls_failure(error).map_or_else(
            || Error::unavailable(doing.clone(), said),
            |tls| match tls {
                Tls::Refused(said) => Error::denied(doing.clone(), said),
                Tls::Unfit(problem) => unfit(problem),
            },
        ),
        ErrorKind::Parse => unfit(format!("it does not speak the protocol of Redis: {said}")),
        ErrorKind::Server(ServerErrorKind::ResponseError) => response_error(error, doing, said, unfit),
        _ => Error::unavailable(doing, said),
    }
}

/// The error for a scan of which the server never says that it has ended.
pub(crate) fn endless_scan(location: &str) -> Error {
    let problem = "its list of keys (SCAN) has no end: it is no Redis, or something in between is confused".to_owned();
    Error::Unfit { place: location.to_owned(), problem }
}

fn response_error(error: &RedisError, doing: String, said: String, unfit: impl Fn(String) -> Error) -> Error {
    let text = error.to_string();
    let has = |part: &str| text.contains(part);
    // Some versions say without a code that a script lacks a right.
    if ["no permission", "can't run this command", "can't access at least one of the keys", "ACL failure in script"]
        .into_iter()
        .any(has)
    {
        return Error::denied(doing, said);
    }
    if has("refused to switch database") {
        let why = if has("cluster mode") { "a cluster has only database 0" } else { "it has no such database" };
        return unfit(why.to_owned());
    }
    if has("max number of clients") {
        return Error::unavailable(doing, said);
    }
    unfit(format!("it cannot do what a store needs: {said}"))
}

enum Tls {
    Refused(Box<rustls::Error>),
    Unfit(String),
}

/// What TLS found wrong that time does not heal.
fn tls_failure(error: &RedisError) -> Option<Tls> {
    // What the client shows as the source is the pointer that it shares the error by.
    let shared: &Arc<dyn std::error::Error + Send + Sync> = error.source()?.downcast_ref()?;
    let io: &std::io::Error = (**shared).downcast_ref()?;
    let tls: &rustls::Error = io.get_ref()?.downcast_ref()?;
    Some(match tls {
        rustls::Error::InvalidCertificate(why) => Tls::Unfit(format!("its certificate is not trusted: {why}")),
        rustls::Error::InvalidMessage(_) => Tls::Unfit("it does not speak TLS; redis:// goes without".to_owned()),
        rustls::Error::AlertReceived(_) => Tls::Refused(Box::new(tls.clone())),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> RedisError {
        let value = ::redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    #[test]
    fn answers_have_one_kind_of_error_each() {
        for (answer, kind) in [
            ("NOAUTH Authentication required.", "denied"),
            ("WRONGPASS invalid username-password pair or user is disabled.", "denied"),
            ("NOPERM this user has no permissions to run the 'evalsha' command", "denied"),
            (
                "ERR The user executing the script can't run this command or subcommand script: f, on @user_script:1.",
                "denied",
            ),
            (
                "ERR ACL failure in script: User default has no permissions to run the 'zadd' command script: f",
                "denied",
            ),
            ("READONLY You can't write against a read only replica.", "unfit"),
            ("LOADING Redis is loading the dataset in memory", "unavailable"),
            ("BUSY Redis is busy running a script.", "unavailable"),
            ("CLUSTERDOWN Hash slot not served", "unavailable"),
            ("TRYAGAIN Multiple keys request during rehashing of slot", "unavailable"),
            ("ASK 1 127.0.0.1:1", "unavailable"),
            ("MASTERDOWN Link with MASTER is down", "unavailable"),
            ("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist", "unavailable"),
            ("NOREPLICAS Not enough good replicas to write.", "unavailable"),
            ("OOM command not allowed when used memory > 'maxmemory'.", "unavailable"),
            ("ERR max number of clients reached", "unavailable"),
            ("ERR unknown command 'EVALSHA', with args beginning with: ", "unfit"),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", "corrupt"),
            (
                "ERR Error running script (call to f_1): @user_script:3: WRONGTYPE Operation against a key holding the \
                 wrong kind of value",
                "corrupt",
            ),
        ] {
            assert_eq!(explain(&server(answer), "reading", "redis://h").code(), kind, "{answer}");
        }
    }

    #[test]
    fn what_a_server_says_is_harmless_and_short() {
        let text = format!("OOM \u{1b}[31m\u{202e}{}", "x".repeat(100_000));
        let error = explain(&server(&text), "reading", "redis://h");
        let shown = format!("{} {}", error, std::error::Error::source(&error).unwrap());
        assert!(!shown.contains(['\u{1b}', '\u{202e}']) && shown.len() < 600, "{shown}");
    }
}
