//! Replacement text (`ActualText`), which word processors use to spell out ligatures without a
//! Unicode character.

use hayro_syntax::object::{Dict, String as PdfString};

/// Longer replacements are not ligatures and could contain hidden text, so they are ignored.
const MAX_REPLACEMENT_CHARS: usize = 8;

/// The open marked-content sequences, outermost first.
#[derive(Debug, Default)]
pub struct ActualTextStack(Vec<Option<Replacement>>);

#[derive(Debug)]
struct Replacement {
    text: String,
    is_spent: bool,
}

impl ActualTextStack {
    /// Marked content starts.
    pub fn begin_content(&mut self, properties: Option<&Dict<'_>>) {
        let text = properties
            .and_then(|properties| properties.get::<PdfString<'_>>(b"ActualText"))
            .map(|text| decode(text.as_bytes()))
            .filter(|text| (1..=MAX_REPLACEMENT_CHARS).contains(&text.chars().count()));
        let is_spent = false;
        self.0.push(text.map(|text| Replacement { text, is_spent }));
    }

    /// Marked content ends.
    pub fn end_content(&mut self) {
        self.0.pop();
    }

    /// The text of the next glyph: the replacement for the first glyph of the sequence, and nothing
    /// for the others. `None` if there is no replacement.
    pub fn next_text(&mut self) -> Option<String> {
        let open = self.0.iter_mut().rev().flatten().next()?;
        let first = !std::mem::replace(&mut open.is_spent, true);
        Some(if first {
            open.text.clone()
        } else {
            String::new()
        })
    }
}

/// Decodes a text string (ISO 32000-1, 7.9.2.2): UTF-16 or UTF-8 with a byte order mark, else one
/// byte per character.
fn decode(bytes: &[u8]) -> String {
    if let Some(utf16) = bytes.strip_prefix(&[0xFE, 0xFF]) {
        let (pairs, _) = utf16.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        return String::from_utf16_lossy(&units);
    }
    let utf8 = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]);
    match utf8.map(std::str::from_utf8) {
        Some(Ok(text)) => text.to_owned(),
        _ => bytes.iter().copied().map(char::from).collect(),
    }
}
