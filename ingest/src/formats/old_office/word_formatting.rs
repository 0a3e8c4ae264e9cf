//! The formatting of an old Word document that changes the meaning of its text: raised, lowered,
//! struck out, hidden and deleted characters (MS-DOC 2.8.25, 2.9.33).

use crate::formats::common::ole;
use crate::formats::common::scripts::{Script, write_struck};

/// Where the table of the pages with formatting is named in the file information block.
const FORMATTING_TABLE: usize = 0x00FA;
/// Size of a page with formatting.
const PAGE_BYTES: usize = 512;
/// Maximum number of runs.
const MAX_RUNS: usize = 4_000_000;

/// Codes of the properties (MS-DOC 2.6.1).
const DELETED: u16 = 0x0800;
const STRUCK: u16 = 0x0837;
const HIDDEN: u16 = 0x083C;
const SCRIPT: u16 = 0x2A48;
const STRUCK_TWICE: u16 = 0x2A53;
const POSITION: u16 = 0x4845;

/// How a character is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CharacterFormat {
    script: Script,
    is_struck: bool,
    is_left_out: bool,
}

/// Characters of the file with one format: the offsets of their first byte and of the byte after them.
#[derive(Clone, Copy, Debug)]
struct FormatRun {
    from: usize,
    to: usize,
    format: CharacterFormat,
}

/// The formats of the characters of a file.
#[derive(Debug, Default)]
pub struct WordFormatting {
    runs: Vec<FormatRun>,
}

impl WordFormatting {
    /// Reads the formats, as far as they are valid.
    pub fn read(main: &[u8], table: &[u8]) -> Self {
        let mut found = Self::default();
        let _broken = found.read_pages(main, table);
        found.runs.sort_by_key(|run| run.from);
        found
    }

    fn read_pages(&mut self, main: &[u8], table: &[u8]) -> Option<()> {
        let (offset, length) = (
            size_at(main, FORMATTING_TABLE)?,
            size_at(main, FORMATTING_TABLE + 4)?,
        );
        let plc = table.get(offset..offset.checked_add(length)?)?;
        let count = plc.len().checked_sub(4)? / 8;
        for index in 0..count {
            let number = size_at(plc, (count + 1) * 4 + index * 4)? & 0x003F_FFFF;
            let start = number.checked_mul(PAGE_BYTES)?;
            let Some(page) = main.get(start..start.checked_add(PAGE_BYTES)?) else {
                continue;
            };
            let _broken = self.read_page(page);
        }
        Some(())
    }

    fn read_page(&mut self, page: &[u8]) -> Option<()> {
        let count = usize::from(*page.last()?);
        for index in 0..count {
            let (from, to) = (size_at(page, index * 4)?, size_at(page, index * 4 + 4)?);
            let place = usize::from(*page.get((count + 1) * 4 + index)?) * 2;
            if place == 0 || self.runs.len() >= MAX_RUNS {
                continue;
            }
            let size = usize::from(*page.get(place)?);
            let format = parse_properties(page.get(place + 1..place + 1 + size)?);
            if format != CharacterFormat::default() {
                self.runs.push(FormatRun { from, to, format });
            }
        }
        Some(())
    }

    /// The format of the character at an offset of the file.
    pub fn at(&self, offset: usize) -> CharacterFormat {
        let after = self.runs.partition_point(|run| run.from <= offset);
        let run = after.checked_sub(1).and_then(|index| self.runs.get(index));
        run.filter(|run| offset < run.to)
            .map_or_else(CharacterFormat::default, |run| run.format)
    }

    /// Whether no text has a format that changes its meaning.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

fn size_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(ole::read_u32(bytes, at)?).ok()
}

/// Reads properties: a code of two bytes, which says the size of the operand, and the operand.
fn parse_properties(mut rest: &[u8]) -> CharacterFormat {
    let mut format = CharacterFormat::default();
    while let Some(([low, high], after)) = rest.split_first_chunk::<2>() {
        let code = u16::from_le_bytes([*low, *high]);
        let size = match code >> 13 {
            0 | 1 => 1,
            2 | 4 | 5 => 2,
            3 => 4,
            7 => 3,
            _ => usize::from(after.first().copied().unwrap_or(0)) + 1,
        };
        let Some((operand, next)) = after.split_at_checked(size) else {
            break;
        };
        rest = next;
        let first = operand.first().copied().unwrap_or(0);
        // 0x81 is the opposite of the style's, which rarely has the property.
        let is_on = matches!(first, 1 | 0x81);
        match code {
            STRUCK | STRUCK_TWICE => format.is_struck |= is_on,
            HIDDEN | DELETED => format.is_left_out |= is_on,
            SCRIPT => {
                format.script = match first {
                    1 => Script::Raised,
                    2 => Script::Lowered,
                    _ => Script::Normal,
                }
            }
            POSITION => {
                // Half points above or below the line.
                format.script = match operand.try_into().map_or(0, i16::from_le_bytes) {
                    4.. => Script::Raised,
                    ..=-4 => Script::Lowered,
                    _ => format.script,
                };
            }
            _ => {}
        }
    }
    format
}

/// The text with its formats written as characters and marks. Signs that end paragraphs, cells and
/// fields stay.
pub fn write_formats(text: &[char], formats: &[CharacterFormat]) -> Vec<char> {
    let mut written = Vec::with_capacity(text.len());
    let mut piece = String::new();
    let mut last = CharacterFormat::default();
    for (c, format) in text.iter().zip(formats) {
        if *format != last || c.is_control() {
            written.extend(write_piece(&std::mem::take(&mut piece), last).chars());
            last = *format;
        }
        if c.is_control() {
            written.push(*c);
        } else {
            piece.push(*c);
        }
    }
    written.extend(write_piece(&piece, last).chars());
    written
}

fn write_piece(piece: &str, format: CharacterFormat) -> String {
    if format.is_left_out {
        return String::new();
    }
    let text = format.script.write(piece);
    if format.is_struck {
        write_struck(&text)
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_of_characters_are_parsed() {
        let raised = parse_properties(&[0x48, 0x2A, 1]);
        assert_eq!(raised.script, Script::Raised);
        let struck = parse_properties(&[0x43, 0x4A, 20, 0, 0x37, 0x08, 1]);
        assert!(struck.is_struck);
        assert!(parse_properties(&[0x3C, 0x08, 1]).is_left_out);
        assert_eq!(parse_properties(&[0x37]), CharacterFormat::default());
        let text: Vec<char> = "109/l 5 mg\rx".chars().collect();
        let mut formats = vec![CharacterFormat::default(); text.len()];
        *formats.get_mut(2).unwrap() = raised;
        for format in formats.iter_mut().take(10).skip(6) {
            *format = struck;
        }
        let written: String = write_formats(&text, &formats).iter().collect();
        assert_eq!(written, "10⁹/l [struck out: 5 mg]\rx");
    }
}
