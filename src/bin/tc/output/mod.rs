//! From answers to text: tables for people, JSON and CSV for programs, warnings for both.

pub(crate) mod csv;
pub(crate) mod figures;
pub(crate) mod markdown;
pub(crate) mod pager;
pub(crate) mod progress;
pub(crate) mod stream;
pub(crate) mod table;
pub(crate) mod warnings;

use std::io::{self, Write};

use anyhow::Context as _;
use serde_json::Value;

use crate::args::OutputFormat;
use crate::output::csv::Sheet;
use crate::surroundings::Context;
use table::Table;
use temporal_code::text;
use warnings::Warning;

/// A part of an answer for people.
pub(crate) struct Section {
    /// Lines above the table.
    pub(crate) title: String,
    pub(crate) table: Option<Table>,
    /// Lines below the table.
    pub(crate) notes: String,
}

impl Section {
    pub(crate) fn table(table: Table) -> Self {
        Section { title: String::new(), table: Some(table), notes: String::new() }
    }

    /// What is said of several things, with a blank line before each but the first.
    pub(crate) fn apart(each: impl IntoIterator<Item = Vec<Section>>) -> Vec<Section> {
        let mut sections = Vec::new();
        for mut more in each {
            if let Some(first) = more.first_mut().filter(|_| !sections.is_empty()) {
                first.title.insert(0, '\n');
            }
            sections.append(&mut more);
        }
        sections
    }

    pub(crate) fn text(title: String) -> Self {
        Section { title, table: None, notes: String::new() }
    }
}

/// An answer in both its forms; only the one that is asked for is made.
pub(crate) struct Answer<I, S> {
    /// Name and version of the items' form, as `tc.status/1`.
    pub(crate) schema: &'static str,
    /// What could not be read.
    pub(crate) warnings: Vec<Warning>,
    /// The items, each a JSON object.
    pub(crate) items: I,
    /// What they become in CSV.
    pub(crate) sheet: &'static Sheet,
    /// The same for people.
    pub(crate) sections: S,
}

impl<I, S> Answer<I, S>
where
    I: FnOnce() -> anyhow::Result<Vec<String>>,
    S: FnOnce() -> Vec<Section>,
{
    /// Prints the answer to standard output, and the warnings where they belong.
    pub(crate) fn print(self, context: &Context) -> anyhow::Result<()> {
        self.print_with(context, &[])
    }

    /// The same, with more members, which are JSON already, beside the items of the JSON form.
    pub(crate) fn print_with(mut self, context: &Context, members: &[(&str, String)]) -> anyhow::Result<()> {
        let format = context.global.output();
        let mut text = String::new();
        let items = || -> anyhow::Result<Vec<String>> {
            let store = context.noted_store();
            Ok((self.items)()?.into_iter().map(|item| of_store(item, store.as_deref())).collect())
        };
        match format {
            OutputFormat::Json => {
                let items = items()?;
                self.warnings.extend(context.take_notices());
                let read = context.take_read();
                let read =
                    (!read.is_empty()).then(|| Ok::<_, serde_json::Error>(("read", serde_json::to_string(&read)?)));
                let members = members.iter().cloned().chain(read.transpose()?).collect::<Vec<_>>();
                text = envelope(self.schema, &self.warnings, &members, &items)?;
            }
            OutputFormat::Jsonl => {
                for item in items()? {
                    text.push_str(&item);
                    text.push('\n');
                }
            }
            OutputFormat::Csv => text = csv::csv(&items()?, self.sheet, context.global.store.len() > 1)?,
            OutputFormat::Markdown => {
                for section in (self.sections)() {
                    let table = section.table.map(|table| table.markdown() + "\n").unwrap_or_default();
                    // A run is shown with headings and more.
                    let is_markdown = self.schema == "tc.show/1";
                    let prose = |text: String| if is_markdown { text } else { markdown::lines(&text) };
                    let parts = [prose(section.title), table, prose(section.notes)];
                    let parts = parts.map(|part| part.trim().to_string());
                    let parts = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
                    text += &(parts.join("\n\n") + "\n\n");
                }
                text = text.trim_end().to_string() + "\n";
            }
            OutputFormat::Table => {
                for section in (self.sections)() {
                    text += &section.title;
                    text +=
                        &section.table.map(|table| table.render(context.width(), context.colours)).unwrap_or_default();
                    text += &section.notes;
                }
            }
        }
        let text = match format {
            OutputFormat::Json | OutputFormat::Jsonl => text::json(&text).into_owned(),
            _ => text,
        };
        if format == OutputFormat::Table {
            pager::show(context, &text)?
        } else {
            write(&text)?
        }
        if format != OutputFormat::Json {
            tell(context, &self.warnings);
        }
        Ok(())
    }
}

/// An item, a JSON object, with the store that it is of, where stores are told apart.
pub(crate) fn of_store(item: String, store: Option<&str>) -> String {
    match (store, item.strip_prefix('{')) {
        (Some(store), Some(members)) => format!("{{\"store\":{},{members}", Value::from(store)),
        _ => item,
    }
}

/// Says on standard error what there is to say beside an answer that is printed: what was read, if asked, and warnings.
pub(crate) fn tell(context: &Context, warnings: &[Warning]) {
    if context.global.quiet {
        return;
    }
    let read = context.take_read().iter().map(|name| format!("read: {}\n", text::harmless(name))).collect::<String>();
    let _ = io::stderr().write_all(read.as_bytes());
    warnings::print(warnings, context.global.verbose);
    warnings::print(&context.take_notices(), context.global.verbose);
}

/// Writes to standard output, and says so when that cannot be done.
pub(crate) fn write(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.context("cannot write to standard output")
}

/// `{"schema":…,"complete":…,"warnings":[…],"items":[…]}`, an item a line; `members` in front of the items.
fn envelope(
    schema: &str,
    warnings: &[Warning],
    members: &[(&str, String)],
    items: &[String],
) -> serde_json::Result<String> {
    let complete = warnings.iter().all(|warning| !warning.loses);
    let members = members.iter().map(|(name, value)| format!("\"{name}\":{value},")).collect::<String>();
    let head = format!(
        "{{\"schema\":{},\"complete\":{complete},\"warnings\":{},{members}\"items\":[",
        serde_json::to_string(schema)?,
        serde_json::to_string(warnings)?
    );
    let lines = if items.is_empty() { String::new() } else { format!("\n{}\n", items.join(",\n")) };
    Ok(head + &lines + "]}\n")
}
