//! `cloister index synth` and `bench`: an index of passages that nobody wrote, to learn what this
//! machine will do with so many. Nothing of the appliance's data is touched.

use crate::cli::console;
use crate::cli::memory::peak_megabytes;
use clap::{Args, Subcommand};
use cloister_index::trial::{Latency, Measured, Synthetic, Wanted, measure};
use cloister_index::{Index, IndexSettings, SearchRequest};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Passages that are added at a time.
const STEP: i64 = 4096;

/// What tries the index out.
#[derive(Clone, Debug, Subcommand)]
pub enum Trial {
    /// Make an index of synthetic passages in a folder of its own.
    Synth(Corpus),
    /// Measure an index that `synth` made: times, memory, restart, changes, recall.
    Bench(Bench),
}

/// A corpus, which depends on its seed alone.
#[derive(Clone, Debug, Args)]
pub struct Corpus {
    /// The folder, which is made.
    folder: PathBuf,
    /// How many passages.
    #[arg(long, default_value_t = 1_000_000)]
    passages: i64,
    /// How long a vector is.
    #[arg(long, default_value_t = 384)]
    dimensions: usize,
    /// Another seed is another corpus.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What is measured, and how it is printed.
#[derive(Clone, Debug, Args)]
pub struct Bench {
    #[command(flatten)]
    corpus: Corpus,
    /// Questions of one person.
    #[arg(long, default_value_t = 500)]
    questions: u16,
    /// Seconds for which sixteen people ask at once.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Questions whose true neighbours are found by comparing every vector.
    #[arg(long, default_value_t = 100)]
    recall_questions: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Makes or measures.
pub fn run(trial: &Trial) -> anyhow::Result<ExitCode> {
    match trial {
        Trial::Synth(corpus) => synth(corpus)?,
        Trial::Bench(bench) => self::bench(bench)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn synth(wanted: &Corpus) -> anyhow::Result<()> {
    let corpus = wanted.corpus();
    let index = Index::open(&wanted.folder, wanted.settings())?;
    let began = Instant::now();
    while index.sequence().0 < wanted.passages {
        let first = index.sequence().0 + 1;
        let last = (first + STEP - 1).min(wanted.passages);
        let entries: Vec<_> = (first..=last).map(|p| corpus.entry(p)).collect();
        index.add(&entries)?;
        if last % (25 * STEP) < STEP {
            console::note(&format!("{last} of {} passages", wanted.passages));
        }
    }
    index.caught_up()?;
    let (passages, took) = (index.passages(), began.elapsed().as_secs_f64());
    console::line(&format!("{passages} passages in {took:.1} s"));
    Ok(())
}

fn bench(wanted: &Bench) -> anyhow::Result<()> {
    let corpus = wanted.corpus.corpus();
    let folder = &wanted.corpus.folder;
    anyhow::ensure!(
        folder.exists(),
        "`{}` is missing. `cloister index synth` makes it",
        folder.display()
    );
    let began = Instant::now();
    let index = Index::open(folder, wanted.corpus.settings())?;
    first_answer(&index, &corpus)?;
    let restart = began.elapsed();
    let measured = measure(
        &index,
        &corpus,
        Wanted {
            questions: wanted.questions,
            crowd: Duration::from_secs(wanted.seconds),
            recall_questions: wanted.recall_questions,
            changes: 10,
        },
    )?;
    let (disk, peak) = (megabytes_below(folder)?, peak_megabytes());
    let restart = restart.as_secs_f64();
    if wanted.json {
        let report = json!({
            "measured": measured, "restart_seconds": restart, "peak_megabytes": peak,
            "disk_megabytes": disk,
        });
        console::line(&report.to_string());
    } else {
        print(&measured);
        console::line(&format!(
            "restart to the first answer {restart:.2} s; peak memory {peak} MB; on disk {disk} MB"
        ));
    }
    Ok(())
}

fn first_answer(index: &Index, corpus: &Synthetic) -> anyhow::Result<()> {
    let question = corpus.question(0);
    let permitted = index.revisions().into_iter();
    let permitted = permitted.filter_map(|r| u32::try_from(r.0).ok()).collect();
    index.search(&SearchRequest {
        text: &question.text,
        also: "",
        vector: &question.vector,
        permitted: &permitted,
        limit: 10,
        semantic_weight: None,
    })?;
    Ok(())
}

fn print(measured: &Measured) {
    let times = |of: Latency| format!("p50 {:.2} ms, p99 {:.2} ms", of.p50_ms, of.p99_ms);
    console::line(&format!("{} passages", measured.passages));
    console::line(&format!("one person, both arms: {}", times(measured.alone)));
    console::line(&format!(
        "one person, meaning alone: {}",
        times(measured.meaning)
    ));
    console::line(&format!(
        "sixteen people: {:.0} questions/s, {}",
        measured.crowd_per_second,
        times(measured.crowd)
    ));
    for recall in &measured.recall {
        console::line(&format!(
            "permitted {:.1} %: recall@10 {:.4}, both arms {}",
            recall.permitted * 100.0,
            recall.at_10,
            times(recall.latency)
        ));
    }
    console::line(&format!(
        "while two others search: added is found after {:.0} ms, forgotten is gone after {:.0} ms, \
         at most",
        measured.added_after_ms, measured.forgotten_after_ms
    ));
}

fn megabytes_below(folder: &Path) -> anyhow::Result<u64> {
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

impl Corpus {
    fn corpus(&self) -> Synthetic {
        Synthetic::new(self.seed, self.passages, self.dimensions)
    }

    fn settings(&self) -> IndexSettings {
        IndexSettings {
            dimensions: self.dimensions,
            ..IndexSettings::default()
        }
    }
}
