//! Texts on lines, and rows, that fit the terminal.

use unicode_width::UnicodeWidthStr as _;

use crate::args::OutputFormat;
use crate::output::table::{Cell, Column, Table, Tone};
use crate::surroundings::Context;
use temporal_code::text;
use temporal_code::time::Timestamp;

/// Most lines of a cell.
const LINES_MAX: usize = 5;

/// Least columns to which a name is cut.
const NAME_MIN: usize = 12;

/// Least columns of texts that are wrapped; below that other columns go.
const WRAPPED_MIN: usize = 40;

/// A heading over a part.
pub(super) fn heading(context: &Context, text: &str) -> String {
    match context.global.output() {
        OutputFormat::Markdown => format!("### {text}\n"),
        _ => format!("\n{}\n", Tone::Strong.paint(text, context.colours)),
    }
}

/// A text from a store as harmless lines of at most `width` columns.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = text::harmless(text);
    // Spaces that only lay a value out.
    let text = text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let options = textwrap::Options::new(width.max(1))
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let mut lines: Vec<String> = textwrap::wrap(&text, options).iter().map(|line| line.trim_end().to_owned()).collect();
    // A character of two columns fits into no line of one.
    lines.iter_mut().filter(|line| line.width() > width).for_each(String::clear);
    lines
}

/// A text in a few lines.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = wrap(&text::shorten(text, width.saturating_mul(LINES_MAX + 1)), width);
    if lines.len() > LINES_MAX {
        lines.truncate(LINES_MAX);
        if let Some(last) = lines.last_mut() {
            let room = last.chars().count().min(width.saturating_sub(1));
            *last = last.chars().take(room).chain(['…']).collect();
        }
    }
    lines
}

/// The sentence with its points in time as clocks show them; without the date if that is `day`.
pub(super) fn with_clocks(context: &Context, text: &str, day: &str) -> String {
    if context.global.time.is_some() {
        return text.to_owned();
    }
    let mut before = "";
    let mut words = Vec::new();
    for word in text.split(' ') {
        let end = word.find('Z').map_or(0, |z| z + 1);
        let (time, rest) = word.split_at(end);
        let at = Timestamp::parse(time.as_bytes()).filter(|at| at.to_string() == time);
        match at.filter(|_| matches!(before, "until" | "at")) {
            Some(at) => {
                let clock = context.clock(Some(at));
                let clock = clock.strip_prefix(day).filter(|_| !day.is_empty()).unwrap_or(&clock);
                words.push(format!("{}{rest}", clock.trim_start()));
            }
            None => words.push(word.to_owned()),
        }
        before = word;
    }
    words.join(" ")
}

/// Rows of which the last cell is a text that is wrapped.
pub(super) struct Rows {
    columns: Vec<(&'static str, bool, u8)>,
    last: &'static str,
    rows: Vec<(Vec<Cell>, String, Tone)>,
}

impl Rows {
    /// With columns that have a name, are numbers or not, and go when there is no room, the highest rank first.
    pub(super) fn new(columns: &[(&'static str, bool, u8)], last: &'static str) -> Self {
        Rows { columns: columns.to_vec(), last, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, mut cells: Vec<Cell>, text: String, tone: Tone) {
        cells.resize(self.columns.len(), Cell::default());
        self.rows.push((cells, text, tone));
    }

    /// Lets go of a column in which nothing is.
    pub(super) fn without_empty(mut self) -> Self {
        for place in (0..self.columns.len()).rev() {
            if self.rows.iter().all(|(cells, ..)| cells[place].width() == 0) {
                self.columns.remove(place);
                self.rows.iter_mut().for_each(|(cells, ..)| drop(cells.remove(place)));
            }
        }
        self
    }

    /// Cuts names that would take more than a quarter of the terminal.
    fn cut_names(&mut self, width: usize) {
        let most = (width / 4).max(NAME_MIN);
        for (place, (_, is_number, rank)) in self.columns.iter().enumerate() {
            if !is_number && *rank == 0 {
                let cells = self.rows.iter_mut().map(|(cells, ..)| &mut cells[place]);
                cells.for_each(|cell| *cell = std::mem::take(cell).cut(most));
            }
        }
    }

    fn width(&self, place: usize) -> usize {
        let cells = self.rows.iter().map(|(cells, ..)| cells[place].width()).max().unwrap_or(0);
        cells.max(self.columns[place].0.width())
    }

    pub(super) fn table(mut self, context: &Context) -> Table {
        if let Some(width) = context.width().filter(|_| context.global.output() == OutputFormat::Table) {
            self.cut_names(width);
        }
        let mut kept: Vec<usize> = (0..self.columns.len()).collect();
        let used = |kept: &[usize]| kept.iter().map(|place| self.width(*place) + 2).sum::<usize>();
        let width = context.width().filter(|_| context.global.output() == OutputFormat::Table);
        let longest = self.rows.iter().map(|(_, text, _)| text.width()).max().unwrap_or(0).max(self.last.width());
        let wanted = longest.min(WRAPPED_MIN);
        while width.is_some_and(|width| used(&kept) + wanted > width) {
            let rank = |place: &usize| self.columns[kept[*place]].2;
            let Some(place) = (0..kept.len()).filter(|place| rank(place) > 0).max_by_key(rank) else { break };
            kept.remove(place);
        }
        let column = |place: &usize| match self.columns[*place] {
            (name, true, _) => Column::number(name),
            (name, false, _) => Column::text(name).cut_to(8),
        };
        let mut table = Table::new(kept.iter().map(column).chain([Column::text(self.last).cut_to(1)]));
        let room = width.map(|width| width.saturating_sub(used(&kept)).max(NAME_MIN));
        for (cells, text, tone) in &self.rows {
            let lines = room.map_or_else(|| vec![text.clone()], |room| wrapped(text, room));
            for (number, line) in lines.into_iter().enumerate() {
                let cell = |place: &usize| if number == 0 { cells[*place].clone() } else { Cell::default() };
                let row: Vec<Cell> = kept.iter().map(cell).chain([Cell::new(line).tone(*tone)]).collect();
                // What is left of a row without some of its columns may be nothing.
                if row.iter().any(|cell| cell.width() > 0) {
                    table.row(row);
                }
            }
        }
        table
    }
}
