//! `cloister audit`.

use crate::app::audit_export::ExportFormat;
use crate::app::{AppState, Caller, audit_log};
use crate::cli::console;
use crate::cli::output::OutputSink;
use anyhow::Context;
use clap::Subcommand;
use cloister_answer::Replay;
use cloister_audit::{Entry, EntryFilter, Verification};
use cloister_config::Config;
use cloister_domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit status of a log that is not intact.
const NOT_INTACT: u8 = 2;

/// The exit status of a replay that gives another answer.
const DIFFERENT_ANSWER: u8 = 3;

/// List and verify the audit log, and replay answers.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum AuditCommand {
    /// Verify the log.
    Verify {
        /// A checkpoint that was kept outside the appliance. May be repeated.
        #[arg(long = "against", value_name = "CHECKPOINT")]
        files: Vec<PathBuf>,
        /// The contents of these files.
        #[arg(skip)]
        checkpoints: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Replay an answer from its receipt, with the permissions that its asker has today, and say
    /// what is equal and what has changed.
    Replay {
        /// The id of the receipt.
        id: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the newest checkpoint, to be kept outside the appliance.
    Checkpoint,
    /// Print all entries of a period for another program, oldest first.
    Export {
        /// The format.
        #[arg(long, value_enum)]
        format: ExportFormat,
        /// Only entries at or after this time, such as 2026-11-01T00:00:00Z.
        #[arg(long, value_parser = parse_time)]
        from: Option<Timestamp>,
        /// Only entries before this time.
        #[arg(long, value_parser = parse_time)]
        until: Option<Timestamp>,
    },
    /// Go on with a log that does not open. The log has the reason and what was found. Stop the
    /// appliance first, and keep a copy of the folder.
    Recover {
        /// Why the log does not open, for the compliance officer.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Print the newest entries.
    List {
        /// The number of entries.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Only entries with this text.
        #[arg(long)]
        text: Option<String>,
        /// Print JSON, one line for each entry.
        #[arg(long)]
        json: bool,
    },
}

impl AuditCommand {
    /// Reads the files of checkpoints.
    pub fn read_files(&mut self) -> anyhow::Result<()> {
        if let Self::Verify {
            files, checkpoints, ..
        } = self
        {
            for path in files {
                let checkpoint = std::fs::read_to_string(&path).with_context(|| {
                    format!("could not read the checkpoint `{}`", path.display())
                })?;
                checkpoints.push(checkpoint);
            }
        }
        Ok(())
    }
}

/// Recovers a log that does not open.
pub fn recover(config: &Config, reason: &str) -> anyhow::Result<ExitCode> {
    if reason.trim().is_empty() {
        anyhow::bail!("say in `--reason` why the log does not open");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let finding = runtime.block_on(audit_log::recover(config, reason.trim()))?;
    console::line(&format!(
        "Found: {finding}.\nThe log is open again. Its newest entry has the reason. The evidence was \
         kept in `{}`.",
        audit_log::folder(config).display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Runs the command.
pub async fn run(
    app: &AppState,
    caller: &Caller,
    command: AuditCommand,
    output: &OutputSink,
) -> anyhow::Result<u8> {
    match command {
        AuditCommand::Verify {
            checkpoints, json, ..
        } => {
            let verified = app.verify_audit(caller, checkpoints).await?;
            let value = serde_json::to_value(&verified)?;
            output
                .result(json, value, verification_lines(&verified))
                .await;
            Ok(if verified.is_intact() { 0 } else { NOT_INTACT })
        }
        AuditCommand::Replay { id, json } => {
            let replay = app.replay_answer(caller, &id).await?;
            let is_same = replay.is_same_answer();
            let mut value = serde_json::to_value(&replay)?;
            value["same_answer"] = is_same.into();
            output.result(json, value, replay_lines(&replay)).await;
            Ok(if is_same { 0 } else { DIFFERENT_ANSWER })
        }
        AuditCommand::Recover { .. } => {
            anyhow::bail!("the appliance runs, so its audit log opens; there is nothing to recover")
        }
        AuditCommand::Checkpoint => {
            let note = app.take_checkpoint(caller).await?;
            output.line(note.trim_end()).await;
            Ok(0)
        }
        AuditCommand::Export {
            format,
            from,
            until,
        } => {
            let filter = EntryFilter {
                from,
                until,
                ..EntryFilter::default()
            };
            let mut export = app.export_audit_log(caller, filter, format).await?;
            while let Some(lines) = app.next_export_lines(&mut export).await? {
                if !lines.is_empty() {
                    output.line(lines.trim_end_matches('\n')).await;
                }
            }
            Ok(0)
        }
        AuditCommand::List { limit, text, json } => {
            let filter = EntryFilter {
                text,
                ..EntryFilter::default()
            };
            for entry in app.view_entries(caller, filter, limit).await?.entries {
                let value = serde_json::to_value(&entry)?;
                output.result(json, value, entry_line(&entry)).await;
            }
            Ok(0)
        }
    }
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|cause| cause.to_string())
}

fn verification_lines(verified: &Verification) -> String {
    let result = if verified.is_intact() {
        "the log is intact"
    } else {
        "THE LOG IS NOT INTACT"
    };
    let mut lines = format!(
        "{} entries, root {}, {} external checkpoints compared: {result}",
        verified.entries, verified.root, verified.compared,
    );
    for finding in verified.findings.iter().chain(&verified.gaps) {
        lines.extend([format!("\n  - {}", finding.0)]);
    }
    lines
}

fn replay_lines(replay: &Replay) -> String {
    let mut lines = format!("“{}”", replay.question);
    for part in &replay.parts {
        let result = if part.equal {
            "equal"
        } else {
            &part.difference
        };
        lines.extend([format!("\n  {:<19} {result}", part.part)]);
    }
    lines.push_str(if replay.is_same_answer() {
        "\nThe answer is the same."
    } else {
        "\nThe answer is not the same. The parts above say what has changed."
    });
    lines
}

fn entry_line(entry: &Entry) -> String {
    format!(
        "{:>6}  {}  {:<24} {:<8} {}  {}",
        entry.seq,
        entry.at,
        entry.kind.as_str(),
        entry.outcome.as_str(),
        entry.actor.name,
        entry.detail
    )
}
