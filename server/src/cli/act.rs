//! From a task to the module that does it.

use super::commands::Task;
use super::control::{Said, Saying};
use super::{access, ask, audit, doctor, index, ingest, people};
use crate::app::AppState;
use crate::passwords;
use cloister_audit::{Actor, Event, EventKind, Outcome};
use serde_json::{Value, json};
use std::time::Duration;

const SETUP_LINK_LIVES: Duration = Duration::from_hours(24);

/// Does a task and returns the exit status.
pub async fn act(app: &AppState, task: Task, say: &Saying) -> anyhow::Result<u8> {
    match task {
        Task::Ingest(task) => ingest::run(app, task, say).await,
        Task::Search(task) => ask::search(app, task, say).await,
        Task::Ask(task) => ask::ask(app, task, say).await,
        Task::User(task) => people::run(app, task, say).await,
        Task::Group(task) => access::run_group(app, task, say).await,
        Task::Collection(task) => access::run_collection(app, task, say).await,
        Task::Audit(task) => audit::run(app, task, say).await,
        Task::Index(task) => index::run(app, task, say).await,
        Task::SetupLink(output) => setup_link(app, output.json, say).await,
        Task::Confinement(_) => doctor::report_from_inside(app, say).await,
    }
}

/// Prints a line of a result.
pub async fn line(say: &Saying, text: impl Into<String>) {
    // The command line may have been closed; the task goes on.
    drop(say.send(Said::Line(text.into())).await);
}

/// Prints a result as JSON or as a sentence.
pub async fn result(say: &Saying, as_json: bool, value: Value, sentence: String) {
    line(say, if as_json { value.to_string() } else { sentence }).await;
}

/// An event that was caused at the appliance's own console.
pub fn console_event(kind: EventKind, detail: Value) -> Event {
    Event {
        kind,
        outcome: Outcome::Success,
        actor: Actor {
            user: None,
            name: "console".into(),
        },
        origin: "console".into(),
        request: None,
        detail,
    }
}

/// A new one-time link, or `None` where there are people already.
pub async fn new_setup_link(app: &AppState) -> anyhow::Result<Option<String>> {
    if app.store.count_users().await? > 0 {
        return Ok(None);
    }
    let secret = passwords::secret(&*app.entropy)?;
    let expires_at = app.clock.now().plus(SETUP_LINK_LIVES);
    app.store
        .offer_setup_link(&passwords::fingerprint(&secret), expires_at)
        .await?;
    let address = app.config.server.address;
    Ok(Some(format!("https://{address}/#/setup/{secret}")))
}

async fn setup_link(app: &AppState, as_json: bool, say: &Saying) -> anyhow::Result<u8> {
    let Some(link) = new_setup_link(app).await? else {
        anyhow::bail!(
            "there are people already; an administrator adds more in the browser, or \
                       `cloister user add` here"
        );
    };
    result(say, as_json, json!({ "link": link }), link.clone()).await;
    Ok(0)
}
