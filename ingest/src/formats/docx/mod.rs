//! Word documents (.docx): headings, paragraphs, lists, tables, boxes and notes, with changes as
//! accepted.

mod body;
mod lists;
mod styles;

use super::archive::{self, Archive};
use super::opc::{self, Relationships};
use super::xml::walk;
use super::{Failure, Format, Sink, Source};
use body::{Body, Notes};
use lists::Lists;
use std::collections::HashMap;
use styles::Styles;

/// Word documents.
#[derive(Debug)]
pub struct Docx;

/// More diagrams than these are left out.
const MOST_DIAGRAMS: usize = 200;

impl Format for Docx {
    fn name(&self) -> &'static str {
        "docx"
    }

    fn label(&self) -> &'static str {
        "Word (.docx)"
    }

    fn recognises(&self, source: &Source) -> bool {
        archive::holds(source, |part| {
            part.strip_prefix("word/document")
                .is_some_and(|rest| !rest.contains('/'))
        })
    }

    fn read(
        &self,
        source: &Source,
        _from_page: u32,
        _structure: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let mut archive = Archive::open(&source.bytes)?;
        let main = Relationships::main_part(&mut archive, "word/document.xml")?;
        let properties = opc::properties(&mut archive)?;
        let related = Relationships::of(&mut archive, &main)?;
        let mut part = |kind: &str| {
            let part = related.first(kind).map(str::to_owned);
            archive.text(&part.unwrap_or_else(|| format!("word/{kind}.xml")))
        };
        let styles = Styles::read(&part("styles")?)?;
        let lists = Lists::read(&part("numbering")?)?;
        let mut notes = Notes::default();
        for (kind, element) in [("footnotes", "w:footnote"), ("endnotes", "w:endnote")] {
            notes.read(&part(kind)?, element, &styles)?;
        }
        let mut diagrams = HashMap::new();
        for (id, target) in related.of_kind("diagramData").take(MOST_DIAGRAMS) {
            diagrams.insert(id.to_owned(), opc::diagram(&mut archive, target)?);
        }
        let mut body = Body::new(&styles, lists, notes, diagrams);
        walk(&archive.text(&main)?, &mut body)?;
        body.finish().send(properties.info(self.name()), sink)?;
        opc::embedded(&mut archive, sink)
    }
}
