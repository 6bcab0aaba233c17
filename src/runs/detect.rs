//! What kind of store of runs is somewhere, as what lies there tells.

use std::path::Path;
use std::sync::Arc;

use super::Runs;
use crate::compat::durable_python::StateFolder;
use crate::compat::substantial::{Client, Files, Zone};
use crate::store::{Address, Error, FileStore, Settings};
use crate::workflow::{INBOX, RUNS};

/// The store of runs in a folder; none if there is none. `zone` is that of the machines on which Python's workers run.
///
/// # Errors
/// A store that is there, but cannot be opened.
pub async fn at_path(path: &Path, settings: &Settings, zone: &Zone) -> Result<Option<Runs>, Error> {
    if FileStore::is_at(path) {
        return Ok(Some(Runs::Own(Address::Path(path.to_owned()).open(settings, false).await?)));
    }
    if Files::detect(path) {
        let files = Files::open(path, zone.clone())?;
        return Ok(Some(Runs::Substantial(Client::Files(Arc::new(files)), path.display().to_string().into())));
    }
    let folder = StateFolder::detect(path).map_err(|error| Error::unavailable(error.to_string(), error.cause))?;
    Ok(folder.map(Runs::DurablePython))
}

/// The stores of runs at an address that is no path: a Redis can hold ours and those of `substantial` beside each other.
///
/// # Errors
/// What the medium says.
pub async fn at_site(address: &Address, settings: &Settings, zone: &Zone) -> Result<Vec<Runs>, Error> {
    let mut found = Vec::new();
    let own = address.open(settings, false).await?;
    if !own.list(RUNS, "", None, 1).await?.is_empty() || !own.list(INBOX, "", None, 1).await?.is_empty() {
        found.push(Runs::Own(own));
    }
    if let Address::Redis(redis) = address {
        let theirs = crate::compat::substantial::Redis::new(redis, &settings.redis_of(redis), zone.clone())?;
        if theirs.detect().await? == Some(true) {
            found.push(Runs::Substantial(Client::Redis(Arc::new(theirs)), address.to_string().into()));
        }
    }
    Ok(found)
}
