//! Paragraph styles: which paragraphs are headings, lines of a table of contents, list items, or
//! hidden.

use super::value_of;
use crate::formats::Failure;
use crate::formats::common::scripts::Script;
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use cloister_domain::BlockKind;
use std::collections::HashMap;

/// Maximum length of a chain of inherited styles.
const MAX_INHERITANCE: usize = 20;

/// A style.
#[derive(Debug, Default)]
struct DocxStyle {
    name: String,
    based_on: String,
    outline: Option<u8>,
    list: Option<String>,
    list_level: Option<usize>,
    hidden: Option<bool>,
    struck: Option<bool>,
    script: Option<Script>,
}

/// All styles of a document.
#[derive(Debug, Default)]
pub struct DocxStyles {
    found: HashMap<String, DocxStyle>,
    open: String,
}

impl DocxStyles {
    /// Reads the styles part.
    pub fn parse(xml: &str) -> Result<Self, Failure> {
        let mut styles = Self::default();
        parse_xml(xml, &mut styles)?;
        Ok(styles)
    }

    /// The style followed by its ancestors.
    fn line(&self, id: &str) -> impl Iterator<Item = &DocxStyle> {
        let first = self.found.get(id);
        std::iter::successors(first, |style| self.found.get(&style.based_on)).take(MAX_INHERITANCE)
    }

    /// The heading level of paragraphs with this style.
    pub fn heading(&self, id: &str) -> Option<u8> {
        self.line(id).find_map(|style| {
            let numbered = style.name.strip_prefix("heading ");
            let level = numbered.and_then(|n| n.trim().parse::<u8>().ok());
            let title = (style.name == "title").then_some(1);
            let outline = style.outline.map(|level| level + 1);
            level.or(title).or(outline).filter(|l| (1..=9).contains(l))
        })
    }

    /// The kind of paragraphs with this style if the style determines it: captions, and lines of a
    /// table of contents, which are not searched.
    pub fn kind(&self, id: &str) -> Option<BlockKind> {
        self.line(id).find_map(|style| match style.name.as_str() {
            "caption" => Some(BlockKind::Caption),
            "table of figures" => Some(BlockKind::RunningHeader),
            name if name.starts_with("toc ") => Some(BlockKind::RunningHeader),
            _ => None,
        })
    }

    /// The list that paragraphs with this style belong to, and their level in it.
    pub fn list(&self, id: &str) -> Option<(String, usize)> {
        let list = self.line(id).find_map(|style| style.list.clone())?;
        let level = self.line(id).find_map(|style| style.list_level);
        Some((list, level.unwrap_or(0)))
    }

    /// Whether text with this style is hidden.
    pub fn is_hidden(&self, id: &str) -> bool {
        self.line(id).find_map(|s| s.hidden).unwrap_or(false)
    }

    /// Whether text with this style is struck out.
    pub fn is_struck(&self, id: &str) -> bool {
        self.line(id).find_map(|s| s.struck).unwrap_or(false)
    }

    /// Whether text with this style is raised or lowered.
    pub fn script(&self, id: &str) -> Script {
        self.line(id).find_map(|s| s.script).unwrap_or_default()
    }
}

impl XmlHandler for DocxStyles {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if tag.name == "w:style" {
            self.open = tag.attribute("w:styleId").unwrap_or_default();
            self.found.insert(self.open.clone(), DocxStyle::default());
        }
        let Some(style) = self.found.get_mut(&self.open) else {
            return Ok(());
        };
        match tag.name.as_ref() {
            "w:name" => style.name = value_of(tag).to_lowercase(),
            "w:basedOn" => style.based_on = value_of(tag),
            "w:outlineLvl" => {
                style.outline = tag.parse_attribute("w:val").filter(|level| *level < 9);
            }
            "w:numId" => style.list = Some(value_of(tag)),
            "w:ilvl" => style.list_level = tag.parse_attribute("w:val"),
            "w:vanish" => style.hidden = Some(tag.is_on("w:val")),
            "w:strike" | "w:dstrike" => style.struck = Some(tag.is_on("w:val")),
            "w:vertAlign" => style.script = Some(Script::from_alignment(&value_of(tag))),
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
