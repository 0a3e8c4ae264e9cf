//! OpenDocument texts, presentations and spreadsheets (.odt, .odp, .ods).
//!
//! All three contain one XML file with the same elements for paragraphs, lists and tables. The
//! displayed text of a cell is stored next to its value, so dates and amounts are read as people
//! see them.

mod body;
mod list_state;
mod sheet_state;
mod styles;

use super::{Failure, Format, Sink, Source};
use crate::formats::common::archive::{self, Archive};
use crate::formats::common::sections::Sections;
use crate::formats::common::xml::{DocumentProperties, parse_xml};
use crate::wire::Refusal;
use body::OdfBody;
use styles::OdfStyles;

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
    let mut body = OdfBody::new(&styles, sections, name == "ods");
    parse_xml(&content, &mut body)?;
    let mut info = properties.info(name);
    info.warnings.append(&mut body.warnings);
    body.finish().send(info, sink)
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
