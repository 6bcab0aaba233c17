//! The code that durable-python made of a function: where a checkpoint is in it, and what stands there.
//!
//! The package gives each statement a number and guards it, and prints the result with Python's `ast.unparse`:
//!
//! ```text
//! if checkpoint < 3 + __index1__ * 2:
//!     checkpoint = 3 + __index1__ * 2
//!     raise PauseForEventException('approve')
//! ```

/// Most bytes of code that are looked at.
const CODE_BYTES_MAX: usize = 1 << 20;

/// Where a frame stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopPoint {
    /// The number of the line in the transformed code, from 1.
    pub line: usize,
    /// The statement that stands there, as the program's author wrote it where that can be told.
    pub statement: String,
    /// Which pass through the loop it stands in it is, from 0, if that follows from the checkpoint.
    pub pass: Option<u64>,
    /// What kind of statement it is.
    pub kind: StopPointKind,
    /// Whether no other statement has the same checkpoint: numbers within loops can coincide with later ones.
    pub certain: bool,
}

/// What a frame does at the statement where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopPointKind {
    /// It waits for an event.
    Event(AwaitedEvent),
    /// It waits for the function that it called.
    Call(String),
    /// It was stopped by what this statement calls.
    Other,
}

/// An event that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitedEvent {
    /// Its name, if the code says it, or the frame's locals do.
    pub name: Option<String>,
    /// The expression in the code that gives the name.
    pub expression: String,
}

/// A statement on its line.
struct Line<'c> {
    number: usize,
    indent: usize,
    text: &'c str,
}

/// A number of the package's making: a base, and so much for each pass through the loops around.
#[derive(Debug, PartialEq, Eq)]
struct Number {
    base: i64,
    factors: Vec<i64>,
}

/// Finds where `checkpoint` is. `paused` says that the frame raised the pause, so a statement that does is preferred; `local`
/// gives the text of a local variable that is a string or an integer.
pub(super) fn find(
    code: &str,
    checkpoint: i64,
    paused: bool,
    local: &dyn Fn(&str) -> Option<String>,
) -> Option<StopPoint> {
    if code.len() > CODE_BYTES_MAX {
        return None;
    }
    let lines = lines(code);
    let mut found: Vec<(bool, StopPoint)> = Vec::new();
    for at in 0..lines.len() {
        let Some(number) = guard(&lines, at) else { continue };
        let Some(pass) = number.pass(checkpoint) else { continue };
        let Some(statement) = lines.get(at + 2) else { continue };
        let before = at.checked_sub(1).map(|before| lines[before].text);
        let kind = kind_of(statement.text, before, local);
        let text = match (&kind, before) {
            (StopPointKind::Call(_), Some(push)) => call_of(push).unwrap_or_else(|| push.to_owned()),
            _ => statement.text.to_owned(),
        };
        let stop = StopPoint { line: statement.number, statement: text, pass, kind, certain: true };
        found.push((number.factors.is_empty(), stop));
    }
    choose(found, paused)
}

/// Of several places with the same number: one that can have paused first, then one that is in no loop.
fn choose(found: Vec<(bool, StopPoint)>, paused: bool) -> Option<StopPoint> {
    let rank = |(fixed, stop): &(bool, StopPoint)| {
        let fits = matches!(stop.kind, StopPointKind::Event(_)) == paused;
        (u8::from(fits) * 2) + u8::from(*fixed)
    };
    let fitting = |one: &&(bool, StopPoint)| rank(one) >= 2;
    let (fit, count) = (found.iter().filter(fitting).count(), found.len());
    let best = found.iter().map(rank).max()?;
    let (_, stop) = found.into_iter().find(|one| rank(one) == best)?;
    Some(StopPoint { certain: count == 1 || (paused && fit == 1), ..stop })
}

/// The lines of a code, where those of a string in triple quotes are one.
fn lines(code: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let (mut start, mut number, mut newlines) = (0, 1, 0);
    let mut quote: Option<&str> = None;
    let mut at = 0;
    while let Some(byte) = code.as_bytes().get(at) {
        let mut step = 1;
        match (byte, quote) {
            (b'\\', Some(_)) => {
                step = 2;
                newlines += usize::from(code.as_bytes().get(at + 1) == Some(&b'\n'));
            }
            (b'\'' | b'"', None) => {
                let triple = &code.as_bytes()[at..(at + 3).min(code.len())];
                let open = match (triple, byte) {
                    (b"'''", _) => "'''",
                    (b"\"\"\"", _) => "\"\"\"",
                    (_, b'\'') => "'",
                    _ => "\"",
                };
                quote = Some(open);
                step = open.len();
            }
            (_, Some(close)) if code.as_bytes()[at..].starts_with(close.as_bytes()) => {
                quote = None;
                step = close.len();
            }
            (b'\n', within) => {
                newlines += 1;
                // No plain string goes beyond its line.
                if within.is_none_or(|quote| quote.len() == 1) {
                    push_line(&mut lines, &code[start..at], number);
                    (start, number, newlines, quote) = (at + 1, number + newlines, 0, None);
                }
            }
            _ => {}
        }
        at += step;
    }
    push_line(&mut lines, code.get(start..).unwrap_or_default(), number);
    lines
}

fn push_line<'c>(lines: &mut Vec<Line<'c>>, line: &'c str, number: usize) {
    let text = line.trim_start_matches(' ');
    if !text.trim().is_empty() {
        lines.push(Line { number, indent: line.len() - text.len(), text: text.trim_end() });
    }
}

/// The number that line `at` guards, if it is a guard: it is set on the next line, and a statement follows.
fn guard(lines: &[Line<'_>], at: usize) -> Option<Number> {
    let [condition, set, statement] = lines.get(at..at.checked_add(3)?)? else { return None };
    let text = condition.text.strip_prefix("el").unwrap_or(condition.text);
    let number = text.strip_prefix("if checkpoint < ")?.strip_suffix(':')?;
    let deeper = set.indent > condition.indent && statement.indent == set.indent;
    (deeper && set.text.strip_prefix("checkpoint = ")? == number).then(|| Number::parse(number))?
}

impl Number {
    /// `3 + __index1__ * 2`
    fn parse(text: &str) -> Option<Number> {
        let mut terms = text.split(" + ");
        let base = terms.next()?.parse().ok()?;
        let factor = |term: &str| {
            let (index, factor) = term.split_once(" * ")?;
            index.starts_with("__index").then_some(())?;
            factor.parse().ok().filter(|factor| *factor > 0)
        };
        Some(Number { base, factors: terms.map(factor).collect::<Option<_>>()? })
    }

    /// Whether it can be `checkpoint`, and if so, in which pass, where that is certain. None if it cannot.
    fn pass(&self, checkpoint: i64) -> Option<Option<u64>> {
        let above = checkpoint.checked_sub(self.base).filter(|above| *above >= 0)?;
        match self.factors.as_slice() {
            [] => (above == 0).then_some(None),
            [factor] => (above % factor == 0).then(|| u64::try_from(above / factor).ok()),
            // Which of the loops is in which pass cannot be told.
            factors => {
                let common = factors.iter().fold(0, |a, b| common_factor(a, *b));
                (above % common == 0).then_some(None)
            }
        }
    }
}

fn common_factor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn kind_of(statement: &str, before: Option<&str>, local: &dyn Fn(&str) -> Option<String>) -> StopPointKind {
    if let Some(expression) = pause(statement) {
        return StopPointKind::Event(AwaitedEvent {
            name: value_of(expression, local),
            expression: expression.to_owned(),
        });
    }
    let pushed = before.and_then(|push| push.strip_prefix("call_stack.push(FunctionCall("));
    match pushed.and_then(|call| call.split_once(',')) {
        Some((function, _)) if statement.starts_with("raise CheckpointException(") => {
            StopPointKind::Call(function.to_owned())
        }
        _ => StopPointKind::Other,
    }
}

/// The argument of `raise PauseForEventException(…)`.
fn pause(statement: &str) -> Option<&str> {
    let call = statement.strip_prefix("raise ")?;
    let (callee, rest) = call.split_once('(')?;
    let name = callee.rsplit('.').next()?;
    let is_path = callee.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    if name != "PauseForEventException" || !is_path {
        return None;
    }
    let argument = &rest[..closing(rest)?];
    Some(argument.strip_prefix("event=").unwrap_or(argument))
}

/// The offset of the bracket that closes what is open where `text` begins.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (byte, quote) {
            (b'\\', Some(_)) => drop(bytes.next()),
            (_, Some(close)) if byte == close => quote = None,
            (_, Some(_)) => {}
            (b'\'' | b'"', None) => quote = Some(byte),
            (b'(' | b'[' | b'{', None) => depth += 1,
            (b')' | b']' | b'}', None) if depth == 0 => return Some(at),
            (b')' | b']' | b'}', None) => depth -= 1,
            _ => {}
        }
    }
    None
}

/// `call_stack.push(FunctionCall(child, kwargs=_convert_args_to_kwargs(child, [a], {}), return_variables=['b']))` as it was
/// written: `b = await child(a)`.
fn call_of(push: &str) -> Option<String> {
    let rest = push.strip_prefix("call_stack.push(FunctionCall(")?;
    let (function, rest) = rest.split_once(", kwargs=_convert_args_to_kwargs(")?;
    let rest = rest.strip_prefix(function)?.strip_prefix(", [")?;
    let end = closing(rest)?;
    let (args, rest) = (&rest[..end], rest[end..].strip_prefix("], {")?);
    let end = closing(rest)?;
    let (kwargs, rest) = (&rest[..end], rest[end..].strip_prefix("}), return_variables=[")?);
    let mut names = Vec::new();
    let mut rest = &rest[..closing(rest)?];
    while let Some((name, after)) = literal(rest) {
        names.push(name);
        rest = after.strip_prefix(", ").unwrap_or(after);
    }
    let to = if names.is_empty() { String::new() } else { format!("{} = ", names.join(", ")) };
    let comma = if args.is_empty() || kwargs.is_empty() { "" } else { ", " };
    let kwargs = if kwargs.is_empty() { String::new() } else { format!("**{{{kwargs}}}") };
    Some(format!("{to}await {function}({args}{comma}{kwargs})"))
}

/// What an expression gives, if it is a string, a local variable, or a string with such variables in it.
fn value_of(expression: &str, local: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if is_name(expression) {
        return local(expression);
    }
    match expression.strip_prefix('f') {
        None => literal(expression).filter(|(_, rest)| rest.is_empty()).map(|(text, _)| text),
        Some(template) => {
            let (template, rest) = literal(template)?;
            if rest.is_empty() { filled(&template, local) } else { None }
        }
    }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// A template with its variables put in.
fn filled(template: &str, local: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            text.push_str(&rest[..1]);
            rest = after;
            continue;
        }
        let (name, after) = rest.strip_prefix('{')?.split_once('}')?;
        text.push_str(&is_name(name).then(|| local(name))??);
        rest = after;
    }
    Some(text + rest)
}

/// The Python string in quotes with which `text` begins, and what follows.
fn literal(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((value, &text[at + 1..]));
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        let (_, escape) = chars.next()?;
        let digits = match escape {
            'n' => Err('\n'),
            'r' => Err('\r'),
            't' => Err('\t'),
            '\\' | '\'' | '"' => Err(escape),
            'x' => Ok(2),
            'u' => Ok(4),
            'U' => Ok(8),
            _ => return None,
        };
        value.push(match digits {
            Err(plain) => plain,
            Ok(count) => {
                let digits: String = chars.by_ref().take(count).map(|(_, c)| c).collect();
                let code = u32::from_str_radix(&digits, 16).ok()?;
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = r#"async def two():
    global call_stack, checkpoint
    """A docstring
    if checkpoint < 1:
        checkpoint = 1
        raise PauseForEventException('fake')
    """
    if checkpoint < 0:
        checkpoint = 0
        call_stack.push(FunctionCall(child, kwargs=_convert_args_to_kwargs(child, [x, '], {'], {'k': (1, 2)}), return_variables=['a', 'b[0]']))
    if checkpoint < 1:
        checkpoint = 1
        raise CheckpointException(checkpoint, locals())
    if checkpoint < 3:
        checkpoint = 3
        if ___if_result___:
            if checkpoint < 4:
                checkpoint = 4
                raise durable.PauseForEventException(event='it\'s "big" \u263a\n')
        elif checkpoint < 5:
            checkpoint = 5
            b = 'if checkpoint < 4:'
    __index1__ = 0
    for i in range(3):
        if checkpoint < 6 + __index1__ * 2:
            checkpoint = 6 + __index1__ * 2
            raise PauseForEventException(f'{who}-{{{n}}}')
        for j in range(3):
            if checkpoint < 7 + __index1__ * 2 + __index2__ * 3:
                checkpoint = 7 + __index1__ * 2 + __index2__ * 3
                y = wait(1)
    if checkpoint < 8:
        checkpoint = 8
        raise PauseForEventException(name)
    if checkpoint < 9:
        checkpoint = 9
        raise PauseForEventException(names[0])
"#;

    fn at(checkpoint: i64, paused: bool) -> Option<StopPoint> {
        let local = |name: &str| match name {
            "who" => Some("Ada".to_owned()),
            "n" => Some("3".to_owned()),
            "name" => Some("late".to_owned()),
            _ => None,
        };
        find(CODE, checkpoint, paused, &local)
    }

    fn event(checkpoint: i64) -> (Option<String>, String) {
        match at(checkpoint, true).expect("a place").kind {
            StopPointKind::Event(event) => (event.name, event.expression),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn statements_are_found_by_their_numbers() {
        assert_eq!(at(0, false).unwrap().kind, StopPointKind::Other);
        let call = at(1, false).unwrap();
        assert_eq!((call.line, &call.kind, call.certain), (13, &StopPointKind::Call("child".to_owned()), true));
        assert_eq!(call.statement, "a, b[0] = await child(x, '], {', **{'k': (1, 2)})");
        assert_eq!(at(2, true), None);
        assert_eq!(at(3, false).unwrap().statement, "if ___if_result___:");
        assert_eq!(event(4).0.unwrap(), "it's \"big\" ☺\n");
        assert_eq!(at(5, false).unwrap().statement, "b = 'if checkpoint < 4:'");
        assert_eq!(event(6), (Some("Ada-{3}".to_owned()), "f'{who}-{{{n}}}'".to_owned()));
        assert_eq!(at(6, true).unwrap().pass, Some(0));
        assert_eq!(at(12, true).unwrap().pass, Some(3));
        assert_eq!(event(9), (None, "names[0]".to_owned()));
    }

    #[test]
    fn what_can_be_two_places_says_so() {
        // 8 is the second pass through the loop, or what comes behind it.
        let stop = at(8, true).unwrap();
        assert_eq!(
            stop.kind,
            StopPointKind::Event(AwaitedEvent { name: Some("late".to_owned()), expression: "name".to_owned() })
        );
        assert!(!stop.certain);
        assert!(at(6, true).unwrap().certain);
    }

    #[test]
    fn odd_code_is_no_trouble() {
        let long = "if checkpoint < 1:\n".repeat(100_000);
        let odd = [
            "",
            "'",
            "\"\"\"",
            "if checkpoint < 1:",
            "if checkpoint < 1:\n checkpoint = 1",
            "\\",
            "'\\",
            "é'\\é",
            &long,
        ];
        for code in odd {
            assert_eq!(find(code, 1, true, &|_| None), None, "{:.40}", code);
        }
        let code =
            "if checkpoint < 9223372036854775807:\n checkpoint = 9223372036854775807\n raise PauseForEventException(";
        assert_eq!(find(code, i64::MAX, true, &|_| None).unwrap().kind, StopPointKind::Other);
        assert_eq!(find(code, i64::MIN, true, &|_| None), None);
    }
}
