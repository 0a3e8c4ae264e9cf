//! One-time links with which people set their password, so that nobody else ever knows it.

use super::directory::refuse_external;
use super::error::{AppError, ErrorCode, Result};
use super::people::{AccountManager, Changed};
use super::refusals::AnonymousAttempt;
use super::sign_in::pool_ended;
use super::{App, Caller};
use crate::passwords;
use cloister_audit::{Actor, Event, EventKind};
use cloister_domain::UserId;
use cloister_store::{AccountChange, User};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A link that was just made. It is shown once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NewLink {
    /// The secret: the link is `#/activate/` and the secret.
    pub secret: String,
    /// The end of its validity, RFC 3339.
    pub expires_at: String,
}

impl App {
    /// Makes an activation link. An earlier one no longer works. The password of the person works
    /// until the link is used.
    pub async fn make_activation_link(
        &self,
        caller: &Caller,
        by: AccountManager<'_>,
        id: UserId,
    ) -> Result<Changed<NewLink>> {
        let user = self.user(id).await?;
        if user.disabled {
            let detail = format!("{} is disabled", user.name);
            return Err(ErrorCode::Conflict.with_detail(detail));
        }
        let may_now = self.may_reset_credentials(caller, by, &user).await?;
        match by {
            AccountManager::Administrator(person) if !may_now => {
                let change = AccountChange::ActivationLink;
                let request = self.request_change(caller, person, id, change).await?;
                Ok(Changed::Requested(request))
            }
            AccountManager::Administrator(_) | AccountManager::Operator => {
                Ok(Changed::Done(self.log_and_make_link(caller, &user).await?))
            }
        }
    }

    pub(super) async fn log_and_make_link(&self, caller: &Caller, user: &User) -> Result<NewLink> {
        refuse_external(user)?;
        let secret = passwords::secret(&*self.entropy)?;
        let now = self.clock.now();
        let expires_at = now.plus(self.config.activation_link_validity());
        let detail = json!({ "name": user.name, "expires_at": expires_at.to_string() });
        let event = caller.event(EventKind::ActivationLinkMade, detail);
        let id = passwords::fingerprint(&secret);
        let make = self
            .store
            .replace_activation_link(user.id, &id, now, expires_at);
        self.logged(event, make).await?;
        Ok(NewLink {
            secret,
            expires_at: expires_at.to_string(),
        })
    }

    /// Revokes the activation link of a person.
    pub async fn revoke_activation_link(&self, caller: &Caller, id: UserId) -> Result<()> {
        let user = self.user(id).await?;
        let event = caller.event(
            EventKind::ActivationLinkRevoked,
            json!({ "name": user.name }),
        );
        let revoke = async {
            if self.store.revoke_activation_link(id).await? {
                return Ok::<_, AppError>(());
            }
            let detail = format!("{} has no activation link", user.name);
            Err(ErrorCode::NotFound.with_detail(detail))
        };
        self.logged(event, revoke).await
    }

    /// Sets the password of the person of an activation link, and ends their sessions and API
    /// tokens. Returns their name. Nothing is hashed or logged before the link and the password have
    /// been checked. A second factor stays, so a link alone does not open an account that has one.
    pub async fn activate(&self, caller: &Caller, link: &str, password: String) -> Result<String> {
        self.admit_network(caller, AnonymousAttempt::Activation)?;
        let link = passwords::fingerprint(link);
        let now = self.clock.now();
        let Some(invited) = self.store.invited_person(&link, now).await? else {
            self.count_refusal(caller, AnonymousAttempt::Activation, "spent or wrong link");
            return Err(spent_link());
        };
        passwords::check(&password, &invited.name)?;
        let slot = self.hash_slot(caller, AnonymousAttempt::Activation)?;
        let salt = passwords::salt(&*self.entropy)?;
        let hashed = slot.run(move || passwords::hash(&password, salt)).await;
        let hash = hashed.ok_or_else(pool_ended)??;
        let event = Event {
            actor: Actor {
                user: Some(invited.user),
                name: invited.name.clone(),
            },
            ..caller.event(EventKind::UserActivated, json!({}))
        };
        let activate = async {
            let now = self.clock.now();
            let is_done = self.store.activate(&link, invited.user, &hash, now).await?;
            is_done.then_some(()).ok_or_else(spent_link)
        };
        self.logged(event, activate).await?;
        Ok(invited.name)
    }
}

fn spent_link() -> AppError {
    ErrorCode::SetupLinkSpent.with_detail("Ask an administrator for a new link")
}
