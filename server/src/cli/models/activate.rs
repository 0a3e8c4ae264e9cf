//! `cloister models activate` and `rollback`.

use crate::active::{Active, Part};
use crate::cli::console;
use crate::config::{Config, Rerank};
use cloister_index::Worse;
use cloister_inference::{
    CrossEncoder, EntailmentEncoder, LlamaGguf, Loading, ModelKind, ModelManifest, SentenceEncoder,
};

pub fn run(name: &str, worse: Worse, config: &Config) -> anyhow::Result<()> {
    let folder = config.paths.models.join(name);
    let manifest = ModelManifest::read(&folder)?;
    manifest.verify(&folder)?;
    let part = match manifest.kind {
        ModelKind::Generator => {
            let plan = LlamaGguf::plan(&folder.join(&manifest.file), &Loading::default())?;
            for warning in &plan.warnings {
                console::note(&format!("warning: {warning}"));
            }
            Part::Generator
        }
        ModelKind::Embedder => {
            SentenceEncoder::open(&folder)?;
            Part::Embedder
        }
        ModelKind::Reranker => {
            CrossEncoder::open(&folder)?;
            Part::Reranker
        }
        ModelKind::Entailment => {
            EntailmentEncoder::open(&folder)?;
            Part::Verifier
        }
    };
    Active::of(config)?.activate(part, name, worse, config)?;
    console::line(&match part {
        Part::Generator => format!("{name} answers from the next start on"),
        Part::Embedder => format!(
            "from the next start on {name} makes the vectors of all passages aside, and finds \
             passages once it has"
        ),
        Part::Verifier => {
            format!("{name} checks what a generator writes from the next start on")
        }
        Part::Reranker if config.search.rerank == Rerank::CrossEncoder => {
            format!("{name} looks again at what was found from the next start on")
        }
        Part::Reranker => format!(
            "{name} was chosen. It looks again at what was found once the settings say \
             `search.rerank = \"cross-encoder\"`"
        ),
    });
    Ok(())
}

pub fn undo(config: &Config) -> anyhow::Result<()> {
    let name = Active::of(config)?.roll_back(config)?;
    let name = if name.is_empty() { "no model" } else { &name };
    console::line(&format!("{name} is in use from the next start on"));
    Ok(())
}
