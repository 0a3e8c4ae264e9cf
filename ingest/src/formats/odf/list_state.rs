//! The open lists of an OpenDocument text, and the counters of lists and headings.

use super::styles::{LEVELS, ListLevel, ListLevels, OdfStyles, format_marker};
use crate::formats::common::xml::XmlTag;
use std::collections::HashMap;

type Counters = [u32; LEVELS];

/// An open list.
#[derive(Debug)]
struct OpenList {
    style: String,
    id: Option<String>,
    /// Whether an item is open whose marker is not written yet.
    in_item: bool,
    /// Whether the open item is the header of a list, which has no marker.
    in_header: bool,
}

/// The open lists, and the counters.
#[derive(Debug, Default)]
pub struct ListState {
    open: Vec<OpenList>,
    counters: Counters,
    /// The counters of finished lists, by style name and by id.
    finished: HashMap<String, Counters>,
    headings: Counters,
}

impl ListState {
    /// Starts a list.
    pub fn begin_list(&mut self, tag: &XmlTag<'_>) {
        let style = tag.attribute("text:style-name");
        let outer_style = self.open.last().map(|list| list.style.clone());
        let style = style.or(outer_style).unwrap_or_default();
        if self.open.is_empty() {
            self.counters = self.continued_counters(tag, &style);
        }
        self.open.push(OpenList {
            style,
            id: tag.attribute("xml:id"),
            in_item: false,
            in_header: false,
        });
    }

    /// The counters of the list that a new list continues; zero if it continues none.
    fn continued_counters(&self, tag: &XmlTag<'_>, style: &str) -> Counters {
        let continues_style = tag
            .attribute("text:continue-numbering")
            .is_some_and(|value| value == "true");
        let continued = match tag.attribute("text:continue-list") {
            Some(id) => self.finished.get(&id),
            None if continues_style => self.finished.get(style),
            None => None,
        };
        continued.copied().unwrap_or_default()
    }

    /// Ends a list. Returns whether one was open.
    pub fn end_list(&mut self) -> bool {
        let Some(list) = self.open.pop() else {
            return false;
        };
        if self.open.is_empty() {
            self.finished.insert(list.style, self.counters);
            self.finished.extend(list.id.map(|id| (id, self.counters)));
        }
        let depth = self.open.len();
        self.counters.iter_mut().skip(depth).for_each(|n| *n = 0);
        true
    }

    /// Starts an item.
    pub fn begin_item(&mut self, tag: &XmlTag<'_>) {
        let level = self.open.len().saturating_sub(1);
        if let Some(start) = tag.parse_attribute::<u32>("text:start-value")
            && let Some(count) = self.counters.get_mut(level)
        {
            *count = start.saturating_sub(1);
        }
        if let Some(list) = self.open.last_mut() {
            list.in_item = true;
            list.in_header = tag.name == "text:list-header";
        }
    }

    /// The marker of the open item, if this is its first paragraph.
    pub fn next_item_marker(&mut self, styles: &OdfStyles) -> Option<String> {
        let level = self.open.len().checked_sub(1)?.min(LEVELS - 1);
        let list = self.open.last_mut()?;
        if !list.in_item || list.in_header {
            return None;
        }
        list.in_item = false;
        let bullets;
        let levels = if let Some(levels) = styles.list(&list.style) {
            levels
        } else {
            bullets = bullet_levels();
            &bullets
        };
        advance_counters(&mut self.counters, levels, level);
        Some(format_marker(levels, level, &self.counters)).filter(|marker| !marker.is_empty())
    }

    /// Counts a heading on this level, counted from 0, and returns its marker. A heading that is an
    /// item of a list is numbered as an item instead.
    pub fn next_heading_marker(&mut self, styles: &OdfStyles, level: usize) -> Option<String> {
        let levels = styles.outline.as_ref()?;
        if !self.open.is_empty() {
            return None;
        }
        advance_counters(&mut self.headings, levels, level);
        Some(format_marker(levels, level, &self.headings))
    }
}

/// Advances the counter of this level, and resets those of lower levels.
fn advance_counters(counters: &mut Counters, levels: &ListLevels, level: usize) {
    for (index, (count, style)) in counters.iter_mut().zip(levels).enumerate() {
        if index > level {
            *count = 0;
        } else if *count == 0 {
            *count = style.start;
        } else if index == level {
            *count = count.saturating_add(1);
        }
    }
}

/// The levels of a list whose style is unknown.
fn bullet_levels() -> ListLevels {
    std::array::from_fn(|_| ListLevel {
        numerals: None,
        ..Default::default()
    })
}
