//! Excel workbooks: .xlsx, .xlsm, .xlsb and .xls; those of Excel 5 and 95 are parsed by calamine.
//!
//! calamine has no limits of its own, so the memory of the child bounds it.

mod biff;
pub(super) mod cell_styles;
mod date_format;
mod number_format;
mod number_patterns;
mod old_remarks;
mod rich_text;
mod shared_strings;
mod styled_sheet;
mod worksheet;
mod xlsb;
mod xlsx;

pub use number_format::format_general;

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::archive::{self, Archive};
use crate::formats::common::embedded;
use crate::formats::common::ole;
use crate::formats::common::opc;
use crate::formats::common::sections::Sections;
use crate::formats::common::sheets::{MergedCells, Sheet, hidden_sheet};
use crate::formats::common::xml::DocumentProperties;
use crate::limits::HiddenCells;
use crate::wire::Refusal;
use calamine::{Data, Reader, SheetVisible, Xls, XlsError};
use cloister_domain::{BlockKind, OmissionKind};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Maximum number of sheets.
const MAX_SHEETS: usize = 5_000;

/// Excel workbooks since 2007.
pub const XLSX: Format = Format {
    name: "xlsx",
    label: "Excel (.xlsx)",
    matches: matches_xlsx,
    extract: extract_xlsx,
    render_page: None,
};

/// Content types of the main part of a workbook.
const CONTENT_TYPES: &[&str] = &[
    "spreadsheetml.sheet.main+xml",
    "spreadsheetml.template.main+xml",
    "ms-excel.sheet.macroEnabled.main+xml",
    "ms-excel.template.macroEnabled.main+xml",
    "ms-excel.addin.macroEnabled.main+xml",
    "ms-excel.sheet.binary.macroEnabled.main",
];

fn matches_xlsx(source: &Source) -> bool {
    archive::contains_part(source, |part| part.starts_with("xl/workbook."))
        || opc::is_package(source, CONTENT_TYPES)
}

fn extract_xlsx(
    source: &Source,
    _options: ReadOptions,
    sink: &mut dyn Sink,
) -> Result<(), Failure> {
    let mut archive = Archive::open(&source.bytes)?;
    let properties = opc::read_properties(&mut archive)?;
    let main = opc::Relationships::find_main_part(&mut archive, "xl/workbook.xml")?;
    let is_binary = main.to_ascii_lowercase().ends_with(".bin");
    let mut book = WorkbookReader {
        policy: source.hidden_cells,
        ..WorkbookReader::default()
    };
    if is_binary {
        xlsb::read_workbook(&mut archive, source.hidden_cells, &mut book.sections)?;
    } else {
        xlsx::read_workbook(&mut archive, source.hidden_cells, &mut book.sections)?;
    }
    let inside = embedded::take_out(&mut archive, &mut book.sections)?;
    book.send(XLSX.name, properties, sink)?;
    embedded::send(&inside, sink)
}

/// Excel workbooks before 2007.
pub const XLS: Format = Format {
    name: "xls",
    label: "Excel (.xls)",
    matches: matches_xls,
    extract: extract_xls,
    render_page: None,
};

fn matches_xls(source: &Source) -> bool {
    ole::has_stream(source, "Workbook") || ole::has_stream(source, "Book")
}

/// Opens a workbook with calamine, which panics on some damaged files.
fn open_xls(bytes: &[u8]) -> Result<Xls<Cursor<&[u8]>>, Failure> {
    let open = || Xls::new(Cursor::new(bytes));
    let opened = catch_unwind(AssertUnwindSafe(open));
    Ok(opened.map_err(|_panic| Failure::damaged("its workbook is damaged"))??)
}

fn extract_xls(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut book = WorkbookReader {
        policy: source.hidden_cells,
        ..WorkbookReader::default()
    };
    let stream = ole::open(source).and_then(|mut file| ole::read_stream(&mut file, "/Workbook"));
    match stream.filter(|stream| biff::is_read(stream)) {
        Some(stream) => {
            biff::read_workbook(&stream, source.hidden_cells, &mut book.sections)?;
        }
        // Workbooks of Excel 5 and 95.
        None => book.read_xls(&mut open_xls(&source.bytes)?)?,
    }
    book.add_old_remarks(source);
    book.send(XLS.name, ole::read_properties(source), sink)
}

/// Reads a workbook.
#[derive(Debug)]
struct WorkbookReader {
    sections: Sections,
    policy: HiddenCells,
}

impl Default for WorkbookReader {
    fn default() -> Self {
        Self {
            sections: Sections::manual(),
            policy: HiddenCells::default(),
        }
    }
}

type WorkbookBytes<'a> = Cursor<&'a [u8]>;

impl WorkbookReader {
    /// The sheets that are read, without cells.
    fn open_sheets(&mut self, sheets: &[calamine::Sheet]) -> Vec<(String, Sheet)> {
        let mut found = Vec::new();
        for sheet in sheets.iter().take(MAX_SHEETS) {
            let mut cells = Sheet::new(Some(&sheet.name));
            if sheet.visible != SheetVisible::Visible {
                self.sections.warn(hidden_sheet(&sheet.name, self.policy));
                cells.mark_hidden();
                if self.policy == HiddenCells::LeaveOut {
                    let account = &mut self.sections.account;
                    account.leave_out(OmissionKind::HiddenSheet, 1);
                    continue;
                }
            }
            found.push((sheet.name.clone(), cells));
        }
        found
    }

    fn read_xls(&mut self, workbook: &mut Xls<WorkbookBytes<'_>>) -> Result<(), Failure> {
        for (name, mut sheet) in self.open_sheets(workbook.sheets_metadata()) {
            let Ok(range) = workbook.worksheet_range(&name) else {
                continue;
            };
            let (top, left) = range.start().unwrap_or_default();
            for merged in workbook
                .merge_cells_by_sheet_name(&name)
                .unwrap_or_default()
            {
                let ((top, left), (bottom, right)) = (merged.start, merged.end);
                sheet.merge(MergedCells {
                    top,
                    left,
                    bottom,
                    right,
                });
            }
            for (row, column, value) in range.used_cells() {
                let row = top.saturating_add(u32::try_from(row).unwrap_or(u32::MAX));
                let column = left.saturating_add(u32::try_from(column).unwrap_or(u32::MAX));
                sheet.push_cell(row, column, &display_old_value(value))?;
            }
            sheet.write_page(&mut self.sections);
        }
        Ok(())
    }

    /// Adds the remarks and text boxes of an old workbook on a page of their own.
    fn add_old_remarks(&mut self, source: &Source) {
        let stream = ole::open(source).and_then(|mut file| {
            ole::read_stream(&mut file, "/Workbook")
                .or_else(|| ole::read_stream(&mut file, "/Book"))
        });
        let texts = stream
            .map(|stream| old_remarks::read_texts(&stream))
            .unwrap_or_default();
        if texts.is_empty() {
            return;
        }
        self.sections
            .push_block(BlockKind::Heading(1), "Remarks and text boxes");
        for text in &texts {
            self.sections.push_block(BlockKind::Paragraph, text);
        }
        self.sections.end_page();
    }

    fn send(
        self,
        format: &str,
        properties: DocumentProperties,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        self.sections.send(properties.info(format), sink)
    }
}

/// The displayed text of a cell whose format is unknown.
fn display_old_value(value: &Data) -> String {
    match value {
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number_format::format_general(*number),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Bool(yes) => display_bool(*yes),
        Data::DateTime(date) => date_format::format_plain_date(date),
        Data::Error(error) => error.to_string(),
        Data::Empty => String::new(),
    }
}

fn display_bool(yes: bool) -> String {
    if yes { "TRUE" } else { "FALSE" }.to_owned()
}

fn unreadable_sheets(cause: &dyn std::fmt::Display) -> Failure {
    Failure::damaged(format!("its sheets cannot be read ({cause})"))
}

impl From<XlsError> for Failure {
    fn from(cause: XlsError) -> Self {
        if matches!(cause, XlsError::Password) {
            return Refusal::Encrypted.into();
        }
        unreadable_sheets(&cause)
    }
}
