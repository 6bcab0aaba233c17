//! From answers to text: tables for people, JSON and CSV for programs, warnings for both.

pub(crate) mod figures;
pub(crate) mod pager;
pub(crate) mod progress;
pub(crate) mod stream;
pub(crate) mod table;
pub(crate) mod warnings;

use std::io::{self, Write};

use anyhow::Context as _;
use serde_json::{Map, Value};

use crate::args::OutputFormat;
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
    /// In CSV each element of this member is a row of its own.
    pub(crate) rows_of: Option<&'static str>,
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
            OutputFormat::Csv => text = csv(&items()?, self.rows_of, values_of(self.schema))?,
            OutputFormat::Markdown => {
                for section in (self.sections)() {
                    let table = section.table.map(|table| table.markdown() + "\n").unwrap_or_default();
                    let parts = [section.title, table, section.notes].map(|part| part.trim().to_string());
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

/// The members of items of a schema that are values of a user's own, which can have any members themselves.
fn values_of(schema: &str) -> &'static [&'static str] {
    let is_of_runs = ["tc.runs/", "tc.result/", "tc.replay/", "tc.show/"].iter().any(|name| schema.starts_with(name));
    if is_of_runs { &["result", "error", "input", "value", "ok", "err", "kwargs"] } else { &[] }
}

/// Items as CSV: nested members as `latency_ms.p50`, but `whole_members` as JSON, and one row for each element of `rows_of`.
fn csv(items: &[String], rows_of: Option<&str>, whole_members: &[&str]) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    let element_name = rows_of.map_or("", |rows| rows.strip_suffix('s').unwrap_or(rows));
    for item in items {
        let Value::Object(mut whole) = serde_json::from_str(item)? else { continue };
        let inner = rows_of.and_then(|key| whole.remove(key));
        match inner {
            Some(Value::Array(elements)) if !elements.is_empty() => {
                for element in elements {
                    let mut row = flat(&whole, whole_members);
                    if let Value::Object(element) = element {
                        for (key, value) in flat(&element, whole_members) {
                            let taken = row.iter().any(|(name, _)| *name == key);
                            let key = if taken { format!("{element_name}.{key}") } else { key };
                            row.push((key, value));
                        }
                    }
                    rows.push(row);
                }
            }
            _ => rows.push(flat(&whole, whole_members)),
        }
    }
    let mut header: Vec<String> = Vec::new();
    for (key, _) in rows.iter().flatten() {
        if !header.contains(key) {
            header.push(key.clone());
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header.iter().map(|name| text::harmless(name).into_owned()))?;
    for row in &rows {
        let cell = |name| row.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        writer.write_record(header.iter().map(cell))?;
    }
    let bytes = if header.is_empty() { Vec::new() } else { writer.into_inner()? };
    Ok(String::from_utf8(bytes)?)
}

/// The members of an object, those of objects in it too if they are not among the `whole` ones, as text.
fn flat(object: &Map<String, Value>, whole: &[&str]) -> Vec<(String, String)> {
    let mut cells = Vec::new();
    for (key, value) in object {
        match value {
            Value::Object(inner) if !whole.contains(&key.as_str()) => {
                cells.extend(flat(inner, whole).into_iter().map(|(name, value)| (format!("{key}.{name}"), value)));
            }
            Value::Null => cells.push((key.clone(), String::new())),
            Value::String(text) => cells.push((key.clone(), text::harmless(text).into_owned())),
            other => cells.push((key.clone(), text::harmless(&other.to_string()).into_owned())),
        }
    }
    cells
}
