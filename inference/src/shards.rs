//! The safetensors files of a folder (<https://github.com/huggingface/safetensors#format>).

use crate::error::{InferenceError, Result};
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::Metadata;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// No head of a real model is longer, in bytes.
const MOST_HEAD: u64 = 64 << 20;

/// Where a tensor lies.
struct Place {
    shard: usize,
    /// Bytes from the beginning of its file.
    start: u64,
    length: usize,
    format: DType,
    dims: Vec<usize>,
}

/// The files, opened, and the places of their tensors.
pub(crate) struct Shards {
    files: Vec<(PathBuf, File)>,
    places: BTreeMap<String, Place>,
}

impl Shards {
    /// Opens every safetensors file in the folder.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let error = |source| InferenceError::File {
            path: folder.to_owned(),
            source,
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(error)? {
            let path = entry.map_err(error)?.path();
            if path.extension().is_some_and(|kind| kind == "safetensors") {
                paths.push(path);
            }
        }
        paths.sort();
        if paths.is_empty() {
            return Err(damaged(folder, &"it holds no safetensors file"));
        }
        let mut shards = Self {
            files: Vec::new(),
            places: BTreeMap::new(),
        };
        for path in paths {
            shards.add(path)?;
        }
        Ok(shards)
    }

    fn add(&mut self, path: PathBuf) -> Result<()> {
        let file_error = |source| InferenceError::File {
            path: path.clone(),
            source,
        };
        let file = File::open(&path).map_err(file_error)?;
        let there = file.metadata().map_err(file_error)?.len();
        let mut length = [0; 8];
        file.read_exact_at(&mut length, 0).map_err(file_error)?;
        let length = u64::from_le_bytes(length);
        if length > MOST_HEAD.min(there) {
            return Err(damaged(&path, &"its head is longer than the file"));
        }
        let mut head = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut head, 8).map_err(file_error)?;
        let head: Metadata =
            serde_json::from_slice(&head).map_err(|error| damaged(&path, &error))?;
        if 8 + length + head.data_len() as u64 > there {
            return Err(damaged(&path, &"its tensors end after the file"));
        }
        for (name, info) in head.tensors() {
            let format = DType::try_from(info.dtype).ok();
            let floats = [DType::F32, DType::F16, DType::BF16];
            let Some(format) = format.filter(|format| floats.contains(format)) else {
                let reason = format!(
                    "`{name}` is stored as {:?}, and floats are wanted",
                    info.dtype
                );
                return Err(InferenceError::Unsupported { path, reason });
            };
            let (start, end) = info.data_offsets;
            let place = Place {
                shard: self.files.len(),
                start: 8 + length + start as u64,
                length: end - start,
                format,
                dims: info.shape.clone(),
            };
            if self.places.insert(name.clone(), place).is_some() {
                return Err(damaged(&path, &format!("`{name}` is in two files")));
            }
        }
        self.files.push((path, file));
        Ok(())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The shape of a tensor.
    pub(crate) fn dims(&self, name: &str) -> Option<&[usize]> {
        Some(&self.places.get(name)?.dims)
    }

    /// All values of all tensors.
    pub(crate) fn parameters(&self) -> u64 {
        let counts = self
            .places
            .values()
            .map(|place| place.dims.iter().product::<usize>());
        counts.map(|count| count as u64).sum()
    }

    /// A tensor as floats, with its shape.
    pub(crate) fn values(&self, name: &str) -> Result<(Vec<f32>, Vec<usize>)> {
        let place = self.places.get(name);
        let found = place.and_then(|place| Some((place, self.files.get(place.shard)?)));
        let Some((place, (path, file))) = found else {
            return Err(InferenceError::Compute(format!(
                "there is no tensor `{name}`"
            )));
        };
        let mut bytes = vec![0; place.length];
        file.read_exact_at(&mut bytes, place.start)
            .map_err(|source| InferenceError::File {
                path: path.clone(),
                source,
            })?;
        let tensor = Tensor::from_raw_buffer(&bytes, place.format, &place.dims, &Device::Cpu)?;
        let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        Ok((values, place.dims.clone()))
    }
}

fn damaged(path: &Path, reason: &dyn std::fmt::Display) -> InferenceError {
    InferenceError::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
