//! The machine that a pickle is a program for, without what would run anything.

use std::collections::HashMap;

use super::error::{Fault, PickleError, PickleErrorKind};
use super::opcode::{self, op};
use super::python2::renamed;
use super::{BigInt, Class, Id, Limits, Made, Node, Object, Pickle, Value, text};

/// The newest protocol there is.
const PROTOCOL_MAX: u8 = 5;

/// Reads one pickle.
pub(super) fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Pickle<'a>, PickleError> {
    let mut machine = Machine::new(bytes, limits);
    let result = machine.run();
    let opcode = bytes.get(machine.opcode_at).copied().and_then(opcode::name);
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
    limits: Limits,
    pub(super) nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// How high the stack was at each open mark. Nothing below the last one can be taken.
    marks: Vec<usize>,
    memo: HashMap<u64, Id, foldhash::fast::RandomState>,
    /// Values and places in which values stand.
    values: usize,
    copied_bytes: usize,
}

impl<'a> Machine<'a> {
    fn new(bytes: &'a [u8], limits: &Limits) -> Self {
        Machine {
            bytes,
            at: 0,
            opcode_at: 0,
            protocol: 0,
            limits: limits.clone(),
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::default(),
            values: 0,
            copied_bytes: 0,
        }
    }

    fn run(&mut self) -> Result<Id, Fault> {
        if self.bytes.len() > self.limits.bytes_max {
            return Err(Fault::limit(format!("it has more than {} bytes", self.limits.bytes_max)));
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
            op::DUP => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            op::GET | op::BINGET | op::LONG_BINGET => self.recall(opcode),
            op::PUT | op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => self.remember(opcode),
            op::NONE => self.push(Value::None),
            op::NEWTRUE => self.push(Value::Bool(true)),
            op::NEWFALSE => self.push(Value::Bool(false)),
            op::INT | op::BININT | op::BININT1 | op::BININT2 | op::LONG | op::LONG1 | op::LONG4 => self.integer(opcode),
            op::FLOAT => {
                let value = text::float(self.line()?)?;
                self.push(Value::Float(value))
            }
            op::BINFLOAT => {
                let value = f64::from_be_bytes(self.array()?);
                self.push(Value::Float(value))
            }
            op::UNICODE | op::SHORT_BINUNICODE | op::BINUNICODE | op::BINUNICODE8 => self.string(opcode),
            op::STRING | op::BINSTRING | op::SHORT_BINSTRING => self.old_string(opcode),
            op::BINBYTES | op::SHORT_BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => self.byte_string(opcode),
            op::EMPTY_LIST => self.push(Value::List(Vec::new())),
            op::EMPTY_TUPLE => self.push(Value::Tuple(Vec::new())),
            op::EMPTY_DICT => self.push(Value::Dict(Vec::new())),
            op::EMPTY_SET => self.push(Value::Set(Vec::new())),
            op::LIST | op::TUPLE | op::FROZENSET | op::DICT => self.collect(opcode),
            op::TUPLE1 => self.tuple(1),
            op::TUPLE2 => self.tuple(2),
            op::TUPLE3 => self.tuple(3),
            op::APPEND | op::APPENDS | op::ADDITEMS => self.add_items(opcode),
            op::SETITEM | op::SETITEMS => self.set_items(opcode),
            op::GLOBAL => {
                let class = self.global()?;
                self.push(class)
            }
            op::STACK_GLOBAL => self.stack_global(),
            op::EXT1 | op::EXT2 | op::EXT4 => self.extension(opcode),
            op::PERSID => {
                let id = text::utf8(self.line()?)?;
                let id = self.node(Value::Str(id))?;
                self.push(Value::Persistent(id))
            }
            op::BINPERSID => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))
            }
            op::REDUCE => {
                let (args, class) = (self.pop()?, self.pop()?);
                let value = self.reduce(class, args)?;
                self.push(value)
            }
            op::NEWOBJ => {
                let (args, class) = (self.pop()?, self.pop()?);
                self.push(Value::Object(Box::new(Object::new(Made::New, class, args))))
            }
            op::NEWOBJ_EX => {
                let (kwargs, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(Value::Object(Box::new(Object {
                    kwargs: Some(kwargs),
                    ..Object::new(Made::New, class, args)
                })))
            }
            op::INST | op::OBJ => self.instance(opcode),
            op::BUILD => self.build(),
            op::NEXT_BUFFER | op::READONLY_BUFFER => {
                Err(Fault::new(PickleErrorKind::Unsupported, "its bytes are in a buffer outside of the pickle"))
            }
            other => {
                Err(Fault::new(PickleErrorKind::UnknownOpcode, format!("no pickle has the byte 0x{other:02x} here")))
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

    /// What is in front of the next newline.
    fn line(&mut self) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let length = memchr::memchr(b'\n', rest).ok_or_else(Fault::truncated)?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    // The stack.

    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, Fault> {
        let top = self.stack.last().filter(|_| self.stack.len() > self.fence());
        top.copied().ok_or_else(Fault::underflow)
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// All above the last mark, and the mark.
    fn take_marked(&mut self) -> Result<Vec<Id>, Fault> {
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
    pub(super) fn node(&mut self, value: Value<'a>) -> Result<Id, Fault> {
        self.count(1)?;
        let id = u32::try_from(self.nodes.len()).map_err(|_| Fault::limit("it has too many values"))?;
        self.nodes.push(Node { at: self.opcode_at, value });
        Ok(Id(id))
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), Fault> {
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

    pub(super) fn value(&self, id: Id) -> &Value<'a> {
        &self.nodes[id.0 as usize].value
    }

    pub(super) fn value_mut(&mut self, id: Id) -> &mut Value<'a> {
        &mut self.nodes[id.0 as usize].value
    }

    // The opcodes.

    fn proto(&mut self) -> Result<(), Fault> {
        self.protocol = self.byte()?;
        if self.protocol > PROTOCOL_MAX {
            let what = format!("protocol {} is newer than {PROTOCOL_MAX}, the newest known", self.protocol);
            return Err(Fault::new(PickleErrorKind::Unsupported, what));
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
        let place = self.memo_place(opcode)?;
        let kept = self.memo.get(&place).copied();
        let missing = || Fault::new(PickleErrorKind::Memo, format!("nothing was put to place {place} of the memo"));
        self.stack.push(kept.ok_or_else(missing)?);
        Ok(())
    }

    fn remember(&mut self, opcode: u8) -> Result<(), Fault> {
        let place = if opcode == op::MEMOIZE { self.memo.len() as u64 } else { self.memo_place(opcode)? };
        let top = self.top()?;
        self.memo.insert(place, top);
        if self.memo.len() > self.limits.memo_max {
            return Err(Fault::limit(format!("more than {} values are in the memo", self.limits.memo_max)));
        }
        Ok(())
    }

    fn memo_place(&mut self, opcode: u8) -> Result<u64, Fault> {
        Ok(match opcode {
            op::BINGET | op::BINPUT => self.byte()?.into(),
            op::LONG_BINGET | op::LONG_BINPUT => u32::from_le_bytes(self.array()?).into(),
            _ => text::memo_index(self.line()?)?,
        })
    }

    fn integer(&mut self, opcode: u8) -> Result<(), Fault> {
        let value = match opcode {
            op::BININT => Value::Int(i32::from_le_bytes(self.array()?).into()),
            op::BININT1 => Value::Int(self.byte()?.into()),
            op::BININT2 => Value::Int(u16::from_le_bytes(self.array()?).into()),
            op::LONG1 => little_endian(self.prefixed(1)?),
            op::LONG4 => {
                let length = i32::from_le_bytes(self.array()?);
                let length = usize::try_from(length).map_err(|_| Fault::argument("its length is below zero"))?;
                little_endian(self.take(length)?)
            }
            _ => match (opcode, self.line()?) {
                // So protocol 0 has bools.
                (op::INT, b"00") => Value::Bool(false),
                (op::INT, b"01") => Value::Bool(true),
                (op::INT, line) => decimal(line)?,
                (_, line) => decimal(line.strip_suffix(b"L").unwrap_or(line))?,
            },
        };
        self.push(value)
    }

    fn string(&mut self, opcode: u8) -> Result<(), Fault> {
        let text = match opcode {
            op::UNICODE => text::raw_unicode_escape(self.line()?)?.into(),
            op::SHORT_BINUNICODE => text::utf8(self.prefixed(1)?)?,
            op::BINUNICODE => text::utf8(self.prefixed(4)?)?,
            _ => text::utf8(self.prefixed(8)?)?,
        };
        if matches!(text, std::borrow::Cow::Owned(_)) {
            self.copy(text.len())?;
        }
        self.push(Value::Str(text))
    }

    /// A string of Python 2: of bytes, which are mostly text.
    fn old_string(&mut self, opcode: u8) -> Result<(), Fault> {
        use std::borrow::Cow;
        let bytes = match opcode {
            op::STRING => text::quoted(self.line()?)?,
            op::SHORT_BINSTRING => Cow::Borrowed(self.prefixed(1)?),
            _ => {
                let length = i32::from_le_bytes(self.array()?);
                let length = usize::try_from(length).map_err(|_| Fault::argument("its length is below zero"))?;
                Cow::Borrowed(self.take(length)?)
            }
        };
        let value = match bytes {
            Cow::Borrowed(bytes) if bytes.is_ascii() => Value::Str(text::utf8(bytes)?),
            Cow::Borrowed(bytes) => Value::Bytes(bytes.into()),
            Cow::Owned(bytes) => {
                self.copy(bytes.len())?;
                match String::from_utf8(bytes) {
                    Ok(text) if text.is_ascii() => Value::Str(text.into()),
                    Ok(text) => Value::Bytes(text.into_bytes().into()),
                    Err(error) => Value::Bytes(error.into_bytes().into()),
                }
            }
        };
        self.push(value)
    }

    fn byte_string(&mut self, opcode: u8) -> Result<(), Fault> {
        let bytes = self.prefixed(match opcode {
            op::SHORT_BINBYTES => 1,
            op::BINBYTES => 4,
            _ => 8,
        })?;
        self.push(if opcode == op::BYTEARRAY8 { Value::ByteArray(bytes.into()) } else { Value::Bytes(bytes.into()) })
    }

    fn collect(&mut self, opcode: u8) -> Result<(), Fault> {
        let items = self.take_marked()?;
        self.count(items.len())?;
        self.push(match opcode {
            op::LIST => Value::List(items),
            op::TUPLE => Value::Tuple(items),
            op::FROZENSET => Value::FrozenSet(items),
            _ => Value::Dict(in_pairs(&items)?),
        })
    }

    fn tuple(&mut self, length: usize) -> Result<(), Fault> {
        let start = self.stack.len().checked_sub(length).filter(|start| *start >= self.fence());
        let items = self.stack.split_off(start.ok_or_else(Fault::underflow)?);
        self.count(length)?;
        self.push(Value::Tuple(items))
    }

    fn add_items(&mut self, opcode: u8) -> Result<(), Fault> {
        let items = if opcode == op::APPEND { vec![self.pop()?] } else { self.take_marked()? };
        let target = self.top()?;
        self.count(items.len())?;
        match self.value_mut(target) {
            Value::List(list) if opcode != op::ADDITEMS => list.extend(items),
            Value::Set(set) if opcode == op::ADDITEMS => set.extend(items),
            Value::Object(object) => object.items.extend(items),
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
            Value::Dict(dict) => dict.extend(pairs),
            Value::Object(object) => object.pairs.extend(pairs),
            other => return Err(Fault::value(format!("it sets keys of {}", other.kind()))),
        }
        Ok(())
    }

    fn global(&mut self) -> Result<Value<'a>, Fault> {
        let (module, name) = (text::utf8(self.line()?)?, text::utf8(self.line()?)?);
        Ok(self.class(Class { module, name }))
    }

    fn stack_global(&mut self) -> Result<(), Fault> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Value::Str(module), Value::Str(name)) = (self.value(module), self.value(name)) else {
            return Err(Fault::value("the names of its module and class are not strings"));
        };
        let class = Class { module: module.clone(), name: name.clone() };
        let copied = [&class.module, &class.name].map(|text| match text {
            std::borrow::Cow::Owned(text) => text.len(),
            std::borrow::Cow::Borrowed(_) => 0,
        });
        self.copy(copied.iter().sum())?;
        let class = self.class(class);
        self.push(class)
    }

    fn class(&self, class: Class<'a>) -> Value<'a> {
        Value::Class(Box::new(if self.protocol < 3 { renamed(class) } else { class }))
    }

    fn extension(&mut self, opcode: u8) -> Result<(), Fault> {
        let code = match opcode {
            op::EXT1 => self.byte()?.into(),
            op::EXT2 => u16::from_le_bytes(self.array()?).into(),
            _ => i32::from_le_bytes(self.array()?),
        };
        match u32::try_from(code) {
            Ok(code @ 1..) => self.push(Value::Extension(code)),
            _ => Err(Fault::argument("its code is not above zero")),
        }
    }

    /// Objects as Python 2 had them.
    fn instance(&mut self, opcode: u8) -> Result<(), Fault> {
        let (class, args) = if opcode == op::INST {
            let class = self.global()?;
            let class = self.node(class)?;
            (class, self.take_marked()?)
        } else {
            let mut marked = self.take_marked()?;
            if marked.is_empty() {
                return Err(Fault::underflow());
            }
            let class = marked.remove(0);
            (class, marked)
        };
        self.count(args.len())?;
        let args = self.node(Value::Tuple(args))?;
        self.push(Value::Object(Box::new(Object::new(Made::Call, class, args))))
    }

    fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        let target = self.top()?;
        self.count(1)?;
        match self.value_mut(target) {
            Value::Object(object) => object.states.push(state),
            other => return Err(Fault::value(format!("it restores the state of {}", other.kind()))),
        }
        Ok(())
    }
}

fn little_endian(bytes: &[u8]) -> Value<'_> {
    BigInt::little_endian(bytes).map_or_else(Value::Int, Value::BigInt)
}

fn decimal(line: &[u8]) -> Result<Value<'_>, Fault> {
    Ok(text::integer(line)?.map_or_else(Value::BigInt, Value::Int))
}

fn in_pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, Fault> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Fault::new(PickleErrorKind::Stack, "a key has no value"));
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}
