//! Any bytes as a log: nothing panics, and the fast path finds what the exact path finds.
#![no_main]

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use temporal_code::logs::{EventFilter, LogEvent, LogSource, ReadProgress, ScanOptions, Summary};
use temporal_code::testing::{self, ScanRecord, Visitor};

/// Writes every event down.
struct Tracer(Vec<String>);

impl Visitor for Tracer {
    type Part = ();

    fn event(&mut self, record: &ScanRecord<'_>, event: &LogEvent<'_>) {
        let text = String::from_utf8_lossy(record.text);
        self.0.push(format!("{} {} {:?} {event:?}", record.offset, record.line, text.trim_ascii()));
    }

    fn end_block(&mut self) {}
}

/// Every event, all that is said of what could not be read, and all counts.
fn read(path: &Path, exact_only: bool) -> (Vec<String>, String, String) {
    let (sources, progress) = ([LogSource::File(path.to_path_buf())], ReadProgress::default());
    let mut options = ScanOptions::new(&progress);
    (options.threads, options.exact_only) = (1, exact_only);
    let merge = |_, ()| ControlFlow::Continue(());
    let (mut visitors, evidence) =
        testing::scan(&sources, &options, || Tracer(Vec::new()), merge).expect("a readable log");
    let filter = EventFilter { errors: true, ..EventFilter::default() };
    let (summary, again) = Summary::read(&sources, &filter, &options).expect("a readable log");
    assert_eq!(format!("{evidence:?}"), format!("{again:?}"));
    let events = visitors.swap_remove(0).0;
    assert_eq!(summary.kinds().values().sum::<u64>(), events.len() as u64);
    (events, format!("{evidence:?}"), counts(&summary))
}

fn counts(summary: &Summary) -> String {
    let mut out = format!("{:?}", summary.kinds());
    for function in &summary.functions {
        out += &format!("\n{:?} {:?}", function.name, function.span());
        for variant in &function.variants {
            let shown =
                (&variant.name, &variant.primary, &variant.fallback, &variant.errors.messages, variant.decisions);
            out += &format!("\n  {shown:?}");
        }
    }
    out
}

fuzz_target!(|log: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(log).expect("written");
    assert_eq!(read(file.path(), false), read(file.path(), true));
});
