//! What only the whole document can tell: which blocks are headings, which recur on every page,
//! what language it is in, and whether it holds text at all.

use super::Extraction;
use super::gather::ReadPage;
use crate::error::Quarantine;
use crate::formats::pdf::marker;
use crate::wire::{Info, OutlineEntry, Style};
use cloister_domain::{Block, BlockKind, DocumentInfo};
use std::collections::{HashMap, HashSet};

/// Headers and footers stand within this share of the page's height from its edges.
const MARGIN: f32 = 0.1;
/// What recurs on fewer pages is part of the text, but for documents of two pages.
const RECURRING: usize = 3;
/// A heading is no longer than this.
const HEADING_CHARS: usize = 160;

/// The document, from its pages.
pub fn assemble(
    name: &str,
    info: Info,
    mut pages: Vec<ReadPage>,
) -> Result<Extraction, Quarantine> {
    if pages.iter().all(|page| page.page.content.text.is_empty()) {
        return Err(Quarantine::NoText {
            name: name.to_owned(),
            pages: info.pages,
        });
    }
    mark_furniture(&mut pages);
    mark_page_numbers(&mut pages);
    mark_headings(&mut pages, &info.outline);
    let warnings = warnings(&info, &pages);
    let title = info.title.or_else(|| first_heading(&pages));
    let document = DocumentInfo {
        title: title.unwrap_or_else(|| without_ending(name)),
        format: info.format,
        language: language(&pages),
        pages: info.pages,
        warnings,
    };
    Ok(Extraction {
        info: document,
        pages: pages.into_iter().map(|page| page.page).collect(),
    })
}

/// Markdown and HTML name their title as their first heading; in a PDF, the largest words of the
/// first page are as often a logo.
fn first_heading(pages: &[ReadPage]) -> Option<String> {
    let first = pages.first().filter(|page| page.styles.is_empty())?;
    let content = &first.page.content;
    let heading = content
        .blocks
        .iter()
        .find(|block| matches!(block.kind, BlockKind::Heading(1 | 2)))?;
    heading.range.of(&content.text).map(str::to_owned)
}

fn without_ending(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => file.to_owned(),
    }
}

/// Each block's text, style and page height, for pages whose blocks have styles.
fn styled(page: &ReadPage) -> impl Iterator<Item = (&Block, &Style, &str)> {
    let content = &page.page.content;
    content
        .blocks
        .iter()
        .zip(&page.styles)
        .filter_map(|(block, style)| Some((block, style, block.range.of(&content.text)?)))
}

/// Where a header or footer stands, and what it says without its numbers.
type Mark = (i32, String);

fn mark_furniture(pages: &mut [ReadPage]) {
    let mut seen: HashMap<Mark, usize> = HashMap::new();
    for page in pages.iter() {
        let marks: HashSet<Mark> = styled(page)
            .filter_map(|(_, style, text)| mark(page, style, text))
            .collect();
        for mark in marks {
            *seen.entry(mark).or_default() += 1;
        }
    }
    let enough = RECURRING.min(pages.len().max(2));
    for page in pages.iter_mut() {
        let furniture: Vec<bool> = styled(page)
            .map(|(_, style, text)| {
                mark(page, style, text).is_some_and(|(place, words)| {
                    let bare_number = words.chars().all(|c| !c.is_alphabetic());
                    let times = (place - 1..=place + 1)
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
fn mark(page: &ReadPage, style: &Style, text: &str) -> Option<Mark> {
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
    let blocks = styled(page).map(|(_, _, text)| {
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

fn mark_headings(pages: &mut [ReadPage], outline: &[OutlineEntry]) {
    let body = body_size(pages);
    let titles: HashMap<String, u8> = outline
        .iter()
        .map(|entry| (letters(&entry.title), entry.level))
        .filter(|(title, _)| !title.is_empty())
        .collect();
    let levels = levels(pages, body, &titles);
    for page in pages.iter_mut() {
        let kinds: Vec<_> = styled(page)
            .map(|(block, style, text)| {
                let named = titled(block, style, text, &titles);
                let set = || {
                    is_set_as_heading(block, style, text, body)
                        .then(|| levels.get(&class(style, text)).copied().unwrap_or(6))
                };
                named.or_else(set).or_else(|| by_words(block, style, text))
            })
            .collect();
        for (block, level) in page.page.content.blocks.iter_mut().zip(kinds) {
            if let Some(level) = level {
                block.kind = BlockKind::Heading(level.clamp(1, 6));
            }
        }
    }
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
    for (_, style, text) in pages.iter().flat_map(styled) {
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

/// The level of each way of setting headings: as the outline says where it names some of them,
/// else by size.
fn levels(pages: &[ReadPage], body: f32, titles: &HashMap<String, u8>) -> HashMap<Class, u8> {
    let mut named: HashMap<Class, u8> = HashMap::new();
    let mut classes: HashSet<Class> = HashSet::new();
    for (block, style, text) in pages.iter().flat_map(styled) {
        if let Some(level) = titled(block, style, text, titles) {
            let level = named
                .get(&class(style, text))
                .map_or(level, |l| level.min(*l));
            named.insert(class(style, text), level);
        } else if is_set_as_heading(block, style, text, body) {
            classes.insert(class(style, text));
        }
    }
    let mut by_size: Vec<Class> = classes.into_iter().collect();
    by_size.sort_unstable_by(|a, b| b.cmp(a));
    let mut levels: HashMap<Class, u8> = HashMap::new();
    for (rank, class) in (1_u8..=6).chain(std::iter::repeat(6)).zip(by_size) {
        levels.insert(class, rank);
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

fn language(pages: &[ReadPage]) -> Option<String> {
    let mut sample = String::new();
    for page in pages {
        sample.push_str(&page.page.content.text);
        sample.push('\n');
        if sample.len() > 20_000 {
            break;
        }
    }
    let found = whatlang::detect(&sample)?;
    found.is_reliable().then(|| found.lang().code().to_owned())
}

fn warnings(info: &Info, pages: &[ReadPage]) -> Vec<String> {
    let mut warnings = info.warnings.clone();
    let mut note = |holds: &dyn Fn(&ReadPage) -> bool, sentence: &str| {
        let numbers: Vec<u32> = pages
            .iter()
            .filter(|page| holds(page))
            .map(|page| page.page.number)
            .collect();
        if !numbers.is_empty() {
            warnings.push(format!("{}: {sentence}", page_list(&numbers)));
        }
    };
    note(&|p| p.lost, "could not be read and is left out");
    note(
        &|p| p.notes.cut_short,
        "has more glyphs than are read, and is cut short",
    );
    note(
        &|p| p.notes.pictured && p.page.content.text.len() < 20,
        "is a picture without text, and needs text recognition (OCR)",
    );
    note(
        &|p| {
            let read = p
                .page
                .content
                .text
                .chars()
                .filter(|c| !c.is_whitespace())
                .count();
            p.notes.unreadable as usize * 4 > read && p.notes.unreadable > 20
        },
        "has letters that its fonts do not name, and needs text recognition (OCR)",
    );
    note(
        &|p| p.notes.outside > 20,
        "has text outside of the visible page, which is left out",
    );
    warnings
}

/// `page 3`, `pages 3, 7-9`.
fn page_list(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == *number => *end = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let runs: Vec<String> = runs
        .iter()
        .map(|(start, end)| {
            if start == end {
                start.to_string()
            } else {
                format!("{start}-{end}")
            }
        })
        .collect();
    let word = if numbers.len() == 1 { "page" } else { "pages" };
    format!("{word} {}", runs.join(", "))
}
