//! A set of documents and questions whose right answers are known.

use anyhow::Context;
use cloister_domain::{BlockKind, Page, PassageSpan};
use cloister_ingest::Reader;
use cloister_ingest::formats::sections::Sections;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::extraction::pdf_files;

/// A set.
pub struct Corpus {
    /// Its documents.
    pub documents: Vec<Document>,
    /// Its questions.
    pub questions: Vec<Question>,
}

/// A document as it was read.
pub struct Document {
    /// Its id in the set.
    pub id: String,
    /// Its title.
    pub title: String,
    /// ISO 639-3 code of its language, where it could be told.
    pub language: Option<String>,
    /// Its pages.
    pub pages: Vec<Page>,
    /// Whether the questions name pages (`ID#p12`) rather than documents.
    pub by_page: bool,
}

/// A question.
#[derive(Clone)]
pub struct Question {
    /// Its id in the set.
    pub id: String,
    /// Its words.
    pub text: String,
    /// How relevant each right document or page is.
    pub relevant: HashMap<String, f64>,
    /// Texts of which each answers, where they are known.
    pub answers: Vec<String>,
    /// The question that it follows.
    pub after: Option<String>,
}

#[derive(Deserialize)]
struct Article {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    title: String,
    text: String,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "_id")]
    id: String,
    #[serde(alias = "question")]
    text: String,
    #[serde(default)]
    gold: Vec<Gold>,
}

#[derive(Deserialize)]
struct AskedOfDocument {
    #[serde(rename = "_id")]
    id: String,
    question: String,
    #[serde(default)]
    after: Option<String>,
    answers: Vec<String>,
    document: String,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    answers: Vec<String>,
}

#[derive(Deserialize)]
struct Gold {
    doc: String,
    page_checked: u32,
}

impl Corpus {
    /// Reads a folder: `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv` (BEIR), or PDF files
    /// beside a `questions.jsonl` that names their pages (like the set `FinanceBench`).
    pub async fn read(folder: &Path, reader: &Reader) -> anyhow::Result<Self> {
        if folder.join("corpus.jsonl").exists() {
            Self::of_texts(folder)
        } else {
            Self::of_files(folder, reader).await
        }
    }

    /// Reads the documents of a folder, and questions of a file that name documents by their path
    /// in it and the texts that answer.
    pub async fn of_handbooks(
        folder: &Path,
        questions: &Path,
        reader: &Reader,
    ) -> anyhow::Result<Self> {
        let asked: Vec<AskedOfDocument> = lines(questions)?;
        let mut documents = Vec::new();
        for path in files(folder)? {
            let id = path.strip_prefix(folder)?.to_string_lossy().into_owned();
            let Ok(read) = reader.extract(File::open(&path)?, &id, |_, _| {}).await else {
                continue;
            };
            documents.push(Document {
                id,
                title: read.info.title,
                language: read.info.language,
                pages: read.pages,
                by_page: false,
            });
        }
        let held = |asked: &AskedOfDocument| documents.iter().any(|d| d.id == asked.document);
        let questions: Vec<Question> = asked
            .into_iter()
            .filter(held)
            .map(|asked| Question {
                relevant: HashMap::from([(asked.document, 1.0)]),
                id: asked.id,
                text: asked.question,
                after: asked.after,
                answers: asked.answers,
            })
            .collect();
        Ok(Self {
            documents,
            questions,
        })
    }

    /// The same; an error where there is nothing to ask.
    pub fn with_questions(self, folder: &Path) -> anyhow::Result<Self> {
        anyhow::ensure!(
            !self.questions.is_empty(),
            "No question is about a document of `{}`. In a file of questions `document` is a path below \
             that folder; in the BEIR layout `qrels/test.tsv` says which document answers",
            folder.display()
        );
        Ok(self)
    }

    fn of_texts(folder: &Path) -> anyhow::Result<Self> {
        let texts: Vec<Article> = lines(&folder.join("corpus.jsonl"))?;
        let asked: Vec<Asked> = lines(&folder.join("queries.jsonl"))?;
        let mut relevant: HashMap<String, HashMap<String, f64>> = HashMap::new();
        let judged = folder.join("qrels/test.tsv");
        let table =
            std::fs::read_to_string(&judged).with_context(|| judged.display().to_string())?;
        for line in table.lines().skip(1) {
            let mut columns = line.split('\t');
            if let (Some(question), Some(document), Some(gain)) =
                (columns.next(), columns.next(), columns.next())
            {
                let gain = gain.trim().parse()?;
                let of = relevant.entry(question.to_owned()).or_default();
                of.insert(document.to_owned(), gain);
            }
        }
        let mut answers = known_answers(&folder.join("answers.jsonl"))?;
        let known = asked.into_iter().filter_map(|asked| {
            let relevant = relevant.remove(&asked.id)?;
            let (id, text) = (asked.id, asked.text);
            let answers = answers.remove(&id).unwrap_or_default();
            Some(Question {
                id,
                text,
                relevant,
                answers,
                after: None,
            })
        });
        Ok(Self {
            questions: known.collect(),
            documents: texts
                .into_iter()
                .map(|article| Document::of_text(article.id, article.title, &article.text))
                .collect(),
        })
    }

    async fn of_files(folder: &Path, reader: &Reader) -> anyhow::Result<Self> {
        let asked: Vec<Asked> = lines(&folder.join("questions.jsonl"))?;
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
                by_page: true,
            });
        }
        let questions = asked.into_iter().map(|asked| Question {
            relevant: asked
                .gold
                .iter()
                .map(|gold| (format!("{}#p{}", gold.doc, gold.page_checked), 1.0))
                .collect(),
            id: asked.id,
            text: asked.text,
            answers: Vec::new(),
            after: None,
        });
        Ok(Self {
            questions: questions.collect(),
            documents,
        })
    }
}

impl Document {
    /// Whether a quote stands on one of its pages, byte for byte.
    pub fn holds(&self, quote: &str) -> bool {
        self.pages
            .iter()
            .any(|page| page.content.text.contains(quote))
    }

    /// What stands in this place; none where there is no such place.
    pub fn at(&self, place: &PassageSpan) -> Option<&str> {
        let mut pages = self.pages.iter();
        let page = pages.find(|page| page.number == place.page)?;
        place.range.of(&page.content.text)
    }

    /// A text, as if it had been read from a file.
    pub fn of_text(id: String, title: String, text: &str) -> Self {
        let mut sections = Sections::default();
        for paragraph in text.split("\n\n") {
            sections.push(BlockKind::Paragraph, paragraph);
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
            by_page: false,
        }
    }
}

/// The JSON objects of a file, one in a line.
pub fn lines<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("`{}`", path.display()))?;
    let read = text.lines().map(|line| Ok(serde_json::from_str(line)?));
    read.collect::<anyhow::Result<_>>()
        .with_context(|| format!("`{}`", path.display()))
}

fn known_answers(path: &Path) -> anyhow::Result<HashMap<String, Vec<String>>> {
    if !path.exists() {
        return Ok(HashMap::new());
    }
    let answered: Vec<Answered> = lines(path)?;
    let known = answered.into_iter().map(|known| (known.id, known.answers));
    Ok(known.collect())
}

/// All files below a folder, by their names.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
