//! `model.toml`: describes the model of a folder and pins its files by hash.

use crate::error::{InferenceError, Result};
use cloister_domain::atomic_file;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Component, Path};

/// The manifest's name in the model's folder.
pub const MANIFEST_FILE: &str = "model.toml";

/// The kind of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Turns text into vectors.
    Embedder,
    /// Writes text and computes how likely a text is.
    Generator,
    /// Scores how well a passage answers a question.
    Reranker,
    /// Estimates whether a text entails a sentence.
    #[serde(rename = "entailment")]
    Nli,
    /// Labels the tokens of a text.
    TokenClassifier,
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedder => "embedder",
            Self::Generator => "generator",
            Self::Reranker => "reranker",
            Self::Nli => "NLI model (kind `entailment`)",
            Self::TokenClassifier => "token-classifier",
        })
    }
}

/// How the token vectors of an encoder are reduced to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The mean of all token vectors.
    #[default]
    Mean,
    /// The vector of the first token, `[CLS]`.
    #[serde(rename = "first")]
    Cls,
}

/// The prefixes that an encoder was trained with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prefixes {
    /// Before a question.
    pub question: String,
    /// Before a passage.
    pub passage: String,
}

/// The number format of an encoder's weight matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightFormat {
    /// Floats of 32 bits.
    #[default]
    F32,
    /// Integers of eight bits with one scale per 32 values; activations are quantised in the same
    /// way. Faster, with slightly different vectors (docs/PERFORMANCE.md).
    Int8,
}

/// A model's manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// Embedder, generator, reranker or NLI model.
    pub kind: ModelKind,
    /// The name shown to people.
    pub name: String,
    /// The file of the weights, in the same folder.
    pub file: String,
    /// SHA-256 of that file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    /// The model family, such as `bert`, `xlm-roberta`, `modernbert` or `llama`.
    pub architecture: String,
    /// The maximum of tokens per input.
    pub context: u32,
    /// How many parameters it has.
    pub parameters: u64,
    /// What it is suited for: one sentence for the administrator.
    pub fitness: String,
    /// The number format of an encoder's weights. A generator's file has its own.
    #[serde(default)]
    pub weights: WeightFormat,
    /// How an encoder pools token vectors.
    #[serde(default)]
    pub pooling: Pooling,
    /// The prefixes of an encoder.
    #[serde(default)]
    pub prefixes: Prefixes,
    /// Other files that the model depends on, with their SHA-256: tokenizer, configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub companions: BTreeMap<String, String>,
}

impl ModelManifest {
    /// The licence of a model whose files do not name one.
    pub const UNKNOWN_LICENCE: &str = "LicenseRef-unknown";

    /// Loads the manifest of the folder `dir`.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(InferenceError::ModelMissing(dir.to_owned()));
            }
            Err(source) => return Err(InferenceError::File { path, source }),
        };
        let manifest: Self = toml::from_str(&text).map_err(|error| InferenceError::Manifest {
            path: path.clone(),
            reason: error.message().to_owned(),
        })?;
        manifest.check_names(&path)?;
        Ok(manifest)
    }

    /// The manifest of a GGUF file that nobody described: a generator with this hash.
    pub(crate) fn for_gguf_file(path: &Path) -> Result<Self> {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            name: file.clone().into_owned(),
            sha256: hash_file(path)?,
            file: file.into_owned(),
            ..Self::undescribed()
        })
    }

    /// A generator without any description.
    pub(crate) fn undescribed() -> Self {
        Self {
            kind: ModelKind::Generator,
            name: String::new(),
            sha256: String::new(),
            file: String::new(),
            licence: Self::UNKNOWN_LICENCE.into(),
            architecture: "unknown".into(),
            context: u32::MAX,
            parameters: 0,
            fitness: "unknown".into(),
            weights: WeightFormat::default(),
            pooling: Pooling::default(),
            prefixes: Prefixes::default(),
            companions: BTreeMap::new(),
        }
    }

    /// Writes the manifest to the folder `dir` atomically: to a temporary file, synchronised, then
    /// renamed.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let path = dir.join(MANIFEST_FILE);
        self.check_names(&path)?;
        let text = toml::to_string(self).map_err(|error| InferenceError::Manifest {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        atomic_file::write(&path, text.as_bytes())
            .map_err(|source| InferenceError::File { path, source })
    }

    /// Hashes the weights and the companions in `dir` and compares them with the manifest. Call
    /// it before any of the bytes are parsed.
    pub fn verify(&self, dir: &Path) -> Result<()> {
        self.open_verified(dir).map(drop)
    }

    /// [`Self::verify`], and the open file of the weights, rewound. The caller reads the file that was
    /// hashed even if another file is renamed over it.
    pub(crate) fn open_verified(&self, dir: &Path) -> Result<File> {
        for (name, expected) in &self.companions {
            open_hashed(&dir.join(name), expected)?;
        }
        open_hashed(&dir.join(&self.file), &self.sha256)
    }

    /// Refuses file names that point outside the folder.
    fn check_names(&self, path: &Path) -> Result<()> {
        let names = std::iter::once(&self.file).chain(self.companions.keys());
        for name in names {
            let mut components = Path::new(name).components();
            let inside = components.all(|part| matches!(part, Component::Normal(_)));
            if !inside || name.is_empty() {
                return Err(InferenceError::Manifest {
                    path: path.to_owned(),
                    reason: format!("`{name}` is not a file inside the model's folder"),
                });
            }
        }
        Ok(())
    }
}

/// SHA-256 of the file at `path`, in lower-case hexadecimal.
pub fn hash_file(path: &Path) -> Result<String> {
    let mut file = open_file(path)?;
    hash_contents(&mut file).map_err(|source| InferenceError::file(path, source))
}

fn open_hashed(path: &Path, expected: &str) -> Result<File> {
    let mut file = open_file(path)?;
    let found = hash_contents(&mut file).map_err(|source| InferenceError::file(path, source))?;
    if !found.eq_ignore_ascii_case(expected) {
        return Err(InferenceError::WrongHash {
            path: path.to_owned(),
            expected: expected.to_owned(),
            found,
        });
    }
    file.rewind()
        .map_err(|source| InferenceError::file(path, source))?;
    Ok(file)
}

fn open_file(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            InferenceError::ModelMissing(path.to_owned())
        } else {
            InferenceError::file(path, source)
        }
    })
}

fn hash_contents(file: &mut File) -> std::io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 20];
    loop {
        let length = file.read(&mut buffer)?;
        match buffer.get(..length) {
            Some(bytes) if length > 0 => digest.update(bytes),
            _ => return Ok(hex::encode(digest.finalize())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(file: &str, sha256: &str) -> ModelManifest {
        ModelManifest {
            kind: ModelKind::Embedder,
            name: "test".into(),
            file: file.into(),
            sha256: sha256.into(),
            licence: "Apache-2.0".into(),
            architecture: "bert".into(),
            context: 256,
            parameters: 22_713_216,
            fitness: "finds passages in English".into(),
            weights: WeightFormat::Int8,
            pooling: Pooling::Cls,
            prefixes: Prefixes {
                question: "query: ".into(),
                passage: String::new(),
            },
            companions: BTreeMap::new(),
        }
    }

    #[test]
    fn a_saved_manifest_loads_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let mut written = manifest("weights.bin", &"0".repeat(64));
        written
            .companions
            .insert("tokenizer.json".into(), "1".repeat(64));
        written.save(dir.path()).unwrap();
        assert_eq!(ModelManifest::load(dir.path()).unwrap(), written);
    }

    #[test]
    fn a_changed_byte_is_found_before_the_weights_are_parsed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.bin");
        std::fs::write(&path, b"weights").unwrap();
        let good = manifest("weights.bin", &hash_file(&path).unwrap());
        good.verify(dir.path()).unwrap();
        std::fs::write(&path, b"weightz").unwrap();
        let error = good.verify(dir.path()).unwrap_err();
        assert!(matches!(error, InferenceError::WrongHash { .. }), "{error}");
        assert!(error.to_string().contains(&good.sha256));
    }

    #[test]
    fn a_missing_folder_says_what_to_do() {
        let error = ModelManifest::load(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.to_string().contains("make models"), "{error}");
    }

    #[test]
    fn a_manifest_cannot_point_outside_its_folder() {
        for name in ["../secret", "/etc/passwd", ""] {
            let dir = tempfile::tempdir().unwrap();
            let error = manifest(name, "").save(dir.path()).unwrap_err();
            assert!(matches!(error, InferenceError::Manifest { .. }), "{name}");
        }
    }
}
