//! Word documents (.docx): headings, paragraphs, lists, tables, boxes and notes. Tracked changes
//! are accepted.

mod body;
mod lists;
mod styles;

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::archive::{self, Archive};
use crate::formats::common::opc::{self, Relationships};
use crate::formats::common::xml::{XmlTag, parse_xml};
use body::{DocxBody, DocxNotes};
use lists::Numbering;
use std::collections::HashMap;
use styles::DocxStyles;

/// Maximum number of diagrams.
const MAX_DIAGRAMS: usize = 200;

/// Word documents.
pub const FORMAT: Format = Format {
    name: "docx",
    label: "Word (.docx)",
    matches,
    extract,
    render_page: None,
};

fn matches(source: &Source) -> bool {
    archive::contains_part(source, |part| {
        part.strip_prefix("word/document")
            .is_some_and(|rest| !rest.contains('/'))
    })
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut archive = Archive::open(&source.bytes)?;
    let main = Relationships::find_main_part(&mut archive, "word/document.xml")?;
    let properties = opc::read_properties(&mut archive)?;
    let related = Relationships::load(&mut archive, &main)?;
    let mut part = |kind: &str| {
        let part = related.first_of_kind(kind).map(str::to_owned);
        archive.text(&part.unwrap_or_else(|| format!("word/{kind}.xml")))
    };
    let styles = DocxStyles::parse(&part("styles")?)?;
    let lists = Numbering::parse(&part("numbering")?)?;
    let mut notes = DocxNotes::default();
    for (kind, element) in [("footnotes", "w:footnote"), ("endnotes", "w:endnote")] {
        notes.parse(&part(kind)?, element, &styles)?;
    }
    let mut diagrams = HashMap::new();
    for (id, target) in related.of_kind("diagramData").take(MAX_DIAGRAMS) {
        diagrams.insert(id.to_owned(), opc::read_diagram(&mut archive, target)?);
    }
    let mut body = DocxBody::new(&styles, lists, notes, diagrams);
    parse_xml(&archive.text(&main)?, &mut body)?;
    body.finish().send(properties.info(FORMAT.name), sink)?;
    opc::send_embedded_files(&mut archive, sink)
}

/// The attribute in which most elements have their value.
fn value_of(tag: &XmlTag<'_>) -> String {
    tag.attribute("w:val").unwrap_or_default()
}
