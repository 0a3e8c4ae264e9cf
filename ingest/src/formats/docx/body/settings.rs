//! Settings of paragraphs and runs.

use super::DocxBody;
use crate::formats::common::drawings::describe_picture;
use crate::formats::common::scripts::Script;
use crate::formats::common::symbols::SymbolFont;
use crate::formats::common::xml::XmlTag;
use crate::formats::docx::lists::Marker;
use crate::formats::docx::value_of;
use cloister_domain::BlockKind;

impl DocxBody<'_> {
    /// Called after the properties of a paragraph. Decides whether it is a heading, a list item or
    /// neither.
    pub(super) fn finish_paragraph_settings(&mut self) {
        self.state.in_paragraph_settings = false;
        if let Some(kind) = self.styles.kind(&self.style) {
            self.builder.set_kind(kind);
            return;
        }
        let of_style = self.styles.list(&self.style);
        let list = self.list.clone();
        let list = list.or_else(|| of_style.as_ref().map(|(list, _)| list.clone()));
        let level = self.list_level.or(of_style.map(|(_, level)| level));
        let found = list.and_then(|list| self.lists.next(&list, level.unwrap_or(0)));
        let is_heading = matches!(self.builder.kind(), BlockKind::Heading(_));
        match found {
            Some(Marker::Written(marker)) if is_heading => {
                if marker != "•" {
                    self.builder.set_marker(&marker);
                }
            }
            Some(Marker::Written(marker)) => {
                self.builder.set_kind(BlockKind::ListItem);
                self.builder.set_marker(&marker);
            }
            Some(Marker::None) | None => {}
        }
    }

    pub(super) fn apply_paragraph_setting(&mut self, tag: &XmlTag<'_>) {
        match tag.name.as_ref() {
            "w:pStyle" => {
                self.style = value_of(tag);
                self.state.hidden_paragraph = self.styles.is_hidden(&self.style);
                if let Some(level) = self.styles.heading(&self.style) {
                    self.builder.set_kind(BlockKind::Heading(level));
                }
            }
            "w:outlineLvl" => match tag.parse_attribute::<u8>("w:val") {
                Some(level) if level < 9 => self.builder.set_kind(BlockKind::Heading(level + 1)),
                _ => self.builder.set_kind(BlockKind::Paragraph),
            },
            "w:numId" => self.list = tag.attribute("w:val"),
            "w:ilvl" => self.list_level = tag.parse_attribute("w:val"),
            "w:del" | "w:moveFrom" => self.state.joins_next = true,
            _ => {}
        }
    }

    pub(super) fn begin_run(&mut self) {
        self.state.hidden_run = false;
        self.state.bold_run = false;
        self.state.struck_run = self.styles.is_struck(&self.style);
        self.state.script = self.styles.script(&self.style);
        self.symbol_font = None;
    }

    pub(super) fn apply_run_setting(&mut self, tag: &XmlTag<'_>) {
        match tag.name.as_ref() {
            "w:vanish" => self.state.hidden_run = tag.is_on("w:val"),
            "w:b" => self.state.bold_run = tag.is_on("w:val"),
            "w:strike" if !tag.is_on("w:val") => self.state.struck_run = false,
            "w:strike" | "w:dstrike" => self.state.struck_run |= tag.is_on("w:val"),
            "w:vertAlign" => {
                self.state.script = Script::from_alignment(&value_of(tag));
            }
            "w:rFonts" => {
                let font = tag
                    .attribute("w:ascii")
                    .or_else(|| tag.attribute("w:hAnsi"));
                self.symbol_font = font.and_then(|font| SymbolFont::from_name(&font));
            }
            "w:position" => {
                // Half points above or below the line.
                let half_points: i32 = tag.parse_attribute("w:val").unwrap_or(0);
                self.state.script = match half_points {
                    4.. => Script::Raised,
                    ..=-4 => Script::Lowered,
                    _ => self.state.script,
                };
            }
            "w:rStyle" => {
                let style = value_of(tag);
                self.state.hidden_run |= self.styles.is_hidden(&style);
                self.state.struck_run |= self.styles.is_struck(&style);
                if self.state.script == Script::Normal {
                    self.state.script = self.styles.script(&style);
                }
            }
            _ => {}
        }
    }

    pub(super) fn push_special_character(&mut self, tag: &XmlTag<'_>) {
        let text = match tag.name.as_ref() {
            "w:tab" | "w:ptab" | "w:br" | "w:cr" => " ".to_owned(),
            "w:noBreakHyphen" => "-".to_owned(),
            "w:sym" => symbol_of(tag),
            "v:textpath" => format!(" {} ", tag.attribute("string").unwrap_or_default()),
            "wp:docPr" => {
                self.describe_picture(tag);
                return;
            }
            _ => return,
        };
        if self.is_seen() && self.box_depth == 0 {
            self.builder.push_text(&text);
        }
    }

    /// The description of a picture follows the paragraph.
    fn describe_picture(&mut self, tag: &XmlTag<'_>) {
        let words = tag.attribute("descr").unwrap_or_default();
        if self.is_seen() {
            self.builder
                .append_float(describe_picture(&words).into_iter().collect());
        }
    }
}

/// The sign of a symbol element.
fn symbol_of(tag: &XmlTag<'_>) -> String {
    let font = tag.attribute("w:font").unwrap_or_default();
    let code = tag.attribute("w:char").unwrap_or_default();
    let Ok(code) = u32::from_str_radix(code.trim(), 16) else {
        return String::new();
    };
    if !(0xF000..=0xF0FF).contains(&code) && code > 0xFF {
        return char::from_u32(code).map(String::from).unwrap_or_default();
    }
    let font = SymbolFont::from_name(&font).unwrap_or(SymbolFont::Wingdings);
    font.sign(code).map(String::from).unwrap_or_default()
}
