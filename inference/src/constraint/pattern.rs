//! Regular patterns over bytes.

/// What a run of bytes may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    /// Exactly these bytes.
    Text(Vec<u8>),
    /// One byte from the first to the last, both included.
    Byte(u8, u8),
    /// One after the other.
    All(Vec<Pattern>),
    /// One of them.
    Any(Vec<Pattern>),
    /// At least so many times, and at most so many.
    Repeat(Box<Pattern>, usize, Option<usize>),
}

impl Pattern {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }

    pub(super) fn optional(self) -> Self {
        Self::Repeat(Box::new(self), 0, Some(1))
    }

    pub(super) fn times(self, least: usize, most: Option<usize>) -> Self {
        Self::Repeat(Box::new(self), least, most)
    }

    /// Any of these single bytes.
    pub(super) fn byte_of(bytes: &[u8]) -> Self {
        Self::Any(bytes.iter().map(|byte| Self::Byte(*byte, *byte)).collect())
    }

    /// One character beyond ASCII, in well-formed UTF-8 (Unicode, table 3-7).
    pub(super) fn beyond_ascii() -> Self {
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
        let row = |bytes: &&[(u8, u8)]| {
            let bytes = bytes.iter().map(|(first, last)| Self::Byte(*first, *last));
            Self::All(bytes.collect())
        };
        Self::Any(rows.iter().map(row).collect())
    }
}
