//! Rows that are printed as they come: the first ones decide how wide each column is.

use std::io::{self, Write};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::output::pager;
use crate::output::table::{Cell, Layout, Table};
use crate::surroundings::Context;

/// Up to how many rows decide the widths.
const FIRST_MAX: usize = 200;

/// How long rows that do not fill the terminal are held back, since they may need a pager.
const PATIENCE: Duration = Duration::from_millis(300);

/// How much is gathered before it is written, in bytes.
const GATHERED_MAX: usize = 32 << 10;

/// A table, or lines, on the way to standard output or to a pager.
pub(crate) struct Stream<'c> {
    context: &'c Context,
    table: Table,
    layout: Option<Layout>,
    gathered: String,
    lines: usize,
    pager: Option<Child>,
    /// Since when somebody waits.
    begun: Instant,
    /// Somebody has waited for so long that rows go to the terminal as they come.
    direct: bool,
    /// Nobody looks any more.
    over: bool,
}

impl<'c> Stream<'c> {
    pub(crate) fn new(context: &'c Context, table: Table) -> Self {
        Stream {
            context,
            table,
            layout: None,
            gathered: String::new(),
            lines: 0,
            pager: None,
            begun: Instant::now(),
            direct: false,
            over: false,
        }
    }

    /// Adds a row to the table.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) -> anyhow::Result<()> {
        self.row_of(None, cells)
    }

    /// Adds a row of a store.
    pub(crate) fn row_of(&mut self, store: Option<&str>, cells: Vec<Cell>) -> anyhow::Result<()> {
        self.table.row_of(store, cells);
        if self.layout.is_some() || self.table.len() >= FIRST_MAX { self.lay_out() } else { Ok(()) }
    }

    /// Prints the rows that are there.
    fn lay_out(&mut self) -> anyhow::Result<()> {
        if self.table.is_empty() {
            return Ok(());
        }
        let colours = self.context.colours;
        if self.layout.is_none() {
            let layout = self.table.layout(self.context.width());
            self.gathered += &self.table.header(&layout, colours);
            self.lines += 1;
            self.layout = Some(layout);
        }
        if let Some(layout) = &self.layout {
            self.lines += self.table.len();
            self.gathered += &self.table.drain(layout, colours);
        }
        if self.gathered.len() >= GATHERED_MAX { self.write() } else { Ok(()) }
    }

    /// Adds a line that stands for itself.
    pub(crate) fn line(&mut self, line: &str) -> anyhow::Result<()> {
        self.gathered.extend([line, "\n"]);
        self.lines += 1;
        if self.gathered.len() >= GATHERED_MAX { self.write() } else { Ok(()) }
    }

    /// Sees to it that what was added can be seen.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.lay_out()?;
        self.write()
    }

    /// Prints what is left, and `notes` behind it.
    pub(crate) fn end(mut self, notes: &str) -> anyhow::Result<()> {
        self.lay_out()?;
        if let Some(layout) = &self.layout {
            self.gathered += &self.table.left_out(layout, self.context.width(), self.context.colours);
        }
        self.gathered += notes;
        self.lines += notes.lines().count();
        let fits = self.context.height().is_none_or(|height| self.lines < height);
        if fits || self.pager.is_some() {
            self.put()?
        } else {
            self.write()?
        }
        pager::close(self.pager.take())
    }

    /// Writes what was gathered. On a terminal it is held back until it is known to need a pager.
    fn write(&mut self) -> anyhow::Result<()> {
        if self.pager.is_none() && !self.direct && pager::is_wanted(self.context) {
            if self.context.height().is_none_or(|height| self.lines < height) {
                if self.begun.elapsed() < PATIENCE {
                    return Ok(());
                }
                self.direct = true;
            } else {
                self.pager = pager::open();
            }
        }
        self.put()
    }

    fn put(&mut self) -> anyhow::Result<()> {
        let text = std::mem::take(&mut self.gathered);
        if self.over {
            return Ok(());
        }
        let Some(pager) = self.pager.as_mut() else { return crate::output::write(&text) };
        let Some(input) = pager.stdin.as_mut() else { return Ok(()) };
        match input.write_all(text.as_bytes()).and_then(|()| input.flush()) {
            // Leaving the pager early closes the pipe, which is no error.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.over = true;
                Ok(())
            }
            written => written.context("cannot write to the pager"),
        }
    }

    /// Whether nobody looks any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }
}

/// The pager has the terminal until its reader leaves it, also when an error ends the rows.
impl Drop for Stream<'_> {
    fn drop(&mut self) {
        let _ = pager::close(self.pager.take());
    }
}
