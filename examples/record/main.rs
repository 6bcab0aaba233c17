//! Records a store of workflow runs: those of a small shop, one in every state there is, as workers would have left them.
//! It is what the commands about runs are tried on.
//!
//! `cargo run --example record -- .tc`, and then `tc runs`, `tc show order-1`, `tc send greet-1 allow`, `tc fsck --store .tc`.

mod events;
mod load;
mod run;
mod shop;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use temporal_code::store::{Address, End, Settings, Store};
use temporal_code::time::Timestamp;
use temporal_code::workflow::{INBOX, RUNS, Status, fold_history, inbox_log, latest_generation, run_log};

use self::run::Act;
use self::shop::Shop;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const HELP: &str = "\
Records a store of workflow runs: those of a small shop, one in every state there is.

Usage: record [OPTIONS] ADDRESS

  ADDRESS     a folder, redis://HOST:PORT, s3://BUCKET/PREFIX …, with settings from the environment
  --at TIME   when the record ends: all happens in the two days before, but for what is planned.
              RFC 3339, as in 2026-11-22T04:00:00Z; now if not said
  --many N    N small runs more, load-000001 …, of the workflow `load`: of twenty, ten are completed, two
              waiting, two sleeping, two failed, one each pending, running, retrying and cancelled
  --help      this

The same arguments make the same store. A store that has one of the runs already is left as it is.
One run, import-13, is corrupt on purpose.
";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    address: String,
    at: Option<Timestamp>,
    many: u64,
}

/// What the arguments ask for; none for help.
fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Asked>> {
    let (mut address, mut at, mut many) = (None, None, 0);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value; see --help"));
        match &*argument {
            "--help" | "-h" => return Ok(None),
            "--at" => {
                let text = value()?;
                at = Some(Timestamp::parse(text.as_bytes()).ok_or_else(|| format!("`{text}` is no time; see --help"))?);
            }
            "--many" => {
                let text = value()?;
                many = text.parse().map_err(|_| format!("`{text}` is no number of runs; see --help"))?;
            }
            option if option.starts_with("--") => return Err(format!("{option} is not known; see --help").into()),
            _ if address.is_none() => address = Some(argument),
            _ => return Err("there is more than one address; see --help".into()),
        }
    }
    let address = address.ok_or("no address was given; see --help")?;
    Ok(Some(Asked { address, at, many }))
}

/// Does what the arguments ask for, and says so on `out`.
pub(crate) async fn record(
    arguments: impl Iterator<Item = String>,
    settings: &Settings,
    out: &mut impl Write,
) -> Result<()> {
    let Some(asked) = parse(arguments)? else {
        out.write_all(HELP.as_bytes())?;
        return Ok(());
    };
    let store = Address::parse(&asked.address)?.open(settings, true).await?;
    let base = asked.at.unwrap_or_else(Timestamp::now);
    let shop = Shop::new(base)?;
    refuse_what_is_there(&*store, &shop, asked.many > 0).await?;
    for act in &shop.acts {
        match act {
            Act::Apply(batch) => _ = store.apply(batch).await?,
            Act::Forget(log) => store.forget(log).await?,
        }
    }
    for run in &shop.runs {
        writeln!(out, "{} {}", run.escape_debug(), status(&store, run).await?)?;
    }
    if asked.many > 0 {
        let counts = load::write(&store, base, asked.many).await?;
        let counts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
        writeln!(out, "{} to {}: {}", load::id(1), load::id(asked.many), counts.join(", "))?;
    }
    Ok(())
}

/// What is there stays as it is.
async fn refuse_what_is_there(store: &dyn Store, shop: &Shop, many: bool) -> Result<()> {
    let refused = |what: &str| {
        let problem =
            format!("{} already has {what}: nothing was written; record into another place", store.location());
        Err(problem.into())
    };
    for run in &shop.runs {
        for log in [run_log(run)?, inbox_log(run)?] {
            if store.end(&log).await? != End::START {
                return refused(&format!("{log}"));
            }
        }
    }
    for kind in [RUNS, INBOX] {
        if let Some(log) = store.list(kind, load::PREFIX, None, 1).await?.first().filter(|_| many) {
            return refused(&format!("{log}"));
        }
    }
    Ok(())
}

/// Where a run stands, as the store has it.
async fn status(store: &Arc<dyn Store>, run: &str) -> Result<Status> {
    let (log, _) = latest_generation(&**store, &run_log(run)?).await?;
    Ok(fold_history(&**store, &log).await?.state().status())
}

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::from_environment(std::env::vars());
    match record(std::env::args().skip(1), &settings, &mut std::io::stdout()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("caused by: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}
