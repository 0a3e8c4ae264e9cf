//! PowerPoint presentations (.pptx): one page for each slide, with the title first and the notes
//! last.
//!
//! Only the text on a slide is read. The placeholders of its layout are in other parts, which are
//! never opened.

mod slide;

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::archive::{self, Archive};
use crate::formats::common::block_builder::BuiltBlock;
use crate::formats::common::charts::read_chart;
use crate::formats::common::embedded;
use crate::formats::common::opc::{self, Relationships};
use crate::formats::common::sections::Sections;
use crate::formats::common::slides::{SlideContent, write_slide};
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use crate::wire::Refusal;
use cloister_domain::{BlockKind, LossKind, OmissionKind};
use slide::SlideReader;
use std::collections::HashMap;

/// Maximum number of slides.
const MAX_SLIDES: usize = 10_000;
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
                let warning = format!("slide {number} could not be read: {why}");
                sections.lose(LossKind::Slide, 1, warning);
            }
            Err(failure) => return Err(failure),
        }
        sections.end_page();
    }
    if !hidden.is_empty() {
        let numbers = hidden.join(", ");
        let warning = format!("slides that are hidden are left out: {numbers}");
        sections.warn(warning);
        let account = &mut sections.account;
        account.leave_out(OmissionKind::HiddenSlide, hidden.len());
    }
    let inside = embedded::take_out(&mut archive, &mut sections)?;
    sections.send(properties.info(FORMAT.name), sink)?;
    embedded::send(&inside, sink)
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
    let (title, mut body, account) = shapes.finish();
    sections.account.merge(&account);
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
