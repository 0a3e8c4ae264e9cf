//! Verifies an audit log on a machine that has neither the appliance nor its database.

use anyhow::Context;
use clap::Parser;
use cloister_audit::{PublicKey, verify};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Verifies the audit log of a Cloister appliance.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The log's folder: `audit` in the data folder, or a copy of it.
    folder: PathBuf,
    /// The file with the log's public key. Use your own copy, not the one in the folder.
    #[arg(long)]
    key: PathBuf,
    /// A checkpoint that was stored elsewhere; may be given several times.
    #[arg(long = "against", value_name = "CHECKPOINT")]
    checkpoints: Vec<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let key = PublicKey::parse(&read_file(&arguments.key)?)?;
    let checkpoints = arguments
        .checkpoints
        .iter()
        .map(|path| read_file(path))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let verification = verify(&arguments.folder, &key, &checkpoints)?;
    let report = serde_json::to_string_pretty(&verification)?;
    std::io::Write::write_all(&mut std::io::stdout(), format!("{report}\n").as_bytes())?;
    Ok(if verification.is_intact() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

fn read_file(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("`{}`", path.display()))
}
