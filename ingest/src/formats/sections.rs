//! Pages for formats that have none: one for each top-level section, or for every few thousand
//! characters of a long one. A format with slides or sheets turns the page itself.

use super::{Failure, Sink};
use crate::wire::{Info, Notes, PageFrame};
use cloister_domain::{Block, BlockKind, ByteRange, Labels, Page, PageText};

/// A section is divided where a block ends after this many bytes.
const LONG_SECTION: usize = 6_000;
/// So is a sheet, after more: its rows are read together.
const LONG_SHEET: usize = 60_000;

/// Collects blocks into pages.
#[derive(Debug, Default)]
pub struct Sections {
    pages: Vec<Page>,
    open: PageText,
    /// Level of the headings that begin a page: the highest seen so far.
    top_level: Option<u8>,
    /// Whether the format turns the page itself.
    by_hand: bool,
    /// Where the blocks that come stand in the file.
    place: Option<String>,
    /// What the document says about itself beside its text.
    pub labels: Labels,
}

impl Sections {
    /// For a format that turns the page itself.
    pub fn by_hand() -> Self {
        Self {
            by_hand: true,
            ..Self::default()
        }
    }

    /// Says where the blocks that come stand in the file, for the people who look them up there.
    pub fn stand_at(&mut self, place: Option<String>) {
        self.place = place;
    }

    /// Adds a block; white space inside it is made plain, and an empty one is left out.
    pub fn push(&mut self, kind: BlockKind, text: &str) {
        self.add(kind, &plain_spaces(text));
    }

    /// Adds a table's row. An empty cell keeps its place, so that the others stay below the names
    /// of their columns; those at the row's end are left out.
    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        self.add(BlockKind::TableRow, &row_text(cells));
    }

    fn add(&mut self, kind: BlockKind, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.begins_page(kind) {
            self.turn_page();
        }
        if !self.open.text.is_empty() {
            self.open.text.push('\n');
        }
        let start = self.open.text.len();
        self.open.text.push_str(text);
        let range = ByteRange::new(start, self.open.text.len());
        let place = self.place.clone();
        self.open.blocks.push(Block { kind, range, place });
    }

    fn begins_page(&mut self, kind: BlockKind) -> bool {
        if self.by_hand {
            return self.open.text.len() >= LONG_SHEET;
        }
        let long = self.open.text.len() >= LONG_SECTION;
        let BlockKind::Heading(level) = kind else {
            return long;
        };
        let top = self.top_level.map_or(level, |top| top.min(level));
        self.top_level = Some(top);
        // A document with one title and sections below it is divided by the sections.
        let divides = level <= top.max(2);
        let mut blocks = self.open.blocks.iter();
        let has_text =
            blocks.any(|block| !matches!(block.kind, BlockKind::Heading(_) | BlockKind::Furniture));
        divides && has_text || long
    }

    /// Ends the page, also where nothing stands on it.
    pub fn turn_page(&mut self) {
        let number = u32::try_from(self.pages.len()).map_or(u32::MAX, |count| count + 1);
        self.pages.push(Page {
            number,
            width: 0.0,
            height: 0.0,
            content: std::mem::take(&mut self.open),
        });
    }

    /// Sends the pages, after what there is to say of the file.
    pub fn send(mut self, info: Info, sink: &mut dyn Sink) -> Result<(), Failure> {
        let labels = std::mem::take(&mut self.labels);
        let pages = self.finish();
        sink.info(Info {
            pages: u32::try_from(pages.len()).unwrap_or(u32::MAX),
            labels,
            ..info
        })?;
        for page in pages {
            sink.page(page)?;
        }
        Ok(())
    }

    /// The pages.
    pub fn finish(mut self) -> Vec<PageFrame> {
        if !self.open.text.is_empty() {
            self.turn_page();
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

/// A row's cells as one line.
pub fn row_text<S: AsRef<str>>(cells: &[S]) -> String {
    let mut cells: Vec<String> = cells.iter().map(|c| plain_spaces(c.as_ref())).collect();
    while cells.last().is_some_and(String::is_empty) {
        cells.pop();
    }
    cells.join(" | ")
}

/// One space between words, none at the ends, no control characters.
pub fn plain_spaces(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word = word.trim_matches(['\u{feff}', '\u{200b}']);
        if word.is_empty() {
            continue;
        }
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    plain
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
        sections.push(BlockKind::Heading(1), "Handbook");
        sections.push(BlockKind::Heading(2), "Leave");
        sections.push(BlockKind::Paragraph, "Ask  early.\nAlways.");
        sections.push(BlockKind::Heading(3), "Sick leave");
        sections.push(BlockKind::Paragraph, "Call in.");
        sections.push(BlockKind::Heading(2), "Pay");
        sections.push(BlockKind::Paragraph, "Monthly.");
        assert_eq!(
            texts(sections),
            [
                "Handbook\nLeave\nAsk early. Always.\nSick leave\nCall in.",
                "Pay\nMonthly."
            ]
        );
    }

    #[test]
    fn slides_are_pages_also_where_they_are_empty() {
        let mut sections = Sections::by_hand();
        sections.push(BlockKind::Heading(1), "One");
        sections.turn_page();
        sections.turn_page();
        sections.push(BlockKind::Heading(1), "Three");
        sections.push(BlockKind::Heading(1), "Still three");
        sections.turn_page();
        assert_eq!(texts(sections), ["One", "", "Three\nStill three"]);
    }

    #[test]
    fn an_empty_cell_keeps_its_place() {
        assert_eq!(row_text(&["", " a ", "", "b\n c", " "]), " | a |  | b c");
        assert_eq!(row_text(&["", " "]), "");
    }
}
