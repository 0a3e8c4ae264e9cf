//! `cloister audit`.

use super::act::{console_event, line, result};
use super::control::Saying;
use crate::app::AppState;
use crate::replay;
use anyhow::Context;
use clap::Subcommand;
use cloister_audit::{EventKind, Filter, verify};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::PathBuf;

/// List and verify the audit log.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum Command {
    /// Verify the whole log.
    Verify {
        /// A checkpoint that was kept elsewhere; may be given several times.
        #[arg(long = "against", value_name = "CHECKPOINT")]
        kept: Vec<PathBuf>,
        #[arg(skip)]
        notes: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make an answer again from its receipt, with the rights its asker has today, and say what is
    /// equal and what has changed.
    Replay {
        /// The id on the receipt.
        id: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the newest checkpoint, to be kept off this machine.
    Checkpoint,
    /// Print the newest entries.
    List {
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Only entries with this text.
        #[arg(long)]
        text: Option<String>,
        /// Print JSON, a line for each entry.
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    /// Reads the files that are named, on the side that was started by the person who named them.
    pub fn read_files(&mut self) -> anyhow::Result<()> {
        if let Self::Verify { kept, notes, .. } = self {
            for path in kept {
                let note = std::fs::read_to_string(&path)
                    .with_context(|| format!("the checkpoint `{}`", path.display()))?;
                notes.push(note);
            }
        }
        Ok(())
    }
}

pub async fn run(app: &AppState, command: Command, say: &Saying) -> anyhow::Result<u8> {
    match command {
        Command::Verify { notes, json, .. } => verify_log(app, notes, json, say).await,
        Command::Replay { id, json } => replay(app, &id, json, say).await,
        Command::Checkpoint => {
            line(say, app.audit.checkpoint_note()?.trim_end()).await;
            Ok(0)
        }
        Command::List { limit, text, json } => {
            let filter = Filter {
                text,
                ..Filter::default()
            };
            for entry in app.audit.find(&filter, limit)?.entries {
                let sentence = format!(
                    "{:>6}  {}  {:<24} {:<8} {}  {}",
                    entry.seq,
                    entry.at,
                    entry.kind.as_str(),
                    entry.outcome.as_str(),
                    entry.actor.name,
                    entry.detail
                );
                result(say, json, serde_json::to_value(&entry)?, sentence).await;
            }
            Ok(0)
        }
    }
}

async fn verify_log(
    app: &AppState,
    notes: Vec<String>,
    as_json: bool,
    say: &Saying,
) -> anyhow::Result<u8> {
    let (folder, key) = (app.audit.folder(), app.audit.public_key().clone());
    let found = tokio::task::spawn_blocking(move || verify(&folder, &key, &notes)).await??;
    let detail = json!({ "holds": found.holds(), "entries": found.entries, "root": found.root });
    app.audit
        .append(console_event(EventKind::AuditVerified, detail))
        .await?;
    let mut sentence = format!(
        "{} entries, root {}, {} checkpoints kept elsewhere compared: {}",
        found.entries,
        found.root,
        found.compared,
        if found.holds() {
            "the log holds"
        } else {
            "THE LOG DOES NOT HOLD"
        }
    );
    for finding in &found.findings {
        sentence.push_str("\n  - ");
        sentence.push_str(&finding.0);
    }
    result(say, as_json, serde_json::to_value(&found)?, sentence).await;
    Ok(if found.holds() { 0 } else { 2 })
}

async fn replay(app: &AppState, id: &str, as_json: bool, say: &Saying) -> anyhow::Result<u8> {
    let replay = replay::replay(app, id).await?;
    let same = replay.same_answer();
    app.audit
        .append(console_event(
            EventKind::AnswerReplayed,
            replay::detail(id, &replay),
        ))
        .await?;
    let told = replay.parts.iter().map(|part| {
        let told = if part.equal {
            "equal"
        } else {
            &part.difference
        };
        format!("\n  {:<19} {told}", part.part)
    });
    let told: String = told.collect();
    let verdict = if same {
        "The answer is the same."
    } else {
        "The answer is not the same; the parts above say what has changed since."
    };
    let sentence = format!("“{}”{told}\n{verdict}", replay.question);
    let mut value = serde_json::to_value(&replay)?;
    value["same_answer"] = same.into();
    result(say, as_json, value, sentence).await;
    Ok(if same { 0 } else { 3 })
}
