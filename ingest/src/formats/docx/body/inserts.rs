//! What other parts add to the text: notes, comments, diagrams, charts and chunks of other formats.

use super::DocxBody;
use crate::formats::Failure;
use crate::formats::common::block_builder::BuiltBlock;
use crate::formats::common::xml::{XmlTag, parse_xml};
use crate::formats::docx::lists::Numbering;
use crate::formats::docx::styles::DocxStyles;
use std::collections::HashMap;

/// The footnotes and endnotes of a document, by the kind and id of their reference.
#[derive(Debug, Default)]
pub struct DocxNotes(pub(super) HashMap<(String, String), Vec<BuiltBlock>>);

impl DocxNotes {
    /// Reads a part that contains notes, each in an element of this name.
    pub fn parse(&mut self, xml: &str, element: &str, styles: &DocxStyles) -> Result<(), Failure> {
        let mut body = DocxBody::new(
            styles,
            Numbering::default(),
            Self::default(),
            Inserts::default(),
        );
        element.clone_into(&mut body.note_element);
        parse_xml(xml, &mut body)?;
        self.0.extend(body.found.0);
        Ok(())
    }
}

/// Parts that stand in the text: diagrams, charts and chunks of other formats, by their relationship
/// id.
#[derive(Debug, Default)]
pub struct Inserts {
    found: HashMap<String, Vec<BuiltBlock>>,
    /// Sentences for the administrator.
    pub warnings: Vec<String>,
}

impl Inserts {
    /// Adds the part with this relationship id.
    pub fn add(&mut self, id: &str, blocks: Vec<BuiltBlock>) {
        self.found.insert(id.to_owned(), blocks);
    }
}

impl DocxBody<'_> {
    pub(super) fn handle_insert(&mut self, tag: &XmlTag<'_>) {
        match tag.name.as_ref() {
            "w:footnoteReference" => self.insert_note(tag, "w:footnote"),
            "w:endnoteReference" => self.insert_note(tag, "w:endnote"),
            "w:commentReference" => self.insert_comment(tag),
            "dgm:relIds" => self.insert_part(tag, "r:dm"),
            "w:altChunk" => {
                self.builder.end_paragraph();
                self.insert_part(tag, "r:id");
            }
            _ => self.insert_part(tag, "r:id"),
        }
    }

    /// Inserts the part whose relationship id is in this attribute.
    fn insert_part(&mut self, tag: &XmlTag<'_>, attribute: &str) {
        let id = tag.attribute(attribute).unwrap_or_default();
        let blocks = self.inserts.found.remove(&id).unwrap_or_default();
        self.builder.append_float(blocks);
    }

    fn insert_comment(&mut self, tag: &XmlTag<'_>) {
        let id = tag.attribute("w:id").unwrap_or_default();
        let comment = self.notes.0.remove(&("w:comment".to_owned(), id));
        let Some(mut items) = comment.filter(|items| !items.is_empty()) else {
            return;
        };
        if let Some(BuiltBlock::Block(_, text)) = items.first_mut() {
            text.insert_str(0, "Comment: ");
        }
        self.builder.append_float(items);
    }

    fn insert_note(&mut self, tag: &XmlTag<'_>, kind: &str) {
        let id = tag.attribute("w:id").unwrap_or_default();
        let note = self.notes.0.remove(&(kind.to_owned(), id));
        if let Some(items) = note.filter(|items| !items.is_empty() && self.is_seen()) {
            self.note_count += 1;
            self.builder
                .append_note(&self.note_count.to_string(), items);
        }
    }
}
