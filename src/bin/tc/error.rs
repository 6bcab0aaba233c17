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

/// Prints an error to standard error and returns the exit code that it stands for.
pub(crate) fn show(error: &anyhow::Error, json: bool) -> u8 {
    if is_closed_pipe(error) {
        return DONE;
    }
    let failure = error.downcast_ref::<Failure>();
    let code = failure.map_or_else(|| code_of(error), |failure| failure.code);
    let hint = failure.and_then(|failure| failure.hint.clone()).or_else(|| hint_of(error));
    let causes = error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>();
    let decisions = failure.map_or(&[][..], |failure| &failure.decisions);
    print(json, code, &error.to_string(), &causes, hint.as_deref(), decisions);
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
    let mut io = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    if io.next().is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied && logs::store_error(io).is_none()) {
        return Some("you are not allowed to read it: look at its permissions".into());
    }
    let Some(stores::Error::Denied { doing, .. }) = store_error(error) else { return None };
    let hints = [
        ("redis", "credentials come from the environment: REDIS_USERNAME and REDIS_PASSWORD"),
        ("unix://", "credentials come from the environment: REDIS_USERNAME and REDIS_PASSWORD"),
        (
            "s3://",
            "credentials come from the environment (AWS_ACCESS_KEY_ID …), a web identity, a profile with keys in ~/.aws \
             (AWS_PROFILE), or the machine's role; not from SSO or credential_process: \
             eval \"$(aws configure export-credentials --format env)\"",
        ),
        ("gs://", "credentials come from the environment: what begins with GOOGLE_"),
        ("az://", "credentials come from the environment: what begins with AZURE_"),
    ];
    hints.into_iter().find(|(scheme, _)| doing.contains(scheme)).map(|(_, hint)| hint.to_owned())
}

/// Whether whoever reads our output has gone, which is no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    kinds.into_iter().any(|io| io.kind() == io::ErrorKind::BrokenPipe)
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
pub(crate) fn show_refusal(refusal: &clap::Error, arguments: &[OsString]) -> u8 {
    if !refusal.use_stderr() {
        let printed = refusal.print();
        return if printed.is_ok_and(|()| io::stdout().flush().is_ok()) { DONE } else { USAGE };
    }
    let words = arguments.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>();
    let asks = |format: &str| matches!(format, "json" | "jsonl");
    let joined = |word: &str| ["--output=", "-o=", "-o"].iter().any(|flag| word.strip_prefix(flag).is_some_and(asks));
    let json = words.iter().any(|word| word == "--json" || joined(word))
        || words.windows(2).any(|pair| matches!(&*pair[0], "-o" | "--output") && asks(&pair[1]));
    if json {
        let rendered = refusal.render().to_string();
        let message = rendered.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        print(true, "usage", message.trim(), &[], Some("tc --help"), &[]);
    } else {
        let _ = refusal.print();
    }
    USAGE
}
