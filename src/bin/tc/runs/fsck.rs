//! `tc fsck`: looks whether a store of workflow runs is sound, and repairs what loses nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::args::OutputFormat;
use crate::confirm;
use crate::credentials;
use crate::error::{DENIED, DONE, Failure, NEGATIVE, USAGE};
use crate::find;
use crate::output::figures::{count, counted};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::warnings::Warning;
use crate::output::{Answer, Section, progress};
use crate::runs::requests::Requests;
use crate::surroundings::Context;
use temporal_code::stores::{Address, FileStore, Finding, Store};
use temporal_code::workflows::{FsckOptions, FsckProgress, FsckSummary, INBOX, RUNS, fsck};
use temporal_code::{ThreadRandom, text};

/// Most findings that are kept and shown; the others are counted.
const FINDINGS_MAX: usize = 10_000;

/// Check whether workflow runs are sound, and repair what can be repaired without losing anything
///
/// Looks through a folder, a Redis (redis://HOST) or a bucket (s3://BUCKET/PREFIX) for damage: missing numbers, torn ends, corrupt
/// histories, runs that have not ended and that nothing will wake, leases of workers long dead, inboxes and due entries without a
/// run. Workers may go on meanwhile. Exit code 1 if something is wrong and was not repaired; else 4 if something may not be read,
/// and 2 if something else hinders reading it. What can be read is looked at all the same.
#[derive(Debug, Args)]
pub(crate) struct FsckArgs {
    /// Repair what can be repaired without losing anything, after showing it
    #[arg(long)]
    repair: bool,
    /// Do not ask for confirmation
    #[arg(short, long, requires = "repair")]
    yes: bool,
}

/// What was found in all stores.
#[derive(Default)]
struct Found {
    /// The store and what is wrong there.
    findings: Vec<(String, Finding)>,
    summary: FsckSummary,
    /// How many findings are not kept.
    surplus: u64,
}

pub(crate) fn run(context: &Context, args: &FsckArgs) -> Result<u8> {
    if args.repair && !args.yes {
        confirm::refuse_unasked(context, "repairing", "see what would be repaired without --repair")?;
    }
    let asked = find::asked(&context.global)?;
    let requests = Requests::new(context, &asked, 1, None)?;
    let mut stores = Vec::new();
    for text in asked {
        stores.push(requests.ask(open(&find::address(&text)?))??);
    }
    let found = search(context, &requests, &stores, args.repair && args.yes)?;
    let fixable = found.fixable();
    show(context, args, &found)?;
    if !args.repair || args.yes || fixable == 0 {
        return Ok(found.exit());
    }
    if !confirm::ask(&format!("Repair {}?", counted(fixable, "finding", "findings")))? {
        crate::output::write("Nothing was repaired.\n")?;
        return Ok(found.exit());
    }
    let found = search(context, &requests, &stores, true)?;
    crate::output::write(&found.outcome())?;
    Ok(found.exit())
}

/// Opens a store in which there are, or may be, workflow runs.
async fn open(address: &Address) -> Result<Arc<dyn Store>> {
    if let Some(path) = address.path() {
        refuse_without_runs(path)?;
    }
    Ok(address.open(&credentials::settings(address)?, false).await?)
}

/// What is looked for in a folder is there only if the folder says that it is a store.
fn refuse_without_runs(path: &Path) -> Result<()> {
    if FileStore::is_at(path) {
        return Ok(());
    }
    let name = path.display();
    match std::fs::metadata(path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && path != Path::new("-") => {
            Err(Failure::new("not_found", format!("no such folder: {name}")).into())
        }
        Err(cause) if path != Path::new("-") => Err(Failure::unreadable(name, cause).into()),
        _ => Err(no_runs(&name.to_string())),
    }
}

fn no_runs(place: &str) -> anyhow::Error {
    let hint = "fsck looks at stores of workflow runs; evolution logs are read, damage and all, by `tc status`";
    Failure::new("no_runs", format!("no workflow runs here: {place}")).hint(hint).into()
}

fn search(context: &Context, requests: &Requests, stores: &[Arc<dyn Store>], repair: bool) -> Result<Found> {
    let mut found = Found::default();
    progress::count(context.global.quiet, "runs", |runs| {
        stores.iter().try_for_each(|store| requests.work(search_one(context, &**store, repair, runs, &mut found)))
    })?;
    Ok(found)
}

async fn search_one(
    context: &Context,
    store: &dyn Store,
    repair: bool,
    runs: &AtomicU64,
    found: &mut Found,
) -> Result<()> {
    let place = store.location();
    let options = FsckOptions { repair, ..FsckOptions::new(context.now) };
    let mut report = |progress: FsckProgress| match progress {
        FsckProgress::Run => _ = runs.fetch_add(1, Ordering::Relaxed),
        FsckProgress::Found(finding) if found.findings.len() < FINDINGS_MAX => {
            found.findings.push((place.clone(), finding))
        }
        FsckProgress::Found(_) => found.surplus += 1,
    };
    let summary = fsck(store, &options, &ThreadRandom, &mut report).await?;
    let all = &mut found.summary;
    all.runs += summary.runs;
    all.ended += summary.ended;
    all.corrupt += summary.corrupt;
    all.findings += summary.findings;
    all.repaired += summary.repaired;
    all.unread += summary.unread;
    all.cut_short |= summary.cut_short;
    // A folder says that it is a store; elsewhere a store that nothing was put into is not to be told from none.
    let silent = (summary.findings, summary.unread, summary.runs) == (0, 0, 0);
    if silent && !FileStore::is_at(Path::new(&place)) && is_empty(store).await? {
        return Err(no_runs(&place));
    }
    Ok(())
}

/// Whether a store has nothing of runs.
async fn is_empty(store: &dyn Store) -> Result<bool> {
    Ok(store.list(RUNS, "", None, 1).await?.is_empty()
        && store.list(INBOX, "", None, 1).await?.is_empty()
        && store.queues().await?.is_empty())
}

impl Found {
    fn unrepaired(&self) -> u64 {
        self.summary.findings - self.summary.repaired
    }

    fn exit(&self) -> u8 {
        let denied = self.findings.iter().any(|(_, finding)| finding.unread == Some("denied"));
        match self.summary.unread {
            _ if self.unrepaired() > 0 => NEGATIVE,
            0 => DONE,
            _ if denied => DENIED,
            _ => USAGE,
        }
    }

    /// Shown findings that can be repaired and were not.
    fn fixable(&self) -> u64 {
        self.findings.iter().filter(|(_, finding)| finding.remedy.is_some() && !finding.repaired).count() as u64
    }

    /// What was looked at, and what came of it.
    fn outcome(&self) -> String {
        let FsckSummary { runs, ended, findings, repaired, unread, .. } = self.summary;
        let looked = format!("{} looked at, {} ended: ", counted(runs, "run", "runs"), count(ended));
        let left = self.unrepaired();
        looked
            + &match (findings, repaired) {
                (0, _) if unread > 0 => "nothing is wrong in what could be read.\n".to_owned(),
                (0, _) => "nothing is wrong.\n".to_owned(),
                (_, 0) => format!("{}.\n", counted(findings, "finding", "findings")),
                _ if left == 0 => format!("{}, all repaired.\n", counted(findings, "finding", "findings")),
                _ => format!("{} repaired, {} left for a person to decide.\n", count(repaired), count(left)),
            }
    }

    /// What `--repair` would do, for who did not ask for it.
    fn outlook(&self, args: &FsckArgs) -> String {
        match self.fixable() {
            0 => String::new(),
            _ if args.repair => String::new(),
            fixable => format!("--repair would repair {} without losing anything.\n", count(fixable)),
        }
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.surplus > 0 {
            let message = format!("{} more, not shown", counted(self.surplus, "finding", "findings"));
            warnings.push(Warning { count: Some(self.surplus), ..Warning::lost(message) });
        }
        if self.summary.unread > 0 {
            let message =
                format!("{} could not be read, and not be looked at", counted(self.summary.unread, "place", "places"));
            warnings.push(Warning { count: Some(self.summary.unread), ..Warning::lost(message) });
        }
        if self.summary.cut_short {
            warnings.push(Warning::lost("a list or a queue is damaged: there may be runs that were not looked at"));
        }
        warnings
    }
}

fn show(context: &Context, args: &FsckArgs, found: &Found) -> Result<()> {
    let items = || {
        let item = |(store, finding): &(String, Finding)| {
            let Finding { place, problem, remedy, repaired, unread } = finding;
            json!({
                "store": store, "place": place, "problem": problem, "remedy": remedy, "repaired": repaired,
                "unread": unread,
            })
            .to_string()
        };
        Ok(found.findings.iter().map(item).collect())
    };
    let sections = || {
        let table = Some(table(&found.findings)).filter(|table| !table.is_empty());
        // Sentences that are cut say nothing.
        let fits = table.as_ref().is_none_or(|table| context.width().is_none_or(|width| table.width() <= width));
        let title = match context.global.output() {
            OutputFormat::Table if !fits => list(context, &found.findings),
            _ => String::new(),
        };
        let table = table.filter(|_| title.is_empty());
        vec![Section { title, table, notes: found.outcome() + &found.outlook(args) }]
    };
    Answer { schema: "tc.fsck/1", warnings: found.warnings(), items, rows_of: None, sections }.print(context)
}

fn table(findings: &[(String, Finding)]) -> Table {
    let mut table = Table::new([Column::text("place"), Column::text("problem"), Column::text("remedy")]);
    for (_, finding) in findings {
        let (remedy, tone) = remedy(finding);
        table.row([Cell::new(&finding.place), Cell::new(&finding.problem), Cell::new(remedy).tone(tone)]);
    }
    table
}

/// The same with a line for each thing, for terminals on which the table has no room.
fn list(context: &Context, findings: &[(String, Finding)]) -> String {
    let paragraph = |(_, finding): &(String, Finding)| {
        let (remedy, tone) = remedy(finding);
        let lines = [(Tone::Strong, "", &*finding.place), (Tone::Plain, "  ", &finding.problem), (tone, "  ", &remedy)];
        let line = |(tone, indent, text): (Tone, &str, &str)| {
            let wrap = textwrap::Options::new(context.width().unwrap_or(usize::MAX))
                .initial_indent(indent)
                .subsequent_indent(indent)
                .word_separator(textwrap::WordSeparator::AsciiSpace)
                .word_splitter(textwrap::WordSplitter::NoHyphenation);
            let text = text::harmless(text);
            let lines = textwrap::wrap(&text, wrap);
            lines.iter().map(|line| tone.paint(line, context.colours) + "\n").collect::<String>()
        };
        lines.map(line).concat() + "\n"
    };
    findings.iter().map(paragraph).collect()
}

fn remedy(finding: &Finding) -> (String, Tone) {
    match &finding.remedy {
        Some(remedy) if finding.repaired => (format!("done: {remedy}"), Tone::Good),
        Some(remedy) => (remedy.clone(), Tone::Warn),
        None if finding.unread.is_some() => ("not looked at".to_owned(), Tone::Warn),
        None => ("for a person to decide".to_owned(), Tone::Bad),
    }
}
