//! Detecting headers, footers and page numbers. They are shown but never searched.

use super::read_page::ReadPage;
use crate::wire::Style;
use cloister_domain::BlockKind;
use std::collections::{HashMap, HashSet};

/// Headers and footers are within this fraction of the page height from an edge.
const MARGIN_FRACTION: f32 = 0.1;
/// Text must recur on this many pages to be a header. Documents of two pages are an exception.
const MIN_PAGES: usize = 3;

/// Marks the running headers and footers of all pages.
pub fn mark(pages: &mut [ReadPage]) {
    mark_recurring(pages);
    mark_page_numbers(pages);
}

/// Where a header or footer is, in steps of 8 points, and its text without digits.
type HeaderKey = (i32, String);

fn mark_recurring(pages: &mut [ReadPage]) {
    let mut seen: HashMap<HeaderKey, usize> = HashMap::new();
    for page in pages.iter() {
        let keys: HashSet<HeaderKey> = page
            .styled()
            .filter_map(|(_, style, text)| header_key(page, style, text))
            .collect();
        for key in keys {
            *seen.entry(key).or_default() += 1;
        }
    }
    let enough = MIN_PAGES.min(pages.len().max(2));
    for page in pages.iter_mut() {
        let is_header: Vec<bool> = page
            .styled()
            .map(|(_, style, text)| {
                header_key(page, style, text).is_some_and(|(height, words)| {
                    let bare_number = words.chars().all(|c| !c.is_alphabetic());
                    let times = (height - 1..=height + 1)
                        .filter_map(|near| seen.get(&(near, words.clone())))
                        .sum::<usize>();
                    bare_number || times >= enough
                })
            })
            .collect();
        let blocks = page.page.content.blocks.iter_mut();
        for (block, is_header) in blocks.zip(is_header) {
            if is_header {
                block.kind = BlockKind::RunningHeader;
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a position on a page in steps of 8 points; the cast saturates"
)]
fn header_key(page: &ReadPage, style: &Style, text: &str) -> Option<HeaderKey> {
    let height = page.page.height;
    let at_top = style.bottom < MARGIN_FRACTION * height;
    let at_foot = style.top > (1.0 - MARGIN_FRACTION) * height;
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

/// Marks page numbers that are not in the margin. Pages printed from the web have their number
/// below the text, wherever the text ends. A number alone at the start or end of a page is a page
/// number if it has the same distance from the page's count on three pages.
fn mark_page_numbers(pages: &mut [ReadPage]) {
    let mut offsets: HashMap<i64, usize> = HashMap::new();
    for page in pages.iter() {
        for (_, offset) in page_numbers(page) {
            *offsets.entry(offset).or_default() += 1;
        }
    }
    for page in pages.iter_mut() {
        let found: Vec<usize> = page_numbers(page)
            .filter(|(_, offset)| offsets.get(offset).is_some_and(|times| *times >= MIN_PAGES))
            .map(|(index, _)| index)
            .collect();
        for index in found {
            if let Some(block) = page.page.content.blocks.get_mut(index) {
                block.kind = BlockKind::RunningHeader;
            }
        }
    }
}

/// The first and last blocks that consist of a number: their index, and how far the number is from
/// the page's count.
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
