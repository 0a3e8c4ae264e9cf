//! Which blocks are headings, and of what level: by the outline, by how they are set against the
//! document's body text, or by their words.

use super::gather::ReadPage;
use crate::formats::pdf::marker;
use crate::wire::{OutlineEntry, Style};
use cloister_domain::{Block, BlockKind};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A heading is no longer than this.
const HEADING_CHARS: usize = 160;

/// Marks the headings of all pages whose format does not name them itself.
pub fn mark(pages: &mut [ReadPage], outline: &[OutlineEntry]) {
    let body = body_size(pages);
    let titles: HashMap<String, u8> = outline
        .iter()
        .map(|entry| (letters(&entry.title), entry.level))
        .filter(|(title, _)| !title.is_empty())
        .collect();
    let levels = levels(pages, body, &titles);
    let numbered = chapters(pages);
    for (index, page) in pages.iter_mut().enumerate() {
        let in_tables = over_columns(page, body);
        let found: Vec<Option<u8>> = page
            .styled()
            .zip(in_tables)
            .enumerate()
            .map(|(at, ((block, style, text), in_table))| {
                let named = titled(block, style, text, &titles);
                let set = || {
                    is_set_as_heading(block, style, text, body)
                        .then(|| levels.get(&class(style, text)).copied().unwrap_or(6))
                };
                // Where headings are set apart, one that is not ranks below them.
                let least = if levels.is_empty() { 1 } else { 5 };
                let chapter = || numbered.contains(&(index, at)).then_some(1);
                let words = || by_words(block, style, text).or_else(chapter);
                let words = || words().map(|level| level.max(least));
                let told = || set().or_else(words);
                named.or_else(|| told().filter(|_| !in_table))
            })
            .collect();
        for (block, level) in page.page.content.blocks.iter_mut().zip(found) {
            if let Some(level) = level {
                block.kind = BlockKind::Heading(level.clamp(1, 6));
            }
        }
    }
}

/// Which blocks stand over the columns of a table: beside one of its rows, and to the right of
/// where it begins.
fn over_columns(page: &ReadPage, body: f32) -> Vec<bool> {
    let blocks: Vec<(BlockKind, Style)> = page.styled().map(|(b, s, _)| (b.kind, *s)).collect();
    let row_left = |index: Option<usize>| {
        let (kind, style) = blocks.get(index?)?;
        (*kind == BlockKind::TableRow).then_some(style.left)
    };
    let is_over = |(index, (_, style)): (usize, &(BlockKind, Style))| {
        let near = [1, 2].into_iter().flat_map(|step| {
            [
                row_left(index.checked_sub(step)),
                row_left(Some(index + step)),
            ]
        });
        let left = near.flatten().fold(f32::MAX, f32::min);
        left < f32::MAX && style.left > left + 8.0 * body && style.size < 1.3 * body
    };
    blocks.iter().enumerate().map(is_over).collect()
}

/// The level that the outline gives to this block, where it is one of its titles.
fn titled(block: &Block, style: &Style, text: &str, titles: &HashMap<String, u8>) -> Option<u8> {
    let may_be = !matches!(block.kind, BlockKind::Furniture | BlockKind::Caption);
    let short = style.lines <= 3 && text.len() <= HEADING_CHARS;
    (may_be && short && !text.ends_with(|c: char| c.is_ascii_digit() && text.contains(" | ")))
        .then(|| titles.get(&letters(text)).copied())
        .flatten()
}

/// Size in half points, and weight: capitals weigh less than bold type, and both more.
type Class = (u32, u8);

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a font size in half points; the cast saturates"
)]
fn class(style: &Style, text: &str) -> Class {
    let weight = u8::from(style.bold) * 2 + u8::from(is_capitals(text));
    ((style.size * 2.0).round() as u32, weight)
}

fn is_capitals(text: &str) -> bool {
    !text.chars().any(char::is_lowercase)
}

/// The size that most letters of the document are set in.
fn body_size(pages: &[ReadPage]) -> f32 {
    let mut letters: HashMap<u32, usize> = HashMap::new();
    for (_, style, text) in pages.iter().flat_map(ReadPage::styled) {
        *letters.entry(class(style, text).0).or_default() += text.len();
    }
    let most = letters
        .into_iter()
        .max_by_key(|(size, count)| (*count, *size));
    most.map_or(10.0, |(half_points, _)| half_points as f32 / 2.0)
}

fn is_set_as_heading(block: &Block, style: &Style, text: &str, body: f32) -> bool {
    let numbered_item =
        block.kind == BlockKind::ListItem && text.starts_with(|c: char| c.is_ascii_digit());
    if block.kind != BlockKind::Paragraph && !numbered_item {
        return false;
    }
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let sized = style.lines <= 3 && text.chars().count() <= HEADING_CHARS && letters >= 3;
    let ends_open = !text.ends_with(['.', ',', ';', '!', '?']) || text.len() < 40 && style.bold;
    let starts_well = !text.starts_with(char::is_lowercase) && !text.starts_with(['(', '$']);
    let large = style.size >= 1.15 * body;
    let heavy = style.bold && style.size >= 0.95 * body && style.lines <= 2;
    sized && ends_open && starts_well && (large || heavy)
}

/// The level of a heading that is set like the text around it, and is one by its words.
fn by_words(block: &Block, style: &Style, text: &str) -> Option<u8> {
    let plain = matches!(block.kind, BlockKind::Paragraph | BlockKind::ListItem);
    (plain && style.lines <= 2)
        .then(|| marker::heading_by_words(text))
        .flatten()
}

/// Where the lines stand that name a chapter: `14. Media` is a heading like `14.1 Scope` after it,
/// and not the fourteenth item of a list.
fn chapters(pages: &[ReadPage]) -> HashSet<(usize, usize)> {
    let mut waiting: HashMap<&str, (usize, usize)> = HashMap::new();
    let mut found = HashSet::new();
    for (index, page) in pages.iter().enumerate() {
        for (at, (block, style, text)) in page.styled().enumerate() {
            let Some((number, words)) = text.split_once(' ') else {
                continue;
            };
            if let Some(chapter) = number.trim_end_matches('.').strip_suffix(".1") {
                if by_words(block, style, text) == Some(2) {
                    found.extend(waiting.remove(chapter));
                }
                continue;
            }
            let chapter = number.strip_suffix('.').unwrap_or(number);
            let named = style.lines <= 2
                && text.chars().count() <= HEADING_CHARS
                && words.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
                && !words.ends_with(['.', ',', ';', ':']);
            if named && chapter.bytes().all(|b| b.is_ascii_digit()) {
                if index == 0 && at < 2 && !is_first_of_a_list(page, at) {
                    found.insert((index, at));
                }
                waiting.insert(chapter, (index, at));
            }
        }
    }
    found
}

/// Whether the block after this numbered one is numbered too. What a document begins with is its
/// title, unless it begins with a list.
fn is_first_of_a_list(page: &ReadPage, at: usize) -> bool {
    let next = page.styled().nth(at + 1);
    next.is_none_or(|(_, _, text)| text.starts_with(|c: char| c.is_ascii_digit()))
}

/// The level of each way of setting headings: as the outline says where it names some of them,
/// else by size.
fn levels(pages: &[ReadPage], body: f32, titles: &HashMap<String, u8>) -> HashMap<Class, u8> {
    let mut named: HashMap<Class, u8> = HashMap::new();
    let mut classes: BTreeMap<Class, usize> = BTreeMap::new();
    for (block, style, text) in pages.iter().flat_map(ReadPage::styled) {
        if let Some(level) = titled(block, style, text, titles) {
            let level = named
                .get(&class(style, text))
                .map_or(level, |l| level.min(*l));
            named.insert(class(style, text), level);
        } else if is_set_as_heading(block, style, text, body) {
            *classes.entry(class(style, text)).or_default() += 1;
        }
    }
    // A long document has stray ways of setting a line; only the usual ones make a level.
    let usual = classes.values().sum::<usize>() / 40;
    let mut levels: HashMap<Class, u8> = HashMap::new();
    let mut level = 1_u8;
    for (class, times) in classes.iter().rev() {
        levels.insert(*class, level);
        if *times >= usual {
            level = (level + 1).min(6);
        }
    }
    levels.extend(named);
    levels
}

/// Letters and digits alone, in lower case, so that spacing and dashes do not matter.
fn letters(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
