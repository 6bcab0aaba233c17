//! A progress bar on standard error, for scans that take a while.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::evolution::source::Progress;

/// How long a scan takes before the bar shows.
const PATIENCE: Duration = Duration::from_millis(500);
const REFRESH: Duration = Duration::from_millis(100);

/// Runs `work`, and shows how far it is on a terminal unless `quiet`; `total` is in bytes, if known.
pub(crate) fn watch<T>(quiet: bool, total: Option<u64>, work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress::default();
    if quiet || !io::stderr().is_terminal() {
        return work(&progress);
    }
    std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let watched = &progress;
        scope.spawn(move || {
            if is_done.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = bar(total);
            while is_done.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
                bar.set_position(watched.bytes());
            }
            bar.finish_and_clear();
        });
        let result = work(&progress);
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
    bar.set_draw_target(ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style)
}
