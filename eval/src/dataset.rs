//! A dataset: documents, questions, and which documents or texts answer them.

use crate::extraction::pdf_files;
use anyhow::Context;
use cloister_domain::{BlockKind, Page, PassageSpan};
use cloister_ingest::Reader;
use cloister_ingest::formats::common::sections::Sections;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Documents and questions.
pub struct Dataset {
    /// The documents.
    pub documents: Vec<Document>,
    /// The questions.
    pub questions: Vec<Question>,
}

/// A document as it was read.
pub struct Document {
    /// The id in the dataset.
    pub id: String,
    /// The title.
    pub title: String,
    /// ISO 639-3 code of the language, if it was detected.
    pub language: Option<String>,
    /// The pages.
    pub pages: Vec<Page>,
    /// Whether relevance is judged for pages (`ID#p12`) rather than for documents.
    pub is_judged_by_page: bool,
}

/// A question with its relevance judgements.
#[derive(Clone)]
pub struct Question {
    /// The id in the dataset.
    pub id: String,
    /// The text.
    pub text: String,
    /// The grade of each relevant document or page.
    pub relevance: HashMap<String, f64>,
    /// Texts that answer the question. Empty if they are not known.
    pub answers: Vec<String>,
    /// The question before it in a conversation, if it is a follow-up.
    pub previous: Option<String>,
}

/// A line of `corpus.jsonl`.
#[derive(Deserialize)]
struct CorpusLine {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    title: String,
    text: String,
}

/// A line of `queries.jsonl`, or of `questions.jsonl` beside PDF files.
#[derive(Deserialize)]
struct QueryLine {
    #[serde(rename = "_id")]
    id: String,
    #[serde(alias = "question")]
    text: String,
    #[serde(default)]
    gold: Vec<GoldPage>,
}

#[derive(Deserialize)]
struct GoldPage {
    doc: String,
    page_checked: u32,
}

/// A line of a file of questions about the documents of a folder.
#[derive(Deserialize)]
struct DocumentQuestionLine {
    #[serde(rename = "_id")]
    id: String,
    question: String,
    #[serde(rename = "after", default)]
    previous: Option<String>,
    answers: Vec<String>,
    document: String,
}

/// A line of `answers.jsonl`.
#[derive(Deserialize)]
struct AnswersLine {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    answers: Vec<String>,
}

impl Dataset {
    /// Loads a folder with `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv` (BEIR), or with PDF
    /// files and a `questions.jsonl` that names their pages (`FinanceBench`).
    pub async fn load(folder: &Path, reader: &Reader) -> anyhow::Result<Self> {
        if folder.join("corpus.jsonl").exists() {
            Self::load_beir(folder)
        } else {
            Self::load_pdf_pages(folder, reader).await
        }
    }

    /// Loads the documents of a folder, and a file of questions that names documents by their path
    /// in the folder.
    pub async fn load_documents(
        folder: &Path,
        questions: &Path,
        reader: &Reader,
    ) -> anyhow::Result<Self> {
        let lines: Vec<DocumentQuestionLine> = load_json_lines(questions)?;
        let mut documents = Vec::new();
        for path in list_files(folder)? {
            let id = path.strip_prefix(folder)?.to_string_lossy().into_owned();
            let Ok(read) = reader.extract(File::open(&path)?, &id, |_, _| {}).await else {
                continue;
            };
            documents.push(Document {
                id,
                title: read.info.title,
                language: read.info.language,
                pages: read.pages,
                is_judged_by_page: false,
            });
        }
        let mut questions = Vec::new();
        for line in lines {
            if !documents
                .iter()
                .any(|document| document.id == line.document)
            {
                continue;
            }
            questions.push(Question {
                relevance: HashMap::from([(line.document, 1.0)]),
                id: line.id,
                text: line.question,
                previous: line.previous,
                answers: line.answers,
            });
        }
        Ok(Self {
            documents,
            questions,
        })
    }

    /// Fails if the dataset has no questions.
    pub fn require_questions(self, folder: &Path) -> anyhow::Result<Self> {
        anyhow::ensure!(
            !self.questions.is_empty(),
            "no question is about a document of `{}`. In a file of questions, `document` is a path \
             in that folder; in the BEIR layout, `qrels/test.tsv` names the relevant documents",
            folder.display()
        );
        Ok(self)
    }

    fn load_beir(folder: &Path) -> anyhow::Result<Self> {
        let corpus: Vec<CorpusLine> = load_json_lines(&folder.join("corpus.jsonl"))?;
        let queries: Vec<QueryLine> = load_json_lines(&folder.join("queries.jsonl"))?;
        let mut judgements = load_qrels(&folder.join("qrels/test.tsv"))?;
        let mut answers = load_answers(&folder.join("answers.jsonl"))?;
        let mut questions = Vec::new();
        for query in queries {
            if let Some(relevance) = judgements.remove(&query.id) {
                questions.push(Question {
                    answers: answers.remove(&query.id).unwrap_or_default(),
                    id: query.id,
                    text: query.text,
                    relevance,
                    previous: None,
                });
            }
        }
        let documents = corpus
            .into_iter()
            .map(|line| Document::from_text(line.id, line.title, &line.text))
            .collect();
        Ok(Self {
            documents,
            questions,
        })
    }

    async fn load_pdf_pages(folder: &Path, reader: &Reader) -> anyhow::Result<Self> {
        let queries: Vec<QueryLine> = load_json_lines(&folder.join("questions.jsonl"))?;
        let mut documents = Vec::new();
        for path in pdf_files(folder)? {
            let id = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let read = reader.extract(File::open(&path)?, &id, |_, _| {}).await?;
            documents.push(Document {
                id,
                title: read.info.title,
                language: read.info.language,
                pages: read.pages,
                is_judged_by_page: true,
            });
        }
        let questions = queries
            .into_iter()
            .map(|query| Question {
                relevance: query
                    .gold
                    .iter()
                    .map(|gold| (page_id(&gold.doc, gold.page_checked), 1.0))
                    .collect(),
                id: query.id,
                text: query.text,
                answers: Vec::new(),
                previous: None,
            })
            .collect();
        Ok(Self {
            documents,
            questions,
        })
    }
}

fn page_id(document: &str, page: u32) -> String {
    format!("{document}#p{page}")
}

impl Document {
    /// Whether one of its pages has this text, byte for byte.
    pub fn contains(&self, text: &str) -> bool {
        self.pages
            .iter()
            .any(|page| page.content.text.contains(text))
    }

    /// The text at a place. `None` if there is no such place.
    pub fn text_at(&self, place: &PassageSpan) -> Option<&str> {
        let page = self.pages.iter().find(|page| page.number == place.page)?;
        place.range.slice(&page.content.text)
    }

    /// A document of paragraphs that are separated by blank lines.
    pub fn from_text(id: String, title: String, text: &str) -> Self {
        let mut sections = Sections::default();
        for paragraph in text.split("\n\n") {
            sections.push_block(BlockKind::Paragraph, paragraph);
        }
        Self {
            id,
            title,
            language: None,
            pages: sections
                .finish()
                .into_iter()
                .map(|frame| frame.page)
                .collect(),
            is_judged_by_page: false,
        }
    }

    /// The ids by which relevance is judged for a passage on these pages.
    pub fn judgement_ids(&self, pages: impl Iterator<Item = u32>) -> Vec<String> {
        if !self.is_judged_by_page {
            return vec![self.id.clone()];
        }
        let mut ids: Vec<String> = pages.map(|page| page_id(&self.id, page)).collect();
        ids.dedup();
        ids
    }
}

/// Parses a file with one JSON object per line.
pub fn load_json_lines<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read `{}`", path.display()))?;
    let mut objects = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let object = serde_json::from_str(line)
            .with_context(|| format!("could not parse line {number} of `{}`", path.display()))?;
        objects.push(object);
    }
    Ok(objects)
}

/// Parses relevance judgements: question, document and grade, separated by tabs, after a header.
fn load_qrels(path: &Path) -> anyhow::Result<HashMap<String, HashMap<String, f64>>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read `{}`", path.display()))?;
    let mut judgements: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        if let [question, document, grade, ..] = columns.as_slice() {
            let of_question = judgements.entry((*question).to_owned()).or_default();
            of_question.insert((*document).to_owned(), grade.trim().parse()?);
        }
    }
    Ok(judgements)
}

/// The answers by question id. Empty if there is no file.
fn load_answers(path: &Path) -> anyhow::Result<HashMap<String, Vec<String>>> {
    if !path.exists() {
        return Ok(HashMap::new());
    }
    let lines: Vec<AnswersLine> = load_json_lines(path)?;
    Ok(lines
        .into_iter()
        .map(|line| (line.id, line.answers))
        .collect())
}

/// All files in a folder and its subfolders, sorted.
fn list_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("could not read the folder `{}`", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(list_files(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
