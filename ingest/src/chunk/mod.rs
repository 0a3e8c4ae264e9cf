//! Blocks become passages.
//!
//! A passage never crosses a heading, and never holds one: the headings above it are its
//! `headings`. It ends where a sentence ends, unless a single sentence is too long for any
//! passage. A table's row or a list's item is one sentence; a passage that begins inside a table
//! repeats the row that names its columns. Furniture is left out.

mod sentences;
mod units;

use cloister_domain::{ByteRange, Page, PassageDraft, PassageSpan};
use serde::{Deserialize, Serialize};
use units::{Section, Unit};

pub use sentences::sentences;

/// Counts as the embedder counts.
pub trait TokenCounter {
    /// The number of tokens of this text, without those that a model adds at the ends.
    fn count(&self, text: &str) -> usize;
}

impl<T: TokenCounter + ?Sized> TokenCounter for &T {
    fn count(&self, text: &str) -> usize {
        (**self).count(text)
    }
}

/// How passages are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChunkSettings {
    /// Passages have at most this many tokens.
    pub most_tokens: usize,
    /// Whole sentences of at most this many tokens are repeated at the beginning of the next
    /// passage of the same section.
    pub overlap_tokens: usize,
}

impl Default for ChunkSettings {
    fn default() -> Self {
        Self {
            most_tokens: 200,
            overlap_tokens: 0,
        }
    }
}

/// So much of title and headings is embedded; with a passage of the usual size it fits the model.
const CONTEXT_CHARS: usize = 200;

/// What is embedded of a passage: the title and the headings above it, and its text. Passages of
/// many like documents are told apart by their titles.
pub fn embedded_text(title: &str, headings: &[String], text: &str) -> String {
    let above = std::iter::once(title).chain(headings.iter().map(String::as_str));
    let above: Vec<&str> = above.filter(|part| !part.is_empty()).collect();
    let above: String = above.join(" › ").chars().take(CONTEXT_CHARS).collect();
    format!("{above}\n{text}")
}

/// Cuts a document's pages into passages.
pub fn cut(
    pages: &[Page],
    counter: &impl TokenCounter,
    settings: &ChunkSettings,
) -> Vec<PassageDraft> {
    let most = settings.most_tokens.max(1);
    let mut passages = Vec::new();
    for section in units::sections(pages, counter, most) {
        cut_section(&section, pages, counter, settings, &mut passages);
    }
    passages
}

fn cut_section(
    section: &Section,
    pages: &[Page],
    counter: &impl TokenCounter,
    settings: &ChunkSettings,
    passages: &mut Vec<PassageDraft>,
) {
    let most = settings.most_tokens.max(1);
    let mut open = Open::default();
    let mut close = |open: &mut Open, room: usize| {
        passages.extend(assemble(&open.units, &section.headings, pages, counter));
        open.begin_again(settings.overlap_tokens.min(room));
    };
    for group in section.units.chunk_by(|_, next| !next.begins_block) {
        let whole: usize = group.iter().map(|unit| unit.tokens).sum();
        // A paragraph that would be cut for the sake of a few tokens begins a passage instead.
        if open.tokens + whole > most && whole <= most && open.tokens * 2 > most {
            close(&mut open, most - whole);
        }
        for unit in group {
            if open.tokens + unit.tokens > most && !open.units.is_empty() {
                close(&mut open, most.saturating_sub(unit.tokens));
            }
            let header = unit.header.filter(|_| open.units.is_empty());
            if let Some(row) = header.filter(|row| row.tokens() + unit.tokens <= most) {
                open.push(row.unit());
            }
            open.push(*unit);
        }
    }
    close(&mut open, 0);
}

/// The passage that is being filled.
#[derive(Debug, Default)]
struct Open {
    units: Vec<Unit>,
    tokens: usize,
}

impl Open {
    fn push(&mut self, unit: Unit) {
        self.tokens += unit.tokens;
        self.units.push(unit);
    }

    /// The next passage begins with what it repeats of this one.
    fn begin_again(&mut self, overlap: usize) {
        self.units = repeated(&self.units, overlap);
        self.tokens = self.units.iter().map(|unit| unit.tokens).sum();
    }
}

/// The last sentences of a passage that fit into the overlap, never all of them.
fn repeated(units: &[Unit], overlap: usize) -> Vec<Unit> {
    let mut tokens = 0;
    let after_first = units.get(1..).unwrap_or_default();
    let mut last: Vec<Unit> = after_first
        .iter()
        .rev()
        .take_while(|unit| {
            tokens += unit.tokens;
            tokens <= overlap
        })
        .copied()
        .collect();
    last.reverse();
    last
}

/// A passage of these sentences. Neighbours on one page are one span, with the white space between
/// them as it stands there.
fn assemble(
    units: &[Unit],
    headings: &[String],
    pages: &[Page],
    counter: &impl TokenCounter,
) -> Option<PassageDraft> {
    let mut draft = PassageDraft {
        text: String::new(),
        spans: Vec::new(),
        headings: headings.to_vec(),
        sentences: Vec::new(),
        tokens: 0,
        doubtful: Vec::new(),
    };
    let adjoin = |a: &Unit, b: &Unit| {
        let between = ByteRange::new(a.range.end, b.range.start);
        let page = pages.get(a.page).filter(|_| a.page == b.page);
        let gap = page.and_then(|page| between.of(&page.content.text));
        gap.is_some_and(|gap| gap.trim().is_empty())
    };
    for run in units.chunk_by(adjoin) {
        let (first, last) = (run.first()?, run.last()?);
        let page = pages.get(first.page)?;
        let range = ByteRange::new(first.range.start, last.range.end);
        if !draft.text.is_empty() {
            draft.text.push('\n');
        }
        let base = draft.text.len();
        draft.text.push_str(range.of(&page.content.text)?);
        let moved = |unit: &Unit| {
            let start = base + unit.range.start - range.start;
            ByteRange::new(start, start + unit.range.len())
        };
        draft.sentences.extend(run.iter().map(moved));
        let doubts = page.content.doubtful.iter();
        let here = doubts.filter_map(|doubt| doubt.intersection(range));
        draft.doubtful.extend(here.map(|doubt| {
            let start = base + doubt.start - range.start;
            ByteRange::new(start, start + doubt.len())
        }));
        draft.spans.push(PassageSpan {
            page: page.number,
            range,
        });
    }
    draft.tokens = u32::try_from(counter.count(&draft.text)).unwrap_or(u32::MAX);
    (!draft.text.is_empty()).then_some(draft)
}
