//! Pages for formats that have none: one for each top-level section, or for every few thousand
//! characters of a long one.

use crate::wire::{Notes, PageFrame};
use cloister_domain::{Block, BlockKind, ByteRange, Labels, Page, PageText};

/// A section is divided where a block ends after this many bytes.
const LONG_SECTION: usize = 6_000;

/// Collects blocks into pages.
#[derive(Debug, Default)]
pub struct Sections {
    pages: Vec<Page>,
    open: PageText,
    /// Level of the headings that begin a page: the highest seen so far.
    top_level: Option<u8>,
    /// What the document says about itself beside its text.
    pub labels: Labels,
}

impl Sections {
    /// Adds a block; white space inside it is made plain, and an empty one is left out.
    pub fn push(&mut self, kind: BlockKind, text: &str) {
        let text = plain_spaces(text);
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
        self.open.text.push_str(&text);
        let range = ByteRange::new(start, self.open.text.len());
        self.open.blocks.push(Block { kind, range });
    }

    fn begins_page(&mut self, kind: BlockKind) -> bool {
        let long = self.open.text.len() >= LONG_SECTION;
        let BlockKind::Heading(level) = kind else {
            return long;
        };
        let top = self.top_level.map_or(level, |top| top.min(level));
        self.top_level = Some(top);
        // A document with one title and sections below it is divided by the sections.
        let divides = level <= top.max(2);
        let only_headings = self
            .open
            .blocks
            .iter()
            .all(|block| matches!(block.kind, BlockKind::Heading(_)));
        divides && !only_headings || long
    }

    fn turn_page(&mut self) {
        if self.open.text.is_empty() {
            return;
        }
        let number = u32::try_from(self.pages.len()).map_or(u32::MAX, |count| count + 1);
        self.pages.push(Page {
            number,
            width: 0.0,
            height: 0.0,
            content: std::mem::take(&mut self.open),
        });
    }

    /// The pages.
    pub fn finish(mut self) -> Vec<PageFrame> {
        self.turn_page();
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
        let pages = sections.finish();
        let texts: Vec<_> = pages
            .iter()
            .map(|frame| frame.page.content.text.as_str())
            .collect();
        assert_eq!(
            texts,
            [
                "Handbook\nLeave\nAsk early. Always.\nSick leave\nCall in.",
                "Pay\nMonthly."
            ]
        );
        let second = pages.get(1).map(|frame| frame.page.number);
        assert_eq!(second, Some(2));
    }
}
