//! Styles of OpenDocument files: which text is hidden, how lists and headings count.

use crate::formats::Failure;
use crate::formats::numbers::Numerals;
use crate::formats::xml::{Tag, Visitor, walk};
use std::collections::HashMap;

/// Levels of a list.
pub const LEVELS: usize = 10;
/// Styles inherit from each other this many steps at most.
const LONGEST_LINE: usize = 20;

/// How one level of a list or of the headings counts.
#[derive(Clone, Debug)]
pub struct Level {
    /// How numbers are written; none where the level has bullets.
    pub numerals: Option<Numerals>,
    /// What stands before the number.
    pub prefix: String,
    /// What stands after it.
    pub suffix: String,
    /// The first number.
    pub start: u32,
    /// How many levels are written, this one last.
    pub shown: usize,
}

impl Default for Level {
    fn default() -> Self {
        Self {
            numerals: Some(Numerals::Nothing),
            prefix: String::new(),
            suffix: String::new(),
            start: 1,
            shown: 1,
        }
    }
}

/// How a list counts.
pub type Levels = [Level; LEVELS];

/// What an item begins with, when each level has counted so far.
pub fn marker(levels: &Levels, level: usize, counted: &[u32]) -> String {
    let Some(own) = levels.get(level) else {
        return String::new();
    };
    if own.numerals.is_none() {
        return "•".to_owned();
    }
    let first = (level + 1).saturating_sub(own.shown.max(1));
    let numbers: Vec<String> = levels
        .iter()
        .zip(counted)
        .take(level + 1)
        .skip(first)
        .map(|(level, count)| level.numerals.unwrap_or_default().write(*count))
        .filter(|number| !number.is_empty())
        .collect();
    if numbers.is_empty() {
        return String::new();
    }
    format!("{}{}{}", own.prefix, numbers.join("."), own.suffix)
        .trim()
        .to_owned()
}

#[derive(Debug, Default)]
struct Style {
    parent: String,
    hidden: Option<bool>,
}

/// All styles of a file.
#[derive(Debug, Default)]
pub struct Styles {
    found: HashMap<String, Style>,
    lists: HashMap<String, Levels>,
    /// How headings count.
    pub outline: Option<Levels>,
    open: String,
    open_list: Option<String>,
}

impl Styles {
    /// Adds the styles of one part.
    pub fn read(&mut self, xml: &str) -> Result<(), Failure> {
        walk(xml, self)
    }

    /// Whether text of this style is hidden.
    pub fn is_hidden(&self, name: &str) -> bool {
        self.line(name).find_map(|s| s.1.hidden).unwrap_or(false)
    }

    /// Whether this style is, or inherits from, one that the program calls by this name.
    pub fn is_a(&self, name: &str, wanted: &str) -> bool {
        name == wanted
            || self
                .line(name)
                .any(|(name, s)| name == wanted || s.parent == wanted)
    }

    /// How lists of this style count.
    pub fn list(&self, name: &str) -> Option<&Levels> {
        self.lists.get(name)
    }

    fn line<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (&'s str, &'s Style)> {
        let find = |name: &'s str| self.found.get(name).map(|style| (name, style));
        std::iter::successors(find(name), move |(_, style)| find(&style.parent)).take(LONGEST_LINE)
    }

    fn list_level(&mut self, tag: &Tag<'_>, numerals: Option<Numerals>) {
        let level: usize = tag.number("text:level").unwrap_or(1);
        let found = Level {
            numerals,
            prefix: tag.get("style:num-prefix").unwrap_or_default(),
            suffix: tag.get("style:num-suffix").unwrap_or_default(),
            start: tag.number("text:start-value").unwrap_or(1),
            shown: tag.number("text:display-levels").unwrap_or(1),
        };
        let levels = match &self.open_list {
            Some(name) => self.lists.get_mut(name),
            None => self.outline.as_mut(),
        };
        // Levels below that the file does not describe count like the last that it does.
        let places = levels.into_iter().flatten().skip(level.saturating_sub(1));
        places.for_each(|place| *place = found.clone());
    }
}

fn numerals(format: &str) -> Numerals {
    match format {
        "1" => Numerals::Decimal,
        "a" => Numerals::Letter,
        "A" => Numerals::Capital,
        "i" => Numerals::Roman,
        "I" => Numerals::CapitalRoman,
        _ => Numerals::Nothing,
    }
}

impl Visitor for Styles {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        let format = || numerals(&tag.get("style:num-format").unwrap_or_default());
        match tag.name.as_ref() {
            "style:style" => {
                self.open = tag.get("style:name").unwrap_or_default();
                let style = Style {
                    parent: tag.get("style:parent-style-name").unwrap_or_default(),
                    hidden: None,
                };
                self.found.insert(self.open.clone(), style);
            }
            "style:text-properties" => {
                let display = tag.get("text:display");
                if let Some(style) = self.found.get_mut(&self.open) {
                    style.hidden = display.map(|display| display == "none");
                }
            }
            // A slide that is not shown.
            "style:drawing-page-properties" => {
                let visibility = tag.get("presentation:visibility");
                if let Some(style) = self.found.get_mut(&self.open) {
                    style.hidden = visibility.map(|visibility| visibility == "hidden");
                }
            }
            "style:table-properties" => {
                let display = tag.get("table:display");
                if let Some(style) = self.found.get_mut(&self.open) {
                    style.hidden = display.map(|display| display == "false");
                }
            }
            "text:list-style" => {
                let name = tag.get("style:name").unwrap_or_default();
                self.lists.insert(name.clone(), Levels::default());
                self.open_list = Some(name);
            }
            "text:outline-style" => {
                self.outline = Some(Levels::default());
                self.open_list = None;
            }
            "text:list-level-style-number" | "text:outline-level-style" => {
                self.list_level(tag, Some(format()));
            }
            "text:list-level-style-bullet" | "text:list-level-style-image" => {
                self.list_level(tag, None);
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        if name == "style:style" {
            self.open.clear();
        }
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}
