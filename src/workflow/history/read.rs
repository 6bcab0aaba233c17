//! Lines as they are read: the text of each value, looked at where the kind of line asks for it.

use std::borrow::Cow;

use serde::Deserialize;

use super::event::{
    Call, Ending, Entry, Event, Message, Outcome, Parent, PutOff, Request, Start, Stop, VERSION, WAIT_EVENTS_MAX,
};
use super::problem::Fault;
use super::wire::{KEYS, Key};
use crate::json::{Json, Raw, Strict, SyntaxError, pick_once};
use crate::text::{excerpt, quote};
use crate::time::Timestamp;

/// A line's values by their keys.
#[derive(Clone, Copy, Debug)]
pub(in crate::workflow) struct Fields<'a>([Option<Raw<'a>>; KEYS]);

impl From<SyntaxError> for Fault {
    #[cold]
    fn from(error: SyntaxError) -> Fault {
        Fault::corrupt(format!("it is not JSON: {} at byte {}", error.what, error.at + 1))
    }
}

#[cold]
fn missing(key: Key) -> Fault {
    Fault::corrupt(format!("it has no `{}`", key.as_str()))
}

#[cold]
fn not(key: Key, what: &str, raw: Raw<'_>) -> Fault {
    Fault::corrupt(format!("its `{}` is not {what}: {}", key.as_str(), excerpt(raw.text(), 60)))
}

#[cold]
pub(in crate::workflow) fn unknown(kind: &str) -> Fault {
    Fault::newer(format!(
        "it was written by a newer version, if by any: this one does not know the type {}",
        quote(kind)
    ))
}

impl<'a> Entry<'a> {
    /// Reads a line, with its header or without.
    ///
    /// # Errors
    /// Why it is no event, or none that this version knows.
    #[inline]
    pub(in crate::workflow) fn parse(line: &'a [u8]) -> Result<Self, Fault> {
        let mut fields = Fields::empty();
        fields.read(line)?;
        let at = fields.at()?.ok_or_else(|| Fault::corrupt("it has no `at`"))?;
        Ok(Entry { at, claim: fields.claim()?, event: fields.event()? })
    }
}

impl<'a> Fields<'a> {
    #[inline(always)]
    pub(in crate::workflow) fn empty() -> Self {
        Fields([None; KEYS])
    }

    /// Reads a line, with its header or without, into empty fields. (To hand out so many would take longer than to read them.)
    #[inline]
    pub(in crate::workflow) fn read(&mut self, line: &'a [u8]) -> Result<(), Fault> {
        let text = std::str::from_utf8(line)
            .map_err(|error| Fault::corrupt(format!("it is not UTF-8 at byte {}", error.valid_up_to() + 1)))?;
        let slot = |key: &str| Key::of(key).map(|key| key as usize);
        pick_once(text, &mut self.0, slot, |key| Fault::corrupt(format!("it has `{key}` twice")))
    }

    #[inline(always)]
    fn raw(&self, key: Key) -> Option<Raw<'a>> {
        self.0[key as usize]
    }

    #[inline]
    fn some_text(&self, key: Key) -> Result<Option<Cow<'a, str>>, Fault> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        raw.string::<Strict>().map(Some).ok_or_else(|| not(key, "a string", raw))
    }

    #[inline]
    fn text(&self, key: Key) -> Result<Cow<'a, str>, Fault> {
        self.some_text(key)?.ok_or_else(|| missing(key))
    }

    #[inline]
    fn some_number(&self, key: Key) -> Result<Option<u64>, Fault> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        raw.as_whole().map(Some).ok_or_else(|| not(key, "a whole number", raw))
    }

    #[inline]
    fn number(&self, key: Key) -> Result<u64, Fault> {
        self.some_number(key)?.ok_or_else(|| missing(key))
    }

    #[inline]
    fn some_time(&self, key: Key) -> Result<Option<Timestamp>, Fault> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        let time = raw.string::<Strict>().and_then(|text| Timestamp::parse(text.as_bytes()));
        time.map(Some).ok_or_else(|| not(key, "a time", raw))
    }

    #[inline]
    fn time(&self, key: Key) -> Result<Timestamp, Fault> {
        self.some_time(key)?.ok_or_else(|| missing(key))
    }

    #[inline]
    fn flag(&self, key: Key) -> Result<bool, Fault> {
        let Some(raw) = self.raw(key) else { return Ok(false) };
        raw.as_bool().ok_or_else(|| not(key, "true or false", raw))
    }

    #[inline]
    fn some_json(&self, key: Key) -> Option<Json<'a>> {
        self.raw(key).map(|raw| Json::scanned(raw.text()))
    }

    #[inline]
    fn json(&self, key: Key) -> Result<Json<'a>, Fault> {
        self.some_json(key).ok_or_else(|| missing(key))
    }

    pub(in crate::workflow) fn kind(&self) -> Result<Cow<'a, str>, Fault> {
        self.text(Key::kind)
    }

    pub(in crate::workflow) fn at(&self) -> Result<Option<Timestamp>, Fault> {
        self.some_time(Key::at)
    }

    #[inline]
    pub(in crate::workflow) fn claim(&self) -> Result<Option<u64>, Fault> {
        self.some_number(Key::claim)
    }

    /// Whether the line says `done`.
    pub(in crate::workflow) fn is_done(&self) -> Result<bool, Fault> {
        self.flag(Key::done)
    }

    /// The event that this line is.
    #[inline]
    pub(in crate::workflow) fn event(&self) -> Result<Event<'a>, Fault> {
        Ok(match &*self.kind()? {
            "save" => Event::Save {
                call: self.call()?,
                attempt: self.attempt()?,
                compensate: self.flag(Key::compensate)?,
                took_us: self.some_number(Key::took_us)?,
                outcome: self.outcome()?,
            },
            "value" => Event::Value { call: self.call()?, value: self.json(Key::value)? },
            "claim" => Event::Claim { worker: self.text(Key::worker)?, until: self.time(Key::until)? },
            "renew" => Event::Renew { until: self.time(Key::until)? },
            "release" => Event::Release(self.put_off()?),
            "sleep" => Event::Sleep { call: self.call()?, until: self.time(Key::until)? },
            "wake" => Event::Wake { call: self.call()? },
            "ensure" => Event::Ensure { call: self.call()? },
            "wait" => self.wait()?,
            "receive" => Event::Receive {
                inbox: self.number(Key::inbox)?,
                to: self.some_call()?,
                done: self.is_done()?,
                message: Message { sent_at: self.some_time(Key::sent_at)?, ..self.message()? },
            },
            "skip" => Event::Skip { inbox: self.number(Key::inbox)?, reason: self.some_text(Key::reason)? },
            "turn" => Event::Turn { inbox: self.number(Key::inbox)? },
            "log" => {
                let (text, level) = (self.text(Key::text)?, self.some_text(Key::level)?);
                Event::Log { n: self.number(Key::n)?, text, level }
            }
            "compensation" => {
                Event::Compensation { call: self.call()?, attempt: self.attempt()?, outcome: self.outcome()? }
            }
            "revert" => Event::Revert { call: self.some_call()?, error: self.some_json(Key::error) },
            "child" => Event::Child { call: self.call()?, run: self.text(Key::run)?, start: self.json(Key::start)? },
            "child_end" => {
                Event::ChildEnd { call: self.call()?, inbox: self.some_number(Key::inbox)?, ending: self.ending()? }
            }
            "cancel" => Event::Cancel { inbox: self.number(Key::inbox)?, request: self.request()? },
            "start" => Event::Start(Box::new(self.start()?)),
            "stop" => Event::Stop(Box::new(self.stop()?)),
            "continue" => Event::Continue { next: self.next()? },
            "compact" => Event::Compact { next: self.next()? },
            other => return Err(unknown(other)),
        })
    }

    /// Refuses a newer version of the format, wherever a line names one.
    pub(in crate::workflow) fn check_version(&self) -> Result<(), Fault> {
        match self.some_number(Key::v)? {
            Some(v) if v > VERSION => Err(Fault::newer(format!(
                "it was written by a newer version, in version {v} of the format: this one reads version {VERSION}"
            ))),
            Some(0) => Err(Fault::corrupt("there is no version 0 of the format")),
            _ => Ok(()),
        }
    }

    fn start(&self) -> Result<Start<'a>, Fault> {
        self.check_version()?;
        self.number(Key::v)?;
        let generation = self.some_number(Key::generation)?.unwrap_or(1);
        Ok(Start {
            run: self.text(Key::run)?,
            generation: u32::try_from(generation).map_err(|_| Fault::corrupt("its `generation` is too large"))?,
            workflow: self.text(Key::workflow)?,
            input: self.json(Key::input)?,
            queue: self.text(Key::queue)?,
            id: self.some_text(Key::id)?,
            parent: self.raw(Key::parent).map(parent).transpose()?,
            state: self.some_json(Key::state),
        })
    }

    fn stop(&self) -> Result<Stop<'a>, Fault> {
        self.check_version()?;
        Ok(Stop {
            ending: self.ending()?,
            workflow: self.some_text(Key::workflow)?,
            started_at: self.some_time(Key::started_at)?,
            events: self.some_number(Key::count)?,
        })
    }

    fn next(&self) -> Result<Json<'a>, Fault> {
        self.check_version()?;
        self.json(Key::next)
    }

    fn wait(&self) -> Result<Event<'a>, Fault> {
        Ok(Event::Wait {
            call: self.call()?,
            events: names(self.raw(Key::events).ok_or_else(|| missing(Key::events))?)?,
            until: self.some_time(Key::until)?,
            take: self.some_number(Key::take)?.unwrap_or(0),
            done: self.is_done()?,
        })
    }

    #[inline]
    pub(in crate::workflow) fn call(&self) -> Result<Call<'a>, Fault> {
        self.some_call()?.ok_or_else(|| missing(Key::step))
    }

    #[inline]
    fn some_call(&self) -> Result<Option<Call<'a>>, Fault> {
        match (self.some_text(Key::step)?, self.some_number(Key::n)?) {
            (Some(step), Some(n)) if n > 0 => Ok(Some(Call { step, n })),
            (Some(_), Some(_)) => Err(Fault::corrupt("calls of a step are counted from 1")),
            (Some(_), None) => Err(missing(Key::n)),
            (None, Some(_)) => Err(missing(Key::step)),
            (None, None) => Ok(None),
        }
    }

    #[inline]
    fn attempt(&self) -> Result<u64, Fault> {
        match self.some_number(Key::attempt)? {
            Some(0) => Err(Fault::corrupt("attempts are counted from 1")),
            attempt => Ok(attempt.unwrap_or(1)),
        }
    }

    #[inline]
    fn outcome(&self) -> Result<Outcome<'a>, Fault> {
        match (self.some_json(Key::value), self.some_json(Key::error), self.some_time(Key::retry_at)?) {
            (Some(value), None, None) => Ok(Outcome::Done(value)),
            (None, Some(error), Some(at)) => Ok(Outcome::Retry { error, at }),
            (None, Some(error), None) => Ok(Outcome::Failed(error)),
            (None, None, _) => Err(Fault::corrupt("it has neither `value` nor `error`")),
            _ => Err(Fault::corrupt("it has a `value` beside an `error` or `retry_at`")),
        }
    }

    fn put_off(&self) -> Result<Option<PutOff<'a>>, Fault> {
        match (self.some_time(Key::retry_at)?, self.some_json(Key::error)) {
            (Some(retry_at), error) => Ok(Some(PutOff { retry_at, error })),
            (None, Some(_)) => Err(missing(Key::retry_at)),
            (None, None) => Ok(None),
        }
    }

    pub(in crate::workflow) fn ending(&self) -> Result<Ending<'a>, Fault> {
        match (self.some_json(Key::ok), self.some_json(Key::error), self.flag(Key::cancelled)?) {
            (Some(value), None, false) => Ok(Ending::Ok(value)),
            (None, Some(error), false) => Ok(Ending::Failed(error)),
            (None, None, true) => Ok(Ending::Cancelled(self.some_text(Key::reason)?)),
            _ => Err(Fault::corrupt("it has not exactly one of `ok`, `error` and `cancelled`")),
        }
    }

    pub(in crate::workflow) fn message(&self) -> Result<Message<'a>, Fault> {
        Ok(Message {
            id: self.id()?,
            event: self.text(Key::event)?,
            value: self.json(Key::value)?,
            from: self.some_text(Key::from)?,
            sent_at: None,
        })
    }

    pub(in crate::workflow) fn request(&self) -> Result<Request<'a>, Fault> {
        Ok(Request { id: self.id()?, reason: self.some_text(Key::reason)?, from: self.some_text(Key::from)? })
    }

    pub(in crate::workflow) fn id(&self) -> Result<Cow<'a, str>, Fault> {
        self.text(Key::id)
    }

    pub(in crate::workflow) fn run(&self) -> Result<Cow<'a, str>, Fault> {
        self.text(Key::run)
    }
}

fn parent(raw: Raw<'_>) -> Result<Parent<'_>, Fault> {
    #[derive(Deserialize)]
    struct ParentFields<'a> {
        #[serde(borrow)]
        run: Cow<'a, str>,
        #[serde(borrow)]
        queue: Cow<'a, str>,
        #[serde(borrow)]
        step: Cow<'a, str>,
        n: u64,
    }
    let fields: ParentFields<'_> = serde_json::from_str(raw.text())
        .map_err(|error| Fault::corrupt(format!("its `parent`: {}", excerpt(&error.to_string(), 200))))?;
    if fields.n == 0 {
        return Err(Fault::corrupt("its `parent`: calls of a step are counted from 1"));
    }
    Ok(Parent { run: fields.run, queue: fields.queue, call: Call { step: fields.step, n: fields.n } })
}

/// Names of messages, not too many.
fn names(raw: Raw<'_>) -> Result<Vec<Cow<'_, str>>, Fault> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Option<Vec<Cow<'de, str>>>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array of names")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut names = Vec::new();
            while let Some(Name(name)) = seq.next_element()? {
                if names.len() == WAIT_EVENTS_MAX {
                    while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                    return Ok(None);
                }
                names.push(name);
            }
            Ok(Some(names))
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(raw.text());
    match serde::Deserializer::deserialize_seq(&mut deserializer, Visitor) {
        Ok(Some(names)) => Ok(names),
        Ok(None) => Err(Fault::corrupt(format!("it waits for more than {WAIT_EVENTS_MAX} names"))),
        Err(_) => Err(not(Key::events, "an array of names", raw)),
    }
}
