//! The cells of one sheet.

use super::globals::{BookGlobals, BookSheet};
use super::strings::plain_string;
use super::{f64_at, kind, records, u16_at, u32_at};
use crate::formats::Failure;
use crate::formats::common::sheets::{MergedCells, Sheet};
use crate::formats::excel::cell_styles::CellStyles;
use crate::formats::excel::styled_sheet::{CellHead, StyledSheet, rk_number};

const FORMULA: u16 = 0x0006;
const COL_INFO: u16 = 0x007D;
const MUL_RK: u16 = 0x00BD;
const RSTRING: u16 = 0x00D6;
const MERGED_CELLS: u16 = 0x00E5;
const LABEL_SST: u16 = 0x00FD;
const NUMBER: u16 = 0x0203;
const LABEL: u16 = 0x0204;
const BOOL_ERR: u16 = 0x0205;
const STRING: u16 = 0x0207;
const ROW: u16 = 0x0208;
const RK: u16 = 0x027E;

struct SheetReader<'a> {
    globals: &'a BookGlobals,
    sheet: StyledSheet<'a>,
    /// The formula whose text is in the next record.
    pending: Option<CellHead>,
}

/// Reads the records of a sheet up to its end. Charts inside are skipped.
pub(super) fn read_sheet(
    stream: &[u8],
    sheet: &BookSheet,
    globals: &BookGlobals,
    styles: &CellStyles,
) -> Result<Sheet, Failure> {
    let mut reader = SheetReader {
        globals,
        sheet: StyledSheet::new(&sheet.name, styles, globals.is_1904),
        pending: None,
    };
    let mut depth = 0_usize;
    for record in records(stream, sheet.offset) {
        match record.kind {
            kind::BOF => depth += 1,
            kind::EOF if depth <= 1 => break,
            kind::EOF => depth -= 1,
            _ if depth == 1 => reader.record(record.kind, record.body)?,
            _ => {}
        }
    }
    Ok(reader.sheet.cells)
}

fn head(body: &[u8]) -> Option<CellHead> {
    Some(CellHead {
        row: u32::from(u16_at(body, 0)?),
        column: u32::from(u16_at(body, 2)?),
        style: usize::from(u16_at(body, 4)?),
    })
}

impl SheetReader<'_> {
    /// Reads a record. One that is cut off is left out.
    fn record(&mut self, kind: u16, body: &[u8]) -> Result<(), Failure> {
        match kind {
            ROW if u16_at(body, 12).is_some_and(|flags| flags & 0x20 != 0) => {
                if let Some(row) = u16_at(body, 0) {
                    self.sheet.cells.mark_hidden_row(u32::from(row));
                }
            }
            COL_INFO if u16_at(body, 8).is_some_and(|flags| flags & 1 != 0) => {
                if let (Some(first), Some(last)) = (u16_at(body, 0), u16_at(body, 2)) {
                    self.sheet
                        .cells
                        .mark_hidden_columns(u32::from(first), u32::from(last));
                }
            }
            MERGED_CELLS => self.merge(body),
            MUL_RK => return self.several_numbers(body),
            STRING => {
                if let (Some(head), Some(text)) = (self.pending.take(), plain_string(body)) {
                    return self.sheet.text(head, &text);
                }
            }
            NUMBER | RK | LABEL_SST | LABEL | RSTRING | BOOL_ERR | FORMULA => {
                if let Some(head) = head(body) {
                    return self.cell(kind, head, body);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn cell(&mut self, kind: u16, head: CellHead, body: &[u8]) -> Result<(), Failure> {
        match kind {
            NUMBER => self.number(head, f64_at(body, 6)),
            RK => self.number(head, u32_at(body, 6).map(rk_number)),
            LABEL_SST => {
                let index = u32_at(body, 6).and_then(|index| usize::try_from(index).ok());
                let found = index.and_then(|index| self.globals.strings.get(index));
                let text = found.map(|text| text.marked(&self.globals.fonts));
                self.sheet.text(head, &text.unwrap_or_default())
            }
            LABEL | RSTRING => {
                let text = body.get(6..).and_then(plain_string);
                self.sheet.text(head, &text.unwrap_or_default())
            }
            BOOL_ERR => self.bool_or_error(head, body.get(6), body.get(7)),
            _ => self.formula(head, body),
        }
    }

    /// The value of a formula: a number, or the kind of another value.
    fn formula(&mut self, head: CellHead, body: &[u8]) -> Result<(), Failure> {
        self.pending = None;
        if u16_at(body, 12) != Some(0xFFFF) {
            return self.number(head, f64_at(body, 6));
        }
        match body.get(6) {
            Some(0) => {
                self.pending = Some(head);
                Ok(())
            }
            Some(1) => self.bool_or_error(head, body.get(8), Some(&0)),
            Some(2) => self.bool_or_error(head, body.get(8), Some(&1)),
            _ => Ok(()),
        }
    }

    fn bool_or_error(
        &mut self,
        head: CellHead,
        value: Option<&u8>,
        is_error: Option<&u8>,
    ) -> Result<(), Failure> {
        let (Some(value), Some(is_error)) = (value, is_error) else {
            return Ok(());
        };
        if *is_error == 0 {
            self.sheet.bool(head, *value)
        } else {
            self.sheet.error(head, *value)
        }
    }

    fn several_numbers(&mut self, body: &[u8]) -> Result<(), Failure> {
        let (Some(row), Some(first)) = (u16_at(body, 0), u16_at(body, 2)) else {
            return Ok(());
        };
        let (entries, _) = body.get(4..).unwrap_or_default().as_chunks::<6>();
        for (column, entry) in (u32::from(first)..).zip(entries) {
            let head = CellHead {
                row: u32::from(row),
                column,
                style: usize::from(u16_at(entry, 0).unwrap_or(0)),
            };
            self.number(head, u32_at(entry, 2).map(rk_number))?;
        }
        Ok(())
    }

    fn number(&mut self, head: CellHead, value: Option<f64>) -> Result<(), Failure> {
        value.map_or(Ok(()), |value| self.sheet.number(head, value))
    }

    fn merge(&mut self, body: &[u8]) {
        let (ranges, _) = body.get(2..).unwrap_or_default().as_chunks::<8>();
        for range in ranges {
            let [top, left, bottom, right] =
                [0, 4, 2, 6].map(|index| u16_at(range, index).map_or(0, u32::from));
            self.sheet.cells.merge(MergedCells {
                top,
                left,
                bottom,
                right,
            });
        }
    }
}
