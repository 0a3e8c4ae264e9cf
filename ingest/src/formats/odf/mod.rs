//! OpenDocument texts, presentations and spreadsheets (.odt, .odp, .ods).
//!
//! All three are one XML file in an archive, with the same paragraphs, lists and tables. What a
//! cell shows is written beside its value, so dates and amounts are read as people see them.

mod body;
mod styles;

use super::archive::{self, Archive};
use super::sections::Sections;
use super::xml::{Properties, walk};
use super::{Failure, Format, Sink, Source};
use crate::wire::Refusal;
use body::Body;
use styles::Styles;

/// OpenDocument texts.
#[derive(Debug)]
pub struct Odt;

/// OpenDocument presentations.
#[derive(Debug)]
pub struct Odp;

/// OpenDocument spreadsheets.
#[derive(Debug)]
pub struct Ods;

const NAMES: &str = "application/vnd.oasis.opendocument.";

/// Whether the file says that it is of this kind, or is a template for it.
fn is(source: &Source, kind: &str) -> bool {
    let told = archive::mimetype(source);
    let told = told.as_deref().and_then(|name| name.strip_prefix(NAMES));
    told.is_some_and(|told| told.strip_suffix("-template").unwrap_or(told) == kind)
}

fn read(
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
    let mut styles = Styles::default();
    styles.read(&archive.text("styles.xml")?)?;
    styles.read(&content)?;
    let properties = Properties::read(&mut archive, "meta.xml")?;
    let mut body = Body::new(&styles, sections, name == "ods");
    walk(&content, &mut body)?;
    let mut info = properties.info(name);
    info.warnings.append(&mut body.warnings);
    body.finish().send(info, sink)
}

impl Format for Odt {
    fn name(&self) -> &'static str {
        "odt"
    }

    fn label(&self) -> &'static str {
        "OpenDocument text (.odt)"
    }

    fn recognises(&self, source: &Source) -> bool {
        is(source, "text")
    }

    fn read(&self, source: &Source, _: u32, _: bool, sink: &mut dyn Sink) -> Result<(), Failure> {
        read(source, self.name(), Sections::default(), sink)
    }
}

impl Format for Odp {
    fn name(&self) -> &'static str {
        "odp"
    }

    fn label(&self) -> &'static str {
        "presentation (.odp)"
    }

    fn recognises(&self, source: &Source) -> bool {
        is(source, "presentation")
    }

    fn read(&self, source: &Source, _: u32, _: bool, sink: &mut dyn Sink) -> Result<(), Failure> {
        read(source, self.name(), Sections::by_hand(), sink)
    }
}

impl Format for Ods {
    fn name(&self) -> &'static str {
        "ods"
    }

    fn label(&self) -> &'static str {
        "spreadsheet (.ods)"
    }

    fn recognises(&self, source: &Source) -> bool {
        is(source, "spreadsheet")
    }

    fn read(&self, source: &Source, _: u32, _: bool, sink: &mut dyn Sink) -> Result<(), Failure> {
        read(source, self.name(), Sections::by_hand(), sink)
    }
}
