//! How the appliance is.

use super::problem::Problem;
use super::session::{Administrator, SignedIn};
use crate::app::AppState;
use crate::isolation::InForce;
use axum::Json;
use axum::extract::State;
use cloister_ingest::Finder;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What everyone who is signed in may know.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct About {
    /// The product's version.
    pub version: String,
    /// How many documents this person may read.
    pub documents: u64,
    /// The generator's name; none where answers are quotes alone.
    pub generator: Option<String>,
    /// Whether it is loading, ready, or why it is not.
    pub generator_state: String,
    /// What it is fit for, in a sentence.
    pub generator_fitness: Option<String>,
    /// Where the administrator puts a larger model.
    pub models_folder: String,
    /// Whether files wait or are being read, so that answers may be incomplete.
    pub reading: bool,
}

/// What an administrator watches.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The product's version.
    pub version: String,
    /// Passages that answer today.
    pub passages: u64,
    /// The index's generation.
    pub index_generation: String,
    /// The last passage that the index holds.
    pub index_sequence: i64,
    /// How the index is: "sound", or what is done about it.
    pub index_condition: String,
    /// Passages that answer today by the index.
    pub index_answering: u64,
    /// The embedder's name, and how far the vectors are that are being made.
    pub embedder: String,
    /// The generator's name and state.
    pub generator: String,
    /// Whether a model looks again at what is found, and what its test said.
    pub second_look: String,
    /// Entries in the audit log.
    pub audit_entries: u64,
    /// Why the audit log cannot be written, if it cannot.
    pub audit_failure: Option<String>,
    /// What Landlock enforces.
    pub landlock: String,
    /// What seccomp enforces.
    pub seccomp: String,
    /// The folder that is watched.
    pub inbox: String,
}

/// Says what this person can ask of the appliance.
#[utoipa::path(get, path = "/api/v1/about", tag = "questions",
    responses((status = 200, body = About)))]
pub async fn about(State(app): State<AppState>, person: SignedIn) -> Result<Json<About>, Problem> {
    let library = app.library(&person.principal).await?;
    let documents = library.current_revisions().await?.len() as u64;
    let tally = app.store.tally_files().await?;
    let pending = |state: &str| matches!(state, "waiting" | "reading" | "embedding");
    let reading = tally
        .iter()
        .any(|t| pending(t.state.as_str()) && library.permitted().holds(t.collection));
    Ok(Json(About {
        version: env!("CARGO_PKG_VERSION").into(),
        documents,
        generator: app.generator_manifest.as_ref().map(|m| m.name.clone()),
        generator_state: app.generator_state(),
        generator_fitness: app.generator_manifest.as_ref().map(|m| m.fitness.clone()),
        models_folder: app.config.paths.models.display().to_string(),
        reading,
    }))
}

/// How the appliance is.
#[utoipa::path(get, path = "/api/v1/status", tag = "administration",
    responses((status = 200, body = Status)))]
pub async fn status(
    State(app): State<AppState>,
    _: Administrator,
) -> Result<Json<Status>, Problem> {
    let Finder { embedder, index } = app.finding.now();
    let held = index.status();
    let renewal = app.finding.renewal().map(|renewal| renewal.to_string());
    let InForce { landlock, seccomp } = app.isolation.clone();
    let generator = app.generator_manifest.as_ref().map(|m| m.name.as_str());
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").into(),
        passages: app.store.count_passages(app.today()).await?,
        index_generation: index.generation(),
        index_sequence: index.sequence().0,
        index_condition: held.to_string(),
        index_answering: held.answering,
        embedder: [Some(embedder.identity().name), renewal]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; "),
        generator: format!("{}: {}", generator.unwrap_or("none"), app.generator_state()),
        second_look: app.second_look(),
        audit_entries: app.audit.len(),
        audit_failure: app.audit.failure().map(|cause| cause.to_string()),
        landlock,
        seccomp,
        inbox: app.inbox.display().to_string(),
    }))
}
