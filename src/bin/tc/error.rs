//! What went wrong, in words and as an exit code.

use std::ffi::OsString;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use temporal_code::logs::{self, ReadError, ScanError};
use temporal_code::{stores, text};

/// Done, or the gate passed.
pub(crate) const DONE: u8 = 0;
/// A negative verdict.
pub(crate) const NEGATIVE: u8 = 1;
/// Usage, unreadable or bad data, I/O.
pub(crate) const USAGE: u8 = 2;
/// Credentials refused.
pub(crate) const DENIED: u8 = 4;
/// The log moved.
pub(crate) const CONFLICT: u8 = 5;
/// Pending or inconclusive.
pub(crate) const PENDING: u8 = 8;
/// Interrupted from the keyboard.
pub(crate) const INTERRUPTED: u8 = 130;

/// An error that knows its code for programs, and what might help.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    #[source]
    pub(crate) cause: Option<anyhow::Error>,
    /// What others decided first, for scripts.
    pub(crate) decisions: Vec<Value>,
    pub(crate) exit: u8,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Failure { code, message: message.into(), hint: None, cause: None, decisions: Vec::new(), exit: USAGE }
    }

    /// Something that is there, and that the system does not let us read.
    pub(crate) fn unreadable(what: impl std::fmt::Display, cause: impl Into<anyhow::Error>) -> Self {
        Failure::new("unreadable", format!("cannot read {what}")).cause(cause)
    }

    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Self {
        Failure { hint, ..self }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Failure { hint: Some(hint.into()), ..self }
    }

    pub(crate) fn cause(self, cause: impl Into<anyhow::Error>) -> Self {
        Failure { cause: Some(cause.into()), ..self }
    }
}

/// What was typed that may hold a password, and what is shown instead.
pub(crate) type Secrets = [(String, String)];

/// Prints an error to standard error and returns the exit code that it stands for.
pub(crate) fn show(error: &anyhow::Error, json: bool, secrets: &Secrets) -> u8 {
    if is_closed_pipe(error) {
        return DONE;
    }
    let failure = error.downcast_ref::<Failure>();
    let code = failure.map_or_else(|| code_of(error), |failure| failure.code);
    let hint = failure.and_then(|failure| failure.hint.clone()).or_else(|| hint_of(error));
    let hint = hint.map(|hint| without(&hint, secrets));
    let causes = error.chain().skip(1).map(|cause| without(&cause.to_string(), secrets)).collect::<Vec<_>>();
    let decisions = failure.map_or(&[][..], |failure| &failure.decisions);
    print(json, code, &without(&error.to_string(), secrets), &causes, hint.as_deref(), decisions);
    match store_error(error) {
        Some(stores::Error::Denied { .. }) => DENIED,
        Some(stores::Error::Conflict { .. }) => CONFLICT,
        _ => failure.map_or(USAGE, |failure| failure.exit),
    }
}

/// What a store said, if that is beneath.
fn store_error(error: &anyhow::Error) -> Option<&stores::Error> {
    error.chain().find_map(|cause| match cause.downcast_ref::<io::Error>() {
        Some(io) => logs::store_error(io),
        None => cause.downcast_ref(),
    })
}

fn code_of(error: &anyhow::Error) -> &'static str {
    if let Some(error) = store_error(error) {
        return error.code();
    }
    match error.downcast_ref::<ScanError>() {
        Some(ScanError::Overflow(_)) => "too_large",
        Some(ScanError::Read(_)) => "unreadable",
        None if error.downcast_ref::<ReadError>().is_some() => "unreadable",
        None => "io",
    }
}

fn hint_of(error: &anyhow::Error) -> Option<String> {
    let of_store = match store_error(error) {
        Some(stores::Error::Unfit { problem, .. }) if problem.contains("certificate is not trusted") => {
            Some("an authority of your own is named by REDIS_CA_CERT, or by SSL_CERT_FILE or SSL_CERT_DIR")
        }
        Some(stores::Error::Denied { doing, source }) => hint_of_credentials(doing, &source.to_string()),
        _ => None,
    };
    let mut io = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    let is_closed = |io: &io::Error| io.kind() == io::ErrorKind::PermissionDenied && logs::store_error(io).is_none();
    let of_file =
        || io.next().is_some_and(is_closed).then_some("you are not allowed to read it: look at its permissions");
    of_store.or_else(of_file).map(str::to_owned)
}

/// Where the credentials come from that were refused, or that were not there; none, if that was no server.
fn hint_of_credentials(doing: &str, said: &str) -> Option<&'static str> {
    let has = |schemes: &[&str]| schemes.iter().any(|scheme| doing.contains(scheme));
    let is_redis = has(&["redis://", "rediss://", "unix://"]);
    match () {
        () if is_redis && said.contains("received fatal alert") => {
            Some("a certificate to show is named by REDIS_CLIENT_CERT and REDIS_CLIENT_KEY")
        }
        () if is_redis => {
            Some("credentials for Redis come from REDIS_USERNAME and REDIS_PASSWORD, or from its address")
        }
        () if has(&["s3://"]) => Some(
            "credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the profile that AWS_PROFILE names",
        ),
        () if has(&["gs://"]) => Some("credentials come from what begins with GOOGLE_"),
        () if has(&["az://"]) => Some("credentials come from what begins with AZURE_"),
        () => None,
    }
}

/// Whether whoever reads our output has gone, which is no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    kinds.into_iter().any(|io| io.kind() == io::ErrorKind::BrokenPipe)
}

/// A text in which nothing secret is repeated.
fn without(text: &str, secrets: &Secrets) -> String {
    secrets.iter().fold(text.to_owned(), |text, (secret, shown)| text.replace(secret, shown))
}

fn print(json: bool, code: &str, message: &str, causes: &[String], hint: Option<&str>, decisions: &[Value]) {
    let mut text = String::new();
    if json {
        let whole = [&[message.to_string()], causes].concat().join(": ");
        let mut error = json!({"error": {"code": code, "message": whole, "hint": hint}});
        if !decisions.is_empty() {
            error["error"]["decisions"] = decisions.into();
        }
        text = text::json(&error.to_string()).into_owned() + "\n";
    } else {
        let causes = causes.iter().map(|cause| ("caused by", cause.as_str()));
        let lines = [("error", message)].into_iter().chain(causes).chain(hint.map(|hint| ("hint", hint)));
        for (label, words) in lines {
            text.push_str(&format!("{label}: {}\n", text::harmless(words)));
        }
    }
    // There is nobody left to tell when standard error is gone too.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Prints why arguments were not understood, or the help or version that they ask for.
pub(crate) fn show_refusal(refusal: &clap::Error, arguments: &[OsString], secrets: &Secrets) -> u8 {
    if !refusal.use_stderr() {
        let printed = refusal.print();
        return if printed.is_ok_and(|()| io::stdout().flush().is_ok()) { DONE } else { USAGE };
    }
    let words = arguments.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>();
    let asks = |format: &str| matches!(format, "json" | "jsonl");
    let joined = |word: &str| ["--output=", "-o=", "-o"].iter().any(|flag| word.strip_prefix(flag).is_some_and(asks));
    let json = words.iter().any(|word| word == "--json" || joined(word))
        || words.windows(2).any(|pair| matches!(&*pair[0], "-o" | "--output") && asks(&pair[1]));
    let rendered = refusal.render();
    let repeats = rendered.ansi().to_string();
    let kind = secrets.iter().any(|(secret, _)| repeats.contains(secret)).then(|| refusal.kind().to_string());
    if json {
        let rendered = rendered.to_string();
        let message = rendered.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        print(true, "usage", kind.as_deref().unwrap_or(message).trim(), &[], Some("tc --help"), &[]);
    } else if let Some(kind) = kind {
        print(false, "usage", &kind, &[], Some("it may hold a password, and is not repeated; try `tc --help`"), &[]);
    } else {
        let _ = refusal.print();
    }
    USAGE
}
