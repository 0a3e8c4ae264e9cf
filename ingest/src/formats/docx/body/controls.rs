//! Fields and content controls.

use super::DocxBody;
use crate::formats::common::drawings::box_sign;
use crate::formats::common::xml::XmlTag;
use crate::formats::docx::fields::{self, WordFormField};

impl DocxBody<'_> {
    pub(super) fn handle_field(&mut self, tag: &XmlTag<'_>) {
        match tag.name.as_ref() {
            "w:ffData" => self.form_field = Some(WordFormField::default()),
            "w:fldChar" => {
                self.field_character(&tag.attribute("w:fldCharType").unwrap_or_default());
            }
            "w:fldSimple" => {
                let instruction = tag.attribute("w:instr").unwrap_or_default();
                self.push_field(&instruction);
            }
            "w:instrText" => self.in_instruction = true,
            _ => {
                if let Some(field) = &mut self.form_field {
                    field.read(tag);
                }
            }
        }
    }

    pub(super) fn handle_control(&mut self, tag: &XmlTag<'_>) {
        match tag.name.as_ref() {
            "w:sdt" => self.prompts.push(false),
            "w:showingPlcHdr" => {
                if let Some(prompt) = self.prompts.last_mut() {
                    *prompt = tag.is_on("w:val");
                }
            }
            "w14:checkbox" => self.control_box = Some(false),
            "w14:checked" if self.control_box.is_some() => {
                let value = tag.attribute("w14:val");
                self.control_box = Some(value.is_none_or(|v| v == "1" || v == "true"));
            }
            "w:sdtContent" => self.begin_control(),
            _ => {}
        }
    }

    /// A field begins, shows its result, or ends.
    fn field_character(&mut self, kind: &str) {
        match kind {
            "begin" => {
                self.form_field = None;
                self.instruction.clear();
            }
            "separate" | "end" => {
                let instruction = std::mem::take(&mut self.instruction);
                self.push_field(&instruction);
            }
            _ => {}
        }
    }

    fn push_field(&mut self, instruction: &str) {
        let form = self.form_field.take().map(|field| field.shown());
        let shown = form
            .or_else(|| fields::equation(instruction))
            .unwrap_or_default();
        if self.is_seen() {
            self.builder.push_text(&shown);
        }
    }

    /// The content of a control starts. A box has its sign in place of its content.
    fn begin_control(&mut self) {
        if let Some(is_ticked) = self.control_box.take() {
            if self.is_seen() {
                self.builder.push_text(&format!("{} ", box_sign(is_ticked)));
            }
            self.box_depth += 1;
        } else if self.box_depth > 0 {
            self.box_depth += 1;
        }
    }

    pub(super) fn end_control(&mut self) {
        self.box_depth = self.box_depth.saturating_sub(1);
    }
}
