//! `cloister ingest`, and the watching that `cloister serve` does.

use super::act::result;
use super::control::{Said, Saying};
use crate::app::AppState;
use clap::Args;
use cloister_domain::FileId;
use cloister_ingest::{ChunkSettings, IngestParts, IngestSettings, Ingestion};
use cloister_store::FileState;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How many files that were set aside are named.
const NAMED: u32 = 50;
/// While the running appliance does the work, this often is looked how far it is.
const LOOK: Duration = Duration::from_millis(300);

/// Take in what lies in the inbox, and wait until all of it is searchable or set aside.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Ingest {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Watches the inbox for as long as the appliance runs.
pub async fn watch(app: AppState) {
    app.begin_watching();
    ingestion(&app).watch(Arc::clone(&app.look)).await;
}

fn ingestion(app: &AppState) -> Ingestion {
    let parts = IngestParts {
        store: app.store.clone(),
        audit: app.audit.clone(),
        index: Arc::clone(&app.index),
        embedder: app.embedder.clone(),
        reader: Arc::clone(&app.reader),
        clock: Arc::clone(&app.clock),
    };
    let config = &app.config;
    let settings = IngestSettings {
        inbox: app.inbox.clone(),
        stable: Duration::from_secs(config.inbox.stable_seconds),
        scan_every: Duration::from_secs(config.inbox.scan_seconds.max(1)),
        limits: crate::app::limits(config),
        passages: ChunkSettings {
            most_tokens: config.passages.tokens,
            ..ChunkSettings::default()
        },
    };
    Ingestion::new(parts, settings, Arc::clone(&app.work))
}

pub async fn run(app: &AppState, task: Ingest, say: &Saying) -> anyhow::Result<u8> {
    if app.watching() {
        await_the_watcher(app, say).await?;
    } else {
        let progress = say.clone();
        ingestion(app)
            .take_in(move |done, total| {
                // A report that finds no room is followed by a newer one.
                drop(progress.try_send(Said::Progress {
                    done,
                    total,
                    what: "files".into(),
                }));
            })
            .await?;
    }
    report(app, task.json, say).await
}

/// The running appliance takes files in by itself; this only watches it do so.
async fn await_the_watcher(app: &AppState, say: &Saying) -> anyhow::Result<()> {
    app.look.notify_one();
    // A file that was just dropped is taken once it has stood still.
    tokio::time::sleep(Duration::from_secs(app.config.inbox.stable_seconds) + 4 * LOOK).await;
    loop {
        let tally = app.store.tally_files().await?;
        let total: u64 = tally.iter().map(|t| t.files).sum();
        let settled = |state| matches!(state, FileState::Ready | FileState::Quarantined);
        let done = tally
            .iter()
            .filter(|t| settled(t.state))
            .map(|t| t.files)
            .sum();
        drop(
            say.send(Said::Progress {
                done,
                total,
                what: "files".into(),
            })
            .await,
        );
        if done == total {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn report(app: &AppState, as_json: bool, say: &Saying) -> anyhow::Result<u8> {
    let tally = app.store.tally_files().await?;
    let count = |state| {
        tally
            .iter()
            .filter(|t| t.state == state)
            .map(|t| t.files)
            .sum::<u64>()
    };
    let (ready, aside) = (count(FileState::Ready), count(FileState::Quarantined));
    let state = Some(FileState::Quarantined);
    let named = app.store.files(None, state, FileId(0), NAMED).await?;
    let mut sentence = format!("{ready} files are searchable, {aside} are set aside");
    for file in &named {
        let reason = file.reason.as_deref().unwrap_or_default();
        sentence.push_str("\n  ");
        sentence.push_str(&file.path);
        sentence.push_str(": ");
        sentence.push_str(reason);
    }
    let value = json!({ "ready": ready, "quarantined": aside, "set_aside": named });
    result(say, as_json, value, sentence).await;
    Ok(0)
}
