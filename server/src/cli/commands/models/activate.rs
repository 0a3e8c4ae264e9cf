//! `cloister models activate` and `rollback`.

use crate::cli::console;
use cloister_config::settings::Rerank;
use cloister_config::{Config, ModelRole, ModelSelection};
use cloister_index::Regression;
use cloister_inference::{
    CrossEncoder, GgufGenerator, LoadOptions, ModelKind, ModelManifest, NliEncoder, SentenceEncoder,
};
use std::path::Path;

/// Activates the model in a folder, after its files were verified and it could be opened.
pub fn activate(name: &str, regression: Regression, config: &Config) -> anyhow::Result<()> {
    let folder = config.paths.models.join(name);
    let manifest = ModelManifest::load(&folder)?;
    manifest.verify(&folder)?;
    let role = check_model(&manifest, &folder)?;
    ModelSelection::load(config)?.activate(role, name, regression, config)?;
    console::line(&match role {
        ModelRole::Generator => format!("{name} generates answers after the next start"),
        ModelRole::Embedder => format!(
            "after the next start, {name} embeds all passages in the background. It is used when \
             all are embedded"
        ),
        ModelRole::Nli => format!("{name} checks generated sentences after the next start"),
        ModelRole::Reranker if config.search.rerank == Rerank::CrossEncoder => {
            format!("{name} reranks search results after the next start")
        }
        ModelRole::Reranker => format!(
            "{name} is selected. It reranks search results if the settings have \
             `search.rerank = \"cross-encoder\"`"
        ),
    });
    Ok(())
}

/// Checks that a model can be opened, and returns its role.
fn check_model(manifest: &ModelManifest, folder: &Path) -> anyhow::Result<ModelRole> {
    match manifest.kind {
        ModelKind::Generator => {
            let plan = GgufGenerator::plan(&folder.join(&manifest.file), &LoadOptions::default())?;
            for warning in &plan.warnings {
                console::note(&format!("warning: {warning}"));
            }
            Ok(ModelRole::Generator)
        }
        ModelKind::Embedder => {
            SentenceEncoder::open(folder)?;
            Ok(ModelRole::Embedder)
        }
        ModelKind::Reranker => {
            CrossEncoder::open(folder)?;
            Ok(ModelRole::Reranker)
        }
        ModelKind::Nli => {
            NliEncoder::open(folder)?;
            Ok(ModelRole::Nli)
        }
        ModelKind::TokenClassifier => {
            anyhow::bail!("a token classifier is not used by any part of the appliance yet")
        }
    }
}

/// Undoes the last activation.
pub fn roll_back(config: &Config) -> anyhow::Result<()> {
    let name = ModelSelection::load(config)?.roll_back(config)?;
    let name = if name.is_empty() { "no model" } else { &name };
    console::line(&format!("{name} is used after the next start"));
    Ok(())
}
