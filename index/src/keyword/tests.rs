//! Passing over what cannot be among the best finds what adding up everything finds.

use super::*;
use crate::entry::IndexSettings;
use crate::revisions::{Readable, Revisions};
use cloister_domain::{PassageId, RevisionId};
use roaring::RoaringBitmap;
use std::collections::BTreeSet;
use tantivy::fieldnorm::FieldNormReader;

const PASSAGES: i64 = 7000;
const PASSAGES_OF_A_REVISION: i64 = 7;
const WORDS: u64 = 400;

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    /// A word that stemming leaves alone; the lower the number, the more often it comes.
    fn word(&mut self) -> String {
        let bound = 1 + self.below(WORDS);
        let number = self.below(bound);
        let letter = |n: u64| char::from(b'a' + u8::try_from(n % 20).unwrap());
        format!("{}{}ok", letter(number / 20), letter(number))
    }

    fn words(&mut self, most: u64) -> String {
        let count = 1 + self.below(most);
        let words: Vec<String> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }
}

fn entries(dice: &mut Dice) -> Vec<IndexEntry> {
    let entry = |id| IndexEntry {
        passage: PassageId(id),
        revision: RevisionId(revision_of(id)),
        title: dice.words(3),
        headings: Vec::new(),
        text: dice.words(30),
        about: None,
        language: None,
        vector: Vec::new(),
    };
    (1..=PASSAGES).map(entry).collect()
}

fn revision_of(passage: i64) -> i64 {
    passage / PASSAGES_OF_A_REVISION
}

/// The stems of a passage's title and of its text.
struct Stems([Vec<String>; 2]);

impl Stems {
    fn of(entry: &IndexEntry) -> Self {
        let stems = |text: &str| {
            let tokens = words::stems(text, Language::English).into_iter();
            tokens.map(|token| token.text).collect()
        };
        Self([stems(&entry.title), stems(&entry.text)])
    }
}

/// BM25F by the plainest of loops, of every passage.
fn scores(question: &str, passages: &[Stems], settings: &IndexSettings) -> Vec<f32> {
    let of = passages.len() as f32;
    let average = [0, 1].map(|field: usize| {
        passages
            .iter()
            .map(|p| p.0[field].len() as f32)
            .sum::<f32>()
            / of
    });
    let weights = [settings.title_weight, 1.0];
    let mut scores = vec![0.0; passages.len()];
    for stem in words::question_stems(question, &[Language::English]) {
        let with = [0, 1].map(|field: usize| {
            passages
                .iter()
                .filter(|p| p.0[field].contains(&stem))
                .count()
        });
        let with = *with.iter().max().unwrap() as f32;
        let rarity = (1.0 + (of - with + 0.5).max(0.0) / (with + 0.5)).ln();
        for (score, passage) in scores.iter_mut().zip(passages) {
            let mut counted = 0.0;
            for ((stems, average), weight) in passage.0.iter().zip(average).zip(weights) {
                let times = stems.iter().filter(|other| **other == stem).count() as f32;
                let length = u32::try_from(stems.len()).unwrap();
                let length = FieldNormReader::fieldnorm_to_id(length);
                let length = FieldNormReader::id_to_fieldnorm(length) as f32;
                counted += times * weight / (1.0 - settings.b + settings.b * length / average);
            }
            *score += rarity * counted * (settings.k1 + 1.0) / (counted + settings.k1);
        }
    }
    scores
}

fn readable(dice: &mut Dice) -> Readable {
    let (every, run) = (1 + dice.below(4), 1 + dice.below(40));
    let revisions = 0..=u32::try_from(revision_of(PASSAGES)).unwrap();
    let known = Revisions::of(revisions.clone().map(|revision| (revision, 1)));
    let shown: RoaringBitmap = revisions
        .filter(|revision| u64::from(*revision) / run % every == 0)
        .collect();
    known.readable(&shown)
}

#[test]
fn the_best_are_those_of_adding_up_every_word_of_every_readable_passage() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(0x5eed);
    let entries = entries(&mut dice);
    let passages: Vec<Stems> = entries.iter().map(Stems::of).collect();
    let mut keywords = Keywords::create(dir.path()).unwrap();
    // Commits of unlike sizes, one of them smaller than a window and one of several.
    for commit in [0..300_usize, 300..2400, 2400..7000] {
        for entry in &entries[commit] {
            let revision = u32::try_from(entry.revision.0).unwrap();
            keywords
                .add(entry, entry.passage.0.cast_unsigned(), revision)
                .unwrap();
        }
        keywords.commit("").unwrap();
    }
    let searcher = keywords.searcher();
    for case in 0..200 {
        let settings = IndexSettings {
            k1: [1.2, 0.4, 3.0][case % 3],
            b: [0.75, 0.2][case % 2],
            title_weight: [2.0, 0.5, 7.0][case % 3],
            ..IndexSettings::default()
        };
        let question = dice.words(8);
        let readable = readable(&mut dice);
        let limit = usize::try_from(1 + dice.below(40)).unwrap();
        let found = searcher
            .search(&question, "", &readable, limit, &settings)
            .unwrap()
            .hits;
        let scores = scores(&question, &passages, &settings);
        let mut expected: Vec<f32> = (entries.iter().zip(&scores))
            .filter(|(entry, _)| readable.contains(u32::try_from(entry.revision.0).unwrap()))
            .map(|(_, score)| *score)
            .filter(|score| *score > 0.0)
            .collect();
        expected.sort_unstable_by(|a, b| b.total_cmp(a));
        expected.truncate(limit);
        assert_eq!(found.len(), expected.len(), "{question}");
        for (hit, expected) in found.iter().zip(&expected) {
            let own = scores[usize::try_from(hit.passage - 1).unwrap()];
            let near = |other: f32| (hit.score - other).abs() <= 1e-5 * other;
            assert!(
                near(own) && near(*expected),
                "{question}: {hit:?}, {own}, {expected}"
            );
            assert!(readable.contains(hit.revision), "{hit:?}");
        }
        let distinct: BTreeSet<i64> = found.iter().map(|hit| hit.passage).collect();
        assert_eq!(distinct.len(), found.len(), "{question}");
    }
}

/// Ten documents of one passage each, the first of which are `texts`, by these paths.
fn documents(dir: &std::path::Path, texts: &[(&str, &str)]) -> Keywords {
    let mut keywords = Keywords::create(dir).unwrap();
    let others = std::iter::repeat(("other.pdf", "what the ward keeps in the cupboard"));
    let all = texts.len().max(10);
    let texts = texts.iter().copied().chain(others).take(all);
    for (id, (path, text)) in (1_u32..).zip(texts) {
        let entry = IndexEntry {
            passage: PassageId(i64::from(id)),
            revision: RevisionId(i64::from(id)),
            title: String::new(),
            headings: Vec::new(),
            text: text.to_owned(),
            about: Some(path.to_owned()),
            language: None,
            vector: Vec::new(),
        };
        keywords.add(&entry, u64::from(id), id).unwrap();
    }
    keywords.commit("").unwrap();
    keywords
}

fn all() -> Readable {
    Revisions::of((1..=10).map(|revision| (revision, 1))).readable(&(1..=10).collect())
}

#[test]
fn the_more_of_a_question_is_a_code_the_more_the_words_count() {
    let dir = tempfile::tempdir().unwrap();
    let text = "the dose of the drug for E11.9 is 80 mg a day";
    let searcher = documents(dir.path(), &[("a.pdf", text)]).searcher();
    let settings = IndexSettings::default();
    let coded = |question: &str| {
        let found = searcher
            .search(question, "", &all(), 10, &settings)
            .unwrap();
        found.coded
    };
    let (alone, among) = (coded("E11.9"), coded("the dose of the drug for E11.9"));
    assert!(alone > among && among > 0.0, "{alone}, {among}");
    for without in ["the dose of the drug", "80 mg", "E12"] {
        assert!(coded(without) == 0.0, "{without}");
    }
}

#[test]
fn a_code_finds_longer_ones_below_itself_and_a_number_finds_itself() {
    let dir = tempfile::tempdir().unwrap();
    let texts = [
        ("a.pdf", "E11.9 first"),
        ("b.pdf", "E11 first"),
        ("c.pdf", "80-day first"),
    ];
    let searcher = documents(dir.path(), &texts).searcher();
    let settings = IndexSettings::default();
    let worth = |question: &str| {
        let words = searcher.words(question, "", &all(), &settings).unwrap();
        words
            .list
            .iter()
            .map(|word| word.weight)
            .collect::<Vec<_>>()
    };
    // As a stem, as a code, its parts, and as the beginning of another.
    let code = worth("e11");
    assert!(code.last() < code.first(), "{code:?}");
    assert_eq!(worth("80").len(), 1);
}

#[test]
fn codes_of_hidden_passages_take_no_room_from_those_that_may_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let codes: Vec<String> = (0..60)
        .map(|number| format!("E11.{number:02} first"))
        .collect();
    let texts: Vec<(&str, &str)> = codes.iter().map(|text| ("a.pdf", text.as_str())).collect();
    let searcher = documents(dir.path(), &texts).searcher();
    let only_last: RoaringBitmap = [60].into_iter().collect();
    let revisions = Revisions::of((1..=60).map(|revision| (revision, 1)));
    let found = searcher.search(
        "e11",
        "",
        &revisions.readable(&only_last),
        10,
        &IndexSettings::default(),
    );
    let found: Vec<i64> = found.unwrap().hits.iter().map(|hit| hit.passage).collect();
    assert_eq!(found, [60]);
}

#[test]
fn what_a_term_stands_for_counts_for_less_than_the_question() {
    let dir = tempfile::tempdir().unwrap();
    let texts = [
        ("a.pdf", "the ratio of nurses"),
        ("b.pdf", "total current assets"),
        ("c.pdf", "total liabilities"),
    ];
    let searcher = documents(dir.path(), &texts).searcher();
    let settings = IndexSettings::default();
    let found = |also: &str| -> Vec<i64> {
        let found = searcher.search("quick ratio", also, &all(), 10, &settings);
        found.unwrap().hits.iter().map(|hit| hit.passage).collect()
    };
    assert_eq!(found(""), [1]);
    assert_eq!(found("current liabilities"), [1, 3, 2]);
    let worth = |text: &str, also: &str| {
        let words = searcher.words(text, also, &all(), &settings).unwrap().list;
        words.last().map_or(0.0, |word| word.weight)
    };
    let (asked, meant) = (worth("assets", ""), worth("ratio", "assets"));
    assert!((meant - 0.7 * asked).abs() < 1e-6, "{asked}, {meant}");
    // A word of the question counts once, and as the question's.
    assert!((worth("assets", "assets") - asked).abs() < 1e-6);
}

#[test]
fn a_path_without_spaces_is_pointed_to_by_its_words() {
    let dir = tempfile::tempdir().unwrap();
    let texts = [
        ("AMERICANEXPRESS_2022.pdf", "first"),
        ("BOEING_2022.pdf", "first"),
    ];
    let searcher = documents(dir.path(), &texts).searcher();
    let routes = searcher.routes("What did American Express earn in 2022?", &all());
    let routes = routes.unwrap();
    assert_eq!(routes.to(1), Some(1.0));
    assert!(routes.to(2).is_some_and(|route| route < 0.5));
}
