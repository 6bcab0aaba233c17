//! Items as CSV: the same columns, whatever the rows hold, and in each cell the text of the log itself.

use std::borrow::Cow;
use std::io::IsTerminal as _;

use anyhow::Result;

use temporal_code::json::{self, Raw};
use temporal_code::text;

/// Which rows and columns items become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sheet {
    /// Each element of this member is a row of its own, if there are any.
    pub(crate) of: Option<&'static str>,
    /// Members of an item, separated by blanks; those of an object in it as `latency_ms.p50`. What an item does not have, its
    /// element may, and `variant.calls` is that of an element of `variants`. `other` is an object of all members that no column
    /// names.
    pub(crate) columns: &'static str,
    /// Columns that hold values of any kind: they are JSON, texts too.
    pub(crate) json: &'static str,
}

type Members<'a> = Vec<(Cow<'a, str>, Raw<'a>)>;

/// A header, and a row for each item or element; with a column for the store if `of_stores`.
pub(crate) fn csv(items: &[String], rows: &Sheet, of_stores: bool) -> Result<String> {
    let mut columns = rows.columns.split_whitespace().collect::<Vec<_>>();
    if of_stores && !columns.contains(&"store") {
        columns.push("store");
    }
    let row = Row {
        rows,
        element: rows.of.map_or("", |of| of.strip_suffix('s').unwrap_or(of)),
        is_seen: std::io::stdout().is_terminal(),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&columns)?;
    for item in items {
        let item = members(item);
        let elements = rows.of.and_then(|of| find(&item, of)).map(elements).unwrap_or_default();
        for element in &elements {
            writer.write_record(columns.iter().map(|column| row.cell(column, &item, element)))?;
        }
        if elements.is_empty() {
            writer.write_record(columns.iter().map(|column| row.cell(column, &item, &Vec::new())))?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

struct Row<'r> {
    rows: &'r Sheet,
    /// What an element is called in the names of columns.
    element: &'r str,
    /// It goes to a terminal, which no text may steer.
    is_seen: bool,
}

impl Row<'_> {
    fn cell(&self, column: &str, item: &Members<'_>, element: &Members<'_>) -> String {
        if column == "other" {
            return self.other(if element.is_empty() { item } else { element });
        }
        let of_element = column.split_once('.').filter(|(first, _)| *first == self.element);
        let value = match of_element {
            Some((_, path)) => at(element, path),
            None => at(item, column).or_else(|| at(element, column)),
        };
        let cell = match value.filter(|value| !value.is_null()) {
            None => String::new(),
            Some(value) => match value.as_str() {
                Some(text) if !self.rows.json.split(' ').any(|json| json == column) => guarded(&text),
                _ => text::json(&json::standard(value)).into_owned(),
            },
        };
        if self.is_seen { text::harmless(&cell).into_owned() } else { cell }
    }

    /// All that has no column of its own.
    fn other(&self, members: &Members<'_>) -> String {
        let has_column = |name: &str| {
            let of = self.rows.of.into_iter();
            of.chain(self.rows.columns.split(' ')).any(|column| column.split('.').next() == Some(name))
        };
        let others = members.iter().filter(|(name, _)| !has_column(name));
        let others =
            others.map(|(name, value)| format!("{}:{}", serde_json::Value::from(&**name), json::standard(*value)));
        let others = others.collect::<Vec<_>>().join(",");
        if others.is_empty() { others } else { text::json(&format!("{{{others}}}")).into_owned() }
    }
}

/// The members of an object. Of two with one name the last counts.
fn members(object: &str) -> Members<'_> {
    let mut members: Members<'_> = Vec::new();
    // Items are JSON that was made here.
    let _ = json::object(object, 0, |key, value| members.push((key, value)));
    members
}

/// The objects of an array.
fn elements(array: Raw<'_>) -> Vec<Members<'_>> {
    let elements: Vec<&serde_json::value::RawValue> = serde_json::from_str(array.text()).unwrap_or_default();
    elements.into_iter().map(|element| members(element.get())).collect()
}

fn find<'a>(members: &Members<'a>, name: &str) -> Option<Raw<'a>> {
    members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
}

/// What is at a path such as `latency_ms.p50`.
fn at<'a>(of: &Members<'a>, path: &str) -> Option<Raw<'a>> {
    match path.split_once('.') {
        None => find(of, path),
        Some((first, rest)) => at(&members(find(of, first)?.text()), rest),
    }
}

/// A text that no spreadsheet takes for a formula: a `'` stands in front of one that begins like it. One that begins with such a
/// `'` gets one more, so that what was written can be told.
fn guarded(text: &str) -> String {
    let is_formula = text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHEET: Sheet = Sheet { of: Some("variants"), columns: "f calls variant.calls l.p50 v other", json: "v" };

    fn rows(items: &[&str]) -> Vec<Vec<String>> {
        let items = items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let text = csv(&items, &SHEET, false).expect("rows");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let rows = reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect());
        rows.collect()
    }

    #[test]
    fn columns_are_the_same_whatever_the_rows() {
        let header = &*SHEET.columns.split(' ').collect::<Vec<_>>();
        assert_eq!(rows(&[]), [header]);
        let item = r#"{"f": "a\n\"b", "calls": 3, "l": {"p50": 1.50}, "variants": [{"calls": 1, "v": "x", "z": 1, "f": 2}, {"calls": 2, "v": [1, "é"]}]}"#;
        assert_eq!(
            rows(&[item, r#"{"f": 7, "y": {"\u202e": null}}"#]),
            [
                header,
                &["a\n\"b", "3", "1", "1.50", "\"x\"", r#"{"z":1}"#],
                &["a\n\"b", "3", "2", "1.50", "[1, \"é\"]", ""],
                &["7", "", "", "", "", r#"{"y":{"\u202e": null}}"#],
            ]
        );
    }

    #[test]
    fn a_value_of_any_depth_has_its_row() {
        let deep = format!("{}1{}", "[".repeat(900), "]".repeat(900));
        assert_eq!(rows(&[&format!(r#"{{"f": "a", "v": {deep}}}"#)])[1][4], deep);
    }

    #[test]
    fn nothing_is_a_formula_and_all_can_be_told_apart() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''-1"] {
            let cell = guarded(text);
            assert_eq!(cell.strip_prefix('\''), Some(text));
        }
        for text in ["", "1", "'Hey Ada!'", "a=1", "'"] {
            assert_eq!(guarded(text), text);
        }
    }
}
