//! The one cursor over a JSON text.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::{DEPTH_MAX, Dialect, Raw, SyntaxError, number_end, plain_run, string_end};

pub(super) struct Cursor<'a, D> {
    text: &'a str,
    bytes: &'a [u8],
    pub(super) at: usize,
    dialect: PhantomData<D>,
}

/// How deep the cursor is, and one bit for each level: whether it is that of an object.
#[derive(Default)]
struct Open {
    objects: [u64; DEPTH_MAX / 64 + 1],
    depth: usize,
}

impl Open {
    fn push(&mut self, is_object: bool) {
        let (word, bit) = (&mut self.objects[self.depth / 64], 1 << (self.depth % 64));
        *word = if is_object { *word | bit } else { *word & !bit };
        self.depth += 1;
    }

    /// Whether the innermost level is that of an object.
    fn is_object(&self) -> bool {
        let level = self.depth - 1;
        self.objects[level / 64] >> (level % 64) & 1 == 1
    }
}

impl<'a, D: Dialect> Cursor<'a, D> {
    #[inline]
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Cursor { text, bytes: text.as_bytes(), at, dialect: PhantomData }
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[cold]
    fn error(&self, what: &'static str) -> SyntaxError {
        let what = if self.at >= self.bytes.len() { "the line ends too early" } else { what };
        SyntaxError { at: self.at, what }
    }

    #[inline(always)]
    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), SyntaxError> {
        if self.peek() != Some(byte) {
            return Err(self.error(what));
        }
        self.at += 1;
        Ok(())
    }

    /// Nothing follows, or `what` is wrong.
    #[inline]
    pub(super) fn end(&self, what: &'static str) -> Result<(), SyntaxError> {
        if self.at < self.bytes.len() { Err(self.error(what)) } else { Ok(()) }
    }

    /// Reads an object, which begins here or after white space, and calls `member` with each of its keys and values in order.
    /// Returns where it ends, with the white space that follows.
    ///
    /// # Errors
    /// The first place that is not JSON, or what `member` says.
    #[inline]
    pub(super) fn object<E: From<SyntaxError>>(
        &mut self,
        mut member: impl FnMut(Cow<'a, str>, Raw<'a>) -> Result<(), E>,
    ) -> Result<usize, E> {
        self.skip_space();
        self.expect(b'{', "expected an object")?;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                let (key, value) = (self.key()?, self.value()?);
                let half = SyntaxError { at: self.at, what: "a string has half of a character" };
                member(key.string::<D>().ok_or(half)?, value)?;
                self.skip_space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break,
                    _ => return Err(self.error("expected `,` or `}`").into()),
                }
                self.skip_space();
            }
            self.at += 1;
        }
        self.skip_space();
        Ok(self.at)
    }

    /// A key and its colon, up to the value.
    #[inline(always)]
    fn key(&mut self) -> Result<Raw<'a>, SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a key in quotes"));
        }
        let start = self.at;
        let escapes = self.string()?;
        let key = Raw::scanned(&self.text[start..self.at], escapes);
        self.skip_space();
        self.expect(b':', "expected `:`")?;
        self.skip_space();
        Ok(key)
    }

    /// The value that begins here.
    #[inline]
    pub(super) fn value(&mut self) -> Result<Raw<'a>, SyntaxError> {
        let start = self.at;
        let mut escapes = false;
        match self.peek() {
            Some(b'"') => escapes = self.string()?,
            Some(b'{' | b'[') => self.nested()?,
            _ => self.scalar()?,
        }
        Ok(Raw::scanned(&self.text[start..self.at], escapes))
    }

    /// Passes over a string, which begins here. Whether it has escapes.
    #[inline]
    fn string(&mut self) -> Result<bool, SyntaxError> {
        let start = self.at + 1;
        let (length, _) = plain_run(&self.bytes[start..]);
        let end = start + length;
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(false);
        }
        match string_end(self.bytes, end) {
            Ok((end, _)) => {
                self.at = end + 1;
                Ok(true)
            }
            Err(at) => {
                self.at = at;
                Err(self.error("a character that a string may not hold"))
            }
        }
    }

    /// Passes over an array or object, which begins here.
    fn nested(&mut self) -> Result<(), SyntaxError> {
        let mut open = Open::default();
        loop {
            // A value begins here.
            match self.peek() {
                Some(b'"') => _ = self.string()?,
                Some(bracket @ (b'{' | b'[')) => {
                    if open.depth == D::DEPTH_MAX {
                        return Err(self.error("nested too deeply"));
                    }
                    self.at += 1;
                    self.skip_space();
                    if self.peek() == Some(bracket + 2) {
                        self.at += 1;
                    } else {
                        open.push(bracket == b'{');
                        if bracket == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            if self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Passes over what stands between two values: brackets that close, then a comma. Whether nothing is open any more.
    #[inline]
    fn close(&mut self, open: &mut Open) -> Result<bool, SyntaxError> {
        while open.depth > 0 {
            self.skip_space();
            let is_object = open.is_object();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                    if is_object {
                        self.key()?;
                    }
                    return Ok(false);
                }
                Some(close) if close == if is_object { b'}' } else { b']' } => {
                    self.at += 1;
                    open.depth -= 1;
                }
                _ => return Err(self.error("expected `,` or a closing bracket")),
            }
        }
        Ok(true)
    }

    /// Passes over a number, `true`, `false` or `null`.
    #[inline]
    fn scalar(&mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            Some(b'-') if D::ENDLESS && self.bytes[self.at..].starts_with(b"-Infinity") => self.word("-Infinity"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'N') if D::ENDLESS => self.word("NaN"),
            Some(b'I') if D::ENDLESS => self.word("Infinity"),
            _ => Err(self.error("expected a value")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), SyntaxError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn number(&mut self) -> Result<(), SyntaxError> {
        let end = number_end(self.bytes, self.at);
        let (Ok(at) | Err(at)) = end;
        self.at = at;
        end.map(|_| ()).map_err(|_| self.error("expected a digit"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Strict;
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, SyntaxError> {
        let mut found = Vec::new();
        let mut cursor = Cursor::<Strict>::new(text, 0);
        cursor.object(|key, value| {
            found.push((key.into_owned(), value.text().to_owned()));
            Ok::<_, SyntaxError>(())
        })?;
        cursor.end("something follows the object").map(|()| found)
    }

    /// What serde_json says of the same text. It takes half characters in strings that nobody asks for.
    fn expected(text: &str) -> Option<Vec<(String, String)>> {
        type Raw<'a> = &'a serde_json::value::RawValue;
        struct Members(Vec<(String, String)>);
        impl<'de> serde::Deserialize<'de> for Members {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = Members;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                        let mut found = Vec::new();
                        while let Some((key, value)) = map.next_entry::<String, Raw<'de>>()? {
                            found.push((key, value.get().to_owned()));
                        }
                        Ok(Members(found))
                    }
                }
                deserializer.deserialize_map(Visitor)
            }
        }
        serde_json::from_str::<Members>(text).ok().map(|members| members.0)
    }

    #[track_caller]
    fn check(text: &str) {
        assert_eq!(read(text).ok(), expected(text), "{text}");
    }

    #[test]
    fn objects_are_read_as_serde_json_reads_them() {
        for value in [
            "1",
            "-0",
            "01",
            "1.",
            ".5",
            "1.5e+3",
            "1e",
            "-",
            "+1",
            "NaN",
            "Infinity",
            "true",
            "tru",
            "nul",
            "null",
            "\"\"",
            "\"a\\n\\u00e9\"",
            "\"\\x\"",
            "\"\t\"",
            "[]",
            "[ ]",
            "[1,]",
            "[1 2]",
            "[1}",
            "{}",
            "{\"a\":1}",
            "{\"a\":}",
            "{\"a\"}",
            "{a:1}",
            "[[[{\"b\":[null,\"]\"]}]]]",
            "{,}",
            "",
            "'a'",
            "\"\\ud83d\\ude00\"",
            "{ \"a\" : [ 1 , 2 ] , \"a\" : { } }",
        ] {
            check(&format!("{{\"a\":{value}}}"));
            check(&format!(" {{ \"b\" : 1 , \"a\" :\t{value} }} "));
            check(&format!("{{\"a\":{value}}}x"));
            check(value);
        }
        for text in ["", "{", "{}", " { } ", "{\"\\u0061\":1}", "{\"\\ud800\":1}", "{\"a\":1,}", "{\"a\":1,,}", "[1]"] {
            check(text);
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(127)).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(&nested(126)).is_ok());
        assert_eq!(read(&nested(128)).unwrap_err().what, "nested too deeply");
        assert_eq!(read(&"{\"a\":[".repeat(1_000_000)).unwrap_err().what, "nested too deeply");
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_serde_json_reads_it(text in "[\\[\\]{}:, \"\\\\a0-9.eE+\\-tfnu\u{e9}\n]{0,40}") {
            check(&text);
            check(&format!("{{\"a\":{text}}}"));
        }
    }
}
