//! The paragraphs of an old Word document: which of them are headings, which stand in tables, and which
//! end a row, with the cells of that row (MS-DOC 2.8.10, 2.9.175, 2.9.317).

use crate::formats::common::block_builder::CellPlacement;
use crate::formats::common::ole;

/// Where the table of the pages with properties of paragraphs is named in the file information block.
const PARAGRAPH_TABLE: usize = 0x0102;
/// Size of a page with properties.
const PAGE_BYTES: usize = 512;
/// Size of the entry of a paragraph in the index of a page.
const ENTRY_BYTES: usize = 13;
/// Maximum number of runs of paragraphs, and of cells in all rows.
const MAX_RUNS: usize = 2_000_000;
const MAX_CELLS: usize = 2_000_000;
/// Size of the description of a cell in a row.
const CELL_BYTES: usize = 20;

/// Codes of the properties (MS-DOC 2.6.2, 2.6.3).
const IN_TABLE: u16 = 0x2416;
const ENDS_ROW: u16 = 0x2417;
const HUGE: [u16; 2] = [0x6645, 0x6646];
const ROW_CELLS: u16 = 0xD608;
const VERTICAL_MERGE: u16 = 0xD62B;
/// Bits of a cell: it is merged with that to its left, or with that above it, or begins such a group.
const MERGED_LEFT: u16 = 0x0003;
const MERGED_ABOVE: u16 = 0x0060;
const CONTINUES_ABOVE: u16 = 0x0020;

/// The cells of a row.
pub type RowCells = Vec<CellPlacement>;

/// What is known of a paragraph.
#[derive(Clone, Debug, Default)]
pub struct ParagraphFormat {
    /// Its level, if it is a heading.
    pub heading: Option<u8>,
    /// Whether it stands in a table.
    pub in_table: bool,
    /// Whether it is the sign that ends a row.
    pub ends_row: bool,
    /// The cells of the row that it ends.
    pub cells: RowCells,
}

#[derive(Clone, Debug)]
struct ParagraphRun {
    from: usize,
    to: usize,
    format: ParagraphFormat,
}

/// The paragraphs of a file, by the offsets of their text.
#[derive(Debug, Default)]
pub struct WordParagraphs {
    runs: Vec<ParagraphRun>,
    cells: usize,
}

impl WordParagraphs {
    /// Reads the properties, as far as they are valid.
    pub fn read(main: &[u8], table: &[u8], data: &[u8]) -> Self {
        let mut found = Self::default();
        let _broken = found.read_pages(main, table, data);
        found.runs.sort_by_key(|run| run.from);
        found
    }

    fn read_pages(&mut self, main: &[u8], table: &[u8], data: &[u8]) -> Option<()> {
        let offset = size_at(main, PARAGRAPH_TABLE)?;
        let length = size_at(main, PARAGRAPH_TABLE + 4)?;
        let plc = table.get(offset..offset.checked_add(length)?)?;
        let count = plc.len().checked_sub(4)? / 8;
        for index in 0..count {
            let number = size_at(plc, (count + 1) * 4 + index * 4)? & 0x003F_FFFF;
            let start = number.checked_mul(PAGE_BYTES)?;
            let Some(page) = main.get(start..start.checked_add(PAGE_BYTES)?) else {
                continue;
            };
            let _broken = self.read_page(page, data);
        }
        Some(())
    }

    fn read_page(&mut self, page: &[u8], data: &[u8]) -> Option<()> {
        let count = usize::from(*page.last()?);
        for index in 0..count {
            let (from, to) = (size_at(page, index * 4)?, size_at(page, index * 4 + 4)?);
            let place = usize::from(*page.get((count + 1) * 4 + index * ENTRY_BYTES)?) * 2;
            if place == 0 || self.runs.len() >= MAX_RUNS {
                continue;
            }
            let Some(properties) = properties_at(page, place) else {
                continue;
            };
            let format = self.parse(properties, data);
            self.cells += format.cells.len();
            self.runs.push(ParagraphRun { from, to, format });
        }
        Some(())
    }

    /// Parses the style of a paragraph and its properties.
    fn parse(&self, properties: &[u8], data: &[u8]) -> ParagraphFormat {
        let mut format = ParagraphFormat::default();
        let Some(([low, high], rest)) = properties.split_first_chunk::<2>() else {
            return format;
        };
        // The first styles of each file are those of headings.
        let style = u16::from_le_bytes([*low, *high]);
        format.heading = u8::try_from(style).ok().filter(|s| (1..=9).contains(s));
        self.apply(&mut format, rest);
        if let Some(more) = more_properties(rest, data) {
            self.apply(&mut format, more);
        }
        format
    }

    fn apply(&self, format: &mut ParagraphFormat, properties: &[u8]) {
        for (code, operand) in (Properties { rest: properties }) {
            let first = operand.first().copied().unwrap_or(0);
            match code {
                IN_TABLE => format.in_table = first == 1,
                ENDS_ROW => format.ends_row = first == 1,
                ROW_CELLS if self.cells < MAX_CELLS => format.cells = parse_cells(operand),
                VERTICAL_MERGE => {
                    if let [_, index, state, ..] = operand
                        && let Some(cell) = format.cells.get_mut(usize::from(*index))
                    {
                        cell.continues_above = *state == 1;
                    }
                }
                _ => {}
            }
        }
    }

    /// The format of the paragraph that ends with the character at this offset of the file.
    pub fn at(&self, offset: usize) -> Option<&ParagraphFormat> {
        let after = self.runs.partition_point(|run| run.from <= offset);
        let run = self.runs.get(after.checked_sub(1)?)?;
        (offset < run.to).then_some(&run.format)
    }
}

/// The style and the properties of a paragraph in a page. Their size counts pairs of bytes.
fn properties_at(page: &[u8], place: usize) -> Option<&[u8]> {
    let size = usize::from(*page.get(place)?);
    if size > 0 {
        return page.get(place + 1..place + size * 2);
    }
    let size = usize::from(*page.get(place + 1)?) * 2;
    page.get(place + 2..place + 2 + size)
}

/// The properties of a paragraph that has more of them than fit into a page.
fn more_properties<'d>(properties: &[u8], data: &'d [u8]) -> Option<&'d [u8]> {
    let (_, operand) = Properties { rest: properties }.find(|(code, _)| HUGE.contains(code))?;
    let start = usize::try_from(ole::read_u32(operand, 0)?).ok()?;
    let size = data.get(start..start.checked_add(2)?)?;
    let size = usize::from(u16::from_le_bytes(size.try_into().ok()?));
    data.get(start.checked_add(2)?..start.checked_add(2)?.checked_add(size)?)
}

/// Properties: a code of two bytes, which says the size of the operand, and the operand.
struct Properties<'p> {
    rest: &'p [u8],
}

impl<'p> Iterator for Properties<'p> {
    type Item = (u16, &'p [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([low, high], after) = self.rest.split_first_chunk::<2>()?;
        let code = u16::from_le_bytes([*low, *high]);
        let size = match code >> 13 {
            0 | 1 => 1,
            2 | 4 | 5 => 2,
            3 => 4,
            7 => 3,
            _ if code == ROW_CELLS => {
                let [low, high, ..] = after else { return None };
                usize::from(u16::from_le_bytes([*low, *high])) + 1
            }
            _ => usize::from(*after.first()?) + 1,
        };
        let (operand, rest) = after.split_at_checked(size)?;
        self.rest = rest;
        Some((code, operand))
    }
}

/// The cells of a row: their number, their edges in twips, and their bits (MS-DOC 2.9.324).
fn parse_cells(operand: &[u8]) -> RowCells {
    let Some((count, rest)) = operand.get(2..).and_then(<[u8]>::split_first) else {
        return Vec::new();
    };
    let count = usize::from(*count);
    let edge = |index: usize| {
        let bytes = rest.get(index * 2..index * 2 + 2)?;
        Some(i32::from(i16::from_le_bytes(bytes.try_into().ok()?)))
    };
    let bits = rest.get((count + 1) * 2..).unwrap_or_default();
    (0..count)
        .map_while(|index| {
            let bytes = bits.get(index * CELL_BYTES..index * CELL_BYTES + 2);
            let bits = bytes.map_or(0, |bytes| match bytes {
                [low, high] => u16::from_le_bytes([*low, *high]),
                _ => 0,
            });
            Some(CellPlacement {
                edge: edge(index + 1)?,
                continues_above: bits & MERGED_ABOVE == CONTINUES_ABOVE,
                continues_left: bits & MERGED_LEFT == 2,
            })
        })
        .collect()
}

fn size_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(ole::read_u32(bytes, at)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cells_of_a_row_are_parsed() {
        let mut operand = vec![0, 0, 2, 0, 0];
        operand.extend(1000_i16.to_le_bytes());
        operand.extend(3000_i16.to_le_bytes());
        operand.extend([0x20, 0]);
        operand.extend([0; 18]);
        operand.extend([0x60, 0]);
        operand.extend([0; 18]);
        let size = u16::try_from(operand.len() - 1).expect("small");
        operand.splice(0..2, size.to_le_bytes());
        let mut properties = vec![0, 0, 0x16, 0x24, 1, 0x17, 0x24, 1, 0x08, 0xD6];
        properties.extend(&operand);
        let format = WordParagraphs::default().parse(&properties, &[]);
        assert!(format.in_table && format.ends_row);
        let cells = format.cells.iter();
        let cells: Vec<_> = cells.map(|c| (c.edge, c.continues_above)).collect();
        assert_eq!(cells, [(1000, true), (3000, false)]);
        let heading = WordParagraphs::default().parse(&[2, 0], &[]);
        assert_eq!(heading.heading, Some(2));
        assert!(parse_cells(&[1]).is_empty());
    }
}
