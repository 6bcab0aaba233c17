//! Tables that fit the terminal: long texts are cut to a width at which they still say something, and when that is not
//! enough the least important columns go.

use comfy_table::{CellAlignment, ContentArrangement, presets};
use owo_colors::OwoColorize as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::output::markdown;
use temporal_code::text;

/// What a cell means, which decides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Strong,
    Dim,
    Good,
    Bad,
    Warn,
}

impl Tone {
    /// `text` in this tone's colour.
    pub(crate) fn paint(self, text: &str, colours: bool) -> String {
        if !colours || text.is_empty() {
            return text.to_string();
        }
        match self {
            Tone::Plain => text.to_string(),
            Tone::Strong => text.bold().to_string(),
            Tone::Dim => text.dimmed().to_string(),
            Tone::Good => text.green().to_string(),
            Tone::Bad => text.red().to_string(),
            Tone::Warn => text.yellow().to_string(),
        }
    }
}

/// Longest text of a cell, in characters: names can be of any length.
const TEXT_MAX: usize = 200;

/// One cell. Its text is made harmless when it is built.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
    is_indented: bool,
}

impl Cell {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        let text = text::shorten(text.as_ref(), TEXT_MAX);
        Cell { text: text::harmless(&text).into_owned(), ..Cell::default() }
    }

    /// The name of a function or variant; one that would not be seen is put in quotes.
    pub(crate) fn name(name: &str) -> Self {
        if name.trim().is_empty() { Cell::new(format!("\"{name}\"")) } else { Cell::new(name) }
    }

    pub(crate) fn tone(self, tone: Tone) -> Self {
        Cell { tone, ..self }
    }

    /// The same in at most `width` columns.
    pub(crate) fn cut(self, width: usize) -> Self {
        Cell { text: cut(&self.text, width), ..self }
    }

    /// The cell alone, cut or filled up to `width` columns.
    pub(crate) fn fitted(&self, width: usize, colours: bool) -> String {
        let text = cut(&self.text, width);
        let fill = " ".repeat(width.saturating_sub(text.width()));
        self.tone.paint(&text, colours) + &fill
    }

    pub(crate) fn width(&self) -> usize {
        self.text.width()
    }

    /// What is said of something in a store, where there is no column for that.
    pub(crate) fn of(self, store: &str) -> Self {
        let gap = if self.text.is_empty() { "" } else { "  " };
        Cell { text: format!("{}{gap}[{}]", self.text, text::harmless(store)), ..self }
    }

    /// What belongs to a row above.
    pub(crate) fn indented(self) -> Self {
        Cell { text: format!("  {}", self.text), is_indented: true, ..self }
    }

    fn markdown(&self) -> String {
        let indent = if self.is_indented { "&emsp;" } else { "" };
        indent.to_owned() + &markdown::escaped(self.text.trim())
    }
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    name: &'static str,
    right: bool,
    /// 0 stays; of the others the highest goes first when the table is too wide.
    expendable: u8,
    /// Least width to which its texts may be cut; `None` if not at all.
    width_min: Option<usize>,
}

impl Column {
    pub(crate) const fn text(name: &'static str) -> Self {
        Column { name, right: false, expendable: 0, width_min: None }
    }

    pub(crate) const fn number(name: &'static str) -> Self {
        Column { name, right: true, expendable: 0, width_min: None }
    }

    pub(crate) const fn expendable(self, rank: u8) -> Self {
        Column { expendable: rank, ..self }
    }

    pub(crate) const fn cut_to(self, width_min: usize) -> Self {
        Column { width_min: Some(width_min), ..self }
    }
}

/// Rows under columns.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

const GAP: usize = 2;

/// Most characters of a store's name in a row.
const STORE_MAX: usize = 24;

/// Columns of a terminal by which the first column of a table that goes on, if it holds texts, may be wider than its first rows
/// need.
const SPARE: usize = 4;

/// Which columns are shown, and how wide each is.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    kept: Vec<usize>,
    widths: Vec<usize>,
    /// Whether what is wider is cut: where nobody's terminal ends, a row that comes later may stick out.
    cuts: bool,
}

/// Up to how many rows comfy-table lays a table out.
const LAID_OUT_MAX: usize = 2_000;

impl Table {
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Table { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// With a column for the store that each row is of, if stores are told apart.
    pub(crate) fn of_stores(told_apart: bool, columns: impl IntoIterator<Item = Column>) -> Self {
        Table::new(columns.into_iter().chain(told_apart.then(|| Column::text("store"))))
    }

    /// A row of a store. Of a long name the end says most.
    pub(crate) fn row_of(&mut self, store: Option<&str>, cells: Vec<Cell>) {
        let store = store.map(|store| {
            let front = store.chars().count().saturating_sub(STORE_MAX);
            let end = store.chars().skip(front).collect::<String>();
            Cell::new(if front > 0 { format!("…{end}") } else { end }).tone(Tone::Dim)
        });
        self.row(cells.into_iter().chain(store));
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut cells = cells.into_iter().collect::<Vec<_>>();
        cells.resize(self.columns.len(), Cell::default());
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How to lay out the rows that are there, and others that follow them.
    pub(crate) fn layout(&self, width: Option<usize>) -> Layout {
        let (kept, mut widths) = self.fit(width);
        let used = widths.iter().sum::<usize>() + GAP * kept.len().saturating_sub(1);
        // What comes later may be a little longer.
        let spare = width.map_or(SPARE, |width| width.saturating_sub(used)).min(SPARE);
        let is_text = kept.first().is_some_and(|first| !self.columns[*first].right);
        if let Some(first) = widths.first_mut().filter(|_| is_text && kept.len() > 1) {
            *first += spare;
        }
        Layout { kept, widths, cuts: width.is_some() }
    }

    /// The line above the rows.
    pub(crate) fn header(&self, layout: &Layout, colours: bool) -> String {
        let header = self.columns.iter().map(|column| Cell::new(column.name.to_uppercase()).tone(Tone::Strong));
        self.line(layout, &header.collect::<Vec<_>>(), colours)
    }

    /// Takes the rows, as lines.
    pub(crate) fn drain(&mut self, layout: &Layout, colours: bool) -> String {
        let rows = std::mem::take(&mut self.rows);
        rows.iter().map(|row| self.line(layout, row, colours)).collect()
    }

    /// Columns of a terminal that it takes with nothing cut.
    pub(crate) fn width(&self) -> usize {
        let (kept, widths) = self.fit(None);
        widths.iter().sum::<usize>() + GAP * kept.len().saturating_sub(1)
    }

    /// The table as text of at most `width` columns, if that can be, with a line that names the columns left out.
    pub(crate) fn render(&self, width: Option<usize>, colours: bool) -> String {
        let (kept, widths) = self.fit(width);
        let text = if self.rows.len() > LAID_OUT_MAX {
            self.lines(&kept, &widths, colours)
        } else {
            self.laid_out(&kept, &widths, colours)
        };
        text + &self.left_out(&Layout { kept, widths, cuts: width.is_some() }, width, colours)
    }

    /// A line that names the columns left out, if any are.
    pub(crate) fn left_out(&self, layout: &Layout, width: Option<usize>, colours: bool) -> String {
        let left_out = self.columns.iter().enumerate().filter(|(index, _)| !layout.kept.contains(index));
        let left_out = left_out.map(|(_, column)| column.name).collect::<Vec<_>>();
        if left_out.is_empty() {
            return String::new();
        }
        let note = format!("not shown at this width: {}", left_out.join(", "));
        let note = width.map_or(note.clone(), |width| cut(&note, width));
        Tone::Dim.paint(&note, colours) + "\n"
    }

    fn laid_out(&self, kept: &[usize], widths: &[usize], colours: bool) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        let header = |column: &usize| Tone::Strong.paint(&self.columns[*column].name.to_uppercase(), colours);
        table.set_header(kept.iter().map(header));
        for row in &self.rows {
            table.add_row(kept.iter().zip(widths).map(|(column, width)| {
                let cell = &row[*column];
                cell.tone.paint(&cut(&cell.text, *width), colours)
            }));
        }
        for (index, column) in kept.iter().enumerate() {
            if let Some(layout) = table.column_mut(index) {
                let last = index + 1 == kept.len();
                layout.set_padding((0, if last { 0 } else { GAP as u16 }));
                let right = self.columns[*column].right;
                layout.set_cell_alignment(if right { CellAlignment::Right } else { CellAlignment::Left });
            }
        }
        table.lines().map(|line| line.trim_end().to_string() + "\n").collect()
    }

    /// The same without a library, for tables of so many rows that its layout takes seconds.
    fn lines(&self, kept: &[usize], widths: &[usize], colours: bool) -> String {
        let layout = Layout { kept: kept.to_vec(), widths: widths.to_vec(), cuts: true };
        let rows = self.rows.iter().map(|row| self.line(&layout, row, colours));
        std::iter::once(self.header(&layout, colours)).chain(rows).collect()
    }

    fn line(&self, layout: &Layout, row: &[Cell], colours: bool) -> String {
        let mut line = String::new();
        for (column, width) in layout.kept.iter().zip(&layout.widths) {
            let right = self.columns[*column].right;
            // A number that is cut is another number.
            let is_whole = right || !layout.cuts;
            let text = if is_whole { row[*column].text.clone() } else { cut(&row[*column].text, *width) };
            let fill = " ".repeat(width.saturating_sub(text.width()));
            let painted = row[*column].tone.paint(&text, colours);
            let (before, behind) = if right { (fill, String::new()) } else { (String::new(), fill) };
            line.extend([before, painted, behind, " ".repeat(GAP)]);
        }
        line.trim_end().to_string() + "\n"
    }

    /// Which columns to show, and how wide each is.
    fn fit(&self, width: Option<usize>) -> (Vec<usize>, Vec<usize>) {
        let natural = |index: usize| {
            let cells = self.rows.iter().map(|row| row[index].text.width()).max().unwrap_or(0);
            cells.max(self.columns[index].name.width())
        };
        let mut kept = (0..self.columns.len()).collect::<Vec<_>>();
        let mut widths = kept.iter().map(|index| natural(*index)).collect::<Vec<_>>();
        let Some(limit) = width else { return (kept, widths) };
        let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let least = |kept: &[usize], widths: &[usize]| {
            let columns = kept.iter().map(|index| &self.columns[*index]);
            let least =
                columns.zip(widths).map(|(column, width)| column.width_min.map_or(*width, |min| min.min(*width)));
            total(&least.collect::<Vec<_>>())
        };
        while least(&kept, &widths) > limit {
            let rank = |place: &usize| self.columns[kept[*place]].expendable;
            let Some(place) = (0..kept.len()).filter(|place| rank(place) > 0).max_by_key(rank) else { break };
            kept.remove(place);
            widths.remove(place);
        }
        while total(&widths) > limit {
            let slack = |place: &usize| {
                let least = self.columns[kept[*place]].width_min.unwrap_or(usize::MAX);
                widths[*place].saturating_sub(least)
            };
            let Some(widest) = (0..kept.len()).filter(|place| slack(place) > 0).max_by_key(|place| widths[*place])
            else {
                break;
            };
            let surplus = total(&widths) - limit;
            widths[widest] -= surplus.min(slack(&widest));
        }
        (kept, widths)
    }

    /// The table for Markdown, with all columns.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = line(self.columns.iter().map(|column| column.name.to_string()).collect());
        text += &line(self.columns.iter().map(|c| if c.right { "---:" } else { "---" }.to_string()).collect());
        for row in &self.rows {
            text += &line(row.iter().map(Cell::markdown).collect());
        }
        text
    }
}

/// `text` in at most `width` columns: of a name both ends stay, since both tell names apart.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let room = width.saturating_sub(1);
    let tail_room = if text.contains(' ') { 0 } else { room / 2 };
    let head = take_width(text.chars(), room - tail_room);
    let tail = take_width(text.chars().rev(), tail_room).chars().rev().collect::<String>();
    if width == 0 { String::new() } else { format!("{head}…{tail}") }
}

fn take_width(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    chars.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new([
            Column::text("name").cut_to(8),
            Column::number("calls"),
            Column::number("p50").expendable(2),
            Column::text("last").expendable(1),
        ]);
        table.row([Cell::new("a.very.long.function.name"), Cell::new("12"), Cell::new("1.5ms"), Cell::new("now")]);
        table.row([Cell::new("东京"), Cell::new("1,234"), Cell::new("2ms"), Cell::new("1d ago")]);
        table
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in 16..120 {
            let text = sample().render(Some(width), false);
            assert!(text.lines().all(|line| line.width() <= width), "{width}\n{text}");
            assert!(text.contains("1,234"));
        }
    }

    #[test]
    fn the_least_important_columns_go_first() {
        let narrow = sample().render(Some(29), false);
        assert!(!narrow.contains("P50") && narrow.contains("LAST"), "{narrow}");
        assert!(narrow.contains("not shown at this width: p50"), "{narrow}");
        let wide = sample().render(None, false);
        assert_eq!(wide.lines().next(), Some("NAME                       CALLS    P50  LAST"));
    }

    #[test]
    fn both_ways_to_lay_out_agree() {
        for width in [None, Some(60), Some(29), Some(20)] {
            let table = sample();
            let (kept, widths) = table.fit(width);
            assert_eq!(table.lines(&kept, &widths, false), table.laid_out(&kept, &widths, false), "{width:?}");
            assert_eq!(table.lines(&kept, &widths, true), table.laid_out(&kept, &widths, true), "{width:?}");
        }
    }

    #[test]
    fn colour_changes_no_width() {
        let mut table = Table::new([Column::text("a"), Column::number("b")]);
        table.row([Cell::new("x").tone(Tone::Bad), Cell::new("1").tone(Tone::Good)]);
        let plain = table.render(None, false);
        let coloured = table.render(None, true);
        assert!(coloured.contains("\u{1b}["));
        let mut stripped = String::new();
        let mut rest = coloured.as_str();
        while let Some(start) = rest.find('\u{1b}') {
            stripped.push_str(&rest[..start]);
            rest = rest[start..].split_once('m').map_or("", |(_, after)| after);
        }
        stripped.push_str(rest);
        assert_eq!(stripped, plain);
    }

    #[test]
    fn markdown_cells_cannot_break_out() {
        let mut table = Table::new([Column::text("a")]);
        table.row([Cell::new("x|y\n<b>")]);
        assert_eq!(table.markdown(), "| a |\n| --- |\n| x\\|y\\\\n&lt;b&gt; |\n");
    }
}
