//! What the tests share: logs written as the Python tracker writes them, and everything that the library says of a log
//! as one text, so that two readings can be compared whole.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use temporal_code::Timestamp;
use temporal_code::logs::{
    EventFilter, Evidence, LogEvent, LogSource, ReadProgress, ScanError, ScanOptions, Summary, Tally, TimeSpan,
    VariantSummary,
};
use temporal_code::testing::{self, ScanRecord, Visitor};

/// 2026-11-21T21:00:00Z, in microseconds since the epoch.
pub(crate) const START_US: i64 = 1_795_294_800_000_000;

/// How a test reads logs.
#[derive(Clone, Copy)]
pub(crate) struct How {
    pub(crate) threads: usize,
    pub(crate) exact_only: bool,
    pub(crate) backwards: bool,
}

/// One thread, with the fast path.
pub(crate) const FAST: How = How { threads: 1, exact_only: false, backwards: false };

/// One thread, without the fast path.
pub(crate) const EXACT: How = How { exact_only: true, ..FAST };

/// The summary of some logs, errors included.
pub(crate) fn read(
    sources: &[LogSource],
    filter: &EventFilter,
    how: How,
) -> Result<(Summary, Vec<Evidence>), ScanError> {
    let progress = ReadProgress::default();
    Summary::read(sources, filter, &options(&progress, how))
}

pub(crate) fn options(progress: &ReadProgress, how: How) -> ScanOptions<'_> {
    let mut options = ScanOptions::new(progress);
    options.threads = how.threads;
    options.exact_only = how.exact_only;
    options.backwards = how.backwards;
    options
}

/// Everything, errors by message too.
pub(crate) fn with_errors() -> EventFilter {
    EventFilter { errors: true, ..EventFilter::default() }
}

/// The summary of one log that can be read.
pub(crate) fn summary_of(log: &[u8]) -> (Summary, Evidence) {
    let file = file_of(log);
    let (summary, mut evidence) = read(&[source(file.path())], &with_errors(), FAST).expect("a readable log");
    (summary, evidence.remove(0))
}

/// Reads some logs and writes down what the library says of them.
pub(crate) fn dump(sources: &[LogSource], filter: &EventFilter, how: How) -> String {
    let (summary, evidence) = read(sources, filter, how).expect("readable logs");
    format!("{}{}", summary_text(&summary), evidence.iter().map(evidence_text).collect::<String>())
}

/// All that a summary says, to the last bit.
pub(crate) fn summary_text(summary: &Summary) -> String {
    let mut out = format!("undated {} nameless {:?} kinds {:?}\n", summary.undated, summary.nameless, summary.kinds());
    for function in &summary.functions {
        let decisions = (function.promotions, function.rollbacks, function.weight_changes, &function.others);
        let (events, calls) = (function.events(), function.calls());
        line(&mut out, format!("{:?} {events} {calls} {decisions:?} {}", function.name, span_text(function.span())));
        for variant in &function.variants {
            variant_text(&mut out, variant);
        }
    }
    out
}

fn variant_text(out: &mut String, variant: &VariantSummary) {
    line(out, format!("  {:?} decided {}", variant.name, span_text(variant.decisions)));
    line(out, format!("    primary {}", tally_text(&variant.primary)));
    line(out, format!("    fallback {}", tally_text(&variant.fallback)));
    line(out, format!("    all {}", tally_text(&variant.all())));
    for (message, count) in &variant.errors.messages {
        line(out, format!("    {count} × {message:?}"));
    }
    line(out, format!("    {} other errors", variant.errors.other));
}

fn tally_text(tally: &Tally) -> String {
    let latency = &tally.latency;
    let quantiles = [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0];
    let quantiles = quantiles.map(|q| latency.quantile_ns(q).map(f64::to_bits));
    let mean = latency.mean_ns().map(f64::to_bits);
    format!(
        "{} of {} at {} latency {} mean {mean:x?} max {:?} quantiles {quantiles:x?}",
        tally.successes,
        tally.calls,
        span_text(tally.span),
        latency.count(),
        latency.max_ns(),
    )
}

fn span_text(span: TimeSpan) -> String {
    format!("{:?}", (span.first().map(Timestamp::micros), span.last().map(Timestamp::micros)))
}

/// All that the library says of what it could not read of a log, but for the log's name.
pub(crate) fn evidence_text(evidence: &Evidence) -> String {
    let counts =
        (evidence.lines, evidence.skipped, evidence.glued, evidence.foreign, evidence.shrunk, evidence.complete());
    let mut out = format!("evidence {counts:?} damaged {:?}\n", evidence.damaged);
    for place in &evidence.places {
        line(&mut out, format!("  line {:?} at {}: {:?}: {}", place.line, place.offset, place.fault, place.fault));
    }
    out
}

fn line(out: &mut String, text: String) {
    writeln!(out, "{text}").expect("a string takes all");
}

/// Writes every event down; a long one is cut.
#[derive(Default)]
struct Tracer {
    events: Vec<String>,
    /// Where the first event of the block stands.
    offset: u64,
}

impl Visitor for Tracer {
    type Part = (u64, Vec<String>);

    fn event(&mut self, record: &ScanRecord<'_>, event: &LogEvent<'_>) {
        if self.events.is_empty() {
            self.offset = record.offset;
        }
        let text = record.text.trim_ascii();
        let shown = String::from_utf8_lossy(&text[..text.len().min(400)]);
        let mut text = format!("{} {} {} bytes {shown:?}: {event:?}", record.offset, record.line, text.len());
        text.truncate(text.floor_char_boundary(4_000));
        self.events.push(text);
    }

    fn end_block(&mut self) -> Self::Part {
        (self.offset, std::mem::take(&mut self.events))
    }
}

/// Every event of a log as text, one after the other, with the text that it was read from and where that stands.
pub(crate) fn trace(log: &LogSource, how: How) -> (Vec<String>, Evidence) {
    let progress = ReadProgress::default();
    let (mut events, mut last) = (Vec::new(), None);
    let merge = |from: testing::From, (offset, block): (u64, Vec<String>)| {
        if !block.is_empty() {
            let in_order = last.is_none_or(|last| how.backwards == (offset < last));
            assert!(in_order, "blocks come in order");
            last = Some(offset);
        }
        if !how.backwards {
            events.push(format!("{} lines before", from.lines_before));
        }
        events.extend(block);
        ControlFlow::Continue(())
    };
    let sources = std::slice::from_ref(log);
    let scanned = testing::scan(sources, &options(&progress, how), Tracer::default, merge);
    let (_, mut evidence) = scanned.expect("a readable log");
    (events, evidence.remove(0))
}

/// A file that holds `log` and goes when dropped.
pub(crate) fn file_of(log: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(log).expect("written");
    file
}

pub(crate) fn source(path: &Path) -> LogSource {
    LogSource::File(path.to_path_buf())
}

/// A path below `fixtures/`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A log that the Python tracker wrote, by lines without their newlines.
pub(crate) fn real_lines() -> Vec<Vec<u8>> {
    let log = std::fs::read(fixture("evolution/evolution.jsonl")).expect("the fixture");
    log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// A call, to be written as the Python tracker writes it.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) function: String,
    pub(crate) variant: String,
    /// When it ended, in microseconds after [`START_US`].
    pub(crate) at_us: i64,
    pub(crate) latency_ms: f64,
    pub(crate) value: String,
    pub(crate) error: Option<String>,
    pub(crate) success: bool,
    /// The mark that other writers may leave.
    pub(crate) fallback: Option<bool>,
}

impl Call {
    /// A call that returned, after no time at all.
    pub(crate) fn ok(function: &str, variant: &str, at_us: i64) -> Self {
        Call {
            function: function.into(),
            variant: variant.into(),
            at_us,
            latency_ms: 0.0,
            value: "10".into(),
            error: None,
            success: true,
            fallback: None,
        }
    }

    /// A call that failed with `error`.
    pub(crate) fn failed(function: &str, variant: &str, at_us: i64, error: &str) -> Self {
        let ok = Call::ok(function, variant, at_us);
        Call { value: "None".into(), error: Some(error.into()), success: false, ..ok }
    }

    pub(crate) fn taking(self, latency_ms: f64) -> Self {
        Call { latency_ms, ..self }
    }

    pub(crate) fn marked(self, fallback: bool) -> Self {
        Call { fallback: Some(fallback), ..self }
    }

    /// Its line, newline included.
    pub(crate) fn line(&self) -> String {
        let text = |text: &str| serde_json::to_string(text).expect("text is JSON");
        let error = self.error.as_deref().map_or("null".to_string(), text);
        let mark = self.fallback.map_or(String::new(), |mark| format!(", \"fallback\": {mark}"));
        format!(
            r#"{{"event": "call", "function": {}, "timestamp": "{}", "variant": {}, "value": {}, "error": {error}, "latency_ms": {:?}, "success": {}{mark}}}"#,
            text(&self.function),
            python_time(START_US + self.at_us),
            text(&self.variant),
            text(&self.value),
            self.latency_ms,
            self.success,
        ) + "\n"
    }
}

/// A time as Python's `isoformat` prints it.
pub(crate) fn python_time(micros: i64) -> String {
    Timestamp::from_micros(micros).to_string().replace('Z', "+00:00")
}

/// A small generator of repeatable random numbers (SplitMix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// True once in `times`, on average.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}
