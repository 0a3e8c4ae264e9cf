//! Properties of passages that hold for all pages.

#![expect(clippy::expect_used, reason = "a test without its pages fails")]

use cloister_domain::{Block, BlockKind, ByteRange, Page, PageText, PassageDraft};
use cloister_ingest::{ChunkSettings, CountTokens, chunk_pages};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Counts words as tokens.
struct WordCount;

impl CountTokens for WordCount {
    fn count(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

fn kind() -> impl Strategy<Value = BlockKind> {
    prop_oneof![
        1 => (1_u8..4).prop_map(BlockKind::Heading),
        5 => Just(BlockKind::Paragraph),
        2 => Just(BlockKind::ListItem),
        2 => Just(BlockKind::TableRow),
        1 => Just(BlockKind::RunningHeader),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => "[a-zäöü]{1,9}", 2 => "[A-Z][a-z]{1,7}", 1 => "[0-9]{1,4}", 1 => Just("e.g.".to_owned()),
        2 => "[a-z]{2,6}[.]", 1 => Just("|".to_owned()), 1 => "[a-z]{60,90}", 1 => "[東京大学]{2,5}。",
    ];
    prop::collection::vec(word, 1..60).prop_map(|words| words.join(" "))
}

fn pages() -> impl Strategy<Value = Vec<Page>> {
    let blocks = prop::collection::vec((kind(), text()), 0..8);
    prop::collection::vec(blocks, 1..5).prop_map(|pages| {
        let numbered = (1_u32..).zip(pages);
        numbered
            .map(|(number, blocks)| page(number, blocks))
            .collect()
    })
}

fn page(number: u32, blocks: Vec<(BlockKind, String)>) -> Page {
    let mut content = PageText::default();
    for (kind, text) in blocks {
        if !content.text.is_empty() {
            content.text.push('\n');
        }
        let start = content.text.len();
        content.text.push_str(&text);
        let range = ByteRange::new(start, content.text.len());
        content.blocks.push(Block {
            kind,
            range,
            place: None,
            row: None,
        });
    }
    Page {
        number,
        width: 0.0,
        height: 0.0,
        content,
    }
}

/// The letters that passages should contain, as page number and position.
fn searched(pages: &[Page]) -> BTreeSet<(u32, usize)> {
    let blocks = pages.iter().flat_map(|page| {
        let searched = |block: &&Block| {
            !matches!(block.kind, BlockKind::Heading(_) | BlockKind::RunningHeader)
        };
        let blocks = page.content.blocks.iter().filter(searched);
        blocks.flat_map(|block| letters(page, block.range))
    });
    blocks.collect()
}

fn letters(page: &Page, range: ByteRange) -> Vec<(u32, usize)> {
    let text = range.slice(&page.content.text).expect("a range");
    let letters = text.char_indices().filter(|(_, c)| !c.is_whitespace());
    letters
        .map(|(at, _)| (page.number, range.start + at))
        .collect()
}

fn covered(passages: &[PassageDraft], pages: &[Page]) -> BTreeSet<(u32, usize)> {
    let spans = passages.iter().flat_map(|passage| &passage.spans);
    spans
        .flat_map(|span| {
            let page = pages
                .iter()
                .find(|page| page.number == span.page)
                .expect("a page");
            letters(page, span.range)
        })
        .collect()
}

fn spans_text(draft: &PassageDraft, pages: &[Page]) -> String {
    let texts: Vec<&str> = draft
        .spans
        .iter()
        .map(|span| {
            let page = pages
                .iter()
                .find(|page| page.number == span.page)
                .expect("a page");
            span.range.slice(&page.content.text).expect("a range")
        })
        .collect();
    texts.join("\n")
}

proptest! {
    #[test]
    fn passages_cover_the_text_and_resolve(pages in pages(), most in 5_usize..40) {
        let settings = ChunkSettings { most_tokens: most, overlap_tokens: 0 };
        let passages = chunk_pages(&pages, &WordCount, &settings);
        prop_assert_eq!(covered(&passages, &pages), searched(&pages));
        for passage in &passages {
            prop_assert_eq!(&passage.text, &spans_text(passage, &pages));
            prop_assert!(!passage.sentences.is_empty());
            prop_assert_eq!(passage.tokens as usize, WordCount.count(&passage.text));
            prop_assert!(passage.tokens as usize <= most);
            let mut reached = 0;
            for sentence in &passage.sentences {
                let words = sentence.slice(&passage.text).expect("a sentence");
                prop_assert!(sentence.start >= reached && !words.trim().is_empty());
                prop_assert_eq!(passage.locate(*sentence).len(), 1);
                reached = sentence.end;
            }
        }
    }

    #[test]
    fn overlap_repeats_no_more_than_it_may(pages in pages(), overlap in 0_usize..15) {
        let settings = ChunkSettings { most_tokens: 30, overlap_tokens: overlap };
        for passage in chunk_pages(&pages, &WordCount, &settings) {
            prop_assert_eq!(&passage.text, &spans_text(&passage, &pages));
            prop_assert!(passage.tokens <= 30);
        }
    }
}

fn check(most_tokens: usize, blocks: &[(BlockKind, &str)], expected: &[(&[&str], &str)]) {
    let owned = blocks
        .iter()
        .map(|(kind, text)| (*kind, (*text).to_owned()));
    let pages = [page(1, owned.collect())];
    let passages = chunk_pages(
        &pages,
        &WordCount,
        &ChunkSettings {
            most_tokens,
            overlap_tokens: 0,
        },
    );
    let found: Vec<(Vec<&str>, &str)> = passages
        .iter()
        .map(|p| {
            (
                p.headings.iter().map(String::as_str).collect(),
                p.text.as_str(),
            )
        })
        .collect();
    let expected: Vec<(Vec<&str>, &str)> = expected.iter().map(|(h, t)| (h.to_vec(), *t)).collect();
    assert_eq!(found, expected);
}

#[test]
fn passages_keep_to_their_headings() {
    use BlockKind::{Heading, ListItem, Paragraph, RunningHeader, TableRow};
    check(
        8,
        &[
            (RunningHeader, "Header"),
            (Heading(1), "Leave"),
            (Paragraph, "Ask early. Always ask."),
            (Heading(2), "Sick leave"),
            (Paragraph, "Call in."),
            (RunningHeader, "1"),
            (Paragraph, "Rest well."),
            (Heading(1), "Pay"),
            (Heading(2), "Rates"),
            (TableRow, "Day | 8 | hours"),
            (TableRow, "Night | 10 | hours"),
            (ListItem, "- No. 5 applies."),
        ],
        &[
            (&["Leave"], "Ask early. Always ask."),
            (&["Leave", "Sick leave"], "Call in.\nRest well."),
            (&["Pay", "Rates"], "Day | 8 | hours"),
            (&["Pay", "Rates"], "Night | 10 | hours"),
            (&["Pay", "Rates"], "- No. 5 applies."),
        ],
    );
}

#[test]
fn a_passage_that_starts_inside_a_table_repeats_the_column_names() {
    use BlockKind::{Heading, Paragraph, TableRow};
    check(
        12,
        &[
            (TableRow, "| 2018 | 2017"),
            (TableRow, "Rent | 1 | 2"),
            (Heading(3), "Wages"),
            (TableRow, "Nurses | 3 | 4"),
            (Paragraph, "So much for the costs."),
        ],
        &[
            (&[], "| 2018 | 2017\nRent | 1 | 2"),
            (&["Wages"], "| 2018 | 2017\nNurses | 3 | 4"),
            (&["Wages"], "So much for the costs."),
        ],
    );
}
