//! A thread that talks to servers, for callers who wait.
//!
//! Whoever reads or writes a log here is an ordinary thread, perhaps one of somebody's asynchronous runtime, which may not
//! enter another one. So requests run on a thread of their own, and callers wait for a channel.

use std::future::Future;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::store::Error;

/// Longer than anybody makes requests.
const LONG: Duration = Duration::from_secs(1 << 30);

/// The thread. It ends with this value, and what it was doing is given up.
#[derive(Debug)]
pub(super) struct Worker {
    handle: Handle,
    /// Dropped, it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Worker {
    pub(super) fn start() -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::unavailable("starting a thread for requests", error);
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().thread_keep_alive(LONG).build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let work = move || {
            let _ = runtime.block_on(stopped);
            // A name that is just being looked up is not waited for.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("tc-remote".into()).spawn(work).map_err(failed)?;
        // Names are looked up on another thread, without which the runtime panics: whether one can be made is tried, and it lasts.
        let other = std::thread::Builder::new().spawn(|| ()).map_err(failed)?;
        let _ = other.join();
        handle.spawn(async { tokio::task::spawn_blocking(|| ()).await });
        Ok(Worker { handle, _stop: stop })
    }

    /// Begins some work, whose result can be waited for.
    pub(super) fn begin<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Pending<T> {
        let (done, result) = mpsc::sync_channel(1);
        let task = self.handle.spawn(async move {
            // Nobody may want to know any more.
            let _ = done.try_send(work.await);
        });
        Pending { result, task: task.abort_handle() }
    }

    /// Does some work and waits for its result.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.begin(work).wait().unwrap_or_else(|| Err(gone()))
    }
}

/// The result of some work that was begun. Dropped, the work is given up.
#[derive(Debug)]
pub(super) struct Pending<T> {
    result: Receiver<T>,
    task: AbortHandle,
}

impl<T> Pending<T> {
    /// Waits for it; none if the work was given up.
    pub(super) fn wait(self) -> Option<T> {
        self.result.recv().ok()
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        // Nothing happens if it is done.
        self.task.abort();
    }
}

/// The thread has ended, or what it did has panicked.
pub(super) fn gone() -> Error {
    Error::unavailable("a request", "the thread that makes requests has given it up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_from_any_thread() {
        let worker = Worker::start().expect("a thread");
        assert_eq!(worker.run(async { Ok(7) }).expect("done"), 7);
        let inside = Builder::new_current_thread().build().expect("a runtime");
        assert_eq!(inside.block_on(async { worker.run(async { Ok(8) }).expect("done") }), 8);
    }

    #[test]
    fn work_that_panics_is_an_error_for_its_caller_alone() {
        let worker = Worker::start().expect("a thread");
        let odd = [1].iter().position(|n| *n == 2);
        let result = worker.run(async move { Ok(odd.expect("there is none")) });
        assert!(matches!(result, Err(Error::Unavailable { .. })));
        assert_eq!(worker.run(async { Ok(7) }).expect("done"), 7);
    }
}
