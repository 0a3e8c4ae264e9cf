//! The use cases of the appliance, and the state that they share.
//!
//! A use case authorises, writes its audit record, and returns a view. It knows neither HTTP nor
//! commands. `http/` and `cli/` call it.

pub mod access;
pub mod account;
pub mod account_requests;
pub mod activation;
mod anchor_folder;
mod answers;
pub mod api_tokens;
pub mod audit;
pub mod audit_export;
pub mod audit_log;
pub mod audit_overview;
pub mod backups;
mod caller;
pub mod conversations;
pub mod directory;
pub mod documents;
mod embeddings;
mod error;
pub mod examples;
mod expensive;
mod factor_proof;
pub mod files;
mod inbox_files;
mod index;
mod ingestion;
mod maintenance;
mod metrics;
pub mod people;
mod refusals;
mod replay;
pub mod search;
pub mod second_factor;
pub mod security_keys;
mod sessions;
mod setup;
mod sign_in;
pub mod status;
pub mod views;

pub use access::CollectionReading;
pub use account::describe_device;
pub use answers::{AskCommand, FollowUp};
pub use api_tokens::NewToken;
pub use caller::Caller;
pub use documents::{PageImage, PagePlace};
pub use error::{AppError, ErrorCode, KeyChallengeView, Result};
pub use factor_proof::FactorProof;
pub use files::FileQuery;
pub use index::IndexReport;
pub use people::{AccountManager, Changed, NewPerson};
pub use sessions::SessionUse;
pub use setup::SetupCommand;
pub use sign_in::{Credentials, NewSession};

use crate::limits::HashPool;
use crate::passwords;
use crate::sandbox::SandboxStatus;
use crate::sealing::Sealer;
use crate::security_keys::SecurityKeys;
use cloister_answer::{
    AnswerWeights, Answerer, AnswererParts, Glossary, Reranker, SentenceReranker, SiteDictionaries,
    SiteThesaurus,
};
use cloister_audit::AuditLog;
use cloister_config::{Config, ModelSelection, SystemClock, SystemEntropy, components};
use cloister_domain::entropy::EntropyError;
use cloister_domain::{Clock, CollectionId, Day, Entropy, Principal, Timestamp};
use cloister_index::Regression;
use cloister_inference::{GeneratorService, GeneratorState, ModelManifest, NliModel};
use cloister_ingest::{ActiveIndex, GoldenQuestion, IndexSet, Meter, Reader};
use cloister_policies::redaction::Redaction;
use cloister_policies::{GrantedCollection, Policies};
use cloister_store::{Library, Store};
use directory::SiteDirectory;
use examples::ExampleCache;
use expensive::ExpensiveWork;
use metrics::Metrics;
use parking_lot::RwLock;
use refusals::Refusals;
use sign_in::SignInLimits;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// One running appliance.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The database and the original files.
    pub store: Store,
    /// The audit log.
    pub audit: AuditLog,
    /// The access policy.
    pub policies: Policies,
    /// The indexes and their embedders.
    pub active_index: Arc<ActiveIndex>,
    /// Whether an activated embedder goes live even if it finds less.
    pub embedder_regression: Regression,
    /// The generator. `None` if answers are quotes only.
    pub generator: Option<GeneratorService>,
    /// The manifest of the generator.
    pub generator_manifest: Option<ModelManifest>,
    reranker: Option<Reranker>,
    sentence_reranker: Option<SentenceReranker>,
    nli: Option<Arc<dyn NliModel>>,
    redaction: Arc<Redaction>,
    weights: Arc<AnswerWeights>,
    glossary: Arc<Glossary>,
    thesaurus: Arc<SiteThesaurus>,
    dictionaries: Arc<SiteDictionaries>,
    /// Questions with known answers, which guard the quality of the search.
    pub golden_questions: Vec<GoldenQuestion>,
    /// The file reader.
    pub reader: Arc<Reader>,
    /// Measures the speed of the ingestion.
    pub meter: Arc<Meter>,
    /// The watched folder.
    pub inbox: PathBuf,
    /// Wakes the ingestion when there is work.
    pub work: Arc<Notify>,
    /// Starts a scan of the inbox.
    pub scan: Arc<Notify>,
    is_watching: AtomicBool,
    /// What the kernel enforces on this process.
    pub sandbox: SandboxStatus,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random generator.
    pub entropy: Arc<dyn Entropy>,
    /// The key of the tickets for page images.
    ticket_secret: String,
    /// The end of the validity of the certificate, if this process serves one.
    certificate_expiry: RwLock<Option<Timestamp>>,
    sign_in_limits: SignInLimits,
    hash_pool: HashPool,
    /// Encrypts secrets in the database.
    sealer: Sealer,
    /// The site as security keys know it. `None` if it has no host name.
    security_keys: Option<SecurityKeys>,
    /// The directory of the site. `None` if it is switched off, or for a command of the console.
    directory: Option<SiteDirectory>,
    refusals: Refusals,
    /// Turns for work that takes long.
    expensive: ExpensiveWork,
    examples: ExampleCache,
    /// What is counted for monitoring.
    metrics: Metrics,
}

/// The shared state of the appliance.
pub type AppState = Arc<App>;

impl App {
    /// Opens all components. The process is confined by now.
    pub async fn open(config: Config, sandbox: SandboxStatus) -> anyhow::Result<AppState> {
        Self::open_with(config, sandbox, None).await
    }

    /// Opens all components, with the directory of the site.
    pub async fn open_with(
        config: Config,
        sandbox: SandboxStatus,
        directory: Option<SiteDirectory>,
    ) -> anyhow::Result<AppState> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let store = Store::open(&config.paths.data).await?;
        let audit = audit_log::open(&config, &store, Arc::clone(&clock), &*entropy).await?;
        let generator = components::open_generator(&config)?;
        let (generator, generator_manifest) = match generator {
            Some(opened) => (Some(opened.service), Some(opened.manifest)),
            None => (None, None),
        };
        Ok(Arc::new(Self {
            policies: Policies::load()?,
            active_index: Arc::new(components::open_finding(&config, &store).await?),
            embedder_regression: ModelSelection::load(&config)?.embedder_regression,
            reranker: components::open_reranker(&config, generator.as_ref())?,
            sentence_reranker: components::open_sentence_reranker(&config)?,
            nli: components::open_nli_model(&config)?,
            redaction: Arc::new(components::load_redaction(&config)?),
            weights: Arc::new(components::load_answer_weights(&config)?),
            glossary: Arc::new(components::load_glossary(&config)?),
            thesaurus: Arc::new(components::load_thesaurus(&config)?),
            dictionaries: Arc::new(components::load_dictionaries(&config)?),
            golden_questions: components::load_golden_questions(&config)?,
            reader: Arc::new(components::open_reader(&config)?),
            meter: Arc::new(Meter::default()),
            inbox: std::path::absolute(&config.paths.inbox)?,
            ticket_secret: passwords::secret(&*entropy)?,
            work: Arc::new(Notify::new()),
            scan: Arc::new(Notify::new()),
            is_watching: AtomicBool::new(false),
            certificate_expiry: RwLock::default(),
            sign_in_limits: SignInLimits::new(config.session.sign_ins_per_minute),
            hash_pool: HashPool::start()?,
            sealer: Sealer::open(&config.paths.secrets_key, &config.paths.data, &*entropy)?,
            security_keys: SecurityKeys::open(&config.server.names),
            directory,
            refusals: Refusals::default(),
            expensive: ExpensiveWork::default(),
            examples: ExampleCache::default(),
            metrics: Metrics::default(),
            config,
            store,
            audit,
            generator,
            generator_manifest,
            sandbox,
            clock,
            entropy,
        }))
    }

    /// An answerer with the index and embedder that are in use now. It keeps this pair, so that a
    /// question is never embedded by one model and searched among vectors of another.
    pub fn answerer(&self) -> Answerer {
        let IndexSet { embedder, index } = self.active_index.current();
        Answerer::new(AnswererParts {
            audit: self.audit.clone(),
            index,
            embedder,
            generator: self.generator.clone(),
            clock: Arc::clone(&self.clock),
            redaction: Arc::clone(&self.redaction),
            reranker: self.reranker.clone(),
            sentence_reranker: self.sentence_reranker.clone(),
            nli: self.nli.clone(),
            weights: Arc::clone(&self.weights),
            glossary: Arc::clone(&self.glossary),
            thesaurus: Arc::clone(&self.thesaurus),
            dictionaries: Arc::clone(&self.dictionaries),
        })
    }

    /// The documents that a person may read now: the only way from a person to documents.
    pub async fn library(&self, person: &Principal) -> Result<Library> {
        let collections = self.store.collections().await?;
        let granted = collections.iter().map(|collection| GrantedCollection {
            collection: collection.id,
            readers: &collection.readers,
        });
        let permitted = self.policies.permitted(person, granted)?;
        Ok(self.store.library(permitted, self.today()))
    }

    /// The day by the clock of the appliance, in UTC.
    pub fn today(&self) -> Day {
        Day::from_timestamp(self.clock.now())
    }

    /// The collections for which generation is allowed.
    pub async fn generation_allowed_in(&self) -> Result<Vec<CollectionId>> {
        let mut allowed = Vec::new();
        for collection in self.store.collections().await? {
            if collection.allow_generation {
                allowed.push(collection.id);
            }
        }
        Ok(allowed)
    }

    /// A random id for a request.
    pub fn request_id(&self) -> std::result::Result<String, EntropyError> {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes)?;
        Ok(hex::encode(bytes))
    }

    /// Whether this process watches the inbox.
    pub fn is_watching(&self) -> bool {
        self.is_watching.load(Ordering::Relaxed)
    }

    /// Waits until the generator is loaded or has failed to load. The browser shows quotes
    /// meanwhile; a command waits.
    pub async fn wait_for_generator(&self) {
        if let Some(generator) = &self.generator {
            components::wait_for_generator(generator).await;
        }
    }

    /// Notes until when the certificate of the server is valid.
    pub fn set_certificate_expiry(&self, expires_at: Timestamp) {
        *self.certificate_expiry.write() = Some(expires_at);
    }

    /// The state of the generator, for people.
    pub fn generator_state(&self) -> String {
        match self.generator.as_ref().map(GeneratorService::state) {
            None => "off: answers are quotes only".into(),
            Some(GeneratorState::Loading) => "loading".into(),
            Some(GeneratorState::Ready { .. }) => "ready".into(),
            Some(GeneratorState::Failed(reason)) => reason,
        }
    }

    /// The status of the reranker, for people.
    pub fn reranker_status(&self) -> String {
        match &self.reranker {
            Some(reranker) => reranker.status().to_string(),
            None => "off".into(),
        }
    }
}
