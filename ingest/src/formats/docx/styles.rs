//! What a paragraph's style makes of it: a heading, a line of the table of contents, an item of a
//! list, or nothing that is seen.

use crate::formats::Failure;
use crate::formats::xml::{Tag, Visitor, walk};
use cloister_domain::BlockKind;
use std::collections::HashMap;

/// Styles inherit from each other this many steps at most.
const LONGEST_LINE: usize = 20;

/// One style, as the file has it.
#[derive(Debug, Default)]
struct Style {
    name: String,
    based_on: String,
    outline: Option<u8>,
    list: Option<String>,
    list_level: Option<usize>,
    hidden: Option<bool>,
}

/// All styles of a document.
#[derive(Debug, Default)]
pub struct Styles {
    found: HashMap<String, Style>,
    open: String,
}

impl Styles {
    /// Reads them.
    pub fn read(xml: &str) -> Result<Self, Failure> {
        let mut styles = Self::default();
        walk(xml, &mut styles)?;
        Ok(styles)
    }

    /// The style and those it inherits from, nearest first.
    fn line(&self, id: &str) -> impl Iterator<Item = &Style> {
        let first = self.found.get(id);
        std::iter::successors(first, |style| self.found.get(&style.based_on)).take(LONGEST_LINE)
    }

    /// The level of the heading that paragraphs of this style are.
    pub fn heading(&self, id: &str) -> Option<u8> {
        self.line(id).find_map(|style| {
            let numbered = style.name.strip_prefix("heading ");
            let level = numbered.and_then(|n| n.trim().parse::<u8>().ok());
            let title = (style.name == "title").then_some(1);
            let outline = style.outline.map(|level| level + 1);
            level.or(title).or(outline).filter(|l| (1..=9).contains(l))
        })
    }

    /// What paragraphs of this style are, whatever else is said of them: captions, or lines of a
    /// table of contents, which nobody searches for.
    pub fn kind(&self, id: &str) -> Option<BlockKind> {
        self.line(id).find_map(|style| match style.name.as_str() {
            "caption" => Some(BlockKind::Caption),
            "table of figures" => Some(BlockKind::Furniture),
            name if name.starts_with("toc ") => Some(BlockKind::Furniture),
            _ => None,
        })
    }

    /// The list that paragraphs of this style are items of, and the level in it.
    pub fn list(&self, id: &str) -> Option<(String, usize)> {
        let list = self.line(id).find_map(|style| style.list.clone())?;
        let level = self.line(id).find_map(|style| style.list_level);
        Some((list, level.unwrap_or(0)))
    }

    /// Whether text of this style is hidden.
    pub fn is_hidden(&self, id: &str) -> bool {
        self.line(id).find_map(|s| s.hidden).unwrap_or(false)
    }
}

impl Visitor for Styles {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        let value = || tag.get("w:val").unwrap_or_default();
        if tag.name == "w:style" {
            self.open = tag.get("w:styleId").unwrap_or_default();
            self.found.insert(self.open.clone(), Style::default());
        }
        let Some(style) = self.found.get_mut(&self.open) else {
            return Ok(());
        };
        match tag.name.as_ref() {
            "w:name" => style.name = value().to_lowercase(),
            "w:basedOn" => style.based_on = value(),
            "w:outlineLvl" => style.outline = tag.number("w:val").filter(|level| *level < 9),
            "w:numId" => style.list = Some(value()),
            "w:ilvl" => style.list_level = tag.number("w:val"),
            "w:vanish" => style.hidden = Some(tag.is_on("w:val")),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        if name == "w:style" {
            self.open.clear();
        }
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}
