//! The text of a single glyph.

use hayro_interpret::font::{Glyph as HayroGlyph, PositionedGlyph};
use hayro_interpret::hayro_cmap::BfString;

/// The text of a glyph according to its font.
pub fn font_text(glyph: &PositionedGlyph<'_>) -> Option<String> {
    match glyph.as_unicode() {
        Some(BfString::Char(c)) => Some(c.to_string()),
        Some(BfString::String(s)) => Some(s),
        None => from_code(glyph),
    }
}

/// Normalizes the text of a glyph. Returns `None` if it contains characters without a meaning.
/// Control characters are dropped.
pub fn normalize_text(font_text: &str) -> Option<String> {
    let mut text = String::with_capacity(font_text.len());
    for c in font_text.chars() {
        match c {
            '\u{f0b7}' | '\u{f0a7}' | '\u{f0d8}' => text.push('•'),
            // Private-use characters, and replacement characters of the file.
            '\u{e000}'..='\u{f8ff}' | '\u{fffd}' | '\0' => return None,
            '\u{fb00}'..='\u{fb06}' => text.push_str(ligature(c)),
            '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{2060}' => {}
            c if c.is_whitespace() => text.push(' '),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    Some(text)
}

/// The text of a Type 3 glyph without a name. Its code is usually an ASCII character.
fn from_code(glyph: &PositionedGlyph<'_>) -> Option<String> {
    let HayroGlyph::Type3(drawn) = &**glyph else {
        return None;
    };
    let c = char::from_u32(drawn.char_code())?;
    (c.is_ascii_alphanumeric() || c.is_ascii_punctuation() || c == ' ').then(|| c.to_string())
}

const fn ligature(c: char) -> &'static str {
    match c {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        _ => "st",
    }
}
