//! `cloister index`.

mod trial;
mod tune;

use super::act::{console_event, result};
use super::control::{Said, Saying};
use crate::app::AppState;
use clap::Subcommand;
use cloister_audit::EventKind;
use cloister_index::Worse;
use cloister_ingest::{Finder, known_questions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

pub use trial::run as run_trial;

/// Show, rebuild or try out the indexes.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Task(Task),
    #[command(flatten)]
    Trial(trial::Trial),
}

/// What works on the appliance's own indexes.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum Task {
    /// Build the indexes anew from the rows, aside, and swap when done, unless they find less.
    Rebuild {
        /// Swap even if the new ones find less than those in use.
        #[arg(long)]
        #[serde(default)]
        even_if_worse: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Go back to the generation before the live one, and bring that up to the rows.
    Rollback {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Measure every weight of meaning by questions that the passages make of themselves, and say
    /// whether another one than `search.meaning` finds more.
    Tune {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what the indexes hold and how they are.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(app: &AppState, task: Task, say: &Saying) -> anyhow::Result<u8> {
    let json = match task {
        Task::Rebuild {
            even_if_worse,
            json,
        } => {
            rebuild(app, Worse::of(even_if_worse), say).await?;
            json
        }
        Task::Rollback { json } => {
            roll_back(app).await?;
            json
        }
        Task::Tune { json } => {
            tune::run(app, json, say).await?;
            return Ok(0);
        }
        Task::Status { json } => json,
    };
    let index = app.finding.now().index;
    let (generation, sequence) = (index.generation(), index.sequence());
    let passages = app.store.count_passages(app.today()).await?;
    let status = index.status();
    let renewal = app.finding.renewal();
    let value = json!({
        "generation": generation, "sequence": sequence, "passages": passages,
        "condition": status.to_string(), "indexed": status.passages,
        "answering": status.answering, "rebuilding": status.rebuilding,
        "renewal": renewal.as_ref().map(ToString::to_string),
    });
    let mut sentence = format!(
        "generation {generation}, up to passage {sequence}, {} of {passages} passages answer; {status}",
        status.answering.min(passages),
    );
    if let Some(renewal) = renewal {
        sentence = format!("{sentence}\n{renewal}");
    }
    result(say, json, value, sentence).await;
    Ok(0)
}

async fn rebuild(app: &AppState, worse: Worse, say: &Saying) -> anyhow::Result<()> {
    let total = app.store.count_fed().await?;
    let progress = say.clone();
    let Finder { embedder, index } = app.finding.now();
    let (store, now) = (&app.store, app.clock.now());
    let known = &app.questions;
    let site = known_questions(store, known, app.today(), &embedder, &embedder).await?;
    let comparison = cloister_ingest::rebuild(store, &index, now, &site, worse, move |done| {
        // A progress report that finds no room is followed by a newer one.
        drop(progress.try_send(Said::Progress {
            done,
            total,
            what: "passages".into(),
        }));
    })
    .await?;
    record(
        app,
        json!({
            "generation": index.generation(), "passages": total,
            "asked": comparison.asked, "found_before": comparison.before,
            "found": comparison.after, "asked_by_site": site.questions.len(),
        }),
    )
    .await
}

async fn roll_back(app: &AppState) -> anyhow::Result<()> {
    let index = app.finding.now().index;
    let rolled = Arc::clone(&index);
    let there = tokio::task::spawn_blocking(move || rolled.roll_back()).await??;
    anyhow::ensure!(there, "there is no generation before the live one");
    cloister_ingest::catch_up(&app.store, &index, app.clock.now()).await?;
    record(
        app,
        json!({ "generation": index.generation(), "rolled_back": true }),
    )
    .await
}

async fn record(app: &AppState, detail: Value) -> anyhow::Result<()> {
    let event = console_event(EventKind::IndexRebuilt, detail);
    app.audit.append(event).await?;
    Ok(())
}
