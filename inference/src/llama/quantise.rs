//! Makes a smaller file of a model in floats.

use super::{Tensors, open, read_head};
use crate::error::{InferenceError, Result};
use crate::llama::Arithmetic;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use std::fs::File;
use std::path::Path;

/// The format of most matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantFormat {
    /// Eight bits: half the size of half floats, and hardly to be told from them.
    Q8_0,
    /// Four bits and a half; embeddings and scores in six.
    Q4K,
}

impl QuantFormat {
    /// The format of a matrix, by its name and the length of its rows.
    fn of(self, name: &str, inputs: usize) -> GgmlDType {
        let whole = inputs.is_multiple_of(256);
        let outside = name.starts_with("token_embd") || name.starts_with("output");
        match self {
            Self::Q4K if whole && outside => GgmlDType::Q6K,
            Self::Q4K if whole => GgmlDType::Q4K,
            Self::Q8_0 | Self::Q4K if inputs.is_multiple_of(32) => GgmlDType::Q8_0,
            Self::Q8_0 | Self::Q4K => GgmlDType::F16,
        }
    }
}

/// Reads a GGUF file in floats and writes it at `target` in this format. Vectors stay as they
/// are. A file that is quantised already is refused: it would lose twice.
pub fn quantise(source: &Path, target: &Path, format: QuantFormat) -> Result<()> {
    let file = open(source)?;
    let content = read_head(&file, source)?;
    let tensors = Tensors::of(&content, &file, source, Arithmetic::Exact)?;
    let mut made = Vec::with_capacity(tensors.count());
    for name in tensors.names() {
        made.push((name, quantised(&tensors, name, format)?));
    }
    made.sort_by_key(|(name, _)| *name);
    let file_error = |error| InferenceError::File {
        path: target.to_owned(),
        source: error,
    };
    let kept = content.metadata.iter();
    let kept = kept.filter(|(key, _)| *key != "general.file_type" && *key != "general.alignment");
    let metadata: Vec<(&str, &Value)> = kept.map(|(key, value)| (key.as_str(), value)).collect();
    let made: Vec<(&str, &QTensor)> = made.iter().map(|(name, tensor)| (*name, tensor)).collect();
    let mut file = File::create_new(target).map_err(file_error)?;
    gguf_file::write(&mut file, &metadata, &made)?;
    file.sync_all().map_err(file_error)
}

fn quantised(tensors: &Tensors<'_>, name: &str, format: QuantFormat) -> Result<QTensor> {
    let (values, found, dims) = tensors.values(name)?;
    let target = match *dims.as_slice() {
        _ if !matches!(found, GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16) => {
            let reason = format!("`{name}` is quantised already ({found:?})");
            return Err(tensors.head.unsupported(reason));
        }
        [_, inputs] => format.of(name, inputs),
        _ => found,
    };
    let tensor = Tensor::from_vec(values, dims, &Device::Cpu)?;
    Ok(QTensor::quantize(&tensor, target)?)
}
