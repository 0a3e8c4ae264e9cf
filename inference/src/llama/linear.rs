//! A quantised matrix and its ways to multiply.
//!
//! `Q8_0` runs here and never rounds its input, so a row's product is the same alone and among
//! others. The other formats run on candle's kernels, whose threads wait by spinning: fast on an
//! idle machine, slow on a busy one.
//!
//! Built with the feature `cuda`, and where a GPU is found, every product runs on it, with candle's
//! kernels; its input and output cross the bus each time.

use crate::error::Result;
use crate::kernels::{self, Columns, View};
use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

/// Weight rows that one thread unpacks at a time, so that they stay in its cache.
const PANEL: usize = 64;

/// `y = x · Wᵀ` for a quantised `W` of shape `[outputs, inputs]`.
#[derive(Clone)]
pub(super) struct Linear {
    /// On the processor.
    weight: Arc<QTensor>,
    /// On `device`.
    product: QMatMul,
    device: Device,
    outputs: usize,
    inputs: usize,
}

/// Where products run.
#[cfg(feature = "cuda")]
fn accelerator() -> Result<Device> {
    Ok(Device::cuda_if_available(0)?)
}

/// Where products run.
#[cfg(not(feature = "cuda"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "finding a GPU can fail, and its twin does"
)]
fn accelerator() -> Result<Device> {
    Ok(Device::Cpu)
}

impl Linear {
    /// Takes the bytes of a tensor as GGUF stores it.
    pub(super) fn new(
        bytes: &[u8],
        format: GgmlDType,
        outputs: usize,
        inputs: usize,
    ) -> Result<Self> {
        let device = accelerator()?;
        let on = |device: &Device| -> Result<Arc<QTensor>> {
            let storage = QStorage::from_data(Cow::Borrowed(bytes), device, format)?;
            Ok(Arc::new(QTensor::new(storage, (outputs, inputs))?))
        };
        let weight = on(&Device::Cpu)?;
        let multiplied = if device.is_cpu() {
            Arc::clone(&weight)
        } else {
            on(&device)?
        };
        Ok(Self {
            product: QMatMul::from_arc(multiplied)?,
            weight,
            device,
            outputs,
            inputs,
        })
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(super) fn forward(&self, rows: &[f32]) -> Result<Vec<f32>> {
        let count = rows.len() / self.inputs;
        if self.device.is_cpu() && self.weight.dtype() == GgmlDType::Q8_0 {
            return match count {
                1 => self.forward_one(rows),
                _ => self.forward_unpacked(rows, count),
            };
        }
        let input = Tensor::from_slice(rows, (count, self.inputs), &self.device)?;
        Ok(self.product.forward(&input)?.flatten_all()?.to_vec1()?)
    }

    /// The rows of the matrix with these numbers, as floats: `[ids, inputs]`.
    pub(super) fn rows(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let ids = Tensor::from_slice(ids, ids.len(), &Device::Cpu)?;
        let rows = QMatMul::from_arc(Arc::clone(&self.weight))?.embedding(&ids)?;
        Ok(rows.flatten_all()?.to_vec1()?)
    }

    fn forward_one(&self, row: &[f32]) -> Result<Vec<f32>> {
        let bytes = self.weight.data()?;
        let row_bytes = self.inputs / 32 * 34;
        let mut out = vec![0.0; self.outputs];
        out.par_chunks_mut(PANEL)
            .zip(bytes.par_chunks(PANEL * row_bytes))
            .with_min_len(
                self.outputs
                    .div_ceil(PANEL * 4 * rayon::current_num_threads()),
            )
            .for_each(|(out, blocks)| kernels::product_q8_0(blocks, row, out));
        Ok(out)
    }

    fn forward_unpacked(&self, rows: &[f32], count: usize) -> Result<Vec<f32>> {
        let bytes = self.weight.data()?;
        let row_bytes = self.inputs / 32 * 34;
        let mut out = vec![0.0; count * self.outputs];
        let columns = Columns::of(&mut out, self.outputs);
        let input = View::rows(rows, count, self.inputs, self.inputs);
        bytes
            .par_chunks(PANEL * row_bytes)
            .enumerate()
            .for_each_init(
                || vec![0.0; PANEL * self.inputs],
                |panel, (index, blocks)| {
                    let width = blocks.len() / row_bytes;
                    kernels::dequantise_q8_0(blocks, panel);
                    let weights = View::rows(panel, width, self.inputs, self.inputs);
                    #[expect(unsafe_code, reason = "threads write disjoint columns")]
                    // SAFETY: `out` outlives this loop and has `count` rows of `outputs`
                    // elements; each panel owns the columns from `index · PANEL`, `width` of them.
                    unsafe {
                        let first = index * PANEL;
                        kernels::columns_product(&columns, first, input, weights.transposed());
                    }
                },
            );
        Ok(out)
    }
}
