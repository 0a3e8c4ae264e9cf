//! PowerPoint presentations (.pptx): one page for each slide, with the title first and the notes
//! last.
//!
//! Only the text on a slide is read. The placeholders of its layout are in other parts, which are
//! never opened.

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::archive::{self, Archive};
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock, CellShape};
use crate::formats::common::charts::read_chart;
use crate::formats::common::math::MathBuilder;
use crate::formats::common::numbers::Numerals;
use crate::formats::common::opc::{self, Relationships};
use crate::formats::common::scripts::{Script, write_struck};
use crate::formats::common::sections::Sections;
use crate::formats::common::slides::{SlideContent, write_slide};
use crate::formats::common::symbols::SymbolFont;
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use crate::wire::Refusal;
use cloister_domain::BlockKind;
use std::collections::HashMap;

/// Maximum number of slides.
const MAX_SLIDES: usize = 10_000;
/// Number of levels of a list.
const LEVELS: usize = 9;
/// Maximum number of diagrams, of charts and of comments of a slide.
const MAX_INSERTS: usize = 200;

/// Content types of the main part of a presentation.
const CONTENT_TYPES: &[&str] = &[
    "presentationml.presentation.main+xml",
    "presentationml.slideshow.main+xml",
    "presentationml.template.main+xml",
    "ms-powerpoint.presentation.macroEnabled.main+xml",
    "ms-powerpoint.slideshow.macroEnabled.main+xml",
    "ms-powerpoint.template.macroEnabled.main+xml",
];

/// PowerPoint presentations.
pub const FORMAT: Format = Format {
    name: "pptx",
    label: "PowerPoint (.pptx)",
    matches,
    extract,
    render_page: None,
};

fn matches(source: &Source) -> bool {
    archive::contains_part(source, |part| part == "ppt/presentation.xml")
        || opc::is_package(source, CONTENT_TYPES)
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut archive = Archive::open(&source.bytes)?;
    let main = Relationships::find_main_part(&mut archive, "ppt/presentation.xml")?;
    let properties = opc::read_properties(&mut archive)?;
    let related = Relationships::load(&mut archive, &main)?;
    let mut order = SlideOrder::default();
    parse_xml(&archive.text(&main)?, &mut order)?;
    let mut sections = Sections::manual();
    let mut hidden = Vec::new();
    for (number, id) in (1_usize..).zip(&order.slides) {
        let part = related.target(id).unwrap_or_default();
        match read_slide(&mut archive, part, number, &mut sections) {
            Ok(true) => {}
            Ok(false) => hidden.push(number.to_string()),
            Err(Failure::Refused(Refusal::Damaged(why))) => {
                sections.warn(format!("slide {number} could not be read: {why}"));
            }
            Err(failure) => return Err(failure),
        }
        sections.end_page();
    }
    let mut info = properties.info(FORMAT.name);
    if !hidden.is_empty() {
        let numbers = hidden.join(", ");
        let warning = format!("slides that are hidden are left out: {numbers}");
        info.warnings.push(warning);
    }
    sections.send(info, sink)?;
    opc::send_embedded_files(&mut archive, sink)
}

/// Reads a slide onto the open page. Returns whether it is visible.
fn read_slide(
    archive: &mut Archive<'_>,
    part: &str,
    number: usize,
    sections: &mut Sections,
) -> Result<bool, Failure> {
    let related = Relationships::load(archive, part)?;
    let mut inserts = HashMap::new();
    for (id, target) in related.of_kind("diagramData").take(MAX_INSERTS) {
        inserts.insert(id.to_owned(), opc::read_diagram(archive, target)?);
    }
    for (id, target) in related.of_kind("chart").take(MAX_INSERTS) {
        inserts.insert(id.to_owned(), read_chart(archive, target)?);
    }
    let mut shapes = SlideReader::new(inserts);
    let xml = archive.text(part)?;
    if xml.is_empty() {
        return Err(Failure::damaged("its part is missing"));
    }
    parse_xml(&xml, &mut shapes)?;
    if shapes.is_hidden {
        return Ok(false);
    }
    let (title, mut body) = shapes.finish();
    for (_, target) in related.of_kind("comments").take(MAX_INSERTS) {
        let mut comments = CommentReader::default();
        let _broken = parse_xml(&archive.text(target)?, &mut comments);
        body.extend(comments.found);
    }
    let notes = match related.first_of_kind("notesSlide") {
        Some(part) => {
            let mut shapes = SlideReader::new(HashMap::new());
            shapes.of_notes = true;
            parse_xml(&archive.text(part)?, &mut shapes)?;
            shapes.finish().1
        }
        None => Vec::new(),
    };
    write_slide(sections, number, SlideContent { title, body, notes });
    Ok(true)
}

/// Reads the comments on a slide.
#[derive(Debug, Default)]
struct CommentReader {
    text: String,
    in_text: bool,
    found: Vec<BuiltBlock>,
}

impl XmlHandler for CommentReader {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        self.in_text = matches!(tag.name.as_ref(), "p:text" | "a:t");
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        self.in_text = false;
        let ends = matches!(name.rsplit(':').next(), Some("cm" | "reply"));
        let text = if ends {
            std::mem::take(&mut self.text)
        } else {
            String::new()
        };
        if !text.trim().is_empty() {
            let text = format!("Comment: {}", text.trim());
            self.found
                .push(BuiltBlock::Block(BlockKind::Paragraph, text));
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.in_text {
            self.text.push_str(text);
        }
    }
}

/// The slides, in the order in which they are shown.
#[derive(Debug, Default)]
struct SlideOrder {
    slides: Vec<String>,
}

impl XmlHandler for SlideOrder {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if tag.name == "p:sldId" && self.slides.len() < MAX_SLIDES {
            self.slides.extend(tag.attribute("r:id"));
        }
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}

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
struct SlideReader {
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
    is_hidden: bool,
    of_notes: bool,
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
    fn new(diagrams: HashMap<String, Vec<BuiltBlock>>) -> Self {
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

    fn finish(mut self) -> (String, Vec<BuiltBlock>) {
        let words = self.title.into_iter().map(|item| match item {
            BuiltBlock::Block(_, text) => text,
            BuiltBlock::Row(row) => row.text(),
        });
        let title: Vec<String> = words.collect();
        (title.join(" "), self.builder.take_float())
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
                "dt" | "ftr" | "hdr" | "sldNum" | "sldImg" => ShapeRole::Decoration,
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
        let is_merged = |name: &str| tag.attribute(name).is_some() && tag.is_on(name);
        let column = self.column;
        self.column += 1;
        if is_merged("hMerge") || is_merged("vMerge") {
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
            }
            "p:ph" => self.set_placeholder(tag),
            "p:txBody" => self.begin_text()?,
            "a:p" => self.begin_paragraph(),
            "a:pPr" => self.level = tag.parse_attribute("lvl").unwrap_or(0).min(LEVELS - 1),
            "a:buNone" => {
                self.builder.set_kind(BlockKind::Paragraph);
                self.builder.set_marker("");
            }
            "a:buChar" => {
                self.builder.set_kind(BlockKind::ListItem);
                self.builder.set_marker("•");
            }
            "a:buAutoNum" => self.number_paragraph(tag),
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
            "c:chart" => {
                let id = tag.attribute("r:id").unwrap_or_default();
                self.builder
                    .append_float(self.diagrams.remove(&id).unwrap_or_default());
            }
            name if name.starts_with("m:") => {
                let local = name.strip_prefix("m:").unwrap_or(name);
                if local != "oMathPara" {
                    self.math_depth += 1;
                    self.math.start(local);
                    if matches!(local, "begChr" | "endChr" | "chr") {
                        self.math
                            .sign(local, &tag.attribute("m:val").unwrap_or_default());
                    }
                }
            }
            "dgm:relIds" => {
                let diagram = self
                    .diagrams
                    .remove(&tag.attribute("r:dm").unwrap_or_default());
                self.builder.append_float(diagram.unwrap_or_default());
            }
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
