//! Programs of the package `durable-python`, which keep no history but the call stack that they stopped with.

use std::io;

use super::details::{RunDetails, StateView};
use super::problem::{RunProblem, Seq};
use super::run::{Run, RunFormat};
use super::value::RunValue;
use super::waiting::Waiting;
use super::{RunBatch, RunIds};
use crate::compat::durable_python::{
    DurableInstance, InstanceFile, StateFolder, StateLimits, StopPoint, StopPointKind,
};
use crate::store::Error;
use crate::workflow::Status;

async fn blocking<T: Send + 'static>(
    folder: &StateFolder,
    work: impl FnOnce(&StateFolder) -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let (folder, doing) = (folder.clone(), format!("listing {}", folder.path().display()));
    match tokio::task::spawn_blocking(move || work(&folder)).await {
        Ok(Err(cause)) if cause.kind() == io::ErrorKind::PermissionDenied => Err(Error::denied(doing, cause)),
        Ok(done) => done.map_err(|cause| Error::unavailable(doing, cause)),
        Err(error) => Err(Error::unavailable("reading a folder", error)),
    }
}

pub(super) async fn ids(folder: &StateFolder, start: &str, after: Option<&str>, limit: usize) -> Result<RunIds, Error> {
    let files = blocking(folder, StateFolder::files).await?;
    let behind = |file: &InstanceFile| after.is_none_or(|after| file.id.as_str() > after);
    let ids = files.into_iter().filter(|file| file.id.starts_with(start) && behind(file)).map(|file| file.id);
    let mut ids: Vec<String> = ids.take(limit.saturating_add(1)).collect();
    let more = ids.len() > limit;
    ids.truncate(limit);
    Ok(RunIds { ids, more, warnings: Vec::new() })
}

pub(super) async fn has(folder: &StateFolder, id: &str) -> Result<bool, Error> {
    let id = id.to_owned();
    Ok(blocking(folder, move |folder| folder.find(&id)).await?.is_some())
}

pub(super) async fn look(folder: &StateFolder, ids: &[String]) -> Result<RunBatch, Error> {
    let wanted = ids.to_vec();
    let instances = blocking(folder, move |folder| {
        let files = wanted.iter().map(|id| folder.find(id)).collect::<Result<Vec<_>, _>>()?;
        // The results of many would be too much.
        let read = if wanted.len() == 1 { read_whole } else { read_shortened };
        Ok(files.into_iter().flatten().map(|file| read(folder, &file)).collect::<Vec<_>>())
    });
    let runs = instances.await?.iter().map(|instance| (instance.file.id.clone(), Ok(run_of(instance)))).collect();
    Ok(RunBatch { runs, warnings: Vec::new() })
}

fn read_shortened(folder: &StateFolder, file: &InstanceFile) -> DurableInstance {
    folder.read(file, &StateLimits::default())
}

/// An instance with its whole result, if it has one.
fn read_whole(folder: &StateFolder, file: &InstanceFile) -> DurableInstance {
    let instance = read_shortened(folder, file);
    match instance.result() {
        Some(result) if result.json.is_none() && !result.complete => folder.read(file, &StateLimits::of_result()),
        _ => instance,
    }
}

fn run_of(instance: &DurableInstance) -> Run {
    let waiting = Waiting::from(instance.waiting_for());
    let status = instance.status();
    let because = match (instance.damage(), status) {
        (Some(damage), _) => Some(damage.to_string()),
        (None, Status::Waiting | Status::Pending) => stop_of(instance).map(at_statement),
        _ => None,
    };
    Run {
        id: instance.file.id.clone(),
        workflow: program_of(instance),
        status,
        since: instance.updated_at,
        waiting_for: Some(waiting).filter(|waiting| !waiting.is_nothing()),
        started_at: instance.started_at,
        updated_at: instance.updated_at,
        ended_at: instance.ended_at(),
        events: None,
        format: RunFormat::DurablePython,
        result: instance.result().map(RunValue::from),
        error: None,
        because,
        problem: damage_of(instance),
        generation: 1,
    }
}

/// What of its file cannot be read.
fn damage_of(instance: &DurableInstance) -> Option<RunProblem> {
    instance.damage().map(|damage| RunProblem { seq: Seq::first(0), what: damage.to_string(), corrupt: true })
}

/// The function that the program began with, while it goes on.
fn program_of(instance: &DurableInstance) -> Option<String> {
    let state = instance.state.as_ref().ok()?;
    Some(state.frames.first()?.function.to_string())
}

fn stop_of(instance: &DurableInstance) -> Option<&StopPoint> {
    instance.state.as_ref().ok()?.innermost()?.stop.as_ref()
}

fn at_statement(stop: &StopPoint) -> String {
    let what = match &stop.kind {
        StopPointKind::Event(_) => "it waits at",
        StopPointKind::Call(_) => "it called a function at",
        StopPointKind::Other => "it stopped at",
    };
    format!("{what} `{}`", stop.statement)
}

pub(super) async fn follow(folder: &StateFolder, id: &str) -> Result<Option<RunDetails>, Error> {
    let id = id.to_owned();
    let instance = blocking(folder, move |folder| Ok(folder.find(&id)?.map(|file| read_whole(folder, &file))));
    let Some(instance) = instance.await? else { return Ok(None) };
    let run = run_of(&instance);
    Ok(Some(RunDetails {
        state: StateView::of(&run),
        run,
        problems: damage_of(&instance).into_iter().collect(),
        inbox: Vec::new(),
        inbox_before: 0,
        inbox_problem: None,
        instance: Some(Box::new(instance)),
        warnings: Vec::new(),
    }))
}
