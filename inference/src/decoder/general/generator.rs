//! A generator of candle-transformers.

use super::model::GeneralModel;
use super::{GeneralArchitecture, plan};
use crate::decoder::generator::{GgufGenerator, PROMPT_STEP};
use crate::decoder::gpu::find_gpu;
use crate::decoder::import::{GgufTensors, open_gguf, read_header};
use crate::decoder::runtime::{LoadOptions, NextToken, Sampler, SentText};
use crate::decoder::tokenizer::{ChatTemplate, Vocabulary};
use crate::error::{InferenceError, Result};
use crate::manifest::{ModelKind, ModelManifest};
use crate::request::GenerateRequest;
use crate::traits::{FinishReason, Generated, Generator, ModelIdentity};
use candle_core::Device;
use cloister_kernels::float;
use parking_lot::Mutex;
use std::ops::ControlFlow;
use std::path::Path;

/// Opens the generator in the folder `dir` on the backend of its architecture.
pub fn open_generator(dir: &Path) -> Result<Box<dyn Generator>> {
    let manifest = ModelManifest::load(dir)?;
    let path = dir.join(&manifest.file);
    let is_general = manifest.kind == ModelKind::Generator && {
        let file = open_gguf(&path)?;
        let content = read_header(&file, &path)?;
        let options = LoadOptions::default();
        let tensors = GgufTensors::new(&content, &file, &path, options.precision)?;
        GeneralArchitecture::of(&tensors).is_some()
    };
    if is_general {
        Ok(Box::new(GeneralGenerator::open(dir, manifest)?))
    } else {
        Ok(Box::new(GgufGenerator::open(dir)?))
    }
}

/// A generator of an architecture that [`GgufGenerator`] does not run: slower, and one request at a time.
pub struct GeneralGenerator {
    identity: ModelIdentity,
    parameters: u64,
    context: usize,
    vocabulary: Vocabulary,
    template: ChatTemplate,
    model: Mutex<GeneralModel>,
}

impl GeneralGenerator {
    fn open(dir: &Path, manifest: ModelManifest) -> Result<Self> {
        let file = manifest.open_verified(dir)?;
        let path = dir.join(&manifest.file);
        Self::read(&file, &path, manifest, &LoadOptions::default())
    }

    /// Opens a GGUF file without a manifest, to measure it. Nobody vouches for its bytes.
    pub fn open_file(path: &Path, options: &LoadOptions) -> Result<Self> {
        let manifest = ModelManifest::for_gguf_file(path)?;
        Self::read(&open_gguf(path)?, path, manifest, options)
    }

    fn read(
        file: &std::fs::File,
        path: &Path,
        manifest: ModelManifest,
        options: &LoadOptions,
    ) -> Result<Self> {
        let content = read_header(file, path)?;
        let tensors = GgufTensors::new(&content, file, path, options.precision)?;
        let Some(architecture) = GeneralArchitecture::of(&tensors) else {
            let reason = "its architecture does not run on the general backend";
            return Err(tensors.metadata.unsupported(reason.into()));
        };
        let max_context = usize::try_from(manifest.context).unwrap_or(usize::MAX);
        let plan = plan(&tensors, architecture, max_context, options)?;
        for warning in &plan.warnings {
            tracing::warn!(%warning, "{}: {warning}", manifest.name);
        }
        let mut vocabulary = Vocabulary::read(tensors.metadata)?;
        let template = ChatTemplate::read(tensors.metadata)?;
        vocabulary.add_end_tokens(template.end_tokens(&vocabulary), &manifest.name);
        let parameters = tensors.parameters();
        let gpu = find_gpu().filter(|gpu| gpu.free > plan.total);
        let device = gpu.map_or(Device::Cpu, |gpu| gpu.device);
        // Its own copy of the header, because candle-transformers takes it.
        let model = GeneralModel::read(architecture, read_header(file, path)?, file, &device)?;
        Ok(Self {
            identity: ModelIdentity {
                name: manifest.name,
                sha256: manifest.sha256,
                tokenizer: None,
            },
            parameters,
            context: plan.context,
            vocabulary,
            template,
            model: Mutex::new(model),
        })
    }

    /// The logits of all tokens after these ids.
    pub fn scores_after(&self, ids: &[u32]) -> Result<Vec<f32>> {
        self.check_length(ids.len())?;
        prefill(&mut self.model.lock(), ids)
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

    /// The mean log-likelihood of a continuation. candle-transformers gives the logits of the last token
    /// only, so the continuation is processed token by token.
    fn log_likelihood(&self, context: &str, continuation: &str) -> Result<f32> {
        let (ids, scored) = self.vocabulary.encode_scored(context, continuation)?;
        self.check_length(ids.len())?;
        if scored == 0 {
            return Ok(0.0);
        }
        let (prefix, continuation) = ids.split_at(ids.len() - scored);
        let mut model = self.model.lock();
        let mut logits = prefill(&mut model, prefix)?;
        let mut sum = 0.0;
        for (index, id) in continuation.iter().enumerate() {
            sum += float::log_probability(&logits, *id as usize);
            if index + 1 < continuation.len() {
                logits = model.forward(&[*id])?;
            }
        }
        Ok(sum / continuation.len() as f32)
    }
}

/// Processes the first tokens of a text; returns the logits after the last of them.
fn prefill(model: &mut GeneralModel, ids: &[u32]) -> Result<Vec<f32>> {
    model.restart();
    let mut logits = Vec::new();
    let mut rest = ids;
    while !rest.is_empty() {
        let (tokens, later) = rest.split_at(step_length(rest.len()));
        logits = model.forward(tokens)?;
        rest = later;
    }
    Ok(logits)
}

/// Tokens of the next pass: a power of two. The llama of candle-transformers keeps a mask for each length and
/// position, and there are few of these.
fn step_length(left: usize) -> usize {
    let power = left.next_power_of_two();
    let largest = if power > left { power / 2 } else { power };
    largest.min(PROMPT_STEP)
}

impl Generator for GeneralGenerator {
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
        let pairs = pairs.iter();
        let means = pairs.map(|(context, continuation)| self.log_likelihood(context, continuation));
        means.collect()
    }

    fn generate(
        &self,
        request: &GenerateRequest,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generated> {
        let prompt = self.template.prompt_ids(request, &self.vocabulary)?;
        self.check_length(prompt.len().saturating_add(request.max_tokens))?;
        let mut sampler = Sampler::new(request)?;
        let mut model = self.model.lock();
        let mut logits = prefill(&mut model, &prompt)?;
        let mut written: Vec<u32> = Vec::new();
        let mut sent = SentText::default();
        let mut finish = FinishReason::Length;
        while written.len() < request.max_tokens {
            let next = sampler.sample(&logits, written.len(), &self.vocabulary)?;
            let token = match next {
                NextToken::Token(token) => Some(token),
                NextToken::End => None,
            };
            written.extend(token);
            let flow = sent.send_new(&written, &self.vocabulary, piece, token.is_none())?;
            if flow.is_break() {
                finish = FinishReason::Stopped;
                break;
            }
            let Some(token) = token else {
                finish = FinishReason::Complete;
                break;
            };
            logits = model.forward(&[token])?;
        }
        Ok(Generated {
            text: sent.text,
            tokens: written.len(),
            finish,
        })
    }
}
