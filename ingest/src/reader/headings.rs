//! Detecting headings and their levels: by the outline, by their typography compared with the body
//! text, or by their words.

use super::read_page::ReadPage;
use crate::formats::common::list_marker;
use crate::wire::{OutlineEntry, Style};
use cloister_domain::{Block, BlockKind};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Maximum length of a heading, in characters.
const MAX_HEADING_CHARS: usize = 160;

/// Marks the headings of all pages whose format does not name them itself.
pub fn mark(pages: &mut [ReadPage], outline: &[OutlineEntry]) {
    let body = body_size(pages);
    let titles: HashMap<String, u8> = outline
        .iter()
        .map(|entry| (comparison_key(&entry.title), entry.level))
        .filter(|(title, _)| !title.is_empty())
        .collect();
    let levels = class_levels(pages, body, &titles);
    let numbered = find_chapters(pages);
    // If headings are distinguished by typography, one that is not ranks below them.
    let min_level = if levels.is_empty() { 1 } else { 5 };
    for (index, page) in pages.iter_mut().enumerate() {
        let in_tables = is_over_columns(page, body);
        let mut found: Vec<Option<u8>> = Vec::new();
        for (at, ((block, style, text), in_table)) in page.styled().zip(in_tables).enumerate() {
            let level = if let Some(level) = outline_level(block, style, text, &titles) {
                Some(level)
            } else if in_table {
                None
            } else if is_set_as_heading(block, style, text, body) {
                let class = typography_class(style, text);
                Some(levels.get(&class).copied().unwrap_or(6))
            } else {
                let chapter = numbered.contains(&(index, at)).then_some(1);
                let level = level_by_words(block, style, text).or(chapter);
                level.map(|level| level.max(min_level))
            };
            found.push(level);
        }
        for (block, level) in page.page.content.blocks.iter_mut().zip(found) {
            if let Some(level) = level {
                block.kind = BlockKind::Heading(level.clamp(1, 6));
            }
        }
    }
}

/// Which blocks are above the columns of a table: near one of its rows, and to the right of the
/// row's left edge.
fn is_over_columns(page: &ReadPage, body: f32) -> Vec<bool> {
    let blocks: Vec<(BlockKind, Style)> = page.styled().map(|(b, s, _)| (b.kind, *s)).collect();
    let is_over = blocks.iter().enumerate().map(|(index, (_, style))| {
        let left = leftmost_row_near(&blocks, index);
        left < f32::MAX && style.left > left + 8.0 * body && style.size < 1.3 * body
    });
    is_over.collect()
}

/// The left edge of the rows of tables at most two blocks away, `f32::MAX` if there are none.
fn leftmost_row_near(blocks: &[(BlockKind, Style)], index: usize) -> f32 {
    let near = blocks.iter().enumerate().skip(index.saturating_sub(2));
    near.take_while(|(other, _)| *other <= index + 2)
        .filter(|(other, (kind, _))| *other != index && *kind == BlockKind::TableRow)
        .map(|(_, (_, style))| style.left)
        .fold(f32::MAX, f32::min)
}

/// The level that the outline gives this block, if it is one of the outline's titles.
fn outline_level(
    block: &Block,
    style: &Style,
    text: &str,
    titles: &HashMap<String, u8>,
) -> Option<u8> {
    let may_be = !matches!(block.kind, BlockKind::RunningHeader | BlockKind::Caption);
    let short = style.lines <= 3 && text.len() <= MAX_HEADING_CHARS;
    (may_be && short && !text.ends_with(|c: char| c.is_ascii_digit() && text.contains(" | ")))
        .then(|| titles.get(&comparison_key(text)).copied())
        .flatten()
}

/// Typography class: the font size in half points, and a weight. Capitals weigh less than bold
/// type, and bold capitals most.
type TypographyClass = (u32, u8);

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a font size in half points; the cast saturates"
)]
fn typography_class(style: &Style, text: &str) -> TypographyClass {
    let weight = u8::from(style.bold) * 2 + u8::from(is_capitals(text));
    ((style.size * 2.0).round() as u32, weight)
}

fn is_capitals(text: &str) -> bool {
    !text.chars().any(char::is_lowercase)
}

/// The font size of most letters of the document, in points.
fn body_size(pages: &[ReadPage]) -> f32 {
    let mut letters: HashMap<u32, usize> = HashMap::new();
    for (_, style, text) in pages.iter().flat_map(ReadPage::styled) {
        *letters.entry(typography_class(style, text).0).or_default() += text.len();
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
    let sized = style.lines <= 3 && text.chars().count() <= MAX_HEADING_CHARS && letters >= 3;
    let ends_open = !text.ends_with(['.', ',', ';', '!', '?']) || text.len() < 40 && style.bold;
    let starts_well = !text.starts_with(char::is_lowercase) && !text.starts_with(['(', '$']);
    let large = style.size >= 1.15 * body;
    let heavy = style.bold && style.size >= 0.95 * body && style.lines <= 2;
    sized && ends_open && starts_well && (large || heavy)
}

/// The level of a heading that is recognised by its words, although it is set like body text.
fn level_by_words(block: &Block, style: &Style, text: &str) -> Option<u8> {
    let plain = matches!(block.kind, BlockKind::Paragraph | BlockKind::ListItem);
    (plain && style.lines <= 2)
        .then(|| list_marker::heading_by_words(text))
        .flatten()
}

/// Finds the lines that name a chapter, by page and block: `14. Media` is a heading like `14.1
/// Scope` after it, not the fourteenth item of a list.
fn find_chapters(pages: &[ReadPage]) -> HashSet<(usize, usize)> {
    let mut waiting: HashMap<&str, (usize, usize)> = HashMap::new();
    let mut found = HashSet::new();
    for (index, page) in pages.iter().enumerate() {
        for (at, (block, style, text)) in page.styled().enumerate() {
            let Some((number, words)) = text.split_once(' ') else {
                continue;
            };
            if let Some(chapter) = number.trim_end_matches('.').strip_suffix(".1") {
                if level_by_words(block, style, text) == Some(2) {
                    found.extend(waiting.remove(chapter));
                }
                continue;
            }
            let chapter = number.strip_suffix('.').unwrap_or(number);
            let named = style.lines <= 2
                && text.chars().count() <= MAX_HEADING_CHARS
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

/// Whether the block after this numbered one is numbered too. A document starts with its title,
/// unless it starts with a list.
fn is_first_of_a_list(page: &ReadPage, at: usize) -> bool {
    let next = page.styled().nth(at + 1);
    next.is_none_or(|(_, _, text)| text.starts_with(|c: char| c.is_ascii_digit()))
}

/// The level of each typography class: as in the outline if it has a title of that class, else by
/// size.
fn class_levels(
    pages: &[ReadPage],
    body: f32,
    titles: &HashMap<String, u8>,
) -> HashMap<TypographyClass, u8> {
    let mut named: HashMap<TypographyClass, u8> = HashMap::new();
    let mut classes: BTreeMap<TypographyClass, usize> = BTreeMap::new();
    for (block, style, text) in pages.iter().flat_map(ReadPage::styled) {
        if let Some(level) = outline_level(block, style, text, titles) {
            let level = named
                .get(&typography_class(style, text))
                .map_or(level, |l| level.min(*l));
            named.insert(typography_class(style, text), level);
        } else if is_set_as_heading(block, style, text, body) {
            *classes.entry(typography_class(style, text)).or_default() += 1;
        }
    }
    // Long documents have lines with stray typography. Only frequent classes make a level.
    let usual = classes.values().sum::<usize>() / 40;
    let mut levels: HashMap<TypographyClass, u8> = HashMap::new();
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

/// Letters and digits in lower case, for comparing titles without spacing and dashes.
fn comparison_key(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
