//! Who calls a use case, as the audit log names them.

use super::App;
use super::error::{ErrorCode, Result};
use cloister_audit::{Actor, Event, EventKind, Outcome};
use cloister_domain::Principal;
use cloister_domain::entropy::EntropyError;
use cloister_policies::AuthorizationRequest;
use serde_json::{Value, json};

/// The actor of everything that is done at the console.
const CONSOLE: &str = "console";

/// Who calls, from where, and in which request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The person or the console.
    pub actor: Actor,
    /// The address of the client, with the id of its API token if it has one. At the console, the
    /// account of the operating system.
    pub origin: String,
    /// The id of the request. The audit records of a request share it.
    pub request: Option<String>,
}

impl Caller {
    /// The console, which acts for no person of the appliance. `account` describes who runs the
    /// command: an account of the operating system.
    pub fn console(account: &str) -> Self {
        Self {
            actor: Actor {
                user: None,
                name: CONSOLE.into(),
            },
            origin: format!("{CONSOLE}: {account}"),
            request: None,
        }
    }

    /// The appliance itself.
    pub fn appliance() -> Self {
        let actor = Actor::appliance();
        Self {
            origin: actor.name.clone(),
            actor,
            request: None,
        }
    }

    /// A person, on whose behalf a command of the console acts. The log names both.
    pub fn person_at_console(
        &self,
        app: &App,
        person: &Principal,
    ) -> std::result::Result<Self, EntropyError> {
        Ok(Self {
            actor: Actor {
                user: Some(person.user),
                name: format!("{} (at the console)", person.name),
            },
            origin: self.origin.clone(),
            request: Some(app.request_id()?),
        })
    }

    /// A successful event.
    pub fn event(&self, kind: EventKind, detail: Value) -> Event {
        Event {
            kind,
            outcome: Outcome::Success,
            actor: self.actor.clone(),
            origin: self.origin.clone(),
            request: self.request.clone(),
            detail,
        }
    }
}

impl App {
    /// Asks the access policy whether a person may do something. A denial is logged.
    pub async fn authorize(
        &self,
        caller: &Caller,
        person: &Principal,
        action: AuthorizationRequest<'_>,
    ) -> Result<()> {
        if self.policies.decide(person, &action)?.allowed {
            return Ok(());
        }
        let detail = json!({ "asked": format!("{action:?}") });
        self.audit
            .append(Event {
                outcome: Outcome::Denied,
                ..caller.event(EventKind::AccessDenied, detail)
            })
            .await?;
        Err(ErrorCode::Forbidden.into())
    }

    /// Logs that something is about to be done, does it, and logs how it ended. What cannot be
    /// logged is not done. The outcome of `event` is not used.
    pub async fn logged<T, E>(
        &self,
        event: Event,
        action: impl Future<Output = std::result::Result<T, E>>,
    ) -> Result<T>
    where
        super::AppError: From<E>,
        E: std::fmt::Display,
    {
        let started = Event {
            outcome: Outcome::Started,
            ..event.clone()
        };
        self.audit.append(started).await?;
        match action.await {
            Ok(done) => {
                let succeeded = Event {
                    outcome: Outcome::Success,
                    ..event
                };
                self.audit.append(succeeded).await?;
                Ok(done)
            }
            Err(cause) => {
                let mut failed = Event {
                    outcome: Outcome::Failure,
                    ..event
                };
                failed.detail["failed"] = cause.to_string().into();
                self.audit.append(failed).await?;
                Err(cause.into())
            }
        }
    }
}
