//! The machine that a pickle is a program for, without what would run anything.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::error::{Fault, PickleError, PickleErrorKind};
use super::opcode as op;
use super::{BigInt, Construction, Node, Pickle, PickleClass, PickleId, PickleLimits, PickleObject, PickleValue};

/// The protocols that are read: what Python 3.8 and later writes unless it is told otherwise.
const PROTOCOLS: RangeInclusive<u8> = 4..=5;

/// Reads one pickle.
pub(super) fn read<'a>(bytes: &'a [u8], limits: &PickleLimits) -> Result<Pickle<'a>, PickleError> {
    let mut machine = Machine::new(bytes, limits);
    let result = machine.run();
    let opcode = bytes.get(machine.opcode_at).copied().and_then(op::name);
    let root = result.map_err(|Fault { kind, what }| PickleError { at: machine.opcode_at, opcode, kind, what })?;
    Ok(Pickle { bytes, nodes: machine.nodes, root, protocol: machine.protocol, length: machine.at })
}

/// What a pickle's opcodes work on.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    /// Where the next byte is.
    at: usize,
    /// Where the opcode is that is being carried out.
    opcode_at: usize,
    protocol: u8,
    limits: PickleLimits,
    pub(super) nodes: Vec<Node<'a>>,
    stack: Vec<PickleId>,
    /// How high the stack was at each open mark. Nothing below the last one can be taken.
    marks: Vec<usize>,
    memo: Vec<PickleId>,
    /// Values and places in which values stand.
    values: usize,
    copied_bytes: usize,
}

impl<'a> Machine<'a> {
    fn new(bytes: &'a [u8], limits: &PickleLimits) -> Self {
        Machine {
            bytes,
            at: 0,
            opcode_at: 0,
            protocol: 0,
            limits: limits.clone(),
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            values: 0,
            copied_bytes: 0,
        }
    }

    fn run(&mut self) -> Result<PickleId, Fault> {
        if self.bytes.len() > self.limits.bytes_max {
            return Err(Fault::limit(format!("it has more than {} bytes", self.limits.bytes_max)));
        }
        if self.bytes.first().is_some_and(|first| *first != op::PROTO) {
            let what = "it names no protocol, so it is of protocol 0 or 1, if it is a pickle";
            return Err(Fault::protocol(what));
        }
        loop {
            self.opcode_at = self.at;
            let opcode = self.byte()?;
            if opcode == op::STOP {
                return self.pop();
            }
            self.step(opcode)?;
            if self.stack.len() + self.marks.len() > self.limits.memo_max {
                return Err(Fault::limit(format!("more than {} values are on the stack", self.limits.memo_max)));
            }
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), Fault> {
        match opcode {
            op::PROTO => self.proto(),
            op::FRAME => self.frame(),
            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP => self.discard(),
            op::POP_MARK => self.take_marked().map(drop),
            op::BINGET | op::LONG_BINGET => self.recall(opcode),
            op::MEMOIZE => self.remember(),
            op::NONE => self.push(PickleValue::None),
            op::NEWTRUE => self.push(PickleValue::Bool(true)),
            op::NEWFALSE => self.push(PickleValue::Bool(false)),
            op::BININT | op::BININT1 | op::BININT2 | op::LONG1 | op::LONG4 => self.integer(opcode),
            op::BINFLOAT => {
                let value = f64::from_be_bytes(self.array()?);
                self.push(PickleValue::Float(value))
            }
            op::SHORT_BINUNICODE | op::BINUNICODE | op::BINUNICODE8 => self.string(opcode),
            op::BINBYTES | op::SHORT_BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => self.byte_string(opcode),
            op::EMPTY_LIST => self.push(PickleValue::List(Vec::new())),
            op::EMPTY_TUPLE => self.push(PickleValue::Tuple(Vec::new())),
            op::EMPTY_DICT => self.push(PickleValue::Dict(Vec::new())),
            op::EMPTY_SET => self.push(PickleValue::Set(Vec::new())),
            op::TUPLE | op::FROZENSET => self.collect(opcode),
            op::TUPLE1 => self.tuple(1),
            op::TUPLE2 => self.tuple(2),
            op::TUPLE3 => self.tuple(3),
            op::APPEND | op::APPENDS | op::ADDITEMS => self.add_items(opcode),
            op::SETITEM | op::SETITEMS => self.set_items(opcode),
            op::STACK_GLOBAL => self.stack_global(),
            op::EXT1 | op::EXT2 | op::EXT4 => self.extension(opcode),
            op::BINPERSID => {
                let id = self.pop()?;
                self.push(PickleValue::Persistent(id))
            }
            op::REDUCE => {
                let (args, class) = (self.pop()?, self.pop()?);
                let value = self.reduce(class, args)?;
                self.push(value)
            }
            op::NEWOBJ => {
                let (args, class) = (self.pop()?, self.pop()?);
                self.push(PickleValue::Object(Box::new(PickleObject::new(Construction::New, class, args))))
            }
            op::NEWOBJ_EX => {
                let (kwargs, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(PickleValue::Object(Box::new(PickleObject {
                    kwargs: Some(kwargs),
                    ..PickleObject::new(Construction::New, class, args)
                })))
            }
            op::BUILD => self.build(),
            op::NEXT_BUFFER | op::READONLY_BUFFER => {
                Err(Fault::new(PickleErrorKind::Unsupported, "its bytes are in a buffer outside of the pickle"))
            }
            other => {
                let what = format!("no pickle of protocol 4 or 5 has the byte 0x{other:02x} here");
                Err(Fault::new(PickleErrorKind::UnknownOpcode, what))
            }
        }
    }

    // What comes next.

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or_else(Fault::truncated)?;
        self.at += length;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        self.take(1).map(|byte| byte[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::truncated())
    }

    /// As many bytes as a number of `width` bytes in front of them says.
    fn prefixed(&mut self, width: usize) -> Result<&'a [u8], Fault> {
        let mut length = [0; 8];
        length[..width].copy_from_slice(self.take(width)?);
        // No slice is longer than what a usize can say.
        let length = usize::try_from(u64::from_le_bytes(length)).map_err(|_| Fault::truncated())?;
        self.take(length)
    }

    // The stack.

    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<PickleId, Fault> {
        let top = self.stack.last().filter(|_| self.stack.len() > self.fence());
        top.copied().ok_or_else(Fault::underflow)
    }

    fn pop(&mut self) -> Result<PickleId, Fault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// All above the last mark, and the mark.
    fn take_marked(&mut self) -> Result<Vec<PickleId>, Fault> {
        let mark =
            self.marks.pop().ok_or_else(|| Fault::new(PickleErrorKind::Stack, "there is no mark on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    fn discard(&mut self) -> Result<(), Fault> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        let id = self.pop()?;
        if self.restored(id) { self.count(1) } else { Ok(()) }
    }

    /// Makes a value.
    pub(super) fn node(&mut self, value: PickleValue<'a>) -> Result<PickleId, Fault> {
        self.count(1)?;
        let id = u32::try_from(self.nodes.len()).map_err(|_| Fault::limit("it has too many values"))?;
        self.nodes.push(Node { at: self.opcode_at, value });
        Ok(PickleId(id))
    }

    fn push(&mut self, value: PickleValue<'a>) -> Result<(), Fault> {
        let id = self.node(value)?;
        self.stack.push(id);
        Ok(())
    }

    /// Pays for so many values, or places of values.
    pub(super) fn count(&mut self, values: usize) -> Result<(), Fault> {
        self.values = self.values.saturating_add(values);
        if self.values > self.limits.values_max {
            return Err(Fault::limit(format!("it has more than {} values", self.limits.values_max)));
        }
        Ok(())
    }

    /// Pays for so many bytes that are copied.
    pub(super) fn copy(&mut self, bytes: usize) -> Result<(), Fault> {
        self.copied_bytes = self.copied_bytes.saturating_add(bytes);
        if self.copied_bytes > self.limits.copied_bytes_max {
            return Err(Fault::limit(format!("more than {} bytes would be copied", self.limits.copied_bytes_max)));
        }
        Ok(())
    }

    pub(super) fn value(&self, id: PickleId) -> &PickleValue<'a> {
        &self.nodes[id.0 as usize].value
    }

    pub(super) fn value_mut(&mut self, id: PickleId) -> &mut PickleValue<'a> {
        &mut self.nodes[id.0 as usize].value
    }

    // The opcodes.

    fn proto(&mut self) -> Result<(), Fault> {
        self.protocol = self.byte()?;
        if !PROTOCOLS.contains(&self.protocol) {
            return Err(Fault::protocol(&format!("it is of protocol {}", self.protocol)));
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<(), Fault> {
        let length = u64::from_le_bytes(self.array()?);
        if length > (self.bytes.len() - self.at) as u64 {
            return Err(Fault::truncated());
        }
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), Fault> {
        let place = if opcode == op::BINGET { self.byte()?.into() } else { u32::from_le_bytes(self.array()?) };
        let kept = self.memo.get(place as usize).copied();
        let missing = || Fault::new(PickleErrorKind::Memo, format!("nothing was put to place {place} of the memo"));
        self.stack.push(kept.ok_or_else(missing)?);
        Ok(())
    }

    fn remember(&mut self) -> Result<(), Fault> {
        self.memo.push(self.top()?);
        if self.memo.len() > self.limits.memo_max {
            return Err(Fault::limit(format!("more than {} values are in the memo", self.limits.memo_max)));
        }
        Ok(())
    }

    fn integer(&mut self, opcode: u8) -> Result<(), Fault> {
        let value = match opcode {
            op::BININT => PickleValue::Int(i32::from_le_bytes(self.array()?).into()),
            op::BININT1 => PickleValue::Int(self.byte()?.into()),
            op::BININT2 => PickleValue::Int(u16::from_le_bytes(self.array()?).into()),
            op::LONG1 => little_endian(self.prefixed(1)?),
            _ => {
                let length = i32::from_le_bytes(self.array()?);
                let length = usize::try_from(length).map_err(|_| Fault::argument("its length is below zero"))?;
                little_endian(self.take(length)?)
            }
        };
        self.push(value)
    }

    fn string(&mut self, opcode: u8) -> Result<(), Fault> {
        let text = utf8(self.prefixed(match opcode {
            op::SHORT_BINUNICODE => 1,
            op::BINUNICODE => 4,
            _ => 8,
        })?)?;
        let kept = match &text {
            PickleValue::Str(text) => copied(text),
            PickleValue::Surrogates(text) => text.len(),
            _ => 0,
        };
        self.copy(kept)?;
        self.push(text)
    }

    fn byte_string(&mut self, opcode: u8) -> Result<(), Fault> {
        let bytes = self.prefixed(match opcode {
            op::SHORT_BINBYTES => 1,
            op::BINBYTES => 4,
            _ => 8,
        })?;
        self.push(if opcode == op::BYTEARRAY8 { PickleValue::ByteArray(bytes) } else { PickleValue::Bytes(bytes) })
    }

    fn collect(&mut self, opcode: u8) -> Result<(), Fault> {
        let items = self.take_marked()?;
        self.count(items.len())?;
        self.push(if opcode == op::TUPLE { PickleValue::Tuple(items) } else { PickleValue::FrozenSet(items) })
    }

    fn tuple(&mut self, length: usize) -> Result<(), Fault> {
        let start = self.stack.len().checked_sub(length).filter(|start| *start >= self.fence());
        let items = self.stack.split_off(start.ok_or_else(Fault::underflow)?);
        self.count(length)?;
        self.push(PickleValue::Tuple(items))
    }

    fn add_items(&mut self, opcode: u8) -> Result<(), Fault> {
        let items = if opcode == op::APPEND { vec![self.pop()?] } else { self.take_marked()? };
        let target = self.top()?;
        self.count(items.len())?;
        match self.value_mut(target) {
            PickleValue::List(list) if opcode != op::ADDITEMS => list.extend(items),
            PickleValue::Set(set) if opcode == op::ADDITEMS => set.extend(items),
            PickleValue::Object(object) => object.items.extend(items),
            other => return Err(Fault::value(format!("it adds to {}", other.kind()))),
        }
        Ok(())
    }

    fn set_items(&mut self, opcode: u8) -> Result<(), Fault> {
        let items = if opcode == op::SETITEM {
            let (value, key) = (self.pop()?, self.pop()?);
            vec![key, value]
        } else {
            self.take_marked()?
        };
        let target = self.top()?;
        self.count(items.len())?;
        let pairs = in_pairs(&items)?;
        match self.value_mut(target) {
            PickleValue::Dict(dict) => dict.extend(pairs),
            PickleValue::Object(object) => object.pairs.extend(pairs),
            other => return Err(Fault::value(format!("it sets keys of {}", other.kind()))),
        }
        Ok(())
    }

    fn stack_global(&mut self) -> Result<(), Fault> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (PickleValue::Str(module), PickleValue::Str(name)) = (self.value(module), self.value(name)) else {
            return Err(Fault::value("the names of its module and class are not strings"));
        };
        let class = PickleClass { module: module.clone(), name: name.clone() };
        self.copy(copied(&class.module) + copied(&class.name))?;
        self.push(PickleValue::Class(Box::new(class)))
    }

    fn extension(&mut self, opcode: u8) -> Result<(), Fault> {
        let code = match opcode {
            op::EXT1 => self.byte()?.into(),
            op::EXT2 => u16::from_le_bytes(self.array()?).into(),
            _ => i32::from_le_bytes(self.array()?),
        };
        match u32::try_from(code) {
            Ok(code @ 1..) => self.push(PickleValue::Extension(code)),
            _ => Err(Fault::argument("its code is not above zero")),
        }
    }

    fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        let target = self.top()?;
        self.count(1)?;
        match self.value_mut(target) {
            PickleValue::Object(object) => object.states.push(state),
            other => return Err(Fault::value(format!("it restores the state of {}", other.kind()))),
        }
        Ok(())
    }
}

fn little_endian(bytes: &[u8]) -> PickleValue<'_> {
    BigInt::little_endian(bytes).map_or_else(PickleValue::Int, PickleValue::BigInt)
}

fn in_pairs(items: &[PickleId]) -> Result<Vec<(PickleId, PickleId)>, Fault> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Fault::new(PickleErrorKind::Stack, "a key has no value"));
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

/// How many bytes of a text do not stand in the pickle as they are.
#[allow(clippy::ptr_arg, reason = "whether it is borrowed is what is asked")]
fn copied(text: &Cow<'_, str>) -> usize {
    if let Cow::Owned(text) = text { text.len() } else { 0 }
}

/// A string in UTF-8, in which Python leaves surrogates that stand alone as three bytes each.
fn utf8(bytes: &[u8]) -> Result<PickleValue<'_>, Fault> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(PickleValue::Str(Cow::Borrowed(text)));
    }
    let mut text = String::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(valid) => valid.len(),
            Err(error) => error.valid_up_to(),
        };
        let plain = std::str::from_utf8(&rest[..valid]).unwrap_or_default();
        text.push_str(&plain.replace('\\', "\\\\").replace('\'', "\\'"));
        rest = match &rest[valid..] {
            [0xed, high @ 0xa0..=0xbf, low @ 0x80..=0xbf, rest @ ..] => {
                text.push_str(&format!("\\u{:04x}", 0xd000 | u32::from(high & 0x3f) << 6 | u32::from(low & 0x3f)));
                rest
            }
            [] => &[],
            _ => return Err(Fault::argument("its string is not UTF-8")),
        };
    }
    Ok(PickleValue::Surrogates(text.into()))
}
