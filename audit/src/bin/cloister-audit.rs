//! Verifies an audit log on a machine that has neither the appliance nor its database.

use anyhow::Context;
use clap::Parser;
use cloister_audit::{PublicKey, verify};
use std::path::PathBuf;
use std::process::ExitCode;

/// Verifies the audit log of a Cloister appliance.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The log's folder: `audit` in the data folder, or a copy of it.
    folder: PathBuf,
    /// The file with the log's public key. Take it from where you keep it, not from the folder.
    #[arg(long)]
    key: PathBuf,
    /// A checkpoint that was kept elsewhere; may be given several times.
    #[arg(long = "against", value_name = "CHECKPOINT")]
    kept: Vec<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).with_context(|| format!("`{}`", path.display()))
    };
    let key = PublicKey::parse(&read(&arguments.key)?)?;
    let kept = arguments
        .kept
        .iter()
        .map(read)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let verification = verify(&arguments.folder, &key, &kept)?;
    let report = serde_json::to_string_pretty(&verification)?;
    std::io::Write::write_all(&mut std::io::stdout(), format!("{report}\n").as_bytes())?;
    Ok(if verification.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}
