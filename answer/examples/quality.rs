//! Measures finding, and deciding whether to answer, on a folder in the BEIR layout:
//!
//! ```text
//! cargo run -p cloister-answer --example quality -- retrieval FOLDER
//! cargo run -p cloister-answer --example quality -- evidence FOLDER QUESTIONS > signals.jsonl
//! cargo run -p cloister-answer --example quality -- compose FOLDER QUESTIONS > sentences.jsonl
//! ```
//!
//! `evidence` asks each question three times: of everything, without the paragraph that answers it
//! (near), and without all of that paragraph's article (far), and writes what the program knew
//! when it decided. `evidence.toml` is calibrated on that.
//!
//! `compose` has the model write from the best quote and says whether the sentence is shown, and
//! whether quote and sentence hold one of the answers in the folder's `answers.jsonl`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring tool that cannot go on should stop, and its output is its purpose"
)]

use cloister_answer::compose::{Sentences, task};
use cloister_answer::evidence::Evidence;
use cloister_answer::select::{Judges, Selection, select, text};
use cloister_answer::verify::{Source, Vectors, verify};
use cloister_answer::{FoundPassage, gate};
use cloister_domain::{
    ByteRange, CollectionId, DocumentId, FileHash, Labels, Passage, PassageDraft, PassageId,
    PassageSpan, RevisionId, Timestamp,
};
use cloister_index::{Index, IndexEntry, IndexSettings, SearchRequest};
use cloister_inference::{
    EmbedderService, GeneratorService, GeneratorState, Piece, QueueLimits, SentenceEncoder,
};
use cloister_store::RevisionRecord;
use roaring::RoaringBitmap;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use unicode_segmentation::UnicodeSegmentation;

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    title: String,
    text: String,
}

#[derive(Deserialize)]
struct Question {
    #[serde(rename = "_id")]
    id: String,
    text: String,
}

/// A folder in memory, indexed; document `i` is revision and passage `i + 1`.
struct Corpus {
    documents: Vec<Document>,
    questions: Vec<Question>,
    relevant: HashMap<String, Vec<(u32, f64)>>,
    index: Index,
    embedder: EmbedderService,
    _folder: tempfile::TempDir,
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn models() -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
    PathBuf::from(option_env!("CLOISTER_MODELS").unwrap_or(beside))
}

impl Corpus {
    async fn read(folder: &Path) -> Self {
        let documents: Vec<Document> = lines(&folder.join("corpus.jsonl"));
        let places: HashMap<&str, u32> = documents
            .iter()
            .map(|document| document.id.as_str())
            .zip(1..)
            .collect();
        let mut relevant: HashMap<String, Vec<(u32, f64)>> = HashMap::new();
        let qrels = std::fs::read_to_string(folder.join("qrels/test.tsv")).unwrap();
        for line in qrels.lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let gain = columns[2].trim().parse().unwrap();
            let known = relevant.entry(columns[0].to_owned()).or_default();
            known.extend(places.get(columns[1]).map(|place| (*place, gain)));
        }
        let mut questions: Vec<Question> = lines(&folder.join("queries.jsonl"));
        questions.retain(|question| relevant.get(&question.id).is_some_and(|r| !r.is_empty()));
        let minilm = Arc::new(SentenceEncoder::open(&models().join("minilm")).unwrap());
        let embedder = EmbedderService::start(minilm, QueueLimits::default()).unwrap();
        let temporary = tempfile::tempdir().unwrap();
        let index = Index::open(temporary.path(), IndexSettings::default()).unwrap();
        for (step, part) in documents.chunks(512).enumerate() {
            add(&index, &embedder, part, step * 512).await;
            eprintln!("{} of {} documents", index.passages(), documents.len());
        }
        Self {
            documents,
            questions,
            relevant,
            index,
            embedder,
            _folder: temporary,
        }
    }

    async fn search(
        &self,
        question: &str,
        permitted: &RoaringBitmap,
        limit: usize,
    ) -> (Vec<f32>, Vec<cloister_index::Hit>) {
        let vector = self
            .embedder
            .embed_question(question.to_owned())
            .await
            .unwrap();
        let request = SearchRequest {
            text: question,
            vector: &vector,
            permitted,
            limit,
            semantic_weight: None,
        };
        let hits = self.index.search(&request).unwrap().hits;
        (vector, hits)
    }

    fn everything(&self) -> RoaringBitmap {
        (1..=u32::try_from(self.documents.len()).unwrap()).collect()
    }

    fn found(&self, hit: &cloister_index::Hit) -> FoundPassage {
        let document = &self.documents[usize::try_from(hit.passage.0 - 1).unwrap()];
        let whole = ByteRange::new(0, document.text.len());
        let bounds = document.text.split_sentence_bound_indices();
        let sentences = bounds
            .map(|(start, sentence)| ByteRange::new(start, start + sentence.trim_end().len()))
            .collect();
        let draft = PassageDraft {
            text: document.text.clone(),
            spans: vec![PassageSpan {
                page: 1,
                range: whole,
            }],
            headings: vec![document.title.clone()],
            sentences,
            tokens: 0,
            doubtful: Vec::new(),
        };
        FoundPassage {
            passage: Passage {
                id: hit.passage,
                revision: hit.revision,
                document: DocumentId(hit.passage.0),
                collection: CollectionId(1),
                draft,
            },
            source: record(document, hit.revision),
            score: hit.score,
            keyword: hit.keyword,
            semantic: hit.semantic,
        }
    }
}

async fn add(index: &Index, embedder: &EmbedderService, part: &[Document], before: usize) {
    let texts = part
        .iter()
        .map(|d| format!("{}\n{}", d.title, d.text))
        .collect();
    let vectors = embedder.embed_passages(texts).await.unwrap();
    let rows = part.iter().zip(vectors).zip(before + 1..);
    let entries: Vec<IndexEntry> = rows
        .map(|((document, vector), place)| {
            let id = i64::try_from(place).unwrap();
            IndexEntry {
                about: None,
                language: None,
                passage: PassageId(id),
                revision: RevisionId(id),
                title: document.title.clone(),
                headings: vec![],
                text: document.text.clone(),
                vector,
            }
        })
        .collect();
    index.add(&entries).unwrap();
}

fn record(document: &Document, revision: RevisionId) -> RevisionRecord {
    RevisionRecord {
        id: revision,
        document: DocumentId(revision.0),
        collection: CollectionId(1),
        collection_name: "measured".into(),
        path: document.id.clone(),
        hash: FileHash::of(document.text.as_bytes()),
        title: document.title.clone(),
        format: "text".into(),
        pages: 1,
        effective_from: Timestamp::from_millis(0),
        superseded_at: None,
        labels: Labels::default(),
    }
}

async fn retrieval(corpus: &Corpus) {
    let everything = corpus.everything();
    let (mut gains, mut at_10, mut at_100) = (0.0, 0.0, 0.0);
    for question in &corpus.questions {
        let (_, hits) = corpus.search(&question.text, &everything, 100).await;
        let relevant = &corpus.relevant[&question.id];
        let gain = |place: i64| {
            let known = relevant.iter().find(|(id, _)| i64::from(*id) == place);
            known.map_or(0.0, |(_, gain)| gain.exp2() - 1.0)
        };
        let discount = |rank: usize| (rank as f64 + 2.0).log2();
        let found = hits.iter().take(10).enumerate();
        let reached: f64 = found
            .map(|(rank, hit)| gain(hit.passage.0) / discount(rank))
            .sum();
        let mut ideal: Vec<f64> = relevant.iter().map(|(_, gain)| gain.exp2() - 1.0).collect();
        ideal.sort_by(|a, b| b.total_cmp(a));
        let best: f64 = ideal
            .iter()
            .take(10)
            .enumerate()
            .map(|(rank, gain)| gain / discount(rank))
            .sum();
        gains += reached / best;
        let positive = relevant.iter().filter(|(_, gain)| *gain > 0.0).count() as f64;
        let recall = |depth: usize| {
            hits.iter()
                .take(depth)
                .filter(|hit| gain(hit.passage.0) > 0.0)
                .count() as f64
                / positive
        };
        at_10 += recall(10);
        at_100 += recall(100);
    }
    let count = corpus.questions.len() as f64;
    println!(
        "{count} questions: nDCG@10 {:.4}, recall@10 {:.4}, recall@100 {:.4}",
        gains / count,
        at_10 / count,
        at_100 / count
    );
}

/// The generator, once it is loaded.
async fn generator() -> GeneratorService {
    let dir = models().join("smollm2");
    let generator = GeneratorService::starting(dir, QueueLimits::default()).unwrap();
    while generator.state() == GeneratorState::Loading {
        tokio::task::yield_now().await;
    }
    generator
}

#[derive(Deserialize)]
struct Answers {
    #[serde(rename = "_id")]
    id: String,
    answers: Vec<String>,
}

async fn compose(corpus: &Corpus, answers: &[Answers], count: usize) {
    let generator = generator().await;
    let evidence = Evidence::calibrated().unwrap();
    let step = (corpus.questions.len() / count).max(1);
    for question in corpus.questions.iter().step_by(step).take(count) {
        let asked = &question.text;
        let (vector, hits) = corpus.search(asked, &corpus.everything(), 8).await;
        let passages: Vec<FoundPassage> = hits.iter().map(|hit| corpus.found(hit)).collect();
        let judges = Judges {
            embedder: &corpus.embedder,
            generator: Some(&generator),
            weights: &evidence.sentence,
        };
        let selection = select(asked, &vector, &passages, &judges).await.unwrap();
        let quote = text(&passages, &selection.candidates[0]);
        let sentence = first_sentence(&generator, quote, asked).await;
        let texts = vec![sentence.clone(), quote.to_owned()];
        let vectors = corpus.embedder.embed_sentences(texts).await.unwrap();
        let vectors = Vectors {
            sentence: &vectors[0],
            quote: &vectors[1],
            question: &vector,
        };
        let withheld = verify(
            &sentence,
            Source {
                quote,
                headings: &[],
            },
            asked,
            vectors,
        )
        .err();
        let known = answers.iter().find(|known| known.id == question.id);
        let holds = |text: &str| known.is_some_and(|a| a.answers.iter().any(|a| text.contains(a)));
        let line = serde_json::json!({
            "question": asked, "quote": quote, "sentence": sentence, "withheld": withheld,
            "quote_right": holds(quote), "sentence_right": holds(&sentence),
        });
        println!("{line}");
    }
}

async fn first_sentence(generator: &GeneratorService, quote: &str, question: &str) -> String {
    let mut pieces = generator.generate(task(quote, question)).unwrap();
    let mut sentences = Sentences::default();
    while let Some(Piece::Text(piece)) = pieces.recv().await {
        if let Some(sentence) = sentences.push(&piece) {
            return sentence;
        }
    }
    sentences.finish().unwrap_or_default()
}

async fn evidence(corpus: &Corpus, count: usize) {
    let generator = generator().await;
    let step = (corpus.questions.len() / count).max(1);
    for question in corpus.questions.iter().step_by(step).take(count) {
        let gold = corpus.relevant[&question.id][0].0;
        let title = &corpus.documents[gold as usize - 1].title;
        let other = |place: &u32| corpus.documents[*place as usize - 1].title != *title;
        let mut near = corpus.everything();
        near.remove(gold);
        let far: RoaringBitmap = corpus.everything().iter().filter(other).collect();
        for (kind, permitted) in [
            ("answerable", corpus.everything()),
            ("near", near),
            ("far", far),
        ] {
            println!(
                "{}",
                signals(corpus, &generator, question, kind, &permitted, gold).await
            );
        }
    }
}

async fn signals(
    corpus: &Corpus,
    generator: &GeneratorService,
    question: &Question,
    kind: &str,
    permitted: &RoaringBitmap,
    gold: u32,
) -> serde_json::Value {
    let evidence = Evidence::calibrated().unwrap();
    let (vector, hits) = corpus.search(&question.text, permitted, 8).await;
    let passages: Vec<FoundPassage> = hits.iter().map(|hit| corpus.found(hit)).collect();
    let judges = Judges {
        embedder: &corpus.embedder,
        generator: Some(generator),
        weights: &evidence.sentence,
    };
    let selection: Selection = select(&question.text, &vector, &passages, &judges)
        .await
        .unwrap();
    let verdict = gate::decide(&question.text, &selection, &passages, &evidence.answer);
    let candidates: Vec<_> = selection
        .candidates
        .iter()
        .map(|candidate| {
            serde_json::json!({
                "passage": candidate.passage, "text": text(&passages, candidate),
                "meaning": candidate.meaning, "words": candidate.words,
                "likelihood": candidate.likelihood,
            })
        })
        .collect();
    let found: Vec<_> = passages
        .iter()
        .map(|found| {
            serde_json::json!({
                "gold": found.passage.id.0 == i64::from(gold), "text": found.passage.draft.text,
                "title": found.source.title, "score": found.score,
                "keyword": found.keyword, "semantic": found.semantic,
            })
        })
        .collect();
    serde_json::json!({
        "id": question.id, "question": question.text, "kind": kind, "verdict": verdict,
        "candidates": candidates, "passages": found,
    })
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["retrieval", folder] => retrieval(&Corpus::read(Path::new(folder)).await).await,
        ["evidence", folder, count] => {
            evidence(
                &Corpus::read(Path::new(folder)).await,
                count.parse().unwrap(),
            )
            .await;
        }
        ["compose", folder, count] => {
            let answers: Vec<Answers> = lines(&Path::new(folder).join("answers.jsonl"));
            let corpus = Corpus::read(Path::new(folder)).await;
            compose(&corpus, &answers, count.parse().unwrap()).await;
        }
        _ => eprintln!("usage: quality retrieval FOLDER | evidence FOLDER N | compose FOLDER N"),
    }
}
