//! Keys and values of the layers on the GPU.

use super::super::decoder::Shape;
use crate::error::{InferenceError, Result};
use crate::kernels::PAGE;
use candle_core::{DType, Device, Tensor};

/// Room for every token of every page, set aside once: a page has the same number here as among the
/// processor's [`Pages`](super::super::cache::Pages), and token `t` of page `p` has place
/// `p * PAGE + t`.
pub(in super::super) struct GpuPages {
    /// Of each layer the keys and the values, `[kv_heads, places, head_size]`.
    layers: Vec<[Tensor; 2]>,
}

impl GpuPages {
    /// Sets `pages` pages aside for so many layers.
    pub(in super::super) fn new(
        shape: Shape,
        layers: usize,
        pages: usize,
        device: &Device,
    ) -> Result<Self> {
        let dims = (shape.kv_heads, pages * PAGE, shape.head_size);
        let zeros = || Tensor::zeros(dims, DType::F32, device);
        let layers = (0..layers).map(|_| Ok([zeros()?, zeros()?]));
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
        })
    }

    /// Copies what one page holds to another, in all layers.
    pub(in super::super) fn copy(&self, from: usize, to: usize) -> Result<()> {
        for kept in self.layers.iter().flatten() {
            let page = kept.narrow(1, from * PAGE, PAGE)?.force_contiguous()?;
            kept.slice_set(&page, 1, to * PAGE)?;
        }
        Ok(())
    }

    /// Fills every place with one value.
    #[cfg(test)]
    pub(in super::super) fn fill(&self, value: f32) -> Result<()> {
        for kept in self.layers.iter().flatten() {
            kept.slice_set(&kept.ones_like()?.affine(f64::from(value), 0.0)?, 1, 0)?;
        }
        Ok(())
    }

    /// Writes keys and values, `[kv_heads, tokens, head_size]`, at places of the same shape.
    pub(super) fn write(&self, layer: usize, places: &Tensor, written: [&Tensor; 2]) -> Result<()> {
        for (kept, new) in self.layers.get(layer).into_iter().flatten().zip(written) {
            kept.scatter_set(places, new, 1)?;
        }
        Ok(())
    }

    /// Keys and values at these places, `[kv_heads, places, head_size]` each.
    pub(super) fn read(&self, layer: usize, places: &Tensor) -> Result<[Tensor; 2]> {
        let none = || InferenceError::Compute("a layer has no room on the GPU".into());
        let [keys, values] = self.layers.get(layer).ok_or_else(none)?;
        Ok([
            keys.index_select(places, 1)?,
            values.index_select(places, 1)?,
        ])
    }
}
