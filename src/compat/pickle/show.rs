//! Values as text, much as Python's `repr` prints them.

use super::{Construction, Pickle, PickleClass, PickleId, PickleObject, PickleValue};
use crate::compat::float::float_repr;

/// How much of a value is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowLimits {
    /// Most characters.
    pub chars_max: usize,
    /// Most values in one another.
    pub depth_max: usize,
    /// Most items of one list, tuple, set or dict, and most fields of one object.
    pub items_max: usize,
}

impl Default for ShowLimits {
    /// 2000 characters, 16 values in one another, 100 items.
    fn default() -> Self {
        ShowLimits { chars_max: 2_000, depth_max: 16, items_max: 100 }
    }
}

/// A value as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickleText {
    /// The text. What could steer a terminal is escaped.
    pub text: String,
    /// Whether nothing was left out. What was is marked by `…`.
    pub complete: bool,
}

impl Pickle<'_> {
    /// A value as Python's `repr` prints it, as far as data tells: the class or function `flows.Money` is `<flows.Money>`, an
    /// object of it `<flows.Money() amount=9.5>`, and where a value would stand within itself there is `...`.
    ///
    /// The time that it takes is bounded by the limits, whatever is shared with what.
    pub fn show(&self, id: PickleId, limits: &ShowLimits) -> PickleText {
        let mut show = Show {
            pickle: self,
            limits,
            text: String::new(),
            chars: 0,
            complete: true,
            full: false,
            path: Vec::new(),
            tasks: vec![Task::Value(id)],
        };
        while let Some(task) = show.tasks.pop() {
            show.task(task);
            if show.full {
                break;
            }
        }
        PickleText { text: show.text, complete: show.complete }
    }
}

/// What is still to be written, the next last.
enum Task<'p> {
    Value(PickleId),
    Text(&'static str),
    /// The name of a field, which is not in quotes.
    Field(&'p str),
    /// How many items are left out.
    More(usize),
    /// The end of the value that was entered last.
    Leave,
}

struct Show<'p> {
    pickle: &'p Pickle<'p>,
    limits: &'p ShowLimits,
    text: String,
    chars: usize,
    complete: bool,
    full: bool,
    /// The values in which the next one stands.
    path: Vec<PickleId>,
    tasks: Vec<Task<'p>>,
}

impl<'p> Show<'p> {
    fn task(&mut self, task: Task<'p>) {
        match task {
            Task::Value(id) => self.value(id),
            Task::Text(text) => self.raw(text),
            Task::Field(name) => {
                name.chars().for_each(|c| self.escaped(c, None));
                self.raw("=");
            }
            Task::More(count) => {
                self.complete = false;
                self.raw(&format!("… {count} more"));
            }
            Task::Leave => drop(self.path.pop()),
        }
    }

    fn value(&mut self, id: PickleId) {
        let pickle = self.pickle;
        match pickle.get(id) {
            PickleValue::None => self.raw("None"),
            PickleValue::Bool(true) => self.raw("True"),
            PickleValue::Bool(false) => self.raw("False"),
            PickleValue::Int(value) => self.raw(&value.to_string()),
            PickleValue::BigInt(value) => match value.to_decimal() {
                Some(digits) => self.raw(&digits),
                None => {
                    self.complete = false;
                    self.raw(&format!("<an int of {} bits>", value.bits()));
                }
            },
            PickleValue::Float(value) => self.raw(&float_repr(*value)),
            PickleValue::Str(text) => self.string(text),
            // Its escapes are there already.
            PickleValue::Surrogates(text) => {
                self.raw("'");
                text.chars().for_each(|c| self.escaped(c, None));
                self.raw("'");
            }
            PickleValue::Bytes(bytes) => self.bytes(bytes),
            PickleValue::ByteArray(bytes) => {
                self.raw("bytearray(");
                self.bytes(bytes);
                self.raw(")");
            }
            PickleValue::Class(class) => {
                self.raw("<");
                self.class_name(class);
                self.raw(">");
            }
            PickleValue::Extension(code) => self.raw(&format!("<extension {code}>")),
            PickleValue::Persistent(inner) => {
                let inner = *inner;
                self.enter(id, "<persistent ", |show| show.tasks.extend([Task::Text(">"), Task::Value(inner)]));
            }
            PickleValue::List(items) => self.sequence(id, "[", items, "]"),
            PickleValue::Tuple(items) if items.len() == 1 => self.sequence(id, "(", items, ",)"),
            PickleValue::Tuple(items) => self.sequence(id, "(", items, ")"),
            PickleValue::Set(items) if items.is_empty() => self.raw("set()"),
            PickleValue::Set(items) => self.sequence(id, "{", items, "}"),
            PickleValue::FrozenSet(items) if items.is_empty() => self.raw("frozenset()"),
            PickleValue::FrozenSet(items) => self.sequence(id, "frozenset({", items, "})"),
            PickleValue::Dict(pairs) => self.enter(id, "{", |show| {
                show.tasks.push(Task::Text("}"));
                show.pairs(pairs);
            }),
            PickleValue::Object(object) => self.object(id, object),
        }
    }

    /// Writes what opens a value, and has `inside` plan the rest, unless the value is to be left out.
    fn enter(&mut self, id: PickleId, open: &'static str, inside: impl FnOnce(&mut Self)) {
        self.raw(open);
        if self.path.contains(&id) {
            self.raw("...");
        } else if self.path.len() >= self.limits.depth_max {
            self.complete = false;
            self.raw("…");
        } else {
            self.path.push(id);
            self.tasks.push(Task::Leave);
            inside(self);
            return;
        }
        let close = match open {
            "[" => "]",
            "(" => ")",
            "{" => "}",
            "frozenset({" => "})",
            ", tzinfo=" => ")",
            _ => ">",
        };
        self.raw(close);
    }

    fn sequence(&mut self, id: PickleId, open: &'static str, items: &'p [PickleId], close: &'static str) {
        self.enter(id, open, |show| {
            show.tasks.push(Task::Text(close));
            show.items(items);
        });
    }

    /// Plans items with commas between.
    fn items(&mut self, items: &'p [PickleId]) {
        let shown = self.plan_more(items.len());
        for (at, item) in items[..shown].iter().enumerate().rev() {
            self.tasks.push(Task::Value(*item));
            if at > 0 {
                self.tasks.push(Task::Text(", "));
            }
        }
    }

    fn pairs(&mut self, pairs: &'p [(PickleId, PickleId)]) {
        let shown = self.plan_more(pairs.len());
        for (at, (key, value)) in pairs[..shown].iter().enumerate().rev() {
            self.tasks.extend([Task::Value(*value), Task::Text(": "), Task::Value(*key)]);
            if at > 0 {
                self.tasks.push(Task::Text(", "));
            }
        }
    }

    /// How many of `count` items are shown; plans to tell of the others.
    fn plan_more(&mut self, count: usize) -> usize {
        let shown = count.min(self.limits.items_max);
        if shown < count {
            self.tasks.extend([Task::More(count - shown), Task::Text(if shown > 0 { ", " } else { "" })]);
        }
        shown
    }

    fn object(&mut self, id: PickleId, object: &'p PickleObject) {
        if let Some(text) = self.pickle.known(object) {
            text.chars().for_each(|c| self.escaped(c, None));
            return;
        }
        if let Some((text, zone, later)) = self.pickle.moment(object) {
            self.raw(&text);
            let end = if later { ", fold=1)" } else { ")" };
            match zone {
                Some(zone) => {
                    self.enter(id, ", tzinfo=", |show| show.tasks.extend([Task::Text(end), Task::Value(zone)]))
                }
                None => self.raw(end),
            }
            return;
        }
        self.enter(id, "<", |show| {
            show.tasks.push(Task::Text(">"));
            show.contents(object);
            show.call(object);
            show.label(object.class);
        });
    }

    /// Plans the arguments.
    fn call(&mut self, object: &'p PickleObject) {
        self.tasks.push(Task::Text(")"));
        let args = match self.pickle.get(object.args) {
            PickleValue::Tuple(args) => args.as_slice(),
            // Only what is hostile has arguments that are not a tuple.
            _ => std::slice::from_ref(&object.args),
        };
        if let Some(kwargs) = object.kwargs.filter(|kwargs| !self.is_empty_dict(*kwargs)) {
            self.tasks.extend([Task::Value(kwargs), Task::Text(if args.is_empty() { "**" } else { ", **" })]);
        }
        self.items(args);
        self.tasks.push(Task::Text("("));
    }

    /// Plans state, items and pairs.
    fn contents(&mut self, object: &'p PickleObject) {
        if !object.pairs.is_empty() {
            self.tasks.push(Task::Text("}"));
            self.pairs(&object.pairs);
            self.tasks.push(Task::Text(" {"));
        }
        if !object.items.is_empty() {
            self.tasks.push(Task::Text("]"));
            self.items(&object.items);
            self.tasks.push(Task::Text(" ["));
        }
        let (fields, count) = self.fields(object);
        let shown = self.plan_more(count).min(fields.len());
        for (at, (name, value)) in fields[..shown].iter().enumerate().rev() {
            self.tasks.extend([Task::Value(*value), Task::Field(name)]);
            self.tasks.push(Task::Text(if at > 0 { ", " } else { " " }));
        }
    }

    /// The first names and values that an object's states hold, and how many there are.
    fn fields(&self, object: &'p PickleObject) -> (Vec<(&'p str, PickleId)>, usize) {
        let mut fields = Vec::new();
        let mut count = 0;
        for state in object.states.iter().take(self.limits.items_max) {
            count += match self.pickle.get(*state) {
                // A dict of fields, or None, and one of slots.
                PickleValue::Tuple(both) if both.len() == 2 => {
                    both.iter().map(|part| self.named(*part, &mut fields)).sum::<usize>()
                }
                _ => self.named(*state, &mut fields),
            };
        }
        (fields, count)
    }

    /// Adds the first fields of a state, and returns how many it has.
    fn named(&self, state: PickleId, fields: &mut Vec<(&'p str, PickleId)>) -> usize {
        let pairs = match self.pickle.get(state) {
            PickleValue::None => return 0,
            PickleValue::Dict(pairs) => pairs.as_slice(),
            _ => &[],
        };
        let first = pairs.iter().take(self.limits.items_max);
        let names = first.map(|(key, value)| Some((self.pickle.str(*key)?, *value)));
        match names.collect::<Option<Vec<_>>>() {
            Some(named) if matches!(self.pickle.get(state), PickleValue::Dict(_)) => {
                fields.extend(named);
                pairs.len()
            }
            _ => {
                fields.push(("state", state));
                1
            }
        }
    }

    fn is_empty_dict(&self, id: PickleId) -> bool {
        matches!(self.pickle.get(id), PickleValue::Dict(pairs) if pairs.is_empty())
    }

    /// Plans the name of a class.
    fn label(&mut self, class: PickleId) {
        match self.pickle.get(class) {
            PickleValue::Class(class) => self.class_name(class),
            _ => match self.pickle.class_by_value(class) {
                Some(name) => name.chars().for_each(|c| self.escaped(c, None)),
                None => self.tasks.push(Task::Value(class)),
            },
        }
    }

    fn class_name(&mut self, class: &PickleClass<'_>) {
        class.module.chars().for_each(|c| self.escaped(c, None));
        self.raw(".");
        class.name.chars().for_each(|c| self.escaped(c, None));
    }

    fn string(&mut self, text: &str) {
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        self.char(quote);
        for c in text.chars() {
            if self.full {
                return;
            }
            self.escaped(c, Some(quote));
        }
        self.char(quote);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
        self.raw("b");
        self.char(quote);
        for byte in bytes {
            if self.full {
                return;
            }
            match byte {
                0x80.. => self.raw(&format!("\\x{byte:02x}")),
                byte => self.escaped(char::from(*byte), Some(quote)),
            }
        }
        self.char(quote);
    }

    /// A character as it stands within quotes; without, only what could steer a terminal is escaped.
    fn escaped(&mut self, c: char, quote: Option<char>) {
        match c {
            '\\' if quote.is_some() => self.raw("\\\\"),
            c if Some(c) == quote => {
                self.char('\\');
                self.char(c);
            }
            '\n' => self.raw("\\n"),
            '\r' => self.raw("\\r"),
            '\t' => self.raw("\\t"),
            '\'' | '"' | '\\' => self.char(c),
            // Marks that need a base are escaped, too.
            c if c.escape_debug().len() == 1 => self.char(c),
            c => match u32::from(c) {
                code @ ..=0xff => self.raw(&format!("\\x{code:02x}")),
                code @ ..=0xffff => self.raw(&format!("\\u{code:04x}")),
                code => self.raw(&format!("\\U{code:08x}")),
            },
        }
    }

    fn raw(&mut self, text: &str) {
        text.chars().for_each(|c| self.char(c));
    }

    fn char(&mut self, c: char) {
        if self.chars < self.limits.chars_max {
            self.text.push(c);
            self.chars += 1;
        } else if !self.full {
            self.text.push('…');
            (self.full, self.complete) = (true, false);
        }
    }
}

// What is known by name.

impl<'a> Pickle<'a> {
    /// A function, class or piece of code that is in the pickle itself, as cloudpickle puts it there.
    fn known(&self, object: &PickleObject) -> Option<String> {
        if object.made != Construction::Call {
            return None;
        }
        if let PickleValue::Object(maker) = self.get(object.class) {
            let is_code = self.cloudpickled(maker)? == "_builtin_type" && self.arg(maker, 0)? == "CodeType";
            return is_code.then(|| format!("<code {}>", self.code_name(object).unwrap_or("?")));
        }
        let shown = match self.cloudpickled(object)? {
            "_make_function" => format!("<function {}>", self.function_name(object)),
            "_make_skeleton_class" | "_make_skeleton_enum" => format!("<class {}>", self.skeleton(object)?),
            "_builtin_type" => format!("<types.{}>", self.arg(object, 0)?),
            "subimport" => format!("<module {}>", self.arg(object, 0)?),
            _ => return None,
        };
        Some(shown)
    }

    /// The name of a function of cloudpickle that would be called.
    fn cloudpickled(&self, object: &PickleObject) -> Option<&str> {
        match self.get(object.class) {
            PickleValue::Class(class) if class.module.starts_with("cloudpickle.") => Some(&class.name),
            _ => None,
        }
    }

    fn args(&self, object: &PickleObject) -> &[PickleId] {
        self.sequence(object.args).unwrap_or_default()
    }

    fn arg(&self, object: &PickleObject, at: usize) -> Option<&str> {
        self.str(*self.args(object).get(at)?)
    }

    /// Module and qualified name of a class that is in the pickle itself.
    fn class_by_value(&self, id: PickleId) -> Option<String> {
        if let PickleValue::Object(object) = self.get(id) { self.skeleton(object) } else { None }
    }

    fn skeleton(&self, object: &PickleObject) -> Option<String> {
        let (module, name) = match self.cloudpickled(object)? {
            "_make_skeleton_class" => {
                let type_kwargs = *self.args(object).get(3)?;
                let module = self.key(type_kwargs, "__module__").and_then(|id| self.str(id));
                (
                    module.or_else(|| self.slot(object, "__module__")),
                    self.slot(object, "__qualname__").or(self.arg(object, 1))?,
                )
            }
            "_make_skeleton_enum" => (self.arg(object, 4), self.arg(object, 2)?),
            _ => return None,
        };
        Some(format!("{}.{name}", module.unwrap_or("?")))
    }

    /// Module and qualified name of a function: they are restored into it after it was made.
    fn function_name(&self, object: &PickleObject) -> String {
        let code = self.args(object).first().map(|code| self.get(*code));
        let code_name = if let Some(PickleValue::Object(code)) = code { self.code_name(code) } else { None };
        let name = self.slot(object, "__qualname__").or(code_name).unwrap_or("?");
        match self.slot(object, "__module__") {
            Some(module) => format!("{module}.{name}"),
            None => name.to_owned(),
        }
    }

    /// A text of the states, or of the slots that stand beside them.
    fn slot(&self, object: &PickleObject, name: &str) -> Option<&str> {
        let states = object.states.iter().take(4).flat_map(|state| {
            let parts = self.sequence(*state).unwrap_or_default();
            std::iter::once(*state).chain(parts.iter().copied().take(2))
        });
        // No function and no class has more slots than that.
        let small = states.filter(|state| matches!(self.get(*state), PickleValue::Dict(pairs) if pairs.len() <= 1_000));
        small.filter_map(|state| self.str(self.key(state, name)?)).next_back()
    }

    /// The second text among the arguments of a code object is its name; the first one is the file's.
    fn code_name(&self, code: &PickleObject) -> Option<&str> {
        self.args(code).iter().take(30).filter_map(|arg| self.str(*arg)).nth(1)
    }

    /// A date or time of `datetime`, but for its closing bracket, and its zone.
    fn moment(&self, object: &PickleObject) -> Option<(String, Option<PickleId>, bool)> {
        let PickleValue::Class(class) = self.get(object.class) else { return None };
        if class.module != "datetime" || !object.states.is_empty() {
            return None;
        }
        let (packed, zone) = match *self.args(object) {
            [packed] => (packed, None),
            [packed, zone] => (packed, Some(zone)),
            _ => return None,
        };
        let PickleValue::Bytes(packed) = self.get(packed) else { return None };
        let clock = |bytes: &[u8]| -> String {
            let micros = u32::from_be_bytes([0, bytes[3], bytes[4], bytes[5]]);
            let (hour, minute, second) = (bytes[0] & 0x7f, bytes[1], bytes[2]);
            match (second, micros) {
                (0, 0) => format!("{hour}, {minute}"),
                (_, 0) => format!("{hour}, {minute}, {second}"),
                _ => format!("{hour}, {minute}, {second}, {micros}"),
            }
        };
        // The high bits of the month and the hour say which of two equal times is meant when clocks are put back.
        let date =
            |bytes: &[u8]| format!("{}, {}, {}", u16::from_be_bytes([bytes[0], bytes[1]]), bytes[2] & 0x7f, bytes[3]);
        let (text, later) = match (&*class.name, packed.len()) {
            ("date", 4) => (format!("datetime.date({}", date(packed)), false),
            ("time", 6) => (format!("datetime.time({}", clock(packed)), packed[0] >= 0x80),
            ("datetime", 10) => {
                (format!("datetime.datetime({}, {}", date(packed), clock(&packed[4..])), packed[2] >= 0x80)
            }
            _ => return None,
        };
        Some((text, zone, later))
    }
}
