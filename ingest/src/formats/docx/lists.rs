//! Numbering: the definitions of lists, and their counters.

use super::value_of;
use crate::formats::Failure;
use crate::formats::common::numbers::Numerals;
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use std::collections::{HashMap, HashSet};

/// Number of levels of a list.
const LEVELS: usize = 9;
/// Maximum length of a marker.
const MAX_MARKER_CHARS: usize = 24;

/// How one level is numbered.
#[derive(Clone, Debug, Default)]
struct NumberingLevel {
    start: u32,
    numerals: Numerals,
    bullet: bool,
    /// Whether the numbers of outer levels are written as digits (`isLgl`).
    in_digits: bool,
    /// The template of the marker, such as `%1.%2`, or a bullet.
    text: String,
}

type NumberingLevels = [NumberingLevel; LEVELS];

/// A list that paragraphs refer to: its definition, and the numbers at which its levels restart.
#[derive(Clone, Debug, Default)]
struct ListInstance {
    definition: String,
    starts: HashMap<usize, u32>,
}

/// All lists of a document.
#[derive(Clone, Debug, Default)]
pub struct Numbering {
    definitions: HashMap<String, NumberingLevels>,
    named: HashMap<String, ListInstance>,
    /// Definitions by the name of the style they define, and the styles that other definitions link
    /// to.
    of_style: HashMap<String, String>,
    borrows: HashMap<String, String>,
    counters: HashMap<String, [Option<u32>; LEVELS]>,
    /// Lists and levels that have started.
    started: HashSet<(String, usize)>,
    open_definition: String,
    open_list: String,
    open_level: usize,
}

/// The marker of a list item.
#[derive(Debug, PartialEq, Eq)]
pub enum Marker {
    /// A bullet or a formatted number.
    Written(String),
    /// No marker: the paragraph continues the previous item.
    None,
}

impl Numbering {
    /// Reads the numbering part.
    pub fn parse(xml: &str) -> Result<Self, Failure> {
        let mut lists = Self::default();
        parse_xml(xml, &mut lists)?;
        Ok(lists)
    }

    /// Advances the counters of a list, and returns the marker of its next item on this level.
    pub fn next(&mut self, list: &str, level: usize) -> Option<Marker> {
        let level = level.min(LEVELS - 1);
        let found = self.named.get(list)?.clone();
        let own = &found.definition;
        let lender = self.borrows.get(own);
        let lender = lender.and_then(|style| self.of_style.get(style));
        let definition = lender.unwrap_or(own).clone();
        let levels = self.definitions.get(&definition)?.clone();
        let counters = self.counters.entry(definition).or_default();
        if self.started.insert((list.to_owned(), level))
            && let Some(start) = found.starts.get(&level)
            && let Some(count) = counters.get_mut(level)
        {
            *count = start.checked_sub(1);
        }
        let start = levels.get(level).map_or(1, |l| l.start);
        for (below, count) in counters.iter_mut().enumerate().skip(level) {
            if below == level {
                *count = Some(count.map_or(start, |n| n.saturating_add(1)));
            } else {
                *count = None;
            }
        }
        Some(format_marker(levels.get(level)?, &levels, counters))
    }

    fn level(&mut self) -> Option<&mut NumberingLevel> {
        let definition = self.definitions.get_mut(&self.open_definition)?;
        definition.get_mut(self.open_level)
    }

    fn set_level_property(&mut self, tag: &XmlTag<'_>) {
        let Some(level) = self.level() else {
            return;
        };
        match tag.name.as_ref() {
            "w:start" => level.start = tag.parse_attribute("w:val").unwrap_or(1),
            "w:numFmt" => {
                let format = value_of(tag);
                level.bullet = format == "bullet";
                level.numerals = parse_numerals(&format);
            }
            "w:isLgl" => level.in_digits = tag.is_on("w:val"),
            _ => level.text = value_of(tag),
        }
    }
}

fn format_marker(
    level: &NumberingLevel,
    levels: &NumberingLevels,
    counters: &[Option<u32>; LEVELS],
) -> Marker {
    if level.bullet {
        let blank = level.text.trim().is_empty();
        return if blank {
            Marker::None
        } else {
            Marker::Written("•".to_owned())
        };
    }
    let mut written = String::new();
    let mut chars = level.text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            written.push(c);
            continue;
        }
        let digit = chars.next().and_then(|c| c.to_digit(10)).unwrap_or(0);
        let index = usize::try_from(digit).ok().and_then(|d| d.checked_sub(1));
        let Some((other, count)) = index.and_then(|i| Some((levels.get(i)?, counters.get(i)?)))
        else {
            continue;
        };
        let numerals = if level.in_digits {
            Numerals::Decimal
        } else {
            other.numerals
        };
        written.push_str(&numerals.format(count.unwrap_or(other.start)));
    }
    let written: String = written.trim().chars().take(MAX_MARKER_CHARS).collect();
    if written.is_empty() {
        Marker::None
    } else {
        Marker::Written(written)
    }
}

impl XmlHandler for Numbering {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        match tag.name.as_ref() {
            "w:abstractNum" => {
                self.open_definition = tag.attribute("w:abstractNumId").unwrap_or_default();
                let levels = std::array::from_fn(|_| NumberingLevel {
                    start: 1,
                    ..NumberingLevel::default()
                });
                self.definitions
                    .insert(self.open_definition.clone(), levels);
            }
            "w:styleLink" => {
                let definition = self.open_definition.clone();
                self.of_style.insert(value_of(tag), definition);
            }
            "w:numStyleLink" => {
                let definition = self.open_definition.clone();
                self.borrows.insert(definition, value_of(tag));
            }
            "w:num" => {
                self.open_definition.clear();
                self.open_list = tag.attribute("w:numId").unwrap_or_default();
                self.named
                    .insert(self.open_list.clone(), ListInstance::default());
            }
            "w:abstractNumId" => {
                if let Some(list) = self.named.get_mut(&self.open_list) {
                    list.definition = value_of(tag);
                }
            }
            "w:lvl" | "w:lvlOverride" => {
                self.open_level = tag.parse_attribute("w:ilvl").unwrap_or(0);
            }
            "w:startOverride" => {
                let start = tag.parse_attribute("w:val").unwrap_or(1);
                if let Some(list) = self.named.get_mut(&self.open_list) {
                    list.starts.insert(self.open_level, start);
                }
            }
            "w:start" | "w:numFmt" | "w:lvlText" | "w:isLgl" => self.set_level_property(tag),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}

fn parse_numerals(format: &str) -> Numerals {
    match format {
        "lowerLetter" => Numerals::LowerLetter,
        "upperLetter" => Numerals::UpperLetter,
        "lowerRoman" => Numerals::LowerRoman,
        "upperRoman" => Numerals::UpperRoman,
        "decimalZero" => Numerals::Padded,
        "none" => Numerals::Hidden,
        _ => Numerals::Decimal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> Numbering {
        let xml = r#"<w:numbering>
            <w:abstractNum w:abstractNumId="0">
              <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
              <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl>
            </w:abstractNum>
            <w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>
            <w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num>
            <w:num w:numId="6"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>
            <w:num w:numId="7"><w:abstractNumId w:val="1"/></w:num></w:numbering>"#;
        Numbering::parse(xml).expect("lists")
    }

    #[test]
    fn lists_continue_and_restart() {
        let mut lists = lists();
        let steps = [
            ("5", 0, "1."),
            ("5", 1, "1.a)"),
            ("5", 1, "1.b)"),
            ("5", 0, "2."),
            ("5", 1, "2.a)"),
            ("6", 0, "1."),
            ("6", 0, "2."),
            ("7", 0, "•"),
        ];
        for (list, level, expected) in steps {
            let marker = lists.next(list, level);
            assert_eq!(marker, Some(Marker::Written(expected.to_owned())));
        }
        assert_eq!(lists.next("0", 0), None);
    }
}
