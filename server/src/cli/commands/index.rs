//! `cloister index`.

use crate::app::{AppState, Caller, IndexReport};
use crate::cli::output::OutputSink;
use clap::Subcommand;
use cloister_index::Regression;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Show, rebuild or roll back the index.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum IndexCommand {
    /// Rebuild the index beside the one in use, and swap them unless the new one finds less.
    Rebuild {
        /// Swap them even if the new one finds less.
        #[arg(long)]
        #[serde(default)]
        even_if_worse: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Go back to the previous generation of the index, and bring it up to date.
    Rollback {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the condition of the index.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command, and prints the status of the index.
pub async fn run(
    app: &AppState,
    caller: &Caller,
    command: IndexCommand,
    output: &OutputSink,
) -> anyhow::Result<u8> {
    let json = match command {
        IndexCommand::Rebuild {
            even_if_worse,
            json,
        } => {
            let progress = output.clone();
            app.rebuild_index(
                caller,
                Regression::accepted_if(even_if_worse),
                move |done, total| {
                    progress.progress(done, total, "passages");
                },
            )
            .await?;
            json
        }
        IndexCommand::Rollback { json } => {
            app.roll_back_index(caller).await?;
            json
        }
        IndexCommand::Status { json } => json,
    };
    print_report(&app.index_report().await?, json, output).await;
    Ok(0)
}

async fn print_report(report: &IndexReport, as_json: bool, output: &OutputSink) {
    let IndexReport {
        generation,
        sequence,
        passages,
        status,
        reembedding,
    } = report;
    let value = json!({
        "generation": generation, "sequence": sequence, "passages": passages,
        "condition": status.to_string(), "indexed": status.passages,
        "answering": status.searchable, "rebuilding": status.rebuilding,
        "reembedding": reembedding,
    });
    let mut sentence = format!(
        "generation {generation}, up to passage {sequence}, {} of {passages} passages are \
         searchable; {status}",
        status.searchable.min(*passages),
    );
    if let Some(reembedding) = reembedding {
        sentence = format!("{sentence}\n{reembedding}");
    }
    output.result(as_json, value, sentence).await;
}
