//! Headers, footers and page numbers: what recurs on the pages is shown and never searched.

use super::gather::ReadPage;
use crate::wire::Style;
use cloister_domain::BlockKind;
use std::collections::{HashMap, HashSet};

/// Headers and footers stand within this share of the page's height from its edges.
const MARGIN: f32 = 0.1;
/// What recurs on fewer pages is part of the text, but for documents of two pages.
const RECURRING: usize = 3;

/// Marks the furniture of all pages.
pub fn mark(pages: &mut [ReadPage]) {
    mark_recurring(pages);
    mark_page_numbers(pages);
}

/// Where a header or footer stands, and what it says without its numbers.
type Place = (i32, String);

fn mark_recurring(pages: &mut [ReadPage]) {
    let mut seen: HashMap<Place, usize> = HashMap::new();
    for page in pages.iter() {
        let places: HashSet<Place> = page
            .styled()
            .filter_map(|(_, style, text)| place(page, style, text))
            .collect();
        for place in places {
            *seen.entry(place).or_default() += 1;
        }
    }
    let enough = RECURRING.min(pages.len().max(2));
    for page in pages.iter_mut() {
        let furniture: Vec<bool> = page
            .styled()
            .map(|(_, style, text)| {
                place(page, style, text).is_some_and(|(height, words)| {
                    let bare_number = words.chars().all(|c| !c.is_alphabetic());
                    let times = (height - 1..=height + 1)
                        .filter_map(|near| seen.get(&(near, words.clone())))
                        .sum::<usize>();
                    bare_number || times >= enough
                })
            })
            .collect();
        let blocks = page.page.content.blocks.iter_mut();
        for (block, is_furniture) in blocks.zip(furniture) {
            if is_furniture {
                block.kind = BlockKind::Furniture;
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a place on a page in steps of 8 points; the cast saturates"
)]
fn place(page: &ReadPage, style: &Style, text: &str) -> Option<Place> {
    let height = page.page.height;
    let at_top = style.bottom < MARGIN * height;
    let at_foot = style.top > (1.0 - MARGIN) * height;
    let from_edge = if at_top {
        style.top
    } else {
        style.top - height
    };
    let words = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '#' } else { c })
        .collect::<String>()
        .replace("##", "#");
    (at_top || at_foot).then(|| ((from_edge / 8.0) as i32, words.replace("##", "#")))
}

/// Pages that were printed from the web have their numbers below the text, wherever that ends. A
/// number alone at either end of three pages, counting as the pages do, is a page's number.
fn mark_page_numbers(pages: &mut [ReadPage]) {
    let mut offsets: HashMap<i64, usize> = HashMap::new();
    for page in pages.iter() {
        for (_, offset) in page_numbers(page) {
            *offsets.entry(offset).or_default() += 1;
        }
    }
    for page in pages.iter_mut() {
        let found: Vec<usize> = page_numbers(page)
            .filter(|(_, offset)| offsets.get(offset).is_some_and(|times| *times >= RECURRING))
            .map(|(index, _)| index)
            .collect();
        for index in found {
            if let Some(block) = page.page.content.blocks.get_mut(index) {
                block.kind = BlockKind::Furniture;
            }
        }
    }
}

/// The first and last blocks that are a number alone, and how far it is from the page's count.
fn page_numbers(page: &ReadPage) -> impl Iterator<Item = (usize, i64)> {
    let blocks = page.styled().map(|(_, _, text)| {
        let bare = text.trim_matches(['-', '–', '—', ' ']);
        bare.parse::<i64>()
            .ok()
            .filter(|number| (1..10_000).contains(number))
    });
    let numbers: Vec<Option<i64>> = blocks.collect();
    let last = numbers.len().saturating_sub(1);
    let count = i64::from(page.page.number);
    let ends = [0, last].into_iter().take(numbers.len().min(2));
    let found: Vec<(usize, i64)> = ends
        .filter_map(|index| Some((index, (*numbers.get(index)?)? - count)))
        .collect();
    found.into_iter()
}
