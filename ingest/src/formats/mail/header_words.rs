//! Header fields beyond ASCII: encoded words (RFC 2047) and parameters in pieces (RFC 2231).
//!
//! Letters are often divided between two words or pieces, so their bytes are joined before they are
//! decoded.

use super::charset::decode_named;
use crate::formats::common::encoding::decode;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::collections::BTreeMap;

/// Maximum size of a field that is decoded.
const MAX_FIELD_BYTES: usize = 64 << 10;

/// The text of a field: its encoded words decoded, its lines joined.
pub fn decode_field(raw: &[u8]) -> String {
    let raw = raw.get(..MAX_FIELD_BYTES).unwrap_or(raw);
    let source = decode(&unfold(raw));
    let mut text = String::new();
    let mut open: Option<(String, Vec<u8>)> = None;
    let mut rest = source.trim();
    while let Some((before, after)) = rest.split_once("=?") {
        let Some((word, left)) = encoded_word(after) else {
            close_word(&mut open, &mut text);
            text.push_str(before);
            text.push_str("=?");
            rest = after;
            continue;
        };
        // White space between two encoded words is not part of the text.
        if !before.trim().is_empty() || open.is_none() {
            close_word(&mut open, &mut text);
            text.push_str(before);
        }
        match &mut open {
            Some((charset, bytes)) if charset.eq_ignore_ascii_case(&word.0) => {
                bytes.extend(word.1);
            }
            _ => {
                close_word(&mut open, &mut text);
                open = Some(word);
            }
        }
        rest = left;
    }
    close_word(&mut open, &mut text);
    text.push_str(rest);
    text
}

fn close_word(open: &mut Option<(String, Vec<u8>)>, text: &mut String) {
    if let Some((charset, bytes)) = open.take() {
        text.push_str(&decode_named(&bytes, &charset));
    }
}

/// A field on one line.
fn unfold(raw: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(raw.len());
    for part in raw.split(|byte| *byte == b'\n') {
        let part = part.strip_suffix(b"\r").unwrap_or(part);
        let piece = if line.is_empty() {
            part
        } else {
            part.trim_ascii_start()
        };
        if !line.is_empty() && !piece.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(piece);
    }
    line
}

type EncodedWord = (String, Vec<u8>);

/// The charset and bytes of an encoded word after its `=?`, and what follows it.
fn encoded_word(after: &str) -> Option<(EncodedWord, &str)> {
    let (charset, after) = after.split_once('?')?;
    let (kind, after) = after.split_once('?')?;
    let (code, rest) = after.split_once("?=")?;
    // A language may follow the charset (RFC 2231).
    let charset = charset.split('*').next().unwrap_or(charset);
    let is_name = !charset.is_empty() && charset.chars().all(|c| c.is_ascii_graphic());
    let bytes = match kind {
        "B" | "b" => decode_base64(code),
        "Q" | "q" => decode_quoted(code),
        _ => return None,
    };
    is_name.then(|| ((charset.to_owned(), bytes), rest))
}

fn decode_base64(code: &str) -> Vec<u8> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    engine.decode(code).unwrap_or_default()
}

/// Decodes `=C3=B6`, and `_` as a space. An underscore of the text itself is written as `=5F`.
fn decode_quoted(code: &str) -> Vec<u8> {
    decode_escaped(code.replace('_', " ").as_bytes(), b'=')
}

fn decode_escaped(code: &[u8], sign: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(code.len());
    let mut rest = code;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte.filter(|_| *first == sign) {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

/// A piece of a parameter: its text, and whether it is escaped.
type ParameterPiece = (String, bool);

/// The parameter of this name in a field such as `attachment; filename*0*=utf-8''Gr%C3%B6; …`.
pub fn parameter(raw: &[u8], name: &str) -> Option<String> {
    let raw = raw.get(..MAX_FIELD_BYTES).unwrap_or(raw);
    let field = decode(&unfold(raw));
    let mut pieces: BTreeMap<u32, ParameterPiece> = BTreeMap::new();
    let mut plain = None;
    for part in split_parameters(&field) {
        let Some((key, value)) = part.split_once('=') else {
            continue;
        };
        let key = key.trim().to_ascii_lowercase();
        let value = unquote(value.trim());
        let Some(suffix) = key.strip_prefix(name) else {
            continue;
        };
        if suffix.is_empty() {
            plain = Some(decode_field(value.as_bytes()));
            continue;
        }
        let is_escaped = suffix.ends_with('*');
        let number = suffix.trim_matches('*').parse().unwrap_or(0);
        if suffix.starts_with('*') {
            pieces.insert(number, (value, is_escaped));
        }
    }
    join_pieces(pieces).or(plain)
}

fn join_pieces(pieces: BTreeMap<u32, ParameterPiece>) -> Option<String> {
    let mut charset = None;
    let mut bytes = Vec::new();
    for (index, (value, is_escaped)) in pieces.into_values().enumerate() {
        let mut value = value.as_str();
        if index == 0
            && is_escaped
            && let Some((named, after)) = value.split_once('\'')
            && let Some((_language, text)) = after.split_once('\'')
        {
            charset = Some(named.to_owned());
            value = text;
        }
        if is_escaped {
            bytes.extend(decode_escaped(value.as_bytes(), b'%'));
        } else {
            bytes.extend_from_slice(value.as_bytes());
        }
    }
    if bytes.is_empty() {
        return None;
    }
    Some(decode_named(&bytes, charset.as_deref().unwrap_or("utf-8")))
}

/// The parts between semicolons outside of quotation marks.
fn split_parameters(field: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in field.chars() {
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        match parts.last_mut() {
            Some(part) if c != ';' || quoted => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    inner.replace("\\\"", "\"").replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_are_divided_between_words_are_joined() {
        for (raw, expected) in [
            ("=?utf-8?B?R3LD?=\r\n =?utf-8?B?tsOfZQ==?=", "Größe"),
            ("=?iso-8859-1?Q?Gr=F6=DFe_5?= mg", "Größe 5 mg"),
            ("Re: =?utf-8?q?a=5Fb?= =?utf-8?q?c?=", "Re: a_bc"),
            ("two\r\n\tlines", "two lines"),
            ("a =? b", "a =? b"),
        ] {
            assert_eq!(decode_field(raw.as_bytes()), expected, "{raw}");
        }
    }

    #[test]
    fn parameters_in_pieces_are_joined() {
        for (raw, expected) in [
            ("attachment; filename=\"a;b.txt\"", Some("a;b.txt")),
            (
                "attachment; filename*0*=iso-8859-1''Gr%F6; filename*1*=%DFe%20; filename*2=list.txt",
                Some("Größe list.txt"),
            ),
            (
                "attachment; filename*=utf-8'de'M%C3%A4rz.txt; filename=x",
                Some("März.txt"),
            ),
            (
                "attachment; filename=\"=?utf-8?B?R3LDtsOfZQ==?=\"",
                Some("Größe"),
            ),
            ("inline", None),
        ] {
            assert_eq!(
                parameter(raw.as_bytes(), "filename").as_deref(),
                expected,
                "{raw}"
            );
        }
    }
}
