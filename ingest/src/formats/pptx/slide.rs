//! Reading a slide or its notes, one element at a time.

use crate::formats::Failure;
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock, CellShape};
use crate::formats::common::drawings::describe_picture;
use crate::formats::common::math::MathBuilder;
use crate::formats::common::numbers::Numerals;
use crate::formats::common::scripts::{Script, write_struck};
use crate::formats::common::symbols::SymbolFont;
use crate::formats::common::xml::{XmlHandler, XmlTag, unescape};
use cloister_domain::{BlockKind, OmissionKind, ReadingAccount};
use std::collections::HashMap;

/// Number of levels of a list.
const LEVELS: usize = 9;

/// The role of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShapeRole {
    Title,
    /// Text whose paragraphs have bullets by default.
    Outline,
    Plain,
    /// Dates, footers, slide numbers, and the picture of the slide on its notes.
    Decoration,
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    role: ShapeRole,
    hidden: bool,
}

/// Handles the elements of a slide.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact about the current position"
)]
#[derive(Debug)]
pub(super) struct SlideReader {
    builder: BlockBuilder,
    title: Vec<BuiltBlock>,
    diagrams: HashMap<String, Vec<BuiltBlock>>,
    /// The open shapes and groups.
    open: Vec<Shape>,
    skip_depth: usize,
    in_text: bool,
    /// The counter of each level of the list in this shape.
    counters: [u32; LEVELS],
    level: usize,
    numbered: bool,
    pub is_hidden: bool,
    pub of_notes: bool,
    bold: bool,
    struck: bool,
    script: Script,
    /// The symbol font of the run.
    symbol_font: Option<SymbolFont>,
    math: MathBuilder,
    math_depth: usize,
    /// The column of the next cell.
    column: usize,
}

impl SlideReader {
    pub fn new(diagrams: HashMap<String, Vec<BuiltBlock>>) -> Self {
        Self {
            builder: BlockBuilder::default(),
            title: Vec::new(),
            diagrams,
            open: Vec::new(),
            skip_depth: 0,
            in_text: false,
            counters: [0; LEVELS],
            level: 0,
            numbered: false,
            is_hidden: false,
            of_notes: false,
            bold: false,
            struck: false,
            script: Script::Normal,
            symbol_font: None,
            math: MathBuilder::default(),
            math_depth: 0,
            column: 0,
        }
    }

    /// Returns the title, the blocks, and what was left out.
    pub fn finish(mut self) -> (String, Vec<BuiltBlock>, ReadingAccount) {
        let words = self.title.into_iter().map(|item| match item {
            BuiltBlock::Block(_, text) => text,
            BuiltBlock::Row(row) => row.text(),
        });
        let title: Vec<String> = words.collect();
        let blocks = self.builder.take_float();
        let account = std::mem::take(&mut self.builder.sections.account);
        (title.join(" "), blocks, account)
    }

    fn role(&self) -> ShapeRole {
        self.open
            .last()
            .map_or(ShapeRole::Plain, |shape| shape.role)
    }

    fn is_seen(&self) -> bool {
        let shape = self.open.last();
        let seen = shape.is_none_or(|s| !s.hidden && s.role != ShapeRole::Decoration);
        seen && (!self.of_notes || self.role() == ShapeRole::Outline)
    }

    fn set_placeholder(&mut self, tag: &XmlTag<'_>) {
        let kind = tag.attribute("type").unwrap_or_default();
        if let Some(shape) = self.open.last_mut() {
            shape.role = match kind.as_str() {
                "title" | "ctrTitle" => ShapeRole::Title,
                "" | "body" | "obj" => ShapeRole::Outline,
                "dt" | "ftr" | "hdr" | "sldNum" | "sldImg" => {
                    let account = &mut self.builder.sections.account;
                    account.leave_out(OmissionKind::RepeatedText, 1);
                    ShapeRole::Decoration
                }
                _ => ShapeRole::Plain,
            };
        }
    }

    fn begin_paragraph(&mut self) {
        self.builder.begin_paragraph(BlockKind::Paragraph);
        self.level = 0;
        self.numbered = false;
        let listed =
            self.role() == ShapeRole::Outline && !self.of_notes && !self.builder.in_table();
        if listed {
            self.builder.set_kind(BlockKind::ListItem);
            self.builder.set_marker("•");
        }
    }

    fn number_paragraph(&mut self, tag: &XmlTag<'_>) {
        self.numbered = true;
        let start: u32 = tag.parse_attribute("startAt").unwrap_or(1);
        let Some(count) = self.counters.get_mut(self.level) else {
            return;
        };
        *count = if *count == 0 { start } else { *count + 1 };
        let marker = format_number(*count, &tag.attribute("type").unwrap_or_default());
        self.builder.set_kind(BlockKind::ListItem);
        self.builder.set_marker(&marker);
    }

    /// Ends a paragraph. A paragraph without a number resets the counter of its level, and every
    /// paragraph resets those of lower levels.
    fn end_paragraph(&mut self) {
        if !self.builder.is_empty() {
            let first_reset = self.level + usize::from(self.numbered);
            self.counters
                .iter_mut()
                .skip(first_reset)
                .for_each(|n| *n = 0);
        }
        self.builder.end_paragraph();
    }

    fn begin_shape(&mut self) {
        let outer = self.open.last().copied();
        self.open.push(Shape {
            role: ShapeRole::Plain,
            hidden: outer.is_some_and(|shape| shape.hidden),
        });
        self.counters = [0; LEVELS];
        self.builder.end_paragraph();
    }

    fn set_run(&mut self, tag: &XmlTag<'_>) {
        self.bold = tag.attribute("b").is_some() && tag.is_on("b");
        self.struck = tag
            .attribute("strike")
            .is_some_and(|strike| strike != "noStrike");
        let baseline = tag.attribute("baseline").unwrap_or_default();
        let baseline: f64 = baseline.trim_end_matches('%').parse().unwrap_or(0.0);
        self.script = if baseline > 0.0 {
            Script::Raised
        } else if baseline < 0.0 {
            Script::Lowered
        } else {
            Script::Normal
        };
    }

    /// Each column has an element, also if a cell before it or above it covers it.
    fn begin_cell(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let column = self.column;
        self.column += 1;
        if is_merged(tag, "hMerge") || is_merged(tag, "vMerge") {
            self.skip_depth += 1;
            return Ok(());
        }
        self.builder.open_cell(CellShape {
            columns: tag.parse_attribute("gridSpan").unwrap_or(1),
            rows: tag.parse_attribute("rowSpan").unwrap_or(1),
            column: Some(column),
            ..CellShape::default()
        })
    }

    fn begin_text(&mut self) -> Result<(), Failure> {
        if self.role() == ShapeRole::Title {
            self.builder.open_float()?;
        }
        Ok(())
    }

    fn end_text(&mut self) {
        if self.role() == ShapeRole::Title {
            let title = self.builder.take_float();
            self.title.extend(title);
        }
    }

    fn set_paragraph(&mut self, tag: &XmlTag<'_>) {
        match tag.name.as_ref() {
            "a:pPr" => self.level = tag.parse_attribute("lvl").unwrap_or(0).min(LEVELS - 1),
            "a:buNone" => {
                self.builder.set_kind(BlockKind::Paragraph);
                self.builder.set_marker("");
            }
            "a:buChar" => {
                self.builder.set_kind(BlockKind::ListItem);
                self.builder.set_marker("•");
            }
            _ => self.number_paragraph(tag),
        }
    }

    /// Inserts the part whose relationship id is in this attribute.
    fn insert_part(&mut self, tag: &XmlTag<'_>, attribute: &str) {
        let id = tag.attribute(attribute).unwrap_or_default();
        let blocks = self.diagrams.remove(&id).unwrap_or_default();
        self.builder.append_float(blocks);
    }

    fn begin_math(&mut self, tag: &XmlTag<'_>) {
        let local = tag.name.strip_prefix("m:").unwrap_or(&tag.name);
        if local == "oMathPara" {
            return;
        }
        self.math_depth += 1;
        self.math.start(local);
        if matches!(local, "begChr" | "endChr" | "chr") {
            let sign = tag.attribute("m:val").unwrap_or_default();
            self.math.sign(local, &sign);
        }
    }
}

/// Whether the attribute is there and on.
fn is_merged(tag: &XmlTag<'_>, name: &str) -> bool {
    tag.attribute(name).is_some() && tag.is_on(name)
}

/// Formats a number in a scheme such as `arabicPeriod` or `alphaLcParenBoth`.
fn format_number(number: u32, scheme: &str) -> String {
    let numerals = [
        ("alphaLc", Numerals::LowerLetter),
        ("alphaUc", Numerals::UpperLetter),
        ("romanLc", Numerals::LowerRoman),
        ("romanUc", Numerals::UpperRoman),
    ];
    let found = numerals.iter().find(|(name, _)| scheme.starts_with(name));
    let number = found.map_or(Numerals::Decimal, |(_, n)| *n).format(number);
    if scheme.ends_with("ParenBoth") {
        format!("({number})")
    } else if scheme.ends_with("ParenR") {
        format!("{number})")
    } else if scheme.ends_with("Plain") {
        number
    } else {
        format!("{number}.")
    }
}

impl XmlHandler for SlideReader {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if self.skip_depth > 0 || tag.name == "mc:Fallback" {
            self.skip_depth += 1;
            return Ok(());
        }
        match tag.name.as_ref() {
            "p:sld" | "p:notes" => {
                self.is_hidden = !tag.is_on("show");
                self.builder.open_float()?;
            }
            "p:sp" | "p:grpSp" | "p:graphicFrame" | "p:cxnSp" | "p:pic" => self.begin_shape(),
            "p:cNvPr" => {
                let hides = tag.attribute("hidden").is_some() && tag.is_on("hidden");
                if let Some(shape) = self.open.last_mut() {
                    shape.hidden |= hides;
                }
                let words = tag.attribute("descr").unwrap_or_default();
                if self.is_seen() {
                    self.builder
                        .append_float(describe_picture(&words).into_iter().collect());
                }
            }
            "p:ph" => self.set_placeholder(tag),
            "p:txBody" => self.begin_text()?,
            "a:p" => self.begin_paragraph(),
            "a:pPr" | "a:buNone" | "a:buChar" | "a:buAutoNum" => self.set_paragraph(tag),
            "a:t" => self.in_text = true,
            "a:br" | "a:tab" => self.builder.push_text(" "),
            "a:tbl" => self.builder.open_table()?,
            "a:tblPr" if tag.attribute("firstRow").is_some() && tag.is_on("firstRow") => {
                self.builder.mark_header_table();
            }
            "a:tr" => {
                self.builder.open_row();
                self.column = 0;
            }
            "a:tc" => self.begin_cell(tag)?,
            "a:rPr" => self.set_run(tag),
            "a:latin" | "a:sym" => {
                let font = tag
                    .attribute("typeface")
                    .and_then(|font| SymbolFont::from_name(&font));
                self.symbol_font = font.or(self.symbol_font);
            }
            "c:chart" => self.insert_part(tag, "r:id"),
            "dgm:relIds" => self.insert_part(tag, "r:dm"),
            name if name.starts_with("m:") => self.begin_math(tag),
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
            "p:sp" | "p:grpSp" | "p:graphicFrame" | "p:cxnSp" | "p:pic" => {
                self.open.pop();
            }
            "p:txBody" => self.end_text(),
            "a:p" => self.end_paragraph(),
            "a:t" => self.in_text = false,
            "a:r" => {
                self.bold = false;
                self.struck = false;
                self.script = Script::Normal;
                self.symbol_font = None;
            }
            "m:oMathPara" => {}
            _ if self.math_depth > 0 && name.starts_with("m:") => {
                self.math_depth -= 1;
                if let Some(text) = self.math.end().filter(|_| self.is_seen()) {
                    self.builder.push_text(&text);
                }
            }
            "a:tc" => self.builder.close_cell(),
            "a:tbl" => self.builder.close_table(),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.math_depth > 0 && self.skip_depth == 0 {
            self.math.text(text);
            return;
        }
        if self.in_text && self.skip_depth == 0 && self.is_seen() {
            let text = &unescape(text);
            let written = match self.symbol_font {
                Some(font) => font.write(text),
                None => self.script.write(text),
            };
            let written = if self.struck {
                write_struck(&written)
            } else {
                written
            };
            self.builder.note_weight(text, self.bold);
            self.builder.push_text(&written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted_as_on_slides() {
        for (number, scheme, expected) in [
            (3, "arabicPeriod", "3."),
            (3, "alphaLcParenR", "c)"),
            (3, "romanUcParenBoth", "(III)"),
            (3, "arabicPlain", "3"),
        ] {
            assert_eq!(format_number(number, scheme), expected);
        }
    }
}
