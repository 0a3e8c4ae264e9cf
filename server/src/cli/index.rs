//! `cloister index`.

use super::act::{console_event, result};
use super::control::{Said, Saying};
use crate::app::AppState;
use clap::Subcommand;
use cloister_audit::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Show or rebuild the indexes.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum Command {
    /// Build the indexes anew from the rows, aside, and swap when done.
    Rebuild {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what the indexes hold.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(app: &AppState, command: Command, say: &Saying) -> anyhow::Result<u8> {
    let json = match command {
        Command::Rebuild { json } => {
            rebuild(app, say).await?;
            json
        }
        Command::Status { json } => json,
    };
    let (generation, sequence) = (app.index.generation(), app.index.sequence());
    let passages = app.store.count_passages().await?;
    let value = json!({ "generation": generation, "sequence": sequence, "passages": passages });
    let sentence = format!("generation {generation}, up to passage {sequence}, {passages} answer");
    result(say, json, value, sentence).await;
    Ok(0)
}

async fn rebuild(app: &AppState, say: &Saying) -> anyhow::Result<()> {
    let total = app.store.count_passages().await?;
    let progress = say.clone();
    cloister_ingest::rebuild(&app.store, &app.index, app.clock.now(), move |done| {
        // A progress report that finds no room is followed by a newer one.
        drop(progress.try_send(Said::Progress {
            done,
            total,
            what: "passages".into(),
        }));
    })
    .await?;
    let detail = json!({ "generation": app.index.generation(), "passages": total });
    app.audit
        .append(console_event(EventKind::IndexRebuilt, detail))
        .await?;
    Ok(())
}
