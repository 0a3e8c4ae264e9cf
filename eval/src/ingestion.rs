//! `cloister-eval ingestion`: speed and memory of ingesting a folder.

use crate::console;
use crate::memory::peak_megabytes;
use anyhow::Context;
use clap::Args;
use cloister_audit::AuditLog;
use cloister_config::{Config, SystemClock, SystemEntropy, components};
use cloister_domain::Clock;
use cloister_index::{Index, Regression};
use cloister_ingest::{ActiveIndex, IndexSet, IngestServices, IngestSettings, Meter};
use cloister_store::Store;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The arguments of the command.
#[derive(Clone, Debug, Args)]
pub struct Ingestion {
    /// A folder of files.
    folder: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Ingests the folder into a temporary data folder, and prints speed and memory.
pub async fn run(arguments: &Ingestion, config: &Config) -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let inbox = data.path().join("inbox");
    copy_folder(&arguments.folder, &inbox.join("measured"))?;
    let meter = Arc::new(Meter::default());
    let ingestion = open_ingestion(config, data.path(), &inbox, &meter).await?;
    let started = Instant::now();
    let mut files = 0;
    ingestion
        .run_once(|progress| files = progress.total)
        .await?;
    let seconds = started.elapsed().as_secs_f64();
    let done = meter.totals();
    let pages_per_second = done.pages as f64 / seconds;
    let passages_per_second = done.passages as f64 / seconds;
    let stages: Vec<(String, f64)> = meter
        .stage_durations()
        .iter()
        .map(|(stage, time)| (format!("{stage:?}").to_lowercase(), time.as_secs_f64()))
        .collect();
    let peak = peak_megabytes();
    if arguments.json {
        let stages: serde_json::Map<_, _> = stages
            .into_iter()
            .map(|(stage, seconds)| (stage, json!(seconds)))
            .collect();
        let report = json!({
            "files": files, "pages": done.pages, "passages": done.passages,
            "seconds": seconds, "pages_per_second": pages_per_second,
            "passages_per_second": passages_per_second, "stage_seconds": stages,
            "peak_megabytes": peak,
        });
        console::line(&report.to_string());
        return Ok(());
    }
    console::line(&format!(
        "{files} files, {} pages, {} passages in {seconds:.1} s: {pages_per_second:.1} pages/s, \
         {passages_per_second:.1} passages/s; peak memory {peak} MB",
        done.pages, done.passages,
    ));
    let stages: Vec<String> = stages
        .iter()
        .map(|(stage, seconds)| format!("{stage} {seconds:.1} s"))
        .collect();
    console::line(&format!(
        "time by stage, summed over files that are ingested in parallel: {}",
        stages.join(", ")
    ));
    Ok(())
}

async fn open_ingestion(
    config: &Config,
    data: &Path,
    inbox: &Path,
    meter: &Arc<Meter>,
) -> anyhow::Result<cloister_ingest::Ingestion> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let embedder = components::open_embedder(config)?;
    let settings = components::index_settings(config, &embedder);
    let index = Arc::new(Index::open(&data.join("index"), settings)?);
    let parts = IngestServices {
        store: Store::open(data).await?,
        audit: AuditLog::open(
            &data.join("audit"),
            "measured/audit",
            Arc::clone(&clock),
            &SystemEntropy,
        )?,
        active_index: Arc::new(ActiveIndex::new(IndexSet { embedder, index })),
        reader: Arc::new(components::open_reader(config)?),
        clock,
        meter: Arc::clone(meter),
    };
    let settings = IngestSettings {
        inbox: inbox.to_owned(),
        stable: Duration::ZERO,
        scan_every: Duration::from_mins(1),
        limits: components::reader_limits(config),
        passages: components::chunk_settings(config),
        another_model: Regression::Refused,
        questions: Vec::new(),
    };
    Ok(cloister_ingest::Ingestion::new(
        parts,
        settings,
        Arc::default(),
    ))
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    let entries = std::fs::read_dir(from)
        .with_context(|| format!("could not read the folder `{}`", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
