//! How much memory a model takes, before it is loaded, and which context fits what is free.

use super::cache::page_floats;
use super::decoder::Shape;
use super::linear::Linear;
use super::tensors::{Arithmetic, Tensors};
use super::{JUDGING_PAGES, load};
use crate::error::{InferenceError, Result};
use crate::kernels::PAGE;
use candle_core::quantized::gguf_file::TensorInfo;
use serde::Serialize;

/// A context longer than this has to be asked for: its memory is the administrator's to spend,
/// not the file's.
const USUAL_CONTEXT: usize = 32_768;

/// A context shorter than this answers nothing from a passage.
const LEAST_CONTEXT: usize = 1024;

/// Of what is free, so much in ten may be taken: the rest is for the others on the machine.
const TENTHS: u64 = 9;

/// Bytes of a GPU's memory that are left for what products and attention pass through.
const GPU_WORK: u64 = 768 << 20;

/// Bytes of a token of the vocabulary with its merges, as the tokenizer keeps them.
const WORD_BYTES: u64 = 700;

/// How a generator is to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct Loading {
    /// What products are made of.
    pub arithmetic: Arithmetic,
    /// The most tokens wanted; none takes the model's own context, up to 32,768.
    pub context: Option<usize>,
    /// Bytes that may be taken; none takes what the machine has free.
    pub memory: Option<u64>,
    /// Bytes of a GPU's memory that may be taken; none takes what the machine's GPU has free.
    pub gpu_memory: Option<u64>,
    /// Threads that products run on; none takes one for each processor.
    pub threads: Option<usize>,
}

impl Default for Loading {
    fn default() -> Self {
        Self {
            arithmetic: Arithmetic::Fast,
            context: None,
            memory: None,
            gpu_memory: None,
            threads: None,
        }
    }
}

/// What loading a generator takes, in bytes where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Where its products run: `processor`, `gpu`, or `gpu and processor`.
    pub device: &'static str,
    /// Layers of the model.
    pub layers: usize,
    /// Layers whose matrices are on the GPU; the scores are made there after all of them.
    pub gpu_layers: usize,
    /// The weights on the GPU.
    pub gpu_weights: u64,
    /// Keys and values of the layers there.
    pub gpu_keys_and_values: u64,
    /// What may be taken of the GPU's memory; none where there is no GPU.
    pub gpu_free: Option<u64>,
    /// The weights on the processor's side, once loaded.
    pub weights: u64,
    /// What is needed on the way to them and given back.
    pub passing: u64,
    /// Vocabulary and angles.
    pub tables: u64,
    /// Keys and values of one token of one person, wherever they are.
    pub a_token: u64,
    /// Tokens of prompts and answers that are remembered at once, by one person or several.
    pub context: usize,
    /// The model's own context, in tokens.
    pub own_context: usize,
    /// Texts written at once, sharing that context.
    pub seats: usize,
    /// Keys and values of all of them on the processor's side.
    pub keys_and_values: u64,
    /// All that the processor's side takes, at the highest.
    pub total: u64,
    /// What may be taken.
    pub free: u64,
    /// What is less than it might be, in words for the administrator.
    pub warnings: Vec<String>,
}

/// Says what loading takes, with as many layers on the GPU as its memory holds, and the longest
/// context that fits. `gpu_free` is what the machine's GPU has free.
pub(super) fn plan(
    tensors: &Tensors<'_>,
    most: usize,
    loading: &Loading,
    gpu_free: Option<u64>,
) -> Result<Plan> {
    let (shape, own_context) = load::sizes(tensors)?;
    let own_context = own_context.min(most);
    let wanted = loading.context.unwrap_or(USUAL_CONTEXT).min(own_context);
    let free = loading
        .memory
        .unwrap_or_else(|| free_memory() / 10 * TENTHS);
    let weights = Weights::of(tensors, loading.arithmetic, shape.layers);
    let words = tensors.head.length("tokenizer.ggml.tokens") as u64;
    let mut plan = Plan {
        device: "processor",
        layers: shape.layers,
        gpu_layers: 0,
        gpu_weights: 0,
        gpu_keys_and_values: 0,
        gpu_free,
        weights: 0,
        passing: weights.passing,
        tables: words * WORD_BYTES,
        a_token: (page_floats(shape) * 4 / PAGE) as u64,
        context: wanted,
        own_context,
        seats: crate::service::SEATS,
        keys_and_values: 0,
        total: 0,
        free,
        warnings: Vec::new(),
    };
    plan.set_context(shape, &weights, wanted);
    while plan.total > free && plan.context > LEAST_CONTEXT {
        let shorter = (plan.context / 2).max(LEAST_CONTEXT).min(wanted);
        plan.set_context(shape, &weights, shorter);
    }
    if plan.total > free {
        return Err(plan.refused(tensors));
    }
    plan.warn(wanted);
    Ok(plan)
}

impl Plan {
    /// Takes this context, with as many layers on the GPU as it holds with their keys and values.
    fn set_context(&mut self, shape: Shape, weights: &Weights, context: usize) {
        let pages = (context.div_ceil(PAGE) + JUDGING_PAGES) as u64;
        let layer = pages * page_floats(Shape { layers: 1, ..shape }) as u64 * 4;
        let (held, bytes) = weights.on_gpu(self.gpu_free.unwrap_or(0), layer);
        self.context = context;
        self.gpu_layers = held;
        self.gpu_weights = bytes;
        self.gpu_keys_and_values = held as u64 * layer;
        self.device = match held {
            0 => "processor",
            all if all == shape.layers => "gpu",
            _ => "gpu and processor",
        };
        self.weights = weights.beside_gpu(held);
        self.keys_and_values = (shape.layers - held) as u64 * layer;
        let angles = (context * shape.head_size / 2 * size_of::<(f32, f32)>()) as u64;
        self.total = self.weights + self.passing + self.tables + angles + self.keys_and_values;
    }

    fn warn(&mut self, wanted: usize) {
        let megabytes = |bytes: u64| bytes >> 20;
        if self.context < wanted {
            self.warnings.push(format!(
                "the context is {} tokens instead of {wanted}, because {} MB are free",
                self.context,
                megabytes(self.free)
            ));
        } else if self.context < self.own_context {
            self.warnings.push(format!(
                "the context is {} tokens of the {} that the model was trained for; a longer one \
                 can be asked for",
                self.context, self.own_context
            ));
        }
        match self.gpu_free {
            None if cfg!(feature = "cuda") => {
                let warning = "this build is for a GPU and found none: it runs on the processor";
                self.warnings.push(warning.into());
            }
            Some(free) if self.gpu_layers < self.layers => self.warnings.push(format!(
                "{} of {} layers run on the GPU, because {} MB of its memory may be taken; the \
                 others run on the processor; a shorter context leaves room for more of them",
                self.gpu_layers,
                self.layers,
                megabytes(free)
            )),
            _ => {}
        }
    }

    fn refused(&self, tensors: &Tensors<'_>) -> InferenceError {
        let room = self
            .free
            .saturating_sub(self.total - self.weights - self.passing);
        InferenceError::TooLarge {
            path: tensors.head.path.to_owned(),
            needed_mb: self.total.div_ceil(1 << 20),
            free_mb: self.free >> 20,
            context: self.context,
            weights_mb: room >> 20,
        }
    }
}

/// Bytes of weights, by where they may go.
struct Weights {
    /// Of each layer: on the processor, and as a GPU keeps it.
    layers: Vec<(u64, u64)>,
    /// The same of the matrix that makes the scores.
    head: (u64, u64),
    /// What stays on the processor.
    outside: u64,
    /// The most that is needed beside them on the way.
    passing: u64,
}

impl Weights {
    fn of(tensors: &Tensors<'_>, arithmetic: Arithmetic, layers: usize) -> Self {
        let mut sizes = Self {
            layers: vec![(0, 0); layers],
            head: (0, 0),
            outside: 0,
            passing: 0,
        };
        let mut largest = 0;
        for (name, info) in tensors.infos() {
            let [own, passing, on_gpu] = bytes(info, arithmetic);
            largest = largest.max(passing);
            let layer = name
                .strip_prefix("blk.")
                .and_then(|rest| rest.split('.').next());
            let layer = layer.and_then(|index| index.parse::<usize>().ok());
            match layer.and_then(|index| sizes.layers.get_mut(index)) {
                Some(layer) => *layer = (layer.0 + own, layer.1 + on_gpu),
                None if name == "output.weight" => sizes.head = (own, on_gpu),
                None => {
                    sizes.outside += own;
                    // Embeddings that are scores, too, are on the processor all the same.
                    if name == "token_embd.weight" && !tensors.has("output.weight") {
                        sizes.head = (0, on_gpu);
                    }
                }
            }
        }
        // Matrices that share their input pass together, and every thread has a layer in work.
        sizes.passing = largest * 3 * rayon::current_num_threads() as u64;
        sizes
    }

    /// Layers that a GPU with so much memory holds, each with `remembered` bytes of keys and values,
    /// and the bytes of their weights, scores included after all.
    fn on_gpu(&self, free: u64, remembered: u64) -> (usize, u64) {
        let mut room = free.saturating_sub(GPU_WORK);
        let (mut held, mut bytes) = (0, 0);
        for (index, (_, layer)) in self.layers.iter().enumerate() {
            let last = index + 1 == self.layers.len();
            let more = layer + if last { self.head.1 } else { 0 };
            let Some(left) = room.checked_sub(more + remembered) else {
                break;
            };
            (held, bytes, room) = (index + 1, bytes + more, left);
        }
        (held, bytes)
    }

    /// What is left for the processor with so many layers on the GPU.
    fn beside_gpu(&self, gpu_layers: usize) -> u64 {
        let layers = self.layers.iter().skip(gpu_layers);
        let head = if gpu_layers == self.layers.len() {
            0
        } else {
            self.head.0
        };
        self.outside + head + layers.map(|(own, _)| own).sum::<u64>()
    }
}

/// Bytes of a tensor: once loaded on the processor, needed on the way, and on a GPU.
fn bytes(info: &TensorInfo, arithmetic: Arithmetic) -> [u64; 3] {
    let count = info.shape.elem_count() as u64;
    let stored = count / info.ggml_dtype.block_size() as u64 * info.ggml_dtype.type_size() as u64;
    let inputs = info.shape.dims().last().copied().unwrap_or(0);
    let matrix = info.shape.dims().len() == 2;
    let eights = count / 32 * 34;
    match arithmetic {
        _ if !matrix => [count * 4, stored, 0],
        Arithmetic::Fast if Linear::has_kernel(info.ggml_dtype, inputs) => [stored, stored, stored],
        Arithmetic::Fast if inputs.is_multiple_of(32) => [eights, stored + count * 5, eights],
        // Candle keeps what it was given and what it multiplies with.
        Arithmetic::Fast | Arithmetic::Exact => [count * 8, stored + count * 8, count * 8],
    }
}

/// What this process may still take: what the machine, its group and its own limit leave.
fn free_memory() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let number = |path: &str| read(path).trim().parse::<u64>().ok();
    let machine = field(&read("/proc/meminfo"), "MemAvailable:").map(|kilobytes| kilobytes << 10);
    let group = number("/sys/fs/cgroup/memory.max")
        .map(|most| most.saturating_sub(number("/sys/fs/cgroup/memory.current").unwrap_or(0)));
    let own = field(&read("/proc/self/limits"), "Max address space").map(|most| {
        let taken = field(&read("/proc/self/status"), "VmSize:").unwrap_or(0) << 10;
        most.saturating_sub(taken)
    });
    let limits = [machine, group, own].into_iter().flatten();
    limits.min().unwrap_or(u64::MAX)
}

/// The number behind `name` at the beginning of a line; none where it is no number, as `unlimited`.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
