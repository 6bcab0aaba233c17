//! `tc replay RUN --diff OTHER`: where two runs went different ways.

use anyhow::Result;
use serde_json::json;

use crate::error::{DONE, Failure, NEGATIVE};
use crate::output::figures::counted;
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::{Answer, Section};
use crate::runs::replay::RunStores;
use crate::runs::stores::gone;
use crate::surroundings::Context;
use temporal_code::runs::{ComparedEvent, RunDifference, RunFormat, Runs, compare_runs};
use temporal_code::text;

pub(super) fn run(context: &Context, stores: &RunStores, one: (&Runs, &str), other: &str) -> Result<u8> {
    let (runs, other) = stores.resolve(other)?;
    if [one.0, &runs].iter().any(|runs| runs.format() == RunFormat::DurablePython) {
        let failure = Failure::new("unsupported", "programs of durable-python keep no history that could be compared");
        return Err(failure.hint("`tc show` shows the call stack of each").into());
    }
    let compared = stores.runtime.block_on(compare_runs(one, (&runs, &other), context.now))?;
    let difference = compared.map_err(|run| gone(&run))?;
    let names = [one.1, &other];
    let differs = difference.sides.iter().any(|side| !side.is_empty());
    let items = || Ok(vec![item(names, &difference, differs).to_string()]);
    let sections = || vec![section(context, names, &difference, differs)];
    let schema = "tc.replay.diff/1";
    Answer { schema, warnings: Vec::new(), items, rows_of: None, sections }.print(context)?;
    Ok(if differs { NEGATIVE } else { DONE })
}

fn item(names: [&str; 2], difference: &RunDifference, differs: bool) -> serde_json::Value {
    let side = |side: &ComparedEvent| {
        let seq = (side.seq.number, side.seq.generation);
        json!({"seq": seq.0, "generation": seq.1, "at": side.at, "type": side.kind, "effect": side.change,
               "same": side.same})
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
        return Section::text(say(format!("{} and {} did the same: {same}.", names[0], names[1])));
    }
    let title = match difference.same {
        0 => say(format!("{} and {} differ from the first event on.", names[0], names[1])),
        _ => say(format!("{} and {} did the same for {same}, and differ from there on.", names[0], names[1])),
    };
    let mut table = Table::new([
        Column::text(""),
        Column::number("seq"),
        Column::text("the one").cut_to(20),
        Column::number("seq"),
        Column::text("the other").cut_to(20),
    ]);
    let [left, right] = &difference.sides;
    for place in 0..left.len().max(right.len()) {
        let sides = [left.get(place), right.get(place)];
        let same = sides.iter().flatten().all(|side| side.same);
        let tone = if same { Tone::Dim } else { Tone::Plain };
        let seq = |side: Option<&ComparedEvent>| {
            Cell::new(side.map_or_else(String::new, |side| side.seq.to_string())).tone(Tone::Dim)
        };
        let change = |side: Option<&ComparedEvent>| Cell::new(side.map_or("-", |side| &side.change)).tone(tone);
        let mark = Cell::new(if same { "" } else { "≠" }).tone(Tone::Warn);
        table.row([mark, seq(sides[0]), change(sides[0]), seq(sides[1]), change(sides[1])]);
    }
    let more = |n: usize| {
        let count = difference.more[n] as u64;
        if count == 0 {
            String::new()
        } else {
            say(format!("{} has {} more.", names[n], counted(count, "event", "events")))
        }
    };
    Section { title: title + "\n", table: Some(table), notes: more(0) + &more(1) }
}
