//! Word documents (.docx): headings, paragraphs, lists, tables, boxes and notes. Tracked changes
//! are accepted.

mod body;
mod chunks;
mod fields;
mod lists;
mod styles;

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::archive::{self, Archive};
use crate::formats::common::block_builder::{BuiltBlock, write_blocks};
use crate::formats::common::charts::read_chart;
use crate::formats::common::embedded;
use crate::formats::common::opc::{self, Relationships};
use crate::formats::common::sections::Sections;
use crate::formats::common::xml::{XmlTag, parse_xml};
use body::{DocxBody, DocxNotes, Inserts};
use lists::Numbering;
use styles::DocxStyles;

pub use fields::equation;

/// Maximum number of diagrams, charts, chunks, headers and footers, each.
const MAX_INSERTS: usize = 200;

/// Word documents.
pub const FORMAT: Format = Format {
    name: "docx",
    label: "Word (.docx)",
    matches,
    extract,
    render_page: None,
};

/// Content types of the main part of a document.
const CONTENT_TYPES: &[&str] = &[
    "wordprocessingml.document.main+xml",
    "wordprocessingml.template.main+xml",
    "ms-word.document.macroEnabled.main+xml",
    "ms-word.template.macroEnabledTemplate.main+xml",
];

fn matches(source: &Source) -> bool {
    archive::contains_part(source, |part| {
        part.strip_prefix("word/document")
            .is_some_and(|rest| !rest.contains('/'))
    }) || opc::is_package(source, CONTENT_TYPES)
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut archive = Archive::open(&source.bytes)?;
    let properties = opc::read_properties(&mut archive)?;
    let mut sections = read_package(&mut archive, 0)?;
    let inside = embedded::take_out(&mut archive, &mut sections)?;
    sections.send(properties.info(FORMAT.name), sink)?;
    embedded::send(&inside, sink)
}

/// Reads a document that is one XML file.
pub fn read_flat(xml: &str) -> Result<Sections, Failure> {
    let styles = DocxStyles::parse(xml)?;
    let mut body = DocxBody::new(
        &styles,
        Numbering::default(),
        DocxNotes::default(),
        Inserts::default(),
    );
    parse_xml(xml, &mut body)?;
    Ok(body.finish())
}

/// Reads the document of an archive. `depth` counts the documents around it.
fn read_package(archive: &mut Archive<'_>, depth: usize) -> Result<Sections, Failure> {
    let main = Relationships::find_main_part(archive, "word/document.xml")?;
    let related = Relationships::load(archive, &main)?;
    let styles = related.text_of_kind("styles", "word/styles.xml", archive)?;
    let styles = DocxStyles::parse(&styles)?;
    let lists = related.text_of_kind("numbering", "word/numbering.xml", archive)?;
    let lists = Numbering::parse(&lists)?;
    let mut notes = DocxNotes::default();
    for (kind, element) in [
        ("footnotes", "w:footnote"),
        ("endnotes", "w:endnote"),
        ("comments", "w:comment"),
    ] {
        let part = related.text_of_kind(kind, &format!("word/{kind}.xml"), archive)?;
        notes.parse(&part, element, &styles)?;
    }
    let mut inserts = Inserts::default();
    for (id, target) in related.of_kind("diagramData").take(MAX_INSERTS) {
        inserts.add(id, opc::read_diagram(archive, target)?);
    }
    for (id, target) in related.of_kind("chart").take(MAX_INSERTS) {
        inserts.add(id, read_chart(archive, target)?);
    }
    for (id, target) in related.of_kind("aFChunk").take(MAX_INSERTS) {
        let (blocks, warning) = chunks::read_chunk(archive, target, depth)?;
        inserts.add(id, blocks);
        inserts.warnings.extend(warning);
    }
    let margins = read_margins(archive, &related, &styles, &lists)?;
    let mut body = DocxBody::new(&styles, lists, notes, inserts);
    parse_xml(&archive.text(&main)?, &mut body)?;
    let mut sections = body.finish();
    write_blocks(&mut sections, margins);
    Ok(sections)
}

/// Reads what stands in headers and footers, each different one once. Number, version and validity
/// of a procedure often stand there alone.
fn read_margins(
    archive: &mut Archive<'_>,
    related: &Relationships,
    styles: &DocxStyles,
    lists: &Numbering,
) -> Result<Vec<BuiltBlock>, Failure> {
    let mut found: Vec<BuiltBlock> = Vec::new();
    for kind in ["header", "footer"] {
        for (_, target) in related.of_kind(kind).take(MAX_INSERTS) {
            let mut inserts = Inserts::default();
            let own = Relationships::load(archive, target).unwrap_or_default();
            for (id, chart) in own.of_kind("chart").take(MAX_INSERTS) {
                inserts.add(id, read_chart(archive, chart)?);
            }
            let mut body = DocxBody::new(styles, lists.clone(), DocxNotes::default(), inserts);
            body.begin_margin()?;
            // An invalid header does not make the document invalid.
            let _broken = parse_xml(&archive.text(target)?, &mut body);
            for block in body.finish_margin() {
                if !found.contains(&block) {
                    found.push(block);
                }
            }
        }
    }
    // A page number alone says nothing.
    found.retain(|block| match block {
        BuiltBlock::Block(_, text) => text.chars().any(char::is_alphabetic),
        BuiltBlock::Row(_) => true,
    });
    Ok(found)
}

/// The attribute in which most elements have their value.
fn value_of(tag: &XmlTag<'_>) -> String {
    tag.attribute("w:val").unwrap_or_default()
}
