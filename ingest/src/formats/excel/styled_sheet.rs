//! The cells of a sheet in their number formats, for the binary formats of Excel.

use super::cell_styles::{CellStyle, CellStyles};
use super::{display_bool, number_format};
use crate::formats::Failure;
use crate::formats::common::sheets::Sheet;

/// Row, column and style of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct CellHead {
    pub row: u32,
    pub column: u32,
    pub style: usize,
}

/// Writes values as their cells show them.
#[derive(Debug)]
pub(super) struct StyledSheet<'a> {
    pub cells: Sheet,
    styles: &'a CellStyles,
    is_1904: bool,
}

impl<'a> StyledSheet<'a> {
    pub fn new(name: &str, styles: &'a CellStyles, is_1904: bool) -> Self {
        Self {
            cells: Sheet::new(Some(name)),
            styles,
            is_1904,
        }
    }

    pub fn number(&mut self, head: CellHead, value: f64) -> Result<(), Failure> {
        let text = self.styles.get(head.style).map_or_else(
            || number_format::format_general(value),
            |style| style.write_number(value, self.is_1904),
        );
        self.push(head, &text)
    }

    pub fn text(&mut self, head: CellHead, text: &str) -> Result<(), Failure> {
        let format = self.styles.get(head.style);
        let format = format.map_or("", |style| style.format.as_str());
        let text = number_format::format_text(text, format);
        self.push(head, &text)
    }

    pub fn bool(&mut self, head: CellHead, value: u8) -> Result<(), Failure> {
        self.push(head, &display_bool(value != 0))
    }

    /// An error by its code (MS-XLS 2.5.10).
    pub fn error(&mut self, head: CellHead, code: u8) -> Result<(), Failure> {
        let text = match code {
            0x00 => "#NULL!",
            0x07 => "#DIV/0!",
            0x0F => "#VALUE!",
            0x17 => "#REF!",
            0x1D => "#NAME?",
            0x24 => "#NUM!",
            _ => "#N/A",
        };
        self.push(head, text)
    }

    fn push(&mut self, head: CellHead, text: &str) -> Result<(), Failure> {
        let style: Option<&CellStyle> = self.styles.get(head.style);
        let (text, is_bold) = match style {
            Some(style) => (style.mark(text), style.is_bold),
            None => (text.to_owned(), false),
        };
        if !is_bold && !text.trim().is_empty() {
            self.cells.mark_plain(head.row);
        }
        self.cells.push_cell(head.row, head.column, &text)
    }
}

/// A number in four bytes (MS-XLS 2.5.122): an integer or half of a floating-point number, perhaps in
/// hundredths.
pub(super) fn rk_number(rk: u32) -> f64 {
    let value = if rk & 2 != 0 {
        f64::from(rk.cast_signed() >> 2)
    } else {
        f64::from_bits(u64::from(rk & !3) << 32)
    };
    if rk & 1 != 0 { value / 100.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_are_integers_or_halves() {
        for (rk, expected) in [
            (0x3FF0_0000, 1.0),
            (0x4049_0001, 0.5),
            ((12 << 2) | 2, 12.0),
            ((1234 << 2) | 3, 12.34),
            (0xFFFF_FFFE, -1.0),
        ] {
            assert!((rk_number(rk) - expected).abs() < 1e-9, "{rk:x}");
        }
    }
}
