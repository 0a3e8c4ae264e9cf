//! Reading tensors out of a GGUF file, each thread its own.

use super::linear::Linear;
use super::metadata::Metadata;
use crate::error::{InferenceError, Result};
use crate::kernels;
use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, TensorInfo};
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// An open GGUF file.
pub(super) struct Tensors<'a> {
    content: &'a Content,
    file: &'a File,
    pub head: Metadata<'a>,
    arithmetic: Arithmetic,
}

/// What products are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// The formats of the file, where a kernel knows them, and rows rounded to eight bits.
    Fast,
    /// Floats of 32 bits throughout: slow and large, what the others are compared with.
    Exact,
}

/// A matrix as stored, or re-quantised.
struct Packed {
    bytes: Vec<u8>,
    format: GgmlDType,
    outputs: usize,
    inputs: usize,
}

impl Packed {
    fn linear(&self, gpu: Option<&Device>) -> Result<Linear> {
        Linear::new(&self.bytes, self.format, (self.outputs, self.inputs), gpu)
    }
}

impl<'a> Tensors<'a> {
    /// The tensors of a file whose head was read; their places are checked.
    pub(super) fn of(
        content: &'a Content,
        file: &'a File,
        path: &'a Path,
        arithmetic: Arithmetic,
    ) -> Result<Self> {
        let head = Metadata {
            values: &content.metadata,
            path,
        };
        let tensors = Self {
            content,
            file,
            head,
            arithmetic,
        };
        tensors.check()?;
        Ok(tensors)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    pub(super) fn infos(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        let infos = self.content.tensor_infos.iter();
        infos.map(|(name, info)| (name.as_str(), info))
    }

    /// Refuses a file whose tensors lie over each other, behind its end, or are so large that
    /// counting their elements overflows: before anything is read or set aside for them.
    fn check(&self) -> Result<()> {
        let there = self.file.metadata().map_or(0, |metadata| metadata.len());
        let mut places = Vec::with_capacity(self.count());
        for (name, info) in &self.content.tensor_infos {
            let dims = info.shape.dims().iter();
            let count = dims
                .into_iter()
                .try_fold(1_usize, |count, n| count.checked_mul(*n));
            let blocks = count.map(|count| count.div_ceil(info.ggml_dtype.block_size()) as u64);
            let bytes = blocks.and_then(|n| n.checked_mul(info.ggml_dtype.type_size() as u64));
            let start = self.content.tensor_data_offset.checked_add(info.offset);
            let end = start
                .zip(bytes)
                .and_then(|(start, bytes)| start.checked_add(bytes));
            match (start, end) {
                (Some(start), Some(end)) if end <= there => places.push((start, end, name)),
                _ => return Err(self.head.damaged(format!("`{name}` ends after the file"))),
            }
        }
        places.sort_unstable();
        for pair in places.windows(2) {
            if let [(_, end, name), (start, _, other)] = pair
                && start < end
            {
                let reason = format!("`{name}` and `{other}` lie over each other");
                return Err(self.head.damaged(reason));
            }
        }
        Ok(())
    }

    pub(super) fn count(&self) -> usize {
        self.content.tensor_infos.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.content.tensor_infos.keys().map(String::as_str)
    }

    /// All parameters of the file.
    pub(super) fn parameters(&self) -> u64 {
        let sizes = self.content.tensor_infos.values();
        sizes.map(|info| info.shape.elem_count() as u64).sum()
    }

    /// A small tensor as floats, of exactly `length` values.
    pub(super) fn floats(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        let (values, _, _) = self.values(name)?;
        if values.len() == length {
            Ok(values)
        } else {
            let found = values.len();
            Err(self
                .head
                .damaged(format!("`{name}` has {found} values, not {length}")))
        }
    }

    /// A tensor as floats, with the format it is stored in and its shape.
    pub(super) fn values(&self, name: &str) -> Result<(Vec<f32>, GgmlDType, Vec<usize>)> {
        let (bytes, format, dims) = self.raw(name)?;
        Ok((dequantised(bytes, format, dims.clone())?, format, dims))
    }

    /// One matrix of `inputs` columns, on the GPU where one is given.
    pub(super) fn linear(&self, name: &str, inputs: usize, gpu: Option<&Device>) -> Result<Linear> {
        self.packed(name, inputs)?.linear(gpu)
    }

    /// Matrices that share their input, as one where their formats agree, otherwise one by one.
    pub(super) fn fused(
        &self,
        names: &[String],
        inputs: usize,
        gpu: Option<&Device>,
    ) -> Result<Vec<Linear>> {
        let parts = names
            .iter()
            .map(|name| self.packed(name, inputs))
            .collect::<Result<Vec<_>>>()?;
        let alike = parts
            .iter()
            .all(|part| Some(part.format) == parts.first().map(|p| p.format));
        if !alike {
            return parts.iter().map(|part| part.linear(gpu)).collect();
        }
        let outputs = parts.iter().map(|part| part.outputs).sum();
        let format = parts.first().map_or(GgmlDType::Q8_0, |part| part.format);
        let bytes: Vec<u8> = parts.into_iter().flat_map(|part| part.bytes).collect();
        Ok(vec![Linear::new(&bytes, format, (outputs, inputs), gpu)?])
    }

    /// A format without a kernel becomes `Q8_0`: two to five bits lose nothing that counts, and
    /// half floats what eight bits with a scale for each 32 lose.
    fn packed(&self, name: &str, inputs: usize) -> Result<Packed> {
        let (bytes, format, dims) = self.raw(name)?;
        let [outputs, columns] = *dims.as_slice() else {
            return Err(self.head.damaged(format!("`{name}` is not a matrix")));
        };
        if columns != inputs {
            return Err(self
                .head
                .damaged(format!("`{name}` has {columns} columns, not {inputs}")));
        }
        let packed = |bytes, format| Packed {
            bytes,
            format,
            outputs,
            inputs,
        };
        let kept = Linear::has_kernel(format, inputs);
        match self.arithmetic {
            Arithmetic::Fast if kept => Ok(packed(bytes, format)),
            Arithmetic::Fast if inputs.is_multiple_of(32) => {
                let values = dequantised(bytes, format, dims)?;
                let mut bytes = vec![0; values.len() / 32 * 34];
                kernels::quantise_q8_0(&values, &mut bytes);
                Ok(packed(bytes, GgmlDType::Q8_0))
            }
            Arithmetic::Fast | Arithmetic::Exact => {
                let values = dequantised(bytes, format, dims)?;
                let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
                Ok(packed(bytes, GgmlDType::F32))
            }
        }
    }

    /// The bytes of a tensor, its format and its shape.
    fn raw(&self, name: &str) -> Result<(Vec<u8>, GgmlDType, Vec<usize>)> {
        let info = self
            .content
            .tensor_infos
            .get(name)
            .ok_or_else(|| self.head.damaged(format!("it has no tensor `{name}`")))?;
        let format = info.ggml_dtype;
        let count = info.shape.elem_count();
        let whole = info
            .shape
            .dims()
            .last()
            .is_some_and(|n| n.is_multiple_of(format.block_size()));
        if !whole {
            return Err(self.head.damaged(format!("`{name}` ends inside a block")));
        }
        let length = (count / format.block_size()).saturating_mul(format.type_size());
        let offset = self.content.tensor_data_offset.saturating_add(info.offset);
        let there = self.file.metadata().map_or(0, |metadata| metadata.len());
        if offset.saturating_add(length as u64) > there {
            return Err(self.head.damaged(format!("`{name}` ends after the file")));
        }
        let mut bytes = vec![0; length];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|source| InferenceError::File {
                path: self.head.path.to_owned(),
                source,
            })?;
        Ok((bytes, format, info.shape.dims().to_vec()))
    }
}

fn dequantised(bytes: Vec<u8>, format: GgmlDType, dims: Vec<usize>) -> Result<Vec<f32>> {
    let storage = QStorage::from_data(Cow::Owned(bytes), &Device::Cpu, format)?;
    let tensor = QTensor::new(storage, dims)?.dequantize(&Device::Cpu)?;
    Ok(tensor.flatten_all()?.to_vec1()?)
}
