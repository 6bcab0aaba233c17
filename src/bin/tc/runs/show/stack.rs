//! The saved call stack of a program of durable-python.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Value as Tree, json};

use crate::args::OutputFormat;
use crate::output::Section;
use crate::output::figures::{count, counted};
use crate::output::table::Tone;
use crate::runs::layout::{heading, wrap};
use crate::surroundings::Context;
use temporal_code::foreign::durable_python::{DurableInstance, SavedFrame, SavedState, SavedValue, SavedVariable};
use temporal_code::text;
use temporal_code::workflows::RunValue;

/// How many lines of code are shown on either side of the one where a call stands.
const AROUND: usize = 3;

/// Most calls that are shown, the innermost ones, and most variables of each.
const FRAMES_MAX: usize = 20;
const VARIABLES_MAX: usize = 40;

/// Most characters of a value and of a line of code.
const VALUE_MAX: usize = 300;

/// The calls, the innermost last, as Python prints a traceback.
pub(super) fn section(context: &Context, instance: &DurableInstance) -> Option<Section> {
    let state = instance.state.as_ref().ok()?;
    let colours = context.colours && context.global.output() == OutputFormat::Table;
    let mut page = Page { context, colours, text: String::new() };
    let shown = &state.frames[state.frames.len().saturating_sub(FRAMES_MAX)..];
    let left_out = state.frames_left_out + state.frames.len() - shown.len();
    if left_out > 0 {
        page.line(
            Tone::Dim,
            0,
            &format!(
                "{} not shown; -o json shows all of them",
                counted(left_out as u64, "outer call is", "outer calls are")
            ),
        );
    }
    for (number, frame) in shown.iter().enumerate() {
        page.frame(frame, number + 1 == shown.len());
    }
    if !state.pending.is_empty() {
        page.line(Tone::Plain, 0, "values that are to be given to the next call:");
        page.variables(&state.pending, 0);
    }
    if let Some(last) = state.last_result.as_ref().filter(|last| last.text != "None" && instance.result().is_none()) {
        page.line(Tone::Plain, 0, &format!("the last function to end returned {}", cut(&last.text)));
    }
    for damage in state.damage.iter().skip(1) {
        page.line(Tone::Bad, 0, &damage.to_string());
    }
    if page.text.is_empty() {
        return None;
    }
    let title = heading(context, "Call stack");
    Some(match context.global.output() {
        OutputFormat::Markdown => Section { title, table: None, notes: fenced(&page.text) },
        _ => Section::text(title + &page.text),
    })
}

/// A block that Markdown leaves as it is.
pub(super) fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end())
}

fn cut(text: &str) -> Cow<'_, str> {
    text::shorten(text, VALUE_MAX)
}

/// Lines that are being written.
struct Page<'c> {
    context: &'c Context,
    colours: bool,
    text: String,
}

impl Page<'_> {
    /// A sentence, wrapped, with so many spaces in front of each line.
    fn line(&mut self, tone: Tone, indent: usize, text: &str) {
        let width = self.context.width().unwrap_or(usize::MAX);
        let indent = indent.min(width / 4);
        for line in wrap(text, width - indent) {
            let line = format!("{}{}", " ".repeat(indent), tone.paint(&line, self.colours));
            self.text += &(line + "\n");
        }
    }

    fn frame(&mut self, frame: &SavedFrame, innermost: bool) {
        self.line(Tone::Strong, 0, &frame.function.to_string());
        let mut said = Vec::new();
        if !frame.returns_to.is_empty() {
            said.push(format!("returns to {} of its caller", frame.returns_to.join(", ")));
        }
        if frame.blocks.len() + frame.blocks_left_out > 1 {
            let to_come = frame.blocks_to_come() + frame.blocks_left_out;
            said.push(format!("{} blocks done, {to_come} to come", frame.blocks_done()));
        }
        if frame.finished {
            said.push("has ended".to_owned());
        }
        if let Some(returned) = &frame.return_values {
            said.push(format!("returned {}", cut(&returned.text)));
        }
        if !said.is_empty() {
            self.line(Tone::Dim, 2, &said.join("; "));
        }
        self.variables(&frame.variables, frame.variables_left_out);
        self.code(frame, innermost);
    }

    fn variables(&mut self, variables: &[SavedVariable], left_out: usize) {
        for SavedVariable { name, value } in variables.iter().take(VARIABLES_MAX) {
            self.line(Tone::Plain, 4, &format!("{} = {}", text::shorten(name, 60), cut(&value.text)));
        }
        let more = left_out + variables.len().saturating_sub(VARIABLES_MAX);
        if more > 0 {
            self.line(Tone::Dim, 4, &format!("and {} more", count(more as u64)));
        }
    }

    /// The lines around the one where the call stands.
    fn code(&mut self, frame: &SavedFrame, innermost: bool) {
        let Some(stop) = &frame.stop else {
            if let Some(checkpoint) = frame.checkpoint {
                self.line(Tone::Dim, 2, &format!("stands at checkpoint {checkpoint}, which is not found in its code"));
            }
            return;
        };
        let code = frame.current.and_then(|current| frame.blocks.get(current)).and_then(|block| block.code.as_deref());
        let pass = stop.pass.map_or_else(String::new, |pass| format!(", in pass {}", pass.saturating_add(1)));
        let doubt = if stop.certain { "" } else { ", or at another place with this checkpoint" };
        let at = format!("stands at line {} of the transformed code{pass}{doubt}:", stop.line);
        self.line(Tone::Dim, 2, &at);
        let Some(code) = code else {
            self.line(Tone::Plain, 4, &stop.statement);
            return;
        };
        let first = stop.line.saturating_sub(AROUND + 1);
        let lines: Vec<(usize, &str)> = code.lines().enumerate().skip(first).take(AROUND * 2 + 1).collect();
        let blank = |line: &str| line.len() - line.trim_start().len();
        let margin = lines.iter().filter(|(_, line)| !line.trim().is_empty()).map(|(_, line)| blank(line)).min();
        for (index, line) in lines {
            let (number, here) = (index + 1, index + 1 == stop.line);
            let rest = line.get(margin.unwrap_or(0)..).unwrap_or_default();
            let arrow = if here { "→" } else { " " };
            let tone = match (here, innermost) {
                (true, true) => Tone::Strong,
                (true, false) => Tone::Plain,
                _ => Tone::Dim,
            };
            self.code_line(tone, &format!("  {arrow} {number:>3}  {rest}"));
        }
    }

    /// A line of code, cut rather than wrapped.
    fn code_line(&mut self, tone: Tone, line: &str) {
        let line = text::harmless(&cut(line)).into_owned();
        let cell = crate::output::table::Cell::new(line).tone(tone);
        let width = cell.width().min(self.context.width().unwrap_or(usize::MAX));
        self.text += &(cell.fitted(width, self.colours) + "\n");
    }
}

/// The calls as JSON.
pub(super) fn frames(state: &SavedState) -> String {
    let frames: Vec<String> = state.frames.iter().map(frame_json).collect();
    format!("[{}]", frames.join(","))
}

/// Other things that a call stack says.
pub(super) fn members(state: &SavedState) -> [(&'static str, Cow<'static, str>); 4] {
    let last = state.last_result.as_ref().map_or_else(|| "null".to_owned(), raw);
    let damage: Vec<Tree> =
        state.damage.iter().map(|damage| json!({"at": damage.at, "problem": damage.what})).collect();
    [
        ("frames", Cow::Owned(frames(state))),
        ("pending", Cow::Owned(variables_json(&state.pending))),
        ("last_result", Cow::Owned(last)),
        ("damage", Cow::Owned(Tree::from(damage).to_string())),
    ]
}

fn raw(seen: &SavedValue) -> String {
    RunValue::from(seen).json().into_owned()
}

/// An object with a member for each; of two with one name the last.
fn variables_json(variables: &[SavedVariable]) -> String {
    let mut names = HashSet::new();
    let mut members: Vec<String> = Vec::new();
    for SavedVariable { name, value } in variables.iter().rev() {
        if names.insert(name) {
            members.push(format!("{}:{}", Tree::from(name.as_str()), raw(value)));
        }
    }
    members.reverse();
    format!("{{{}}}", members.join(","))
}

fn frame_json(frame: &SavedFrame) -> String {
    let stop = frame.stop.as_ref();
    let rest = json!({
        "checkpoint": frame.checkpoint,
        "statement": stop.map(|stop| &stop.statement),
        "line": stop.map(|stop| stop.line),
        "pass": stop.and_then(|stop| stop.pass),
        "certain": stop.map(|stop| stop.certain),
        "returns_to": frame.returns_to,
        "finished": frame.finished,
        "exhausted": frame.exhausted,
        "blocks_done": frame.blocks_done(),
        "blocks_to_come": frame.blocks_to_come() + frame.blocks_left_out,
        "variables_left_out": frame.variables_left_out,
    });
    let mut text = format!(
        "{{\"function\":{},\"variables\":{}",
        Tree::from(frame.function.to_string()),
        variables_json(&frame.variables)
    );
    if let Some(returned) = &frame.return_values {
        text.extend([",\"returned\":", &raw(returned)]);
    }
    let rest = rest.to_string();
    text.extend([",", rest.strip_prefix('{').unwrap_or("}")]);
    text
}
