//! A generator from a GGUF file: opening, planning and describing it.

use super::general::{self, GeneralArchitecture};
use super::gpu::{Gpu, GpuKvPages, Placement, find_gpu};
use super::import::{GgufTensors, Precision, open_gguf, read_config, read_decoder, read_header};
use super::model::{Decoder, ModelConfig};
use super::runtime::{
    KvCache, KvPagePool, LoadOptions, MemoryPlan, PrefixCache, SCORING_PAGES, SequenceChunk,
    SingleRequest, plan_memory,
};
use super::tokenizer::{ChatTemplate, Vocabulary};
use crate::error::{InferenceError, Result};
use crate::manifest::{ModelKind, ModelManifest};
use crate::request::GenerateRequest;
use crate::traits::{Generated, Generator, ModelIdentity, RequestSource};
use cloister_kernels::PAGE_TOKENS;
use parking_lot::Mutex;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Prompt tokens per pass. Between two passes the generator notices that a caller has gone, and the
/// score matrix of attention stays small.
pub(super) const PROMPT_STEP: usize = 256;

/// A llama model or a related decoder. Everything that is specific to one model (vocabulary, special
/// tokens, chat template, sizes) comes from its file.
pub struct GgufGenerator {
    identity: ModelIdentity,
    parameters: u64,
    pub(super) context: usize,
    pub(super) vocabulary: Vocabulary,
    pub(super) template: ChatTemplate,
    pub(super) decoder: Decoder,
    pub(super) kv_pages: Arc<KvPagePool>,
    pub(super) prefix_cache: Mutex<PrefixCache>,
}

impl GgufGenerator {
    /// Opens the model in the folder `dir`: `model.toml` and the GGUF file it names.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, &LoadOptions::default())
    }

    /// [`Self::open`] with these options.
    pub fn open_with(dir: &Path, options: &LoadOptions) -> Result<Self> {
        let manifest = ModelManifest::load(dir)?;
        Self::open_on(dir, manifest, options, find_gpu().as_ref())
    }

    /// Opens a GGUF file without a manifest, to measure it. Nobody vouches for its bytes.
    pub fn open_file(path: &Path, options: &LoadOptions) -> Result<Self> {
        let manifest = ModelManifest::for_gguf_file(path)?;
        let dir = path.parent().unwrap_or(Path::new(""));
        Self::open_on(dir, manifest, options, find_gpu().as_ref())
    }

    /// The memory that this GGUF file takes on this machine, or on a machine with the GPU memory that
    /// the options state. Reads only the file's header.
    pub fn plan(path: &Path, options: &LoadOptions) -> Result<MemoryPlan> {
        let file = open_gguf(path)?;
        let content = read_header(&file, path)?;
        let tensors = GgufTensors::new(&content, &file, path, options.precision)?;
        if let Some(architecture) = GeneralArchitecture::of(&tensors) {
            return general::plan(&tensors, architecture, usize::MAX, options);
        }
        let gpu_available = options
            .gpu_memory
            .or_else(|| find_gpu().map(|gpu| gpu.free));
        plan_memory(&tensors, usize::MAX, options, gpu_available)
    }

    /// Creates a manifest for this GGUF file from its header and its bytes. A person adds what the file
    /// does not say: often its licence, always its fitness.
    pub fn describe(path: &Path) -> Result<ModelManifest> {
        let file = open_gguf(path)?;
        let content = read_header(&file, path)?;
        let tensors = GgufTensors::new(&content, &file, path, Precision::Int8)?;
        let metadata = tensors.metadata;
        let (architecture, context) = match GeneralArchitecture::of(&tensors) {
            Some(general) => (
                general.name(),
                general::read_sizes(&tensors, general)?.context,
            ),
            None => (
                metadata.text("general.architecture")?,
                read_config(&tensors)?.1,
            ),
        };
        Vocabulary::read(metadata)?;
        ChatTemplate::read(metadata)?;
        let undescribed = ModelManifest::for_gguf_file(path)?;
        let name = metadata.optional_text("general.name");
        let licence = metadata.optional_text("general.license");
        Ok(ModelManifest {
            name: name.map_or(undescribed.name.clone(), str::to_owned),
            licence: licence.map_or(undescribed.licence.clone(), str::to_owned),
            architecture: architecture.to_owned(),
            context: u32::try_from(context).unwrap_or(u32::MAX),
            parameters: tensors.parameters(),
            ..undescribed
        })
    }

    /// Opens the model with as many layers on this GPU as fit there.
    pub(super) fn open_on(
        dir: &Path,
        manifest: ModelManifest,
        options: &LoadOptions,
        gpu: Option<&Gpu>,
    ) -> Result<Self> {
        let path = dir.join(&manifest.file);
        if manifest.kind != ModelKind::Generator {
            return Err(InferenceError::Unsupported {
                path,
                reason: "its manifest does not say that it is of kind `generator`".into(),
            });
        }
        let file = manifest.open_verified(dir)?;
        let content = read_header(&file, &path)?;
        let tensors = GgufTensors::new(&content, &file, &path, options.precision)?;
        let max_gpu_memory = options.gpu_memory.unwrap_or(u64::MAX);
        let gpu_available = gpu.map(|gpu| gpu.free.min(max_gpu_memory));
        let plan = plan_memory(&tensors, manifest.context as usize, options, gpu_available)?;
        for warning in &plan.warnings {
            tracing::warn!(%warning, "{}: {warning}", manifest.name);
        }
        let placement = Placement::new(gpu, plan.layers, plan.gpu_layers);
        let (decoder, vocabulary) = rayon::join(
            || read_decoder(&tensors, plan.context, options.threads, &placement),
            || Vocabulary::read(tensors.metadata),
        );
        let (decoder, mut vocabulary) = (decoder?, vocabulary?);
        let template = ChatTemplate::read(tensors.metadata)?;
        vocabulary.add_end_tokens(template.end_tokens(&vocabulary), &manifest.name);
        let rows = decoder
            .embed_tokens
            .outputs()
            .min(decoder.lm_head.outputs());
        if vocabulary.len() > rows {
            let reason = "it has more tokens than rows of embeddings";
            return Err(tensors.metadata.damaged(reason.into()));
        }
        let pages = plan.context.div_ceil(PAGE_TOKENS) + SCORING_PAGES;
        let kv_pages = allocate_kv_pages(&decoder, &placement, pages)?;
        Ok(Self {
            identity: ModelIdentity {
                name: manifest.name,
                sha256: manifest.sha256,
                tokenizer: None,
            },
            parameters: tensors.parameters(),
            context: plan.context,
            vocabulary,
            template,
            decoder,
            prefix_cache: Mutex::new(PrefixCache::new(&kv_pages)),
            kv_pages,
        })
    }

    pub(super) fn check_length(&self, tokens: usize) -> Result<()> {
        if tokens > self.context {
            return Err(InferenceError::TooLong {
                tokens,
                limit: self.context,
            });
        }
        Ok(())
    }

    /// Processes the prompt; returns the state of its last token.
    pub(super) fn prefill(&self, ids: &[u32], cache: &mut KvCache) -> Result<Vec<f32>> {
        let mut last = Vec::new();
        for tokens in ids.chunks(PROMPT_STEP) {
            last = self
                .decoder
                .forward(&mut [SequenceChunk { tokens, cache }])?;
        }
        let start = last.len().saturating_sub(self.decoder.config.hidden_size);
        Ok(last.split_off(start))
    }
}

/// Allocates the KV pages of each layer where it runs.
fn allocate_kv_pages(
    decoder: &Decoder,
    placement: &Placement,
    count: usize,
) -> Result<Arc<KvPagePool>> {
    let config = decoder.config;
    let gpu = placement
        .device_of_layer(0)
        .map(|device| GpuKvPages::new(config, placement.gpu_layers(), count, device));
    let cpu_config = ModelConfig {
        num_layers: decoder.layers.len(),
        ..config
    };
    Ok(KvPagePool::new(cpu_config, count, gpu.transpose()?))
}

impl Generator for GgufGenerator {
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
        self.mean_log_likelihoods(pairs)
    }

    fn serve(&self, source: &mut dyn RequestSource) {
        self.run_batches(source);
    }

    fn generate(
        &self,
        request: &GenerateRequest,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generated> {
        let mut source = SingleRequest {
            request: Some(request.clone()),
            piece,
            outcome: None,
        };
        self.run_batches(&mut source);
        source
            .outcome
            .unwrap_or_else(|| Err(InferenceError::Compute("nothing was written".into())))
    }
}
