//! The call stack of an instance, as its file has it.

use std::path::Path;

use super::code::{self, StopPoint, StopPointKind};
use super::{StateDamage, StateDamageKind, StateLimits};
use crate::compat::pickle::{Pickle, PickleError, PickleId, PickleValue, ShowLimits};
use crate::json::Json;
use crate::workflow::{Status, WaitingFor};

/// Variables that the package adds to a function's own.
const INTERNAL: [&str; 5] = ["checkpoint", "current_call", "call_stack", "__durable_transformed__", "___if_result___"];

/// Most bytes of a name.
const NAME_BYTES_MAX: usize = 300;

/// Most bytes of a text that can be the name of an event, or a part of it.
const EVENT_BYTES_MAX: usize = 10_000;

/// Most blocks of one call. The package itself makes one.
const BLOCKS_MAX: usize = 64;

/// Most checkpoints of a block that are told.
const CHECKPOINTS_MAX: usize = 100;

/// What the file of an instance says.
#[derive(Clone, Debug)]
pub struct SavedState {
    /// The instance's id.
    pub instance_id: Option<String>,
    /// The calls, the outermost first.
    pub frames: Vec<SavedFrame>,
    /// How many calls there are beyond [`StateLimits::frames_max`]: the outermost ones, which are left out.
    pub frames_left_out: usize,
    /// What the next call to go on is given: variables that a function that ended returned to.
    pub pending: Vec<SavedVariable>,
    /// What the last function to end without a caller's variable for it returned: once no call is left, the program's result.
    pub last_result: Option<SavedValue>,
    /// Parts that cannot be read. With any of them Python cannot go on, either.
    pub damage: Vec<StateDamage>,
}

/// A call that has not ended.
#[derive(Clone, Debug)]
pub struct SavedFrame {
    /// The function.
    pub function: FunctionName,
    /// Its variables, without those that the package adds.
    pub variables: Vec<SavedVariable>,
    /// How many variables there are beyond [`StateLimits::variables_max`].
    pub variables_left_out: usize,
    /// The variables of the caller to which it returns.
    pub returns_to: Vec<String>,
    /// What it has returned, if it has.
    pub return_values: Option<SavedValue>,
    /// Whether it has ended.
    pub finished: bool,
    /// Whether it stopped by itself, without waiting for an event.
    pub exhausted: bool,
    /// Its blocks of code, at most 64. Those that are done the package drops, as far as it can.
    pub blocks: Vec<CodeBlock>,
    /// How many more blocks there are.
    pub blocks_left_out: usize,
    /// Which block is the current one: the first that is not done.
    pub current: Option<usize>,
    /// How far the current block got.
    pub checkpoint: Option<i64>,
    /// Where that is in the code.
    pub stop: Option<StopPoint>,
}

impl SavedFrame {
    /// How many blocks are done.
    pub fn blocks_done(&self) -> usize {
        self.blocks.iter().filter(|block| block.finished).count()
    }

    /// How many blocks come after the current one.
    pub fn blocks_to_come(&self) -> usize {
        self.blocks.iter().filter(|block| !block.finished).count().saturating_sub(1)
    }
}

/// A function, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionName {
    /// The module.
    pub module: String,
    /// The qualified name in it.
    pub qualname: String,
}

impl std::fmt::Display for FunctionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.module, self.qualname)
    }
}

/// Code of a function.
#[derive(Clone, Debug)]
pub struct CodeBlock {
    /// The function.
    pub function: FunctionName,
    /// Whether it is done.
    pub finished: bool,
    /// The code that durable-python made of it, if that was possible and it is not too long.
    pub code: Option<String>,
    /// The checkpoints at which variables were kept, the first 100.
    pub checkpoints: Vec<i64>,
}

/// A variable and its value.
#[derive(Clone, Debug)]
pub struct SavedVariable {
    /// Its name; where that is not a string, as it would be printed.
    pub name: String,
    /// Its value.
    pub value: SavedValue,
}

/// A value of a program.
#[derive(Clone, Debug)]
pub struct SavedValue {
    /// As Python would print it, harmless on a terminal.
    pub text: String,
    /// Whether nothing of it was left out.
    pub complete: bool,
    /// As JSON, if JSON can say the same and it is not too long.
    pub json: Option<Json<'static>>,
}

impl SavedState {
    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// They are not the state of an instance. Where only a part is damaged, there is a state that says so.
    pub fn read(path: &Path, bytes: &[u8], limits: &StateLimits) -> Result<SavedState, StateDamage> {
        let reader = Reader {
            path,
            limits,
            text_left: limits.text_bytes_max,
            nested_left: limits.nested_bytes_max,
            damage: Vec::new(),
        };
        let pickle = Pickle::read(bytes, &limits.pickle).map_err(|error| reader.damaged(&error, Some(0)))?;
        reader.state(&pickle)
    }

    /// The call that is to go on next.
    pub fn innermost(&self) -> Option<&SavedFrame> {
        self.frames.last()
    }

    /// Where the instance stands: completed, waiting for an event, or corrupt; pending if it has stopped and would go on by
    /// itself when it is run again.
    pub fn status(&self) -> Status {
        if !self.damage.is_empty() {
            return Status::Corrupt;
        }
        match self.innermost() {
            None => Status::Completed,
            Some(frame) if frame.exhausted || frame.finished || frame.current.is_none() => Status::Pending,
            Some(_) => Status::Waiting,
        }
    }

    /// The event that the instance waits for, if the code tells which.
    pub fn event(&self) -> Option<&code::AwaitedEvent> {
        match &self.innermost().filter(|_| self.status() == Status::Waiting)?.stop.as_ref()?.kind {
            StopPointKind::Event(event) => Some(event),
            StopPointKind::Call(_) | StopPointKind::Other => None,
        }
    }

    /// What the instance waits for: the event, if its name is known.
    pub fn waiting_for(&self) -> WaitingFor<'_> {
        let name = self.event().and_then(|event| event.name.as_deref());
        WaitingFor { events: name.into_iter().collect(), ..WaitingFor::default() }
    }

    /// What the program returned, once it has ended.
    pub fn result(&self) -> Option<&SavedValue> {
        self.last_result.as_ref().filter(|_| self.status() == Status::Completed)
    }
}

/// What reads one file, and how much of what it may still do.
struct Reader<'r> {
    path: &'r Path,
    limits: &'r StateLimits,
    text_left: usize,
    nested_left: usize,
    damage: Vec<StateDamage>,
}

impl Reader<'_> {
    fn state(mut self, pickle: &Pickle<'_>) -> Result<SavedState, StateDamage> {
        let root = pickle.root();
        let stack = self.member(pickle, root, "call_stack")?;
        let calls = self.member(pickle, stack, "calls")?;
        let calls = self.items(pickle, calls, "calls")?;
        let frames_left_out = calls.len().saturating_sub(self.limits.frames_max);
        // The innermost calls first: they matter most, should there be more text than is kept.
        let kept = calls[frames_left_out..].iter().rev();
        let mut frames = kept.map(|call| self.frame(pickle, *call)).collect::<Result<Vec<_>, _>>()?;
        frames.reverse();
        let last_result = self.nested(pickle, stack, "last_result", |reader, inner| reader.seen(inner, inner.root()));
        let pending = self.nested(pickle, stack, "pending_return_values", |reader, inner| {
            if matches!(inner.get(inner.root()), PickleValue::None) {
                Vec::new()
            } else {
                reader.variables(inner, &[]).0
            }
        });
        let instance_id = pickle.key(root, "instance_id").and_then(|id| pickle.str(id)).map(shortened);
        Ok(SavedState {
            instance_id,
            frames,
            frames_left_out,
            pending: pending.unwrap_or_default(),
            last_result,
            damage: self.damage,
        })
    }

    fn frame(&mut self, pickle: &Pickle<'_>, call: PickleId) -> Result<SavedFrame, StateDamage> {
        let list = self.member(pickle, call, "code_blocks")?;
        let ids = self.items(pickle, list, "code_blocks")?;
        let blocks = ids.iter().take(BLOCKS_MAX);
        let blocks = blocks.map(|block| self.block(pickle, *block)).collect::<Result<Vec<_>, _>>()?;
        let current = blocks.iter().position(|block| !block.finished);
        let exhausted = self.flag(pickle, call, "exhausted")?;
        let owner = current.map_or(call, |at| ids[at]);
        let read = self.nested(pickle, owner, "locals", |reader, inner| {
            let checkpoint = match inner.key(inner.root(), "checkpoint").map(|id| inner.get(id)) {
                Some(PickleValue::Int(checkpoint)) => Some(*checkpoint),
                _ => None,
            };
            let code = current.and_then(|at| blocks[at].code.as_deref());
            let local = |name: &str| text_of(inner, inner.key(inner.root(), name)?);
            let stop = code.zip(checkpoint).and_then(|(code, at)| code::find(code, at, !exhausted, &local));
            (reader.variables(inner, &INTERNAL), checkpoint, stop)
        });
        let ((variables, variables_left_out), checkpoint, stop) = read.unwrap_or_default();
        let returned = self.nested(pickle, call, "return_values", |reader, inner| {
            let is_empty = inner.sequence(inner.root()).is_some_and(<[PickleId]>::is_empty);
            (!is_empty).then(|| reader.seen(inner, inner.root()))
        });
        Ok(SavedFrame {
            function: current.or(blocks.len().checked_sub(1)).map(|at| blocks[at].function.clone()).unwrap_or_default(),
            variables,
            variables_left_out,
            returns_to: self.names(pickle, call, "return_variables")?,
            return_values: returned.flatten(),
            finished: self.flag(pickle, call, "finished")?,
            exhausted,
            blocks_left_out: ids.len() - blocks.len(),
            blocks,
            current,
            checkpoint,
            stop,
        })
    }

    fn block(&mut self, pickle: &Pickle<'_>, block: PickleId) -> Result<CodeBlock, StateDamage> {
        let finished = self.flag(pickle, block, "finished")?;
        let function = self.member(pickle, block, "fn_ref")?;
        let part = |part| pickle.key(function, part).and_then(|id| pickle.str(id)).map(shortened);
        let (Some(module), Some(qualname)) = (part("module"), part("qualname")) else {
            return Err(self.unexpected(pickle, function, "`fn_ref` has no module or no name"));
        };
        let code = pickle.key(block, "transformed_code").and_then(|id| pickle.str(id));
        let code = code.filter(|code| code.len() <= self.text_left).map(str::to_owned);
        self.text_left -= code.as_ref().map_or(0, String::len);
        let checkpoints = match pickle.key(block, "checkpoints").map(|id| pickle.get(id)) {
            Some(PickleValue::Dict(pairs)) => pairs.as_slice(),
            _ => &[],
        };
        let number = |(key, _): &(PickleId, PickleId)| {
            if let PickleValue::Int(number) = pickle.get(*key) { Some(*number) } else { None }
        };
        let checkpoints = checkpoints.iter().take(CHECKPOINTS_MAX).filter_map(number).collect();
        Ok(CodeBlock { function: FunctionName { module, qualname }, finished, code, checkpoints })
    }

    /// The variables of a dict but for `without`, and how many there are that are left out.
    fn variables(&mut self, pickle: &Pickle<'_>, without: &[&str]) -> (Vec<SavedVariable>, usize) {
        let PickleValue::Dict(pairs) = pickle.get(pickle.root()) else {
            return (vec![SavedVariable { name: "?".to_owned(), value: self.seen(pickle, pickle.root()) }], 0);
        };
        let wanted = |(key, _): &&(PickleId, PickleId)| pickle.str(*key).is_none_or(|name| !without.contains(&name));
        let mut variables = Vec::new();
        let mut left_out = 0;
        for (key, value) in pairs.iter().filter(wanted) {
            if variables.len() == self.limits.variables_max {
                left_out += 1;
                continue;
            }
            let name = match pickle.str(*key) {
                Some(name) => shortened(name),
                None => pickle.show(*key, &ShowLimits { chars_max: 100, ..self.limits.show.clone() }).text,
            };
            self.text_left = self.text_left.saturating_sub(name.len());
            variables.push(SavedVariable { name, value: self.seen(pickle, *value) });
        }
        (variables, left_out)
    }

    /// A value as text, and as JSON where that is possible, as long as there may be more text.
    fn seen(&mut self, pickle: &Pickle<'_>, id: PickleId) -> SavedValue {
        // A character has up to four bytes.
        let chars_max = self.limits.show.chars_max.min(self.text_left / 4);
        let shown = pickle.show(id, &ShowLimits { chars_max, ..self.limits.show.clone() });
        self.text_left = self.text_left.saturating_sub(shown.text.len());
        let json = pickle.to_json(id, self.limits.json_bytes_max.min(self.text_left));
        self.text_left = self.text_left.saturating_sub(json.as_ref().map_or(0, |json| json.text().len()));
        SavedValue { text: shown.text, complete: shown.complete, json }
    }

    /// What `read` makes of the pickle that is the bytes under a key. If there is none, or it is damaged, that is noted.
    fn nested<T>(
        &mut self,
        pickle: &Pickle<'_>,
        of: PickleId,
        key: &str,
        read: impl FnOnce(&mut Self, &Pickle<'_>) -> T,
    ) -> Option<T> {
        match self.inner(pickle, of, key) {
            Ok(inner) => Some(read(self, &inner)),
            Err(damage) => {
                self.damage.push(damage);
                None
            }
        }
    }

    fn inner<'p>(&mut self, pickle: &'p Pickle<'_>, of: PickleId, key: &str) -> Result<Pickle<'p>, StateDamage> {
        let id = self.member(pickle, of, key)?;
        let PickleValue::Bytes(bytes) = pickle.get(id) else {
            let problem = format!("`{key}` is {}, where bytes have to be", pickle.get(id).kind());
            return Err(self.unexpected(pickle, id, &problem));
        };
        let place = pickle.place(bytes).map(|place| place as u64);
        if bytes.len() > self.nested_left {
            let what = format!("`{key}` is not read: its parts have too many bytes together");
            return Err(StateDamage { path: self.path.to_owned(), at: place, kind: StateDamageKind::TooLarge, what });
        }
        self.nested_left -= bytes.len();
        Pickle::read(bytes, &self.limits.pickle).map_err(|error| {
            let damage = self.damaged(&error, place);
            // The file is whole, so what is cut in it is damaged.
            let kind = if damage.kind == StateDamageKind::Torn { StateDamageKind::Corrupt } else { damage.kind };
            StateDamage { kind, what: format!("`{key}`: {}", damage.what), ..damage }
        })
    }

    fn member(&self, pickle: &Pickle<'_>, dict: PickleId, key: &str) -> Result<PickleId, StateDamage> {
        pickle.key(dict, key).ok_or_else(|| {
            let what = match pickle.get(dict) {
                PickleValue::Dict(_) => format!("there is no `{key}` where durable-python puts it"),
                other => format!("there is {}, where a dict with `{key}` has to be", other.kind()),
            };
            self.unexpected(pickle, dict, &what)
        })
    }

    fn items<'p>(&self, pickle: &'p Pickle<'_>, list: PickleId, key: &str) -> Result<&'p [PickleId], StateDamage> {
        pickle.sequence(list).ok_or_else(|| {
            let what = format!("`{key}` is {}, where a list has to be", pickle.get(list).kind());
            self.unexpected(pickle, list, &what)
        })
    }

    fn flag(&self, pickle: &Pickle<'_>, of: PickleId, key: &str) -> Result<bool, StateDamage> {
        let id = self.member(pickle, of, key)?;
        match pickle.get(id) {
            PickleValue::Bool(flag) => Ok(*flag),
            other => Err(self.unexpected(pickle, id, &format!("`{key}` is {}, where a bool has to be", other.kind()))),
        }
    }

    fn names(&self, pickle: &Pickle<'_>, of: PickleId, key: &str) -> Result<Vec<String>, StateDamage> {
        let id = self.member(pickle, of, key)?;
        let items = self.items(pickle, id, key)?.iter().take(self.limits.variables_max);
        Ok(items.filter_map(|item| pickle.str(*item)).map(shortened).collect())
    }

    fn unexpected(&self, pickle: &Pickle<'_>, id: PickleId, what: &str) -> StateDamage {
        let at = Some(pickle.offset(id) as u64);
        StateDamage { path: self.path.to_owned(), at, kind: StateDamageKind::Corrupt, what: what.to_owned() }
    }

    /// A damaged pickle that begins at `start` in the file.
    fn damaged(&self, error: &PickleError, start: Option<u64>) -> StateDamage {
        let opcode = error.opcode.map(|opcode| format!("{opcode}: ")).unwrap_or_default();
        StateDamage {
            path: self.path.to_owned(),
            at: start.map(|start| start + error.at as u64),
            kind: StateDamageKind::of(error.kind),
            what: format!("{opcode}{}", error.what),
        }
    }
}

/// The text of a string or an integer, if it is no longer than the name of an event.
fn text_of(pickle: &Pickle<'_>, id: PickleId) -> Option<String> {
    match pickle.get(id) {
        PickleValue::Str(text) if text.len() <= EVENT_BYTES_MAX => Some(text.to_string()),
        PickleValue::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A text that is not longer than a name has to be.
fn shortened(text: &str) -> String {
    if text.len() <= NAME_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(NAME_BYTES_MAX);
    format!("{}…", &text[..end])
}
