//! Reads a Hugging Face folder (`config.json`, `tokenizer.json`, safetensors) as the GGUF file that
//! llama.cpp's conversion would write.
//!
//! A tensor or a setting that this module does not support is refused by name: ignoring it would change
//! the model's output.

mod config;
mod tokenizer;

use crate::error::{InferenceError, Result};
use crate::json_file::read_json;
use crate::safetensors_folder::SafetensorsFolder;
use candle_core::quantized::gguf_file::Value;
use config::HfConfig;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Where the values of a GGUF tensor come from.
enum TensorSource {
    /// From the tensor of this name in the folder.
    Stored(String, Conversion),
    /// From the settings.
    Computed(Vec<f32>),
}

/// How llama.cpp's conversion changes the values of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conversion {
    None,
    /// The folder stores the weights of norms minus one.
    PlusOne,
    /// In each of this many heads, rows that are rotated together become neighbours.
    Interleave(usize),
}

/// An open folder, with the tensors and metadata of its GGUF file.
pub(super) struct Checkpoint {
    folder: SafetensorsFolder,
    tensors: BTreeMap<String, TensorSource>,
    pub metadata: HashMap<String, Value>,
}

impl Checkpoint {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let config: HfConfig = read_json(&folder.join("config.json"))?;
        let unsupported = |reason| InferenceError::Unsupported {
            path: folder.join("config.json"),
            reason,
        };
        let family = config.check_family().map_err(unsupported)?;
        let stored = SafetensorsFolder::open(folder)?;
        let mut tensors = BTreeMap::new();
        for name in stored.names() {
            let Some((gguf_name, conversion)) = config.convert_name(family, name) else {
                return Err(InferenceError::Unsupported {
                    path: folder.to_owned(),
                    reason: format!("it has a tensor `{name}`, which is not supported"),
                });
            };
            let source = TensorSource::Stored(name.to_owned(), conversion);
            tensors.insert(gguf_name, source);
        }
        for (name, values) in config.frequency_factors().map_err(unsupported)? {
            tensors.insert(name, TensorSource::Computed(values));
        }
        let mut metadata = config.metadata(family).map_err(unsupported)?;
        metadata.insert(
            "general.architecture".into(),
            Value::String(family.gguf_name.into()),
        );
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        let name = name.to_string_lossy().into_owned();
        metadata.insert("general.name".into(), Value::String(name));
        let embeddings = stored.dims("model.embed_tokens.weight");
        let vocabulary = embeddings.and_then(|dims| dims.first()).copied();
        tokenizer::add_metadata(folder, vocabulary.unwrap_or(0), &mut metadata)?;
        Ok(Self {
            folder: stored,
            tensors,
            metadata,
        })
    }

    /// The GGUF names of all tensors.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor as floats, and its shape.
    pub(super) fn values(&self, name: &str) -> Result<(Vec<f32>, Vec<usize>)> {
        match self.tensors.get(name) {
            Some(TensorSource::Stored(stored, conversion)) => {
                let (values, dims) = self.folder.values(stored)?;
                Ok((conversion.apply(values, &dims), dims))
            }
            Some(TensorSource::Computed(values)) => Ok((values.clone(), vec![values.len()])),
            None => Err(InferenceError::Compute(format!(
                "there is no tensor `{name}`"
            ))),
        }
    }
}

impl Conversion {
    fn apply(self, mut values: Vec<f32>, dims: &[usize]) -> Vec<f32> {
        match self {
            Self::None => values,
            Self::PlusOne => {
                for value in &mut values {
                    *value += 1.0;
                }
                values
            }
            Self::Interleave(heads) => {
                let rows = dims.first().copied().unwrap_or(0);
                let half = rows / heads.max(1) / 2;
                if half == 0 {
                    return values;
                }
                let width = values.len() / rows;
                let mut interleaved = Vec::with_capacity(values.len());
                for index in 0..rows {
                    // Row 2i of a head is its row i, and row 2i + 1 is row i of its second half.
                    let (head, inside) = (index / (2 * half), index % (2 * half));
                    let source = head * 2 * half + inside / 2 + inside % 2 * half;
                    let row = values.get(source * width..(source + 1) * width);
                    interleaved.extend_from_slice(row.unwrap_or_default());
                }
                interleaved
            }
        }
    }
}

/// Reads a JSON file.
/// Reads a file that the folder must have.
fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| InferenceError::file(path, source))
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
    fn rows_that_are_rotated_together_become_neighbours() {
        let rows: Vec<f32> = (0..8).flat_map(|row| [row as f32, 10.0]).collect();
        let made = Conversion::Interleave(2).apply(rows, &[8, 2]);
        let firsts: Vec<f32> = made.iter().step_by(2).copied().collect();
        assert_eq!(firsts, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }
}
