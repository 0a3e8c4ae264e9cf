//! OpenDocument texts, presentations and spreadsheets (.odt, .odp, .ods).
//!
//! All three contain one XML file with the same elements for paragraphs, lists and tables. The
//! displayed text of a cell is stored next to its value, so dates and amounts are read as people
//! see them.

mod body;
mod controls;
mod list_state;
mod sheet_state;
mod styles;

use super::{Failure, Format, Sink, Source};
use crate::formats::common::archive::{self, Archive};
use crate::formats::common::block_builder::{BuiltBlock, write_blocks};
use crate::formats::common::embedded;
use crate::formats::common::math::MathBuilder;
use crate::formats::common::sections::Sections;
use crate::formats::common::xml::{DocumentProperties, XmlHandler, XmlTag, parse_xml};
use crate::wire::{Info, Refusal};
use body::OdfBody;
use controls::Controls;
use std::collections::HashMap;
use styles::OdfStyles;

/// Maximum number of charts and formulas.
const MAX_OBJECTS: usize = 500;

const MIMETYPE_PREFIX: &str = "application/vnd.oasis.opendocument.";

/// Whether the file declares this kind of document, or a template for it.
fn has_mimetype(source: &Source, kind: &str) -> bool {
    let Some(mimetype) = archive::read_mimetype(source) else {
        return false;
    };
    let Some(subtype) = mimetype.strip_prefix(MIMETYPE_PREFIX) else {
        return false;
    };
    subtype.strip_suffix("-template").unwrap_or(subtype) == kind
}

fn extract_odf_content(
    source: &Source,
    name: &str,
    sections: Sections,
    sink: &mut dyn Sink,
) -> Result<(), Failure> {
    let mut archive = Archive::open(&source.bytes)?;
    if archive
        .text("META-INF/manifest.xml")?
        .contains("encryption-data")
    {
        return Err(Refusal::Encrypted.into());
    }
    let content = archive.text("content.xml")?;
    let mut styles = OdfStyles::default();
    styles.parse(&archive.text("styles.xml")?)?;
    styles.parse(&content)?;
    let properties = DocumentProperties::read(&mut archive, "meta.xml")?;
    let controls = Controls::parse(&content);
    let objects = read_objects(&mut archive, &styles)?;
    let margins = if name == "odt" {
        margins_of(&archive.text("styles.xml")?, &styles)?
    } else {
        Vec::new()
    };
    let mut body = OdfBody::new(&styles, sections, name == "ods");
    body.hidden_cells = source.hidden_cells;
    body.insert(controls, objects);
    parse_xml(&content, &mut body)?;
    let info = properties.info(name);
    let mut sections = body.finish();
    write_blocks(&mut sections, margins);
    let inside = embedded::take_out(&mut archive, &mut sections)?;
    sections.send(info, sink)?;
    embedded::send(&inside, sink)
}

/// Reads a document that is one XML file.
pub fn extract_flat(xml: &str, sink: &mut dyn Sink) -> Result<(), Failure> {
    let head: String = xml.chars().take(4_000).collect();
    let (name, sections) = if head.contains("opendocument.spreadsheet") {
        ("ods", Sections::manual())
    } else if head.contains("opendocument.presentation") {
        ("odp", Sections::manual())
    } else {
        ("odt", Sections::default())
    };
    let mut styles = OdfStyles::default();
    styles.parse(xml)?;
    let mut body = OdfBody::new(&styles, sections, name == "ods");
    body.insert(Controls::parse(xml), HashMap::new());
    parse_xml(xml, &mut body)?;
    let mut sections = body.finish();
    if name == "odt" {
        write_blocks(&mut sections, margins_of(xml, &styles)?);
    }
    let info = Info {
        format: name.to_owned(),
        ..Info::default()
    };
    sections.send(info, sink)
}

/// Reads the charts and formulas in a file: what they show, by the name of their folder.
fn read_objects(
    archive: &mut Archive<'_>,
    styles: &OdfStyles,
) -> Result<HashMap<String, OdfObject>, Failure> {
    let mut found = HashMap::new();
    for name in archive.names() {
        let Some(folder) = name
            .strip_suffix("/content.xml")
            .filter(|_| found.len() < MAX_OBJECTS)
        else {
            continue;
        };
        let xml = archive.text(&name)?;
        let mut math = FormulaReader::default();
        // An invalid object does not make the document invalid.
        let _broken = parse_xml(&xml, &mut math);
        let object = if let Some(text) = math.text {
            OdfObject::Formula(text)
        } else {
            let mut body = OdfBody::new(styles, Sections::default(), false);
            body.begin_part()?;
            let _broken = parse_xml(&xml, &mut body);
            OdfObject::Blocks(body.finish_part())
        };
        found.insert(folder.to_owned(), object);
    }
    Ok(found)
}

/// Reads what stands in headers and footers, each different one once.
fn margins_of(xml: &str, styles: &OdfStyles) -> Result<Vec<BuiltBlock>, Failure> {
    let mut body = OdfBody::new(styles, Sections::default(), false);
    body.begin_part()?;
    body.reads_margins = true;
    let _broken = parse_xml(xml, &mut body);
    let mut found: Vec<BuiltBlock> = Vec::new();
    for block in body.finish_part() {
        let has_words = match &block {
            BuiltBlock::Block(_, text) => text.chars().any(char::is_alphabetic),
            BuiltBlock::Row(_) => true,
        };
        if has_words && !found.contains(&block) {
            found.push(block);
        }
    }
    Ok(found)
}

/// An object in a document.
#[derive(Debug)]
pub enum OdfObject {
    /// A formula on one line.
    Formula(String),
    /// The words and numbers of a chart.
    Blocks(Vec<BuiltBlock>),
}

/// Reads a formula.
#[derive(Debug, Default)]
struct FormulaReader {
    math: MathBuilder,
    depth: usize,
    text: Option<String>,
}

impl XmlHandler for FormulaReader {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if self.depth > 0 || tag.local() == "math" {
            self.depth += 1;
            self.math.start(tag.local());
        }
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        if self.depth > 0 {
            self.depth -= 1;
            self.text = self.math.end().or(self.text.take());
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.depth > 0 && !text.trim().is_empty() {
            self.math.text(text.trim());
        }
    }
}

/// OpenDocument texts.
pub const ODT: Format = Format {
    name: "odt",
    label: "OpenDocument text (.odt)",
    matches: |source| has_mimetype(source, "text"),
    extract: |source, _options, sink| extract_odf_content(source, "odt", Sections::default(), sink),
    render_page: None,
};

/// OpenDocument presentations.
pub const ODP: Format = Format {
    name: "odp",
    label: "presentation (.odp)",
    matches: |source| has_mimetype(source, "presentation"),
    extract: |source, _options, sink| extract_odf_content(source, "odp", Sections::manual(), sink),
    render_page: None,
};

/// OpenDocument spreadsheets.
pub const ODS: Format = Format {
    name: "ods",
    label: "spreadsheet (.ods)",
    matches: |source| has_mimetype(source, "spreadsheet"),
    extract: |source, _options, sink| extract_odf_content(source, "ods", Sections::manual(), sink),
    render_page: None,
};
