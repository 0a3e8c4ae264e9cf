//! The safetensors files of a folder (<https://github.com/huggingface/safetensors#format>).

use crate::error::{InferenceError, Result};
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::Metadata;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The longest accepted header, in bytes. Those of real models are shorter.
const MAX_HEADER: u64 = 64 << 20;

/// Where a tensor is stored.
struct TensorLocation {
    /// Index of the file.
    file: usize,
    /// Bytes from the start of the file.
    start: u64,
    length: usize,
    format: DType,
    dims: Vec<usize>,
}

/// The open files, and the locations of their tensors.
pub(crate) struct SafetensorsFolder {
    files: Vec<(PathBuf, File)>,
    tensors: BTreeMap<String, TensorLocation>,
}

impl SafetensorsFolder {
    /// Opens every safetensors file in the folder.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        for entry in
            std::fs::read_dir(folder).map_err(|source| InferenceError::file(folder, source))?
        {
            let path = entry
                .map_err(|source| InferenceError::file(folder, source))?
                .path();
            if path.extension().is_some_and(|kind| kind == "safetensors") {
                paths.push(path);
            }
        }
        paths.sort();
        if paths.is_empty() {
            return Err(damaged(folder, &"it has no safetensors file"));
        }
        let mut opened = Self {
            files: Vec::new(),
            tensors: BTreeMap::new(),
        };
        for path in paths {
            let file = File::open(&path).map_err(|source| InferenceError::file(&path, source))?;
            opened.add_file(file, path)?;
        }
        Ok(opened)
    }

    /// Reads the header of one open file. `path` is for error messages.
    pub(crate) fn from_file(file: File, path: &Path) -> Result<Self> {
        let mut opened = Self {
            files: Vec::new(),
            tensors: BTreeMap::new(),
        };
        opened.add_file(file, path.to_owned())?;
        Ok(opened)
    }

    fn add_file(&mut self, file: File, path: PathBuf) -> Result<()> {
        let (header, data_start) = read_header(&file, &path)?;
        for (name, info) in header.tensors() {
            // Old checkpoints store the numbers from 0 to the longest text.
            if name.ends_with(".position_ids") {
                continue;
            }
            let floats = [DType::F32, DType::F16, DType::BF16];
            let format = DType::try_from(info.dtype).ok();
            let Some(format) = format.filter(|format| floats.contains(format)) else {
                let reason = format!(
                    "tensor `{name}` is stored as {:?}; only floats are supported",
                    info.dtype
                );
                return Err(InferenceError::Unsupported { path, reason });
            };
            let (start, end) = info.data_offsets;
            let location = TensorLocation {
                file: self.files.len(),
                start: data_start + start as u64,
                length: end - start,
                format,
                dims: info.shape.clone(),
            };
            if self.tensors.insert(name.clone(), location).is_some() {
                return Err(damaged(&path, &format!("tensor `{name}` is in two files")));
            }
        }
        self.files.push((path, file));
        Ok(())
    }

    /// The names of all tensors, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor.
    pub(crate) fn dims(&self, name: &str) -> Option<&[usize]> {
        Some(&self.tensors.get(name)?.dims)
    }

    /// The number of values of all tensors.
    pub(crate) fn parameters(&self) -> u64 {
        let counts = self
            .tensors
            .values()
            .map(|tensor| tensor.dims.iter().product::<usize>());
        counts.map(|count| count as u64).sum()
    }

    /// A tensor as floats, and its shape.
    pub(crate) fn values(&self, name: &str) -> Result<(Vec<f32>, Vec<usize>)> {
        let (tensor, bytes) = self.read(name)?;
        let loaded = Tensor::from_raw_buffer(&bytes, tensor.format, &tensor.dims, &Device::Cpu)?;
        let values = loaded.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        Ok((values, tensor.dims.clone()))
    }

    /// The bytes of a tensor of half floats, little-endian; `None` if it has another format.
    pub(crate) fn half_float_bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let format = self.tensors.get(name).map(|tensor| tensor.format);
        if format != Some(DType::F16) {
            return Ok(None);
        }
        self.read(name).map(|(_, bytes)| Some(bytes))
    }

    fn read(&self, name: &str) -> Result<(&TensorLocation, Vec<u8>)> {
        let location = self.tensors.get(name);
        let found = location.and_then(|tensor| Some((tensor, self.files.get(tensor.file)?)));
        let Some((tensor, (path, file))) = found else {
            let reason = format!("there is no tensor `{name}`");
            return Err(InferenceError::Compute(reason));
        };
        let mut bytes = vec![0; tensor.length];
        file.read_exact_at(&mut bytes, tensor.start)
            .map_err(|source| InferenceError::file(path, source))?;
        Ok((tensor, bytes))
    }
}

/// Parses the header of a file; the last value is where its tensors start, in bytes.
fn read_header(file: &File, path: &Path) -> Result<(Metadata, u64)> {
    let size = file
        .metadata()
        .map_err(|source| InferenceError::file(path, source))?
        .len();
    let mut length = [0; 8];
    file.read_exact_at(&mut length, 0)
        .map_err(|source| InferenceError::file(path, source))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER.min(size) {
        return Err(damaged(path, &"its header is longer than the file"));
    }
    let mut header = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut header, 8)
        .map_err(|source| InferenceError::file(path, source))?;
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|error| damaged(path, &error))?;
    if 8 + length + header.data_len() as u64 > size {
        return Err(damaged(path, &"its tensors end after the file"));
    }
    Ok((header, 8 + length))
}

fn damaged(path: &Path, reason: &dyn std::fmt::Display) -> InferenceError {
    InferenceError::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
