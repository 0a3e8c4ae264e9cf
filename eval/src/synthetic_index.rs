//! `cloister-eval synthesize-index` and `bench-index`: how a large index performs on this machine.

use crate::console;
use crate::memory::peak_megabytes;
use clap::Args;
use cloister_index::bench::{BenchOptions, BenchReport, Latency, SyntheticCorpus, measure};
use cloister_index::{Index, IndexSettings, SearchRequest};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Passages that are added at a time.
const BATCH: i64 = 4096;

/// Batches between two lines of progress.
const BATCHES_PER_NOTE: i64 = 25;

/// Passages that are added and removed while others search.
const CHANGES: u16 = 10;

/// A synthetic corpus. The same arguments give the same corpus.
#[derive(Clone, Debug, Args)]
pub struct CorpusArguments {
    /// The folder of the index.
    folder: PathBuf,
    /// The number of passages.
    #[arg(long, default_value_t = 1_000_000)]
    passages: i64,
    /// The dimensions of the vectors.
    #[arg(long, default_value_t = 384)]
    dimensions: usize,
    /// The seed of the random generator.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The arguments of `bench-index`.
#[derive(Clone, Debug, Args)]
pub struct BenchIndex {
    #[command(flatten)]
    corpus: CorpusArguments,
    /// Queries of one person.
    #[arg(long, default_value_t = 500)]
    questions: u16,
    /// Seconds for which sixteen people search at once.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Queries whose recall is measured against exact search.
    #[arg(long, default_value_t = 100)]
    recall_questions: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl CorpusArguments {
    fn corpus(&self) -> SyntheticCorpus {
        SyntheticCorpus::new(self.seed, self.passages, self.dimensions)
    }

    fn settings(&self) -> IndexSettings {
        IndexSettings {
            dimensions: self.dimensions,
            ..IndexSettings::default()
        }
    }
}

/// Builds the index, and continues one that was interrupted.
pub fn build(arguments: &CorpusArguments) -> anyhow::Result<()> {
    let corpus = arguments.corpus();
    let index = Index::open(&arguments.folder, arguments.settings())?;
    let started = Instant::now();
    while index.sequence().0 < arguments.passages {
        let first = index.sequence().0 + 1;
        let last = (first + BATCH - 1).min(arguments.passages);
        let entries: Vec<_> = (first..=last)
            .map(|passage| corpus.entry(passage))
            .collect();
        index.add(&entries)?;
        if last % (BATCHES_PER_NOTE * BATCH) < BATCH {
            console::note(&format!("{last} of {} passages", arguments.passages));
        }
    }
    index.mark_complete()?;
    let (passages, seconds) = (index.passages(), started.elapsed().as_secs_f64());
    console::line(&format!("{passages} passages in {seconds:.1} s"));
    Ok(())
}

/// Measures the index, and prints the result.
pub fn bench(arguments: &BenchIndex) -> anyhow::Result<()> {
    let folder = &arguments.corpus.folder;
    anyhow::ensure!(
        folder.exists(),
        "`{}` is missing. `cloister-eval synthesize-index` builds it",
        folder.display()
    );
    let corpus = arguments.corpus.corpus();
    let started = Instant::now();
    let index = Index::open(folder, arguments.corpus.settings())?;
    search_once(&index, &corpus)?;
    let restart_seconds = started.elapsed().as_secs_f64();
    let measured = measure(
        &index,
        &corpus,
        BenchOptions {
            questions: arguments.questions,
            concurrent_for: Duration::from_secs(arguments.seconds),
            recall_questions: arguments.recall_questions,
            changes: CHANGES,
        },
    )?;
    let (disk, peak) = (folder_megabytes(folder)?, peak_megabytes());
    if arguments.json {
        let report = json!({
            "measured": measured, "restart_seconds": restart_seconds, "peak_megabytes": peak,
            "disk_megabytes": disk,
        });
        console::line(&report.to_string());
        return Ok(());
    }
    print_measured(&measured);
    console::line(&format!(
        "start to the first result {restart_seconds:.2} s; peak memory {peak} MB; on disk {disk} MB"
    ));
    Ok(())
}

fn search_once(index: &Index, corpus: &SyntheticCorpus) -> anyhow::Result<()> {
    let question = corpus.question(0);
    let permitted = index
        .revisions()
        .into_iter()
        .filter_map(|revision| u32::try_from(revision.0).ok())
        .collect();
    index.search(&SearchRequest {
        text: &question.text,
        expansion_terms: "",
        vector: &question.vector,
        permitted: &permitted,
        limit: 10,
        dense_weight: None,
    })?;
    Ok(())
}

fn print_measured(measured: &BenchReport) {
    console::line(&format!("{} passages", measured.passages));
    console::line(&format!(
        "one person, hybrid: {}",
        format_latency(measured.single_client)
    ));
    console::line(&format!(
        "one person, dense: {}",
        format_latency(measured.dense_only)
    ));
    console::line(&format!(
        "sixteen people: {:.0} questions/s, {}",
        measured.queries_per_second,
        format_latency(measured.concurrent)
    ));
    for recall in &measured.recall {
        console::line(&format!(
            "permitted {:.1} %: recall@10 {:.4}, hybrid {}",
            recall.permitted * 100.0,
            recall.at_10,
            format_latency(recall.latency)
        ));
    }
    console::line(&format!(
        "while two others search: an added passage is found within {:.0} ms, a deleted revision is \
         gone within {:.0} ms",
        measured.add_visible_ms, measured.delete_visible_ms
    ));
}

fn format_latency(latency: Latency) -> String {
    format!("p50 {:.2} ms, p99 {:.2} ms", latency.p50_ms, latency.p99_ms)
}

fn folder_megabytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += entry.metadata()?.len();
            }
        }
    }
    Ok(bytes / 1_000_000)
}
