//! Which models are in use: those of the settings, unless an administrator activated another.
//!
//! `active.toml` in the models' folder says so, and what was in use before, so that an activation
//! can be undone.

use crate::config::Config;
use anyhow::Context;
use cloister_index::Worse;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::PathBuf;

/// The folders in use, inside `paths.models`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// The embedder's.
    pub embedder: String,
    /// The generator's; empty where answers are quotes alone.
    pub generator: String,
    /// The cross-encoder's; used where `search.rerank` asks for one.
    pub reranker: String,
    /// That of the model which checks what is written; empty where there is none.
    pub verifier: String,
    /// Whether another embedder comes into use that finds less.
    pub another_model: Worse,
    chosen: Chosen,
}

/// `active.toml`. What is not named is that of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reranker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verifier: Option<String>,
    /// Whether the embedder comes into use even if it finds less than the one before.
    #[serde(default)]
    even_if_worse: bool,
    /// The choices that were replaced, the latest last.
    #[serde(default)]
    before: Vec<Replaced>,
}

/// What was chosen before for one part; without a folder, that of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Replaced {
    part: Part,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
}

/// What a model can be chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    Embedder,
    Generator,
    Reranker,
    Verifier,
}

impl Chosen {
    fn of(&mut self, part: Part) -> &mut Option<String> {
        match part {
            Part::Embedder => &mut self.embedder,
            Part::Generator => &mut self.generator,
            Part::Reranker => &mut self.reranker,
            Part::Verifier => &mut self.verifier,
        }
    }
}

impl Active {
    /// What is in use under these settings.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        let path = file(config);
        let chosen = match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .with_context(|| format!("`{}` cannot be understood", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Chosen::default(),
            Err(error) => {
                return Err(error).with_context(|| format!("`{}` cannot be read", path.display()));
            }
        };
        let settings = &config.models;
        Ok(Self {
            embedder: chosen
                .embedder
                .clone()
                .unwrap_or_else(|| settings.embedder.clone()),
            generator: chosen
                .generator
                .clone()
                .unwrap_or_else(|| settings.generator.clone()),
            reranker: chosen
                .reranker
                .clone()
                .unwrap_or_else(|| settings.reranker.clone()),
            verifier: chosen
                .verifier
                .clone()
                .unwrap_or_else(|| settings.verifier.clone()),
            another_model: Worse::of(chosen.even_if_worse),
            chosen,
        })
    }

    /// Puts the model in the folder `name` in use; an embedder even if it finds less, where that is
    /// accepted.
    pub fn activate(
        mut self,
        part: Part,
        name: &str,
        worse: Worse,
        config: &Config,
    ) -> anyhow::Result<()> {
        if part == Part::Embedder {
            self.chosen.even_if_worse = worse == Worse::Accepted;
        }
        let folder = self.chosen.of(part).replace(name.to_owned());
        self.chosen.before.push(Replaced { part, folder });
        self.write(config)
    }

    /// Undoes the last activation; returns the folder that is in use again.
    pub fn roll_back(mut self, config: &Config) -> anyhow::Result<String> {
        let before = self.chosen.before.pop();
        let before = before.context("nothing was activated that could be undone")?;
        *self.chosen.of(before.part) = before.folder;
        if before.part == Part::Embedder {
            self.chosen.even_if_worse = false;
        }
        self.write(config)?;
        let now = Self::of(config)?;
        Ok(match before.part {
            Part::Embedder => now.embedder,
            Part::Generator => now.generator,
            Part::Reranker => now.reranker,
            Part::Verifier => now.verifier,
        })
    }

    /// Writes aside, flushes, renames: after a power cut either the old or the new file is there.
    fn write(&self, config: &Config) -> anyhow::Result<()> {
        let mut aside = tempfile::NamedTempFile::new_in(&config.paths.models)?;
        aside.write_all(toml::to_string(&self.chosen)?.as_bytes())?;
        aside.as_file().sync_all()?;
        aside.persist(file(config))?;
        std::fs::File::open(&config.paths.models)?.sync_all()?;
        Ok(())
    }
}

fn file(config: &Config) -> PathBuf {
    config.paths.models.join("active.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_are_undone_one_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::load(None, std::iter::empty()).unwrap();
        config.paths.models = dir.path().to_owned();
        config.models.generator = "small".into();
        let generator = || Active::of(&config).unwrap().generator;
        assert_eq!(generator(), "small");
        for name in ["medium", "large"] {
            Active::of(&config)
                .unwrap()
                .activate(Part::Generator, name, Worse::Refused, &config)
                .unwrap();
            assert_eq!(generator(), name);
        }
        let embedder = || Active::of(&config).unwrap().embedder;
        let first = embedder();
        Active::of(&config)
            .unwrap()
            .activate(Part::Embedder, "other", Worse::Accepted, &config)
            .unwrap();
        assert_eq!(
            (embedder().as_str(), generator().as_str()),
            ("other", "large")
        );
        let worse = || Active::of(&config).unwrap().another_model;
        assert_eq!(worse(), Worse::Accepted);
        assert_eq!(
            Active::of(&config).unwrap().roll_back(&config).unwrap(),
            first
        );
        assert_eq!(worse(), Worse::Refused);
        for name in ["medium", "small"] {
            assert_eq!(
                Active::of(&config).unwrap().roll_back(&config).unwrap(),
                name
            );
            assert_eq!(generator(), name);
        }
        let error = Active::of(&config).unwrap().roll_back(&config).unwrap_err();
        assert!(error.to_string().contains("nothing"), "{error}");
    }

    #[test]
    fn a_damaged_choice_is_named_and_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::load(None, std::iter::empty()).unwrap();
        config.paths.models = dir.path().to_owned();
        std::fs::write(dir.path().join("active.toml"), "generator = 3").unwrap();
        let error = Active::of(&config).unwrap_err();
        assert!(error.to_string().contains("active.toml"), "{error}");
    }
}
