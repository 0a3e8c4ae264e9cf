//! Verifies an audit log on a machine that has neither the appliance nor its database.
//!
//! Exit status: 0 if the log or proof is sound, 1 if it was tampered with, 2 if a part of it is not proven, 3
//! if it could not be verified because of the arguments or a file.

use clap::{Parser, Subcommand};
use cloister_audit::{AuditError, InclusionProof, PublicKey, VerificationStatus, verify};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const TAMPERED: u8 = 1;
const INCOMPLETE: u8 = 2;
const USAGE: u8 = 3;

/// Verifies the audit log of a Cloister appliance.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Verify a log, and print what was found as JSON.
    Verify {
        #[command(flatten)]
        log: LogArguments,
        /// A checkpoint that was stored elsewhere; may be given several times.
        #[arg(long = "against", value_name = "CHECKPOINT")]
        checkpoints: Vec<PathBuf>,
    },
    /// Print a proof that an entry is in the log. The proof contains the entry and stands alone.
    Prove {
        #[command(flatten)]
        log: LogArguments,
        /// The position of the entry, counted from 0.
        entry: u64,
    },
    /// Verify a proof, and print its entry.
    Check {
        /// The file of the proof.
        proof: PathBuf,
        /// The file with the log's public key.
        #[arg(long)]
        key: PathBuf,
    },
}

#[derive(clap::Args)]
struct LogArguments {
    /// The log's folder: `audit` in the data folder, or a copy of it.
    folder: PathBuf,
    /// The file with the log's public key. Use your own copy, not the one in the folder.
    #[arg(long)]
    key: PathBuf,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(message) => {
            let is_error = message.use_stderr();
            drop(message.print());
            return ExitCode::from(if is_error { USAGE } else { 0 });
        }
    };
    match run(arguments.command) {
        Ok((output, status)) => match writeln!(std::io::stdout(), "{}", output.trim_end()) {
            Ok(()) => ExitCode::from(status),
            Err(_closed) => ExitCode::from(USAGE),
        },
        Err(cause) => {
            drop(writeln!(std::io::stderr(), "cloister-audit: {cause}"));
            ExitCode::from(status_of(&cause))
        }
    }
}

fn status_of(cause: &anyhow::Error) -> u8 {
    match cause.downcast_ref() {
        Some(AuditError::BadProof(_) | AuditError::NotSigned) => TAMPERED,
        Some(AuditError::NotSealed { .. }) => INCOMPLETE,
        _ => USAGE,
    }
}

/// Runs the command. Returns what is printed, and the exit status.
fn run(command: Command) -> anyhow::Result<(String, u8)> {
    match command {
        Command::Verify { log, checkpoints } => {
            let checkpoints = checkpoints
                .iter()
                .map(|path| read_file(path))
                .collect::<Result<Vec<_>, _>>()?;
            let verification = verify(&log.folder, &read_key(&log.key)?, &checkpoints)?;
            let status = match verification.status() {
                VerificationStatus::Sound => 0,
                VerificationStatus::Tampered => TAMPERED,
                VerificationStatus::Incomplete => INCOMPLETE,
            };
            let mut report = serde_json::to_value(&verification)?;
            if let Some(fields) = report.as_object_mut() {
                fields.insert(
                    "status".into(),
                    serde_json::to_value(verification.status())?,
                );
            }
            Ok((serde_json::to_string_pretty(&report)?, status))
        }
        Command::Prove { log, entry } => {
            let proof = InclusionProof::of_entry(&log.folder, &read_key(&log.key)?, entry)?;
            Ok((proof.to_string(), 0))
        }
        Command::Check { proof, key } => {
            let proof = InclusionProof::parse(&read_file(&proof)?)?;
            let entry = proof.verify(&read_key(&key)?)?;
            Ok((serde_json::to_string_pretty(&entry)?, 0))
        }
    }
}

fn read_key(path: &Path) -> anyhow::Result<PublicKey> {
    Ok(PublicKey::parse(&read_file(path)?)?)
}

fn read_file(path: &Path) -> anyhow::Result<String> {
    use anyhow::Context;
    std::fs::read_to_string(path).with_context(|| format!("`{}`", path.display()))
}
