//! Generators of the llama family, from a GGUF file, run on the processor and on a GPU.

mod cache;
mod chat;
mod choosing;
mod convert;
mod decoder;
mod drafting;
mod fit;
mod gpu;
mod linear;
mod load;
mod measure;
mod metadata;
mod prefixes;
mod quantise;
mod synth;
mod tensors;
mod text;
mod vocabulary;
mod writing;

use crate::embedder::ModelIdentity;
use crate::error::{InferenceError, Result};
use crate::generator::{Desk, GenerateRequest, Generated, Generator};
use crate::kernels::{self, PAGE};
use crate::manifest::{ModelKind, ModelManifest};
use cache::{Cache, Pages};
use candle_core::quantized::gguf_file::Content;
use chat::ChatTemplate;
use decoder::{Decoder, Shape, Span};
use gpu::{Gpu, GpuPages, Placement};
use prefixes::Prefixes;
use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tensors::Tensors;
use vocabulary::Vocabulary;
use writing::Alone;

pub use fit::{Loading, Plan};
pub use measure::{Load, Pace};
pub use quantise::{QuantFormat, quantise};
pub use synth::{SynthFormat, SynthShape, synthesise};
pub use tensors::Arithmetic;

/// Prompt tokens taken through the layers together; between two such steps a caller who has gone
/// can be noticed, and attention's score matrix stays small.
const PROMPT_STEP: usize = 256;

/// Tokens of several sequences judged together.
const JUDGED_STEP: usize = 768;

/// Pages that those who write leave to those who judge.
const JUDGING_PAGES: usize = 32;

/// A model of the llama family. Everything that is particular to one model (vocabulary, special
/// tokens, chat template, sizes) is read from its file.
pub struct LlamaGguf {
    identity: ModelIdentity,
    parameters: u64,
    context: usize,
    vocabulary: Vocabulary,
    template: ChatTemplate,
    decoder: Decoder,
    pages: Arc<Pages>,
    prefixes: Mutex<Prefixes>,
}

/// A context and a continuation as one sequence of ids; `judged` of them are the continuation's.
struct Judged {
    ids: Vec<u32>,
    judged: usize,
}

impl Judged {
    fn pages(&self) -> usize {
        self.ids.len().div_ceil(PAGE)
    }
}

impl LlamaGguf {
    /// Opens the model in the folder `dir`: `model.toml` and the GGUF file it names.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, &Loading::default())
    }

    /// [`Self::open`], in this way.
    pub fn open_with(dir: &Path, loading: &Loading) -> Result<Self> {
        let manifest = ModelManifest::read(dir)?;
        Self::open_manifest(dir, manifest, loading)
    }

    /// Opens a GGUF file that has no manifest, to measure it: nobody vouches for its bytes.
    pub fn open_file(path: &Path, loading: &Loading) -> Result<Self> {
        let manifest = ModelManifest::of_unknown(path)?;
        let dir = path.parent().unwrap_or(Path::new(""));
        Self::open_manifest(dir, manifest, loading)
    }

    /// What opening this GGUF file would take, here or, where the loading states a GPU's memory, on
    /// a machine with such a GPU; reads its head alone.
    pub fn plan(path: &Path, loading: &Loading) -> Result<Plan> {
        let file = open(path)?;
        let content = read_head(&file, path)?;
        let tensors = Tensors::of(&content, &file, path, loading.arithmetic)?;
        let stated = loading.gpu_memory;
        let gpu_free = stated.or_else(|| gpu::find().map(|gpu| gpu.free));
        fit::plan(&tensors, usize::MAX, loading, gpu_free)
    }

    /// A manifest for this GGUF file, from its head and its bytes. What the file does not say of
    /// itself (often its licence, always what it is fit for) is for a person to write.
    pub fn describe(path: &Path) -> Result<ModelManifest> {
        let file = open(path)?;
        let content = read_head(&file, path)?;
        let tensors = Tensors::of(&content, &file, path, Arithmetic::Fast)?;
        let (_, context) = load::sizes(&tensors)?;
        Vocabulary::read(tensors.head)?;
        ChatTemplate::read(tensors.head)?;
        let known = ModelManifest::of_unknown(path)?;
        let said = |key: &str| tensors.head.optional_text(key).map(str::to_owned);
        Ok(ModelManifest {
            name: said("general.name").unwrap_or_else(|| known.name.clone()),
            licence: said("general.license").unwrap_or_else(|| known.licence.clone()),
            architecture: tensors.head.text("general.architecture")?.to_owned(),
            context: u32::try_from(context).unwrap_or(u32::MAX),
            parameters: tensors.parameters(),
            ..known
        })
    }

    fn open_manifest(dir: &Path, manifest: ModelManifest, loading: &Loading) -> Result<Self> {
        Self::open_on(dir, manifest, loading, gpu::find().as_ref())
    }

    /// Opens the model with as many layers on this GPU as it has room for.
    fn open_on(
        dir: &Path,
        manifest: ModelManifest,
        loading: &Loading,
        gpu: Option<&Gpu>,
    ) -> Result<Self> {
        let path = dir.join(&manifest.file);
        if manifest.kind != ModelKind::Generator {
            return Err(InferenceError::Unsupported {
                path,
                reason: "its manifest says that it is not a generator".into(),
            });
        }
        let file = manifest.open_verified(dir)?;
        let content = read_head(&file, &path)?;
        let tensors = Tensors::of(&content, &file, &path, loading.arithmetic)?;
        let most = loading.gpu_memory.unwrap_or(u64::MAX);
        let gpu_free = gpu.map(|gpu| gpu.free.min(most));
        let plan = fit::plan(&tensors, manifest.context as usize, loading, gpu_free)?;
        for warning in &plan.warnings {
            tracing::warn!(%warning, "{}: {warning}", manifest.name);
        }
        let placement = Placement::of(gpu, plan.layers, plan.gpu_layers);
        let (decoder, vocabulary) = rayon::join(
            || load::decoder(&tensors, plan.context, loading.threads, &placement),
            || Vocabulary::read(tensors.head),
        );
        let (decoder, vocabulary) = (decoder?, vocabulary?);
        if vocabulary.count() > decoder.words.outputs().min(decoder.head.outputs()) {
            let reason = "it has more tokens than rows of embeddings";
            return Err(tensors.head.damaged(reason.into()));
        }
        let pages = set_aside(
            &decoder,
            &placement,
            plan.context.div_ceil(PAGE) + JUDGING_PAGES,
        )?;
        Ok(Self {
            identity: ModelIdentity {
                name: manifest.name,
                sha256: manifest.sha256,
                tokenizer: None,
            },
            parameters: tensors.parameters(),
            context: plan.context,
            vocabulary,
            template: ChatTemplate::read(tensors.head)?,
            decoder,
            prefixes: Mutex::new(Prefixes::new(&pages)),
            pages,
        })
    }

    fn judged(&self, context: &str, continuation: &str) -> Result<Judged> {
        let mut ids = Vec::new();
        let plain = |text| {
            self.vocabulary
                .encode(&self.vocabulary.without_specials(text))
        };
        let before = plain(context)?;
        if self.vocabulary.adds_start || before.is_empty() {
            ids.extend(self.vocabulary.start);
        }
        ids.extend(before);
        let after = plain(continuation)?;
        // The very first token of a sequence follows nothing, so it cannot be judged.
        let judged = after.len() - usize::from(ids.is_empty() && !after.is_empty());
        ids.extend(after);
        self.check_length(ids.len())?;
        Ok(Judged { ids, judged })
    }

    /// The mean log-likelihoods of a few sequences, in one pass.
    fn judge(&self, sequences: &[Judged]) -> Result<Vec<f32>> {
        if sequences.iter().all(|sequence| sequence.judged == 0) {
            return Ok(vec![0.0; sequences.len()]);
        }
        let pages = sequences.iter().map(Judged::pages).sum();
        self.prefixes().make_room(pages);
        let mut caches: Vec<Cache> = sequences.iter().map(|_| Cache::new(&self.pages)).collect();
        let mut spans: Vec<Span<'_>> = sequences
            .iter()
            .zip(&mut caches)
            .map(|(sequence, cache)| Span {
                tokens: &sequence.ids,
                cache,
            })
            .collect();
        let states = self.decoder.forward(&mut spans)?;
        let width = self.decoder.shape.width;
        let mut rest = states.as_slice();
        let mut asked = Vec::new();
        for sequence in sequences {
            let (own, later) = rest.split_at(sequence.ids.len() * width);
            // The state before a token foretells it.
            let end = own.len().saturating_sub(width);
            let start = end.saturating_sub(sequence.judged * width);
            asked.extend_from_slice(own.get(start..end).unwrap_or_default());
            rest = later;
        }
        let logits = self.decoder.logits(&asked)?;
        let mut rows = logits.chunks_exact(self.decoder.head.outputs());
        Ok(sequences
            .iter()
            .map(|sequence| mean_log_probability(sequence, rows.by_ref()))
            .collect())
    }

    fn prefixes(&self) -> MutexGuard<'_, Prefixes> {
        self.prefixes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_length(&self, tokens: usize) -> Result<()> {
        if tokens > self.context {
            return Err(InferenceError::TooLong {
                tokens,
                limit: self.context,
            });
        }
        Ok(())
    }

    /// Takes the prompt through the layers; returns the last token's state.
    fn read_prompt(&self, ids: &[u32], cache: &mut Cache) -> Result<Vec<f32>> {
        let mut last = Vec::new();
        for tokens in ids.chunks(PROMPT_STEP) {
            last = self.decoder.forward(&mut [Span { tokens, cache }])?;
        }
        let start = last.len().saturating_sub(self.decoder.shape.width);
        Ok(last.split_off(start))
    }

    fn next_token(&self, state: &[f32]) -> Result<u32> {
        let logits = self.decoder.logits(state)?;
        u32::try_from(kernels::argmax(&logits))
            .map_err(|error| InferenceError::Compute(error.to_string()))
    }
}

/// Room for keys and values: of each layer where it runs.
fn set_aside(decoder: &Decoder, placement: &Placement, count: usize) -> Result<Arc<Pages>> {
    let shape = decoder.shape;
    let on_gpu = placement
        .layer(0)
        .map(|device| GpuPages::new(shape, placement.gpu_layers(), count, device));
    let beside = Shape {
        layers: decoder.layers.len(),
        ..shape
    };
    Ok(Pages::new(beside, count, on_gpu.transpose()?))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| InferenceError::File {
        path: path.to_owned(),
        source,
    })
}

/// Reads the head of a GGUF file. What it says is bounded by the file's length; candle divides
/// by the alignment that it states, which may be 0.
fn read_head(file: &File, path: &Path) -> Result<Content> {
    let damaged = |reason: String| InferenceError::Damaged {
        path: path.to_owned(),
        reason,
    };
    std::panic::catch_unwind(|| Content::read(&mut BufReader::new(file)))
        .map_err(|_panic| damaged("its head makes no sense".into()))?
        .map_err(|error| damaged(error.to_string()))
}

/// Takes the sequence's rows of logits and averages what they give its tokens.
fn mean_log_probability<'a>(sequence: &Judged, rows: impl Iterator<Item = &'a [f32]>) -> f32 {
    if sequence.judged == 0 {
        return 0.0;
    }
    let tokens = sequence
        .ids
        .iter()
        .skip(sequence.ids.len() - sequence.judged);
    let sum: f32 = tokens
        .zip(rows)
        .map(|(id, logits)| kernels::log_probability(logits, *id as usize))
        .sum();
    sum / sequence.judged as f32
}

impl Generator for LlamaGguf {
    fn identity(&self) -> ModelIdentity {
        self.identity.clone()
    }

    fn parameters(&self) -> u64 {
        self.parameters
    }

    fn context(&self) -> usize {
        self.context
    }

    fn log_likelihoods(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>> {
        let mut found = Vec::with_capacity(pairs.len());
        let mut waiting: Vec<Judged> = Vec::new();
        for (context, continuation) in pairs {
            let next = self.judged(context, continuation)?;
            let tokens: usize = waiting.iter().map(|sequence| sequence.ids.len()).sum();
            let pages: usize = waiting.iter().map(Judged::pages).sum();
            let full =
                tokens + next.ids.len() > JUDGED_STEP || pages + next.pages() > JUDGING_PAGES;
            if !waiting.is_empty() && full {
                found.extend(self.judge(&waiting)?);
                waiting.clear();
            }
            waiting.push(next);
        }
        found.extend(self.judge(&waiting)?);
        Ok(found)
    }

    fn write_together(&self, desk: &mut dyn Desk) {
        self.write_all(desk);
    }

    fn generate(
        &self,
        request: &GenerateRequest,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generated> {
        let mut alone = Alone {
            request: Some(request.clone()),
            piece,
            outcome: None,
        };
        self.write_all(&mut alone);
        let nothing = || Err(InferenceError::Compute("nothing was written".into()));
        alone.outcome.unwrap_or_else(nothing)
    }
}

#[cfg(test)]
mod tests;
