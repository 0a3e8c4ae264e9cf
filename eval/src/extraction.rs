//! `cloister-eval extraction`: compares the text that is read from PDF files with that of
//! pdftotext.

use crate::console;
use anyhow::Context;
use clap::Args;
use cloister_config::{Config, components};
use cloister_domain::Page;
use cloister_ingest::Reader;
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use unicode_normalization::UnicodeNormalization;

/// The arguments of the command.
#[derive(Clone, Debug, Args)]
pub struct Extraction {
    /// A folder of PDF files, or one file.
    path: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Pages with a lower F1 are listed.
const LOW_F1: f64 = 0.9;

/// Reads every file and prints a line for each.
pub async fn run(arguments: &Extraction, config: &Config) -> anyhow::Result<()> {
    let reader = components::open_reader(config)?;
    let mut reports = Vec::new();
    for file in pdf_files(&arguments.path)? {
        let report = compare(&reader, &file).await?;
        if !arguments.json {
            console::line(&report.to_string());
        }
        reports.push(report);
    }
    anyhow::ensure!(
        !reports.is_empty(),
        "there is no PDF file in `{}`",
        arguments.path.display()
    );
    let scores: Vec<f64> = reports
        .iter()
        .flat_map(|report| report.pages.iter().copied())
        .collect();
    let all = F1Summary::new(&scores);
    if arguments.json {
        console::line(&json!({ "files": reports, "all": all }).to_string());
    } else {
        console::line(&format!("all {} files: {all}", reports.len()));
    }
    Ok(())
}

/// The PDF files in a folder and its subfolders, sorted, or the file itself.
pub fn pdf_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let entries = std::fs::read_dir(path)
        .with_context(|| format!("could not read the folder `{}`", path.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(pdf_files(&entry.path())?);
        } else if has_pdf_extension(&entry.path()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn has_pdf_extension(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("pdf"))
}

/// The comparison of one file.
#[derive(Debug, Serialize)]
struct FileReport {
    file: String,
    /// Word F1 of each page that has words in the reference.
    pages: Vec<f64>,
    /// The numbers of the pages below [`LOW_F1`].
    low: Vec<usize>,
    /// Why the file could not be read.
    error: Option<String>,
}

impl std::fmt::Display for FileReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.file, F1Summary::new(&self.pages))?;
        if !self.low.is_empty() {
            write!(f, ", below {LOW_F1}: {:?}", self.low)?;
        }
        if let Some(error) = &self.error {
            write!(f, ", {error}")?;
        }
        Ok(())
    }
}

/// Word F1 over several pages.
#[derive(Clone, Copy, Debug, Serialize)]
struct F1Summary {
    pages: usize,
    mean: f64,
    median: f64,
    min: f64,
}

impl F1Summary {
    fn new(scores: &[f64]) -> Self {
        let mut sorted = scores.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            pages: sorted.len(),
            mean: sorted.iter().sum::<f64>() / sorted.len().max(1) as f64,
            median: sorted.get(sorted.len() / 2).copied().unwrap_or_default(),
            min: sorted.first().copied().unwrap_or_default(),
        }
    }
}

impl std::fmt::Display for F1Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} pages, word F1 mean {:.4}, median {:.4}, min {:.4}",
            self.pages, self.mean, self.median, self.min
        )
    }
}

async fn compare(reader: &Reader, path: &Path) -> anyhow::Result<FileReport> {
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let reference = reference_pages(path)?;
    let (pages, error) = match reader.extract(File::open(path)?, &file, |_, _| {}).await {
        Ok(read) => (read.pages, None),
        Err(cause) => (Vec::new(), Some(cause.to_string())),
    };
    let mut report = FileReport {
        file,
        pages: Vec::new(),
        low: Vec::new(),
        error,
    };
    for (index, reference) in reference.iter().enumerate() {
        let expected = word_counts(reference);
        if expected.is_empty() {
            continue;
        }
        let text = pages.get(index).map_or("", page_text);
        let score = f1(&expected, &word_counts(text));
        if score < LOW_F1 {
            report.low.push(index + 1);
        }
        report.pages.push(score);
    }
    Ok(report)
}

fn page_text(page: &Page) -> &str {
    &page.content.text
}

/// The reference text of each page: from `NAME.gold.txt` if it exists, else from pdftotext.
#[expect(
    clippy::disallowed_methods,
    reason = "the evaluation starts the reference program; the appliance never does"
)]
fn reference_pages(path: &Path) -> anyhow::Result<Vec<String>> {
    let gold = path.with_extension("gold.txt");
    let text = if gold.exists() {
        std::fs::read_to_string(gold)?
    } else {
        let output = std::process::Command::new("pdftotext")
            .args(["-cropbox", "-enc", "UTF-8"])
            .arg(path)
            .arg("-")
            .output()
            .context("could not start pdftotext. Install poppler-utils")?;
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    Ok(text.split('\u{c}').map(str::to_owned).collect())
}

/// How often each word occurs. Words are runs of letters, digits and underscores in compatibility
/// form (NFKC) and lower case.
fn word_counts(text: &str) -> HashMap<String, usize> {
    let normalized: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let mut counts = HashMap::new();
    for word in normalized.split(|c: char| !c.is_alphanumeric() && c != '_') {
        if !word.is_empty() {
            *counts.entry(word.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// The harmonic mean of precision and recall.
fn f1(expected: &HashMap<String, usize>, found: &HashMap<String, usize>) -> f64 {
    let shared: usize = expected
        .iter()
        .map(|(word, count)| (*count).min(found.get(word).copied().unwrap_or_default()))
        .sum();
    let total = expected.values().sum::<usize>() + found.values().sum::<usize>();
    2.0 * shared as f64 / total.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_counts_common_words() {
        let score = |a: &str, b: &str| f1(&word_counts(a), &word_counts(b));
        assert!((score("Give 5 mg", "give 5 mg.") - 1.0).abs() < 1e-9);
        assert!((score("one two", "one three") - 0.5).abs() < 1e-9);
        assert!(score("one", "").abs() < 1e-9);
        assert!(
            (score("e\u{fb03}cient", "efficient") - 1.0).abs() < 1e-9,
            "ligatures"
        );
    }
}
