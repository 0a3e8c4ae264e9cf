//! A page that was read, together with what is known about its layout.

use crate::wire::{Notes, Style};
use cloister_domain::{Block, Page};

/// A scanned page may have some letters besides the picture: its number, the line that a fax machine
/// or an archive put on it, a stamp.
const MAX_STRAY_LETTERS: usize = 700;
/// The words of a page with text of its own cover more of it than this.
const MIN_TEXT_COVER: f32 = 0.035;
/// More unmapped glyphs than this are a defect of the font, fewer may be ornaments.
const MIN_UNMAPPED_GLYPHS: usize = 20;

/// A page that was read, and the typography of its blocks.
#[derive(Debug)]
pub struct ReadPage {
    /// The page.
    pub page: Page,
    /// The typography of its blocks; empty if the format names its headings itself.
    pub styles: Vec<Style>,
    /// What was noticed on the page.
    pub notes: Notes,
    /// Whether it could not be read.
    pub lost: bool,
    /// Whether its text was recognised from a picture.
    pub recognised: bool,
    /// Whether text recognition found nothing on it.
    pub blank: bool,
}

impl ReadPage {
    /// Whether the page shows text that cannot be extracted: it is a picture, or its fonts have no
    /// mapping to Unicode.
    pub fn lacks_text(&self) -> bool {
        let text = &self.page.content.text;
        let read = text.chars().filter(|c| c.is_alphanumeric()).count();
        let unreadable = self.notes.unreadable as usize;
        let nameless = unreadable > MIN_UNMAPPED_GLYPHS && unreadable * 4 > read;
        // Letters may also be drawn as vector graphics, without a picture and without text.
        let stamped = read < MAX_STRAY_LETTERS && self.text_cover() < MIN_TEXT_COVER;
        let silent = read == 0 || self.notes.pictured && stamped;
        self.page.is_drawn() && !self.blank && (silent || nameless)
    }

    /// The part of the page that its words cover.
    fn text_cover(&self) -> f32 {
        let words = &self.page.content.words;
        let covered: f32 = words
            .iter()
            .map(|word| word.rect.width() * word.rect.height())
            .sum();
        covered / (self.page.width * self.page.height).max(1.0)
    }

    /// Each block with its typography and its text. Empty if the format has no typography.
    pub fn styled(&self) -> impl Iterator<Item = (&Block, &Style, &str)> {
        let content = &self.page.content;
        content
            .blocks
            .iter()
            .zip(&self.styles)
            .filter_map(|(block, style)| Some((block, style, block.range.slice(&content.text)?)))
    }
}
