//! Integers of any length.

use std::fmt::Write as _;

/// Most bytes of an integer that has no more than 4300 decimal digits: Python's own limit, since it takes time by their square.
const BYTES_MAX: usize = 1_785;

/// An integer beyond 64 bits, in two's complement, the lowest byte first.
#[derive(Clone, Copy, Debug)]
pub struct BigInt<'a>(&'a [u8]);

impl<'a> BigInt<'a> {
    /// The integer that these bytes are; none if it fits 64 bits, which is the error.
    pub(super) fn little_endian(bytes: &'a [u8]) -> Result<Self, i64> {
        let fill = if bytes.last().is_some_and(|last| *last >= 0x80) { 0xff } else { 0 };
        let mut needed = bytes.len();
        while needed > 0 && bytes[needed - 1] == fill && (needed == 1 || bytes[needed - 2] & 0x80 == fill & 0x80) {
            needed -= 1;
        }
        let mut word = [fill; 8];
        match word.get_mut(..needed) {
            Some(low) => {
                low.copy_from_slice(&bytes[..needed]);
                Err(i64::from_le_bytes(word))
            }
            None => Ok(BigInt(&bytes[..needed])),
        }
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.0.last().is_some_and(|last| *last >= 0x80)
    }

    /// Its decimal digits with a sign; none if there are more than 4300, for which not even Python prints them.
    pub fn to_decimal(&self) -> Option<String> {
        let sign = if self.is_negative() { "-" } else { "" };
        (self.0.len() <= BYTES_MAX).then(|| format!("{sign}{}", decimal_of(&magnitude(self.0))))
    }

    /// How many bits it takes, about.
    pub fn bits(&self) -> usize {
        self.0.len() * 8
    }
}

/// The value without its sign, in words, the lowest first.
fn magnitude(bytes: &[u8]) -> Vec<u32> {
    let negative = bytes.last().is_some_and(|last| *last >= 0x80);
    let mut words: Vec<u32> = bytes
        .chunks(4)
        .map(|chunk| {
            let mut word = [if negative { 0xff } else { 0 }; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        })
        .collect();
    if negative {
        let mut carry = true;
        for word in &mut words {
            (*word, carry) = (!*word).overflowing_add(u32::from(carry));
        }
        // The lowest number has no positive twin of the same length.
        words.extend(carry.then_some(1));
    }
    words
}

fn decimal_of(words: &[u32]) -> String {
    const NINE_DIGITS: u64 = 1_000_000_000;
    let mut words = words.to_vec();
    let mut groups = Vec::new();
    while words.last() == Some(&0) {
        words.pop();
    }
    while !words.is_empty() {
        let mut rest = 0;
        for word in words.iter_mut().rev() {
            let value = rest << 32 | u64::from(*word);
            (*word, rest) = ((value / NINE_DIGITS) as u32, value % NINE_DIGITS);
        }
        groups.push(rest);
        while words.last() == Some(&0) {
            words.pop();
        }
    }
    let mut text = groups.pop().unwrap_or(0).to_string();
    for group in groups.iter().rev() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{group:09}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_length() {
        let decimal = |bytes: &[u8]| match BigInt::little_endian(bytes) {
            Ok(big) => big.to_decimal().unwrap(),
            Err(small) => format!("small {small}"),
        };
        assert_eq!(decimal(&[]), "small 0");
        assert_eq!(decimal(&[0xff]), "small -1");
        assert_eq!(decimal(&[0xff, 0]), "small 255");
        assert_eq!(decimal(&[0, 0, 0, 0, 0, 0, 0, 0x80]), "small -9223372036854775808");
        assert_eq!(decimal(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0]), "9223372036854775808");
        assert_eq!(decimal(&[0; 100]), "small 0");
        assert_eq!(decimal(&[0xff; 100]), "small -1");
        assert_eq!(decimal(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80]), i128::MIN.to_string());
        assert_eq!(decimal(&i128::MAX.to_le_bytes()), i128::MAX.to_string());
        assert_eq!(decimal(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80]), "-39614081257132168796771975168");
        assert!(BigInt::little_endian(&[1; 2_000]).unwrap().to_decimal().is_none());
        assert!(BigInt::little_endian(&[0x7f; BYTES_MAX]).unwrap().to_decimal().unwrap().len() <= 4_300);
    }
}
