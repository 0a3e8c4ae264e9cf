//! Character encodings: whether bytes are text, and their decoding.

use super::dos_code_pages::{self, CP437, CP850, CP852};
use super::escaped_charsets;
use crate::formats::Source;

/// Bytes of a file that are examined to decide whether it is text.
const SAMPLE_BYTES: usize = 64 << 10;

/// Whether the file is text rather than binary data: it has a byte order mark, it is UTF-16 without
/// one, or it has no zero bytes and at most one control character in 200 bytes.
pub fn is_text(source: &Source) -> bool {
    let sample = source.head(SAMPLE_BYTES);
    if encoding_rs::Encoding::for_bom(sample).is_some() || guess_utf16(sample).is_some() {
        return true;
    }
    let controls = sample
        .iter()
        .filter(|byte| matches!(byte, 0..=7 | 16..=25 | 28..=31 | 127))
        .count();
    let zeros: usize = sample.iter().map(|byte| usize::from(*byte == 0)).sum();
    if zeros > 0 {
        // Old systems end fields of a fixed length with zero bytes.
        return zeros * 10 <= sample.len() && controls == zeros && sample.is_ascii();
    }
    controls * 200 <= sample.len()
}

/// Decodes a text file: by its byte order mark, else as UTF-8, else by detecting the encoding.
pub fn decode(bytes: &[u8]) -> String {
    decode_and_name(bytes).0
}

/// Decodes a text file, and names the encoding if it had to be guessed among those of old systems.
pub fn decode_and_name(bytes: &[u8]) -> (String, Option<&'static str>) {
    if let Some(rest) = bytes.strip_prefix(&[0xFF, 0xFE, 0, 0]) {
        return (decode_utf32(rest), None);
    }
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(bytes) {
        return (encoding.decode(bytes).0.into_owned(), None);
    }
    if let Some(encoding) = guess_utf16(bytes.get(..SAMPLE_BYTES).unwrap_or(bytes)) {
        let text = encoding.decode_without_bom_handling(bytes).0.into_owned();
        return (text, Some(encoding.name()));
    }
    if let Some(text) = escaped_charsets::decode(bytes) {
        return (text, None);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (text.replace('\0', " "), None);
    }
    let mut detector = chardetng::EncodingDetector::new();
    detector.feed(bytes, true);
    let guess = detector.guess(None, true);
    let modern = guess.decode(bytes).0.into_owned();
    // Letters of other scripts are recognised by their frequency. Only the choice among the many
    // encodings of Latin letters needs a second look.
    if is_in_another_script(&modern) {
        return (modern, Some(guess.name()));
    }
    if let Some((text, name)) = guess_old(bytes, &modern) {
        return (text, Some(name));
    }
    (modern, None)
}

/// Whether most letters beyond ASCII are Greek, Cyrillic, Hebrew, Arabic or Asian, and stand beside
/// other ones. Drawn lines of DOS look like one letter that is repeated.
fn is_in_another_script(text: &str) -> bool {
    let (mut others, mut beside, mut foreign, mut letters) = (0_usize, 0_usize, 0_usize, 0_usize);
    let mut last: Option<char> = None;
    for c in text.chars().take(SAMPLE_BYTES) {
        letters += usize::from(c.is_alphabetic());
        foreign += usize::from(c.is_alphabetic() && !c.is_ascii());
        let other = c.is_alphabetic() && c >= '\u{370}';
        others += usize::from(other);
        beside += usize::from(other && last.is_some_and(|last| last != c));
        last = other.then_some(c);
    }
    others * 10 > foreign * 9 && beside * 2 > others && others * 3 > letters
}

/// The warning about an encoding that was guessed.
pub fn guessed_encoding(name: &str) -> String {
    format!("the file does not say its encoding; it was read as {name}, which its letters suggest")
}

fn decode_utf32(bytes: &[u8]) -> String {
    let (units, _) = bytes.as_chunks::<4>();
    let units = units.iter().map(|unit| u32::from_le_bytes(*unit));
    units
        .map(|unit| char::from_u32(unit).unwrap_or('\u{fffd}'))
        .collect()
}

/// UTF-16 without a byte order mark: nearly all pairs are letters, digits or signs of a text.
fn guess_utf16(sample: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    if !sample.contains(&0) || sample.len() < 4 {
        return None;
    }
    // ASCII in UTF-16 has as many zero bytes as letters.
    let zeros: usize = sample.iter().map(|byte| usize::from(*byte == 0)).sum();
    if zeros * 10 < sample.len() * 4 && sample.iter().all(|byte| *byte < 127) {
        let printed = |byte: &u8| *byte == 0 || *byte >= b' ' || byte.is_ascii_whitespace();
        if sample.iter().all(printed) {
            return None;
        }
    }
    let entire = sample.get(..sample.len() / 2 * 2).unwrap_or(sample);
    [encoding_rs::UTF_16LE, encoding_rs::UTF_16BE]
        .into_iter()
        .find(|encoding| {
            let text = encoding.decode_without_bom_handling(entire).0;
            let count = text.chars().count();
            let sound = text.chars().filter(|c| is_of_text(*c)).count();
            let ascii = text.chars().filter(char::is_ascii).count();
            // The other byte order has no spaces and line breaks.
            sound * 100 >= count * 98 && (ascii * 20 >= count || text.contains(' '))
        })
}

fn is_of_text(c: char) -> bool {
    let broken = c == '\u{fffd}' || c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    let private = ('\u{e000}'..='\u{f8ff}').contains(&c);
    !broken
        && !private
        && (c.is_alphanumeric()
            || c.is_whitespace()
            || c.is_ascii()
            || c > '\u{a0}' && c < '\u{3100}')
}

/// The encodings of DOS and of old Macs, which are tried beside the one that was guessed.
fn guess_old(bytes: &[u8], modern: &str) -> Option<(String, &'static str)> {
    let sample = bytes.get(..SAMPLE_BYTES).unwrap_or(bytes);
    let modern_sample: String = modern.chars().take(SAMPLE_BYTES).collect();
    let mut best = (plausibility(&modern_sample) + 1.0, None);
    let mac = encoding_rs::MACINTOSH.decode_without_bom_handling(sample).0;
    let candidates = [
        ("cp850", dos_code_pages::decode(sample, CP850)),
        ("cp437", dos_code_pages::decode(sample, CP437)),
        ("cp852", dos_code_pages::decode(sample, CP852)),
        ("macintosh", mac.into_owned()),
    ];
    for (name, text) in candidates {
        let score = plausibility(&text);
        if score > best.0 + 0.01 {
            best = (score, Some(name));
        }
    }
    let name = best.1?;
    let text = match name {
        "cp850" => dos_code_pages::decode(bytes, CP850),
        "cp437" => dos_code_pages::decode(bytes, CP437),
        "cp852" => dos_code_pages::decode(bytes, CP852),
        _ => encoding_rs::MACINTOSH
            .decode_without_bom_handling(bytes)
            .0
            .into_owned(),
    };
    Some((text, name))
}

/// Letters that are frequent in the languages of Europe.
const FREQUENT: &str = "äöüßéèêàçùôîâëïûåæøñáíóúãõòìœ";
/// Letters of Central Europe.
const CENTRAL: &str = "ąćęłńśźżčďěňřšťůžőűýășțđ";

/// How much the characters beyond ASCII look like those of a text: letters inside of words, and
/// signs outside of them.
fn plausibility(text: &str) -> f64 {
    let mut score = 0.0;
    let chars: Vec<char> = text.chars().collect();
    for (index, c) in chars.iter().enumerate().filter(|(_, c)| !c.is_ascii()) {
        let (before, after) = (
            char_at(index.checked_sub(1), &chars),
            char_at(index.checked_add(1), &chars),
        );
        let in_word = before.is_alphabetic() || after.is_alphabetic();
        let lower: String = c.to_lowercase().collect();
        let is_micro = *c == 'µ' && matches!(after, 'g' | 'm' | 'l' | 'L' | 's' | 'A' | 'V' | 'k');
        score += if is_micro && !before.is_alphabetic() {
            2.0
        } else if c.is_alphabetic() {
            let shouted = c.is_uppercase() && before.is_lowercase();
            let lone = !in_word;
            match () {
                // Letters of East Asia stand beside each other, and not inside of Latin words.
                () if *c > '\u{2e80}' && (before > '\u{2e80}' || after > '\u{2e80}') => 1.5,
                () if *c > '\u{2e80}' => -2.0,
                () if shouted => -3.0,
                // Lines of tables look like letters that are repeated.
                () if before == *c || after == *c => -1.0,
                () if lone => -0.5,
                () if FREQUENT.contains(&lower) => 3.0,
                () if CENTRAL.contains(&lower) => 2.0,
                () => 0.0,
            }
        } else if ('\u{2500}'..='\u{259f}').contains(c) {
            // Lines of tables, drawn with characters.
            if in_word || before.is_ascii_digit() && after.is_ascii_digit() {
                -2.0
            } else {
                0.8
            }
        } else if matches!(
            c,
            '°' | 'µ' | '±' | '²' | '³' | '½' | '¼' | '§' | '€' | '£' | '\u{a0}' | '«' | '»'
        ) {
            if before.is_alphabetic() && after.is_alphabetic() {
                -3.0
            } else {
                1.0
            }
        } else if matches!(c, '„' | '“' | '”' | '‘' | '’' | '–' | '—' | '…' | '•')
        {
            punctuation_score(*c, before, after)
        } else if c.is_control() || *c == '\u{fffd}' {
            -4.0
        } else if in_word {
            -3.0
        } else {
            -0.5
        };
    }
    score
}

/// The character at this index, or a space if there is none.
fn char_at(offset: Option<usize>, chars: &[char]) -> char {
    offset
        .and_then(|index| chars.get(index))
        .copied()
        .unwrap_or(' ')
}

/// How much a sign of typography stands where it belongs.
fn punctuation_score(c: char, before: char, after: char) -> f64 {
    let in_word = before.is_alphabetic() && after.is_alphabetic();
    let opens = !before.is_alphanumeric() && after.is_alphanumeric();
    let closes = !before.is_whitespace() && !after.is_alphanumeric();
    let is_placed = match c {
        '’' => in_word || closes,
        '„' | '‘' => opens,
        '“' | '”' => opens || closes,
        '–' | '—' => before.is_whitespace() == after.is_whitespace(),
        _ => false,
    };
    match () {
        () if is_placed => 3.0,
        () if in_word => -3.0,
        () => 1.0,
    }
}

/// Decodes text in a Windows code page. An unknown code page is read as Windows-1252.
pub fn decode_code_page(bytes: &[u8], code_page: u32) -> String {
    let label = match code_page {
        65001 => "utf-8".to_owned(),
        932 => "shift_jis".to_owned(),
        936 | 20936 | 51936 | 52936 => "gbk".to_owned(),
        949 | 51949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        10000 => "macintosh".to_owned(),
        437 => return dos_code_pages::decode(bytes, CP437),
        850 | 858 => return dos_code_pages::decode(bytes, CP850),
        852 => return dos_code_pages::decode(bytes, CP852),
        866 => "ibm866".to_owned(),
        20932 | 51932 => "euc-jp".to_owned(),
        50220..=50222 => "iso-2022-jp".to_owned(),
        54936 => "gb18030".to_owned(),
        21866 => "koi8-u".to_owned(),
        20127 => "windows-1252".to_owned(),
        1200 => "utf-16le".to_owned(),
        1201 => "utf-16be".to_owned(),
        10007 => "x-mac-cyrillic".to_owned(),
        20866 => "koi8-r".to_owned(),
        28591..=28606 => format!("iso-8859-{}", code_page - 28590),
        _ => format!("windows-{code_page}"),
    };
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes());
    let encoding = encoding.unwrap_or(encoding_rs::WINDOWS_1252);
    encoding.decode_without_bom_handling(bytes).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_recognised() {
        assert_eq!(decode(b"\xEF\xBB\xBFM\xC3\xBCnze"), "Münze");
        assert_eq!(decode(b"\xFF\xFEM\0u\0"), "Mu");
        assert_eq!(decode(b"M\0u\0 \0i\0s\0"), "Mu is");
        assert_eq!(decode(b"\0M\0u\0 \0i"), "Mu i");
        for (bytes, name) in [
            (
                &b"Die Pr\x81fung der Ger\x84te: gro\xe1e T\x81r"[..],
                "cp850",
            ),
            (
                &b"L'\x8etat du malade est tr\x8fs bon, \x88 revoir"[..],
                "macintosh",
            ),
        ] {
            assert_eq!(decode_and_name(bytes).1, Some(name));
        }
        let latin = b"Die M\xFCnze geh\xF6rt der gro\xDFen B\xE4uerin in K\xF6ln.";
        assert!(decode(latin).contains("Münze gehört der großen Bäuerin"));
    }
}
