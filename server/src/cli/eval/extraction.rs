//! `cloister eval extraction`: what is read from PDF files, beside what pdftotext reads.

use crate::app;
use crate::cli::console;
use crate::config::Config;
use anyhow::Context;
use clap::Args;
use cloister_ingest::Reader;
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use unicode_normalization::UnicodeNormalization;

/// What is compared, and how it is printed.
#[derive(Clone, Debug, Args)]
pub struct Extraction {
    /// A folder of PDF files, or one file.
    path: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A page below this is named.
const LOW: f64 = 0.9;

/// Reads every file and prints a line for each.
pub async fn run(wanted: &Extraction, config: &Config) -> anyhow::Result<()> {
    let reader = app::open_reader(config)?;
    let mut scores = Vec::new();
    for file in pdf_files(&wanted.path)? {
        let score = compare(&reader, &file).await?;
        if !wanted.json {
            console::line(&score.to_string());
        }
        scores.push(score);
    }
    anyhow::ensure!(
        !scores.is_empty(),
        "there is no PDF file in `{}`",
        wanted.path.display()
    );
    let pages: Vec<f64> = scores
        .iter()
        .flat_map(|score| score.pages.iter().copied())
        .collect();
    let all = Summary::of(&pages);
    if wanted.json {
        console::line(&json!({ "files": scores, "all": all }).to_string());
    } else {
        console::line(&format!("all {} files: {all}", scores.len()));
    }
    Ok(())
}

/// The PDF files in a folder and those beneath it, or the one file that is named.
pub fn pdf_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let listed = std::fs::read_dir(path).with_context(|| format!("`{}`", path.display()))?;
    for entry in listed {
        let entry = entry?;
        let is_pdf = |file: &Path| {
            file.extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("pdf"))
        };
        if entry.file_type()?.is_dir() {
            files.extend(pdf_files(&entry.path())?);
        } else if is_pdf(&entry.path()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// One file's pages.
#[derive(Debug, Serialize)]
struct Score {
    file: String,
    /// Word F1 of each page that has words in the reference.
    pages: Vec<f64>,
    /// The numbers of the pages below [`LOW`].
    low: Vec<usize>,
    /// Why nothing was read.
    refused: Option<String>,
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.file, Summary::of(&self.pages))?;
        if !self.low.is_empty() {
            write!(f, ", below {LOW}: {:?}", self.low)?;
        }
        self.refused.iter().try_for_each(|why| write!(f, ", {why}"))
    }
}

/// Over some pages.
#[derive(Clone, Copy, Debug, Serialize)]
struct Summary {
    pages: usize,
    mean: f64,
    median: f64,
    least: f64,
}

impl Summary {
    fn of(pages: &[f64]) -> Self {
        let mut sorted = pages.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            pages: sorted.len(),
            mean: sorted.iter().sum::<f64>() / sorted.len().max(1) as f64,
            median: sorted.get(sorted.len() / 2).copied().unwrap_or_default(),
            least: sorted.first().copied().unwrap_or_default(),
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            pages,
            mean,
            median,
            least,
        } = self;
        write!(
            f,
            "{pages} pages, word F1 {mean:.4} on average, {median:.4} median, {least:.4} least"
        )
    }
}

async fn compare(reader: &Reader, path: &Path) -> anyhow::Result<Score> {
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let references = reference(path)?;
    let mut score = Score {
        file,
        pages: Vec::new(),
        low: Vec::new(),
        refused: None,
    };
    let read = reader
        .extract(File::open(path)?, &score.file, |_, _| {})
        .await;
    let pages = match read {
        Ok(read) => read.pages,
        Err(cause) => {
            score.refused = Some(cause.to_string());
            Vec::new()
        }
    };
    for (index, reference) in references.iter().enumerate() {
        let expected = words(reference);
        if expected.is_empty() {
            continue;
        }
        let text = pages.get(index).map(|page| page.content.text.as_str());
        let found = f1(&expected, &words(text.unwrap_or_default()));
        if found < LOW {
            score.low.push(index + 1);
        }
        score.pages.push(found);
    }
    Ok(score)
}

/// The text of each page: from `NAME.gold.txt` where there is one, else from pdftotext.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement starts the reference that it is measured against, never the appliance"
)]
fn reference(path: &Path) -> anyhow::Result<Vec<String>> {
    let gold = path.with_extension("gold.txt");
    let text = if gold.exists() {
        std::fs::read_to_string(gold)?
    } else {
        let output = std::process::Command::new("pdftotext")
            .args(["-cropbox", "-enc", "UTF-8"])
            .arg(path)
            .arg("-")
            .output()
            .context("pdftotext is not installed. It comes with poppler-utils")?;
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    Ok(text.split('\u{c}').map(str::to_owned).collect())
}

/// How often each word occurs. Letters and digits count, in compatibility form and lower case.
fn words(text: &str) -> HashMap<String, usize> {
    let plain: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let mut counts = HashMap::new();
    for word in plain.split(|c: char| !c.is_alphanumeric() && c != '_') {
        if !word.is_empty() {
            *counts.entry(word.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// The harmonic mean of how much of each is in the other.
fn f1(expected: &HashMap<String, usize>, found: &HashMap<String, usize>) -> f64 {
    let shared: usize = expected
        .iter()
        .map(|(word, count)| (*count).min(found.get(word).copied().unwrap_or_default()))
        .sum();
    let all = expected.values().sum::<usize>() + found.values().sum::<usize>();
    2.0 * shared as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_counts_words_that_both_have() {
        let score = |a: &str, b: &str| f1(&words(a), &words(b));
        assert!((score("Give 5 mg", "give 5 mg.") - 1.0).abs() < 1e-9);
        assert!((score("one two", "one three") - 0.5).abs() < 1e-9);
        assert!(score("one", "").abs() < 1e-9);
        assert!(
            (score("e\u{fb03}cient", "efficient") - 1.0).abs() < 1e-9,
            "ligatures"
        );
    }
}
