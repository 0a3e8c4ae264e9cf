//! The appliance, put together: every part is opened here, once, and handed on from here.

use crate::active::Active;
use crate::config::{Config, Rerank};
use crate::isolation::InForce;
use crate::machine::{SystemClock, SystemEntropy};
use crate::passwords;
use anyhow::Context;
use cloister_answer::Answerer;
use cloister_answer::evidence::Evidence;
use cloister_answer::glossary::Glossary;
use cloister_answer::rerank::{Judge, Reranking};
use cloister_audit::{AuditLog, Event};
use cloister_domain::chance::NoEntropy;
use cloister_domain::{Clock, CollectionId, Day, Entropy, Principal};
use cloister_index::{IndexSettings, Worse};
use cloister_inference::{
    CrossEncoder, Embedder, EmbedderService, Entailment, EntailmentEncoder, GeneratorService,
    GeneratorState, ModelManifest, QueueLimits, SentenceEncoder,
};
use cloister_ingest::{
    ChunkSettings, Finder, Finding, KnownQuestion, Limits, Meter, Reader, Recogniser,
};
use cloister_policies::redaction::Redaction;
use cloister_policies::{Granted, Policies};
use cloister_store::{Library, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

use crate::api::Problem;

/// The name of the program that reads files, beside this one.
pub const READER: &str = "cloister-reader";

/// One running appliance.
pub struct App {
    /// The settings in force.
    pub config: Config,
    /// What must survive.
    pub store: Store,
    /// The audit log.
    pub audit: AuditLog,
    /// Who may do what.
    pub policies: Policies,
    /// What finds passages.
    pub finding: Arc<Finding>,
    /// Whether another embedder comes into use that finds less.
    pub another_model: Worse,
    /// What writes and judges; none where answers are quotes alone.
    pub generator: Option<GeneratorService>,
    reranking: Option<Reranking>,
    verifier: Option<Arc<dyn Entailment>>,
    redaction: Redaction,
    evidence: Evidence,
    glossary: Glossary,
    /// Questions whose answers the site knows.
    pub questions: Vec<KnownQuestion>,
    /// What reads files, in processes of their own.
    pub reader: Arc<Reader>,
    /// How fast files are taken in.
    pub meter: Arc<Meter>,
    /// The generator's manifest; none where answers are quotes alone.
    pub generator_manifest: Option<ModelManifest>,
    /// The folder that is watched.
    pub inbox: PathBuf,
    /// Wakes the ingestion when there is work.
    pub work: Arc<Notify>,
    /// Has the inbox looked through at once.
    pub look: Arc<Notify>,
    watching: AtomicBool,
    /// What the kernel enforces on this process.
    pub isolation: InForce,
    /// Tells the hour.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Makes tickets for pages' pictures that nobody can guess.
    pub ticket_secret: String,
}

/// The appliance as handlers see it.
pub type AppState = Arc<App>;

impl App {
    /// Opens every part. The process is confined by now.
    pub async fn open(config: Config, isolation: InForce) -> anyhow::Result<AppState> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let data = config.paths.data.clone();
        let name = config
            .server
            .names
            .first()
            .map_or("localhost", String::as_str);
        let audit = AuditLog::open(
            &data.join("audit"),
            &format!("{name}/cloister/audit"),
            Arc::clone(&clock),
            &*entropy,
        )?;
        let store = Store::open(&data).await?;
        let policies = Policies::load()?;
        let another_model = Active::of(&config)?.another_model;
        let finding = open_finding(&config, &store).await?;
        let (generator, generator_manifest) = open_generator(&config)?;
        let reranking = open_reranking(&config, generator.as_ref())?;
        let verifier = open_verifier(&config)?;
        Ok(Arc::new(Self {
            reader: Arc::new(open_reader(&config)?),
            meter: Arc::new(Meter::default()),
            inbox: std::path::absolute(&config.paths.inbox)?,
            ticket_secret: passwords::secret(&*entropy)?,
            generator_manifest,
            redaction: redaction(&config)?,
            evidence: evidence(&config)?,
            glossary: glossary(&config)?,
            questions: known_questions(&config)?,
            work: Arc::new(Notify::new()),
            look: Arc::new(Notify::new()),
            watching: AtomicBool::new(false),
            config,
            store,
            audit,
            policies,
            finding: Arc::new(finding),
            another_model,
            generator,
            reranking,
            verifier,
            isolation,
            clock,
            entropy,
        }))
    }

    /// What answers, with the model and the index that are in use now. It keeps to this pair, so that
    /// a question is never embedded by one model and searched among vectors of another.
    pub fn answerer(&self) -> Answerer {
        let Finder { embedder, index } = self.finding.now();
        let answerer = Answerer::new(
            self.audit.clone(),
            index,
            embedder,
            self.generator.clone(),
            Arc::clone(&self.clock),
            self.redaction.clone(),
            self.evidence.clone(),
        )
        .with_glossary(self.glossary.clone());
        let answerer = match &self.reranking {
            Some(reranking) => answerer.with_reranking(reranking.clone()),
            None => answerer,
        };
        match &self.verifier {
            Some(verifier) => answerer.with_verifier(Arc::clone(verifier)),
            None => answerer,
        }
    }

    /// The documents that this person may read, now: the one way from a person to documents.
    pub async fn library(&self, person: &Principal) -> Result<Library, Problem> {
        let collections = self.store.collections().await?;
        let granted = collections.iter().map(|c| Granted {
            collection: c.id,
            readers: &c.readers,
        });
        let permitted = self.policies.permitted(person, granted)?;
        Ok(self.store.library(permitted, self.today()))
    }

    /// The day by the appliance's clock, in UTC.
    pub fn today(&self) -> Day {
        Day::of(self.clock.now())
    }

    /// The collections whose administrator lets the model write below the quotes.
    pub async fn composed_collections(&self) -> Result<Vec<CollectionId>, Problem> {
        let collections = self.store.collections().await?;
        Ok(collections
            .into_iter()
            .filter(|c| c.composed)
            .map(|c| c.id)
            .collect())
    }

    /// Logs what is about to be done, does it, and logs it again if it failed. What cannot be
    /// logged is not done.
    pub async fn logged<T, E>(
        &self,
        event: Event,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem>
    where
        Problem: From<E>,
        E: std::fmt::Display,
    {
        self.audit.append(event.clone()).await?;
        match act.await {
            Ok(done) => Ok(done),
            Err(cause) => {
                let mut failed = Event {
                    outcome: cloister_audit::Outcome::Failure,
                    ..event
                };
                failed.detail["failed"] = cause.to_string().into();
                self.audit.append(failed).await?;
                Err(cause.into())
            }
        }
    }

    /// A random id for a request.
    pub fn request_id(&self) -> Result<String, NoEntropy> {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes)?;
        Ok(hex::encode(bytes))
    }

    /// Whether this process watches the inbox.
    pub fn watching(&self) -> bool {
        self.watching.load(Ordering::Relaxed)
    }

    /// Notes that this process watches the inbox from now on.
    pub fn begin_watching(&self) {
        self.watching.store(true, Ordering::Relaxed);
    }

    /// Waits until the generator is loaded, or will not be. The interface answers with quotes
    /// meanwhile; a command that was started for one answer has nothing better to do.
    pub async fn generator_settled(&self) {
        const LOOK: Duration = Duration::from_millis(50);
        while matches!(
            self.generator.as_ref().map(GeneratorService::state),
            Some(GeneratorState::Loading)
        ) {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The generator's state in a word or a sentence.
    pub fn generator_state(&self) -> String {
        match self.generator.as_ref().map(GeneratorService::state) {
            None => "off, answers are quotes alone".into(),
            Some(GeneratorState::Loading) => "loading".into(),
            Some(GeneratorState::Ready { .. }) => "ready".into(),
            Some(GeneratorState::Failed(reason)) => reason,
        }
    }
}

/// The embedder that is wanted.
pub fn open_embedder(config: &Config) -> anyhow::Result<EmbedderService> {
    let folder = config.paths.models.join(Active::of(config)?.embedder);
    let model = SentenceEncoder::open(&folder).with_context(|| missing(&folder))?;
    Ok(EmbedderService::start(
        Arc::new(model),
        QueueLimits::default(),
    )?)
}

/// The model with this identity, where its folder is still there and holds.
fn open_embedder_of(models: &Path, sha256: &str) -> Option<EmbedderService> {
    let folders = std::fs::read_dir(models).ok()?.filter_map(Result::ok);
    let mut opened = folders.filter_map(|folder| SentenceEncoder::open(&folder.path()).ok());
    let model = opened.find(|model| model.identity().sha256 == sha256)?;
    EmbedderService::start(Arc::new(model), QueueLimits::default()).ok()
}

/// The model and the index in use, and those that are to follow.
pub async fn open_finding(config: &Config, store: &Store) -> anyhow::Result<Finding> {
    let before = |sha256: &str| open_embedder_of(&config.paths.models, sha256);
    let settings = |embedder: &EmbedderService| index_settings(config, embedder);
    let (data, wanted) = (&config.paths.data, open_embedder(config)?);
    Ok(Finding::open(store, data, wanted, before, settings).await?)
}

impl App {
    /// How the second look stands.
    pub fn second_look(&self) -> String {
        let standing = self.reranking.as_ref().map(|r| r.standing().to_string());
        standing.unwrap_or_else(|| "off".into())
    }

    /// Tests the second look on the site's own passages, and says what came of it; `false` where there
    /// are none to test it on yet.
    pub async fn test_reranking(&self) -> anyhow::Result<bool> {
        const QUESTIONS: u32 = 40;
        if self.reranking.is_none() {
            return Ok(true);
        }
        self.generator_settled().await;
        let collections = self.store.collections().await?;
        let everything = Policies::for_self_test(collections.iter().map(|c| c.id));
        let library = self.store.library(everything, self.today());
        let passages = library.sample(QUESTIONS).await?;
        let test = self.answerer().test_reranking(&library, &passages).await?;
        if test.questions == 0 {
            return Ok(false);
        }
        let told = format!(
            "of {} questions made of passages, 1/rank is {:.3} without the second look and {:.3} \
             with it",
            test.questions, test.plain, test.reranked
        );
        if test.reranked < test.plain {
            tracing::warn!("the second look makes the search worse and is switched off: {told}");
        } else {
            tracing::info!("the second look takes part: {told}");
        }
        Ok(true)
    }
}

/// Who looks a second time at what was found, where the settings name somebody.
pub fn open_reranking(
    config: &Config,
    generator: Option<&GeneratorService>,
) -> anyhow::Result<Option<Reranking>> {
    let judge =
        match config.search.rerank {
            Rerank::Off => return Ok(None),
            Rerank::Likelihood => Judge::Likelihood(generator.cloned().context(
                "`search.rerank = \"likelihood\"` needs a generator in `models.generator`",
            )?),
            Rerank::CrossEncoder => {
                let folder = config.paths.models.join(Active::of(config)?.reranker);
                let model = CrossEncoder::open(&folder).with_context(|| missing(&folder))?;
                Judge::CrossEncoder(Arc::new(model))
            }
        };
    Ok(Some(Reranking::new(judge, config.search.rerank_weight)))
}

/// The model that tells whether what is written follows from its quote, where there is one.
pub fn open_verifier(config: &Config) -> anyhow::Result<Option<Arc<dyn Entailment>>> {
    let name = Active::of(config)?.verifier;
    if name.is_empty() {
        return Ok(None);
    }
    let folder = config.paths.models.join(name);
    let model = EntailmentEncoder::open(&folder).with_context(|| missing(&folder))?;
    Ok(Some(Arc::new(model)))
}

fn open_generator(
    config: &Config,
) -> anyhow::Result<(Option<GeneratorService>, Option<ModelManifest>)> {
    let generator = Active::of(config)?.generator;
    if generator.is_empty() {
        return Ok((None, None));
    }
    let folder = config.paths.models.join(generator);
    let manifest = ModelManifest::read(&folder).with_context(|| missing(&folder))?;
    let service = GeneratorService::starting(folder, QueueLimits::default())?;
    Ok((Some(service), Some(manifest)))
}

/// The rules by which personal data is masked: the site's, or those compiled in.
fn redaction(config: &Config) -> anyhow::Result<Redaction> {
    let file = &config.paths.redaction;
    of_site(
        file,
        "the rules of masking",
        Redaction::compiled_in,
        Redaction::parse,
    )
}

/// The weights and thresholds in force: the site's, or those compiled in.
pub fn evidence(config: &Config) -> anyhow::Result<Evidence> {
    let file = &config.paths.evidence;
    of_site(
        file,
        "the weights of evidence",
        Evidence::calibrated,
        Evidence::parse,
    )
}

/// What terms stand for: the site's glossary, or the one compiled in.
pub fn glossary(config: &Config) -> anyhow::Result<Glossary> {
    let file = &config.paths.glossary;
    of_site(file, "the glossary", Glossary::compiled_in, Glossary::parse)
}

/// The questions whose answers the site knows; none where it has no file of them.
pub fn known_questions(config: &Config) -> anyhow::Result<Vec<KnownQuestion>> {
    let none = || KnownQuestion::parse("");
    let file = &config.paths.questions;
    of_site(file, "the known questions", none, KnownQuestion::parse)
}

/// What the site's file says, or what is compiled in where the site has none. `what` is for the message.
fn of_site<T, E: std::error::Error + Send + Sync + 'static>(
    file: &Path,
    what: &str,
    compiled_in: fn() -> Result<T, E>,
    parse: fn(&str) -> Result<T, E>,
) -> anyhow::Result<T> {
    if file.as_os_str().is_empty() {
        return Ok(compiled_in()?);
    }
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{what}, `{name}`"))?;
    parse(&text).with_context(|| format!("{what}, `{name}`"))
}

/// The generator, once it is loaded; none where none is set up.
pub async fn generator_ready(config: &Config) -> anyhow::Result<Option<GeneratorService>> {
    let (Some(generator), _) = open_generator(config)? else {
        return Ok(None);
    };
    while generator.state() == GeneratorState::Loading {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(Some(generator))
}

/// What reads files, with the recogniser of scanned pages where it is installed.
pub fn open_reader(config: &Config) -> anyhow::Result<Reader> {
    let reader = Reader::new(reader_program()?, limits(config));
    let recognition = &config.recognition;
    match Recogniser::find(&recognition.program, &recognition.languages) {
        Ok(recogniser) => Ok(reader.with_recogniser(recogniser)),
        Err(cause) => {
            tracing::warn!("{cause}. Scanned pages are set aside until it is");
            Ok(reader)
        }
    }
}

fn missing(folder: &Path) -> String {
    format!(
        "the model in `{}` cannot be used. `make models` fetches the default ones and checks them; \
         another is named by models.embedder and models.generator in the settings",
        folder.display()
    )
}

/// How the index works.
pub fn index_settings(config: &Config, embedder: &EmbedderService) -> IndexSettings {
    IndexSettings {
        dimensions: embedder.dimensions(),
        exact_limit: config.search.exact_up_to,
        semantic_weight: config.search.meaning,
        k1: config.search.k1,
        b: config.search.b,
        ..IndexSettings::default()
    }
}

/// How passages are cut.
pub fn passages(config: &Config) -> ChunkSettings {
    ChunkSettings {
        most_tokens: config.passages.tokens,
        overlap_tokens: config.passages.overlap,
    }
}

/// What reading one file may cost.
pub fn limits(config: &Config) -> Limits {
    let reading = &config.reading;
    Limits {
        file_bytes: reading.largest_file_mb << 20,
        memory_bytes: reading.memory_mb << 20,
        cpu: Duration::from_secs(reading.processor_seconds),
        page: Duration::from_secs(reading.page_seconds),
        ..Limits::default()
    }
}

/// The reader lies beside this program, wherever that is.
pub fn reader_program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name(READER);
    anyhow::ensure!(
        program.exists(),
        "`{}` is missing. It belongs beside `cloister`; install both together",
        program.display()
    );
    Ok(program)
}
