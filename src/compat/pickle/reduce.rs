//! Calls by which pickles make plain values, known by what they call: their result is that value, and nothing is called.

use std::borrow::Cow;

use super::error::Fault;
use super::read::Machine;
use super::{Class, Id, Made, Object, Value};

impl Object {
    pub(super) fn new(made: Made, class: Id, args: Id) -> Self {
        Object { made, class, args, kwargs: None, states: Vec::new(), items: Vec::new(), pairs: Vec::new() }
    }
}

impl<'a> Machine<'a> {
    /// What calling `class` with `args` makes.
    pub(super) fn reduce(&mut self, class: Id, args: Id) -> Result<Value<'a>, Fault> {
        if let Some(plain) = self.plain(class, args)? {
            return Ok(plain);
        }
        Ok(Value::Object(Box::new(self.new_object(class, args)?)))
    }

    /// The plain value that a call makes, if it is one by which older protocols write what newer ones have opcodes for.
    fn plain(&mut self, class: Id, args: Id) -> Result<Option<Value<'a>>, Fault> {
        let (Value::Class(class), Value::Tuple(args)) = (self.value(class), self.value(args)) else { return Ok(None) };
        let name = match &*class.module {
            "builtins" => &*class.name,
            "_codecs" if class.name == "encode" => "encode",
            _ => return Ok(None),
        };
        match (name, args.as_slice()) {
            ("set" | "frozenset", []) => Ok(Some(set(name, Vec::new()))),
            ("set" | "frozenset", [items]) => {
                let (Value::List(items) | Value::Tuple(items)) = self.value(*items) else { return Ok(None) };
                let value = set(name, items.clone());
                self.count(items_of(&value))?;
                Ok(Some(value))
            }
            ("bytes", []) => Ok(Some(Value::Bytes(Cow::Borrowed(&[])))),
            ("bytearray", []) => Ok(Some(Value::ByteArray(Cow::Borrowed(&[])))),
            ("bytearray", [bytes]) => {
                let Value::Bytes(bytes) = self.value(*bytes) else { return Ok(None) };
                let bytes = bytes.clone();
                self.copy(bytes.len())?;
                Ok(Some(Value::ByteArray(bytes)))
            }
            ("bytearray" | "encode", [text, encoding]) => {
                let is_array = name == "bytearray";
                let bytes = self.latin1(*text, *encoding)?;
                Ok(bytes
                    .map(|bytes| if is_array { Value::ByteArray(bytes.into()) } else { Value::Bytes(bytes.into()) }))
            }
            ("getattr", [outer, inner]) => {
                let (Value::Class(outer), Value::Str(inner)) = (self.value(*outer), self.value(*inner)) else {
                    return Ok(None);
                };
                let class = Class { module: outer.module.clone(), name: format!("{}.{inner}", outer.name).into() };
                self.copy(class.module.len() + class.name.len())?;
                Ok(Some(Value::Class(Box::new(class))))
            }
            _ => Ok(None),
        }
    }

    /// A text of which each character is a byte.
    fn latin1(&mut self, text: Id, encoding: Id) -> Result<Option<Vec<u8>>, Fault> {
        let (Value::Str(text), Value::Str(encoding)) = (self.value(text), self.value(encoding)) else {
            return Ok(None);
        };
        if !matches!(&**encoding, "latin1" | "latin-1") {
            return Ok(None);
        }
        // What is copied is paid for before.
        let length = text.len();
        let text = text.clone();
        self.copy(length.saturating_mul(2))?;
        Ok(text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect())
    }

    /// The object that a call makes; calls that only pass an older protocol's arguments to `__new__` are seen through.
    fn new_object(&mut self, callable: Id, args: Id) -> Result<Object, Fault> {
        let plain = Object::new(Made::Call, callable, args);
        let (Value::Class(name), Value::Tuple(inner)) = (self.value(callable), self.value(args)) else {
            return Ok(plain);
        };
        if name.module != "copyreg" {
            return Ok(plain);
        }
        match (&*name.name, inner.as_slice()) {
            ("_reconstructor", &[class, base, state]) => self.reconstructed(class, base, state),
            ("__newobj__", &[class, ref args @ ..]) => {
                let args = args.to_vec();
                self.count(args.len())?;
                let args = self.node(Value::Tuple(args))?;
                Ok(Object::new(Made::New, class, args))
            }
            ("__newobj_ex__", &[class, args, kwargs]) => {
                Ok(Object { kwargs: Some(kwargs), ..Object::new(Made::New, class, args) })
            }
            _ => Ok(plain),
        }
    }

    /// An object as protocols 0 and 1 write it: made of what it holds as a `base`, of which its class is a kind.
    fn reconstructed(&mut self, class: Id, base: Id, state: Id) -> Result<Object, Fault> {
        let base = if let Value::Class(base) = self.value(base) { &*base.name } else { "" };
        let (mut args, mut items, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
        match (base, self.value(state)) {
            ("object", _) => {}
            ("list", Value::List(held)) => items.clone_from(held),
            ("dict", Value::Dict(held)) => pairs.clone_from(held),
            _ => args.push(state),
        }
        self.count(args.len() + items.len() + 2 * pairs.len())?;
        let args = self.node(Value::Tuple(args))?;
        Ok(Object { items, pairs, ..Object::new(Made::New, class, args) })
    }

    /// The result of a call is thrown away: it was made for what it does to its first argument, which is to restore the
    /// second into it. So cloudpickle restores functions and classes. Returns whether it is such a call.
    pub(super) fn restored(&mut self, result: Id) -> bool {
        let Value::Object(call) = self.value(result) else { return false };
        let (Made::Call, Value::Tuple(args)) = (call.made, self.value(call.args)) else { return false };
        let &[target, state] = args.as_slice() else { return false };
        match self.value_mut(target) {
            Value::Object(object) if target != result => {
                object.states.push(state);
                true
            }
            _ => false,
        }
    }
}

fn set<'a>(name: &str, items: Vec<Id>) -> Value<'a> {
    if name == "set" { Value::Set(items) } else { Value::FrozenSet(items) }
}

fn items_of(value: &Value<'_>) -> usize {
    if let Value::Set(items) | Value::FrozenSet(items) = value { items.len() } else { 0 }
}
