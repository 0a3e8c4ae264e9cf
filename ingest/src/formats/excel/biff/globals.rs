//! What the sheets of a workbook share: fonts, formats, styles, strings, and the list of sheets.

use super::strings::{RecordReader, RichString, characters_at, plain_string};
use super::{BiffRecord, kind, records, u16_at, u32_at};
use crate::formats::Failure;
use crate::formats::common::scripts::Script;
use crate::formats::excel::cell_styles::CellFont;
use std::collections::HashMap;

const DATE_1904: u16 = 0x0022;
const FILE_PASS: u16 = 0x002F;
const FONT: u16 = 0x0031;
const FORMAT: u16 = 0x041E;
const XF: u16 = 0x00E0;
const SST: u16 = 0x00FC;
const BOUND_SHEET: u16 = 0x0085;

/// Maximum number of sheets, and of fonts, formats and styles.
const MAX_SHEETS: usize = 5_000;
const MAX_ENTRIES: usize = 70_000;
/// Maximum number of strings.
const MAX_STRINGS: usize = 4_000_000;
/// The number of a font that no file has.
const MISSING_FONT: usize = 4;

/// What the sheets share.
#[derive(Debug, Default)]
pub(super) struct BookGlobals {
    pub is_1904: bool,
    pub is_encrypted: bool,
    pub fonts: Vec<CellFont>,
    pub formats: HashMap<u32, String>,
    /// The number format and the font of each style.
    pub cells: Vec<(u32, usize)>,
    pub strings: Vec<RichString>,
    pub sheets: Vec<BookSheet>,
}

/// A sheet as the workbook names it.
#[derive(Debug)]
pub(super) struct BookSheet {
    pub name: String,
    pub offset: usize,
    pub is_hidden: bool,
    pub kind: SheetKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SheetKind {
    Worksheet,
    Macro,
    Chart,
    Other,
}

impl BookGlobals {
    /// Reads the records before the first sheet.
    pub(super) fn parse(stream: &[u8]) -> Result<Self, Failure> {
        let mut globals = Self::default();
        let mut shared: Vec<&[u8]> = Vec::new();
        let mut in_strings = false;
        for record in records(stream, 0) {
            match record.kind {
                kind::EOF => break,
                SST => {
                    in_strings = true;
                    shared.push(record.body);
                    continue;
                }
                kind::CONTINUE if in_strings => {
                    shared.push(record.body);
                    continue;
                }
                _ => {}
            }
            in_strings = false;
            globals.add(record);
        }
        if globals.sheets.is_empty() && !globals.is_encrypted {
            return Err(Failure::damaged("it names no sheets"));
        }
        globals.read_strings(shared);
        Ok(globals)
    }

    fn add(&mut self, record: BiffRecord<'_>) {
        let body = record.body;
        match record.kind {
            DATE_1904 => self.is_1904 = u16_at(body, 0) == Some(1),
            FILE_PASS => self.is_encrypted = true,
            FONT if self.fonts.len() < MAX_ENTRIES => {
                if self.fonts.len() == MISSING_FONT {
                    self.fonts.push(CellFont::default());
                }
                self.fonts.push(parse_font(body));
            }
            FORMAT if self.formats.len() < MAX_ENTRIES => {
                let code = body.get(2..).and_then(plain_string);
                if let (Some(id), Some(code)) = (u16_at(body, 0), code) {
                    self.formats.insert(u32::from(id), code);
                }
            }
            XF if self.cells.len() < MAX_ENTRIES => {
                let font = usize::from(u16_at(body, 0).unwrap_or(0));
                let format = u32::from(u16_at(body, 2).unwrap_or(0));
                self.cells.push((format, font));
            }
            BOUND_SHEET if self.sheets.len() < MAX_SHEETS => {
                self.sheets.extend(parse_bound_sheet(body));
            }
            _ => {}
        }
    }

    fn read_strings(&mut self, chunks: Vec<&[u8]>) {
        let mut reader = RecordReader::new(chunks);
        if reader.skip(8).is_none() {
            return;
        }
        while let Some(text) = reader.rich_string() {
            if self.strings.len() >= MAX_STRINGS {
                return;
            }
            self.strings.push(text);
        }
    }
}

fn parse_font(body: &[u8]) -> CellFont {
    CellFont {
        is_struck: u16_at(body, 2).is_some_and(|flags| flags & 8 != 0),
        is_bold: u16_at(body, 6).is_some_and(|weight| weight >= 600),
        script: match u16_at(body, 8) {
            Some(1) => Script::Raised,
            Some(2) => Script::Lowered,
            _ => Script::Normal,
        },
    }
}

fn parse_bound_sheet(body: &[u8]) -> Option<BookSheet> {
    let count = usize::from(*body.get(6)?);
    Some(BookSheet {
        name: characters_at(body, 7, count)?,
        offset: usize::try_from(u32_at(body, 0)?).ok()?,
        is_hidden: body.get(4)? & 3 != 0,
        kind: match body.get(5)? {
            0 => SheetKind::Worksheet,
            1 => SheetKind::Macro,
            2 => SheetKind::Chart,
            _ => SheetKind::Other,
        },
    })
}
