//! Python's pickles, protocols 4 and 5, read as data.
//!
//! A pickle is a program that makes a value by importing and calling what it names. Nothing of that is done here: a class or
//! function that a pickle names stays a [`PickleClass`], what it would call stays an [`PickleObject`] with the arguments. What anybody can
//! put into a pickle costs no more time and memory than [`PickleLimits`] allow, however it is nested, shared or cut.
//!
//! ```
//! use temporal_code::foreign::pickle::{Pickle, PickleLimits, ShowLimits};
//!
//! // pickle.dumps({"at": [1, 2.5], "who": "Ada"})
//! let bytes = b"\x80\x04}(\x8c\x02at](K\x01G@\x04\x00\x00\x00\x00\x00\x00e\x8c\x03who\x8c\x03Adau.";
//! let pickle = Pickle::read(bytes, &PickleLimits::default())?;
//! assert_eq!(pickle.show(pickle.root(), &ShowLimits::default()).text, "{'at': [1, 2.5], 'who': 'Ada'}");
//! # Ok::<(), temporal_code::foreign::pickle::PickleError>(())
//! ```

mod error;
mod integer;
mod json;
mod opcode;
mod read;
mod reduce;
mod show;

use std::borrow::Cow;

pub use error::{PickleError, PickleErrorKind};
pub use integer::BigInt;
pub use show::{PickleText, ShowLimits};

/// How much a pickle may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickleLimits {
    /// Most bytes of a pickle.
    pub bytes_max: usize,
    /// Most values, each counted once for every place in which it stands. One takes up to about 100 bytes of memory.
    pub values_max: usize,
    /// Most bytes of texts that have to be copied since they do not stand in the pickle as they are.
    pub copied_bytes_max: usize,
    /// Most values that are in the memo, or on the stack at once.
    pub memo_max: usize,
}

impl Default for PickleLimits {
    /// 64 MiB, of which at most 2 million values and 64 MiB copied.
    fn default() -> Self {
        PickleLimits { bytes_max: 64 << 20, values_max: 2_000_000, copied_bytes_max: 64 << 20, memo_max: 2_000_000 }
    }
}

/// A value of a pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PickleId(u32);

/// What a pickle holds: values that point to one another, since a pickle can share them and close circles.
///
/// They lie flat in one vector, so nothing recurses, not even the drop.
#[derive(Debug)]
pub struct Pickle<'a> {
    bytes: &'a [u8],
    nodes: Vec<Node<'a>>,
    root: PickleId,
    protocol: u8,
    length: usize,
}

#[derive(Debug)]
struct Node<'a> {
    /// Offset of the opcode that made it.
    at: usize,
    value: PickleValue<'a>,
}

/// One value.
#[derive(Debug)]
pub enum PickleValue<'a> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer beyond 64 bits.
    BigInt(BigInt<'a>),
    /// A float.
    Float(f64),
    /// A string.
    Str(Cow<'a, str>),
    /// A string with surrogates that stand alone, as Python writes it between quotes: these are escapes, and so are backslashes.
    Surrogates(Box<str>),
    /// A byte string.
    Bytes(&'a [u8]),
    /// A `bytearray`.
    ByteArray(&'a [u8]),
    /// A list.
    List(Vec<PickleId>),
    /// A tuple.
    Tuple(Vec<PickleId>),
    /// A set, in the order of the pickle.
    Set(Vec<PickleId>),
    /// A `frozenset`.
    FrozenSet(Vec<PickleId>),
    /// A dict: its keys and values in the order of the pickle. Of equal keys the last counts.
    Dict(Vec<(PickleId, PickleId)>),
    /// A class or function, by its name.
    Class(Box<PickleClass<'a>>),
    /// What a call would make.
    Object(Box<PickleObject>),
    /// What the program that wrote the pickle would find by this id.
    Persistent(PickleId),
    /// What the program that wrote the pickle registered under this number.
    Extension(u32),
}

impl PickleValue<'_> {
    /// What kind of value it is, in a word or two.
    pub fn kind(&self) -> &'static str {
        match self {
            PickleValue::None => "None",
            PickleValue::Bool(_) => "a bool",
            PickleValue::Int(_) | PickleValue::BigInt(_) => "an int",
            PickleValue::Float(_) => "a float",
            PickleValue::Str(_) | PickleValue::Surrogates(_) => "a string",
            PickleValue::Bytes(_) => "bytes",
            PickleValue::ByteArray(_) => "a bytearray",
            PickleValue::List(_) => "a list",
            PickleValue::Tuple(_) => "a tuple",
            PickleValue::Set(_) => "a set",
            PickleValue::FrozenSet(_) => "a frozenset",
            PickleValue::Dict(_) => "a dict",
            PickleValue::Class(_) => "a class or function",
            PickleValue::Object(_) => "an object",
            PickleValue::Persistent(_) => "a persistent id",
            PickleValue::Extension(_) => "an extension code",
        }
    }
}

/// A class or function that a pickle names. It is not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickleClass<'a> {
    /// The module.
    pub module: Cow<'a, str>,
    /// The qualified name in the module.
    pub name: Cow<'a, str>,
}

/// What a call would make, and what would be done to it. Nothing was called.
#[derive(Debug)]
pub struct PickleObject {
    /// How it would be made.
    pub made: Construction,
    /// What would be called, or the class: usually a [`PickleClass`].
    pub class: PickleId,
    /// The arguments: usually a tuple.
    pub args: PickleId,
    /// The keyword arguments, a dict, where the pickle has them apart.
    pub kwargs: Option<PickleId>,
    /// What would be restored into it (`BUILD`, or a call with it and its state, as cloudpickle has them), usually once.
    pub states: Vec<PickleId>,
    /// What would be appended or added to it.
    pub items: Vec<PickleId>,
    /// The keys and values that would be set in it.
    pub pairs: Vec<(PickleId, PickleId)>,
}

/// How an object would be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Construction {
    /// By calling something, be it a class or a function.
    Call,
    /// By `__new__` of its class.
    New,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle with which `bytes` begin. What follows it is left alone, as Python does.
    ///
    /// # Errors
    /// The first place at which it cannot be one, or goes beyond `limits`.
    pub fn read(bytes: &'a [u8], limits: &PickleLimits) -> Result<Self, PickleError> {
        read::read(bytes, limits)
    }

    /// The value that it is.
    pub fn root(&self) -> PickleId {
        self.root
    }

    /// The protocol that it says it has: 4 or 5.
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// How many bytes it has.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many values it has, each counted once.
    pub fn values(&self) -> usize {
        self.nodes.len()
    }

    /// A value. An id of another pickle gives any value.
    pub fn get(&self, id: PickleId) -> &PickleValue<'a> {
        self.node(id).map_or(&PickleValue::None, |node| &node.value)
    }

    /// The offset of the opcode that made a value.
    pub fn offset(&self, id: PickleId) -> usize {
        self.node(id).map_or(0, |node| node.at)
    }

    fn node(&self, id: PickleId) -> Option<&Node<'a>> {
        self.nodes.get(id.0 as usize)
    }

    /// The offset at which these bytes stand in the pickle, if they are part of it and not copied.
    pub fn place(&self, part: &[u8]) -> Option<usize> {
        let start = (part.as_ptr() as usize).checked_sub(self.bytes.as_ptr() as usize)?;
        (start.checked_add(part.len())? <= self.bytes.len()).then_some(start)
    }

    /// The value of a dict under a key that is a string, the last of several.
    pub fn key(&self, dict: PickleId, key: &str) -> Option<PickleId> {
        let PickleValue::Dict(pairs) = self.get(dict) else { return None };
        let is_it = |(k, _): &&(PickleId, PickleId)| matches!(self.get(*k), PickleValue::Str(text) if text == key);
        pairs.iter().rev().find(is_it).map(|(_, value)| *value)
    }

    /// The text of a string.
    pub fn str(&self, id: PickleId) -> Option<&str> {
        if let PickleValue::Str(text) = self.get(id) { Some(text) } else { None }
    }

    /// The items of a list or tuple.
    pub fn sequence(&self, id: PickleId) -> Option<&[PickleId]> {
        if let PickleValue::List(items) | PickleValue::Tuple(items) = self.get(id) { Some(items) } else { None }
    }
}
