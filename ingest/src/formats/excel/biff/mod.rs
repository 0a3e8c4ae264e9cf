//! Workbooks of Excel 97 to 2003 (MS-XLS, BIFF8), read record by record: values in their number
//! formats, raised and struck text, merged cells, and what is hidden.

mod globals;
mod sheet;
mod strings;

use super::cell_styles::CellStyles;
use crate::formats::Failure;
use crate::formats::common::sections::Sections;
use crate::formats::common::sheets::hidden_sheet;
use crate::limits::HiddenCells;
use crate::wire::Refusal;
use cloister_domain::{LossKind, OmissionKind};
use globals::{BookGlobals, SheetKind};

/// Record types (MS-XLS 2.3).
mod kind {
    pub(super) const BOF: u16 = 0x0809;
    pub(super) const EOF: u16 = 0x000A;
    pub(super) const CONTINUE: u16 = 0x003C;
}

/// A record: its type and its bytes.
#[derive(Clone, Copy, Debug)]
struct BiffRecord<'b> {
    kind: u16,
    body: &'b [u8],
}

/// The records from an offset of the stream.
fn records(stream: &[u8], offset: usize) -> impl Iterator<Item = BiffRecord<'_>> {
    let mut rest = stream.get(offset..).unwrap_or_default();
    std::iter::from_fn(move || {
        let ([k0, k1, s0, s1], after) = rest.split_first_chunk::<4>()?;
        let size = usize::from(u16::from_le_bytes([*s0, *s1]));
        let (body, next) = after.split_at_checked(size)?;
        rest = next;
        let kind = u16::from_le_bytes([*k0, *k1]);
        Some(BiffRecord { kind, body })
    })
}

fn u16_at(body: &[u8], at: usize) -> Option<u16> {
    let two = body.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(two.try_into().ok()?))
}

fn u32_at(body: &[u8], at: usize) -> Option<u32> {
    let four = body.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

fn f64_at(body: &[u8], at: usize) -> Option<f64> {
    let eight = body.get(at..at.checked_add(8)?)?;
    Some(f64::from_le_bytes(eight.try_into().ok()?))
}

/// Whether a workbook stream is of the version that is read here.
pub fn is_read(stream: &[u8]) -> bool {
    let first = records(stream, 0).next();
    first.is_some_and(|record| record.kind == kind::BOF && u16_at(record.body, 0) == Some(0x0600))
}

/// Reads the sheets of a workbook stream onto `sections`, one page for each.
pub fn read_workbook(
    stream: &[u8],
    policy: HiddenCells,
    sections: &mut Sections,
) -> Result<(), Failure> {
    let globals = BookGlobals::parse(stream)?;
    if globals.is_encrypted {
        return Err(Refusal::Encrypted.into());
    }
    let styles = CellStyles::from_parts(&globals.formats, &globals.fonts, &globals.cells);
    for sheet in &globals.sheets {
        match sheet.kind {
            SheetKind::Worksheet => {}
            SheetKind::Macro => {
                sections.account.leave_out(OmissionKind::Macro, 1);
                sections.warn(format!(
                    "the sheet `{}` is left out: it is a macro sheet",
                    sheet.name
                ));
                continue;
            }
            SheetKind::Chart | SheetKind::Other => {
                let warning = format!(
                    "the sheet `{}` is left out: it is a chart or of another kind that is not read",
                    sheet.name
                );
                sections.lose(LossKind::Sheet, 1, warning);
                continue;
            }
        }
        if sheet.is_hidden {
            sections.warn(hidden_sheet(&sheet.name, policy));
            if policy == HiddenCells::LeaveOut {
                sections.account.leave_out(OmissionKind::HiddenSheet, 1);
                continue;
            }
        }
        let mut cells = sheet::read_sheet(stream, sheet, &globals, &styles)?;
        if sheet.is_hidden {
            cells.mark_hidden();
        }
        cells.apply_policy(policy, sections);
        cells.write_page(sections);
    }
    Ok(())
}
