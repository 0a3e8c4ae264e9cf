//! PowerPoint presentations (.pptx): one page for each slide, its title first, its notes last.
//!
//! Only what stands on a slide is read. The prompts of its layout are in other parts, which are
//! never opened.

use super::archive::{self, Archive};
use super::flow::{Flow, Item};
use super::numbers::Numerals;
use super::opc::{self, Relationships};
use super::sections::Sections;
use super::xml::{Tag, Visitor, walk};
use super::{Failure, Format, Sink, Source};
use cloister_domain::BlockKind;
use std::collections::HashMap;

/// PowerPoint presentations.
#[derive(Debug)]
pub struct Pptx;

/// More slides than any presentation has.
const MOST_SLIDES: usize = 10_000;
/// Levels of a list.
const LEVELS: usize = 9;

impl Format for Pptx {
    fn name(&self) -> &'static str {
        "pptx"
    }

    fn label(&self) -> &'static str {
        "PowerPoint (.pptx)"
    }

    fn recognises(&self, source: &Source) -> bool {
        archive::holds(source, |part| part == "ppt/presentation.xml")
    }

    fn read(
        &self,
        source: &Source,
        _from_page: u32,
        _structure: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let mut archive = Archive::open(&source.bytes)?;
        let main = Relationships::main_part(&mut archive, "ppt/presentation.xml")?;
        let properties = opc::properties(&mut archive)?;
        let related = Relationships::of(&mut archive, &main)?;
        let mut order = Order::default();
        walk(&archive.text(&main)?, &mut order)?;
        let mut sections = Sections::by_hand();
        let mut hidden = Vec::new();
        for (number, id) in (1_usize..).zip(&order.slides) {
            let part = related.part(id).unwrap_or_default();
            if !slide(&mut archive, part, number, &mut sections)? {
                hidden.push(number.to_string());
            }
            sections.turn_page();
        }
        let mut info = properties.info(self.name());
        if !hidden.is_empty() {
            let numbers = hidden.join(", ");
            let warning = format!("slides that are hidden are left out: {numbers}");
            info.warnings.push(warning);
        }
        sections.send(info, sink)?;
        opc::embedded(&mut archive, sink)
    }
}

/// Reads one slide onto the open page. Tells whether it is shown.
fn slide(
    archive: &mut Archive<'_>,
    part: &str,
    number: usize,
    sections: &mut Sections,
) -> Result<bool, Failure> {
    let related = Relationships::of(archive, part)?;
    let mut diagrams = HashMap::new();
    for (id, target) in related.of_kind("diagramData") {
        diagrams.insert(id.to_owned(), opc::diagram(archive, target)?);
    }
    let mut shapes = Shapes::new(diagrams);
    walk(&archive.text(part)?, &mut shapes)?;
    if shapes.is_hidden {
        return Ok(false);
    }
    let (title, body) = shapes.finish();
    let notes = match related.first("notesSlide") {
        Some(part) => {
            let mut shapes = Shapes::new(HashMap::new());
            shapes.of_notes = true;
            walk(&archive.text(part)?, &mut shapes)?;
            shapes.finish().1
        }
        None => Vec::new(),
    };
    write(sections, &format!("slide {number}"), &title, body, notes);
    Ok(true)
}

/// Writes a slide. One without a title is called by its place, so that what it says is not taken
/// for a part of the slide before.
pub fn write(sections: &mut Sections, place: &str, title: &str, body: Vec<Item>, notes: Vec<Item>) {
    if title.is_empty() && body.is_empty() && notes.is_empty() {
        return;
    }
    sections.stand_at(Some(place.to_owned()));
    if title.is_empty() {
        let mut called = place.to_owned();
        if let Some(first) = called.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        sections.push(BlockKind::Heading(1), &called);
    } else {
        sections.push(BlockKind::Heading(1), title);
    }
    put(sections, body);
    sections.stand_at(Some(format!("{place}, notes")));
    put(sections, notes);
}

fn put(sections: &mut Sections, items: Vec<Item>) {
    for item in items {
        match item {
            Item::Block(kind, text) => sections.push(kind, &text),
            Item::Row(cells) => sections.row(&cells),
        }
    }
}

/// The slides, in the order in which they are shown.
#[derive(Debug, Default)]
struct Order {
    slides: Vec<String>,
}

impl Visitor for Order {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        if tag.name == "p:sldId" && self.slides.len() < MOST_SLIDES {
            self.slides.extend(tag.get("r:id"));
        }
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}

/// What a shape is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Title,
    /// Text whose paragraphs have bullets unless they say otherwise.
    Outline,
    Plain,
    /// Dates, footers, numbers, and the picture of the slide on its notes.
    Furniture,
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    role: Role,
    hidden: bool,
}

/// A walk over the shapes of a slide.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a plain fact about where the walk stands"
)]
#[derive(Debug)]
struct Shapes {
    flow: Flow,
    title: Vec<Item>,
    diagrams: HashMap<String, Vec<Item>>,
    /// The shapes and groups that are open.
    open: Vec<Shape>,
    unseen: usize,
    in_text: bool,
    /// Levels of the list in this shape, and how far each has counted.
    counted: [u32; LEVELS],
    level: usize,
    numbered: bool,
    is_hidden: bool,
    of_notes: bool,
}

impl Shapes {
    fn new(diagrams: HashMap<String, Vec<Item>>) -> Self {
        Self {
            flow: Flow::default(),
            title: Vec::new(),
            diagrams,
            open: Vec::new(),
            unseen: 0,
            in_text: false,
            counted: [0; LEVELS],
            level: 0,
            numbered: false,
            is_hidden: false,
            of_notes: false,
        }
    }

    fn finish(mut self) -> (String, Vec<Item>) {
        let words = self.title.into_iter().map(|item| match item {
            Item::Block(_, text) => text,
            Item::Row(cells) => cells.join(" "),
        });
        let title: Vec<String> = words.collect();
        (title.join(" "), self.flow.take_aside())
    }

    fn role(&self) -> Role {
        self.open.last().map_or(Role::Plain, |shape| shape.role)
    }

    fn is_seen(&self) -> bool {
        let shape = self.open.last();
        let seen = shape.is_none_or(|s| !s.hidden && s.role != Role::Furniture);
        seen && (!self.of_notes || self.role() == Role::Outline)
    }

    fn placeholder(&mut self, tag: &Tag<'_>) {
        let kind = tag.get("type").unwrap_or_default();
        if let Some(shape) = self.open.last_mut() {
            shape.role = match kind.as_str() {
                "title" | "ctrTitle" => Role::Title,
                "" | "body" | "obj" => Role::Outline,
                "dt" | "ftr" | "hdr" | "sldNum" | "sldImg" => Role::Furniture,
                _ => Role::Plain,
            };
        }
    }

    fn paragraph_begins(&mut self) {
        self.flow.begin(BlockKind::Paragraph);
        self.level = 0;
        self.numbered = false;
        let listed = self.role() == Role::Outline && !self.of_notes && !self.flow.in_table();
        if listed {
            self.flow.set_kind(BlockKind::ListItem);
            self.flow.set_marker("•");
        }
    }

    fn number(&mut self, tag: &Tag<'_>) {
        self.numbered = true;
        let start: u32 = tag.number("startAt").unwrap_or(1);
        let Some(count) = self.counted.get_mut(self.level) else {
            return;
        };
        *count = if *count == 0 { start } else { *count + 1 };
        let marker = written(*count, &tag.get("type").unwrap_or_default());
        self.flow.set_kind(BlockKind::ListItem);
        self.flow.set_marker(&marker);
    }

    /// A paragraph without a number ends the count of its level, and each ends those below it.
    fn paragraph_ends(&mut self) {
        if !self.flow.is_empty() {
            let kept = self.level + usize::from(self.numbered);
            self.counted.iter_mut().skip(kept).for_each(|n| *n = 0);
        }
        self.flow.end();
    }

    fn shape_begins(&mut self) {
        let outer = self.open.last().copied();
        self.open.push(Shape {
            role: Role::Plain,
            hidden: outer.is_some_and(|shape| shape.hidden),
        });
        self.counted = [0; LEVELS];
        self.flow.end();
    }

    fn text_begins(&mut self) -> Result<(), Failure> {
        if self.role() == Role::Title {
            self.flow.open_aside()?;
        }
        Ok(())
    }

    fn text_ends(&mut self) {
        if self.role() == Role::Title {
            let title = self.flow.take_aside();
            self.title.extend(title);
        }
    }
}

/// A number as `arabicPeriod` or `alphaLcParenBoth` write it.
fn written(number: u32, scheme: &str) -> String {
    let numerals = [
        ("alphaLc", Numerals::Letter),
        ("alphaUc", Numerals::Capital),
        ("romanLc", Numerals::Roman),
        ("romanUc", Numerals::CapitalRoman),
    ];
    let found = numerals.iter().find(|(name, _)| scheme.starts_with(name));
    let number = found.map_or(Numerals::Decimal, |(_, n)| *n).write(number);
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

impl Visitor for Shapes {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        if self.unseen > 0 || tag.name == "mc:Fallback" {
            self.unseen += 1;
            return Ok(());
        }
        match tag.name.as_ref() {
            "p:sld" | "p:notes" => {
                self.is_hidden = !tag.is_on("show");
                self.flow.open_aside()?;
            }
            "p:sp" | "p:grpSp" | "p:graphicFrame" | "p:cxnSp" | "p:pic" => self.shape_begins(),
            "p:cNvPr" => {
                let hides = tag.get("hidden").is_some() && tag.is_on("hidden");
                if let Some(shape) = self.open.last_mut() {
                    shape.hidden |= hides;
                }
            }
            "p:ph" => self.placeholder(tag),
            "p:txBody" => self.text_begins()?,
            "a:p" => self.paragraph_begins(),
            "a:pPr" => self.level = tag.number("lvl").unwrap_or(0).min(LEVELS - 1),
            "a:buNone" => {
                self.flow.set_kind(BlockKind::Paragraph);
                self.flow.set_marker("");
            }
            "a:buChar" => {
                self.flow.set_kind(BlockKind::ListItem);
                self.flow.set_marker("•");
            }
            "a:buAutoNum" => self.number(tag),
            "a:t" => self.in_text = true,
            "a:br" | "a:tab" => self.flow.text(" "),
            "a:tbl" => self.flow.open_table()?,
            "a:tr" => self.flow.open_row(),
            "a:tc" => self.flow.open_cell(1)?,
            "dgm:relIds" => {
                let diagram = self.diagrams.remove(&tag.get("r:dm").unwrap_or_default());
                self.flow.put_beside(diagram.unwrap_or_default());
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        if self.unseen > 0 {
            self.unseen -= 1;
            return Ok(());
        }
        match name {
            "p:sp" | "p:grpSp" | "p:graphicFrame" | "p:cxnSp" | "p:pic" => {
                self.open.pop();
            }
            "p:txBody" => self.text_ends(),
            "a:p" => self.paragraph_ends(),
            "a:t" => self.in_text = false,
            "a:tc" => self.flow.close_cell(),
            "a:tbl" => self.flow.close_table(),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.in_text && self.unseen == 0 && self.is_seen() {
            self.flow.text(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_slide_shows_them() {
        for (number, scheme, expected) in [
            (3, "arabicPeriod", "3."),
            (3, "alphaLcParenR", "c)"),
            (3, "romanUcParenBoth", "(III)"),
            (3, "arabicPlain", "3"),
        ] {
            assert_eq!(written(number, scheme), expected);
        }
    }
}
