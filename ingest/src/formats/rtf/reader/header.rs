//! Destinations in the header of a file: fonts, styles and the day.

use super::RtfReader;
use crate::formats::common::symbols::SymbolFont;
use crate::formats::rtf::styles::{RtfStyle, charset_code_page, heading_level};

/// Maximum number of fonts and of styles.
const MAX_ENTRIES: usize = 10_000;

impl RtfReader {
    /// A part of the name of a font. A semicolon ends it.
    pub(super) fn font_name_piece(&mut self, text: &str) {
        self.font_name.push_str(text);
        if text.contains(';') {
            let name = std::mem::take(&mut self.font_name);
            let name = name.trim().trim_end_matches(';');
            if let Some(font) = SymbolFont::from_name(name)
                && self.symbol_fonts.len() < MAX_ENTRIES
            {
                self.symbol_fonts.insert(self.font, font);
            }
        }
    }

    pub(super) fn font_word(&mut self, name: &str, number: Option<i32>) {
        match (name, number) {
            ("f", Some(font)) => self.font = font,
            ("fcharset", Some(charset)) if self.fonts.len() < MAX_ENTRIES => {
                if let Some(page) = charset_code_page(charset) {
                    self.fonts.insert(self.font, page);
                }
            }
            _ => {}
        }
    }

    pub(super) fn style_word(&mut self, name: &str, number: Option<i32>) {
        match (name, number) {
            ("s", Some(style)) if self.styles.len() < MAX_ENTRIES => {
                self.style = style;
                self.styles.insert(style, RtfStyle::default());
            }
            // The name of a character style does not matter.
            ("cs" | "ts" | "ds", Some(_)) => self.style = i32::MIN,
            ("outlinelevel", Some(level)) => {
                if let Some(style) = self.styles.get_mut(&self.style) {
                    style.level = heading_level(level);
                }
            }
            _ => {}
        }
    }

    pub(super) fn day_word(&mut self, name: &str, number: i32) {
        let [year, month, day] = &mut self.day;
        match name {
            "yr" => *year = number,
            "mo" => *month = number,
            "dy" => *day = number,
            _ => {}
        }
    }
}
