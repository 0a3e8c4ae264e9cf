//! Reading rich text, one token at a time.

mod fields;
mod header;
mod words;

use super::destination::Destination;
use super::styles::RtfStyle;
use super::tokens::{Token, Tokens};
use crate::formats::Failure;
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock, CellPlacement, CellShape};
use crate::formats::common::encoding::decode_code_page;
use crate::formats::common::scripts::{Script, write_struck};
use crate::formats::common::symbols::SymbolFont;
use crate::formats::common::whitespace::normalize_whitespace;
use crate::wire::Info;
use cloister_domain::{BlockKind, OmissionKind};
use fields::{RtfFormField, field_text};
use std::collections::HashMap;

/// Maximum nesting depth of groups.
const MAX_DEPTH: usize = 500;
/// Maximum number of blocks in headers and footers.
const MAX_MARGINS: usize = 500;

/// What ends at the end of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum GroupEnd {
    #[default]
    Nothing,
    Note,
    Box,
    Marker,
    Comment,
    Margin,
    Instruction,
}

/// The state of a group.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact about the text"
)]
#[derive(Clone, Copy, Debug, Default)]
struct GroupState {
    destination: Destination,
    opened: GroupEnd,
    hidden: bool,
    deleted: bool,
    bold: bool,
    struck: bool,
    script: Script,
    /// The current font, if it is a symbol font.
    symbol_font: Option<SymbolFont>,
    in_table: bool,
    heading: Option<u8>,
    /// The Windows code page of the current font.
    code_page: Option<u32>,
    /// The number of fallback characters after each Unicode character (`\uc`).
    fallback_chars: usize,
}

/// Maximum number of cells of a row.
const MAX_CELLS: usize = 1_000;

/// The open table.
#[derive(Clone, Copy, Debug, Default)]
struct TableState {
    open: bool,
    row: bool,
    cell: bool,
}

/// Reads a file.
#[derive(Debug, Default)]
pub struct RtfReader {
    builder: BlockBuilder,
    state: GroupState,
    groups: Vec<GroupState>,
    /// Whether the next control word may start a destination that readers may ignore (`\*`).
    optional: bool,
    /// Number of fallback characters that are still to be skipped.
    skip_chars: usize,
    bytes: Vec<u8>,
    units: Vec<u16>,
    table: TableState,
    tables: Vec<TableState>,
    /// The cells that the open row defines, and the definition of the next one.
    cells: Vec<CellPlacement>,
    next_cell: CellPlacement,
    is_header_row: bool,
    code_page: u32,
    fonts: HashMap<i32, u32>,
    font: i32,
    styles: HashMap<i32, RtfStyle>,
    style: i32,
    marker: String,
    title: String,
    day: [i32; 3],
    note_count: usize,
    /// The names of symbol fonts, and the name of the font that is being defined.
    symbol_fonts: HashMap<i32, SymbolFont>,
    font_name: String,
    /// The code of the open field, and the data of its field of a form.
    instruction: String,
    form: RtfFormField,
    /// What the field that has just ended shows.
    field_shown: String,
    /// Headers and footers.
    margins: Vec<BuiltBlock>,
}

impl RtfReader {
    /// A reader that appends to `builder`.
    pub fn with_builder(builder: BlockBuilder) -> Self {
        Self {
            builder,
            ..Self::default()
        }
    }

    /// Reads the entire file.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.code_page = 1252;
        self.state.fallback_chars = 1;
        let mut tokens = Tokens::new(bytes);
        while let Some(token) = tokens.next() {
            match token {
                Token::Open => self.open_group()?,
                Token::Close => self.close_group(),
                Token::Byte(byte) | Token::Hex(byte) => self.push_byte(byte),
                Token::Symbol(b'*') => self.optional = true,
                Token::Symbol(symbol) => self.control_symbol(symbol),
                Token::Word("bin", length) => {
                    self.flush();
                    tokens.skip_bytes(length.and_then(|n| n.try_into().ok()).unwrap_or(0));
                }
                Token::Word(name, number) => self.control_word(name, number)?,
            }
        }
        self.flush();
        Ok(())
    }

    /// The information about the file.
    pub fn info(&self, format: &str) -> Info {
        let title = normalize_whitespace(&self.title);
        let [year, month, day] = self.day;
        Info {
            format: format.to_owned(),
            title: (!title.is_empty()).then_some(title),
            date: crate::formats::common::xml::parse_day(&format!("{year:04}-{month:02}-{day:02}")),
            ..Info::default()
        }
    }

    /// Closes every open table and returns the builder.
    pub fn builder(mut self) -> BlockBuilder {
        self.state.in_table = false;
        while let Some(outer) = self.tables.pop() {
            let items = self.builder.take_float();
            self.builder.append_float(items);
            self.table = outer;
        }
        // Outside of a table, this closes the open table.
        let _closed = self.sync_table();
        self.builder.end_paragraph();
        let margins = std::mem::take(&mut self.margins);
        self.builder.append_float(margins);
        self.builder
    }

    fn open_group(&mut self) -> Result<(), Failure> {
        self.flush();
        self.skip_chars = 0;
        if self.groups.len() >= MAX_DEPTH {
            return Err(Failure::damaged("its groups are nested too deeply"));
        }
        self.groups.push(self.state);
        self.state.opened = GroupEnd::Nothing;
        Ok(())
    }

    fn close_group(&mut self) {
        self.flush();
        self.skip_chars = 0;
        self.optional = false;
        match self.state.opened {
            GroupEnd::Nothing => {}
            GroupEnd::Note | GroupEnd::Box | GroupEnd::Comment | GroupEnd::Margin => {
                self.end_float();
            }
            GroupEnd::Instruction => {
                let code = std::mem::take(&mut self.instruction);
                let form = std::mem::take(&mut self.form);
                self.field_shown = match form.kind {
                    Some(_) => form.shown(),
                    None => field_text(&code).unwrap_or_default(),
                };
            }
            GroupEnd::Marker => {
                let marker = normalize_whitespace(&std::mem::take(&mut self.marker));
                if !marker.is_empty() && !matches!(self.builder.kind(), BlockKind::Heading(_)) {
                    self.builder.set_kind(BlockKind::ListItem);
                }
                // Bullets of symbol fonts are letters that mean nothing without the font.
                let worded = marker.chars().any(|c| c.is_ascii_alphanumeric());
                let marker = if worded { marker.as_str() } else { "•" };
                self.builder.set_marker(marker);
            }
        }
        if let Some(outer) = self.groups.pop() {
            self.state = outer;
        }
        let shown = std::mem::take(&mut self.field_shown);
        if !shown.is_empty() {
            self.push_text(&shown);
        }
    }

    fn end_float(&mut self) {
        let mut items = self.builder.take_float();
        self.table = self.tables.pop().unwrap_or_default();
        match self.state.opened {
            GroupEnd::Note => {
                self.note_count += 1;
                self.builder
                    .append_note(&self.note_count.to_string(), items);
            }
            GroupEnd::Margin => {
                for item in items {
                    let has_words = matches!(&item, BuiltBlock::Block(_, text) if text.chars().any(char::is_alphabetic))
                        || matches!(&item, BuiltBlock::Row(_));
                    if has_words
                        && !self.margins.contains(&item)
                        && self.margins.len() < MAX_MARGINS
                    {
                        self.margins.push(item);
                    }
                }
            }
            GroupEnd::Comment => {
                if let Some(BuiltBlock::Block(_, text)) = items.first_mut() {
                    text.insert_str(0, "Comment: ");
                }
                self.builder.append_float(items);
            }
            GroupEnd::Nothing | GroupEnd::Box | GroupEnd::Marker | GroupEnd::Instruction => {
                self.builder.append_float(items);
            }
        }
    }

    fn begin_float(&mut self, opened: GroupEnd) -> Result<(), Failure> {
        self.sync_table()?;
        self.tables.push(std::mem::take(&mut self.table));
        self.state.opened = opened;
        self.state.in_table = false;
        self.builder.open_float()
    }

    fn push_byte(&mut self, byte: u8) {
        if self.skip_chars > 0 {
            self.skip_chars -= 1;
            return;
        }
        if !self.units.is_empty() {
            self.flush();
        }
        self.bytes.push(byte);
    }

    fn control_symbol(&mut self, symbol: u8) {
        match symbol {
            b'~' => self.push_char(" "),
            b'_' => self.push_char("-"),
            b'\\' | b'{' | b'}' => self.push_byte(symbol),
            b'\r' | b'\n' => self.paragraph_ends(),
            _ => {}
        }
    }

    /// Writes the characters collected so far.
    fn flush(&mut self) {
        if !self.units.is_empty() {
            let units = std::mem::take(&mut self.units);
            self.push_text(&String::from_utf16_lossy(&units));
        }
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            let page = self.state.code_page.unwrap_or(self.code_page);
            self.push_text(&decode_code_page(&bytes, page));
        }
    }

    fn push_char(&mut self, text: &str) {
        self.flush();
        self.push_text(text);
    }

    fn push_text(&mut self, text: &str) {
        match self.state.destination {
            Destination::Body if self.state.deleted => {
                self.leave_out(OmissionKind::DeletedText);
            }
            Destination::Body if self.state.hidden => self.leave_out(OmissionKind::HiddenText),
            Destination::Body => {
                if self.sync_table().is_ok() {
                    let text = match self.state.symbol_font {
                        Some(font) => font.write(text),
                        None => self.state.script.write(text),
                    };
                    let text = if self.state.struck {
                        write_struck(&text)
                    } else {
                        text
                    };
                    self.builder.note_weight(&text, self.state.bold);
                    self.builder.push_text(&text);
                }
            }
            Destination::Instruction => self.instruction.push_str(text),
            Destination::FormEntry => self.form.entries.push(text.trim().to_owned()),
            Destination::Fonts => self.font_name_piece(text),
            Destination::Title => self.title.push_str(text),
            Destination::Marker => self.marker.push_str(text),
            Destination::Styles => {
                if let Some(style) = self.styles.get_mut(&self.style) {
                    style.name.push_str(text);
                }
            }
            Destination::Ignored | Destination::Day | Destination::FormField => {}
        }
    }

    fn leave_out(&mut self, kind: OmissionKind) {
        self.builder.sections.account.leave_out(kind, 1);
    }

    /// Opens a table, row and cell, or closes the table, as the following text requires.
    fn sync_table(&mut self) -> Result<(), Failure> {
        if !self.state.in_table {
            if std::mem::take(&mut self.table).open {
                self.builder.close_table();
            }
            return Ok(());
        }
        if !self.table.open {
            self.builder.open_table()?;
        }
        if !self.table.row {
            self.builder.open_row();
        }
        if !self.table.cell {
            self.builder.open_cell(CellShape::default())?;
        }
        self.table = TableState {
            open: true,
            row: true,
            cell: true,
        };
        Ok(())
    }

    fn paragraph_ends(&mut self) {
        self.flush();
        if self.state.destination != Destination::Body {
            return;
        }
        let level = self.state.heading;
        if let Some(level) = level.filter(|_| !self.builder.is_empty()) {
            self.builder.set_kind(BlockKind::Heading(level));
        }
        self.builder.end_paragraph();
    }

    fn control_word(&mut self, name: &str, number: Option<i32>) -> Result<(), Failure> {
        let optional = std::mem::take(&mut self.optional);
        if name == "u" {
            self.push_unicode(number.unwrap_or(0));
            return Ok(());
        }
        self.flush();
        self.skip_chars = 0;
        if self.destination(name, optional)? {
            return Ok(());
        }
        match self.state.destination {
            Destination::Fonts => self.font_word(name, number),
            Destination::Styles => self.style_word(name, number),
            Destination::Day => self.day_word(name, number.unwrap_or(0)),
            Destination::FormField => self.form.control_word(name, number),
            Destination::Ignored
            | Destination::Title
            | Destination::Instruction
            | Destination::FormEntry => {}
            Destination::Body | Destination::Marker => {
                self.character_word(name, number);
                self.paragraph_word(name, number)?;
            }
        }
        match (name, number) {
            ("uc", Some(count)) => {
                self.state.fallback_chars = usize::try_from(count).unwrap_or(1).min(16);
            }
            ("ansicpg", Some(page)) => self.code_page = u32::try_from(page).unwrap_or(1252),
            ("mac", _) => self.code_page = 10000,
            _ => {}
        }
        Ok(())
    }

    /// Appends a UTF-16 code unit. Fallback characters for older programs follow it.
    fn push_unicode(&mut self, number: i32) {
        if !self.bytes.is_empty() {
            self.flush();
        }
        let unit = u16::try_from(number.rem_euclid(65_536)).unwrap_or(0);
        self.units.push(unit);
        self.skip_chars = self.state.fallback_chars;
    }

    /// Handles a control word that starts a destination. Returns whether it was one.
    fn destination(&mut self, name: &str, optional: bool) -> Result<bool, Failure> {
        if self.state.destination == Destination::Ignored && name != "ud" {
            return Ok(false);
        }
        let float = match name {
            "footnote" => Some(GroupEnd::Note),
            "annotation" => Some(GroupEnd::Comment),
            "header" | "headerl" | "headerr" | "headerf" | "footer" | "footerl" | "footerr"
            | "footerf" => Some(GroupEnd::Margin),
            _ => None,
        };
        if let Some(float) = float {
            self.begin_float(float)?;
            self.state.destination = Destination::Body;
            return Ok(true);
        }
        // `cs` and `ds` in the style sheet start an entry for a character or section style.
        let starts_style = self.state.destination == Destination::Styles;
        if optional && starts_style && matches!(name, "cs" | "ds") {
            return Ok(false);
        }
        let Some(destination) = Destination::from_control_word(name, optional) else {
            return Ok(false);
        };
        if name == "pict" {
            self.leave_out(OmissionKind::Picture);
        }
        if destination == Destination::Marker {
            self.state.opened = GroupEnd::Marker;
        }
        if destination == Destination::Instruction {
            self.instruction.clear();
            self.state.opened = GroupEnd::Instruction;
        }
        if name == "shptxt" {
            self.begin_float(GroupEnd::Box)?;
        }
        self.state.destination = destination;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
