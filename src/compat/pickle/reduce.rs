//! Calls that are known by what they call: those that make plain values, and those that restore an object. Nothing is called.

use super::error::Fault;
use super::read::Machine;
use super::{Construction, PickleClass, PickleId, PickleObject, PickleValue};

impl PickleObject {
    pub(super) fn new(made: Construction, class: PickleId, args: PickleId) -> Self {
        PickleObject { made, class, args, kwargs: None, states: Vec::new(), items: Vec::new(), pairs: Vec::new() }
    }
}

impl<'a> Machine<'a> {
    /// What calling `class` with `args` makes.
    pub(super) fn reduce(&mut self, class: PickleId, args: PickleId) -> Result<PickleValue<'a>, Fault> {
        Ok(match self.plain(class, args)? {
            Some(plain) => plain,
            None => PickleValue::Object(Box::new(PickleObject::new(Construction::Call, class, args))),
        })
    }

    /// The plain value that a call makes: a `bytearray`, for which protocol 4 has no opcode, or what a class has by a name.
    fn plain(&mut self, class: PickleId, args: PickleId) -> Result<Option<PickleValue<'a>>, Fault> {
        let (PickleValue::Class(class), PickleValue::Tuple(args)) = (self.value(class), self.value(args)) else {
            return Ok(None);
        };
        if class.module != "builtins" {
            return Ok(None);
        }
        match (&*class.name, args.as_slice()) {
            ("bytearray", []) => Ok(Some(PickleValue::ByteArray(&[]))),
            ("bytearray", [bytes]) => match self.value(*bytes) {
                PickleValue::Bytes(bytes) => Ok(Some(PickleValue::ByteArray(bytes))),
                _ => Ok(None),
            },
            ("getattr", [outer, inner]) => {
                let (PickleValue::Class(outer), PickleValue::Str(inner)) = (self.value(*outer), self.value(*inner))
                else {
                    return Ok(None);
                };
                let class =
                    PickleClass { module: outer.module.clone(), name: format!("{}.{inner}", outer.name).into() };
                self.copy(class.module.len() + class.name.len())?;
                Ok(Some(PickleValue::Class(Box::new(class))))
            }
            _ => Ok(None),
        }
    }

    /// The result of a call is thrown away: it was made for what it does to its first argument, which is to restore the
    /// second into it. So cloudpickle restores functions and classes. Returns whether it is such a call.
    pub(super) fn restored(&mut self, result: PickleId) -> bool {
        let PickleValue::Object(call) = self.value(result) else { return false };
        let (Construction::Call, PickleValue::Tuple(args)) = (call.made, self.value(call.args)) else { return false };
        let &[target, state] = args.as_slice() else { return false };
        match self.value_mut(target) {
            PickleValue::Object(object) if target != result => {
                object.states.push(state);
                true
            }
            _ => false,
        }
    }
}
