//! Names of logs and queues, as users give them and as every store keeps them.
//!
//! An id comes from outside and may be any text. What a store sees is its *key*: ASCII letters, digits, `-`, `_` and `.`
//! stand for themselves, every other byte, and a `.` in front, is written `=XX` in upper-case hexadecimal. A key is
//! therefore a plain file name, a plain part of a Redis key and of an object's path, different for different ids, and
//! neither empty, `.`, `..` nor hidden.

use std::fmt;

/// Longest key, in bytes: with its ending it has to be a file name.
pub const KEY_BYTES_MAX: usize = 192;

/// Longest word of a [`Kind`], in bytes.
const KIND_BYTES_MAX: usize = 16;

/// A family of logs, such as all histories. A word of ASCII small letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// The word, and zeros behind it.
    word: [u8; KIND_BYTES_MAX],
}

impl Kind {
    /// The kind that is called `word`.
    ///
    /// # Panics
    /// At compile time when used in a constant: as [`Kind::parse`] gives none.
    #[allow(clippy::panic, reason = "it stops the compiler, not the program")]
    pub const fn new(word: &str) -> Self {
        match Kind::parse(word) {
            Some(kind) => kind,
            None => panic!("a kind is a short word of small letters, and neither `due` nor `evolution`"),
        }
    }

    /// The kind that is called `word`; none if it is empty, longer than 16 bytes, has anything but `a` to `z`, or
    /// is `due`, which is the index, or `evolution`, where evolution logs are.
    pub const fn parse(word: &str) -> Option<Self> {
        let bytes = word.as_bytes();
        if bytes.is_empty() || bytes.len() > KIND_BYTES_MAX || matches!(bytes, b"due" | b"evolution") {
            return None;
        }
        let mut kind = Kind { word: [0; KIND_BYTES_MAX] };
        let mut at = 0;
        while at < bytes.len() {
            if !bytes[at].is_ascii_lowercase() {
                return None;
            }
            kind.word[at] = bytes[at];
            at += 1;
        }
        Some(kind)
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        let length = self.word.iter().position(|byte| *byte == 0).unwrap_or(KIND_BYTES_MAX);
        // Small letters are text.
        std::str::from_utf8(&self.word[..length]).unwrap_or_default()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a log: its kind, its id, and its generation.
///
/// A log that was compacted goes on under the same id in the next generation; the first is 1.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    kind: Kind,
    key: Box<str>,
    generation: u32,
}

impl Name {
    /// The first generation of the log of `kind` with this id.
    ///
    /// ```
    /// use temporal_code::stores::{Kind, Name};
    /// let name = Name::new(Kind::new("runs"), "../../x").unwrap();
    /// assert_eq!((name.key(), name.id().as_str()), ("=2E.=2F..=2Fx", "../../x"));
    /// ```
    ///
    /// # Errors
    /// [`InvalidName`] if `id` is empty or its key is longer than [`KEY_BYTES_MAX`].
    pub fn new(kind: Kind, id: &str) -> Result<Self, InvalidName> {
        Ok(Name { kind, key: encode_checked(kind.as_str(), id)?, generation: 1 })
    }

    /// The first generation of the log that a store keeps under `key`; none if no id has this key.
    pub fn from_key(kind: Kind, key: &str) -> Option<Self> {
        is_key(key).then(|| Name { kind, key: key.into(), generation: 1 })
    }

    /// The same log in generation `generation` (at least 1).
    #[must_use]
    pub fn in_generation(&self, generation: u32) -> Self {
        Name { generation: generation.max(1), ..self.clone() }
    }

    /// The same log in its next generation.
    #[must_use]
    pub fn next_generation(&self) -> Self {
        self.in_generation(self.generation.saturating_add(1))
    }

    /// The log of another kind with the same id, in its first generation.
    #[must_use]
    pub fn of_kind(&self, kind: Kind) -> Self {
        Name { kind, key: self.key.clone(), generation: 1 }
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The id as users write it.
    pub fn id(&self) -> String {
        // Holds by construction.
        decode(&self.key).unwrap_or_default()
    }

    /// The id as stores write it: plain ASCII.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The generation, from 1.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The key, and the generation where it is not the first, as file names have them: `greet-1`, `greet-1,2`.
    pub(crate) fn stem(&self) -> String {
        if self.generation == 1 { self.key.to_string() } else { format!("{},{}", self.key, self.generation) }
    }

    /// The name with this [stem](Name::stem); none if there is none.
    pub(crate) fn from_stem(kind: Kind, stem: &str) -> Option<Self> {
        let Some((key, generation)) = stem.split_once(',') else { return Name::from_key(kind, stem) };
        let number: u32 = generation.parse().ok()?;
        // One name, one stem.
        (number > 1 && number.to_string() == generation).then_some(())?;
        Some(Name::from_key(kind, key)?.in_generation(number))
    }

    /// What names are ordered by, in every store: the bytes of the key and a `/`, as paths of objects are.
    pub(crate) fn order(&self) -> (Kind, String, u32) {
        (self.kind, sort_key(&self.key), self.generation)
    }
}

/// The key as names are ordered by it.
pub(crate) fn sort_key(key: &str) -> String {
    let mut sort_key = String::with_capacity(key.len() + 1);
    sort_key.push_str(key);
    sort_key.push('/');
    sort_key
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// Kind and key, harmless on a terminal: `runs/greet-1`, and `runs/greet-1,2` for a second generation.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.stem())
    }
}

/// The name of a queue of the due index.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Queue(Box<str>);

impl Queue {
    /// The queue that is called `name`.
    ///
    /// # Errors
    /// [`InvalidName`] if `name` is empty or its key is longer than [`KEY_BYTES_MAX`].
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        Ok(Queue(encode_checked("queue", name)?))
    }

    /// The queue that a store keeps under `key`; none if no name has this key.
    pub fn from_key(key: &str) -> Option<Self> {
        is_key(key).then(|| Queue(key.into()))
    }

    /// The name as users write it.
    pub fn name(&self) -> String {
        decode(&self.0).unwrap_or_default()
    }

    /// The name as stores write it: plain ASCII.
    pub fn key(&self) -> &str {
        &self.0
    }
}

impl Default for Queue {
    /// The queue `default`.
    fn default() -> Self {
        Queue("default".into())
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of an id, or of the beginning of one. The key of a beginning is the beginning of the key.
pub(crate) fn encode(id: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut key = String::with_capacity(id.len());
    for (at, byte) in id.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0);
        if plain {
            key.push(char::from(byte));
        } else {
            key.push('=');
            key.push(char::from(HEX[usize::from(byte >> 4)]));
            key.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    key
}

/// An id that no log can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what}: {problem}")]
pub struct InvalidName {
    /// What it was to be the id of.
    pub what: String,
    /// What is wrong with it.
    pub problem: String,
}

fn encode_checked(what: &str, id: &str) -> Result<Box<str>, InvalidName> {
    let invalid = |problem: String| Err(InvalidName { what: format!("{what} id"), problem });
    if id.is_empty() {
        return invalid("it is empty".to_owned());
    }
    let key = encode(id);
    if key.len() > KEY_BYTES_MAX {
        let start: String = key.chars().take(40).collect();
        return invalid(format!("`{start}…` takes {} bytes as it is stored, more than {KEY_BYTES_MAX}", key.len()));
    }
    Ok(key.into())
}

/// Whether some id has this key.
pub(crate) fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if key.bytes().all(plain) {
        return !key.is_empty() && key.len() <= KEY_BYTES_MAX && !key.starts_with('.');
    }
    decode(key).is_some()
}

/// The id that has this key; none if no id has.
fn decode(key: &str) -> Option<String> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return None;
    }
    let bytes = key.as_bytes();
    let mut id = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'=' {
            let pair = key.get(at + 1..at + 3)?;
            id.push(u8::from_str_radix(pair, 16).ok()?);
            at += 3;
        } else {
            id.push(bytes[at]);
            at += 1;
        }
    }
    let id = String::from_utf8(id).ok()?;
    // One id, one key: what could have been written otherwise is not a key.
    (encode(&id) == key).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: Kind = Kind::new("runs");

    #[test]
    fn ids_of_every_kind_have_a_key_of_their_own_and_come_back() {
        let ids = [
            "greet-1",
            "../../x",
            "..",
            ".",
            "a/b",
            "a=2Fb",
            "a\nb",
            "\u{1b}[31m",
            "Ä",
            "A\u{308}",
            "a b",
            "{x}",
            "-",
            "=",
            "CON",
        ];
        let mut keys = std::collections::HashSet::new();
        for id in ids {
            let name = Name::new(RUNS, id).unwrap();
            assert_eq!(name.id(), id);
            assert!(name.key().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.=".contains(&b)), "{name}");
            assert!(!name.key().starts_with('.'));
            assert_eq!(Name::from_key(RUNS, name.key()), Some(name.clone()));
            assert!(keys.insert(name.key().to_owned()));
        }
    }

    #[test]
    fn an_id_that_is_empty_or_too_long_is_refused() {
        assert!(matches!(Name::new(RUNS, ""), Err(InvalidName { .. })));
        assert!(Name::new(RUNS, &"x".repeat(KEY_BYTES_MAX)).is_ok());
        assert!(Name::new(RUNS, &"x".repeat(KEY_BYTES_MAX + 1)).is_err());
        assert!(Name::new(RUNS, &"ü".repeat(KEY_BYTES_MAX / 6 + 1)).is_err());
    }

    #[test]
    fn stems_and_kinds_come_back_and_have_one_form() {
        let name = Name::new(RUNS, "a,2").unwrap();
        assert_eq!(name.stem(), "a=2C2");
        let second = name.next_generation();
        assert_eq!((second.stem().as_str(), second.to_string().as_str()), ("a=2C2,2", "runs/a=2C2,2"));
        assert_eq!(Name::from_stem(RUNS, &second.stem()), Some(second));
        for stem in ["a,1", "a,0", "a,02", "a,+2", "a,", "a,2,3", ",2", "a,99999999999"] {
            assert_eq!(Name::from_stem(RUNS, stem), None, "{stem}");
        }
        assert_eq!(Kind::parse("runs").unwrap().as_str(), "runs");
        for word in ["", "Runs", "due", "a/b", "../a", "abcdefghijklmnopq"] {
            assert_eq!(Kind::parse(word), None, "{word}");
        }
    }

    #[test]
    fn what_is_no_key_is_no_name() {
        for key in ["", ".", "..", ".x", "a/b", "=2f", "=", "=4", "=41", "=ZZ", "=+1", "a,2", "=FF", "ä"] {
            assert_eq!(Name::from_key(RUNS, key), None, "{key}");
            assert_eq!(decode(key), None, "{key}");
        }
    }
}
