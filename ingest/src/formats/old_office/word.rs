//! Word documents before 2007 (MS-DOC). The text is in pieces, whose table is found through the file
//! information block.

use super::word_formatting::{CharacterFormat, WordFormatting, write_formats};
use super::word_paragraphs::{RowCells, WordParagraphs};
use super::word_text::{self, write_text};
use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::common::encoding::decode_code_page;
use crate::formats::common::ole;
use crate::formats::{Failure, Format, ReadOptions, Sink, Source};
use crate::wire::{Info, Refusal};
use cloister_domain::BlockKind;

/// Maximum number of pieces of text, and of characters.
const MAX_PIECES: usize = 500_000;
const MAX_CHARS: usize = 64 << 20;
/// The magic number of the file information block, and the flags of encryption and of the table.
const MAGIC: u16 = 0xA5EC;
const ENCRYPTED: u16 = 0x0100;
const SECOND_TABLE: u16 = 0x0200;
/// The version from which on the text is in pieces in this form (Word 97).
const WORD_97: u16 = 0x00C1;
/// Where the lengths of the parts of the text are in the block, and where the piece table is named.
const LENGTHS: usize = 0x4C;
const PIECE_TABLE: usize = 0x01A2;

/// Word documents before 2007.
pub const FORMAT: Format = Format {
    name: "doc",
    label: "old Word (.doc)",
    matches: |source| ole::has_stream(source, "WordDocument"),
    extract,
    render_page: None,
};

/// The parts of the text, in their order, with the words that stand before each of them.
const PARTS: &[&str] = &[
    "",
    "Notes",
    "Headers and footers",
    "",
    "Comments",
    "Endnotes",
    "Text boxes",
    "",
];

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut file = ole::open(source).ok_or_else(broken)?;
    let main = ole::read_stream(&mut file, "/WordDocument").ok_or_else(broken)?;
    let flags = u16_at(&main, 10).ok_or_else(broken)?;
    if u16_at(&main, 0) != Some(MAGIC) {
        return Err(broken());
    }
    if flags & ENCRYPTED != 0 {
        return Err(Refusal::Encrypted.into());
    }
    if u16_at(&main, 2).is_none_or(|version| version < WORD_97) {
        let what = "a Word document from before 1997 (saved as .docx it is read)";
        return Err(Refusal::NotRead(what.to_owned()).into());
    }
    let table = if flags & SECOND_TABLE != 0 {
        "/1Table"
    } else {
        "/0Table"
    };
    let table = ole::read_stream(&mut file, table).ok_or_else(broken)?;
    let data = ole::read_stream(&mut file, "/Data").unwrap_or_default();
    let formatting = WordFormatting::read(&main, &table);
    let paragraphs = WordParagraphs::read(&main, &table, &data);
    let WordContent {
        text,
        formats,
        rows,
    } = read_pieces(&main, &table, &formatting, &paragraphs).ok_or_else(broken)?;
    let mut builder = BlockBuilder::default();
    let mut start = 0_usize;
    for (index, title) in PARTS.iter().enumerate() {
        let length = size_at(&main, LENGTHS + index * 4).unwrap_or(0);
        let range = start..start.saturating_add(length).min(text.len());
        let part = text.get(range.clone()).unwrap_or_default();
        let part_formats = formats.get(range.clone()).unwrap_or_default();
        let part_rows = rows.iter().filter(|(at, _)| range.contains(at));
        start = start.saturating_add(length);
        let has_words = part.iter().any(|c| c.is_alphanumeric());
        // The macros in the fourth part are no text of the document.
        if !has_words || index == 3 {
            continue;
        }
        if !title.is_empty() {
            builder.sections.push_block(BlockKind::Heading(2), title);
        }
        let part_rows = part_rows.map(|(_, cells)| cells.clone()).collect();
        write_text(&write_formats(part, part_formats), part_rows, &mut builder)?;
    }
    let mut info: Info = ole::read_properties(source).info(FORMAT.name);
    info.warnings.push(
        "it is an old Word document: its text and tables are read, and boxes to tick and the numbers of lists are not"
            .to_owned(),
    );
    builder.finish().send(info, sink)
}

/// The error of a file whose text is missing.
fn broken() -> Failure {
    Failure::damaged("its text cannot be found")
}

/// The text of a document. Each sign that ends a paragraph says whether it is a heading, stands in a
/// cell, or ends a row.
struct WordContent {
    text: Vec<char>,
    formats: Vec<CharacterFormat>,
    /// The cells of each row, by the place of the sign that ends it.
    rows: Vec<(usize, RowCells)>,
}

/// The content of the document, from its pieces (MS-DOC 2.4.1).
fn read_pieces(
    main: &[u8],
    table: &[u8],
    formatting: &WordFormatting,
    paragraphs: &WordParagraphs,
) -> Option<WordContent> {
    let (offset, length) = (size_at(main, PIECE_TABLE)?, size_at(main, PIECE_TABLE + 4)?);
    let mut clx = table.get(offset..offset.checked_add(length)?)?;
    // Formatting precedes the table of the pieces.
    while let [1, low, high, rest @ ..] = clx {
        clx = rest.get(usize::from(u16::from_le_bytes([*low, *high]))..)?;
    }
    let [2, plc @ ..] = clx else { return None };
    let plc = plc.get(4..4_usize.checked_add(size_at(plc, 0)?)?)?;
    let count = plc.len().checked_sub(4)? / 12;
    let mut text: Vec<char> = Vec::new();
    let mut formats: Vec<CharacterFormat> = Vec::new();
    let mut rows = Vec::new();
    for index in 0..count.min(MAX_PIECES) {
        let (from, to) = (size_at(plc, index * 4)?, size_at(plc, index * 4 + 4)?);
        let descriptor = (count + 1) * 4 + index * 8;
        let position = ole::read_u32(plc, descriptor + 2)?;
        let chars = to.checked_sub(from)?;
        if text.len().saturating_add(chars) > MAX_CHARS {
            return None;
        }
        let is_bytes = position & 0x4000_0000 != 0;
        let start = usize::try_from(position & 0x3FFF_FFFF).ok()?;
        let (first, bytes_per_char) = if is_bytes { (start / 2, 1) } else { (start, 2) };
        if formatting.is_empty() {
            formats.resize(formats.len() + chars, CharacterFormat::default());
        } else {
            formats.extend((0..chars).map(|index| formatting.at(first + bytes_per_char * index)));
        }
        let begin = text.len();
        if is_bytes {
            let bytes = main.get(start / 2..(start / 2).checked_add(chars)?)?;
            text.extend(decode_code_page(bytes, 1252).chars());
        } else {
            let bytes = main.get(start..start.checked_add(chars.checked_mul(2)?)?)?;
            let (pairs, _) = bytes.as_chunks::<2>();
            // Each unit keeps its place, so that the parts of the text are found.
            text.extend(pairs.iter().map(|pair| {
                char::from_u32(u32::from(u16::from_le_bytes(*pair))).unwrap_or('\u{fffd}')
            }));
        }
        for (index, sign) in text.iter_mut().enumerate().skip(begin) {
            let offset = first + bytes_per_char * (index - begin);
            if word_text::is_own_sign(*sign) {
                *sign = ' ';
            }
            let format = is_paragraph_end(*sign).then(|| paragraphs.at(offset));
            if let Some(format) = format.flatten() {
                *sign = word_text::paragraph_sign(*sign, format);
                if *sign == word_text::ROW_END {
                    rows.push((index, format.cells.clone()));
                }
            }
        }
    }
    Some(WordContent {
        text,
        formats,
        rows,
    })
}

/// Whether a character ends a paragraph, a page or a cell.
const fn is_paragraph_end(c: char) -> bool {
    matches!(c, '\r' | '\u{c}' | '\u{7}')
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(two.try_into().ok()?))
}

fn size_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(ole::read_u32(bytes, at)?).ok()
}
