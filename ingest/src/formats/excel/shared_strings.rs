//! The texts that the cells of a workbook share.

use super::rich_text::RichText;
use crate::formats::Failure;
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};

/// Maximum number of texts.
const MAX_STRINGS: usize = 4_000_000;

/// The shared texts, by their number.
#[derive(Debug, Default)]
pub struct SharedStrings {
    found: Vec<String>,
    open: RichText,
}

impl SharedStrings {
    /// Reads the part with the shared texts.
    pub fn parse(xml: &str) -> Result<Self, Failure> {
        let mut strings = Self::default();
        parse_xml(xml, &mut strings)?;
        Ok(strings)
    }

    /// The text with this number.
    pub fn get(&self, number: usize) -> &str {
        self.found.get(number).map_or("", String::as_str)
    }
}

impl XmlHandler for SharedStrings {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if tag.local() == "si" {
            self.open = RichText::default();
        }
        self.open.start(tag);
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        let local = name.rsplit(':').next().unwrap_or_default();
        self.open.end(local);
        if local == "si" && self.found.len() < MAX_STRINGS {
            self.found.push(self.open.take());
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.open.text(text);
    }
}
