//! `cloister search` and `cloister ask`: as a person, with what that person may read.

use super::act::line;
use super::control::Saying;
use super::people::named;
use super::told::{told, told_found, told_receipt};
use crate::api::{Step, search};
use crate::app::AppState;
use clap::Args;
use cloister_answer::{Asked, SearchTask};
use cloister_audit::{Actor, Event, EventKind, Outcome};
use cloister_domain::{Day, NotADay, Principal};
use cloister_store::DocumentFilter;
use serde::{Deserialize, Serialize};

/// Find passages.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Search {
    /// What is searched for.
    text: String,
    /// The person whose rights hold.
    #[arg(long = "as", value_name = "PERSON")]
    person: String,
    /// At most this many passages.
    #[arg(long, default_value_t = 5)]
    limit: usize,
    #[command(flatten)]
    among: Among,
    /// Print JSON: the passages, and how many documents there are of each kind.
    #[arg(long)]
    json: bool,
}

/// Ask a question.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub struct Ask {
    /// The question.
    question: String,
    /// The person whose rights hold.
    #[arg(long = "as", value_name = "PERSON")]
    person: String,
    #[command(flatten)]
    among: Among,
    /// Print JSON, a line for each step.
    #[arg(long)]
    json: bool,
}

/// Which of the documents.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
pub struct Among {
    /// Only this collection (may be given again).
    #[arg(long = "collection", value_name = "NAME")]
    collections: Vec<String>,
    /// Only this format, such as pdf (may be given again).
    #[arg(long = "format", value_name = "FORMAT")]
    formats: Vec<String>,
    /// Only this language, such as deu (may be given again).
    #[arg(long = "language", value_name = "CODE")]
    languages: Vec<String>,
    /// Only what has this tag (may be given again).
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only documents of this day or later, such as 2026-01-31.
    #[arg(long, value_parser = day)]
    from: Option<Day>,
    /// Only documents of this day or earlier.
    #[arg(long, value_parser = day)]
    until: Option<Day>,
    /// What was in force on this day, superseded revisions among it.
    #[arg(long, value_parser = day)]
    as_of: Option<Day>,
}

fn day(text: &str) -> Result<Day, NotADay> {
    Day::try_from(text.to_owned())
}

impl From<Among> for DocumentFilter {
    fn from(among: Among) -> Self {
        Self {
            collections: among.collections,
            formats: among.formats,
            languages: among.languages,
            tags: among.tags,
            from: among.from,
            until: among.until,
            as_of: among.as_of,
        }
    }
}

/// Whoever sits at the console acts for someone; the log names both.
fn actor(principal: &Principal) -> Actor {
    let name = format!("{} (at the console)", principal.name);
    Actor {
        user: Some(principal.user),
        name,
    }
}

pub async fn search(app: &AppState, task: Search, say: &Saying) -> anyhow::Result<u8> {
    let principal = Principal::from(named(app, &task.person).await?);
    let library = app.library(&principal).await?;
    let wanted = SearchTask {
        text: task.text,
        limit: task.limit.clamp(1, search::MOST),
        filter: task.among.into(),
    };
    let found = search::found(app, &library, &wanted, &principal.roles).await?;
    app.audit
        .append(Event {
            kind: EventKind::Searched,
            outcome: Outcome::Success,
            actor: actor(&principal),
            origin: "console".into(),
            request: Some(app.request_id()?),
            detail: search::logged(app, &wanted, &found),
        })
        .await?;
    if task.json {
        line(say, serde_json::to_string(&found)?).await;
    } else {
        for told in told_found(&found) {
            line(say, told).await;
        }
    }
    Ok(0)
}

pub async fn ask(app: &AppState, task: Ask, say: &Saying) -> anyhow::Result<u8> {
    let principal = Principal::from(named(app, &task.person).await?);
    let library = app.library(&principal).await?;
    let request = app.request_id()?;
    let asked = Asked {
        question: task.question.clone(),
        typed: None,
        earlier: Vec::new(),
        conversation: request.clone(),
        actor: actor(&principal),
        origin: "console".into(),
        request,
        composed_in: app.composed_collections().await?,
        policy_version: app.policies.version().to_owned(),
        filter: task.among.clone().into(),
        roles: principal.roles.clone(),
    };
    app.generator_settled().await;
    let mut answer = app.answerer().ask(library, asked).await?;
    let (mut refused, mut last) = (false, None);
    while let Some(event) = answer.events.recv().await {
        let step = Step::from(event);
        refused |= matches!(step, Step::Refusal { .. });
        last = last.or_else(|| told_receipt(&step));
        if task.json {
            line(say, serde_json::to_string(&step)?).await;
        } else if let Some(text) = told(&step) {
            line(say, text).await;
        }
    }
    if let Some(receipt) = last.filter(|_| !task.json) {
        line(say, receipt).await;
    }
    Ok(if refused { 3 } else { 0 })
}
