//! A folder as Hugging Face writes it (`config.json`, `tokenizer.json`, safetensors), read as the
//! GGUF file that llama.cpp's conversion would make of it.
//!
//! What the folder says and this module does not know is refused by name: a tensor or a setting
//! that is passed over would change what the model says.

mod config;
mod words;

use crate::error::{InferenceError, Result};
use crate::shards::Shards;
use candle_core::quantized::gguf_file::Value;
use config::Config;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// What stands in a GGUF file for a tensor of the folder.
enum Origin {
    /// A tensor of the folder, by its name there.
    Stored(String, Change),
    /// Values that the settings state.
    Stated(Vec<f32>),
}

/// What llama.cpp's conversion does to the values of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    None,
    /// Gemma's gains are stored less one.
    PlusOne,
    /// In each of so many heads, rows that turn together become neighbours.
    Neighbours(usize),
}

/// An opened folder.
pub(super) struct Checkpoint {
    shards: Shards,
    tensors: BTreeMap<String, Origin>,
    pub metadata: HashMap<String, Value>,
}

impl Checkpoint {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let config: Config = json(&folder.join("config.json"))?;
        let unsupported = |reason| InferenceError::Unsupported {
            path: folder.join("config.json"),
            reason,
        };
        let architecture = config.architecture().map_err(unsupported)?;
        let shards = Shards::open(folder)?;
        let mut tensors = BTreeMap::new();
        for name in shards.names() {
            let (stands_for, change) =
                config
                    .place(name)
                    .ok_or_else(|| InferenceError::Unsupported {
                        path: folder.to_owned(),
                        reason: format!("it has a tensor `{name}`, which is not known here"),
                    })?;
            tensors.insert(stands_for, Origin::Stored(name.to_owned(), change));
        }
        for (name, values) in config.factors().map_err(unsupported)? {
            tensors.insert(name, Origin::Stated(values));
        }
        let mut metadata = config.metadata().map_err(unsupported)?;
        metadata.insert(
            "general.architecture".into(),
            Value::String(architecture.into()),
        );
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        let name = name.to_string_lossy().into_owned();
        metadata.insert("general.name".into(), Value::String(name));
        let words = shards.dims("model.embed_tokens.weight");
        let words = words.and_then(|dims| dims.first()).copied();
        words::add(folder, words.unwrap_or(0), &mut metadata)?;
        Ok(Self {
            shards,
            tensors,
            metadata,
        })
    }

    /// The names that its tensors have in GGUF.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor as floats, with its shape.
    pub(super) fn values(&self, name: &str) -> Result<(Vec<f32>, Vec<usize>)> {
        match self.tensors.get(name) {
            Some(Origin::Stored(stored, change)) => {
                let (values, dims) = self.shards.values(stored)?;
                Ok((change.made(values, &dims), dims))
            }
            Some(Origin::Stated(values)) => Ok((values.clone(), vec![values.len()])),
            None => Err(InferenceError::Compute(format!(
                "there is no tensor `{name}`"
            ))),
        }
    }
}

impl Change {
    fn made(self, mut values: Vec<f32>, dims: &[usize]) -> Vec<f32> {
        match self {
            Self::None => values,
            Self::PlusOne => {
                for value in &mut values {
                    *value += 1.0;
                }
                values
            }
            Self::Neighbours(heads) => {
                let rows = dims.first().copied().unwrap_or(0);
                let half = rows / heads.max(1) / 2;
                if half == 0 {
                    return values;
                }
                let width = values.len() / rows;
                let row = |index: usize| values.get(index * width..(index + 1) * width);
                // Row 2i of a head is its row i, and row 2i + 1 is row i of its second half.
                let order = (0..rows).map(|at| {
                    let (head, inside) = (at / (2 * half), at % (2 * half));
                    head * 2 * half + inside / 2 + inside % 2 * half
                });
                order.filter_map(row).flatten().copied().collect()
            }
        }
    }
}

/// Reads a file of settings.
fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = read(path)?;
    serde_json::from_slice(&text).map_err(|error| damaged(path, &error))
}

/// Reads a file that a model's folder must hold.
fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| InferenceError::File {
        path: path.to_owned(),
        source,
    })
}

fn damaged(path: &Path, reason: &dyn std::fmt::Display) -> InferenceError {
    InferenceError::Damaged {
        path: PathBuf::from(path),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_turn_together_become_neighbours() {
        let rows: Vec<f32> = (0..8).flat_map(|row| [row as f32, 10.0]).collect();
        let made = Change::Neighbours(2).made(rows, &[8, 2]);
        let firsts: Vec<f32> = made.iter().step_by(2).copied().collect();
        assert_eq!(firsts, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }
}
