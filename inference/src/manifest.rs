//! `model.toml`: what a model's folder says about itself, and the proof that its bytes are meant.

use crate::error::{InferenceError, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

/// The manifest's name in the model's folder.
pub const MANIFEST_FILE: &str = "model.toml";

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Turns text into vectors.
    Embedder,
    /// Writes text and judges how likely a text is.
    Generator,
    /// Judges how well a passage answers a question.
    Reranker,
    /// Judges whether a sentence follows from a text.
    Entailment,
}

/// How an encoder's token vectors become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// The first of them.
    First,
}

/// What an encoder was trained to see before a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prefixes {
    /// Before a question.
    pub question: String,
    /// Before a passage.
    pub passage: String,
}

/// The form in which an encoder's matrices are kept and multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// As floats of 32 bits.
    #[default]
    F32,
    /// As whole numbers of eight bits with a scale for each 32, and so is what they are
    /// multiplied with: about three times as fast, for vectors that differ a little.
    Int8,
}

/// A model's manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// What it is for.
    pub kind: ModelKind,
    /// The name shown to people.
    pub name: String,
    /// The file of the weights, inside the folder.
    pub file: String,
    /// SHA-256 of that file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    /// The family of its architecture: `bert`, `xlm-roberta`, `modernbert`, `llama` and so on.
    pub architecture: String,
    /// The most tokens it takes at once.
    pub context: u32,
    /// How many parameters it has.
    pub parameters: u64,
    /// What it is fit for, one sentence for the administrator.
    pub fitness: String,
    /// How an encoder's matrices are kept. A generator's file says it itself.
    #[serde(default)]
    pub weights: Weights,
    /// How an encoder's token vectors become one.
    #[serde(default)]
    pub pooling: Pooling,
    /// What an encoder wants to see before a text.
    #[serde(default)]
    pub prefixes: Prefixes,
    /// Other files that change what the model says, with their SHA-256: tokenizer, configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub companions: BTreeMap<String, String>,
}

impl ModelManifest {
    /// Reads the manifest of the folder `dir`.
    pub fn read(dir: &Path) -> Result<Self> {
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

    /// What can be said of a GGUF file that nobody described: its hash, and that it writes.
    pub(crate) fn of_unknown(path: &Path) -> Result<Self> {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            name: file.clone().into_owned(),
            sha256: hash_file(path)?,
            file: file.into_owned(),
            ..Self::undescribed()
        })
    }

    /// A generator of which nothing is known.
    pub(crate) fn undescribed() -> Self {
        Self {
            kind: ModelKind::Generator,
            name: String::new(),
            sha256: String::new(),
            file: String::new(),
            licence: "LicenseRef-unknown".into(),
            architecture: "unknown".into(),
            context: u32::MAX,
            parameters: 0,
            fitness: "unknown".into(),
            weights: Weights::default(),
            pooling: Pooling::default(),
            prefixes: Prefixes::default(),
            companions: BTreeMap::new(),
        }
    }

    /// Writes the manifest into the folder `dir`: aside, synchronised, then renamed.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(MANIFEST_FILE);
        self.check_names(&path)?;
        let text = toml::to_string(self).map_err(|error| InferenceError::Manifest {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        write_aside(dir, &path, text.as_bytes())
            .map_err(|source| InferenceError::File { path, source })
    }

    /// Hashes the weights and the companions in `dir` and compares them with the manifest. Call
    /// it before any of the bytes are parsed.
    pub fn verify(&self, dir: &Path) -> Result<()> {
        self.open_verified(dir).map(drop)
    }

    /// [`Self::verify`], and the file of the weights, rewound: the file that was hashed is the
    /// file that is read, whatever is renamed over it meanwhile.
    pub(crate) fn open_verified(&self, dir: &Path) -> Result<File> {
        for (name, expected) in &self.companions {
            open_hashed(&dir.join(name), expected)?;
        }
        open_hashed(&dir.join(&self.file), &self.sha256)
    }

    /// Files are named inside the folder, so that a manifest cannot point elsewhere.
    fn check_names(&self, path: &Path) -> Result<()> {
        let names = std::iter::once(&self.file).chain(self.companions.keys());
        for name in names {
            let plain = Path::new(name)
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_)));
            if !plain || name.is_empty() {
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
    let mut file = open(path)?;
    hash(&mut file).map_err(|source| file_error(path, source))
}

fn open_hashed(path: &Path, expected: &str) -> Result<File> {
    let mut file = open(path)?;
    let found = hash(&mut file).map_err(|source| file_error(path, source))?;
    if !found.eq_ignore_ascii_case(expected) {
        return Err(InferenceError::WrongHash {
            path: path.to_owned(),
            expected: expected.to_owned(),
            found,
        });
    }
    file.rewind().map_err(|source| file_error(path, source))?;
    Ok(file)
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            InferenceError::ModelMissing(path.to_owned())
        } else {
            file_error(path, source)
        }
    })
}

fn file_error(path: &Path, source: std::io::Error) -> InferenceError {
    InferenceError::File {
        path: PathBuf::from(path),
        source,
    }
}

fn hash(file: &mut File) -> std::io::Result<String> {
    let mut digest = Sha256::new();
    let mut piece = vec![0_u8; 1 << 20];
    loop {
        let length = file.read(&mut piece)?;
        match piece.get(..length) {
            Some(read) if length > 0 => digest.update(read),
            _ => return Ok(hex::encode(digest.finalize())),
        }
    }
}

fn write_aside(dir: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let aside = dir.join(format!("{MANIFEST_FILE}.new"));
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    File::open(dir)?.sync_all()
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
            weights: Weights::Int8,
            pooling: Pooling::First,
            prefixes: Prefixes {
                question: "query: ".into(),
                passage: String::new(),
            },
            companions: BTreeMap::new(),
        }
    }

    #[test]
    fn a_manifest_survives_being_written_and_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut written = manifest("weights.bin", &"0".repeat(64));
        written
            .companions
            .insert("tokenizer.json".into(), "1".repeat(64));
        written.write(dir.path()).unwrap();
        assert_eq!(ModelManifest::read(dir.path()).unwrap(), written);
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
        let error = ModelManifest::read(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.to_string().contains("make models"), "{error}");
    }

    #[test]
    fn a_manifest_cannot_point_outside_its_folder() {
        for name in ["../secret", "/etc/passwd", ""] {
            let dir = tempfile::tempdir().unwrap();
            let error = manifest(name, "").write(dir.path()).unwrap_err();
            assert!(matches!(error, InferenceError::Manifest { .. }), "{name}");
        }
    }
}
