//! Form controls of OpenDocument files: boxes, lists and fields. They are described before the text,
//! and drawn in it.

use crate::formats::Failure;
use crate::formats::common::drawings::box_sign;
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use std::collections::HashMap;

/// Maximum number of controls.
const MAX_CONTROLS: usize = 20_000;
/// Maximum number of choices of a field in the text.
const MAX_ENTRIES: usize = 1_000;

/// What the controls of a file show, by their id.
#[derive(Debug, Default)]
pub struct Controls {
    found: HashMap<String, String>,
    id: String,
    chosen: Vec<String>,
    fallback: String,
}

impl Controls {
    /// Reads the controls of a part, as far as they are valid.
    pub fn parse(xml: &str) -> Self {
        let mut controls = Self::default();
        if xml.contains("office:forms") || xml.contains(":forms") {
            let _broken = parse_xml(xml, &mut controls);
        }
        controls
    }

    /// What a control shows.
    pub fn shown(&self, id: &str) -> &str {
        self.found.get(id).map_or("", String::as_str)
    }
}

impl XmlHandler for Controls {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let Some(kind) = tag.name.strip_prefix("form:") else {
            return Ok(());
        };
        let label = tag.attribute("form:label").unwrap_or_default();
        let text = match kind {
            "checkbox" => {
                let state =
                    is_checked("form:current-state", tag).or_else(|| is_checked("form:state", tag));
                format!("{} {label}", box_sign(state.unwrap_or(false)))
            }
            "radio" => {
                let state = is_checked("form:current-selected", tag)
                    .or_else(|| is_checked("form:selected", tag));
                format!("{} {label}", box_sign(state.unwrap_or(false)))
            }
            "text" | "textarea" | "formatted-text" | "number" | "date" | "time" | "combobox" => {
                let value = tag
                    .attribute("form:current-value")
                    .or_else(|| tag.attribute("form:value"));
                value.unwrap_or_default()
            }
            "fixed-text" => label,
            "listbox" => {
                self.chosen.clear();
                String::new()
            }
            "option" => {
                let is_chosen = is_checked("form:current-selected", tag)
                    .or_else(|| is_checked("form:selected", tag));
                if is_chosen.unwrap_or(false) {
                    self.chosen.push(label);
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        let id = tag
            .attribute("form:id")
            .or_else(|| tag.attribute("xml:id"))
            .unwrap_or_default();
        self.id.clone_from(&id);
        self.fallback.clone_from(&text);
        if self.found.len() < MAX_CONTROLS {
            self.found.insert(id, text);
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        if name == "form:listbox" {
            self.found.insert(self.id.clone(), self.chosen.join(", "));
        }
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}

/// Whether the attribute says that a box is ticked; `None` if it is missing.
fn is_checked(name: &str, tag: &XmlTag<'_>) -> Option<bool> {
    tag.attribute(name)
        .map(|value| value == "true" || value == "checked")
}

/// A field of a form in the text, as `LibreOffice` keeps those of Word.
#[derive(Debug, Default)]
pub struct OdfControl {
    kind: String,
    is_ticked: bool,
    chosen: usize,
    entries: Vec<String>,
}

impl OdfControl {
    /// Starts a field.
    pub fn begin(tag: &XmlTag<'_>) -> Self {
        Self {
            kind: tag.attribute("field:type").unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Sets what a parameter says.
    pub fn set(&mut self, tag: &XmlTag<'_>) {
        let value = tag.attribute("field:value").unwrap_or_default();
        match tag.attribute("field:name").as_deref() {
            Some("Checkbox_Checked") => self.is_ticked = value == "true",
            Some("Dropdown_Selected") => self.chosen = value.parse().unwrap_or(0),
            Some("Dropdown_ListEntry") if self.entries.len() < MAX_ENTRIES => {
                self.entries.push(value);
            }
            _ => {}
        }
    }

    /// What the field shows in place of text.
    pub fn shown(&self) -> String {
        if self.kind.ends_with("FORMCHECKBOX") {
            format!("{} ", box_sign(self.is_ticked))
        } else if self.kind.ends_with("FORMDROPDOWN") {
            self.entries.get(self.chosen).cloned().unwrap_or_default()
        } else {
            String::new()
        }
    }
}
