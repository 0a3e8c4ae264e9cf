//! How much memory a model takes, before it is loaded, and which context fits into the free memory.

use super::kv_cache::page_floats;
use crate::decoder::import::{GgufTensors, Precision, read_config};
use crate::decoder::model::{Linear, ModelConfig};
use crate::error::{InferenceError, Result};
use candle_core::quantized::gguf_file::TensorInfo;
use cloister_kernels::PAGE_TOKENS;
use serde::Serialize;

/// KV pages that are reserved for computing log-likelihoods.
pub(in crate::decoder) const SCORING_PAGES: usize = 32;

/// A longer context must be requested explicitly: the administrator decides about its memory, not the
/// model file.
pub(in crate::decoder) const DEFAULT_MAX_CONTEXT: usize = 32_768;

/// A shorter context cannot answer anything from a passage.
pub(in crate::decoder) const MIN_CONTEXT: usize = 1024;

/// The maximum of texts that are written in one batch.
pub(crate) const MAX_BATCH: usize = 8;

/// How many tenths of the free memory may be used; the rest is for other processes.
const USABLE_TENTHS: u64 = 9;

/// Bytes of GPU memory that are left for the buffers of products and attention.
const GPU_SCRATCH: u64 = 768 << 20;

/// Bytes per token of the vocabulary, merges included, in the tokenizer.
const BYTES_PER_VOCABULARY_TOKEN: u64 = 700;

/// How to load a generator.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// The number format of products.
    pub precision: Precision,
    /// The context wanted, in tokens; if absent, the model's own, up to 32,768.
    pub context: Option<usize>,
    /// Bytes of memory to use; if absent, most of what is free.
    pub memory: Option<u64>,
    /// Bytes of GPU memory to use; if absent, what is free on the GPU.
    pub gpu_memory: Option<u64>,
    /// Threads for products; if absent, one per CPU.
    pub threads: Option<usize>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            precision: Precision::Int8,
            context: None,
            memory: None,
            gpu_memory: None,
            threads: None,
        }
    }
}

/// The memory that a generator takes, in bytes unless stated otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryPlan {
    /// Where its products run: `processor`, `gpu`, or `gpu and processor`.
    pub device: &'static str,
    /// Layers of the model.
    pub layers: usize,
    /// Layers on the GPU. The output projection is there if all layers are.
    pub gpu_layers: usize,
    /// The weights on the GPU.
    pub gpu_weights: u64,
    /// The KV cache of the layers on the GPU.
    pub gpu_kv_cache: u64,
    /// The GPU memory that may be used; `None` without a GPU.
    pub gpu_available: Option<u64>,
    /// The weights in main memory, once loaded.
    pub weights: u64,
    /// Temporary memory during loading.
    pub peak_scratch_bytes: u64,
    /// The vocabulary.
    pub tables: u64,
    /// The KV cache of one token, wherever it is.
    pub kv_bytes_per_token: u64,
    /// Tokens of prompts and answers in the KV cache, of all texts together.
    pub context: usize,
    /// The context that the model was trained with, in tokens.
    pub trained_context: usize,
    /// The maximum of texts in a batch, which share the context.
    pub max_batch: usize,
    /// The KV cache in main memory.
    pub kv_cache: u64,
    /// The peak of main memory.
    pub total: u64,
    /// The main memory that may be used.
    pub available: u64,
    /// Reductions of the plan, in words for the administrator.
    pub warnings: Vec<String>,
}

/// Plans the memory of a model: as many layers on the GPU as fit, and the longest context that fits.
/// `gpu_available` is the memory of the GPU that may be used.
pub(in crate::decoder) fn plan_memory(
    tensors: &GgufTensors<'_>,
    max_context: usize,
    options: &LoadOptions,
    gpu_available: Option<u64>,
) -> Result<MemoryPlan> {
    let (config, trained_context) = read_config(tensors)?;
    let trained_context = trained_context.min(max_context);
    let wanted = options.context.unwrap_or(DEFAULT_MAX_CONTEXT);
    let wanted = wanted.min(trained_context);
    let available = available_memory(options);
    let sizes = WeightSizes::compute(tensors, options.precision, config.num_layers);
    let vocabulary = tensors.metadata.array_length("tokenizer.ggml.tokens") as u64;
    let mut plan = MemoryPlan {
        device: "processor",
        layers: config.num_layers,
        gpu_layers: 0,
        gpu_weights: 0,
        gpu_kv_cache: 0,
        gpu_available,
        weights: 0,
        peak_scratch_bytes: sizes.scratch,
        tables: vocabulary * BYTES_PER_VOCABULARY_TOKEN,
        kv_bytes_per_token: (page_floats(config) * 4 / PAGE_TOKENS) as u64,
        context: wanted,
        trained_context,
        max_batch: MAX_BATCH,
        kv_cache: 0,
        total: 0,
        available,
        warnings: Vec::new(),
    };
    plan.set_context(config, &sizes, wanted);
    while plan.total > available && plan.context > MIN_CONTEXT {
        let shorter = (plan.context / 2).max(MIN_CONTEXT).min(wanted);
        plan.set_context(config, &sizes, shorter);
    }
    if plan.total > available {
        return Err(plan.too_large(tensors));
    }
    plan.add_warnings(wanted);
    Ok(plan)
}

impl MemoryPlan {
    /// Sets the context, with as many layers on the GPU as fit there with their KV cache.
    fn set_context(&mut self, config: ModelConfig, sizes: &WeightSizes, context: usize) {
        let pages = (context.div_ceil(PAGE_TOKENS) + SCORING_PAGES) as u64;
        let one_layer = ModelConfig {
            num_layers: 1,
            ..config
        };
        let layer_kv_cache = pages * page_floats(one_layer) as u64 * 4;
        let gpu_available = self.gpu_available.unwrap_or(0);
        let (gpu_layers, gpu_weights) = sizes.fit_on_gpu(gpu_available, layer_kv_cache);
        self.context = context;
        self.gpu_layers = gpu_layers;
        self.gpu_weights = gpu_weights;
        self.gpu_kv_cache = gpu_layers as u64 * layer_kv_cache;
        self.device = match gpu_layers {
            0 => "processor",
            all if all == config.num_layers => "gpu",
            _ => "gpu and processor",
        };
        self.weights = sizes.on_cpu(gpu_layers);
        self.kv_cache = (config.num_layers - gpu_layers) as u64 * layer_kv_cache;
        let rope = (context * config.head_dim / 2 * size_of::<(f32, f32)>()) as u64;
        self.total = self.weights + self.peak_scratch_bytes + self.tables + rope + self.kv_cache;
    }

    fn add_warnings(&mut self, wanted: usize) {
        if self.context < wanted {
            self.warnings.push(format!(
                "the context is {} tokens instead of {wanted}, because {} MB are free",
                self.context,
                self.available >> 20
            ));
        } else if self.context < self.trained_context {
            self.warnings.push(format!(
                "the context is {} tokens of the {} that the model was trained for; a longer one \
                 can be requested",
                self.context, self.trained_context
            ));
        }
        match self.gpu_available {
            None if cfg!(feature = "cuda") => {
                let warning = "this build supports a GPU and found none: it runs on the processor";
                self.warnings.push(warning.into());
            }
            Some(available) if self.gpu_layers < self.layers => self.warnings.push(format!(
                "{} of {} layers run on the GPU, because {} MB of its memory may be used; the \
                 others run on the processor; a shorter context leaves memory for more of them",
                self.gpu_layers,
                self.layers,
                available >> 20
            )),
            _ => {}
        }
    }

    fn too_large(&self, tensors: &GgufTensors<'_>) -> InferenceError {
        let other = self.total - self.weights - self.peak_scratch_bytes;
        InferenceError::TooLarge {
            path: tensors.metadata.path.to_owned(),
            needed_mb: self.total.div_ceil(1 << 20),
            free_mb: self.available >> 20,
            context: self.context,
            weights_mb: self.available.saturating_sub(other) >> 20,
        }
    }
}

/// Bytes of a tensor.
#[derive(Clone, Copy, Default)]
struct TensorBytes {
    /// In main memory, once loaded.
    cpu: u64,
    /// Temporary, during loading.
    scratch: u64,
    /// On a GPU.
    gpu: u64,
}

/// Bytes of the weights, by where they can be.
struct WeightSizes {
    layers: Vec<TensorBytes>,
    lm_head: TensorBytes,
    /// What is always in main memory.
    other: u64,
    /// The peak of temporary memory.
    scratch: u64,
}

impl WeightSizes {
    fn compute(tensors: &GgufTensors<'_>, precision: Precision, layers: usize) -> Self {
        let mut sizes = Self {
            layers: vec![TensorBytes::default(); layers],
            lm_head: TensorBytes::default(),
            other: 0,
            scratch: 0,
        };
        let mut largest_scratch = 0;
        for (name, info) in tensors.infos() {
            let bytes = tensor_bytes(info, precision);
            largest_scratch = largest_scratch.max(bytes.scratch);
            let layer = name
                .strip_prefix("blk.")
                .and_then(|rest| rest.split('.').next());
            let layer = layer.and_then(|index| index.parse::<usize>().ok());
            match layer.and_then(|index| sizes.layers.get_mut(index)) {
                Some(layer) => {
                    layer.cpu += bytes.cpu;
                    layer.gpu += bytes.gpu;
                }
                None if name == "output.weight" => sizes.lm_head = bytes,
                None => {
                    sizes.other += bytes.cpu;
                    // Tied embeddings are in main memory in any case.
                    if name == "token_embd.weight" && !tensors.contains("output.weight") {
                        sizes.lm_head.gpu = bytes.gpu;
                    }
                }
            }
        }
        // Up to three matrices are loaded as one, and every thread loads a layer.
        sizes.scratch = largest_scratch * 3 * rayon::current_num_threads() as u64;
        sizes
    }

    /// How many layers fit on a GPU with this memory, each with its KV cache, and the bytes of their
    /// weights. The output projection comes after all layers.
    fn fit_on_gpu(&self, available: u64, layer_kv_cache: u64) -> (usize, u64) {
        let mut available = available.saturating_sub(GPU_SCRATCH);
        let (mut layers, mut bytes) = (0, 0);
        for (index, layer) in self.layers.iter().enumerate() {
            let is_last = index + 1 == self.layers.len();
            let more = layer.gpu + if is_last { self.lm_head.gpu } else { 0 };
            let Some(left) = available.checked_sub(more + layer_kv_cache) else {
                break;
            };
            (layers, bytes, available) = (index + 1, bytes + more, left);
        }
        (layers, bytes)
    }

    /// The bytes in main memory if this many layers are on the GPU.
    fn on_cpu(&self, gpu_layers: usize) -> u64 {
        let layers = self.layers.iter().skip(gpu_layers);
        let lm_head = if gpu_layers == self.layers.len() {
            0
        } else {
            self.lm_head.cpu
        };
        self.other + lm_head + layers.map(|layer| layer.cpu).sum::<u64>()
    }
}

fn tensor_bytes(info: &TensorInfo, precision: Precision) -> TensorBytes {
    let count = info.shape.elem_count() as u64;
    let stored = count / info.ggml_dtype.block_size() as u64 * info.ggml_dtype.type_size() as u64;
    let columns = info.shape.dims().last().copied().unwrap_or(0);
    let is_matrix = info.shape.dims().len() == 2;
    let q8_0 = count / 32 * 34;
    let [cpu, scratch, gpu] = match precision {
        _ if !is_matrix => [count * 4, stored, 0],
        Precision::Int8 if Linear::has_kernel(info.ggml_dtype, columns) => [stored; 3],
        Precision::Int8 if columns.is_multiple_of(32) => [q8_0, stored + count * 5, q8_0],
        // Candle keeps both its input and the form that it multiplies with.
        Precision::Int8 | Precision::F32 => [count * 8, stored + count * 8, count * 8],
    };
    TensorBytes { cpu, scratch, gpu }
}

/// The bytes of memory that a generator may use.
pub(in crate::decoder) fn available_memory(options: &LoadOptions) -> u64 {
    options
        .memory
        .unwrap_or_else(|| free_memory() / 10 * USABLE_TENTHS)
}

/// The memory that this process can still allocate: the smallest of the machine's, the control group's
/// and the process's own limit.
fn free_memory() -> u64 {
    let machine = parse_field(&read_file("/proc/meminfo"), "MemAvailable:");
    let machine = machine.map(|kilobytes| kilobytes << 10);
    let group = parse_number("/sys/fs/cgroup/memory.max").map(|limit| {
        limit.saturating_sub(parse_number("/sys/fs/cgroup/memory.current").unwrap_or(0))
    });
    let process = parse_field(&read_file("/proc/self/limits"), "Max address space").map(|limit| {
        let used = parse_field(&read_file("/proc/self/status"), "VmSize:").unwrap_or(0) << 10;
        limit.saturating_sub(used)
    });
    let limits = [machine, group, process].into_iter().flatten();
    limits.min().unwrap_or(u64::MAX)
}

/// The contents of a file of the kernel; empty if this system does not have it.
fn read_file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn parse_number(path: &str) -> Option<u64> {
    read_file(path).trim().parse().ok()
}

/// The number after `name` at the start of a line; `None` if it is not a number, as in `unlimited`.
fn parse_field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
