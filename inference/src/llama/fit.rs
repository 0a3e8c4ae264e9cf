//! How much memory a model takes, before it is loaded, and which context fits what is free.

use super::cache::page_floats;
use super::decoder::Shape;
use super::linear::Linear;
use super::tensors::{Arithmetic, Tensors};
use super::{JUDGING_PAGES, load};
use crate::error::{InferenceError, Result};
use crate::kernels::PAGE;
use serde::Serialize;

/// A context longer than this has to be asked for: its memory is the administrator's to spend,
/// not the file's.
const USUAL_CONTEXT: usize = 32_768;

/// A context shorter than this answers nothing from a passage.
const LEAST_CONTEXT: usize = 1024;

/// Of what is free, so much in ten may be taken: the rest is for the others on the machine.
const TENTHS: u64 = 9;

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
    /// Threads that products run on; none takes one for each processor.
    pub threads: Option<usize>,
}

impl Default for Loading {
    fn default() -> Self {
        Self {
            arithmetic: Arithmetic::Fast,
            context: None,
            memory: None,
            threads: None,
        }
    }
}

/// What loading a generator takes, in bytes where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Where it runs: `processor` or `gpu`.
    pub device: &'static str,
    /// The weights, once loaded.
    pub weights: u64,
    /// What is needed on the way to them and given back.
    pub passing: u64,
    /// Vocabulary and angles.
    pub tables: u64,
    /// Keys and values of one token of one person.
    pub a_token: u64,
    /// Tokens of prompts and answers that are remembered at once, by one person or several.
    pub context: usize,
    /// The model's own context, in tokens.
    pub own_context: usize,
    /// Texts written at once, sharing that context.
    pub seats: usize,
    /// Keys and values of all of them.
    pub keys_and_values: u64,
    /// All of it, at the highest.
    pub total: u64,
    /// What may be taken.
    pub free: u64,
    /// What is less than it might be, in words for the administrator.
    pub warnings: Vec<String>,
}

/// Says what loading takes, with the longest context that fits.
pub(super) fn plan(tensors: &Tensors<'_>, most: usize, loading: &Loading) -> Result<Plan> {
    let (shape, own_context) = load::sizes(tensors)?;
    let own_context = own_context.min(most);
    let wanted = loading.context.unwrap_or(USUAL_CONTEXT).min(own_context);
    let free = loading
        .memory
        .unwrap_or_else(|| free_memory() / 10 * TENTHS);
    let (weights, passing) = weights(tensors, loading.arithmetic);
    let words = tensors.head.length("tokenizer.ggml.tokens") as u64;
    let mut plan = Plan {
        device: super::linear::device_name()?,
        weights,
        passing,
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
    plan.set_context(shape, wanted);
    while plan.total > free && plan.context > LEAST_CONTEXT {
        let shorter = (plan.context / 2).max(LEAST_CONTEXT).min(wanted);
        plan.set_context(shape, shorter);
    }
    if plan.total > free {
        return Err(plan.refused(tensors));
    }
    plan.warn(wanted);
    Ok(plan)
}

impl Plan {
    fn set_context(&mut self, shape: Shape, context: usize) {
        let pages = (context.div_ceil(PAGE) + JUDGING_PAGES) as u64;
        self.context = context;
        self.keys_and_values = pages * page_floats(shape) as u64 * 4;
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
        if cfg!(feature = "cuda") && self.device == "processor" {
            let warning = "this build is for a GPU and found none: it runs on the processor";
            self.warnings.push(warning.into());
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

/// Bytes of the weights once loaded, and the most that is needed beside them on the way.
fn weights(tensors: &Tensors<'_>, arithmetic: Arithmetic) -> (u64, u64) {
    let (mut kept, mut largest) = (0, 0);
    for info in tensors.infos() {
        let count = info.shape.elem_count() as u64;
        let stored =
            count / info.ggml_dtype.block_size() as u64 * info.ggml_dtype.type_size() as u64;
        let inputs = info.shape.dims().last().copied().unwrap_or(0);
        let matrix = info.shape.dims().len() == 2;
        let (own, passing) = match arithmetic {
            _ if !matrix => (count * 4, stored),
            Arithmetic::Fast if Linear::has_kernel(info.ggml_dtype, inputs) => (stored, stored),
            Arithmetic::Fast if inputs.is_multiple_of(32) => (count / 32 * 34, stored + count * 5),
            // Candle keeps what it was given and what it multiplies with.
            Arithmetic::Fast | Arithmetic::Exact => (count * 8, stored + count * 8),
        };
        kept += own;
        largest = largest.max(passing);
    }
    // Matrices that share their input pass together, and every thread has a layer in work.
    (kept, largest * 3 * rayon::current_num_threads() as u64)
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
