//! A progress bar on standard error, for scans that take a while.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use temporal_code::logs::ReadProgress;
use temporal_code::text;

/// How long a scan takes before the bar shows.
const PATIENCE: Duration = Duration::from_millis(500);
const REFRESH: Duration = Duration::from_millis(100);

/// Runs `work`, and shows how far it is on a terminal unless `quiet`; `total` is in bytes, if known.
pub(crate) fn watch<T>(quiet: bool, total: Option<u64>, work: impl FnOnce(&ReadProgress) -> T) -> T {
    let progress = ReadProgress::default();
    shown(quiet, || bar(total), || progress.bytes(), || work(&progress))
}

/// The same for work that counts what it has looked at; `what` is that in the plural.
pub(crate) fn count<T>(quiet: bool, what: &'static str, work: impl FnOnce(&AtomicU64) -> T) -> T {
    let count = AtomicU64::new(0);
    let bar = || styled(ProgressBar::new_spinner(), &format!("{{spinner}} {{human_pos}} {what} {{elapsed}}"));
    shown(quiet, bar, || count.load(Ordering::Relaxed), || work(&count))
}

/// The same for a request to a store, which is named while it does not answer.
pub(crate) fn ask<T>(quiet: bool, store: &str, work: impl FnOnce() -> T) -> T {
    let bar = || {
        styled(ProgressBar::new_spinner(), "{spinner} waiting for {msg} {elapsed}")
            .with_message(text::harmless(store).into_owned())
    };
    shown(quiet, bar, || 0, work)
}

fn shown<T>(
    quiet: bool,
    bar: impl FnOnce() -> ProgressBar + Send,
    position: impl Fn() -> u64 + Send,
    work: impl FnOnce() -> T,
) -> T {
    if quiet || !io::stderr().is_terminal() {
        return work();
    }
    std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let show = move || {
            if is_done.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = bar();
            while is_done.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
                bar.set_position(position());
            }
            bar.finish_and_clear();
        };
        // Where no thread can be made, nothing is shown.
        let _ = std::thread::Builder::new().spawn_scoped(scope, show);
        let result = work();
        drop(done);
        result
    })
}

fn bar(total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "reading {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "reading {spinner} {bytes} {bytes_per_sec}",
    };
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    styled(bar, template)
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    bar.set_draw_target(ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style)
}
