//! `cloister-eval`: measures each step of the product on files and questions that the site brings.
//!
//! Nothing in the data folder of an appliance is changed. The program shares its settings with the
//! appliance ([`cloister_config`]), so that it measures what the appliance runs.
//!
//! It deliberately knows neither HTTP nor people. To add a measurement, add its module with a
//! struct of arguments and a `run` function, and its variant to [`Command`].

mod answers;
mod answers_report;
mod calibrate;
mod console;
mod dataset;
mod dense_weight;
mod extraction;
mod generation_metrics;
mod ingestion;
mod injection;
mod memory;
mod metrics;
mod pii;
mod retrieval;
mod synthetic_index;
mod test_index;
mod tune;

use clap::{Parser, Subcommand};
use cloister_config::Config;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures retrieval, answers, extraction, ingestion and redaction on your own files.
#[derive(Parser)]
#[command(name = "cloister-eval", version, propagate_version = true)]
struct Arguments {
    /// The settings file of the appliance. Without it, the defaults apply.
    #[arg(long, global = true, env = "CLOISTER_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// A measurement.
#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Compare the text that is read from PDF files with pdftotext, or with `NAME.gold.txt`.
    Extraction(extraction::Extraction),
    /// Measure the speed and memory of ingesting a folder, in a temporary data folder.
    Ingestion(ingestion::Ingestion),
    /// Measure precision and recall of personal data detection.
    Pii(pii::Pii),
    /// Measure the ranking of passages, for questions with known passages.
    Retrieval(retrieval::Retrieval),
    /// Measure how often quotes answer, and how often unanswerable questions are refused.
    Answers(answers::Answers),
    /// Fit the answer weights and thresholds to questions with known answers.
    Calibrate(calibrate::Calibrate),
    /// Measure whether documents that contain instructions can change an answer.
    Injection(injection::Injection),
    /// Find the best `search.dense_weight` on the passages of the appliance.
    Tune(tune::Tune),
    /// Build an index of synthetic passages in a folder of its own.
    SynthesizeIndex(synthetic_index::CorpusArguments),
    /// Measure an index that `synthesize-index` built: latency, memory, restart, changes, recall.
    BenchIndex(synthetic_index::BenchIndex),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            console::note(&format!("error: {cause:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(arguments.config.as_deref(), settings_in_environment())?;
    for deprecation in &config.deprecations {
        console::note(&format!("warning: {deprecation}"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run_command(&arguments.command, &config))
}

async fn run_command(command: &Command, config: &Config) -> anyhow::Result<()> {
    match command {
        Command::Extraction(arguments) => extraction::run(arguments, config).await,
        Command::Ingestion(arguments) => ingestion::run(arguments, config).await,
        Command::Pii(arguments) => pii::run(arguments),
        Command::Retrieval(arguments) => retrieval::run(arguments, config).await,
        Command::Answers(arguments) => answers::run(arguments, config).await,
        Command::Calibrate(arguments) => calibrate::run(arguments, config),
        Command::Injection(arguments) => injection::run(arguments, config).await,
        Command::Tune(arguments) => tune::run(arguments, config).await,
        Command::SynthesizeIndex(arguments) => synthetic_index::build(arguments),
        Command::BenchIndex(arguments) => synthetic_index::bench(arguments),
    }
}

/// The environment variables that are settings.
fn settings_in_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars().filter(|(name, _)| name != "CLOISTER_CONFIG" && name != "CLOISTER_LOG")
}
