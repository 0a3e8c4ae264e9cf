//! The text of a rich text file, one token after the other.

use super::tokens::{Token, Tokens};
use crate::formats::Failure;
use crate::formats::archive::damaged;
use crate::formats::flow::Flow;
use crate::formats::sections::plain_spaces;
use crate::formats::text::in_code_page;
use crate::wire::Info;
use cloister_domain::BlockKind;
use std::collections::HashMap;

/// Groups nest this deep at most.
const DEEPEST: usize = 500;
/// More fonts or styles than these are not told apart.
const MOST_ENTRIES: usize = 10_000;

/// What the text that comes is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Destination {
    /// The document.
    #[default]
    Body,
    /// Nothing that is read.
    Nowhere,
    /// The table of fonts.
    Fonts,
    /// The table of styles.
    Styles,
    /// The document's title.
    Title,
    /// The day of its last change.
    Day,
    /// The marker of a list's item.
    Marker,
}

/// What ends with the group in which it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Opened {
    #[default]
    Nothing,
    Note,
    Box,
    Marker,
}

/// What holds inside a group.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    destination: Destination,
    opened: Opened,
    hidden: bool,
    deleted: bool,
    in_table: bool,
    heading: Option<u8>,
    /// The Windows code page of the font.
    code_page: Option<u32>,
    /// How many characters stand for each that is given by number.
    stand_ins: usize,
}

#[derive(Debug, Default)]
struct Style {
    name: String,
    level: Option<u8>,
}

/// The table that is open.
#[derive(Clone, Copy, Debug, Default)]
struct Table {
    open: bool,
    row: bool,
    cell: bool,
}

/// Reads a file.
#[derive(Debug, Default)]
pub struct Reader {
    flow: Flow,
    state: State,
    groups: Vec<State>,
    /// Whether the next word may begin a destination that only some readers know.
    optional: bool,
    /// Characters to pass over, which stand for one that was given by number.
    passed: usize,
    bytes: Vec<u8>,
    units: Vec<u16>,
    table: Table,
    tables: Vec<Table>,
    code_page: u32,
    fonts: HashMap<i32, u32>,
    font: i32,
    styles: HashMap<i32, Style>,
    style: i32,
    marker: String,
    title: String,
    day: [i32; 3],
    noted: usize,
}

impl Reader {
    /// A reader that goes on with `flow`.
    pub fn into_flow(flow: Flow) -> Self {
        Self {
            flow,
            ..Self::default()
        }
    }

    /// Reads the whole file.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.code_page = 1252;
        self.state.stand_ins = 1;
        let mut tokens = Tokens::new(bytes);
        while let Some(token) = tokens.next() {
            match token {
                Token::Open => self.open()?,
                Token::Close => self.close(),
                Token::Byte(byte) | Token::Hex(byte) => self.byte(byte),
                Token::Symbol(b'*') => self.optional = true,
                Token::Symbol(symbol) => self.symbol(symbol),
                Token::Word("bin", length) => {
                    self.flush();
                    tokens.pass_over(length.and_then(|n| n.try_into().ok()).unwrap_or(0));
                }
                Token::Word(name, number) => self.word(name, number)?,
            }
        }
        self.flush();
        Ok(())
    }

    /// What there is to say of the file.
    pub fn info(&self, format: &str) -> Info {
        let title = plain_spaces(&self.title);
        let [year, month, day] = self.day;
        Info {
            format: format.to_owned(),
            title: (!title.is_empty()).then_some(title),
            date: crate::formats::xml::day(&format!("{year:04}-{month:02}-{day:02}")),
            ..Info::default()
        }
    }

    /// What was read, with every table closed.
    pub fn flow(mut self) -> Flow {
        self.state.in_table = false;
        while let Some(outer) = self.tables.pop() {
            let items = self.flow.take_aside();
            self.flow.put_beside(items);
            self.table = outer;
        }
        // Outside of a table, this closes the one that is open.
        let _closed = self.place();
        self.flow.end();
        self.flow
    }

    fn open(&mut self) -> Result<(), Failure> {
        self.flush();
        self.passed = 0;
        if self.groups.len() >= DEEPEST {
            return Err(damaged("its groups are nested too deeply"));
        }
        self.groups.push(self.state);
        self.state.opened = Opened::Nothing;
        Ok(())
    }

    fn close(&mut self) {
        self.flush();
        self.passed = 0;
        self.optional = false;
        match self.state.opened {
            Opened::Nothing => {}
            Opened::Note | Opened::Box => self.aside_ends(),
            Opened::Marker => {
                let marker = plain_spaces(&std::mem::take(&mut self.marker));
                if !marker.is_empty() && !matches!(self.flow.kind(), BlockKind::Heading(_)) {
                    self.flow.set_kind(BlockKind::ListItem);
                }
                // Bullets of symbol fonts are letters that mean nothing without them.
                let worded = marker.chars().any(|c| c.is_ascii_alphanumeric());
                let marker = if worded { marker.as_str() } else { "•" };
                self.flow.set_marker(marker);
            }
        }
        if let Some(outer) = self.groups.pop() {
            self.state = outer;
        }
    }

    fn aside_ends(&mut self) {
        let items = self.flow.take_aside();
        self.table = self.tables.pop().unwrap_or_default();
        if self.state.opened == Opened::Note {
            self.noted += 1;
            self.flow.note(&self.noted.to_string(), items);
        } else {
            self.flow.put_beside(items);
        }
    }

    fn aside_begins(&mut self, opened: Opened) -> Result<(), Failure> {
        self.place()?;
        self.tables.push(std::mem::take(&mut self.table));
        self.state.opened = opened;
        self.state.in_table = false;
        self.flow.open_aside()
    }

    fn byte(&mut self, byte: u8) {
        if self.passed > 0 {
            self.passed -= 1;
            return;
        }
        if !self.units.is_empty() {
            self.flush();
        }
        self.bytes.push(byte);
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'~' => self.say(" "),
            b'_' => self.say("-"),
            b'\\' | b'{' | b'}' => self.byte(symbol),
            b'\r' | b'\n' => self.paragraph_ends(),
            _ => {}
        }
    }

    /// Characters that were collected are the text's.
    fn flush(&mut self) {
        if !self.units.is_empty() {
            let units = std::mem::take(&mut self.units);
            self.write(&String::from_utf16_lossy(&units));
        }
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            let page = self.state.code_page.unwrap_or(self.code_page);
            self.write(&in_code_page(&bytes, page));
        }
    }

    fn say(&mut self, text: &str) {
        self.flush();
        self.write(text);
    }

    fn write(&mut self, text: &str) {
        match self.state.destination {
            Destination::Body if self.state.hidden || self.state.deleted => {}
            Destination::Body => {
                if self.place().is_ok() {
                    self.flow.text(text);
                }
            }
            Destination::Title => self.title.push_str(text),
            Destination::Marker => self.marker.push_str(text),
            Destination::Styles => {
                if let Some(style) = self.styles.get_mut(&self.style) {
                    style.name.push_str(text);
                }
            }
            Destination::Nowhere | Destination::Fonts | Destination::Day => {}
        }
    }

    /// Opens the cell, or closes the table, that the text which comes calls for.
    fn place(&mut self) -> Result<(), Failure> {
        if !self.state.in_table {
            if std::mem::take(&mut self.table).open {
                self.flow.close_table();
            }
            return Ok(());
        }
        if !self.table.open {
            self.flow.open_table()?;
        }
        if !self.table.row {
            self.flow.open_row();
        }
        if !self.table.cell {
            self.flow.open_cell(1)?;
        }
        self.table = Table {
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
        if let Some(level) = level.filter(|_| !self.flow.is_empty()) {
            self.flow.set_kind(BlockKind::Heading(level));
        }
        self.flow.end();
    }

    fn word(&mut self, name: &str, number: Option<i32>) -> Result<(), Failure> {
        let optional = std::mem::take(&mut self.optional);
        if name == "u" {
            self.unit(number.unwrap_or(0));
            return Ok(());
        }
        self.flush();
        self.passed = 0;
        if self.destination(name, optional)? {
            return Ok(());
        }
        match self.state.destination {
            Destination::Fonts => self.font_word(name, number),
            Destination::Styles => self.style_word(name, number),
            Destination::Day => self.day_word(name, number.unwrap_or(0)),
            Destination::Nowhere | Destination::Title => {}
            Destination::Body | Destination::Marker => {
                self.character_word(name, number);
                self.paragraph_word(name, number)?;
            }
        }
        match (name, number) {
            ("uc", Some(count)) => {
                self.state.stand_ins = usize::try_from(count).unwrap_or(1).min(16);
            }
            ("ansicpg", Some(page)) => self.code_page = u32::try_from(page).unwrap_or(1252),
            ("mac", _) => self.code_page = 10000,
            _ => {}
        }
        Ok(())
    }

    /// A character by its number, followed by others that stand for it in old programs.
    fn unit(&mut self, number: i32) {
        if !self.bytes.is_empty() {
            self.flush();
        }
        let unit = u16::try_from(number.rem_euclid(65_536)).unwrap_or(0);
        self.units.push(unit);
        self.passed = self.state.stand_ins;
    }

    /// Whether the word begins a destination; then the group is read as such.
    fn destination(&mut self, name: &str, optional: bool) -> Result<bool, Failure> {
        if self.state.destination == Destination::Nowhere && name != "ud" {
            return Ok(false);
        }
        let destination = match name {
            "fonttbl" => Destination::Fonts,
            "stylesheet" => Destination::Styles,
            "title" => Destination::Title,
            "revtim" => Destination::Day,
            "ud" | "shpinst" | "shptxt" | "fldrslt" | "result" | "info" => Destination::Body,
            "listtext" | "pntext" => {
                self.state.opened = Opened::Marker;
                Destination::Marker
            }
            "footnote" => {
                self.aside_begins(Opened::Note)?;
                return Ok(true);
            }
            "colortbl" | "pict" | "header" | "headerl" | "headerr" | "headerf" | "footer"
            | "footerl" | "footerr" | "footerf" | "fldinst" | "upr" | "sp" | "author"
            | "operator" | "subject" | "keywords" | "doccomm" | "company" | "manager"
            | "category" | "comment" | "creatim" | "printim" | "buptim" | "annotation"
            | "atnid" | "atnauthor" | "nonshppict" | "xe" | "tc" | "bkmkstart" | "bkmkend"
            | "template" | "vern" | "nofpages" | "listtable" | "listoverridetable" | "filetbl"
            | "revtbl" | "rsidtbl" | "themedata" | "do" => Destination::Nowhere,
            "cs" | "ds" if optional && self.state.destination == Destination::Styles => {
                return Ok(false);
            }
            _ if optional => Destination::Nowhere,
            _ => return Ok(false),
        };
        if name == "shptxt" {
            self.aside_begins(Opened::Box)?;
        }
        self.state.destination = destination;
        Ok(true)
    }

    fn font_word(&mut self, name: &str, number: Option<i32>) {
        match (name, number) {
            ("f", Some(font)) => self.font = font,
            ("fcharset", Some(charset)) if self.fonts.len() < MOST_ENTRIES => {
                if let Some(page) = code_page(charset) {
                    self.fonts.insert(self.font, page);
                }
            }
            _ => {}
        }
    }

    fn style_word(&mut self, name: &str, number: Option<i32>) {
        match (name, number) {
            ("s", Some(style)) if self.styles.len() < MOST_ENTRIES => {
                self.style = style;
                self.styles.insert(style, Style::default());
            }
            // A style for characters has no name that matters here.
            ("cs" | "ts" | "ds", Some(_)) => self.style = i32::MIN,
            ("outlinelevel", Some(level)) => {
                if let Some(style) = self.styles.get_mut(&self.style) {
                    style.level = heading(level);
                }
            }
            _ => {}
        }
    }

    fn day_word(&mut self, name: &str, number: i32) {
        let [year, month, day] = &mut self.day;
        match name {
            "yr" => *year = number,
            "mo" => *month = number,
            "dy" => *day = number,
            _ => {}
        }
    }

    fn character_word(&mut self, name: &str, number: Option<i32>) {
        let on = number != Some(0);
        match name {
            "plain" => {
                self.state.hidden = false;
                self.state.deleted = false;
                self.state.code_page = None;
            }
            "v" => self.state.hidden = on,
            "deleted" => self.state.deleted = on,
            "f" => self.state.code_page = self.fonts.get(&number.unwrap_or(0)).copied(),
            "tab" | "line" | "page" | "column" | "enspace" | "emspace" | "qmspace" | "nestcell"
            | "nestrow" => self.write(" "),
            "emdash" => self.write("—"),
            "endash" => self.write("–"),
            "bullet" => self.write("•"),
            "lquote" => self.write("‘"),
            "rquote" => self.write("’"),
            "ldblquote" => self.write("“"),
            "rdblquote" => self.write("”"),
            _ => {}
        }
    }

    fn paragraph_word(&mut self, name: &str, number: Option<i32>) -> Result<(), Failure> {
        match name {
            "par" | "sect" => {
                self.place()?;
                self.paragraph_ends();
            }
            "pard" => {
                self.state.in_table = false;
                self.state.heading = None;
            }
            "intbl" => self.state.in_table = true,
            "outlinelevel" => self.state.heading = number.and_then(heading),
            "s" => {
                let style = self.styles.get(&number.unwrap_or(0));
                self.state.heading = style.and_then(Style::heading);
            }
            "cell" => {
                self.state.in_table = true;
                self.place()?;
                self.paragraph_ends();
                self.flow.close_cell();
                self.table.cell = false;
            }
            "row" => {
                self.table.row = false;
                self.table.cell = false;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Style {
    fn heading(&self) -> Option<u8> {
        let name = self.name.trim().trim_end_matches(';').to_lowercase();
        let numbered = name.strip_prefix("heading ");
        let numbered = numbered.and_then(|n| n.trim().parse::<u8>().ok());
        let named = numbered.filter(|level| (1..=9).contains(level));
        named.or((name == "title").then_some(1)).or(self.level)
    }
}

fn heading(outline_level: i32) -> Option<u8> {
    let level = u8::try_from(outline_level).ok()?;
    (level < 9).then_some(level + 1)
}

/// The code page of a font's character set.
const fn code_page(charset: i32) -> Option<u32> {
    Some(match charset {
        77 => 10000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut reader = Reader::default();
        assert!(reader.read(text.as_bytes()).is_ok());
        let pages = reader.flow().finish().finish();
        let found: Vec<_> = pages.iter().map(|f| f.page.content.text.as_str()).collect();
        assert_eq!(found.join("\n"), expected, "{text}");
    }

    #[test]
    fn characters_are_read_whatever_way_they_are_written() {
        check(
            r"{\rtf1\ansi\ansicpg1252 M\'fcnze \{a\}\~b\par}",
            "Münze {a} b",
        );
        check(r"{\rtf1\uc1 a\u8211-3 \u-3913?b}", "a–3 \u{f0b7}b");
        check(r"{\rtf1{\uc2 \u228\'c3\'a4}\u228 a}", "ää");
        check(r"{\rtf1\u55357?\u56898?}", "🙂");
        check(
            r"{\rtf1{\fonttbl{\f0\fcharset204 Arial;}}\f0 \'c4\'e0\par\plain \'c4}",
            "Да\nÄ",
        );
        check(r"{\rtf1{\upr{a}{\*\ud{\u228 a}}}b}", "äb");
        check(r"{\rtf1 a\bin5 }}}}}b}", "ab");
        check(r"{\rtf1 a\bin99999999 b}", "a");
    }

    #[test]
    fn what_is_hidden_deleted_or_for_programs_is_left_out() {
        check(
            r"{\rtf1{\info{\title T}{\author A}}{\header H}a{\v b}\deleted c\deleted0  d{\*\x e}{\pict 00ff}{\field{\*\fldinst X}{\fldrslt f}}\par}",
            "a df",
        );
    }

    #[test]
    fn headings_lists_tables_and_notes_are_told_apart() {
        check(
            r"{\rtf1{\stylesheet{\s1 heading 1;}{\*\cs2 Strong;}{\s3\outlinelevel1 Own;}}
            \pard\s1 One\par\pard{\listtext 1.\tab}Wash{\footnote Well.}\par{\pntext\'b7\tab}Dry\par
            \trowd\pard\intbl Day\cell Hours\cell\row\trowd\intbl Monday\cell 9\par to 5\cell\row\pard
            \s3 Two\par\pard End\par}",
            "One\n1. Wash [1]\n[1] Well.\n• Dry\nDay | Hours\nMonday | 9 to 5\nTwo\nEnd",
        );
    }

    #[test]
    fn groups_without_end_are_refused() {
        let mut reader = Reader::default();
        assert!(reader.read("{".repeat(100_000).as_bytes()).is_err());
    }
}
