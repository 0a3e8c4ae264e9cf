//! Tests of the lexical arm. The ranking is compared with a plain loop over all passages.

use super::*;
use crate::request::IndexSettings;
use crate::revisions::{ReadableRevisions, Revisions};
use cloister_domain::random::SplitMix64;
use cloister_domain::{PassageId, RevisionId};
use cloister_text::{query_stems, stem_tokens};
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashSet};
use tantivy::fieldnorm::FieldNormReader;

const PASSAGES: i64 = 7000;
const PASSAGES_PER_REVISION: i64 = 7;
const WORDS: u64 = 400;

/// Random words.
struct WordSource(SplitMix64);

impl WordSource {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// A word that is its own stem. Words with low numbers are more frequent.
    fn word(&mut self) -> String {
        let bound = 1 + self.below(WORDS);
        let number = self.below(bound);
        let letter = |n: u64| char::from(b'a' + u8::try_from(n % 20).unwrap());
        format!("{}{}ok", letter(number / 20), letter(number))
    }

    fn words(&mut self, max: u64) -> String {
        let count = 1 + self.below(max);
        let words: Vec<String> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }
}

fn entries(source: &mut WordSource) -> Vec<IndexEntry> {
    let entry = |id| IndexEntry {
        passage: PassageId(id),
        revision: RevisionId(revision_of(id)),
        title: source.words(3),
        headings: Vec::new(),
        text: source.words(30),
        document_metadata: None,
        language: None,
        vector: Vec::new(),
    };
    (1..=PASSAGES).map(entry).collect()
}

fn revision_of(passage: i64) -> i64 {
    passage / PASSAGES_PER_REVISION
}

/// The stems of a passage's title and text.
struct Stems([Vec<String>; 2]);

impl Stems {
    fn of(entry: &IndexEntry) -> Self {
        let stems = |text: &str| {
            let tokens = stem_tokens(text, Language::ENGLISH).into_iter();
            tokens.map(|token| token.text).collect()
        };
        Self([stems(&entry.title), stems(&entry.text)])
    }
}

/// The BM25F scores of all passages, computed without an index.
fn reference_scores(question: &str, passages: &[Stems], settings: &IndexSettings) -> Vec<f32> {
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
    for stem in query_stems(question, &[Language::ENGLISH]) {
        let with = [0, 1].map(|field: usize| {
            passages
                .iter()
                .filter(|p| p.0[field].contains(&stem))
                .count()
        });
        let with = *with.iter().max().unwrap() as f32;
        let idf = (1.0 + (of - with + 0.5).max(0.0) / (with + 0.5)).ln();
        for (score, passage) in scores.iter_mut().zip(passages) {
            let mut counted = 0.0;
            for ((stems, average), weight) in passage.0.iter().zip(average).zip(weights) {
                let times = stems.iter().filter(|other| **other == stem).count() as f32;
                let length = u32::try_from(stems.len()).unwrap();
                let length = FieldNormReader::fieldnorm_to_id(length);
                let length = FieldNormReader::id_to_fieldnorm(length) as f32;
                counted += times * weight / (1.0 - settings.b + settings.b * length / average);
            }
            *score += idf * counted * (settings.k1 + 1.0) / (counted + settings.k1);
        }
    }
    scores
}

fn readable(source: &mut WordSource) -> ReadableRevisions {
    let (every, run) = (1 + source.below(4), 1 + source.below(40));
    let revisions = 0..=u32::try_from(revision_of(PASSAGES)).unwrap();
    let known = Revisions::from_runs(revisions.clone().map(|revision| (revision, 1)));
    let shown: RoaringBitmap = revisions
        .filter(|revision| u64::from(*revision) / run % every == 0)
        .collect();
    known.readable(&shown)
}

#[test]
fn the_ranking_is_that_of_scoring_every_readable_passage() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = WordSource(SplitMix64::new(0x5eed));
    let entries = entries(&mut source);
    let passages: Vec<Stems> = entries.iter().map(Stems::of).collect();
    let mut index = LexicalIndex::create(dir.path()).unwrap();
    // Commits of different sizes: one is smaller than a block, others have several blocks.
    for commit in [0..300_usize, 300..2400, 2400..7000] {
        for entry in &entries[commit] {
            let revision = u32::try_from(entry.revision.0).unwrap();
            index
                .add(entry, entry.passage.0.cast_unsigned(), revision)
                .unwrap();
        }
        index.commit("").unwrap();
    }
    let searcher = index.searcher();
    for case in 0..200 {
        let settings = IndexSettings {
            k1: [1.2, 0.4, 3.0][case % 3],
            b: [0.75, 0.2][case % 2],
            title_weight: [2.0, 0.5, 7.0][case % 3],
            ..IndexSettings::default()
        };
        let question = source.words(8);
        let readable = readable(&mut source);
        let limit = usize::try_from(1 + source.below(40)).unwrap();
        let found = searcher
            .search(&question, "", &readable, limit, &settings)
            .unwrap()
            .hits;
        let scores = reference_scores(&question, &passages, &settings);
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

/// At least ten documents of one passage each. The first have these paths and texts.
fn documents(dir: &std::path::Path, texts: &[(&str, &str)]) -> LexicalIndex {
    documents_in(dir, texts, None)
}

fn documents_in(
    dir: &std::path::Path,
    texts: &[(&str, &str)],
    language: Option<&str>,
) -> LexicalIndex {
    let mut index = LexicalIndex::create(dir).unwrap();
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
            document_metadata: Some(path.to_owned()),
            language: language.map(str::to_owned),
            vector: Vec::new(),
        };
        index.add(&entry, u64::from(id), id).unwrap();
    }
    index.commit("").unwrap();
    index
}

fn all() -> ReadableRevisions {
    Revisions::from_runs((1..=10).map(|revision| (revision, 1))).readable(&(1..=10).collect())
}

#[test]
fn the_code_share_is_higher_for_questions_that_are_codes() {
    let dir = tempfile::tempdir().unwrap();
    let text = "the dose of the drug for E11.9 is 80 mg a day";
    let searcher = documents(dir.path(), &[("a.pdf", text)]).searcher();
    let settings = IndexSettings::default();
    let code_share = |question: &str| {
        let found = searcher
            .search(question, "", &all(), 10, &settings)
            .unwrap();
        found.code_share
    };
    let (alone, among) = (
        code_share("E11.9"),
        code_share("the dose of the drug for E11.9"),
    );
    assert!(alone > among && among > 0.0, "{alone}, {among}");
    for without in ["the dose of the drug", "80 mg", "E12"] {
        assert!(code_share(without) == 0.0, "{without}");
    }
}

#[test]
fn a_code_also_finds_longer_codes_and_a_number_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let texts = [
        ("a.pdf", "E11.9 first"),
        ("b.pdf", "E11 first"),
        ("c.pdf", "80-day first"),
    ];
    let searcher = documents(dir.path(), &texts).searcher();
    let settings = IndexSettings::default();
    let weights = |question: &str| {
        let terms = searcher
            .query_terms(question, "", &all(), &settings)
            .unwrap();
        terms
            .list
            .iter()
            .map(|term| term.weight)
            .collect::<Vec<_>>()
    };
    // As a stem, as a code, and as the start of another code.
    let code = weights("e11");
    assert!(code.last() < code.first(), "{code:?}");
    assert_eq!(weights("80").len(), 1);
}

#[test]
fn codes_of_hidden_passages_do_not_displace_readable_ones() {
    let dir = tempfile::tempdir().unwrap();
    let codes: Vec<String> = (0..60)
        .map(|number| format!("E11.{number:02} first"))
        .collect();
    let texts: Vec<(&str, &str)> = codes.iter().map(|text| ("a.pdf", text.as_str())).collect();
    let searcher = documents(dir.path(), &texts).searcher();
    let only_last: RoaringBitmap = [60].into_iter().collect();
    let revisions = Revisions::from_runs((1..=60).map(|revision| (revision, 1)));
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
fn expansion_terms_weigh_less_than_the_question() {
    let dir = tempfile::tempdir().unwrap();
    let texts = [
        ("a.pdf", "the ratio of nurses"),
        ("b.pdf", "total current assets"),
        ("c.pdf", "total liabilities"),
    ];
    let searcher = documents(dir.path(), &texts).searcher();
    let settings = IndexSettings::default();
    let found = |expansion_terms: &str| -> Vec<i64> {
        let found = searcher.search("quick ratio", expansion_terms, &all(), 10, &settings);
        found.unwrap().hits.iter().map(|hit| hit.passage).collect()
    };
    assert_eq!(found(""), [1]);
    assert_eq!(found("current liabilities"), [1, 3, 2]);
    let weight = |text: &str, expansion_terms: &str| {
        let terms = searcher
            .query_terms(text, expansion_terms, &all(), &settings)
            .unwrap();
        terms.list.last().map_or(0.0, |term| term.weight)
    };
    let (own, expanded) = (weight("assets", ""), weight("ratio", "assets"));
    assert!((expanded - 0.7 * own).abs() < 1e-6, "{own}, {expanded}");
    // A term of the question is not counted again as an expansion term.
    assert!((weight("assets", "assets") - own).abs() < 1e-6);
}

#[test]
fn a_path_without_spaces_is_found_by_its_words() {
    let dir = tempfile::tempdir().unwrap();
    let texts = [
        ("AMERICANEXPRESS_2022.pdf", "first"),
        ("BOEING_2022.pdf", "first"),
    ];
    let searcher = documents(dir.path(), &texts).searcher();
    let scores = searcher.document_scores("What did American Express earn in 2022?", &all());
    let scores = scores.unwrap();
    assert_eq!(scores.get(1), Some(1.0));
    assert!(scores.get(2).is_some_and(|score| score < 0.5));
}

#[test]
fn words_are_found_in_every_form_in_which_they_are_written() {
    let settings = IndexSettings::default();
    for (written, typed) in [
        ("Herr Mu\u{308}ller hat Me\u{301}nie\u{300}re", "\"Müller\""),
        ("Herr Müller", "\"Mu\u{308}ller\""),
        ("das Ménière-Syndrom", "Meniere"),
        (
            "die Aufbe\u{ad}wahrungs\u{ad}frist",
            "\"Aufbewahrungsfrist\"",
        ),
        ("zero\u{200b}width words", "\"zerowidth words\""),
        ("form DE\u{2011}41/2", "\"DE-41/2\""),
        ("the Guillain–Barré syndrome", "\"Guillain-Barre syndrome\""),
        ("platelets 150 × 10⁹/l", "\"10^9/l\""),
        ("Smørrebrød", "smorrebrod"),
        ("患者はペニシリンアレルギーがあります。", "アレルギー"),
        ("付款限额为五万元。", "\"五万元\""),
        ("환자는 알레르기가 있습니다.", "알레르기"),
        ("المريض يتناول الوارفارين", "وارفارين"),
        ("הַמְטֻפָּל נוטל וורפרין", "המטפל"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let searcher = documents(dir.path(), &[("a.pdf", written)]).searcher();
        let found = searcher.search(typed, "", &all(), 10, &settings).unwrap();
        assert_eq!(
            found.hits.first().map(|hit| hit.passage),
            Some(1),
            "{typed} in {written}"
        );
        if typed.starts_with('"') {
            assert_eq!(
                found.phrase_matches,
                Some(HashSet::from([1])),
                "{typed} in {written}"
            );
        }
    }
}

#[test]
fn a_compound_is_found_by_its_first_and_its_last_part() {
    let settings = IndexSettings::default();
    let texts = [
        (
            "a.pdf",
            "Die Aufbewahrungsfristen der Akten betragen zehn Jahre.",
        ),
        ("b.pdf", "Eine Patientenverfügung gilt sofort."),
        ("c.pdf", "Der Besuch ist am Abend."),
    ];
    let dir = tempfile::tempdir().unwrap();
    let searcher = documents_in(dir.path(), &texts, Some("deu")).searcher();
    for (typed, expected) in [
        ("Frist", 1),
        ("Aufbewahrung", 1),
        ("Verfügung", 2),
        ("Verfugung des Patienten", 2),
    ] {
        let found = searcher.search(typed, "", &all(), 10, &settings).unwrap();
        assert_eq!(
            found.hits.first().map(|hit| hit.passage),
            Some(expected),
            "{typed}"
        );
        assert_eq!(found.hits.len(), 1, "{typed}");
    }
}
