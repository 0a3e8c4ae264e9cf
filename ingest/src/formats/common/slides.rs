//! Slides of a presentation become pages: the title first, then the body, then the notes.

use super::block_builder::{BuiltBlock, write_blocks};
use super::sections::Sections;
use cloister_domain::BlockKind;

/// The content of one slide.
#[derive(Debug, Default)]
pub struct SlideContent {
    /// The title; may be empty.
    pub title: String,
    /// The text on the slide.
    pub body: Vec<BuiltBlock>,
    /// The speaker's notes.
    pub notes: Vec<BuiltBlock>,
}

/// Writes a slide, counted from 1, onto the open page. A slide without a title gets its number as
/// the heading, so that its text is not taken for a part of the previous slide.
pub fn write_slide(sections: &mut Sections, number: usize, slide: SlideContent) {
    let SlideContent { title, body, notes } = slide;
    if title.is_empty() && body.is_empty() && notes.is_empty() {
        return;
    }
    sections.set_location(Some(format!("slide {number}")));
    if title.is_empty() {
        sections.push_block(BlockKind::Heading(1), &format!("Slide {number}"));
    } else {
        sections.push_block(BlockKind::Heading(1), &title);
    }
    write_blocks(sections, body);
    sections.set_location(Some(format!("slide {number}, notes")));
    write_blocks(sections, notes);
}
