//! `cloister ingest`.

use crate::app::{AppState, Caller, FileQuery};
use crate::cli::output::OutputSink;
use clap::Args;
use cloister_store::FileState;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The maximum number of quarantined files that are listed.
const MAX_LISTED: usize = 50;

/// Ingest the inbox, and wait until every file is searchable or quarantined.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Ingest {
    /// Pause the ingestion. Files that are being ingested are finished.
    #[arg(long, conflicts_with = "resume")]
    pause: bool,
    /// Resume the ingestion.
    #[arg(long)]
    resume: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(
    app: &AppState,
    caller: &Caller,
    task: Ingest,
    output: &OutputSink,
) -> anyhow::Result<u8> {
    if task.pause || task.resume {
        app.pause_ingestion(caller, task.pause).await?;
    }
    if app.store.ingestion_paused().await? {
        let sentence = "the ingestion is paused. `cloister ingest --resume` resumes it";
        output
            .result(task.json, json!({ "paused": true }), sentence)
            .await;
        return Ok(0);
    }
    app.ingest_inbox(|progress| output.progress(progress.done, progress.total, progress.label))
        .await?;
    print_result(app, task.json, output).await?;
    Ok(0)
}

async fn print_result(app: &AppState, as_json: bool, output: &OutputSink) -> anyhow::Result<()> {
    let quarantined = FileQuery {
        state: Some(FileState::Quarantined),
        ..FileQuery::default()
    };
    let view = app.files(quarantined).await?;
    let count = |state: FileState| -> u64 {
        let of_state = view
            .tally
            .iter()
            .filter(|tally| tally.state == state.as_str());
        of_state.map(|tally| tally.files).sum()
    };
    let (ready, quarantined) = (count(FileState::Ready), count(FileState::Quarantined));
    let listed = view.files.get(..MAX_LISTED).unwrap_or(&view.files);
    let mut sentence = format!("{ready} files are searchable, {quarantined} are quarantined");
    let incomplete = view.readings.incomplete;
    if incomplete > 0 {
        let lost = view.readings.not_understood.iter();
        let kinds: Vec<String> = lost
            .map(|kind| format!("{} ({})", kind.label, kind.count))
            .collect();
        sentence.extend([format!(
            "\n  {incomplete} could not be read completely: {}",
            kinds.join(", ")
        )]);
    }
    for file in listed {
        let reason = file.reason.as_deref().unwrap_or_default();
        sentence.extend([format!("\n  {}: {reason}", file.path)]);
    }
    let value = json!({ "ready": ready, "incomplete": incomplete, "quarantined": quarantined, "files": listed });
    output.result(as_json, value, sentence).await;
    Ok(())
}
