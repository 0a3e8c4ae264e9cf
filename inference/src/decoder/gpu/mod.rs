//! The layers on the GPU, if this build supports one and the machine has one.
//!
//! The first layers of a model are placed there, as many as fit into its memory, with their part of the
//! KV cache. The states cross the bus once in and once out. This module uses candle's tensors, which run
//! on all of its devices, so that the tests run it on the CPU too. A GPU's kernels round differently:
//! its output is near the CPU's but not bit-identical, and it differs between batches.

mod batch;
mod kv_pages;
mod layers;

pub(super) use kv_pages::GpuKvPages;
pub(super) use layers::GpuLayers;

use candle_core::Device;

/// Which layers are on the GPU: the first ones.
#[derive(Clone)]
pub(super) struct Placement {
    gpu: Option<Device>,
    layers: usize,
    gpu_layers: usize,
}

/// A GPU and the free bytes of its memory.
pub(super) struct Gpu {
    pub device: Device,
    pub free: u64,
}

impl Placement {
    /// Without a GPU, every layer is on the CPU.
    pub(super) fn new(gpu: Option<&Gpu>, layers: usize, gpu_layers: usize) -> Self {
        Self {
            gpu: gpu.map(|gpu| gpu.device.clone()),
            layers,
            gpu_layers,
        }
    }

    /// The number of layers on the GPU.
    pub(super) fn gpu_layers(&self) -> usize {
        self.gpu.as_ref().map_or(0, |_| self.gpu_layers)
    }

    /// The GPU, if the layer is on it.
    pub(super) fn device_of_layer(&self, index: usize) -> Option<&Device> {
        self.gpu.as_ref().filter(|_| index < self.gpu_layers)
    }

    /// The GPU, if the LM head is on it: it is if all layers are.
    pub(super) fn device_of_lm_head(&self) -> Option<&Device> {
        let all_layers = self.gpu_layers == self.layers;
        self.device_of_layer(self.layers - usize::from(all_layers))
    }
}

/// The machine's first GPU.
#[cfg(feature = "cuda")]
pub(super) fn find_gpu() -> Option<Gpu> {
    let found = Device::new_cuda(0).and_then(|device| {
        let context = device.as_cuda_device()?.cuda_stream().context().clone();
        let (free, _total) = context.mem_get_info().map_err(candle_core::Error::wrap)?;
        Ok(Gpu {
            device,
            free: free as u64,
        })
    });
    found
        .inspect_err(|error| tracing::warn!(%error, "no GPU can be used: {error}"))
        .ok()
}

/// No GPU: this build supports none.
#[cfg(not(feature = "cuda"))]
pub(super) const fn find_gpu() -> Option<Gpu> {
    None
}
