//! The GPU, where this build is for one and the machine has one: what goes there, and how it runs.
//!
//! The first layers of a model go there, as many as its memory holds, with the keys and values of
//! these layers. States cross the bus once on the way in and once on the way out. Everything here is
//! said in candle's tensors and runs on any of its devices, so the tests run it on the processor,
//! too. Other kernels round otherwise: what a GPU writes is compared with what the processor writes,
//! and is not the same bit by bit, nor for different batches.

mod layers;
mod pages;
mod step;

pub(super) use layers::GpuLayers;
pub(super) use pages::GpuPages;

use candle_core::Device;

/// Where matrices are multiplied: the first layers on a GPU, as many as it has room for.
#[derive(Clone)]
pub(super) struct Placement {
    gpu: Option<Device>,
    /// Layers of the model, and those of them that go on the GPU.
    layers: usize,
    gpu_layers: usize,
}

/// A GPU, and the bytes of its memory that nobody has taken.
pub(super) struct Gpu {
    pub device: Device,
    pub free: u64,
}

impl Placement {
    /// Everything on the processor where there is no GPU.
    pub(super) fn of(gpu: Option<&Gpu>, layers: usize, gpu_layers: usize) -> Self {
        Self {
            gpu: gpu.map(|gpu| gpu.device.clone()),
            layers,
            gpu_layers,
        }
    }

    /// Layers on the GPU.
    pub(super) fn gpu_layers(&self) -> usize {
        self.gpu.as_ref().map_or(0, |_| self.gpu_layers)
    }

    /// The GPU, for a layer that goes there.
    pub(super) fn layer(&self, index: usize) -> Option<&Device> {
        self.gpu.as_ref().filter(|_| index < self.gpu_layers)
    }

    /// The GPU, where scores are made there: after all layers are.
    pub(super) fn head(&self) -> Option<&Device> {
        self.layer(self.layers - usize::from(self.gpu_layers == self.layers))
    }
}

/// The machine's first GPU.
#[cfg(feature = "cuda")]
pub(super) fn find() -> Option<Gpu> {
    let found = Device::new_cuda(0).and_then(|device| {
        let context = device.as_cuda_device()?.cuda_stream().context().clone();
        let (free, _all) = context.mem_get_info().map_err(candle_core::Error::wrap)?;
        Ok(Gpu {
            device,
            free: free as u64,
        })
    });
    found
        .inspect_err(|error| tracing::warn!(%error, "no GPU can be used: {error}"))
        .ok()
}

/// The machine's first GPU: this build is for none.
#[cfg(not(feature = "cuda"))]
pub(super) const fn find() -> Option<Gpu> {
    None
}
