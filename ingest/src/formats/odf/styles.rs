//! Styles of OpenDocument files: hidden text, and the numbering of lists and headings.

use crate::formats::Failure;
use crate::formats::common::numbers::Numerals;
use crate::formats::common::scripts::Script;
use crate::formats::common::symbols::SymbolFont;
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use std::collections::HashMap;

/// Number of levels of a list.
pub const LEVELS: usize = 10;
/// Maximum length of a chain of inherited styles.
const MAX_INHERITANCE: usize = 20;

/// How one level of a list or of the headings is numbered.
#[derive(Clone, Debug)]
pub struct ListLevel {
    /// The format of the numbers; `None` for bullets.
    pub numerals: Option<Numerals>,
    /// The text before the number.
    pub prefix: String,
    /// The text after the number.
    pub suffix: String,
    /// The first number.
    pub start: u32,
    /// The number of levels shown, the last of which is this one.
    pub shown: usize,
}

impl Default for ListLevel {
    fn default() -> Self {
        Self {
            numerals: Some(Numerals::Hidden),
            prefix: String::new(),
            suffix: String::new(),
            start: 1,
            shown: 1,
        }
    }
}

/// How a list is numbered.
pub type ListLevels = [ListLevel; LEVELS];

/// The marker of an item, given the counters of all levels.
pub fn format_marker(levels: &ListLevels, level: usize, counters: &[u32]) -> String {
    let Some(own) = levels.get(level) else {
        return String::new();
    };
    if own.numerals.is_none() {
        return "•".to_owned();
    }
    let first = (level + 1).saturating_sub(own.shown.max(1));
    let numbers: Vec<String> = levels
        .iter()
        .zip(counters)
        .take(level + 1)
        .skip(first)
        .map(|(level, count)| level.numerals.unwrap_or_default().format(*count))
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
struct OdfStyle {
    parent: String,
    hidden: Option<bool>,
    struck: Option<bool>,
    bold: Option<bool>,
    script: Option<Script>,
    font: Option<String>,
}

/// How the text of a span is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextSetting {
    /// Whether it is struck out.
    pub struck: bool,
    /// Whether it is bold.
    pub bold: bool,
    /// Whether it is raised or lowered.
    pub script: Script,
    /// Its symbol font.
    pub symbol_font: Option<SymbolFont>,
}

/// All styles of a file.
#[derive(Debug, Default)]
pub struct OdfStyles {
    found: HashMap<String, OdfStyle>,
    lists: HashMap<String, ListLevels>,
    /// How headings are numbered.
    pub outline: Option<ListLevels>,
    open: String,
    open_list: Option<String>,
}

impl OdfStyles {
    /// Reads the styles of one part.
    pub fn parse(&mut self, xml: &str) -> Result<(), Failure> {
        parse_xml(xml, self)
    }

    /// Whether text with this style is hidden.
    pub fn is_hidden(&self, name: &str) -> bool {
        self.line(name).find_map(|s| s.1.hidden).unwrap_or(false)
    }

    /// How text with this style is set.
    pub fn setting(&self, name: &str) -> TextSetting {
        let line = || self.line(name).map(|(_, style)| style);
        let font = line().find_map(|style| style.font.clone());
        TextSetting {
            struck: line().find_map(|style| style.struck).unwrap_or(false),
            bold: line().find_map(|style| style.bold).unwrap_or(false),
            script: line().find_map(|style| style.script).unwrap_or_default(),
            symbol_font: font.and_then(|font| SymbolFont::from_name(&font)),
        }
    }

    /// Whether this style is, or inherits from, the built-in style of this name.
    pub fn is_a(&self, name: &str, wanted: &str) -> bool {
        name == wanted
            || self
                .line(name)
                .any(|(name, s)| name == wanted || s.parent == wanted)
    }

    /// The numbering of lists with this style.
    pub fn list(&self, name: &str) -> Option<&ListLevels> {
        self.lists.get(name)
    }

    fn line<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (&'s str, &'s OdfStyle)> {
        std::iter::successors(self.find(name), |(_, style)| self.find(&style.parent))
            .take(MAX_INHERITANCE)
    }

    fn find<'s>(&'s self, name: &'s str) -> Option<(&'s str, &'s OdfStyle)> {
        Some((name, self.found.get(name)?))
    }

    fn list_level(&mut self, tag: &XmlTag<'_>, numerals: Option<Numerals>) {
        let level: usize = tag.parse_attribute("text:level").unwrap_or(1);
        let found = ListLevel {
            numerals,
            prefix: tag.attribute("style:num-prefix").unwrap_or_default(),
            suffix: tag.attribute("style:num-suffix").unwrap_or_default(),
            start: tag.parse_attribute("text:start-value").unwrap_or(1),
            shown: tag.parse_attribute("text:display-levels").unwrap_or(1),
        };
        let levels = match &self.open_list {
            Some(name) => self.lists.get_mut(name),
            None => self.outline.as_mut(),
        };
        // Levels below the last described level are numbered like it.
        let places = levels.into_iter().flatten().skip(level.saturating_sub(1));
        places.for_each(|place| *place = found.clone());
    }
}

/// `super 58%`, `sub`, or the height above the line: `33% 58%`, `-33%`.
fn parse_position(place: &str) -> Script {
    let first = place.split_whitespace().next().unwrap_or_default();
    let height: f64 = first.trim_end_matches('%').parse().unwrap_or(0.0);
    match first {
        "super" => Script::Raised,
        "sub" => Script::Lowered,
        _ if height > 0.0 => Script::Raised,
        _ if height < 0.0 => Script::Lowered,
        _ => Script::Normal,
    }
}

fn parse_numerals(tag: &XmlTag<'_>) -> Numerals {
    let format = tag.attribute("style:num-format").unwrap_or_default();
    match format.as_str() {
        "1" => Numerals::Decimal,
        "a" => Numerals::LowerLetter,
        "A" => Numerals::UpperLetter,
        "i" => Numerals::LowerRoman,
        "I" => Numerals::UpperRoman,
        _ => Numerals::Hidden,
    }
}

impl XmlHandler for OdfStyles {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        match tag.name.as_ref() {
            "style:style" => {
                self.open = tag.attribute("style:name").unwrap_or_default();
                let style = OdfStyle {
                    parent: tag.attribute("style:parent-style-name").unwrap_or_default(),
                    ..OdfStyle::default()
                };
                self.found.insert(self.open.clone(), style);
            }
            "style:text-properties" => {
                let display = tag.attribute("text:display");
                if let Some(style) = self.found.get_mut(&self.open) {
                    style.hidden = display.map(|display| display == "none");
                    let line = tag.attribute("style:text-line-through-style");
                    let line = line.or_else(|| tag.attribute("style:text-line-through-type"));
                    style.struck = line.map(|line| line != "none");
                    style.bold = tag
                        .attribute("fo:font-weight")
                        .map(|w| w == "bold" || w.parse().is_ok_and(|w: u32| w > 500));
                    style.script = tag
                        .attribute("style:text-position")
                        .map(|place| parse_position(&place));
                    style.font = tag
                        .attribute("style:font-name")
                        .or_else(|| tag.attribute("fo:font-family"));
                }
            }
            // A hidden slide.
            "style:drawing-page-properties" => {
                let visibility = tag.attribute("presentation:visibility");
                if let Some(style) = self.found.get_mut(&self.open) {
                    style.hidden = visibility.map(|visibility| visibility == "hidden");
                }
            }
            "style:table-properties" => {
                let display = tag.attribute("table:display");
                if let Some(style) = self.found.get_mut(&self.open) {
                    style.hidden = display.map(|display| display == "false");
                }
            }
            "text:list-style" => {
                let name = tag.attribute("style:name").unwrap_or_default();
                self.lists.insert(name.clone(), ListLevels::default());
                self.open_list = Some(name);
            }
            "text:outline-style" => {
                self.outline = Some(ListLevels::default());
                self.open_list = None;
            }
            "text:list-level-style-number" | "text:outline-level-style" => {
                self.list_level(tag, Some(parse_numerals(tag)));
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
