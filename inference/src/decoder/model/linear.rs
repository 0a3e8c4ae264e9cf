//! A quantised weight matrix and its products.
//!
//! A format that the kernels support stays as it is in the file, packed into panels. The activations
//! are quantised to eight bits, and a row's product has the same bits alone and in a batch. Other
//! formats, and matrices on a GPU, run on candle's kernels.

use crate::error::{InferenceError, Result};
use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};
use cloister_kernels::{
    ActivationsQ8, BlockFormat, OutputColumns, PackedWeights, ThreadPool, float,
};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::sync::Arc;

/// Tasks per thread of a product, so that one delayed thread does not delay the others.
const TASKS_PER_THREAD: usize = 4;

/// `y = x · Wᵀ` for a quantised `W` of shape `[outputs, inputs]`.
#[derive(Clone)]
pub(in crate::decoder) struct Linear {
    storage: LinearStorage,
    outputs: usize,
    inputs: usize,
}

#[derive(Clone)]
enum LinearStorage {
    Packed(Arc<PackedWeights>),
    Candle {
        weight: Arc<QTensor>,
        product: QMatMul,
        device: Device,
    },
}

/// The rows that a matrix is multiplied with.
pub(super) struct Input<'a> {
    rows: &'a [f32],
    width: usize,
    /// The same rows, quantised.
    quantized: &'a ActivationsQ8,
}

impl<'a> Input<'a> {
    pub(super) fn new(rows: &'a [f32], width: usize, quantized: &'a ActivationsQ8) -> Self {
        Self {
            rows,
            width,
            quantized,
        }
    }
}

/// The kernels' format, if they support it for rows of this length.
fn kernel_format(format: GgmlDType, inputs: usize) -> Option<BlockFormat> {
    let format = match format {
        GgmlDType::Q8_0 => BlockFormat::Q8_0,
        GgmlDType::Q4_0 => BlockFormat::Q4_0,
        GgmlDType::Q4_1 => BlockFormat::Q4_1,
        GgmlDType::Q4K => BlockFormat::Q4K,
        GgmlDType::Q6K => BlockFormat::Q6K,
        GgmlDType::F32
        | GgmlDType::F16
        | GgmlDType::BF16
        | GgmlDType::Q5_0
        | GgmlDType::Q5_1
        | GgmlDType::Q8_1
        | GgmlDType::Q2K
        | GgmlDType::Q3K
        | GgmlDType::Q5K
        | GgmlDType::Q8K => return None,
    };
    inputs
        .is_multiple_of(format.stored_block_inputs())
        .then_some(format)
}

impl Linear {
    /// A matrix from the bytes of a GGUF tensor. Its products run on the GPU if one is given.
    pub(in crate::decoder) fn new(
        bytes: &[u8],
        format: GgmlDType,
        (outputs, inputs): (usize, usize),
        gpu: Option<&Device>,
    ) -> Result<Self> {
        let storage = match (kernel_format(format, inputs), gpu) {
            (Some(format), None) => {
                let packed = PackedWeights::from_gguf(format, bytes, outputs, inputs);
                LinearStorage::Packed(Arc::new(packed))
            }
            (_, gpu) => {
                let device = gpu.unwrap_or(&Device::Cpu);
                LinearStorage::on_candle(bytes, format, (outputs, inputs), device)?
            }
        };
        Ok(Self {
            storage,
            outputs,
            inputs,
        })
    }

    /// Whether the kernels support this format for rows of this length.
    pub(in crate::decoder) fn has_kernel(format: GgmlDType, inputs: usize) -> bool {
        kernel_format(format, inputs).is_some()
    }

    pub(in crate::decoder) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The product on the matrix's GPU: `[rows, inputs]` to `[rows, outputs]`.
    pub(in crate::decoder) fn forward_on_gpu(&self, rows: &Tensor) -> Result<Tensor> {
        match &self.storage {
            LinearStorage::Candle { product, .. } => Ok(product.forward(rows)?),
            LinearStorage::Packed(_) => {
                let reason = "a matrix of the CPU was used for a product on the GPU";
                Err(InferenceError::Compute(reason.into()))
            }
        }
    }

    /// The rows of the matrix with these indices, as floats: `[ids, inputs]`. The matrix must be on
    /// the CPU.
    pub(super) fn rows(&self, ids: &[u32], pool: &ThreadPool) -> Result<Vec<f32>> {
        match &self.storage {
            LinearStorage::Packed(weights) => {
                let mut rows = vec![0.0; ids.len() * self.inputs];
                let targets = rows.chunks_exact_mut(self.inputs).zip(ids);
                let targets: Vec<_> = targets.map(Mutex::new).collect();
                pool.run(targets.len(), &|index| {
                    let mut target = targets[index].lock();
                    let id = *target.1 as usize;
                    weights.dequantize_row(id, target.0);
                });
                drop(targets);
                Ok(rows)
            }
            LinearStorage::Candle { weight, .. } => {
                let ids = Tensor::from_slice(ids, ids.len(), &Device::Cpu)?;
                let rows = QMatMul::from_arc(Arc::clone(weight))?.embedding(&ids)?;
                Ok(rows.flatten_all()?.to_vec1()?)
            }
        }
    }
}

impl LinearStorage {
    fn on_candle(
        bytes: &[u8],
        format: GgmlDType,
        shape: (usize, usize),
        device: &Device,
    ) -> Result<Self> {
        let storage = QStorage::from_data(Cow::Borrowed(bytes), device, format)?;
        let weight = Arc::new(QTensor::new(storage, shape)?);
        Ok(Self::Candle {
            product: QMatMul::from_arc(Arc::clone(&weight))?,
            weight,
            device: device.clone(),
        })
    }
}

/// Adds the outputs of several matrices over the same input to `out`, side by side in each row.
pub(super) fn add_products(
    parts: &[Linear],
    input: &Input<'_>,
    out: &mut [f32],
    pool: &ThreadPool,
) -> Result<()> {
    let width: usize = parts.iter().map(Linear::outputs).sum();
    let count = input.rows.len() / input.width;
    assert!(out.len() == count * width && parts.iter().all(|part| part.inputs == input.width));
    let mut packed = Vec::with_capacity(parts.len());
    let mut first_column = 0;
    for part in parts {
        match &part.storage {
            LinearStorage::Packed(weights) => packed.push((weights.as_ref(), first_column)),
            LinearStorage::Candle {
                product, device, ..
            } => {
                let rows = Tensor::from_slice(input.rows, (count, part.inputs), device)?;
                let product: Vec<f32> = product.forward(&rows)?.flatten_all()?.to_vec1()?;
                let rows = out.chunks_exact_mut(width);
                for (row, terms) in rows.zip(product.chunks_exact(part.outputs)) {
                    let columns = first_column..first_column + part.outputs;
                    float::add(&mut row[columns], terms);
                }
            }
        }
        first_column += part.outputs;
    }
    add_packed_products(&packed, input.quantized, width, out, pool);
    Ok(())
}

/// The products of packed matrices, each from its column on, on all threads.
fn add_packed_products(
    parts: &[(&PackedWeights, usize)],
    input: &ActivationsQ8,
    width: usize,
    out: &mut [f32],
    pool: &ThreadPool,
) {
    let max_tasks = pool.threads() * TASKS_PER_THREAD;
    let panels: usize = parts.iter().map(|(weights, _)| weights.panels()).sum();
    let step = panels.div_ceil(max_tasks).max(1);
    let target = OutputColumns::new(out, width);
    let mut tasks = Vec::with_capacity(max_tasks + parts.len());
    for (weights, first_column) in parts {
        for start in (0..weights.panels()).step_by(step) {
            let panels = start..weights.panels().min(start + step);
            tasks.push((*weights, panels, target.starting_at(*first_column)));
        }
    }
    pool.run(tasks.len(), &|index| {
        let (weights, panels, target) = &tasks[index];
        #[expect(unsafe_code, reason = "threads write disjoint columns")]
        // SAFETY: `add_products` checked that `out` has a row of `width` for each input row. Every task
        // has its own columns inside it, and `run` returns before the borrow ends.
        unsafe {
            weights.add_panels(input, panels.clone(), target);
        }
    });
}
