//! The scripts, how they are called and what they answer.

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use ::redis::{Cmd, RedisResult, ServerErrorKind, Value};

use super::connect::Link;
use super::keys::Keys;
use crate::store::{Batch, Op};

/// A script that is sent once and then called by its hash.
#[derive(Debug)]
pub(super) struct Script {
    code: &'static str,
    hash: LazyLock<String>,
}

macro_rules! script {
    ($($part:literal),*) => {{
        const CODE: &str = concat!($(include_str!($part)),*);
        Script { code: CODE, hash: LazyLock::new(|| ::redis::Script::new(CODE).get_hash().to_owned()) }
    }};
}

pub(super) static CHECK: Script = script!("known.lua", "check.lua");
pub(super) static APPEND: Script = script!("append.lua");
pub(super) static APPLY: Script = script!("known.lua", "header.lua", "apply.lua");
pub(super) static READ: Script = script!("known.lua", "header.lua", "read.lua");
pub(super) static FORGET: Script = script!("known.lua", "header.lua", "forget.lua");
pub(super) static RANGE: Script = script!("known.lua", "range.lua");
pub(super) static MEND: Script = script!("known.lua", "mend.lua");

/// What a script is called with. But for [`APPEND`], the first key is that of the store, and the first two arguments are what
/// the caller knows of it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) keys: Vec<String>,
    pub(super) arguments: Vec<Cow<'a, [u8]>>,
}

impl<'a> Call<'a> {
    pub(super) fn new(keys: Vec<String>) -> Self {
        Call { keys, arguments: Vec::new() }
    }

    pub(super) fn text(&mut self, text: &'a str) {
        self.arguments.push(Cow::Borrowed(text.as_bytes()));
    }

    pub(super) fn bytes(&mut self, bytes: impl Into<Vec<u8>>) {
        self.arguments.push(Cow::Owned(bytes.into()));
    }

    pub(super) fn number(&mut self, number: u64) {
        self.bytes(number.to_string());
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let bytes = self.keys.iter().map(String::len).sum::<usize>()
            + self.arguments.iter().map(|argument| argument.len()).sum::<usize>();
        let parts = 3 + self.keys.len() + self.arguments.len();
        let mut command = Cmd::with_capacity(parts, bytes + script.len() + 32);
        command.arg(verb).arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        for argument in &self.arguments {
            command.arg(&**argument);
        }
        command
    }
}

/// How many replicas have what a script wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replicas {
    pub(super) wanted: u32,
    /// Longest wait, in milliseconds.
    pub(super) wait_ms: u64,
}

impl Replicas {
    pub(super) fn new(wanted: u32, wait: Duration) -> Self {
        // No wait at all would mean without end.
        Replicas { wanted, wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).clamp(1, u64::from(u32::MAX)) }
    }
}

impl Script {
    /// Sends the script by its hash, or else whole, if the server does not have it: nothing has been done then.
    pub(super) async fn send<T, F: Future<Output = RedisResult<T>>>(
        &'static self,
        send: impl Fn(&'static str, &'static str) -> F,
    ) -> RedisResult<T> {
        match send("EVALSHA", &self.hash).await {
            Err(error) if error.kind() == ServerErrorKind::NoScript.into() => send("EVAL", self.code).await,
            result => result,
        }
    }

    /// Calls the script.
    pub(super) async fn call(&'static self, link: &Link, call: &Call<'_>) -> RedisResult<Value> {
        self.send(|verb, script| async move { link.send(&call.command(verb, script)).await }).await
    }

    /// As [`Script::call`], and then waits for replicas. Returns the answer and how many have it.
    pub(super) async fn call_and_wait(
        &'static self,
        link: &Link,
        call: &Call<'_>,
        replicas: Replicas,
    ) -> RedisResult<(Value, u64)> {
        let send = |verb: &'static str, script: &'static str| async move {
            let mut commands = ::redis::pipe();
            commands.add_command(call.command(verb, script));
            commands.cmd("WAIT").arg(replicas.wanted).arg(replicas.wait_ms);
            link.send_all(&commands).await
        };
        let mut answers = self.send(send).await?.into_iter();
        let answer = answers.next().unwrap_or(Value::Nil);
        let count = if let Some(Value::Int(count)) = answers.next() { count } else { 0 };
        Ok((answer, u64::try_from(count).unwrap_or(0)))
    }
}

/// Adds the parts of a batch to a call of [`APPLY`].
pub(super) fn add_parts<'a>(call: &mut Call<'a>, keys: &Keys, batch: &'a Batch) {
    for op in batch.ops() {
        match op {
            Op::Append(append) => {
                call.keys.push(keys.log(&append.log));
                let (after, first) = (append.after, append.log.generation() == 1);
                match (after.number(), first) {
                    (0, true) => {
                        call.keys.push(keys.names(append.log.kind()));
                        call.text("N");
                    }
                    (0, false) => call.text("n"),
                    (number, _) => {
                        call.text("A");
                        call.number(number);
                        call.bytes(after.token().map_or_else(String::new, |token| token.to_string()));
                    }
                }
                let mut lines = append.framed(batch.token());
                lines.pop();
                call.bytes(lines);
            }
            Op::PutDue(due) | Op::DropDue(due) => {
                call.keys.push(keys.due(&due.queue));
                call.keys.push(keys.queues());
                call.text(if matches!(op, Op::PutDue(_)) { "P" } else { "D" });
                call.bytes(due.to_entry());
            }
        }
    }
}

/// What a script answered: a word, and what belongs to it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) word: String,
    rest: std::vec::IntoIter<Value>,
}

impl Answer {
    /// None if no script of ours answers so.
    pub(super) fn new(value: Value) -> Option<Self> {
        let Value::Array(values) = value else { return None };
        let mut answer = Answer { word: String::new(), rest: values.into_iter() };
        answer.word = answer.text()?;
        Some(answer)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    pub(super) fn bytes(&mut self) -> Option<Vec<u8>> {
        match self.rest.next()? {
            Value::BulkString(bytes) => Some(bytes),
            Value::SimpleString(text) => Some(text.into_bytes()),
            _ => None,
        }
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        match self.rest.next()? {
            Value::Int(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    /// The number behind the next value.
    pub(super) fn second_number(&mut self) -> Option<u64> {
        self.rest.next()?;
        self.number()
    }

    pub(super) fn list(&mut self) -> Option<Vec<Vec<u8>>> {
        let Value::Array(values) = self.rest.next()? else { return None };
        values.into_iter().map(|value| if let Value::BulkString(bytes) = value { Some(bytes) } else { None }).collect()
    }
}
