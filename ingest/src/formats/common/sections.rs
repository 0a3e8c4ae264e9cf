//! Pages for formats without fixed pages: one for each top-level section, and several for a long
//! one. A format with slides or sheets ends its pages itself.

use super::tables::RowDraft;
use super::whitespace::normalize_whitespace;
use crate::formats::{Failure, Sink};
use crate::wire::{Info, Notes, PageFrame};
use cloister_domain::{
    Block, BlockKind, ByteRange, DocumentMetadata, LossKind, Page, PageText, ReadingAccount,
    TableCell, TableRow,
};

/// After this many bytes, a section continues on a new page at the next block.
const SECTION_BYTES: usize = 6_000;
/// The same for a sheet. It is larger, because rows are read together.
const SHEET_BYTES: usize = 60_000;
/// Maximum number of warnings of one file.
const MAX_WARNINGS: usize = 40;

/// Collects blocks into pages.
#[derive(Debug, Default)]
pub struct Sections {
    pages: Vec<Page>,
    open: PageText,
    /// The highest level of the headings so far. Headings of this level start a page.
    top_level: Option<u8>,
    /// Whether the format ends its pages itself.
    manual: bool,
    /// Where the following blocks are in the file.
    location: Option<String>,
    /// Metadata from the document's front matter.
    pub metadata: DocumentMetadata,
    /// Sentences for the administrator.
    pub warnings: Vec<String>,
    /// What was left out, and what was not understood.
    pub account: ReadingAccount,
}

impl Sections {
    /// For a format that ends its pages itself.
    pub fn manual() -> Self {
        Self {
            manual: true,
            ..Self::default()
        }
    }

    /// Sets where the following blocks are in the file, for people who look them up there.
    pub fn set_location(&mut self, location: Option<String>) {
        self.location = location;
    }

    /// Adds a block. Its white space is normalized, and an empty block is left out.
    pub fn push_block(&mut self, kind: BlockKind, text: &str) {
        self.add(kind, &normalize_whitespace(text));
    }

    /// Adds a row of a table. Empty cells are kept, so that every cell stays below its column name,
    /// except those at the end of the row.
    pub fn push_row(&mut self, row: &RowDraft) {
        let (text, cells) = join_cells(row);
        let row = TableRow {
            starts_table: row.starts_table,
            is_header: row.is_header,
            cells,
        };
        self.add_block(BlockKind::TableRow, &text, Some(row));
    }

    /// Adds a sentence for the administrator, once.
    pub fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.warnings.contains(&warning) && self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning);
        }
    }

    /// Counts content that was not understood, and says so to the administrator.
    pub fn lose(&mut self, kind: LossKind, count: usize, warning: impl Into<String>) {
        self.account.lose(kind, count);
        self.warn(warning);
    }

    fn add(&mut self, kind: BlockKind, text: &str) {
        self.add_block(kind, text, None);
    }

    fn add_block(&mut self, kind: BlockKind, text: &str, row: Option<TableRow>) {
        if text.is_empty() {
            return;
        }
        if self.starts_page(kind) {
            self.end_page();
        }
        if !self.open.text.is_empty() {
            self.open.text.push('\n');
        }
        let start = self.open.text.len();
        self.open.text.push_str(text);
        let range = ByteRange::new(start, self.open.text.len());
        let row = row.map(|mut row| {
            for cell in &mut row.cells {
                cell.range = ByteRange::new(cell.range.start + start, cell.range.end + start);
            }
            row
        });
        self.open.blocks.push(Block {
            kind,
            range,
            place: self.location.clone(),
            row,
        });
    }

    fn starts_page(&mut self, kind: BlockKind) -> bool {
        if self.manual {
            return self.open.text.len() >= SHEET_BYTES;
        }
        let long = self.open.text.len() >= SECTION_BYTES;
        let BlockKind::Heading(level) = kind else {
            return long;
        };
        let top = self.top_level.map_or(level, |top| top.min(level));
        self.top_level = Some(top);
        // A document with one title and sections below it is divided at the sections.
        let divides = level <= top.max(2);
        let mut blocks = self.open.blocks.iter();
        let has_text = blocks
            .any(|block| !matches!(block.kind, BlockKind::Heading(_) | BlockKind::RunningHeader));
        divides && has_text || long
    }

    /// Ends the page, even if it is empty.
    pub fn end_page(&mut self) {
        let number = u32::try_from(self.pages.len()).map_or(u32::MAX, |count| count + 1);
        self.pages.push(Page {
            number,
            width: 0.0,
            height: 0.0,
            content: std::mem::take(&mut self.open),
        });
    }

    /// Sends the information about the file, and then the pages.
    pub fn send(mut self, info: Info, sink: &mut dyn Sink) -> Result<(), Failure> {
        let metadata = std::mem::take(&mut self.metadata);
        let mut warnings = info.warnings;
        warnings.append(&mut self.warnings);
        let mut account = std::mem::take(&mut self.account);
        account.merge(&info.account);
        let pages = self.finish();
        sink.info(Info {
            pages: u32::try_from(pages.len()).unwrap_or(u32::MAX),
            metadata,
            warnings,
            account,
            ..info
        })?;
        for page in pages {
            sink.page(page)?;
        }
        Ok(())
    }

    /// Ends the last page and returns all pages.
    pub fn finish(mut self) -> Vec<PageFrame> {
        if !self.open.text.is_empty() {
            self.end_page();
        }
        self.pages
            .into_iter()
            .map(|page| PageFrame {
                page,
                styles: Vec::new(),
                notes: Notes::default(),
            })
            .collect()
    }
}

/// Joins the cells of a row into one line, and returns their ranges in it. Each column without a cell
/// of its own is empty.
pub fn join_cells(row: &RowDraft) -> (String, Vec<TableCell>) {
    let mut text = String::new();
    let mut cells = Vec::new();
    let mut reached = 0;
    for cell in &row.cells {
        let separators = cell.column.saturating_sub(reached);
        (0..separators).for_each(|_| text.push_str(" | "));
        reached = reached.max(cell.column);
        let start = text.len();
        text.push_str(&cell.text);
        cells.push(TableCell {
            range: ByteRange::new(start, text.len()),
            column: u16::try_from(cell.column).unwrap_or(u16::MAX),
            span: u16::try_from(cell.span.max(1)).unwrap_or(u16::MAX),
        });
    }
    (text, cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sections: Sections) -> Vec<String> {
        let pages = sections.finish();
        pages.into_iter().map(|f| f.page.content.text).collect()
    }

    #[test]
    fn a_title_stays_with_the_first_section_and_each_section_is_a_page() {
        let mut sections = Sections::default();
        sections.push_block(BlockKind::Heading(1), "Handbook");
        sections.push_block(BlockKind::Heading(2), "Leave");
        sections.push_block(BlockKind::Paragraph, "Ask  early.\nAlways.");
        sections.push_block(BlockKind::Heading(3), "Sick leave");
        sections.push_block(BlockKind::Paragraph, "Call in.");
        sections.push_block(BlockKind::Heading(2), "Pay");
        sections.push_block(BlockKind::Paragraph, "Monthly.");
        assert_eq!(
            texts(sections),
            [
                "Handbook\nLeave\nAsk early. Always.\nSick leave\nCall in.",
                "Pay\nMonthly."
            ]
        );
    }

    #[test]
    fn empty_slides_are_pages_too() {
        let mut sections = Sections::manual();
        sections.push_block(BlockKind::Heading(1), "One");
        sections.end_page();
        sections.end_page();
        sections.push_block(BlockKind::Heading(1), "Three");
        sections.push_block(BlockKind::Heading(1), "Still three");
        sections.end_page();
        assert_eq!(texts(sections), ["One", "", "Three\nStill three"]);
    }

    #[test]
    fn an_empty_cell_keeps_its_position() {
        let row = RowDraft::from_texts(&["", " a ", "", "b\n c", " "]);
        let (text, cells) = join_cells(&row);
        assert_eq!(text, " | a |  | b c");
        let found: Vec<_> = cells
            .iter()
            .map(|c| (c.column, c.range.slice(&text)))
            .collect();
        assert_eq!(found, [(1, Some("a")), (3, Some("b c"))]);
        assert_eq!(join_cells(&RowDraft::from_texts(&["", " "])).0, "");
    }
}
