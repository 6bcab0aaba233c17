//! What kind of store of runs is somewhere, as what lies there tells.

use std::path::Path;
use std::sync::Arc;

use super::{RunFormat, Runs};
use crate::compat::durable_python::StateFolder;
use crate::compat::substantial::{SubstantialClient, SubstantialFiles, WorkerZone};
use crate::store::{Address, Error, FileStore, Settings};
use crate::workflow::{INBOX, RUNS};

impl Runs {
    /// The stores of runs at an address: a Redis can hold ours and those of `substantial` beside each other. With a `format`
    /// only those of it; one that has no runs yet, and so nothing that would tell what it is, is then taken to be of it.
    ///
    /// `zone` is that of the machines on which Python's workers run.
    ///
    /// # Errors
    /// A store that is there, but cannot be opened.
    pub async fn at(
        address: &Address,
        format: Option<RunFormat>,
        settings: &Settings,
        zone: &WorkerZone,
    ) -> Result<Vec<Runs>, Error> {
        let mut found = match address.path() {
            Some(path) => in_folder(path, settings, zone).await?.into_iter().collect(),
            None => elsewhere(address, format, settings, zone).await?,
        };
        if let Some(format) = format {
            found.retain(|runs| runs.format() == format);
            if found.is_empty() {
                found.extend(of_format(address, format, settings, zone).await?);
            }
        }
        Ok(found)
    }
}

async fn in_folder(path: &Path, settings: &Settings, zone: &WorkerZone) -> Result<Option<Runs>, Error> {
    if FileStore::is_at(path) {
        return Ok(Some(Runs::Own(Address::Path(path.to_owned()).open(settings, false).await?)));
    }
    if SubstantialFiles::detect(path) {
        return substantial_files(path, zone).map(Some);
    }
    let cannot = |cause| Error::unavailable(format!("cannot list the folder {}", path.display()), cause);
    Ok(StateFolder::detect(path).map_err(cannot)?.map(Runs::DurablePython))
}

fn substantial_files(path: &Path, zone: &WorkerZone) -> Result<Runs, Error> {
    let files = SubstantialFiles::open(path, zone.clone())?;
    Ok(Runs::Substantial(SubstantialClient::Files(Arc::new(files)), path.display().to_string().into()))
}

/// On servers. To look for runs of `substantial` takes a pass over all keys of a Redis, so it is not done where others are wanted.
async fn elsewhere(
    address: &Address,
    format: Option<RunFormat>,
    settings: &Settings,
    zone: &WorkerZone,
) -> Result<Vec<Runs>, Error> {
    let is_wanted = |kind| format.is_none_or(|format| format == kind);
    let mut found = Vec::new();
    let own = if is_wanted(RunFormat::Own) { own_runs(address, settings).await } else { Ok(None) };
    if is_wanted(RunFormat::Substantial) {
        found.extend(substantial_redis(address, settings, zone, false).await?);
    }
    match own {
        // Who may read the others' keys alone.
        Err(Error::Denied { .. }) if !found.is_empty() => {}
        own => found.splice(0..0, own?).for_each(drop),
    }
    Ok(found)
}

async fn own_runs(address: &Address, settings: &Settings) -> Result<Option<Runs>, Error> {
    let own = address.open(settings, false).await?;
    let has_some = !own.list(RUNS, "", None, 1).await?.is_empty() || !own.list(INBOX, "", None, 1).await?.is_empty();
    Ok(has_some.then_some(Runs::Own(own)))
}

/// A Redis of `substantial`, if it has runs, or need not have any yet.
async fn substantial_redis(
    address: &Address,
    settings: &Settings,
    zone: &WorkerZone,
    may_be_empty: bool,
) -> Result<Option<Runs>, Error> {
    let Address::Redis(redis) = address else { return Ok(None) };
    let theirs = crate::compat::substantial::SubstantialRedis::new(redis, &settings.redis_of(redis), zone.clone())?;
    if !may_be_empty && !theirs.detect().await? {
        return Ok(None);
    }
    Ok(Some(Runs::Substantial(SubstantialClient::Redis(Arc::new(theirs)), address.to_string().into())))
}

/// A store of which the user says what it is, though nothing in it does yet.
async fn of_format(
    address: &Address,
    format: RunFormat,
    settings: &Settings,
    zone: &WorkerZone,
) -> Result<Option<Runs>, Error> {
    Ok(match (format, address.path()) {
        (RunFormat::Own, Some(path)) if !path.is_dir() => None,
        (RunFormat::Own, _) => Some(Runs::Own(address.open(settings, false).await?)),
        (RunFormat::Substantial, Some(path)) => Some(substantial_files(path, zone)?),
        (RunFormat::Substantial, None) => substantial_redis(address, settings, zone, true).await?,
        (RunFormat::DurablePython, path) => path.map(|path| Runs::DurablePython(StateFolder::new(path))),
    })
}
