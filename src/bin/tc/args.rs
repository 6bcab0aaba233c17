//! The options that all commands share.

use std::ffi::OsString;
use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where the logs are: a file, a folder, a quoted glob, redis://HOST, s3://BUCKET/PREFIX, gs://, az://, `-` for standard
    /// input; may be given more than once
    ///
    /// Credentials for Redis come from $REDIS_USERNAME and $REDIS_PASSWORD, certificates for it from $REDIS_CA_CERT,
    /// $REDIS_CLIENT_CERT and $REDIS_CLIENT_KEY; those for object stores come from what begins with AWS_, GOOGLE_ or AZURE_,
    /// and from the profile that $AWS_PROFILE names.
    /// Files compressed with gzip or zstd are decompressed while read. Default: $TC_STORE, else the folder
    /// evolution_logs or .tc, here or in the nearest folder above.
    #[arg(short, long, global = true, value_name = "STORE")]
    pub(crate) store: Vec<OsString>,

    /// What kind of store it is, instead of detecting it
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value = "auto", hide_default_value = true)]
    pub(crate) format: StoreFormat,

    /// How to print
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<OutputFormat>,

    /// The same as --output json
    #[arg(long, global = true, conflicts_with = "output")]
    pub(crate) json: bool,

    /// When to use colour [default: auto]
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto", hide_default_value = true)]
    pub(crate) color: When,

    /// Time zone of what is printed and of dates given: `local`, `utc`, `+02:00`, `Europe/Paris` [default: local]
    #[arg(long, global = true, value_name = "ZONE", allow_hyphen_values = true)]
    pub(crate) tz: Option<String>,

    /// How to print times in tables
    #[arg(long, global = true, value_enum, value_name = "STYLE")]
    pub(crate) time: Option<TimeStyle>,

    /// Do not page long output
    #[arg(long, global = true)]
    pub(crate) no_pager: bool,

    /// Fail on the first line that cannot be read, instead of skipping and counting it
    #[arg(long, global = true)]
    pub(crate) strict: bool,

    /// Say more: which files were read, and what was skipped in them
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    /// No progress bar, no warnings
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Threads that read [default: one a core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

impl Global {
    /// How to print what is asked for.
    pub(crate) fn output(&self) -> OutputFormat {
        if self.json { OutputFormat::Json } else { self.output.unwrap_or(OutputFormat::Table) }
    }

    /// Whether errors are printed as JSON too.
    pub(crate) fn wants_json(&self) -> bool {
        matches!(self.output(), OutputFormat::Json | OutputFormat::Jsonl)
    }

    /// Whether to colour what goes to standard output.
    pub(crate) fn colours(&self) -> bool {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto => std::io::stdout().is_terminal() && !set("NO_COLOR") && !is_dumb_terminal(),
        }
    }
}

/// Whether the terminal can do nothing but show lines.
pub(crate) fn is_dumb_terminal() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Kinds of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreFormat {
    /// Look and see
    Auto,
    /// Evolution logs of the Python package temporal-code
    TemporalCode,
    /// Workflow runs of tc
    Tc,
    /// Workflow runs of the Python package substantial
    Substantial,
    /// Programs of the Python package durable-python
    DurablePython,
}

/// Ways to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Tables for people
    Table,
    /// One JSON object with all items
    Json,
    /// One JSON object a line, one line an item
    Jsonl,
    /// Comma-separated values with a header
    Csv,
    /// Tables for Markdown
    Markdown,
}

/// When to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Even off a terminal
    Always,
    /// Not at all
    Never,
}

/// Ways to print a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeStyle {
    /// `3m ago`
    Relative,
    /// `2026-11-21T21:07:31.507299Z`
    Iso,
}
