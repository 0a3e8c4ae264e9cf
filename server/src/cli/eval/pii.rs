//! `cloister eval pii`: how much personal data is found, and how much of what is found is any.

use crate::cli::console;
use anyhow::Context;
use cloister_policies::redaction::{Kind, Redaction};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Clone, Debug, clap::Args)]
pub struct Pii {
    /// A folder with `*.jsonl` files: on each line `text`, and `spans` with `entity_type`,
    /// `start_position` and `end_position`, in characters.
    folder: PathBuf,
    /// The rules; the compiled-in ones, if not given.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Line {
    text: String,
    spans: Vec<Labelled>,
}

#[derive(Deserialize)]
struct Labelled {
    entity_type: String,
    start_position: usize,
    end_position: usize,
}

/// Counts of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    labelled: usize,
    found: usize,
    /// Found, and labelled with the same kind and place.
    right: usize,
}

pub fn run(wanted: &Pii) -> anyhow::Result<()> {
    let rules = match &wanted.rules {
        Some(path) => Redaction::parse(&std::fs::read_to_string(path)?)?,
        None => Redaction::compiled_in()?,
    };
    let mut counts: BTreeMap<Kind, Counts> = BTreeMap::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&wanted.folder)
        .with_context(|| format!("the folder `{}`", wanted.folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    files.sort();
    anyhow::ensure!(!files.is_empty(), "there is no `*.jsonl` in the folder");
    for path in files {
        for line in std::fs::read_to_string(&path)?.lines() {
            count(&rules, &serde_json::from_str(line)?, &mut counts);
        }
    }
    for (kind, counts) in counts {
        report(kind, counts, wanted.json);
    }
    Ok(())
}

fn count(rules: &Redaction, line: &Line, counts: &mut BTreeMap<Kind, Counts>) {
    let place = |characters: usize| {
        let mut places = line.text.char_indices().map(|(at, _)| at);
        places.nth(characters).unwrap_or(line.text.len())
    };
    let labelled: Vec<(Kind, std::ops::Range<usize>)> = line
        .spans
        .iter()
        .filter_map(|span| {
            let range = place(span.start_position)..place(span.end_position);
            Some((kind(&span.entity_type)?, range))
        })
        .collect();
    for (kind, _) in &labelled {
        counts.entry(*kind).or_default().labelled += 1;
    }
    for span in rules.find(&line.text) {
        let counts = counts.entry(span.kind).or_default();
        counts.found += 1;
        counts.right += usize::from(labelled.contains(&(span.kind, span.range)));
    }
}

/// Our kind of a label of presidio-research; none for what is not looked for.
fn kind(label: &str) -> Option<Kind> {
    match label {
        "CREDIT_CARD" => Some(Kind::Card),
        "IBAN_CODE" => Some(Kind::Iban),
        "US_SSN" => Some(Kind::Ssn),
        "UK_NHS" => Some(Kind::Nhs),
        _ => None,
    }
}

fn report(kind: Kind, counts: Counts, json: bool) {
    let share = |of: usize| (of > 0).then(|| counts.right as f64 / of as f64);
    let (recall, precision) = (share(counts.labelled), share(counts.found));
    if json {
        let report = serde_json::json!({
            "kind": kind, "labelled": counts.labelled, "found": counts.found,
            "recall": recall, "precision": precision,
        });
        console::line(&report.to_string());
        return;
    }
    let shown = |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{share:.3}"));
    console::line(&format!(
        "{kind:?}: {} labelled, {} found, recall {}, precision {}",
        counts.labelled,
        counts.found,
        shown(recall),
        shown(precision)
    ));
}
