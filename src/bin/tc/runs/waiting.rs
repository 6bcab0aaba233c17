//! Waiting for something to happen to a run, for so long at most.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::runs::stores::RunStores;
use crate::when::span;
use temporal_code::runs::ClientError;

/// Whether to wait, and how long.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Wait for it
    #[arg(short, long)]
    pub(crate) wait: bool,
    /// Wait so long at most, as 30s or 5m; exit code 8 then
    #[arg(long, value_name = "SPAN", requires = "wait")]
    timeout: Option<String>,
}

impl WaitArgs {
    fn timeout(&self) -> Result<Option<Duration>> {
        let Some(text) = &self.timeout else { return Ok(None) };
        Ok(Some(Duration::from_micros(span("timeout", text)?.unsigned_abs())))
    }

    /// Refuses what is no span of time, before anything is done.
    pub(crate) fn check(&self) -> Result<()> {
        self.timeout().map(drop)
    }

    /// Waits for `what`; none if it takes too long.
    pub(crate) fn wait_for<T>(
        &self,
        stores: &RunStores,
        what: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<Option<T>> {
        let timeout = self.timeout()?;
        let waited = stores.runtime.block_on(async {
            match timeout {
                None => Some(what.await),
                Some(timeout) => tokio::time::timeout(timeout, what).await.ok(),
            }
        });
        waited.transpose().map_err(|error| stores.explain(error))
    }
}
