//! The GPU, where this build is for one and the machine has one.

use candle_core::Device;

/// Where matrices are multiplied: the first layers on a GPU, as many as it has room for.
#[derive(Clone)]
pub(super) struct Placement {
    gpu: Device,
    /// Layers of the model, and those of them that go on the GPU.
    layers: usize,
    gpu_layers: usize,
}

/// A GPU, and the bytes of its memory that nobody has taken.
pub(super) struct Gpu {
    device: Device,
    pub free: u64,
}

impl Placement {
    /// Everything on the processor where there is no GPU.
    pub(super) fn of(gpu: Option<&Gpu>, layers: usize, gpu_layers: usize) -> Self {
        Self {
            gpu: gpu.map_or(Device::Cpu, |gpu| gpu.device.clone()),
            layers,
            gpu_layers,
        }
    }

    /// Where a layer's matrices go.
    pub(super) fn layer(&self, index: usize) -> &Device {
        if index < self.gpu_layers {
            &self.gpu
        } else {
            &Device::Cpu
        }
    }

    /// Where scores are made: on the GPU after all layers are.
    pub(super) fn head(&self) -> &Device {
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
