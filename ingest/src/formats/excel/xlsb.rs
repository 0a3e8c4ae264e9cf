//! Workbooks in the binary form of Excel since 2007 (.xlsb, MS-XLSB): values in their number formats,
//! merged cells, and what is hidden. Each part is a sequence of records.

use super::cell_styles::{CellFont, CellStyles};
use super::styled_sheet::{CellHead, StyledSheet, rk_number};
use crate::formats::Failure;
use crate::formats::common::archive::Archive;
use crate::formats::common::opc::Relationships;
use crate::formats::common::scripts::Script;
use crate::formats::common::sections::Sections;
use crate::formats::common::sheets::{MergedCells, Sheet, hidden_sheet};
use crate::limits::HiddenCells;
use cloister_domain::{LossKind, OmissionKind};
use std::collections::HashMap;

/// Maximum number of sheets, of fonts, formats and styles, and of shared texts.
const MAX_SHEETS: usize = 5_000;
const MAX_ENTRIES: usize = 70_000;
const MAX_STRINGS: usize = 4_000_000;
/// The highest row and column of a sheet (MS-XLSB 2.5.166, 2.5.24).
const LAST_ROW: u32 = 1_048_575;
const LAST_COLUMN: u32 = 16_383;

/// Record types (MS-XLSB 2.3.1).
mod kind {
    pub(super) const ROW: u16 = 0;
    pub(super) const CELL_RK: u16 = 2;
    pub(super) const CELL_ERROR: u16 = 3;
    pub(super) const CELL_BOOL: u16 = 4;
    pub(super) const CELL_REAL: u16 = 5;
    pub(super) const CELL_TEXT: u16 = 6;
    pub(super) const CELL_SHARED: u16 = 7;
    pub(super) const FORMULA_TEXT: u16 = 8;
    pub(super) const FORMULA_NUMBER: u16 = 9;
    pub(super) const FORMULA_BOOL: u16 = 10;
    pub(super) const FORMULA_ERROR: u16 = 11;
    pub(super) const SHARED_ITEM: u16 = 19;
    pub(super) const FONT: u16 = 43;
    pub(super) const FORMAT: u16 = 44;
    pub(super) const STYLE: u16 = 47;
    pub(super) const COLUMN: u16 = 60;
    pub(super) const CELL_RICH: u16 = 62;
    pub(super) const BOOK_SETTINGS: u16 = 153;
    pub(super) const BOOK_SHEET: u16 = 156;
    pub(super) const MERGED: u16 = 176;
    pub(super) const STYLES_BEGIN: u16 = 617;
    pub(super) const STYLES_END: u16 = 618;
}

/// Reads the workbook of an archive onto `sections`, one page for each sheet.
pub fn read_workbook(
    archive: &mut Archive<'_>,
    policy: HiddenCells,
    sections: &mut Sections,
) -> Result<(), Failure> {
    let main = Relationships::find_main_part(archive, "xl/workbook.bin")?;
    let related = Relationships::load(archive, &main)?;
    let part =
        |kind: &str, otherwise: &str| related.first_of_kind(kind).unwrap_or(otherwise).to_owned();
    let styles = part("styles", "xl/styles.bin");
    let styles = parse_styles(&archive.bytes(&styles)?.unwrap_or_default());
    let strings = part("sharedStrings", "xl/sharedStrings.bin");
    let strings = parse_strings(&archive.bytes(&strings)?.unwrap_or_default());
    let book = BinaryBook::parse(&archive.bytes(&main)?.unwrap_or_default());
    if book.sheets.is_empty() {
        return Err(Failure::damaged("it names no sheets"));
    }
    for sheet in &book.sheets {
        if sheet.is_hidden {
            sections.warn(hidden_sheet(&sheet.name, policy));
            if policy == HiddenCells::LeaveOut {
                sections.account.leave_out(OmissionKind::HiddenSheet, 1);
                continue;
            }
        }
        let (kind, target) = related.kind_and_target(&sheet.id).unwrap_or_default();
        let bytes = match kind {
            "worksheet" => archive.bytes(target)?,
            _ => None,
        };
        let Some(bytes) = bytes else {
            leave_out_sheet(&sheet.name, kind, sections);
            continue;
        };
        let mut cells = StyledSheet::new(&sheet.name, &styles, book.is_1904);
        read_cells(&bytes, &strings, &mut cells)?;
        write_sheet(cells.cells, sheet, policy, sections);
    }
    Ok(())
}

fn write_sheet(
    mut cells: Sheet,
    sheet: &BinarySheet,
    policy: HiddenCells,
    sections: &mut Sections,
) {
    if sheet.is_hidden {
        cells.mark_hidden();
    }
    cells.apply_policy(policy, sections);
    cells.write_page(sections);
}

fn leave_out_sheet(name: &str, kind: &str, sections: &mut Sections) {
    let warning =
        format!("the sheet `{name}` is left out: it is a chart, a macro sheet or missing");
    if kind.ends_with("acrosheet") {
        sections.account.leave_out(OmissionKind::Macro, 1);
        sections.warn(warning);
    } else {
        sections.lose(LossKind::Sheet, 1, warning);
    }
}

/// The records of a part: their types and bytes. A type has up to two bytes and a size up to four, of
/// seven bits each (MS-XLSB 2.1.4).
struct BinaryRecords<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for BinaryRecords<'b> {
    type Item = (u16, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = u16::try_from(self.number(2)?).ok()?;
        let size = usize::try_from(self.number(4)?).ok()?;
        let body = self.rest.get(..size)?;
        self.rest = self.rest.get(size..)?;
        Some((kind, body))
    }
}

impl BinaryRecords<'_> {
    fn number(&mut self, most: u32) -> Option<u32> {
        let mut number = 0;
        for step in 0..most {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u32::from(byte & 0x7F) << (7 * step);
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(number)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(two.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

fn f64_at(bytes: &[u8], at: usize) -> Option<f64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    Some(f64::from_le_bytes(eight.try_into().ok()?))
}

/// A text with its length (MS-XLSB 2.5.168), and where it ends.
fn string_at(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let count = u32_at(bytes, at)?;
    let start = at.checked_add(4)?;
    if count == u32::MAX {
        return Some((String::new(), start));
    }
    let end = start.checked_add(usize::try_from(count).ok()?.checked_mul(2)?)?;
    let (units, _) = bytes.get(start..end)?.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    Some((String::from_utf16_lossy(&units), end))
}

/// A sheet as the workbook names it.
#[derive(Debug, PartialEq, Eq)]
struct BinarySheet {
    name: String,
    id: String,
    is_hidden: bool,
}

#[derive(Debug, Default)]
struct BinaryBook {
    sheets: Vec<BinarySheet>,
    is_1904: bool,
}

impl BinaryBook {
    fn parse(bytes: &[u8]) -> Self {
        let mut book = Self::default();
        for (kind, body) in (BinaryRecords { rest: bytes }) {
            match kind {
                kind::BOOK_SETTINGS => {
                    book.is_1904 = u32_at(body, 0).is_some_and(|flags| flags & 1 != 0);
                }
                kind::BOOK_SHEET if book.sheets.len() < MAX_SHEETS => {
                    book.sheets.extend(parse_sheet(body));
                }
                _ => {}
            }
        }
        book
    }
}

fn parse_sheet(body: &[u8]) -> Option<BinarySheet> {
    let (id, end) = string_at(body, 8)?;
    let (name, _) = string_at(body, end)?;
    Some(BinarySheet {
        name,
        id,
        is_hidden: u32_at(body, 0)? & 3 != 0,
    })
}

fn parse_strings(bytes: &[u8]) -> Vec<String> {
    let items = (BinaryRecords { rest: bytes }).filter(|(kind, _)| *kind == kind::SHARED_ITEM);
    let texts = items.map(|(_, body)| string_at(body, 1).map_or(String::new(), |(text, _)| text));
    texts.take(MAX_STRINGS).collect()
}

fn parse_styles(bytes: &[u8]) -> CellStyles {
    let mut formats = HashMap::new();
    let mut fonts = Vec::new();
    let mut cells = Vec::new();
    let mut in_cells = false;
    for (kind, body) in (BinaryRecords { rest: bytes }) {
        match kind {
            kind::STYLES_BEGIN => in_cells = true,
            kind::STYLES_END => in_cells = false,
            kind::FORMAT if formats.len() < MAX_ENTRIES => {
                if let (Some(id), Some((code, _))) = (u16_at(body, 0), string_at(body, 2)) {
                    formats.insert(u32::from(id), code);
                }
            }
            kind::FONT if fonts.len() < MAX_ENTRIES => fonts.push(parse_font(body)),
            kind::STYLE if in_cells && cells.len() < MAX_ENTRIES => {
                let format = u16_at(body, 2).map_or(0, u32::from);
                cells.push((format, u16_at(body, 4).map_or(0, usize::from)));
            }
            _ => {}
        }
    }
    CellStyles::from_parts(&formats, &fonts, &cells)
}

fn parse_font(body: &[u8]) -> CellFont {
    CellFont {
        is_struck: u16_at(body, 2).is_some_and(|flags| flags & 8 != 0),
        is_bold: u16_at(body, 4).is_some_and(|weight| weight >= 600),
        script: match u16_at(body, 6) {
            Some(1) => Script::Raised,
            Some(2) => Script::Lowered,
            _ => Script::Normal,
        },
    }
}

fn read_cells(
    bytes: &[u8],
    strings: &[String],
    sheet: &mut StyledSheet<'_>,
) -> Result<(), Failure> {
    let mut row = 0;
    for (kind, body) in (BinaryRecords { rest: bytes }) {
        match kind {
            kind::ROW => {
                row = u32_at(body, 0).unwrap_or(0).min(LAST_ROW);
                if body.get(11).is_some_and(|flags| flags & 0x10 != 0) {
                    sheet.cells.mark_hidden_row(row);
                }
            }
            kind::COLUMN => {
                let hides = u16_at(body, 16).is_some_and(|flags| flags & 1 != 0);
                let (first, last) = (u32_at(body, 0), u32_at(body, 4));
                if let (true, Some(first), Some(last)) = (hides, first, last) {
                    sheet
                        .cells
                        .mark_hidden_columns(first, last.min(LAST_COLUMN));
                }
            }
            kind::MERGED => merge(body, &mut sheet.cells),
            _ => read_cell(kind, body, row, strings, sheet)?,
        }
    }
    Ok(())
}

fn merge(body: &[u8], cells: &mut Sheet) {
    let corners = [0, 4, 8, 12].map(|at| u32_at(body, at));
    if let [Some(top), Some(bottom), Some(left), Some(right)] = corners {
        cells.merge(MergedCells {
            top,
            left,
            bottom: bottom.min(LAST_ROW),
            right: right.min(LAST_COLUMN),
        });
    }
}

/// Reads a cell. A record that is cut off or of another type is left out.
fn read_cell(
    kind: u16,
    body: &[u8],
    row: u32,
    strings: &[String],
    sheet: &mut StyledSheet<'_>,
) -> Result<(), Failure> {
    let (Some(column), Some(style)) = (u32_at(body, 0), u32_at(body, 4)) else {
        return Ok(());
    };
    let head = CellHead {
        row,
        column: column.min(LAST_COLUMN),
        style: usize::try_from(style & 0x00FF_FFFF).unwrap_or(0),
    };
    match kind {
        kind::CELL_RK => u32_at(body, 8).map(|rk| sheet.number(head, rk_number(rk))),
        kind::CELL_REAL | kind::FORMULA_NUMBER => {
            f64_at(body, 8).map(|value| sheet.number(head, value))
        }
        kind::CELL_BOOL | kind::FORMULA_BOOL => body.get(8).map(|value| sheet.bool(head, *value)),
        kind::CELL_ERROR | kind::FORMULA_ERROR => body.get(8).map(|code| sheet.error(head, *code)),
        kind::CELL_TEXT | kind::FORMULA_TEXT => {
            string_at(body, 8).map(|(text, _)| sheet.text(head, &text))
        }
        kind::CELL_RICH => string_at(body, 9).map(|(text, _)| sheet.text(head, &text)),
        kind::CELL_SHARED => {
            let index = u32_at(body, 8).and_then(|index| usize::try_from(index).ok());
            let text = index.and_then(|index| strings.get(index));
            text.map(|text| sheet.text(head, text))
        }
        _ => None,
    }
    .unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_sizes_of_several_bytes() {
        let mut bytes = vec![0x80 | 0x1C, 0x01, 0x03, 1, 2, 3, 0x00, 0x81, 0x01];
        bytes.extend([9; 129]);
        let found: Vec<(u16, usize)> = (BinaryRecords { rest: &bytes })
            .map(|(kind, body)| (kind, body.len()))
            .collect();
        assert_eq!(found, [(156, 3), (0, 129)]);
        for end in 0..bytes.len() {
            let rest = bytes.get(..end).unwrap_or_default();
            assert!((BinaryRecords { rest }).count() <= 2, "cut at {end}");
        }
    }
}
