//! The lists of a document: how each level counts, and how far it has counted.

use crate::formats::Failure;
use crate::formats::numbers::Numerals;
use crate::formats::xml::{Tag, Visitor, walk};
use std::collections::{HashMap, HashSet};

/// Levels of a list.
const LEVELS: usize = 9;
/// A number and its dots are no longer than this.
const LONGEST_MARKER: usize = 24;

/// How one level counts.
#[derive(Clone, Debug, Default)]
struct Level {
    start: u32,
    numerals: Numerals,
    bullet: bool,
    /// `%1.%2`, or the bullet itself.
    text: String,
}

type Levels = [Level; LEVELS];

/// A list as the text names it: a definition, and where it begins anew.
#[derive(Clone, Debug, Default)]
struct List {
    definition: String,
    starts: HashMap<usize, u32>,
}

/// All lists of a document.
#[derive(Debug, Default)]
pub struct Lists {
    definitions: HashMap<String, Levels>,
    named: HashMap<String, List>,
    /// The definitions that stand for a style, by its name, and those that borrow from one.
    of_style: HashMap<String, String>,
    borrows: HashMap<String, String>,
    counted: HashMap<String, [Option<u32>; LEVELS]>,
    /// Lists that have begun, level by level.
    begun: HashSet<(String, usize)>,
    open_definition: String,
    open_list: String,
    open_level: usize,
}

/// What a list's item begins with.
#[derive(Debug, PartialEq, Eq)]
pub enum Marker {
    /// A bullet, or a number as written.
    Written(String),
    /// Nothing: the paragraph goes on with the item before it.
    None,
}

impl Lists {
    /// Reads them.
    pub fn read(xml: &str) -> Result<Self, Failure> {
        let mut lists = Self::default();
        walk(xml, &mut lists)?;
        Ok(lists)
    }

    /// The marker of the list's next item on this level.
    pub fn next(&mut self, list: &str, level: usize) -> Option<Marker> {
        let level = level.min(LEVELS - 1);
        let found = self.named.get(list)?.clone();
        let own = &found.definition;
        let lender = self.borrows.get(own);
        let lender = lender.and_then(|style| self.of_style.get(style));
        let definition = lender.unwrap_or(own).clone();
        let levels = self.definitions.get(&definition)?.clone();
        let counted = self.counted.entry(definition).or_default();
        if self.begun.insert((list.to_owned(), level))
            && let Some(start) = found.starts.get(&level)
            && let Some(count) = counted.get_mut(level)
        {
            *count = start.checked_sub(1);
        }
        let start = levels.get(level).map_or(1, |l| l.start);
        for (below, count) in counted.iter_mut().enumerate().skip(level) {
            if below == level {
                *count = Some(count.map_or(start, |n| n.saturating_add(1)));
            } else {
                *count = None;
            }
        }
        Some(write(levels.get(level)?, &levels, counted))
    }

    fn level(&mut self) -> Option<&mut Level> {
        let definition = self.definitions.get_mut(&self.open_definition)?;
        definition.get_mut(self.open_level)
    }
}

fn write(level: &Level, levels: &Levels, counted: &[Option<u32>; LEVELS]) -> Marker {
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
        let Some((other, count)) = index.and_then(|i| Some((levels.get(i)?, counted.get(i)?)))
        else {
            continue;
        };
        written.push_str(&other.numerals.write(count.unwrap_or(other.start)));
    }
    let written: String = written.trim().chars().take(LONGEST_MARKER).collect();
    if written.is_empty() {
        Marker::None
    } else {
        Marker::Written(written)
    }
}

impl Visitor for Lists {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        let value = || tag.get("w:val").unwrap_or_default();
        match tag.name.as_ref() {
            "w:abstractNum" => {
                self.open_definition = tag.get("w:abstractNumId").unwrap_or_default();
                let levels = std::array::from_fn(|_| Level {
                    start: 1,
                    ..Level::default()
                });
                self.definitions
                    .insert(self.open_definition.clone(), levels);
            }
            "w:styleLink" => {
                let definition = self.open_definition.clone();
                self.of_style.insert(value(), definition);
            }
            "w:numStyleLink" => {
                let definition = self.open_definition.clone();
                self.borrows.insert(definition, value());
            }
            "w:num" => {
                self.open_definition.clear();
                self.open_list = tag.get("w:numId").unwrap_or_default();
                self.named.insert(self.open_list.clone(), List::default());
            }
            "w:abstractNumId" => {
                if let Some(list) = self.named.get_mut(&self.open_list) {
                    list.definition = value();
                }
            }
            "w:lvl" | "w:lvlOverride" => self.open_level = tag.number("w:ilvl").unwrap_or(0),
            "w:startOverride" => {
                let start = tag.number("w:val").unwrap_or(1);
                if let Some(list) = self.named.get_mut(&self.open_list) {
                    list.starts.insert(self.open_level, start);
                }
            }
            "w:start" => {
                let start = tag.number("w:val").unwrap_or(1);
                if let Some(level) = self.level() {
                    level.start = start;
                }
            }
            "w:numFmt" => {
                let format = value();
                if let Some(level) = self.level() {
                    level.bullet = format == "bullet";
                    level.numerals = numerals(&format);
                }
            }
            "w:lvlText" => {
                let text = value();
                if let Some(level) = self.level() {
                    level.text = text;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}

fn numerals(format: &str) -> Numerals {
    match format {
        "lowerLetter" => Numerals::Letter,
        "upperLetter" => Numerals::Capital,
        "lowerRoman" => Numerals::Roman,
        "upperRoman" => Numerals::CapitalRoman,
        "decimalZero" => Numerals::Padded,
        "none" => Numerals::Nothing,
        _ => Numerals::Decimal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> Lists {
        let xml = r#"<w:numbering>
            <w:abstractNum w:abstractNumId="0">
              <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
              <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl>
            </w:abstractNum>
            <w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>
            <w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num>
            <w:num w:numId="6"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>
            <w:num w:numId="7"><w:abstractNumId w:val="1"/></w:num></w:numbering>"#;
        Lists::read(xml).expect("lists")
    }

    #[test]
    fn lists_count_on_and_begin_anew() {
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
