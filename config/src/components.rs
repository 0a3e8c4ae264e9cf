//! Opens what the settings describe: models, the file reader, weights and rules.

use crate::model_selection::ModelSelection;
use crate::settings::{Config, Rerank};
use anyhow::Context;
use cloister_answer::{
    AnswerWeights, Glossary, RerankModel, Reranker, SentenceReranker, SiteDictionaries,
    SiteThesaurus,
};
use cloister_directory::DirectorySettings;
use cloister_index::IndexSettings;
use cloister_inference::{
    CrossEncoder, Embedder, EmbedderService, GeneratorService, GeneratorState, ModelManifest,
    NliEncoder, NliModel, QueueLimits, SentenceEncoder,
};
use cloister_ingest::{ActiveIndex, ChunkSettings, GoldenQuestion, Limits, OcrEngine, Reader};
use cloister_policies::egress::{DEFAULT_EGRESS, EgressPolicy};
use cloister_policies::redaction::Redaction;
use cloister_store::Store;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The name of the program that reads files. It is installed beside this program.
const READER_PROGRAM: &str = "cloister-reader";
/// The program that connects to the directory of the site.
const CONNECTOR_PROGRAM: &str = "cloister-connector";
/// The file of a thesaurus in its folder.
const THESAURUS_FILE: &str = "thesaurus.tsv";

/// Loads the active embedder.
pub fn open_embedder(config: &Config) -> anyhow::Result<EmbedderService> {
    let folder = model_folder(config, &ModelSelection::load(config)?.embedder);
    let model = SentenceEncoder::open(&folder).with_context(|| unusable_model(&folder))?;
    Ok(EmbedderService::start(
        Arc::new(model),
        QueueLimits::default(),
    )?)
}

/// Loads the model with this SHA-256, or returns `None` if it is missing or damaged.
fn open_embedder_by_hash(models: &Path, sha256: &str) -> Option<EmbedderService> {
    for folder in std::fs::read_dir(models).ok()?.filter_map(Result::ok) {
        let Ok(model) = SentenceEncoder::open(&folder.path()) else {
            continue;
        };
        if model.identity().sha256 == sha256 {
            return EmbedderService::start(Arc::new(model), QueueLimits::default()).ok();
        }
    }
    None
}

/// Opens the index that is in use with its embedder. If another embedder is active, also opens the
/// index that replaces it.
pub async fn open_finding(config: &Config, store: &Store) -> anyhow::Result<ActiveIndex> {
    let embedder = open_embedder(config)?;
    Ok(ActiveIndex::open(
        store,
        &config.paths.data,
        embedder,
        |sha256| open_embedder_by_hash(&config.paths.models, sha256),
        |embedder| index_settings(config, embedder),
    )
    .await?)
}

/// Opens the reranker of `search.rerank`, if there is one.
pub fn open_reranker(
    config: &Config,
    generator: Option<&GeneratorService>,
) -> anyhow::Result<Option<Reranker>> {
    let model =
        match config.search.rerank {
            Rerank::Off => return Ok(None),
            Rerank::Likelihood => RerankModel::Likelihood(generator.cloned().context(
                "`search.rerank = \"likelihood\"` needs a generator in `models.generator`",
            )?),
            Rerank::CrossEncoder => {
                let folder = model_folder(config, &ModelSelection::load(config)?.reranker);
                let model = CrossEncoder::open(&folder).with_context(|| unusable_model(&folder))?;
                RerankModel::CrossEncoder(Arc::new(model))
            }
        };
    Ok(Some(Reranker::new(model, config.search.rerank_weight)))
}

/// Loads the cross-encoder that judges sentences. `None` if the settings name none, or if that of
/// the settings was never fetched: the other features then decide alone.
pub fn open_sentence_reranker(config: &Config) -> anyhow::Result<Option<SentenceReranker>> {
    let name = ModelSelection::load(config)?.reranker;
    if name.is_empty() {
        return Ok(None);
    }
    let folder = model_folder(config, &name);
    if !folder.exists() {
        tracing::warn!(
            "the cross-encoder `{name}` is not in the models folder, so sentences are judged less \
             well. `make models` fetches it"
        );
        return Ok(None);
    }
    let model = CrossEncoder::open(&folder).with_context(|| unusable_model(&folder))?;
    Ok(Some(SentenceReranker::new(Arc::new(model))))
}

/// Loads the NLI model, if one is active.
pub fn open_nli_model(config: &Config) -> anyhow::Result<Option<Arc<dyn NliModel>>> {
    let name = ModelSelection::load(config)?.nli;
    if name.is_empty() {
        return Ok(None);
    }
    let folder = model_folder(config, &name);
    let model = NliEncoder::open(&folder).with_context(|| unusable_model(&folder))?;
    Ok(Some(Arc::new(model)))
}

/// A generator that loads in the background, and its manifest.
pub struct OpenedGenerator {
    /// The service. It accepts requests once the model is loaded.
    pub service: GeneratorService,
    /// The manifest of the model.
    pub manifest: ModelManifest,
}

/// Starts to load the active generator, if there is one.
pub fn open_generator(config: &Config) -> anyhow::Result<Option<OpenedGenerator>> {
    let generator = ModelSelection::load(config)?.generator;
    if generator.is_empty() {
        return Ok(None);
    }
    let folder = model_folder(config, &generator);
    let manifest = ModelManifest::load(&folder).with_context(|| unusable_model(&folder))?;
    let service = GeneratorService::start(folder, QueueLimits::default())?;
    Ok(Some(OpenedGenerator { service, manifest }))
}

/// Loads the active generator and waits until it is ready. `None` if there is none.
pub async fn load_generator(config: &Config) -> anyhow::Result<Option<GeneratorService>> {
    let Some(generator) = open_generator(config)? else {
        return Ok(None);
    };
    wait_for_generator(&generator.service).await;
    Ok(Some(generator.service))
}

/// Waits until the generator is loaded or has failed to load.
pub async fn wait_for_generator(generator: &GeneratorService) {
    const POLL_INTERVAL: Duration = Duration::from_millis(20);
    while generator.state() == GeneratorState::Loading {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Loads the redaction rules of the site, or the compiled-in ones.
pub fn load_redaction(config: &Config) -> anyhow::Result<Redaction> {
    load_or_default(
        &config.paths.redaction,
        "the redaction rules",
        Redaction::load_default,
        Redaction::parse,
    )
}

/// Loads the answer weights of the site, or the compiled-in ones.
pub fn load_answer_weights(config: &Config) -> anyhow::Result<AnswerWeights> {
    load_or_default(
        &config.paths.answer_weights,
        "the answer weights",
        AnswerWeights::compiled_in,
        AnswerWeights::parse,
    )
}

/// Loads the glossary of the site, or the compiled-in one.
pub fn load_glossary(config: &Config) -> anyhow::Result<Glossary> {
    load_or_default(
        &config.paths.glossary,
        "the glossary",
        Glossary::compiled_in,
        Glossary::parse,
    )
}

/// Whether a folder of `paths.models` has a thesaurus or dictionaries, not a model.
pub fn has_word_lists(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.into_iter().any(|file| {
        file.path()
            .extension()
            .is_some_and(|extension| extension == "tsv")
    })
}

/// Finds the dictionaries of `search.dictionaries`. None if the settings name none, or if they are not
/// in the models folder.
pub fn load_dictionaries(config: &Config) -> anyhow::Result<SiteDictionaries> {
    let name = &config.search.dictionaries;
    if name.is_empty() {
        return Ok(SiteDictionaries::default());
    }
    let folder = model_folder(config, name);
    if !folder.exists() {
        tracing::warn!(
            "the dictionaries `{name}` are not in the models folder, so questions in another \
             language than the documents are not translated. `make models` fetches them"
        );
    }
    SiteDictionaries::open(&folder)
        .with_context(|| format!("could not read the dictionaries in `{}`", folder.display()))
}

/// Loads the thesaurus of `search.thesaurus`. Empty if the settings name none, or if it is the default
/// one and not in the models folder.
pub fn load_thesaurus(config: &Config) -> anyhow::Result<SiteThesaurus> {
    let name = &config.search.thesaurus;
    if name.is_empty() {
        return Ok(SiteThesaurus::default());
    }
    let file = model_folder(config, name).join(THESAURUS_FILE);
    if !file.exists() {
        tracing::warn!(
            "the thesaurus `{name}` is not in the models folder, so fewer questions in other words \
             than those of the documents are answered. `make models` fetches it"
        );
        return Ok(SiteThesaurus::default());
    }
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("could not read the thesaurus `{}`", file.display()))?;
    SiteThesaurus::parse(text).with_context(|| {
        format!(
            "could not parse the thesaurus `{}`: each line must be a word, a tab and related words, \
             and the lines must be in the order of their bytes",
            file.display()
        )
    })
}

/// Loads the golden questions of the site. Empty if the site has none.
pub fn load_golden_questions(config: &Config) -> anyhow::Result<Vec<GoldenQuestion>> {
    load_or_default(
        &config.paths.golden_questions,
        "the golden questions",
        || GoldenQuestion::parse(""),
        GoldenQuestion::parse,
    )
}

/// Parses the file of the site, or returns the default if the site has none. `what` names the
/// contents in an error.
fn load_or_default<T, E: std::error::Error + Send + Sync + 'static>(
    file: &Path,
    what: &str,
    default: fn() -> Result<T, E>,
    parse: fn(&str) -> Result<T, E>,
) -> anyhow::Result<T> {
    if file.as_os_str().is_empty() {
        return Ok(default()?);
    }
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("could not read {what} in `{name}`"))?;
    parse(&text).with_context(|| format!("could not parse {what} in `{name}`"))
}

/// Opens the file reader, with text recognition if tesseract is installed.
pub fn open_reader(config: &Config) -> anyhow::Result<Reader> {
    let reader = Reader::new(reader_program()?, reader_limits(config));
    match OcrEngine::find(&config.ocr.program, &config.ocr.languages) {
        Ok(recogniser) => Ok(reader.with_ocr(recogniser)),
        Err(cause) => {
            tracing::warn!("{cause}. Scanned pages are quarantined until text recognition works");
            Ok(reader)
        }
    }
}

/// The path of the reader program, beside this program.
pub fn reader_program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(READER_PROGRAM);
    anyhow::ensure!(
        program.exists(),
        "`{}` is missing. It must be installed beside `cloister`",
        program.display()
    );
    Ok(program)
}

/// The path of the connector program, beside this program.
pub fn connector_program() -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(CONNECTOR_PROGRAM))
}

/// The outbound connections that the site allows.
pub fn load_egress(config: &Config) -> anyhow::Result<EgressPolicy> {
    let file = &config.paths.egress;
    if file.as_os_str().is_empty() {
        return Ok(EgressPolicy::parse(DEFAULT_EGRESS)?);
    }
    let text = read_site_file(file, "the outbound connections")?;
    EgressPolicy::parse(&text).with_context(|| format!("in `{}`", file.display()))
}

/// The settings of the directory. `None` if the site does not allow the connection to it.
pub fn directory_settings(config: &Config) -> anyhow::Result<Option<DirectorySettings>> {
    let Some(exception) = load_egress(config)?.directory else {
        return Ok(None);
    };
    let settings = &config.directory;
    let authorities = read_site_file(&settings.authorities, "`directory.authorities`")?;
    let password = read_site_file(&settings.bind_password, "`directory.bind_password`")?;
    let groups = directory_groups(config)?;
    Ok(Some(DirectorySettings {
        host: exception.host,
        port: exception.port,
        security: settings.security,
        authorities,
        bind_dn: settings.bind_dn.clone(),
        bind_password: password.trim_end_matches(['\r', '\n']).to_owned(),
        people_base: settings.people_base.clone(),
        people_filter: settings.people_filter.clone(),
        name_attribute: settings.name_attribute.clone(),
        key_attribute: settings.key_attribute.clone(),
        groups_base: settings.groups_base.clone(),
        member_attribute: settings.member_attribute.clone(),
        groups: groups.into_iter().map(|mapping| mapping.entry).collect(),
    }))
}

/// A group of the directory, and the group of the appliance to which its members belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMapping {
    /// The entry of the directory.
    pub entry: String,
    /// The name of the group of the appliance.
    pub group: String,
}

/// The groups of the directory that matter.
pub fn directory_groups(config: &Config) -> anyhow::Result<Vec<GroupMapping>> {
    let groups = config.directory.groups.iter();
    let mappings = groups.map(|line| {
        let sides = line.rsplit_once(" -> ");
        let sides = sides.map(|(entry, group)| (entry.trim(), group.trim()));
        let (entry, group) = sides
            .with_context(|| format!("`directory.groups` has `{line}`. Write `ENTRY -> GROUP`"))?;
        Ok(GroupMapping {
            entry: entry.to_owned(),
            group: group.to_owned(),
        })
    });
    mappings.collect()
}

fn read_site_file(file: &Path, what: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(file)
        .with_context(|| format!("could not read {what} in `{}`", file.display()))
}

/// The settings of an index for the vectors of `embedder`.
pub fn index_settings(config: &Config, embedder: &EmbedderService) -> IndexSettings {
    IndexSettings {
        dimensions: embedder.dimensions(),
        exact_limit: config.search.exact_search_limit,
        dense_weight: config.search.dense_weight,
        k1: config.search.bm25_k1,
        b: config.search.bm25_b,
        ..IndexSettings::default()
    }
}

/// How documents are cut into passages.
pub fn chunk_settings(config: &Config) -> ChunkSettings {
    ChunkSettings {
        most_tokens: config.chunking.max_tokens,
        overlap_tokens: config.chunking.overlap_tokens,
    }
}

/// The limits of the process that reads one file.
pub fn reader_limits(config: &Config) -> Limits {
    let reader = &config.reader;
    Limits {
        file_bytes: reader.max_file_mb << 20,
        memory_bytes: reader.memory_mb << 20,
        cpu: Duration::from_secs(reader.cpu_seconds),
        page: Duration::from_secs(reader.page_timeout_seconds),
        hidden_cells: reader.hidden_cells,
        ..Limits::default()
    }
}

fn model_folder(config: &Config, name: &str) -> PathBuf {
    config.paths.models.join(name)
}

fn unusable_model(folder: &Path) -> String {
    format!(
        "could not use the model in `{}`. `make models` fetches and checks the default models; \
         `cloister models list` shows those that are there, and `models.embedder` and \
         `models.generator` in the settings select others",
        folder.display()
    )
}
