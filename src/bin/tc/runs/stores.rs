//! From what was asked for to the stores of workflow runs, and from a part of an id to a run.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::args::{Global, StoreFormat};
use crate::confirm;
use crate::error::{CONFLICT, Failure, NEGATIVE};
use crate::find::{self, Without, nearest};
use crate::runs::requests::Requests;
use crate::surroundings::Context;
use crate::{settings, shell};
use temporal_code::stores::{Address, Error};
use temporal_code::workflows::{ClientError, Run, RunDetails, RunEvent, RunFormat, Runs, Status, find_runs};
use temporal_code::{Timestamp, text};

/// How many ids are looked through for one that is near to what was typed.
const NEAR_MAX: usize = 10_000;

/// Most characters of a name that a message repeats.
const NAME_MAX: usize = 200;

/// How many runs are looked at for one that goes on and is near.
const OPEN_MAX: usize = 1_000;

/// How many ids are named when several fit.
const NAMED_MAX: usize = 5;

/// The stores of workflow runs that were asked for, and what is needed to work with them.
pub(crate) struct RunStores {
    pub(crate) requests: Requests,
    pub(crate) all: Vec<Runs>,
    /// Those that were asked for and have no runs.
    pub(crate) without: Vec<Without>,
    /// Whether runs are told to be of one store or another: several were named.
    pub(crate) told_apart: bool,
}

impl RunStores {
    /// The stores that `--store` or `TC_STORE` names, else those that are near. An error if none holds runs.
    pub(crate) fn open(context: &Context, threads: usize) -> Result<RunStores> {
        RunStores::open_within(context, threads, None)
    }

    /// The same for a command that may take so long.
    pub(crate) fn open_within(context: &Context, threads: usize, limit: Option<Duration>) -> Result<RunStores> {
        let stores = RunStores::find_all(context, threads, limit)?;
        if stores.all.is_empty() {
            return Err(no_runs(&stores.requests.name, context.global.format));
        }
        context.name_those_without(&stores.without);
        Ok(stores)
    }

    /// The same, without an error if there are none.
    pub(crate) fn look(context: &Context, threads: usize) -> Result<RunStores> {
        RunStores::find_all(context, threads, None)
    }

    fn find_all(context: &Context, threads: usize, limit: Option<Duration>) -> Result<RunStores> {
        let asked = find::asked_for_runs(&context.global)?;
        let requests = Requests::new(context, &asked, threads, limit)?;
        let told_apart = asked.len() > 1 && find::is_named(&context.global);
        let mut stores = RunStores { requests, all: Vec::new(), without: Vec::new(), told_apart };
        for text in &asked {
            let found = stores.requests.ask(at(&find::address(text)?, &context.global))??;
            if found.is_empty() && told_apart {
                let store = find::shown(text);
                let why = no_runs(&store, context.global.format).to_string();
                stores.without.push(Without { store, why });
            }
            found.iter().for_each(|runs| context.note_read(format!("{}, of {}", runs.location(), runs.format())));
            stores.all.extend(found);
        }
        Ok(stores)
    }

    /// What a store is called beside its runs, where stores are told apart.
    pub(crate) fn label(&self, runs: &Runs) -> Option<String> {
        self.told_apart.then(|| runs.location())
    }

    /// What a client says.
    pub(crate) fn ask<T>(&self, what: impl Future<Output = Result<T, ClientError>>) -> Result<T> {
        self.requests.ask(what)?.map_err(|error| self.explain(error, ""))
    }

    /// What a client says of `what` that was to be delivered. Where no answer comes in time, it may have been delivered; `again`
    /// says what to do then.
    pub(crate) fn deliver<T>(
        &self,
        what: &str,
        again: &str,
        delivery: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T> {
        let unknown = |timeout: Failure| {
            let message = format!("whether {what} was delivered is not known");
            let (code, exit) = (timeout.code, timeout.exit);
            Failure { exit, ..Failure::new(code, message) }.cause(timeout).hint(again)
        };
        self.requests.ask(delivery).map_err(unknown)?.map_err(|error| self.explain(error, again))
    }

    /// The run that `text` names: its whole id, or a part of the front that no other has.
    pub(crate) fn resolve(&self, context: &Context, text: &str) -> Result<(Runs, String)> {
        let (runs, run) = self.requests.ask(self.find(text))??;
        context.note_store(self.label(&runs));
        Ok((runs, run))
    }

    /// The run that is to be changed: its whole id. A part of the front is not taken for it but where a person at a terminal
    /// says so, since it may be the whole id of a run that is gone.
    pub(crate) fn resolve_to_change(&self, context: &Context, text: &str) -> Result<(Runs, String)> {
        let (runs, run) = self.resolve(context, text)?;
        if run == text {
            return Ok((runs, run));
        }
        let message = format!("no run `{}` in {}", text::shorten(text, NAME_MAX), self.requests.name);
        let whole = format!("did you mean {}? What changes a run takes its whole id", shell::word(&run));
        let failure = Failure::new("unknown_run", message).hint(whole);
        let is_asked = std::io::stdin().is_terminal() && !context.global.wants_json();
        if is_asked && confirm::ask(&text::harmless(&format!("There is no run {text}. Do you mean {run}?")))? {
            return Ok((runs, run));
        }
        Err(failure.into())
    }

    /// Follows a run, which was there a moment ago.
    pub(crate) fn follow(
        &self,
        context: &Context,
        runs: &Runs,
        run: &str,
        visit: &mut (dyn FnMut(&RunEvent<'_>) -> bool + Send),
    ) -> Result<RunDetails> {
        let details = self.requests.work(runs.follow(run, context.now, visit))?;
        details.ok_or_else(|| gone(run).into())
    }

    async fn find(&self, text: &str) -> Result<(Runs, String)> {
        let mut found = find_runs(&self.all, text, NAMED_MAX + 1).await?;
        match found.len() {
            0 => Err(self.unknown(text).await?.into()),
            1 => Ok(found.remove(0)),
            _ => Err(ambiguous(text, &found).into()),
        }
    }

    /// The error for a run that is not there, with the nearest ones.
    async fn unknown(&self, text: &str) -> Result<Failure> {
        let mut known = Vec::new();
        for runs in &self.all {
            let page = runs.ids(None, "", None, NEAR_MAX).await?;
            known.extend(page.ids);
        }
        let named = text::shorten(text, NAME_MAX);
        let failure = Failure::new("unknown_run", format!("no run `{named}` in {}", self.requests.name));
        let hint = nearest(text, known.iter().map(String::as_str));
        let hint = hint.or_else(|| (!known.is_empty()).then(|| "`tc runs` lists the runs there are".into()));
        Ok(failure.maybe_hint(hint))
    }

    /// What somebody outside is told when nothing could be delivered, or nobody knows whether it was; `again` says what to do then.
    pub(crate) fn explain(&self, error: ClientError, again: &str) -> anyhow::Error {
        let message = error.to_string();
        match error {
            ClientError::NoRun { run } => match self.requests.ask(self.unknown(&run)) {
                Ok(Ok(failure)) => failure.into(),
                Ok(Err(error)) => error,
                Err(timeout) => timeout.into(),
            },
            ClientError::Ended { run, .. } => Failure::new("run_ended", message).hint(self.open_near(&run)).into(),
            ClientError::KeyUsed { .. } => Failure { exit: CONFLICT, ..Failure::new("conflict", message) }
                .hint("a key belongs to one content: use another key")
                .into(),
            ClientError::Exists { .. } => Failure { exit: CONFLICT, ..Failure::new("conflict", message) }
                .hint("give another id; if this may be the same request made again, use --idempotency-key")
                .into(),
            ClientError::Unsure { id, landed, source, .. } => {
                let hint = match id {
                    Some(id) => format!(
                        "try again with --idempotency-key {}: nothing is delivered twice, and what is missing is finished",
                        shell::word(&id)
                    ),
                    None if landed == Some(true) => "`tc fsck --repair` leads a worker there".into(),
                    None => again.into(),
                };
                let code = if landed == Some(true) { "half_done" } else { source.code() };
                Failure::new(code, message).cause(source).hint(hint).into()
            }
            ClientError::Unsupported { instead, .. } => Failure::new("unsupported", message).hint(instead).into(),
            ClientError::Corrupt { problem, .. } => {
                Failure { exit: NEGATIVE, ..Failure::new("corrupt", message) }.cause(problem).into()
            }
            ClientError::Draft(error) => anyhow::Error::from(error),
            ClientError::Store(error @ (Error::Corrupt { .. } | Error::Lost { .. })) => {
                let failure = Failure::new("corrupt", "the part of the store that holds the run is damaged");
                Failure { exit: NEGATIVE, ..failure }.cause(error).into()
            }
            ClientError::Store(error) => anyhow::Error::from(error),
        }
    }

    /// The runs that have not ended and are near to one that has.
    fn open_near(&self, run: &str) -> String {
        let mut open = Vec::new();
        for runs in &self.all {
            let looked = self.requests.ask(async {
                let ids = runs.ids(None, "", None, OPEN_MAX).await?.ids;
                runs.look(&ids, Timestamp::now()).await
            });
            // What cannot be read now is no nearer.
            let found = looked.map(|looked| looked.map(|looked| looked.runs).unwrap_or_default()).unwrap_or_default();
            let goes_on = |run: &Run| !run.status.is_ended() && run.status != Status::Corrupt;
            open.extend(found.into_iter().filter(|(_, run)| run.as_ref().is_ok_and(goes_on)).map(|(id, _)| id));
        }
        match nearest(run, open.iter().map(String::as_str)) {
            Some(hint) => format!("of the runs that have not ended, {hint}"),
            None => "`tc runs --status waiting` lists those that wait for something".into(),
        }
    }
}

/// What to do where nobody knows whether something was delivered; `foreign` where the store has no keys.
pub(crate) fn again(runs: &Runs, key: Option<&str>, foreign: &'static str) -> &'static str {
    match key {
        _ if runs.format() != RunFormat::Own => foreign,
        Some(_) => "with the same key it is delivered once, however often you try",
        None => "`tc show` tells whether it is there; with --idempotency-key you could just try again",
    }
}

/// The error for a run that went away.
pub(crate) fn gone(run: &str) -> Failure {
    Failure::new("unknown_run", format!("{run} is no longer there"))
}

fn ambiguous(text: &str, fit: &[(Runs, String)]) -> Failure {
    let (_, first) = &fit[0];
    if fit.iter().all(|(_, id)| id == first) {
        let stores = fit.iter().map(|(runs, _)| runs.location()).collect::<Vec<_>>().join(" and ");
        let failure = Failure::new("ambiguous", format!("`{first}` is a run in {stores}"));
        return failure.hint("name one of them with --store");
    }
    let named = fit.iter().take(NAMED_MAX).map(|(_, id)| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let more = if fit.len() > NAMED_MAX { " and others" } else { "" };
    Failure::new("ambiguous", format!("several runs begin with `{text}`")).hint(format!("{named}{more}"))
}

pub(crate) fn no_runs(place: &str, format: StoreFormat) -> anyhow::Error {
    let kind = match format {
        StoreFormat::Auto | StoreFormat::TemporalCode => "",
        StoreFormat::Tc => " of tc",
        StoreFormat::Substantial => " of substantial",
        StoreFormat::DurablePython => " of durable-python",
    };
    let hint = "runs are in a folder that holds store.json, in one of substantial (runs, schedules, leases), in one of \
                durable-python (*.pkl), in a Redis or a bucket";
    Failure::new("no_runs", format!("no workflow runs{kind} in {place}")).hint(hint).into()
}

/// The stores of runs at one address.
async fn at(address: &Address, global: &Global) -> Result<Vec<Runs>> {
    let format = match global.format {
        StoreFormat::Auto => None,
        StoreFormat::TemporalCode => return Ok(Vec::new()),
        StoreFormat::Tc => Some(RunFormat::Own),
        StoreFormat::Substantial => Some(RunFormat::Substantial),
        StoreFormat::DurablePython => Some(RunFormat::DurablePython),
    };
    match address.path() {
        Some(path) if path == Path::new("-") => return Ok(Vec::new()),
        Some(path) => refuse_missing(path)?,
        None => {}
    }
    Ok(Runs::at(address, format, &settings::of(address)?, &crate::zone::machine_zone()?).await?)
}

/// The error for a folder that is not there.
fn refuse_missing(path: &Path) -> Result<()> {
    let Err(error) = std::fs::metadata(path) else { return Ok(()) };
    let name = path.display();
    if error.kind() != std::io::ErrorKind::NotFound {
        return Err(Failure::unreadable(name, error).into());
    }
    // A glob is one of evolution logs.
    if name.to_string().contains(['*', '?', '[']) {
        return Ok(());
    }
    Err(Failure::new("not_found", format!("no such file or folder: {name}")).into())
}
