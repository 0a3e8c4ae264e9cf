//! Charsets of East Asia in seven bits, which switch between sets of characters: ISO-2022-JP,
//! ISO-2022-KR, ISO-2022-CN and HZ-GB-2312.
//!
//! The Web dropped most of them, and with it `encoding_rs`. Mail still has them. Each set is one plane
//! of an eight-bit encoding, in which the bytes have their high bit set.

use encoding_rs::Encoding;

/// The start of a sequence that selects a set.
const ESCAPE: u8 = 0x1B;
const SHIFT_OUT: u8 = 0x0E;
const SHIFT_IN: u8 = 0x0F;

/// A set of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CharacterSet {
    Ascii,
    /// Half-width letters of Japan, of one byte each.
    Katakana,
    /// Two bytes for each character.
    Japanese,
    /// Further Japanese characters (JIS X 0212).
    MoreJapanese,
    Chinese,
    Korean,
}

impl CharacterSet {
    fn decode(self, bytes: &[u8], text: &mut String) {
        let high: Vec<u8> = bytes.iter().map(|byte| byte | 0x80).collect();
        let (encoding, bytes): (&'static Encoding, Vec<u8>) = match self {
            Self::Ascii => (encoding_rs::UTF_8, bytes.to_vec()),
            Self::Katakana => (encoding_rs::SHIFT_JIS, high),
            Self::Japanese => (encoding_rs::EUC_JP, high),
            Self::MoreJapanese => {
                let pairs = high.chunks(2).flat_map(|pair| [&[0x8F], pair].concat());
                (encoding_rs::EUC_JP, pairs.collect())
            }
            Self::Chinese => (encoding_rs::GBK, high),
            Self::Korean => (encoding_rs::EUC_KR, high),
        };
        text.push_str(&encoding.decode_without_bom_handling(&bytes).0);
    }
}

/// The sequences that select a set, after the escape character.
const SEQUENCES: &[(&[u8], CharacterSet)] = &[
    (b"(B", CharacterSet::Ascii),
    (b"(J", CharacterSet::Ascii),
    (b"(H", CharacterSet::Ascii),
    (b"(I", CharacterSet::Katakana),
    (b"$(D", CharacterSet::MoreJapanese),
    (b"$(C", CharacterSet::Korean),
    (b"$(A", CharacterSet::Chinese),
    (b"$(B", CharacterSet::Japanese),
    (b"$(@", CharacterSet::Japanese),
    (b"$(Q", CharacterSet::Japanese),
    (b"$(O", CharacterSet::Japanese),
    (b"$@", CharacterSet::Japanese),
    (b"$B", CharacterSet::Japanese),
    (b"$A", CharacterSet::Chinese),
];

/// The sequences that say which set `SHIFT_OUT` selects.
const SHIFTED: &[(&[u8], CharacterSet)] = &[
    (b"$)C", CharacterSet::Korean),
    (b"$)A", CharacterSet::Chinese),
];

/// Decodes a text if it has sequences that select one of these sets, and no byte beyond ASCII.
pub fn decode(bytes: &[u8]) -> Option<String> {
    if !bytes.is_ascii() {
        return None;
    }
    let mut escapes = bytes.split(|byte| *byte == ESCAPE).skip(1);
    escapes
        .any(|rest: &[u8]| {
            let mut all = SEQUENCES.iter().chain(SHIFTED);
            all.any(|(sequence, set)| *set != CharacterSet::Ascii && rest.starts_with(sequence))
        })
        .then(|| decode_escapes(bytes))
}

/// Decodes ISO-2022-JP, -KR or -CN.
pub fn decode_escapes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut set = CharacterSet::Ascii;
    let mut shifted = CharacterSet::Korean;
    let mut open: Vec<u8> = Vec::new();
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let is_escape = *first == ESCAPE;
        let selected = find_sequence(SEQUENCES, after).filter(|_| is_escape);
        let announced = find_sequence(SHIFTED, after).filter(|_| is_escape);
        rest = after;
        if let Some((sequence, next)) = selected.or(announced) {
            rest = after.get(sequence.len()..).unwrap_or_default();
            set.decode(&std::mem::take(&mut open), &mut text);
            if announced.is_some() {
                shifted = *next;
            } else {
                set = *next;
            }
            continue;
        }
        match *first {
            SHIFT_OUT | SHIFT_IN => {
                set.decode(&std::mem::take(&mut open), &mut text);
                set = if *first == SHIFT_OUT {
                    shifted
                } else {
                    CharacterSet::Ascii
                };
            }
            // A line begins in ASCII.
            b'\n' | b'\r' => {
                set.decode(&std::mem::take(&mut open), &mut text);
                text.push(char::from(*first));
                set = CharacterSet::Ascii;
            }
            byte => open.push(byte),
        }
    }
    set.decode(&open, &mut text);
    text
}

/// The first of these escape sequences that the bytes begin with.
fn find_sequence(
    sequences: &'static [(&'static [u8], CharacterSet)],
    bytes: &[u8],
) -> Option<&'static (&'static [u8], CharacterSet)> {
    sequences
        .iter()
        .find(|(sequence, _)| bytes.starts_with(sequence))
}

/// Decodes HZ-GB-2312 (RFC 1843): `~{` begins Chinese, `~}` ends it.
pub fn decode_hz(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut set = CharacterSet::Ascii;
    let mut open: Vec<u8> = Vec::new();
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let (next, used) = match (*first, after.first()) {
            (b'~', Some(b'{')) => (CharacterSet::Chinese, 1),
            (b'~', Some(b'}')) => (CharacterSet::Ascii, 1),
            // A line break that is part of the encoding, not of the text.
            (b'~', Some(b'\n')) if set == CharacterSet::Ascii => (set, 1),
            (b'~', Some(b'~')) if set == CharacterSet::Ascii => {
                open.push(b'~');
                (set, 1)
            }
            (byte, _) => {
                open.push(byte);
                rest = after;
                continue;
            }
        };
        if next != set {
            set.decode(&std::mem::take(&mut open), &mut text);
            set = next;
        }
        rest = after.get(used..).unwrap_or_default();
    }
    set.decode(&open, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_that_are_selected_by_sequences_are_decoded() {
        assert_eq!(decode_hz(b"A ~{<:Ky2;~} b~~"), "A 己所不 b~");
        assert_eq!(decode_escapes(b"\x1b$)Cab \x0e0!\x0f c"), "ab 가 c");
        assert_eq!(decode_escapes(b"\x1b$B4A;z\x1b(B ok"), "漢字 ok");
        assert_eq!(decode(b"plain"), None);
        assert_eq!(decode(b"\x1b[1mbold"), None);
    }
}
