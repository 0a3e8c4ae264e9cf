//! The cells of one sheet.

use super::cell_styles::{CellStyle, CellStyles};
use super::number_format;
use super::rich_text::RichText;
use super::shared_strings::SharedStrings;
use crate::formats::Failure;
use crate::formats::common::sheets::{MergedCells, Sheet};
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};

/// Maximum length of a formula that is shown.
const MAX_FORMULA_CHARS: usize = 120;

/// Maximum number of prompts of cells that are read.
const MAX_PROMPTS: usize = 10_000;

/// What was read of a sheet.
#[derive(Debug)]
pub struct SheetParts {
    /// Its cells.
    pub cells: Sheet,
    /// The number of formulas without a value.
    pub formulas: usize,
    /// The headers and footers of its printed pages, and what it says to people who fill in a cell.
    pub margins: Vec<String>,
}

/// Reads the cells of a sheet.
#[derive(Debug)]
pub struct WorksheetReader<'a> {
    styles: &'a CellStyles,
    strings: &'a SharedStrings,
    is_1904: bool,
    parts: SheetParts,
    row: u32,
    column: u32,
    kind: String,
    style: usize,
    value: String,
    formula: Option<String>,
    rich: RichText,
    inside: Inside,
    failure: Option<Failure>,
    is_plain: bool,
    is_bold: bool,
}

/// Whose text follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Nothing,
    Value,
    Formula,
    Text,
    Margin,
}

/// Reads a sheet.
pub fn read_worksheet(xml: &str, mut reader: WorksheetReader<'_>) -> Result<SheetParts, Failure> {
    parse_xml(xml, &mut reader)?;
    match reader.failure {
        Some(failure) => Err(failure),
        None => Ok(reader.parts),
    }
}

impl<'a> WorksheetReader<'a> {
    /// A reader for the sheet of this name.
    pub fn new(
        name: &str,
        styles: &'a CellStyles,
        strings: &'a SharedStrings,
        is_1904: bool,
    ) -> Self {
        Self {
            styles,
            strings,
            is_1904,
            parts: SheetParts {
                cells: Sheet::new(Some(name)),
                formulas: 0,
                margins: Vec::new(),
            },
            row: 0,
            column: 0,
            kind: String::new(),
            style: 0,
            value: String::new(),
            formula: None,
            rich: RichText::default(),
            inside: Inside::Nothing,
            failure: None,
            is_plain: false,
            is_bold: false,
        }
    }

    fn begin_row(&mut self, tag: &XmlTag<'_>) {
        let number: Option<u32> = tag.parse_attribute("r");
        // Rows and cells without a number follow the ones before them.
        self.row = number.map_or(self.row + 1, |number| number.max(1)).max(1);
        self.column = 0;
        self.is_plain = false;
        self.is_bold = false;
        if tag.attribute("hidden").is_some() && tag.is_on("hidden") {
            self.parts.cells.mark_hidden_row(self.row - 1);
        }
    }

    fn begin_cell(&mut self, tag: &XmlTag<'_>) {
        let place = tag.attribute("r").and_then(|cell| parse_cell(&cell));
        if let Some((row, column)) = place {
            self.row = row + 1;
            self.column = column;
        }
        self.kind = tag.attribute("t").unwrap_or_default();
        self.style = tag.parse_attribute("s").unwrap_or(0);
        self.value.clear();
        self.formula = None;
        self.rich = RichText::default();
    }

    fn end_cell(&mut self) {
        let style = self.styles.get(self.style);
        let mut text = self.cell_text(style);
        if let Some(style) = style.filter(|_| !text.is_empty()) {
            text = style.mark(&text);
        }
        let is_bold = style.is_some_and(|style| style.is_bold);
        if !text.is_empty() {
            self.is_plain |= !is_bold;
            self.is_bold |= is_bold;
            if self.is_plain {
                self.parts.cells.mark_plain(self.row - 1);
            }
        }
        if let Err(failure) = self.parts.cells.push_cell(self.row - 1, self.column, &text) {
            self.failure.get_or_insert(failure);
        }
        self.column = self.column.saturating_add(1);
    }

    fn cell_text(&mut self, style: Option<&CellStyle>) -> String {
        let value = std::mem::take(&mut self.value);
        let format = style.map_or("", |style| style.format.as_str());
        if value.is_empty() && self.kind != "inlineStr" {
            return match self.formula.take() {
                Some(formula) => self.uncalculated(&formula),
                None => String::new(),
            };
        }
        match self.kind.as_str() {
            "s" => {
                let text = value
                    .trim()
                    .parse()
                    .map_or("", |number| self.strings.get(number));
                number_format::format_text(text, format)
            }
            "inlineStr" => number_format::format_text(&self.rich.take(), format),
            "str" => number_format::format_text(&value, format),
            "b" => if value.trim() == "1" { "TRUE" } else { "FALSE" }.to_owned(),
            "e" => value,
            "d" => value.replace('T', " "),
            _ => match value.trim().parse::<f64>() {
                Ok(number) => match style {
                    Some(style) => style.write_number(number, self.is_1904),
                    None => number_format::format_general(number),
                },
                Err(_) => value,
            },
        }
    }

    /// A formula whose value is not in the file.
    fn uncalculated(&mut self, formula: &str) -> String {
        self.parts.formulas += 1;
        let short: String = formula.trim().chars().take(MAX_FORMULA_CHARS).collect();
        if short.is_empty() {
            "(formula, not calculated)".to_owned()
        } else {
            format!("={short}")
        }
    }

    /// Keeps what a sheet says to people who fill in a cell.
    fn note_prompt(&mut self, tag: &XmlTag<'_>) {
        let words = ["promptTitle", "prompt"].map(|name| tag.attribute(name).unwrap_or_default());
        let words: Vec<&str> = words.iter().map(|text| text.trim()).collect();
        let text = words.join(": ").trim_matches([':', ' ']).to_owned();
        if !text.is_empty() && self.parts.margins.len() < MAX_PROMPTS {
            let cells = tag.attribute("sqref").unwrap_or_default();
            let text = format!("Prompt on {cells}: {text}");
            if !self.parts.margins.contains(&text) {
                self.parts.margins.push(text);
            }
        }
    }
}

impl XmlHandler for WorksheetReader<'_> {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        match tag.local() {
            "row" => self.begin_row(tag),
            "c" => self.begin_cell(tag),
            "v" => self.inside = Inside::Value,
            "f" => {
                self.formula = Some(String::new());
                self.inside = Inside::Formula;
            }
            "is" => self.inside = Inside::Text,
            "oddHeader" | "oddFooter" | "evenHeader" | "evenFooter" | "firstHeader"
            | "firstFooter" => {
                self.value.clear();
                self.inside = Inside::Margin;
            }
            "mergeCell" => {
                let range = tag.attribute("ref").and_then(|range| parse_range(&range));
                if let Some(range) = range {
                    self.parts.cells.merge(range);
                }
            }
            "dataValidation" => self.note_prompt(tag),
            "autoFilter" => {
                let range = tag.attribute("ref").and_then(|range| parse_range(&range));
                if let Some(range) = range.filter(|range| range.right > range.left) {
                    self.parts.cells.mark_header(range.top);
                }
            }
            "col" if tag.attribute("hidden").is_some() && tag.is_on("hidden") => {
                let first: u32 = tag.parse_attribute("min").unwrap_or(1);
                let last: u32 = tag.parse_attribute("max").unwrap_or(first);
                let cells = &mut self.parts.cells;
                cells.mark_hidden_columns(first.saturating_sub(1), last.saturating_sub(1));
            }
            _ => {}
        }
        if self.inside == Inside::Text {
            self.rich.start(tag);
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        let local = name.rsplit(':').next().unwrap_or_default();
        if self.inside == Inside::Text {
            self.rich.end(local);
        }
        match local {
            "v" | "f" | "is" => self.inside = Inside::Nothing,
            "c" => self.end_cell(),
            _ if self.inside == Inside::Margin => {
                self.inside = Inside::Nothing;
                let text = plain_margin(&std::mem::take(&mut self.value));
                if text.chars().any(char::is_alphabetic) && !self.parts.margins.contains(&text) {
                    self.parts.margins.push(text);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        match self.inside {
            Inside::Nothing => {}
            Inside::Value | Inside::Margin => self.value.push_str(text),
            Inside::Formula => {
                if let Some(formula) = &mut self.formula {
                    formula.push_str(text);
                }
            }
            Inside::Text => self.rich.text(text),
        }
    }
}

/// The words of a header or footer, without the codes for fonts, places and page numbers.
fn plain_margin(code: &str) -> String {
    let mut plain = String::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '&' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('&') => plain.push('&'),
            Some('"') => {
                chars.by_ref().find(|c| *c == '"');
            }
            Some('L' | 'C' | 'R') => plain.push(' '),
            Some('K') => {
                chars.by_ref().take(6).for_each(drop);
            }
            Some(digit) if digit.is_ascii_digit() => {
                while chars.next_if(char::is_ascii_digit).is_some() {}
            }
            _ => {}
        }
    }
    crate::formats::common::whitespace::normalize_whitespace(&plain)
}

/// Row and column of a cell, counted from 0: `B3` is row 2 and column 1.
fn parse_cell(cell: &str) -> Option<(u32, u32)> {
    let cell = cell.trim();
    let digits = cell.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '$');
    let letters = cell.strip_suffix(digits)?;
    let mut column: u32 = 0;
    for letter in letters.bytes().filter(u8::is_ascii_alphabetic) {
        let digit = u32::from(letter.to_ascii_uppercase() - b'A') + 1;
        column = column.checked_mul(26)?.checked_add(digit)?;
    }
    let row: u32 = digits.trim_start_matches('$').parse().ok()?;
    Some((row.checked_sub(1)?, column.checked_sub(1)?))
}

/// A range such as `A2:C4`.
pub fn parse_range(range: &str) -> Option<MergedCells> {
    let (first, last) = range.split_once(':').unwrap_or((range, range));
    let ((top, left), (bottom, right)) = (parse_cell(first)?, parse_cell(last)?);
    Some(MergedCells {
        top,
        left,
        bottom,
        right,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_and_ranges_are_parsed() {
        assert_eq!(parse_cell("B3"), Some((2, 1)));
        assert_eq!(parse_cell("$AA$10"), Some((9, 26)));
        for wrong in ["", "A", "1", "A0", "ÄB1", "ZZZZZZZZZZ1"] {
            assert_eq!(parse_cell(wrong), None, "{wrong}");
        }
        let range = MergedCells {
            top: 1,
            left: 0,
            bottom: 3,
            right: 2,
        };
        assert_eq!(parse_range("A2:C4"), Some(range));
    }
}
