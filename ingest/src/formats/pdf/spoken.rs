//! What a document says in place of glyphs: `ActualText`, with which word processors spell out
//! ligatures that have no letter of their own.

use hayro_syntax::object::{Dict, String as PdfString};

/// Longer replacements are not ligatures. Text that nobody sees could hide in them, so the glyphs
/// speak for themselves.
const LONGEST: usize = 8;

/// The marked content that is open, outermost first.
#[derive(Debug, Default)]
pub struct Spoken(Vec<Option<Replacement>>);

#[derive(Debug)]
struct Replacement {
    text: String,
    said: bool,
}

impl Spoken {
    /// Marked content begins.
    pub fn begin(&mut self, properties: Option<&Dict<'_>>) {
        let text = properties
            .and_then(|properties| properties.get::<PdfString<'_>>(b"ActualText"))
            .map(|text| decode(text.as_bytes()))
            .filter(|text| (1..=LONGEST).contains(&text.chars().count()));
        let said = false;
        self.0.push(text.map(|text| Replacement { text, said }));
    }

    /// Marked content ends.
    pub fn end(&mut self) {
        self.0.pop();
    }

    /// What the next glyph says; nothing where the glyph before it said it all, `None` where it
    /// speaks for itself.
    pub fn take(&mut self) -> Option<String> {
        let open = self.0.iter_mut().rev().flatten().next()?;
        let first = !std::mem::replace(&mut open.said, true);
        Some(if first {
            open.text.clone()
        } else {
            String::new()
        })
    }
}

/// A text string (ISO 32000-1, 7.9.2.2): UTF-16 or UTF-8 with a mark, else one byte a letter.
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
