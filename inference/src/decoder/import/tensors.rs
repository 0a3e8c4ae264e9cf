//! Reads the tensors of a GGUF file. Several threads can read at once.

use super::metadata::Metadata;
use super::raw_header::unsupported_reason;
use crate::decoder::model::Linear;
use crate::error::{InferenceError, Result};
use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, TensorInfo};
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use cloister_kernels::float;
use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The tensors of an open GGUF file.
pub(in crate::decoder) struct GgufTensors<'a> {
    content: &'a Content,
    file: &'a File,
    pub metadata: Metadata<'a>,
    precision: Precision,
}

/// The number format of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// The file's format if a kernel supports it, otherwise eight bits, with activations in eight bits.
    Int8,
    /// Floats of 32 bits throughout: slow and large, as a reference.
    F32,
}

/// A matrix as stored, or requantised.
struct StoredMatrix {
    bytes: Vec<u8>,
    format: GgmlDType,
    outputs: usize,
    inputs: usize,
}

impl StoredMatrix {
    fn to_linear(&self, gpu: Option<&Device>) -> Result<Linear> {
        Linear::new(&self.bytes, self.format, (self.outputs, self.inputs), gpu)
    }
}

impl<'a> GgufTensors<'a> {
    /// The tensors of a file whose header was read. Their locations are checked.
    pub(in crate::decoder) fn new(
        content: &'a Content,
        file: &'a File,
        path: &'a Path,
        precision: Precision,
    ) -> Result<Self> {
        let metadata = Metadata {
            values: &content.metadata,
            path,
        };
        let tensors = Self {
            content,
            file,
            metadata,
            precision,
        };
        tensors.check_locations()?;
        Ok(tensors)
    }

    pub(in crate::decoder) fn contains(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    pub(in crate::decoder) fn infos(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        let infos = self.content.tensor_infos.iter();
        infos.map(|(name, info)| (name.as_str(), info))
    }

    /// Refuses a file whose tensors overlap, end after the file, or are so large that counting their
    /// elements overflows, before anything is read or allocated for them.
    fn check_locations(&self) -> Result<()> {
        let file_size = self.file_size();
        let mut locations = Vec::with_capacity(self.count());
        for (name, info) in &self.content.tensor_infos {
            match self.location(info) {
                Some((start, end)) if end <= file_size => locations.push((start, end, name)),
                _ => return Err(self.ends_after_file(name)),
            }
        }
        locations.sort_unstable();
        for pair in locations.windows(2) {
            if let [(_, end, name), (start, _, other)] = pair
                && start < end
            {
                let reason = format!("`{name}` and `{other}` overlap each other");
                return Err(self.metadata.damaged(reason));
            }
        }
        Ok(())
    }

    /// Where a tensor starts and ends, in bytes; `None` if that overflows.
    fn location(&self, info: &TensorInfo) -> Option<(u64, u64)> {
        let mut count = 1_usize;
        for n in info.shape.dims() {
            count = count.checked_mul(*n)?;
        }
        let blocks = count.div_ceil(info.ggml_dtype.block_size()) as u64;
        let bytes = blocks.checked_mul(info.ggml_dtype.type_size() as u64)?;
        let start = self.content.tensor_data_offset.checked_add(info.offset)?;
        Some((start, start.checked_add(bytes)?))
    }

    fn file_size(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    fn ends_after_file(&self, name: &str) -> InferenceError {
        self.metadata
            .damaged(format!("`{name}` ends after the file"))
    }

    pub(in crate::decoder) fn count(&self) -> usize {
        self.content.tensor_infos.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.content.tensor_infos.keys().map(String::as_str)
    }

    /// The number of values of all tensors.
    pub(in crate::decoder) fn parameters(&self) -> u64 {
        let sizes = self.content.tensor_infos.values();
        sizes.map(|info| info.shape.elem_count() as u64).sum()
    }

    /// A tensor of exactly `length` values, as floats.
    pub(super) fn floats(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        let (values, _, _) = self.values(name)?;
        if values.len() == length {
            Ok(values)
        } else {
            let found = values.len();
            Err(self
                .metadata
                .damaged(format!("`{name}` has {found} values, not {length}")))
        }
    }

    /// A tensor as floats, with its stored format and its shape.
    pub(super) fn values(&self, name: &str) -> Result<(Vec<f32>, GgmlDType, Vec<usize>)> {
        let (bytes, format, dims) = self.read_bytes(name)?;
        Ok((dequantize(bytes, format, dims.clone())?, format, dims))
    }

    /// A matrix with `inputs` columns, on the GPU if one is given.
    pub(super) fn linear(&self, name: &str, inputs: usize, gpu: Option<&Device>) -> Result<Linear> {
        self.read_matrix(name, inputs)?.to_linear(gpu)
    }

    /// Matrices with the same input, as one matrix if their formats are equal.
    pub(super) fn fused_linear(
        &self,
        names: &[String],
        inputs: usize,
        gpu: Option<&Device>,
    ) -> Result<Vec<Linear>> {
        let parts = names
            .iter()
            .map(|name| self.read_matrix(name, inputs))
            .collect::<Result<Vec<_>>>()?;
        let format = parts.first().map_or(GgmlDType::Q8_0, |part| part.format);
        if parts.iter().any(|part| part.format != format) {
            return parts.iter().map(|part| part.to_linear(gpu)).collect();
        }
        let outputs = parts.iter().map(|part| part.outputs).sum();
        let bytes: Vec<u8> = parts.into_iter().flat_map(|part| part.bytes).collect();
        Ok(vec![Linear::new(&bytes, format, (outputs, inputs), gpu)?])
    }

    /// A matrix in a format that can be multiplied. In [`Precision::Int8`] a format without a kernel is
    /// converted to `Q8_0`, which loses next to nothing of formats with fewer bits.
    fn read_matrix(&self, name: &str, inputs: usize) -> Result<StoredMatrix> {
        let (bytes, format, dims) = self.read_bytes(name)?;
        let [outputs, columns] = *dims.as_slice() else {
            return Err(self.metadata.damaged(format!("`{name}` is not a matrix")));
        };
        if columns != inputs {
            return Err(self
                .metadata
                .damaged(format!("`{name}` has {columns} columns, not {inputs}")));
        }
        let (bytes, format) = match self.precision {
            Precision::Int8 if Linear::has_kernel(format, inputs) => (bytes, format),
            Precision::Int8 if inputs.is_multiple_of(32) => {
                let values = dequantize(bytes, format, dims)?;
                let mut bytes = vec![0; values.len() / 32 * 34];
                float::quantize_q8_0(&values, &mut bytes);
                (bytes, GgmlDType::Q8_0)
            }
            Precision::Int8 | Precision::F32 => {
                let values = dequantize(bytes, format, dims)?;
                let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
                (bytes, GgmlDType::F32)
            }
        };
        Ok(StoredMatrix {
            bytes,
            format,
            outputs,
            inputs,
        })
    }

    /// The bytes of a tensor, its format and its shape.
    fn read_bytes(&self, name: &str) -> Result<(Vec<u8>, GgmlDType, Vec<usize>)> {
        let info = self
            .content
            .tensor_infos
            .get(name)
            .ok_or_else(|| self.metadata.damaged(format!("it has no tensor `{name}`")))?;
        let format = info.ggml_dtype;
        let count = info.shape.elem_count();
        let columns = info.shape.dims().last();
        if columns.is_none_or(|n| !n.is_multiple_of(format.block_size())) {
            return Err(self
                .metadata
                .damaged(format!("`{name}` ends inside a block")));
        }
        let length = (count / format.block_size()).saturating_mul(format.type_size());
        let offset = self.content.tensor_data_offset.saturating_add(info.offset);
        if offset.saturating_add(length as u64) > self.file_size() {
            return Err(self.ends_after_file(name));
        }
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|source| InferenceError::file(self.metadata.path, source))?;
        Ok((bytes, format, info.shape.dims().to_vec()))
    }
}

fn dequantize(bytes: Vec<u8>, format: GgmlDType, dims: Vec<usize>) -> Result<Vec<f32>> {
    let storage = QStorage::from_data(Cow::Owned(bytes), &Device::Cpu, format)?;
    let tensor = QTensor::new(storage, dims)?.dequantize(&Device::Cpu)?;
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// Opens a GGUF file.
pub(in crate::decoder) fn open_gguf(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| InferenceError::file(path, source))
}

/// Reads the header of a GGUF file. The counts in it are bounded by the file's length. Candle divides by
/// the alignment that the file states, which may be 0, so a panic is an error of the file. A piece of a split
/// model and formats without a kernel are refused by name.
pub(in crate::decoder) fn read_header(file: &File, path: &Path) -> Result<Content> {
    if let Some(reason) = unsupported_reason(file) {
        let path = path.to_owned();
        return Err(InferenceError::Unsupported { path, reason });
    }
    let read = std::panic::catch_unwind(|| Content::read(&mut BufReader::new(file)));
    let reason = match read {
        Ok(Ok(content)) => return Ok(content),
        Ok(Err(error)) => error.to_string(),
        Err(_panic) => "its header is not valid".into(),
    };
    Err(InferenceError::Damaged {
        path: path.to_owned(),
        reason,
    })
}
