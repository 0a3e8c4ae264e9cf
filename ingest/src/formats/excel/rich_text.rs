//! Text of a cell whose parts have fonts of their own.

use crate::formats::common::scripts::{Script, join_struck, write_struck};
use crate::formats::common::xml::{XmlTag, unescape};

/// Collects the runs of a text.
#[derive(Debug, Default)]
pub struct RichText {
    text: String,
    script: Script,
    is_struck: bool,
    in_text: bool,
    /// Whether the text is a guide to the pronunciation, which is not shown as text.
    in_guide: bool,
}

impl RichText {
    /// An element starts.
    pub fn start(&mut self, tag: &XmlTag<'_>) {
        match tag.local() {
            "r" => {
                self.script = Script::Normal;
                self.is_struck = false;
            }
            "rPh" => self.in_guide = true,
            "vertAlign" => {
                self.script = Script::from_alignment(&tag.attribute("val").unwrap_or_default());
            }
            "strike" => self.is_struck = tag.is_on("val"),
            "t" => self.in_text = true,
            _ => {}
        }
    }

    /// An element of this name ends.
    pub fn end(&mut self, local: &str) {
        match local {
            "t" => self.in_text = false,
            "rPh" => self.in_guide = false,
            "r" => {
                self.script = Script::Normal;
                self.is_struck = false;
            }
            _ => {}
        }
    }

    /// Character data.
    pub fn text(&mut self, text: &str) {
        if !self.in_text || self.in_guide {
            return;
        }
        let text = self.script.write(text);
        if self.is_struck {
            self.text.push_str(&write_struck(&text));
        } else {
            self.text.push_str(&text);
        }
    }

    /// Returns the text, and starts a new one.
    pub fn take(&mut self) -> String {
        let text = unescape(&join_struck(&std::mem::take(&mut self.text)));
        *self = Self::default();
        text
    }
}
