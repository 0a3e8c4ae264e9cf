//! `cloister-eval pii`: precision and recall of personal data detection.

use crate::console;
use crate::dataset::load_json_lines;
use anyhow::Context;
use cloister_policies::redaction::{PersonalDataKind, Redaction};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

/// The arguments of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct Pii {
    /// A folder of `*.jsonl` files. Each line has `text`, and `spans` with `entity_type`,
    /// `start_position` and `end_position` in characters.
    folder: PathBuf,
    /// A file of redaction rules. Without it, the compiled-in rules are measured.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct LabelledText {
    text: String,
    spans: Vec<Label>,
}

#[derive(Deserialize)]
struct Label {
    entity_type: String,
    start_position: usize,
    end_position: usize,
}

/// Counts of one kind of data.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    labelled: usize,
    found: usize,
    /// Found with the kind and range of a label.
    correct: usize,
}

/// Measures all files and prints a line for each kind.
pub fn run(arguments: &Pii) -> anyhow::Result<()> {
    let rules = match &arguments.rules {
        Some(path) => Redaction::parse(&std::fs::read_to_string(path)?)?,
        None => Redaction::load_default()?,
    };
    let mut counts: BTreeMap<PersonalDataKind, Counts> = BTreeMap::new();
    for path in json_lines_files(&arguments.folder)? {
        for line in load_json_lines::<LabelledText>(&path)? {
            count(&rules, &line, &mut counts);
        }
    }
    for (kind, counts) in counts {
        report(kind, counts, arguments.json);
    }
    Ok(())
}

fn json_lines_files(folder: &PathBuf) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("could not read the folder `{}`", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    files.sort();
    anyhow::ensure!(
        !files.is_empty(),
        "there is no `*.jsonl` file in `{}`",
        folder.display()
    );
    Ok(files)
}

fn count(rules: &Redaction, line: &LabelledText, counts: &mut BTreeMap<PersonalDataKind, Counts>) {
    let mut labels: Vec<(PersonalDataKind, Range<usize>)> = Vec::new();
    for label in &line.spans {
        if let Some(kind) = parse_label(&label.entity_type) {
            let start = byte_position(&line.text, label.start_position);
            labels.push((kind, start..byte_position(&line.text, label.end_position)));
            counts.entry(kind).or_default().labelled += 1;
        }
    }
    for span in rules.find(&line.text) {
        let counts = counts.entry(span.kind).or_default();
        counts.found += 1;
        counts.correct += usize::from(labels.contains(&(span.kind, span.range)));
    }
}

/// The byte position of a character position.
fn byte_position(text: &str, characters: usize) -> usize {
    text.char_indices()
        .nth(characters)
        .map_or(text.len(), |(position, _)| position)
}

/// The kind for a label of presidio-research. `None` for labels that are not detected.
fn parse_label(label: &str) -> Option<PersonalDataKind> {
    match label {
        "CREDIT_CARD" => Some(PersonalDataKind::Card),
        "IBAN_CODE" => Some(PersonalDataKind::Iban),
        "US_SSN" => Some(PersonalDataKind::Ssn),
        "UK_NHS" => Some(PersonalDataKind::Nhs),
        _ => None,
    }
}

fn report(kind: PersonalDataKind, counts: Counts, json: bool) {
    let recall = share(counts.correct, counts.labelled);
    let precision = share(counts.correct, counts.found);
    if json {
        let report = serde_json::json!({
            "kind": kind, "labelled": counts.labelled, "found": counts.found,
            "recall": recall, "precision": precision,
        });
        console::line(&report.to_string());
        return;
    }
    console::line(&format!(
        "{kind:?}: {} labelled, {} found, recall {}, precision {}",
        counts.labelled,
        counts.found,
        format_share(recall),
        format_share(precision)
    ));
}

fn share(part: usize, total: usize) -> Option<f64> {
    (total > 0).then(|| part as f64 / total as f64)
}

fn format_share(share: Option<f64>) -> String {
    share.map_or("–".to_owned(), |share| format!("{share:.3}"))
}
