//! `cloister models activate` and `rollback`.

use crate::active::Active;
use crate::cli::console;
use crate::config::Config;
use cloister_inference::{LlamaGguf, Loading, ModelKind, ModelManifest};

pub fn run(name: &str, config: &Config) -> anyhow::Result<()> {
    let folder = config.paths.models.join(name);
    let manifest = ModelManifest::read(&folder)?;
    anyhow::ensure!(
        manifest.kind == ModelKind::Generator,
        "`{name}` is an embedder. Stored vectors are those of the embedder that made them, so it is \
         changed in the settings (models.embedder), for an empty appliance"
    );
    manifest.verify(&folder)?;
    let plan = LlamaGguf::plan(&folder.join(&manifest.file), &Loading::default())?;
    for warning in &plan.warnings {
        console::note(&format!("warning: {warning}"));
    }
    Active::of(config)?.activate(name, config)?;
    console::line(&format!("{name} answers from the next start on"));
    Ok(())
}

pub fn undo(config: &Config) -> anyhow::Result<()> {
    let name = Active::of(config)?.roll_back(config)?;
    let name = if name.is_empty() {
        "no generator"
    } else {
        &name
    };
    console::line(&format!("{name} answers from the next start on"));
    Ok(())
}
