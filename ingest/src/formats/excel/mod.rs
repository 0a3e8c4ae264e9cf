//! Excel workbooks: .xlsx and .xlsm, .xlsb, and the older .xls, read by calamine.
//!
//! calamine has no limits of its own. An archive is inflated once to measure it before calamine
//! sees it, and cells are taken one by one wherever the format allows.

mod display;

use super::archive::{self, Archive, damaged};
use super::ole;
use super::opc;
use super::sections::Sections;
use super::sheets::Sheet;
use super::xml::Properties;
use super::{Failure, Format, Sink, Source};
use crate::wire::Refusal;
use calamine::{
    Data, DataRef, Reader, SheetVisible, Xls, XlsError, Xlsb, XlsbError, Xlsx, XlsxError,
};
use std::io::Cursor;

/// Excel workbooks since 2007.
#[derive(Debug)]
pub struct Excel;

/// Excel workbooks before 2007.
#[derive(Debug)]
pub struct OldExcel;

/// More sheets than any workbook has.
const MOST_SHEETS: usize = 5_000;

impl Format for Excel {
    fn name(&self) -> &'static str {
        "xlsx"
    }

    fn label(&self) -> &'static str {
        "Excel (.xlsx)"
    }

    fn recognises(&self, source: &Source) -> bool {
        archive::holds(source, |part| part.starts_with("xl/workbook."))
    }

    fn read(&self, source: &Source, _: u32, _: bool, sink: &mut dyn Sink) -> Result<(), Failure> {
        Archive::open(&source.bytes)?.measure()?;
        let mut archive = Archive::open(&source.bytes)?;
        let properties = opc::properties(&mut archive)?;
        let file = Cursor::new(source.bytes.as_slice());
        let is_binary = archive.names().iter().any(|name| name == "xl/workbook.bin");
        let mut book = Book::default();
        if is_binary {
            book.read_binary(&mut Xlsb::new(file)?)?;
        } else {
            book.read(&mut Xlsx::new(file)?)?;
        }
        book.send(self.name(), properties, sink)?;
        opc::embedded(&mut archive, sink)
    }
}

impl Format for OldExcel {
    fn name(&self) -> &'static str {
        "xls"
    }

    fn label(&self) -> &'static str {
        "Excel (.xls)"
    }

    fn recognises(&self, source: &Source) -> bool {
        ole::holds(source, "Workbook") || ole::holds(source, "Book")
    }

    fn read(&self, source: &Source, _: u32, _: bool, sink: &mut dyn Sink) -> Result<(), Failure> {
        let mut book = Book::default();
        book.read_old(&mut Xls::new(Cursor::new(source.bytes.as_slice()))?)?;
        book.send(self.name(), ole::properties(source), sink)
    }
}

/// What was read of a workbook.
#[derive(Debug)]
struct Book {
    sections: Sections,
    warnings: Vec<String>,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            sections: Sections::by_hand(),
            warnings: Vec::new(),
        }
    }
}

type Bytes<'a> = Cursor<&'a [u8]>;

impl Book {
    /// The sheets that are shown.
    fn shown(&mut self, sheets: &[calamine::Sheet]) -> Vec<String> {
        let (shown, hidden): (Vec<_>, Vec<_>) = sheets
            .iter()
            .take(MOST_SHEETS)
            .partition(|sheet| sheet.visible == SheetVisible::Visible);
        for sheet in hidden {
            let warning = format!("a sheet that is hidden is left out: `{}`", sheet.name);
            self.warnings.push(warning);
        }
        shown.into_iter().map(|sheet| sheet.name.clone()).collect()
    }

    fn read(&mut self, workbook: &mut Xlsx<Bytes<'_>>) -> Result<(), Failure> {
        for name in self.shown(workbook.sheets_metadata()) {
            // A chart has a sheet of its own and no cells.
            let Ok(mut cells) = workbook.worksheet_cells_reader(&name) else {
                continue;
            };
            let mut sheet = Sheet::new(Some(&name));
            while let Some((cell, style)) = cells.next_cell_with_style_id()? {
                let style = cells.styles().get(style);
                let format = style.and_then(|style| style.number_format.as_ref());
                let format = format.map_or("", |format| format.format_code.as_str());
                let (row, column) = cell.get_position();
                sheet.cell(row, column, &shown(cell.get_value(), format))?;
            }
            sheet.write_page(&mut self.sections);
        }
        Ok(())
    }

    fn read_binary(&mut self, workbook: &mut Xlsb<Bytes<'_>>) -> Result<(), Failure> {
        for name in self.shown(workbook.sheets_metadata()) {
            let Ok(mut cells) = workbook.worksheet_cells_reader(&name) else {
                continue;
            };
            let mut sheet = Sheet::new(Some(&name));
            while let Some(cell) = cells.next_cell()? {
                let (row, column) = cell.get_position();
                sheet.cell(row, column, &shown(cell.get_value(), ""))?;
            }
            sheet.write_page(&mut self.sections);
        }
        Ok(())
    }

    fn read_old(&mut self, workbook: &mut Xls<Bytes<'_>>) -> Result<(), Failure> {
        for name in self.shown(workbook.sheets_metadata()) {
            let Ok(range) = workbook.worksheet_range(&name) else {
                continue;
            };
            let (top, left) = range.start().unwrap_or_default();
            let mut sheet = Sheet::new(Some(&name));
            for (row, column, value) in range.used_cells() {
                let row = top.saturating_add(u32::try_from(row).unwrap_or(u32::MAX));
                let column = left.saturating_add(u32::try_from(column).unwrap_or(u32::MAX));
                sheet.cell(row, column, &shown_old(value))?;
            }
            sheet.write_page(&mut self.sections);
        }
        Ok(())
    }

    fn send(
        self,
        format: &str,
        properties: Properties,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let mut info = properties.info(format);
        info.warnings = self.warnings;
        self.sections.send(info, sink)
    }
}

/// What a cell shows.
fn shown(value: &DataRef<'_>, format: &str) -> String {
    match value {
        DataRef::Int(number) => {
            let exact = number.to_string();
            if matches!(format, "" | "General" | "@") {
                exact
            } else {
                display::number(*number as f64, format)
            }
        }
        DataRef::Float(number) => display::number(*number, format),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.clone()
        }
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(yes) => truth(*yes),
        DataRef::DateTime(date) => display::date(date, format),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

/// What a cell shows whose format is not told.
fn shown_old(value: &Data) -> String {
    match value {
        Data::Int(number) => number.to_string(),
        Data::Float(number) => display::general(*number),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Bool(yes) => truth(*yes),
        Data::DateTime(date) => display::plain_date(date),
        Data::Error(error) => error.to_string(),
        Data::Empty => String::new(),
    }
}

fn truth(yes: bool) -> String {
    if yes { "TRUE" } else { "FALSE" }.to_owned()
}

fn broken(cause: &dyn std::fmt::Display) -> Failure {
    damaged(&format!("its sheets cannot be read ({cause})"))
}

impl From<XlsxError> for Failure {
    fn from(cause: XlsxError) -> Self {
        if matches!(cause, XlsxError::Password) {
            return Refusal::Encrypted.into();
        }
        broken(&cause)
    }
}

impl From<XlsbError> for Failure {
    fn from(cause: XlsbError) -> Self {
        if matches!(cause, XlsbError::Password) {
            return Refusal::Encrypted.into();
        }
        broken(&cause)
    }
}

impl From<XlsError> for Failure {
    fn from(cause: XlsError) -> Self {
        if matches!(cause, XlsError::Password) {
            return Refusal::Encrypted.into();
        }
        broken(&cause)
    }
}
