//! `cloister ingest`, and the watching that `cloister serve` does.

use super::act::{console_event, result};
use super::control::{Said, Saying};
use crate::app::AppState;
use clap::Args;
use cloister_audit::EventKind;
use cloister_domain::FileId;
use cloister_ingest::{IngestParts, IngestSettings, Ingestion, Progress};
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
    /// Let the taking in of files rest; what is being worked on is finished.
    #[arg(long, conflicts_with = "resume")]
    pause: bool,
    /// Go on after a pause.
    #[arg(long)]
    resume: bool,
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
        finding: Arc::clone(&app.finding),
        reader: Arc::clone(&app.reader),
        clock: Arc::clone(&app.clock),
        meter: Arc::clone(&app.meter),
    };
    let config = &app.config;
    let settings = IngestSettings {
        inbox: app.inbox.clone(),
        stable: Duration::from_secs(config.inbox.stable_seconds),
        scan_every: Duration::from_secs(config.inbox.scan_seconds.max(1)),
        limits: crate::app::limits(config),
        passages: crate::app::passages(config),
        another_model: app.another_model,
        questions: app.questions.clone(),
    };
    Ingestion::new(parts, settings, Arc::clone(&app.work))
}

pub async fn run(app: &AppState, task: Ingest, say: &Saying) -> anyhow::Result<u8> {
    if task.pause || task.resume {
        set_paused(app, task.pause).await?;
    }
    if app.store.ingestion_paused().await? {
        let sentence = "Taking in files is paused. `cloister ingest --resume` goes on";
        result(say, task.json, json!({ "paused": true }), sentence.into()).await;
        return Ok(0);
    }
    if app.watching() {
        await_the_watcher(app, say).await?;
    } else {
        let said = say.clone();
        let work = ingestion(app);
        // A report that finds no room is followed by a newer one.
        let taking_in = work.take_in(move |so_far| drop(said.try_send(shown(so_far))));
        tokio::select! {
            taken_in = taking_in => taken_in?,
            never = show_renewal(app, say) => match never {},
        }
    }
    report(app, task.json, say).await
}

async fn set_paused(app: &AppState, paused: bool) -> anyhow::Result<()> {
    let kind = if paused {
        EventKind::IngestionPaused
    } else {
        EventKind::IngestionResumed
    };
    app.audit.append(console_event(kind, json!({}))).await?;
    app.store.pause_ingestion(paused).await?;
    app.work.notify_one();
    Ok(())
}

/// `3/40 files · 21 pages/s · 98 passages/s · 0:42 left`.
fn shown(so_far: Progress) -> Said {
    let mut what = "files".to_owned();
    if let Some(pace) = so_far.pace {
        let (pages, passages) = (pace.pages.round(), pace.passages.round());
        what = format!("{what} · {pages} pages/s · {passages} passages/s");
        if let Some(left) = pace.seconds_left {
            what = format!("{what} · {}:{:02} left", left / 60, left % 60);
        }
    }
    Said::Progress {
        done: so_far.settled,
        total: so_far.all,
        what,
    }
}

/// Says how far the vectors of another embedder are made, which begins when the files are in.
async fn show_renewal(app: &AppState, say: &Saying) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(LOOK).await;
        let renewal = app.finding.renewal();
        if let Some(renewal) = renewal.filter(|renewal| renewal.worse.is_none()) {
            let so_far = Said::Progress {
                done: renewal.done,
                total: renewal.all,
                what: format!("passages have a vector of {}", renewal.name),
            };
            drop(say.send(so_far).await);
        }
    }
}

/// The running appliance takes files in by itself; this only watches it do so.
async fn await_the_watcher(app: &AppState, say: &Saying) -> anyhow::Result<()> {
    app.look.notify_one();
    // A file that was just dropped is taken once it has stood still.
    tokio::time::sleep(Duration::from_secs(app.config.inbox.stable_seconds) + 4 * LOOK).await;
    loop {
        let tally = app.store.tally_files().await?;
        let so_far = Progress::of(&tally, &app.meter, &*app.clock);
        drop(say.send(shown(so_far)).await);
        if so_far.settled == so_far.all {
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
