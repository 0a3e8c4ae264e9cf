//! Places in a text.

use serde::{Deserialize, Serialize};

/// A half-open range of UTF-8 bytes, `start..end`, whose ends lie on character boundaries of the
/// text it speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ByteRange {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl ByteRange {
    /// The range `start..end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The number of bytes.
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether it holds nothing.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// The bytes quoted, or `None` where the range does not resolve in this text.
    pub fn of(self, text: &str) -> Option<&str> {
        text.get(self.start..self.end)
    }

    /// Whether the two share a byte.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether all of `other` lies in it.
    pub const fn holds(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The bytes that both hold, or `None` where they share none.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let shared = Self::new(self.start.max(other.start), self.end.min(other.end));
        (!shared.is_empty()).then_some(shared)
    }
}

impl From<std::ops::Range<usize>> for ByteRange {
    fn from(range: std::ops::Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

/// Whether two words are one but for a slip: a letter too many, one too few, another one, or two that
/// changed places. Short words that differ so mean something else, and so do numbers and codes; and a
/// slip is rarely at the beginning.
pub fn differ_by_a_slip(one: &str, other: &str) -> bool {
    const SHORTEST: usize = 6;
    let (mut one, mut other): (Vec<char>, Vec<char>) =
        (one.chars().collect(), other.chars().collect());
    if one.len() > other.len() {
        std::mem::swap(&mut one, &mut other);
    }
    let plain = one.iter().chain(&other).all(|c| c.is_alphabetic());
    if !plain || one.len() < SHORTEST || other.len() - one.len() > 1 || one.first() != other.first()
    {
        return false;
    }
    let same = |(a, b): &(&char, &char)| a == b;
    let before = one.iter().zip(&other).take_while(same).count();
    let left = one.len() - before;
    let after = one.iter().rev().zip(other.iter().rev()).take_while(same);
    let after = after.take(left).count();
    let differs = |word: &[char]| -> Vec<char> {
        let inside = word.get(before..word.len() - after);
        inside.unwrap_or_default().to_vec()
    };
    match (&*differs(&one), &*differs(&other)) {
        ([], [_]) | ([_], [_]) => true,
        ([a, b], [c, d]) => (a, b) == (d, c),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_known() {
        for (one, other) in [
            ("luteran", "lutheran"),
            ("babbage", "babbbage"),
            ("kublai", "kubali"),
            ("normandy", "normandi"),
            ("jacksonville", "jacksonvile"),
        ] {
            assert!(differ_by_a_slip(one, other), "{one}, {other}");
            assert!(differ_by_a_slip(other, one), "{other}, {one}");
        }
        for (one, other) in [
            ("prednison", "prednisolon"),
            ("iodine", "lodine"),
            ("patient", "patients"),
            ("e11.92", "e11.93"),
            ("paris", "parish"),
            ("tramadol", "tramadol"),
            ("quinine", "quinidin"),
        ] {
            let expected = (one, other) == ("patient", "patients");
            assert_eq!(differ_by_a_slip(one, other), expected, "{one}, {other}");
        }
    }
}
