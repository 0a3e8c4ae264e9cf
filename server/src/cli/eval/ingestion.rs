//! `cloister eval ingestion`: how fast a folder is taken in, and where the time goes.

use crate::app;
use crate::cli::console;
use crate::cli::memory::peak_megabytes;
use crate::config::Config;
use crate::machine::{SystemClock, SystemEntropy};
use anyhow::Context;
use clap::Args;
use cloister_audit::AuditLog;
use cloister_domain::Clock;
use cloister_index::{Index, Worse};
use cloister_ingest::{Finder, Finding, IngestParts, IngestSettings, Ingestion, Meter};
use cloister_store::Store;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is taken in, and how it is printed.
#[derive(Clone, Debug, Args)]
pub struct Measured {
    /// A folder of files of any kind that is read.
    folder: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Takes the folder in, into a data folder that is thrown away, and prints the pace.
pub async fn run(wanted: &Measured, config: &Config) -> anyhow::Result<()> {
    let place = tempfile::tempdir()?;
    let inbox = place.path().join("inbox");
    copy(&wanted.folder, &inbox.join("measured"))?;
    let meter = Arc::new(Meter::default());
    let ingestion = ingestion(config, place.path(), &inbox, &meter).await?;
    let began = Instant::now();
    let mut files = 0;
    ingestion.take_in(|so_far| files = so_far.all).await?;
    let took = began.elapsed();
    let (done, stages) = (meter.done(), meter.stages());
    let a_second = |count: u64| count as f64 / took.as_secs_f64();
    let split = stages
        .iter()
        .map(|(stage, time)| (format!("{stage:?}").to_lowercase(), *time));
    let peak = peak_megabytes();
    if wanted.json {
        let stages: serde_json::Map<_, _> = split
            .map(|(stage, time)| (stage, json!(time.as_secs_f64())))
            .collect();
        let report = json!({
            "files": files, "pages": done.pages, "passages": done.passages,
            "seconds": took.as_secs_f64(), "pages_per_second": a_second(done.pages),
            "passages_per_second": a_second(done.passages), "stage_seconds": stages,
            "peak_megabytes": peak,
        });
        console::line(&report.to_string());
        return Ok(());
    }
    console::line(&format!(
        "{files} files, {} pages, {} passages in {:.1} s: {:.1} pages/s, {:.1} passages/s; \
         peak memory {peak} MB",
        done.pages,
        done.passages,
        took.as_secs_f64(),
        a_second(done.pages),
        a_second(done.passages)
    ));
    let shares: Vec<String> = split
        .map(|(stage, time): (String, Duration)| format!("{stage} {:.1} s", time.as_secs_f64()))
        .collect();
    console::line(&format!(
        "spent by files that are taken in side by side: {}",
        shares.join(", ")
    ));
    Ok(())
}

async fn ingestion(
    config: &Config,
    data: &Path,
    inbox: &Path,
    meter: &Arc<Meter>,
) -> anyhow::Result<Ingestion> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let embedder = app::open_embedder(config)?;
    let settings = app::index_settings(config, &embedder);
    let index = Arc::new(Index::open(&data.join("index"), settings)?);
    let parts = IngestParts {
        store: Store::open(data).await?,
        audit: AuditLog::open(
            &data.join("audit"),
            "measured/audit",
            Arc::clone(&clock),
            &SystemEntropy,
        )?,
        finding: Arc::new(Finding::of(Finder { embedder, index })),
        reader: Arc::new(app::open_reader(config)?),
        clock,
        meter: Arc::clone(meter),
    };
    let settings = IngestSettings {
        inbox: inbox.to_owned(),
        stable: Duration::ZERO,
        scan_every: Duration::from_mins(1),
        limits: app::limits(config),
        passages: app::passages(config),
        another_model: Worse::Refused,
        questions: Vec::new(),
    };
    Ok(Ingestion::new(parts, settings, Arc::default()))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    let listed = std::fs::read_dir(from).with_context(|| format!("`{}`", from.display()))?;
    for entry in listed {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
