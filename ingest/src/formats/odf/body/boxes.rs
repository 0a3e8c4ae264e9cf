//! Boxes, notes, remarks, and objects that are drawn in the text.

use super::OdfBody;
use crate::formats::Failure;
use crate::formats::common::block_builder::BuiltBlock;
use crate::formats::common::drawings::describe_picture;
use crate::formats::common::xml::XmlTag;
use crate::formats::odf::OdfObject;
use cloister_domain::BlockKind;

/// The state outside a box or note.
#[derive(Debug)]
pub(super) struct OuterState {
    /// Whether the box is inside a paragraph. If so, it follows the paragraph.
    in_paragraph: bool,
    paragraphs: usize,
    hidden: bool,
}

impl OdfBody<'_> {
    /// Starts a box or note. If it is inside a paragraph, it follows the paragraph.
    pub(super) fn begin_box(&mut self) -> Result<(), Failure> {
        let in_paragraph = self.paragraphs > 0 && self.sheet.is_none();
        self.boxes.push(OuterState {
            in_paragraph,
            paragraphs: std::mem::take(&mut self.paragraphs),
            hidden: std::mem::take(&mut self.hidden_paragraph),
        });
        if in_paragraph {
            self.builder.open_float()?;
        }
        Ok(())
    }

    pub(super) fn end_box(&mut self, is_note: bool) {
        let Some(around) = self.boxes.pop() else {
            return;
        };
        self.paragraphs = around.paragraphs;
        self.hidden_paragraph = around.hidden;
        if around.in_paragraph {
            let items = self.builder.take_float();
            if self.is_hidden() {
                return;
            }
            if is_note {
                self.note_count += 1;
                self.builder
                    .append_note(&self.note_count.to_string(), items);
            } else {
                self.builder.append_float(items);
            }
        }
    }

    /// Ends the description of a picture, which follows the paragraph.
    pub(super) fn end_description(&mut self) {
        let words = self.description.take().unwrap_or_default();
        let described: Vec<BuiltBlock> = describe_picture(&words).into_iter().collect();
        match &mut self.sheet {
            Some(sheet) => sheet.add_blocks(described),
            None => self.builder.append_float(described),
        }
    }

    /// Starts a remark. On a sheet, it follows the rows.
    pub(super) fn begin_comment(&mut self) -> Result<(), Failure> {
        self.in_comment += 1;
        match &mut self.sheet {
            Some(sheet) => {
                sheet.begin_beside();
                self.outer_paragraphs
                    .push(std::mem::take(&mut self.paragraphs));
                Ok(())
            }
            None => self.begin_box(),
        }
    }

    pub(super) fn end_comment(&mut self) {
        self.in_comment = self.in_comment.saturating_sub(1);
        if let Some(sheet) = &mut self.sheet {
            sheet.end_comment();
            self.paragraphs = self.outer_paragraphs.pop().unwrap_or(0);
            return;
        }
        let Some(around) = self.boxes.pop() else {
            return;
        };
        self.paragraphs = around.paragraphs;
        self.hidden_paragraph = around.hidden;
        if around.in_paragraph {
            let mut items = self.builder.take_float();
            if let Some(BuiltBlock::Block(_, text)) = items.first_mut() {
                text.insert_str(0, "Comment: ");
            }
            self.builder.append_float(items);
        }
    }

    /// A formula or chart is drawn.
    pub(super) fn insert_object(&mut self, tag: &XmlTag<'_>) {
        let target = tag.attribute("xlink:href").unwrap_or_default();
        let Some(object) = self.objects.remove(target.trim_start_matches("./")) else {
            return;
        };
        match (object, &mut self.sheet) {
            (OdfObject::Formula(text), Some(sheet)) => sheet.push_beside(&format!("{text} ")),
            (OdfObject::Formula(text), None) => self.builder.push_text(&text),
            (OdfObject::Blocks(blocks), Some(sheet)) => sheet.add_blocks(blocks),
            (OdfObject::Blocks(blocks), None) => self.builder.append_float(blocks),
        }
    }

    pub(super) fn insert_control(&mut self, tag: &XmlTag<'_>) {
        let id = tag.attribute("draw:control").unwrap_or_default();
        let shown = format!(" {} ", self.controls.shown(&id));
        match &mut self.sheet {
            Some(sheet) => sheet.add_blocks(vec![BuiltBlock::Block(
                BlockKind::Paragraph,
                shown.trim().to_owned(),
            )]),
            None => self.builder.push_text(&shown),
        }
    }
}
