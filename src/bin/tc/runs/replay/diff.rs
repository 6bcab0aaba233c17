//! `tc replay RUN --diff OTHER`: where two runs went different ways.

use anyhow::Result;
use serde_json::json;

use crate::error::{DONE, Failure, NEGATIVE};
use crate::output::csv::Sheet;
use crate::output::figures::counted;
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::{Answer, Section};
use crate::runs::replay::RunStores;
use crate::runs::stores::gone;
use crate::surroundings::Context;
use temporal_code::text;
use temporal_code::workflows::{EventSummary, RunDifference, RunFormat, Runs, compare_runs};

/// Its columns in CSV.
const SHEET: Sheet = Sheet { of: None, columns: "run other differs same_events sides", json: "" };

pub(super) fn run(context: &Context, stores: &RunStores, one: (&Runs, &str), other: &str) -> Result<u8> {
    let (runs, other) = stores.resolve(context, other)?;
    // The answer is about two runs.
    context.note_store(None);
    if [one.0, &runs].iter().any(|runs| runs.format() == RunFormat::DurablePython) {
        let failure = Failure::new("unsupported", "programs of durable-python keep no history that could be compared");
        return Err(failure.hint("`tc show` shows the call stack of each").into());
    }
    let compared = stores.requests.work(compare_runs(one, (&runs, &other), context.now))?;
    let difference = compared.map_err(|run| gone(&run))?;
    let names = [one.1, &other];
    let differs = difference.sides.iter().any(|side| !side.is_empty());
    let items = || Ok(vec![item(names, &difference, differs).to_string()]);
    let sections = || vec![section(context, names, &difference, differs)];
    let schema = "tc.replay.diff/1";
    Answer { schema, warnings: Vec::new(), items, sheet: &SHEET, sections }.print(context)?;
    Ok(if differs { NEGATIVE } else { DONE })
}

fn item(names: [&str; 2], difference: &RunDifference, differs: bool) -> serde_json::Value {
    let side = |(event, same): &(EventSummary, bool)| {
        json!({"seq": event.seq.number, "generation": event.seq.generation, "at": event.at, "type": event.kind,
               "effect": event.change, "same": same})
    };
    let sides: Vec<_> = (0..2)
        .map(|n| {
            let events = difference.sides[n].iter().map(side).collect::<Vec<_>>();
            json!({"run": names[n], "events": events, "more": difference.more[n]})
        })
        .collect();
    json!({"run": names[0], "other": names[1], "differs": differs, "same_events": difference.same, "sides": sides})
}

fn section(context: &Context, names: [&str; 2], difference: &RunDifference, differs: bool) -> Section {
    let same = counted(difference.same as u64, "event", "events");
    let say = |text: String| context.prose(Tone::Plain, &text::harmless(&text));
    if !differs {
        return Section::text(say(format!("{} and {} do not differ: {same} are the same.", names[0], names[1])));
    }
    let title = match difference.same {
        0 => say(format!("{} and {} differ from the first event on.", names[0], names[1])),
        _ => say(format!("{} and {} differ after {same} that are the same.", names[0], names[1])),
    };
    let mut table = Table::new([
        Column::text(""),
        Column::number("seq"),
        Column::text("one run").cut_to(20),
        Column::number("seq"),
        Column::text("other run").cut_to(20),
    ]);
    let [left, right] = &difference.sides;
    for place in 0..left.len().max(right.len()) {
        let sides = [left.get(place), right.get(place)];
        let same = sides.iter().flatten().all(|(_, same)| *same);
        let tone = if same { Tone::Dim } else { Tone::Plain };
        let cells = sides.into_iter().flat_map(|side| {
            let seq = side.map_or_else(String::new, |(event, _)| event.seq.to_string());
            let change = side.map_or("-", |(event, _)| &event.change);
            [Cell::new(seq).tone(Tone::Dim), Cell::new(change).tone(tone)]
        });
        table.row(std::iter::once(Cell::new(if same { "" } else { "≠" }).tone(Tone::Warn)).chain(cells));
    }
    let more = |n: usize| match difference.more[n] as u64 {
        0 => String::new(),
        count => say(format!("{} has {} more.", names[n], counted(count, "event", "events"))),
    };
    Section { title: title + "\n", table: Some(table), notes: more(0) + &more(1) }
}
