//! The keys and values of the layers on the GPU.

use crate::decoder::model::ModelConfig;
use crate::error::{InferenceError, Result};
use candle_core::{DType, Device, Tensor};
use cloister_kernels::PAGE_TOKENS;

/// The slots of all pages, allocated once. A page has the same number as in the
/// [`KvPagePool`](crate::decoder::runtime::KvPagePool), and token `t` of page `p` has slot
/// `p * PAGE_TOKENS + t`.
pub(in crate::decoder) struct GpuKvPages {
    /// The keys and the values of each layer, `[num_kv_heads, slots, head_dim]`.
    layers: Vec<[Tensor; 2]>,
}

impl GpuKvPages {
    /// Allocates `pages` pages for this number of layers.
    pub(in crate::decoder) fn new(
        config: ModelConfig,
        layers: usize,
        pages: usize,
        device: &Device,
    ) -> Result<Self> {
        let shape = (config.num_kv_heads, pages * PAGE_TOKENS, config.head_dim);
        let layers = (0..layers).map(|_| {
            let keys = Tensor::zeros(shape, DType::F32, device)?;
            let values = Tensor::zeros(shape, DType::F32, device)?;
            Ok([keys, values])
        });
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
        })
    }

    /// Copies a page to another in all layers.
    pub(in crate::decoder) fn copy_page(&self, from: usize, to: usize) -> Result<()> {
        for slots in self.layers.iter().flatten() {
            let page = slots
                .narrow(1, from * PAGE_TOKENS, PAGE_TOKENS)?
                .force_contiguous()?;
            slots.slice_set(&page, 1, to * PAGE_TOKENS)?;
        }
        Ok(())
    }

    /// Sets every element to one value.
    #[cfg(test)]
    pub(in crate::decoder) fn fill(&self, value: f32) -> Result<()> {
        for slots in self.layers.iter().flatten() {
            slots.slice_set(&slots.ones_like()?.affine(f64::from(value), 0.0)?, 1, 0)?;
        }
        Ok(())
    }

    /// Writes keys and values, `[num_kv_heads, tokens, head_dim]`, to slots of the same shape.
    pub(super) fn write(
        &self,
        layer: usize,
        slots: &Tensor,
        keys_and_values: [&Tensor; 2],
    ) -> Result<()> {
        let targets = self.layers.get(layer).into_iter().flatten();
        for (target, new) in targets.zip(keys_and_values) {
            target.scatter_set(slots, new, 1)?;
        }
        Ok(())
    }

    /// The keys and values in these slots, `[num_kv_heads, slots, head_dim]` each.
    pub(super) fn read(&self, layer: usize, slots: &Tensor) -> Result<[Tensor; 2]> {
        let [keys, values] = self
            .layers
            .get(layer)
            .ok_or_else(|| InferenceError::Compute("a layer has no KV pages on the GPU".into()))?;
        Ok([keys.index_select(slots, 1)?, values.index_select(slots, 1)?])
    }
}
