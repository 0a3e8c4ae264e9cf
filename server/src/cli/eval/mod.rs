//! `cloister eval`: how good each step is, on files and questions that the site brings. Nothing of
//! the appliance's data is touched.

mod answers;
mod calibrate;
mod composed;
mod corpus;
mod extraction;
mod indexed;
mod ingestion;
mod injection;
pub mod metrics;
mod pii;
mod retrieval;

use crate::config::Config;
use clap::Subcommand;
use std::process::ExitCode;

/// Measure a step of the appliance on files of yours.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Compare what is read from PDF files with what pdftotext reads, or with `NAME.gold.txt`.
    Extraction(extraction::Extraction),
    /// Take a folder in, into a data folder that is thrown away, and tell the pace and the memory.
    Ingestion(ingestion::Measured),
    /// Measure how much labelled personal data is found.
    Pii(pii::Pii),
    /// Measure whether the right passages are found, for questions whose passages are known.
    Retrieval(retrieval::Retrieval),
    /// Measure whether the quotes answer, and whether questions without an answer are refused.
    Answers(answers::Answers),
    /// Fit the weights and thresholds of evidence to questions whose answers are known.
    Calibrate(calibrate::Calibrate),
    /// Ask documents that give orders, and look whether any is followed.
    Injection(injection::Injection),
}

/// Measures, and prints what was measured.
pub fn run(command: &Command, config: &Config) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            Command::Extraction(wanted) => extraction::run(wanted, config).await,
            Command::Ingestion(wanted) => ingestion::run(wanted, config).await,
            Command::Pii(wanted) => pii::run(wanted),
            Command::Retrieval(wanted) => retrieval::run(wanted, config).await,
            Command::Answers(wanted) => answers::run(wanted, config).await,
            Command::Calibrate(wanted) => calibrate::run(wanted, config),
            Command::Injection(wanted) => injection::run(wanted, config).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
