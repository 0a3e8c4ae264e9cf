//! Which models are active: those of the settings, unless an administrator activated others.
//!
//! `active.toml` in the models folder holds the activations and the selections that they replaced,
//! so that each activation can be undone.

use crate::settings::Config;
use anyhow::Context;
use cloister_index::Regression;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::PathBuf;

/// The active models, as folders inside `paths.models`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSelection {
    /// The embedder.
    pub embedder: String,
    /// The generator. Empty if answers are quotes only.
    pub generator: String,
    /// The cross-encoder. Used if `search.rerank` asks for one.
    pub reranker: String,
    /// The NLI model that checks generated sentences. Empty if there is none.
    pub nli: String,
    /// Whether an activated embedder goes live even if it finds less than the previous one.
    pub embedder_regression: Regression,
    activations: Activations,
}

/// The contents of `active.toml`. A role without a folder uses the model of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Activations {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reranker: Option<String>,
    #[serde(rename = "verifier", skip_serializing_if = "Option::is_none")]
    nli: Option<String>,
    #[serde(rename = "even_if_worse", default)]
    accept_regression: bool,
    /// The selections that were replaced, the latest last.
    #[serde(rename = "before", default)]
    replaced: Vec<Replaced>,
}

/// A selection that was replaced. Without a folder, it was the model of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Replaced {
    #[serde(rename = "part")]
    role: ModelRole,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
}

/// What a model is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelRole {
    /// Embeds passages and questions.
    Embedder,
    /// Writes sentences.
    Generator,
    /// Reorders search results.
    Reranker,
    /// Checks generated sentences against their quotes.
    #[serde(rename = "verifier")]
    Nli,
}

impl Activations {
    fn folder_mut(&mut self, role: ModelRole) -> &mut Option<String> {
        match role {
            ModelRole::Embedder => &mut self.embedder,
            ModelRole::Generator => &mut self.generator,
            ModelRole::Reranker => &mut self.reranker,
            ModelRole::Nli => &mut self.nli,
        }
    }

    fn load(config: &Config) -> anyhow::Result<Self> {
        let path = activations_file(config);
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .with_context(|| format!("could not parse `{}`", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => {
                Err(error).with_context(|| format!("could not read `{}`", path.display()))
            }
        }
    }
}

impl ModelSelection {
    /// Loads the selection that is active under these settings.
    pub fn load(config: &Config) -> anyhow::Result<Self> {
        let activations = Activations::load(config)?;
        let settings = &config.models;
        let selected = |activated: &Option<String>, setting: &String| {
            activated.as_ref().unwrap_or(setting).clone()
        };
        Ok(Self {
            embedder: selected(&activations.embedder, &settings.embedder),
            generator: selected(&activations.generator, &settings.generator),
            reranker: selected(&activations.reranker, &settings.reranker),
            nli: selected(&activations.nli, &settings.nli),
            embedder_regression: Regression::accepted_if(activations.accept_regression),
            activations,
        })
    }

    /// The folder of the model with this role.
    pub fn folder(&self, role: ModelRole) -> &str {
        match role {
            ModelRole::Embedder => &self.embedder,
            ModelRole::Generator => &self.generator,
            ModelRole::Reranker => &self.reranker,
            ModelRole::Nli => &self.nli,
        }
    }

    /// Activates the model in `folder`. `regression` says whether an embedder goes live even if it
    /// finds less than the present one.
    pub fn activate(
        mut self,
        role: ModelRole,
        folder: &str,
        regression: Regression,
        config: &Config,
    ) -> anyhow::Result<()> {
        if role == ModelRole::Embedder {
            self.activations.accept_regression = regression == Regression::Accepted;
        }
        let previous = self.activations.folder_mut(role).replace(folder.to_owned());
        self.activations.replaced.push(Replaced {
            role,
            folder: previous,
        });
        self.save(config)
    }

    /// Undoes the last activation and returns the folder that is active again.
    pub fn roll_back(mut self, config: &Config) -> anyhow::Result<String> {
        let replaced = self.activations.replaced.pop();
        let replaced = replaced.context("no activation is left to undo")?;
        *self.activations.folder_mut(replaced.role) = replaced.folder;
        if replaced.role == ModelRole::Embedder {
            self.activations.accept_regression = false;
        }
        self.save(config)?;
        Ok(Self::load(config)?.folder(replaced.role).to_owned())
    }

    /// Replaces `active.toml` atomically: after a power cut the old or the new file is there.
    fn save(&self, config: &Config) -> anyhow::Result<()> {
        let folder = &config.paths.models;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(toml::to_string(&self.activations)?.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(activations_file(config))?;
        std::fs::File::open(folder)?.sync_all()?;
        Ok(())
    }
}

fn activations_file(config: &Config) -> PathBuf {
    config.paths.models.join("active.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_with_models_in(folder: &tempfile::TempDir) -> Config {
        let mut config = Config::load(None, std::iter::empty()).unwrap();
        config.paths.models = folder.path().to_owned();
        config.models.generator = "small".into();
        config
    }

    #[test]
    fn activations_are_undone_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let config = config_with_models_in(&folder);
        let load = || ModelSelection::load(&config).unwrap();
        assert_eq!(load().generator, "small");
        for name in ["medium", "large"] {
            load()
                .activate(ModelRole::Generator, name, Regression::Refused, &config)
                .unwrap();
            assert_eq!(load().generator, name);
        }
        let first = load().embedder;
        load()
            .activate(ModelRole::Embedder, "other", Regression::Accepted, &config)
            .unwrap();
        assert_eq!(load().embedder, "other");
        assert_eq!(load().generator, "large");
        assert_eq!(load().embedder_regression, Regression::Accepted);
        assert_eq!(load().roll_back(&config).unwrap(), first);
        assert_eq!(load().embedder_regression, Regression::Refused);
        for name in ["medium", "small"] {
            assert_eq!(load().roll_back(&config).unwrap(), name);
            assert_eq!(load().generator, name);
        }
        let error = load().roll_back(&config).unwrap_err();
        assert!(error.to_string().contains("no activation"), "{error}");
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let config = config_with_models_in(&folder);
        let stored = "verifier = \"judge\"\neven_if_worse = true\n\
                      [[before]]\npart = \"verifier\"\nfolder = \"first\"\n";
        std::fs::write(activations_file(&config), stored).unwrap();
        let selection = ModelSelection::load(&config).unwrap();
        assert_eq!(selection.nli, "judge");
        assert_eq!(selection.embedder_regression, Regression::Accepted);
        assert_eq!(selection.roll_back(&config).unwrap(), "first");
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = config_with_models_in(&folder);
        std::fs::write(activations_file(&config), "generator = 3").unwrap();
        let error = ModelSelection::load(&config).unwrap_err();
        assert!(error.to_string().contains("active.toml"), "{error}");
    }
}
