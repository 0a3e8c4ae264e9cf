//! The charsets of mail, by the names that programs give them.

use crate::formats::common::encoding::{decode, decode_code_page};
use crate::formats::common::escaped_charsets::{decode_escapes, decode_hz};

/// Decodes bytes in the charset of this name. Bytes that are not in it decide for themselves.
pub fn decode_named(bytes: &[u8], name: &str) -> String {
    let name = name
        .trim()
        .trim_matches(['"', '\''])
        .to_ascii_lowercase()
        .replace('_', "-");
    if let Some(text) = decode_stateful(bytes, &name) {
        return text;
    }
    // Much mail names the charset of its program and not that of its text.
    if !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok() && !is_wide(&name) {
        return decode(bytes);
    }
    if let Some(page) = code_page(&name) {
        return decode_code_page(bytes, page);
    }
    match encoding_rs::Encoding::for_label(name.as_bytes()) {
        Some(encoding) if name != "us-ascii" && name != "ascii" => {
            let (text, broken) = encoding.decode_without_bom_handling(bytes);
            let is_utf8 = encoding == encoding_rs::UTF_8;
            if broken && is_utf8 {
                decode(bytes)
            } else {
                text.trim_start_matches('\u{feff}').to_owned()
            }
        }
        _ => decode(bytes),
    }
}

fn is_wide(name: &str) -> bool {
    name.starts_with("utf-16") || name.starts_with("utf-32") || name.starts_with("ucs")
}

/// Charsets whose bytes depend on those before them.
fn decode_stateful(bytes: &[u8], name: &str) -> Option<String> {
    let is_escaped = name.starts_with("iso-2022") || name.starts_with("csiso2022");
    match name {
        "hz" | "hz-gb-2312" | "hz-gb2312" => Some(decode_hz(bytes)),
        "cp50220" | "cp50221" | "cp50222" => Some(decode_escapes(bytes)),
        _ if is_escaped => Some(decode_escapes(bytes)),
        "utf-16" | "utf-16le" | "utf-16be" => Some(decode_utf16(bytes, name)),
        _ if name.ends_with("utf-7") => Some(decode_utf7(bytes)),
        _ => None,
    }
}

fn decode_utf16(bytes: &[u8], name: &str) -> String {
    let fallback = if name == "utf-16le" {
        encoding_rs::UTF_16LE
    } else {
        encoding_rs::UTF_16BE
    };
    // A byte order mark decides before the name does.
    fallback.decode(bytes).0.into_owned()
}

/// Decodes UTF-7 (RFC 2152).
fn decode_utf7(bytes: &[u8]) -> String {
    let source = String::from_utf8_lossy(bytes);
    let mut text = String::new();
    let mut rest = source.as_ref();
    while let Some((before, after)) = rest.split_once('+') {
        text.push_str(before);
        let end = after.find(|c| !is_code(c)).unwrap_or(after.len());
        let (code, left) = after.split_at(end);
        if code.is_empty() {
            text.push('+');
        } else {
            text.push_str(&decode_utf7_code(code));
        }
        rest = left.strip_prefix('-').unwrap_or(left);
    }
    text.push_str(rest);
    text
}

/// Whether a character belongs to modified Base64.
fn is_code(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/')
}

fn decode_utf7_code(code: &str) -> String {
    use base64::Engine as _;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
    let units = engine.decode(code).unwrap_or_default();
    let entire = units.get(..units.len() / 2 * 2).unwrap_or_default();
    encoding_rs::UTF_16BE
        .decode_without_bom_handling(entire)
        .0
        .into_owned()
}

/// The code page that a name such as `ibm437`, `cp850`, `dos-850` or `windows-31j` stands for, if
/// `encoding_rs` has another name for it or none.
fn code_page(name: &str) -> Option<u32> {
    match name {
        "windows-31j" | "ms932" | "x-ms-cp932" => return Some(932),
        "ks-c-5601-1987" | "ks-c-5601-1989" | "uhc" | "x-windows-949" => return Some(949),
        "mac" | "macroman" | "x-mac-roman" => return Some(10_000),
        _ => {}
    }
    let digits = [
        "ibm-", "ibm", "cp-", "cp", "dos-", "csibm", "cspc", "ms", "windows-", "win-", "win",
        "x-cp",
    ]
    .into_iter()
    .find_map(|prefix| name.strip_prefix(prefix))?;
    let page: u32 = digits.trim_start_matches('0').parse().ok()?;
    let known = matches!(
        page,
        437 | 850 | 852 | 858 | 866 | 874 | 932 | 936 | 949 | 950
    );
    (known || (1250..=1258).contains(&page)).then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_are_known_by_all_their_names() {
        for (bytes, name, expected) in [
            (&b"Gr\x94\xe1e"[..], "IBM437", "Größe"),
            (b"Gr\x94\xe1e", "cp850", "Größe"),
            (b"Gr\xf6\xdfe", "ISO-8859-1", "Größe"),
            (b"Gr\xc3\xb6\xc3\x9fe", "us-ascii", "Größe"),
            (b"Gr\xc3\xb6\xc3\x9fe", "iso-8859-1", "Größe"),
            (b"Gr\xf6\xdfe", "utf-8", "Größe"),
            (b"~{VPND~}", "HZ-GB-2312", "中文"),
            (b"\x1b$)C\x0eGQ1[\x0f", "iso-2022-kr", "한글"),
            (b"Gr+APYA3w-e", "unicode-1-1-utf-7", "Größe"),
            (b"a+-b", "utf-7", "a+b"),
        ] {
            assert_eq!(decode_named(bytes, name), expected, "{name}");
        }
    }
}
