//! The styles of cells: their number formats, and whether their text is bold, struck, raised or
//! lowered.

use super::date_format::{self, DateSerial};
use super::number_format;
use crate::formats::Failure;
use crate::formats::common::scripts::{Script, write_struck};
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use std::collections::HashMap;

/// Maximum number of styles, of fonts and of formats.
const MAX_ENTRIES: usize = 70_000;

/// What a font does to the meaning of its text.
#[derive(Clone, Copy, Debug, Default)]
pub struct CellFont {
    /// Whether it is bold.
    pub is_bold: bool,
    /// Whether it strikes its text out.
    pub is_struck: bool,
    /// Whether its text is raised or lowered.
    pub script: Script,
}

/// The style of a cell.
#[derive(Clone, Debug, Default)]
pub struct CellStyle {
    /// The number format.
    pub format: String,
    /// Whether numbers in this format are dates or times.
    pub is_date: bool,
    /// Whether the text is bold.
    pub is_bold: bool,
    /// Whether the text is struck out.
    pub is_struck: bool,
    /// Whether the text is raised or lowered.
    pub script: Script,
}

impl CellStyle {
    /// A number as a cell of this style shows it.
    pub fn write_number(&self, value: f64, is_1904: bool) -> String {
        if self.is_date {
            date_format::format_serial(DateSerial::new(value, is_1904), &self.format)
        } else {
            number_format::format_number(value, &self.format)
        }
    }

    /// The text of a cell of this style, with a mark if it is raised or struck out.
    pub fn mark(&self, text: &str) -> String {
        let text = self.script.write(text);
        if self.is_struck {
            write_struck(&text)
        } else {
            text
        }
    }
}

/// The styles of a workbook.
#[derive(Debug, Default)]
pub struct CellStyles {
    formats: HashMap<u32, String>,
    fonts: Vec<CellFont>,
    cells: Vec<(u32, usize)>,
    resolved: Vec<CellStyle>,
    inside: String,
}

impl CellStyles {
    /// Reads the part with the styles, as far as it is valid.
    pub fn parse(xml: &str) -> Self {
        let mut styles = Self::default();
        let _broken = parse_xml(xml, &mut styles);
        Self::from_parts(&styles.formats, &styles.fonts, &styles.cells)
    }

    /// The styles with these number formats and fonts. Each of `cells` has the number of a format and
    /// of a font.
    pub fn from_parts(
        formats: &HashMap<u32, String>,
        fonts: &[CellFont],
        cells: &[(u32, usize)],
    ) -> Self {
        let resolved = cells.iter().map(|(format, font)| {
            let font = fonts.get(*font).copied().unwrap_or_default();
            let code = formats.get(format).cloned();
            let code = code.unwrap_or_else(|| built_in_format(*format).to_owned());
            CellStyle {
                is_date: is_date_format(&code),
                format: code,
                is_bold: font.is_bold,
                is_struck: font.is_struck,
                script: font.script,
            }
        });
        Self {
            resolved: resolved.collect(),
            ..Self::default()
        }
    }

    /// The style with this number.
    pub fn get(&self, number: usize) -> Option<&CellStyle> {
        self.resolved.get(number)
    }
}

impl XmlHandler for CellStyles {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let local = tag.local();
        match local {
            "fonts" | "cellXfs" | "cellStyleXfs" | "dxfs" => local.clone_into(&mut self.inside),
            "numFmt" if self.inside != "dxfs" && self.formats.len() < MAX_ENTRIES => {
                let id = tag.parse_attribute("numFmtId").unwrap_or(0);
                self.formats
                    .insert(id, tag.attribute("formatCode").unwrap_or_default());
            }
            "font" if self.inside == "fonts" && self.fonts.len() < MAX_ENTRIES => {
                self.fonts.push(CellFont::default());
            }
            "b" | "strike" | "vertAlign" if self.inside == "fonts" => {
                if let Some(font) = self.fonts.last_mut() {
                    match local {
                        "b" => font.is_bold = tag.is_on("val"),
                        "strike" => font.is_struck = tag.is_on("val"),
                        _ => {
                            let value = tag.attribute("val").unwrap_or_default();
                            font.script = Script::from_alignment(&value);
                        }
                    }
                }
            }
            "xf" if self.inside == "cellXfs" && self.cells.len() < MAX_ENTRIES => {
                let format = tag.parse_attribute("numFmtId").unwrap_or(0);
                self.cells
                    .push((format, tag.parse_attribute("fontId").unwrap_or(0)));
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        let local = name.rsplit(':').next().unwrap_or_default();
        if matches!(local, "fonts" | "cellXfs" | "cellStyleXfs" | "dxfs") {
            self.inside.clear();
        }
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}

/// The formats without a code in the file (ECMA-376 Part 1, 18.8.30). Those for dates depend on the
/// reader's country, so they are shown in ISO order.
fn built_in_format(id: u32) -> &'static str {
    match id {
        1 => "0",
        2 => "0.00",
        3 => "#,##0",
        4 => "#,##0.00",
        5 | 6 => "#,##0;-#,##0",
        7 | 8 => "#,##0.00;-#,##0.00",
        9 => "0%",
        10 => "0.00%",
        11 => "0.00E+00",
        12 => "# ?/?",
        13 => "# ??/??",
        14 | 27..=31 | 36 | 50..=54 | 57 | 58 => "yyyy\\-mm\\-dd",
        15 => "d-mmm-yy",
        16 => "d-mmm",
        17 => "mmm-yy",
        18 | 55 | 56 => "h:mm AM/PM",
        19 => "h:mm:ss AM/PM",
        20 | 32 | 34 => "h:mm",
        21 | 33 | 35 => "h:mm:ss",
        22 => "yyyy\\-mm\\-dd h:mm",
        37 | 38 => "#,##0;(#,##0)",
        39 | 40 => "#,##0.00;(#,##0.00)",
        41 | 42 => "#,##0;-#,##0;\"-\"",
        43 | 44 => "#,##0.00;-#,##0.00;\"-\"",
        45 | 47 => "mm:ss",
        46 => "[h]:mm:ss",
        48 => "##0.0E+0",
        49 => "@",
        _ => "General",
    }
}

/// A number in a number format, as a cell shows it.
pub fn format_value(value: f64, code: &str) -> String {
    let style = CellStyle {
        is_date: is_date_format(code),
        format: code.to_owned(),
        ..CellStyle::default()
    };
    style.write_number(value, false)
}

/// Whether a format shows a date or a time.
pub fn is_date_format(code: &str) -> bool {
    let mut chars = code.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                chars.by_ref().find(|c| *c == '"');
            }
            '\\' | '_' | '*' => {
                chars.next();
            }
            '[' => {
                let inside: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let unit = inside.to_ascii_lowercase();
                if !unit.is_empty() && unit.chars().all(|c| matches!(c, 'h' | 'm' | 's')) {
                    return true;
                }
            }
            'G' | 'g' if code.to_ascii_lowercase().contains("general") => return false,
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_distinguished_from_numbers_by_their_format() {
        for (code, expected) in [
            ("dd.mm.yyyy", true),
            ("[h]:mm", true),
            ("0.00", false),
            ("General", false),
            ("0\" days\"", false),
            ("[Red]0.0;[Blue]0", false),
            ("[$-407]d\\. mmmm yyyy", true),
            ("#,##0 \\d", false),
        ] {
            assert_eq!(is_date_format(code), expected, "{code}");
        }
    }
}
