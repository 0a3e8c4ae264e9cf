//! What fields show.

use crate::formats::common::drawings::box_sign;
use crate::formats::common::symbols::SymbolFont;

/// A field of a form.
#[derive(Debug, Default)]
pub(super) struct RtfFormField {
    pub kind: Option<i32>,
    result: Option<i32>,
    default: i32,
    pub entries: Vec<String>,
}

impl RtfFormField {
    /// What the field shows: a box with its state, or the chosen words.
    pub fn shown(&self) -> String {
        // 25 means that nothing was chosen.
        let chosen = self
            .result
            .filter(|result| *result != 25)
            .unwrap_or(self.default);
        match self.kind {
            Some(1) => format!("{} ", box_sign(chosen == 1)),
            Some(2) => {
                let index = usize::try_from(chosen).unwrap_or(0);
                self.entries.get(index).cloned().unwrap_or_default()
            }
            _ => String::new(),
        }
    }

    /// Handles a control word of the field.
    pub fn control_word(&mut self, name: &str, number: Option<i32>) {
        match name {
            "fftype" => self.kind = number,
            "ffres" => self.result = number,
            "ffdefres" => self.default = number.unwrap_or(0),
            _ => {}
        }
    }
}

/// What a field without a result shows: an equation, or a symbol.
pub(super) fn field_text(code: &str) -> Option<String> {
    if let Some(text) = crate::formats::docx::equation(code) {
        return Some(text);
    }
    let mut words = code.split_whitespace();
    let is_symbol = words.next()?.eq_ignore_ascii_case("SYMBOL");
    let number: u32 = words.next().filter(|_| is_symbol)?.parse().ok()?;
    let font = code
        .split_once("\\f")
        .map(|(_, name)| name.trim().trim_start_matches('"'))
        .and_then(|name| name.split(['"', '\\']).next())
        .and_then(SymbolFont::from_name);
    match font {
        Some(font) => font.sign(number).map(String::from),
        None => char::from_u32(number).map(String::from),
    }
}
