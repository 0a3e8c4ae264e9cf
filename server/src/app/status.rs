//! The status of the appliance.

use super::App;
use super::error::Result;
use crate::sandbox::SandboxStatus;
use crate::tls;
use cloister_domain::Principal;
use cloister_ingest::IndexSet;
use cloister_store::{FileState, Library};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What everybody who is signed in may know.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = About)]
pub struct AboutView {
    /// The version of the product.
    pub version: String,
    /// The number of documents that this person may read.
    pub documents: u64,
    /// The collections that this person may read.
    pub collections: Vec<ReadableCollection>,
    /// The name of the generator. Absent if answers are quotes only.
    pub generator: Option<String>,
    /// Whether the generator is loading or ready, or why it is not.
    pub generator_state: String,
    /// What the generator is fit for.
    pub generator_fitness: Option<String>,
    /// Whether files are waiting or being ingested, so that answers may be incomplete.
    pub ingesting: bool,
}

/// A collection, as its readers see it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadableCollection {
    /// The name.
    pub name: String,
    /// The number of its documents in force.
    pub documents: u64,
}

/// What an administrator monitors.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Status)]
pub struct StatusView {
    /// The version of the product.
    pub version: String,
    /// The number of passages that are in force today.
    pub passages: u64,
    /// The generation of the index.
    pub index_generation: String,
    /// The newest passage in the index.
    pub index_sequence: i64,
    /// The condition of the index: `sound`, or what is being done.
    pub index_condition: String,
    /// The number of passages that the index can return.
    pub index_answering: u64,
    /// The name of the embedder, and the progress of re-embedding.
    pub embedder: String,
    /// The name and state of the generator.
    pub generator: String,
    /// The status of the reranker.
    pub reranker: String,
    /// The number of entries in the audit log.
    pub audit_entries: u64,
    /// Why the audit log cannot be written, if it cannot.
    pub audit_failure: Option<String>,
    /// What Landlock enforces.
    pub landlock: String,
    /// What seccomp enforces.
    pub seccomp: String,
    /// Until when the certificate of the server is valid.
    pub certificate: String,
    /// The watched folder.
    pub inbox: String,
}

impl App {
    /// What this person can ask the appliance.
    pub async fn about(&self, person: &Principal) -> Result<AboutView> {
        let library = self.library(person).await?;
        let ingesting = self
            .store
            .count_files_by_state()
            .await?
            .iter()
            .any(|tally| {
                let is_pending = matches!(
                    tally.state,
                    FileState::Waiting | FileState::Reading | FileState::Embedding
                );
                is_pending && library.permitted().contains(tally.collection)
            });
        let manifest = self.generator_manifest.as_ref();
        Ok(AboutView {
            version: env!("CARGO_PKG_VERSION").into(),
            documents: library.current_revisions().await?.len() as u64,
            collections: readable_collections(&library).await?,
            generator: manifest.map(|manifest| manifest.name.clone()),
            generator_state: self.generator_state(),
            generator_fitness: manifest.map(|manifest| manifest.fitness.clone()),
            ingesting,
        })
    }

    /// The status of the appliance.
    pub async fn status(&self) -> Result<StatusView> {
        let IndexSet { embedder, index } = self.active_index.current();
        let held = index.status();
        let mut embedder = embedder.identity().name;
        if let Some(reembedding) = self.active_index.reembedding() {
            embedder = format!("{embedder}; {reembedding}");
        }
        let SandboxStatus { landlock, seccomp } = self.sandbox.clone();
        let manifest = self.generator_manifest.as_ref();
        let generator = manifest.map_or("none", |manifest| manifest.name.as_str());
        Ok(StatusView {
            version: env!("CARGO_PKG_VERSION").into(),
            passages: self.store.count_passages(self.today()).await?,
            index_generation: index.generation(),
            index_sequence: index.sequence().0,
            index_condition: held.to_string(),
            index_answering: held.searchable,
            embedder,
            generator: format!("{generator}: {}", self.generator_state()),
            reranker: self.reranker_status(),
            audit_entries: self.audit.len(),
            audit_failure: self.audit.failure().map(|cause| cause.to_string()),
            landlock,
            seccomp,
            certificate: match *self.certificate_expiry.read() {
                Some(expires_at) => tls::describe_expiry(expires_at, self.clock.now()),
                None => "not served by this process".into(),
            },
            inbox: self.inbox.display().to_string(),
        })
    }
}

async fn readable_collections(library: &Library) -> Result<Vec<ReadableCollection>> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for document in library.documents().await? {
        *counts.entry(document.collection_name).or_default() += 1;
    }
    let collections = counts.into_iter();
    Ok(collections
        .map(|(name, documents)| ReadableCollection { name, documents })
        .collect())
}
