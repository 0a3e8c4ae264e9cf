//! Regular expressions over bytes.

/// A regular expression over bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    /// Exactly these bytes.
    Text(Vec<u8>),
    /// One byte of a range, both ends included.
    Byte(u8, u8),
    /// A sequence.
    All(Vec<Pattern>),
    /// An alternative.
    Any(Vec<Pattern>),
    /// A repetition with a minimum and a maximum.
    Repeat(Box<Pattern>, usize, Option<usize>),
}

impl Pattern {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    pub(super) fn optional(self) -> Self {
        Self::Repeat(Box::new(self), 0, Some(1))
    }

    pub(super) fn repeat(self, min: usize, max: Option<usize>) -> Self {
        Self::Repeat(Box::new(self), min, max)
    }

    /// One of these bytes.
    pub(super) fn any_byte(bytes: &[u8]) -> Self {
        Self::Any(bytes.iter().map(|byte| Self::Byte(*byte, *byte)).collect())
    }

    /// One character beyond ASCII, in well-formed UTF-8 (Unicode, table 3-7).
    pub(super) fn non_ascii() -> Self {
        let rows: [&[(u8, u8)]; 8] = [
            &[(0xc2, 0xdf), (0x80, 0xbf)],
            &[(0xe0, 0xe0), (0xa0, 0xbf), (0x80, 0xbf)],
            &[(0xe1, 0xec), (0x80, 0xbf), (0x80, 0xbf)],
            &[(0xed, 0xed), (0x80, 0x9f), (0x80, 0xbf)],
            &[(0xee, 0xef), (0x80, 0xbf), (0x80, 0xbf)],
            &[(0xf0, 0xf0), (0x90, 0xbf), (0x80, 0xbf), (0x80, 0xbf)],
            &[(0xf1, 0xf3), (0x80, 0xbf), (0x80, 0xbf), (0x80, 0xbf)],
            &[(0xf4, 0xf4), (0x80, 0x8f), (0x80, 0xbf), (0x80, 0xbf)],
        ];
        let mut alternatives = Vec::with_capacity(rows.len());
        for row in rows {
            let bytes = row.iter().map(|(first, last)| Self::Byte(*first, *last));
            alternatives.push(Self::All(bytes.collect()));
        }
        Self::Any(alternatives)
    }
}
