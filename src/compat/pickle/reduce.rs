//! Calls that are known by what they call: those that make plain values, and those that restore an object. Nothing is called.

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
        Ok(match self.plain(class, args)? {
            Some(plain) => plain,
            None => Value::Object(Box::new(Object::new(Made::Call, class, args))),
        })
    }

    /// The plain value that a call makes: a `bytearray`, for which protocol 4 has no opcode, or what a class has by a name.
    fn plain(&mut self, class: Id, args: Id) -> Result<Option<Value<'a>>, Fault> {
        let (Value::Class(class), Value::Tuple(args)) = (self.value(class), self.value(args)) else { return Ok(None) };
        if class.module != "builtins" {
            return Ok(None);
        }
        match (&*class.name, args.as_slice()) {
            ("bytearray", []) => Ok(Some(Value::ByteArray(&[]))),
            ("bytearray", [bytes]) => match self.value(*bytes) {
                Value::Bytes(bytes) => Ok(Some(Value::ByteArray(bytes))),
                _ => Ok(None),
            },
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
