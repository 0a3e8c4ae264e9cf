//! Drawings of office documents that are parts of their own: text boxes and shapes on sheets, their
//! charts, and the form controls of older programs.

use super::archive::Archive;
use super::block_builder::BuiltBlock;
use super::charts::read_chart;
use super::opc::{Relationships, read_diagram};
use super::whitespace::normalize_whitespace;
use super::xml::{XmlHandler, XmlTag, parse_xml};
use crate::formats::Failure;
use cloister_domain::BlockKind;

/// Maximum number of charts and diagrams of a drawing.
const MAX_CHARTS: usize = 200;

/// The sign of a box that is ticked, and of one that is not.
pub const TICKED: &str = "☒";
/// The sign of a box that is not ticked.
pub const UNTICKED: &str = "☐";

/// The sign of a box.
pub const fn box_sign(is_ticked: bool) -> &'static str {
    if is_ticked { TICKED } else { UNTICKED }
}

/// Maximum length of the description of a picture.
const MAX_DESCRIPTION_CHARS: usize = 2_000;

/// The description that an author gave a picture. Names of files, and what programs guess, are left
/// out.
pub fn describe_picture(words: &str) -> Option<BuiltBlock> {
    let words = normalize_whitespace(words);
    let is_name = !words.contains(' ') && words.contains('.');
    let is_guess = words.contains("automatically generated")
        || words.contains("automatisch generiert")
        || words.contains("AI-generated content");
    let has_words = words.chars().filter(|c| c.is_alphabetic()).count() > 2;
    if is_name || is_guess || !has_words {
        return None;
    }
    let short: String = words.chars().take(MAX_DESCRIPTION_CHARS).collect();
    let text = format!("Picture: {short}");
    Some(BuiltBlock::Block(BlockKind::Caption, text))
}

/// Reads the text of a drawing, and of the charts and diagrams in it.
pub fn read_drawing(archive: &mut Archive<'_>, part: &str) -> Result<Vec<BuiltBlock>, Failure> {
    let related = Relationships::load(archive, part)?;
    let mut text = ShapeText::default();
    let _broken = parse_xml(&archive.text(part)?, &mut text);
    let mut blocks = text.blocks;
    for (_, target) in related.of_kind("chart").take(MAX_CHARTS) {
        blocks.extend(read_chart(archive, target)?);
    }
    for (_, target) in related.of_kind("chartEx").take(MAX_CHARTS) {
        blocks.extend(read_chart(archive, target)?);
    }
    for (_, target) in related.of_kind("diagramData").take(MAX_CHARTS) {
        blocks.extend(read_diagram(archive, target)?);
    }
    Ok(blocks)
}

#[derive(Debug, Default)]
struct ShapeText {
    in_text: bool,
    skip_depth: usize,
    open: String,
    blocks: Vec<BuiltBlock>,
}

impl XmlHandler for ShapeText {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if self.skip_depth > 0 || tag.name == "mc:Fallback" {
            self.skip_depth += 1;
            return Ok(());
        }
        match tag.name.as_ref() {
            "a:t" => self.in_text = true,
            "a:br" | "a:tab" => self.open.push(' '),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        if self.skip_depth > 0 {
            self.skip_depth -= 1;
            return Ok(());
        }
        match name {
            "a:t" => self.in_text = false,
            "a:p" => {
                let text = normalize_whitespace(&std::mem::take(&mut self.open));
                if !text.is_empty() {
                    self.blocks
                        .push(BuiltBlock::Block(BlockKind::Paragraph, text));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.in_text && self.skip_depth == 0 {
            self.open.push_str(text);
        }
    }
}

/// Reads the form controls of a VML drawing: boxes with their state and their words. Remarks are in
/// a part of their own.
pub fn read_controls(archive: &mut Archive<'_>, part: &str) -> Result<Vec<BuiltBlock>, Failure> {
    let mut controls = ControlText::default();
    let _broken = parse_xml(&archive.text(part)?, &mut controls);
    Ok(controls.blocks)
}

#[derive(Debug, Default)]
struct ControlText {
    kind: String,
    is_ticked: bool,
    inside: String,
    in_textbox: usize,
    text: String,
    blocks: Vec<BuiltBlock>,
}

impl XmlHandler for ControlText {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let local = tag.name.rsplit(':').next().unwrap_or_default();
        match local {
            "shape" => {
                self.kind.clear();
                self.text.clear();
                self.is_ticked = false;
            }
            "ClientData" => self.kind = tag.attribute("ObjectType").unwrap_or_default(),
            "textbox" => self.in_textbox += 1,
            "br" | "p" | "div" => self.text.push(' '),
            _ => {}
        }
        local.clone_into(&mut self.inside);
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        match name.rsplit(':').next().unwrap_or_default() {
            "textbox" => self.in_textbox = self.in_textbox.saturating_sub(1),
            "shape" => {
                let words = normalize_whitespace(&std::mem::take(&mut self.text));
                let text = match self.kind.as_str() {
                    "Checkbox" | "Radio" => format!("{} {words}", box_sign(self.is_ticked)),
                    "Note" => String::new(),
                    _ => words,
                };
                if !text.is_empty() {
                    self.blocks
                        .push(BuiltBlock::Block(BlockKind::Paragraph, text));
                }
            }
            _ => {}
        }
        self.inside.clear();
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.in_textbox > 0 {
            self.text.push_str(text);
        } else if self.inside == "Checked" {
            self.is_ticked = text.trim() == "1";
        }
    }
}
