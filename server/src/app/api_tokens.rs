//! Personal API tokens: a person's programs use the API with them, in place of a password.

use super::error::{AppError, ErrorCode, Result};
use super::refusals::AnonymousAttempt;
use super::sessions::{CLOCK_TOLERANCE, TOUCH_INTERVAL};
use super::{App, Caller};
use crate::passwords;
use cloister_audit::{Actor, Event, EventKind, Outcome};
use cloister_domain::{Principal, Timestamp, TokenId, TokenScope};
use cloister_store::{ApiToken, NewApiToken};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use utoipa::ToSchema;

/// The start of every token, by which people and scanners recognise one that leaked.
const PREFIX: &str = "cloister_";

/// The longest name of a token, in characters.
const MAX_NAME_LENGTH: usize = 64;

/// A token of the person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub struct ApiTokenView {
    /// The id, which the audit log names.
    id: i64,
    /// The name that the person gave it.
    name: String,
    /// What it may be used for: `ask`, `documents`, `files`, `audit`.
    scopes: Vec<String>,
    /// When it was created, RFC 3339.
    created_at: String,
    /// After this time it is not valid, RFC 3339.
    expires_at: String,
    /// When it was last used, to about half a minute, RFC 3339. Absent if never.
    last_used_at: Option<String>,
}

impl From<ApiToken> for ApiTokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.0,
            name: token.name,
            scopes: token.scopes.iter().map(ToString::to_string).collect(),
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.to_string(),
            last_used_at: token.last_used_at.map(|at| at.to_string()),
        }
    }
}

/// A token that was just created. Its secret is shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedToken {
    /// The secret, for the header `Authorization: Bearer`.
    secret: String,
    /// The token.
    token: ApiTokenView,
}

/// A token to create.
pub struct NewToken {
    /// The person's password.
    pub password: String,
    /// A name, by which the person recognises it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<TokenScope>,
    /// The days of its validity.
    pub days: u64,
}

/// A token that is valid now, and its person.
pub struct ResumedToken {
    /// The token.
    pub token: ApiToken,
    /// The person, as they are now.
    pub person: Principal,
    /// The person as the audit log names them.
    pub caller: Caller,
}

impl App {
    pub(super) async fn own_tokens(&self, person: &Principal) -> Result<Vec<ApiTokenView>> {
        let tokens = self.store.api_tokens(person.user, self.clock.now()).await?;
        Ok(tokens.into_iter().map(ApiTokenView::from).collect())
    }

    /// Creates a token of the person.
    pub async fn create_token(
        &self,
        caller: &Caller,
        person: &Principal,
        new: NewToken,
    ) -> Result<CreatedToken> {
        self.check_token(&new)?;
        self.reauthenticate(caller, person, new.password).await?;
        let secret = format!("{PREFIX}{}", passwords::secret(&*self.entropy)?);
        let now = self.clock.now();
        let stored = NewApiToken {
            user: person.user,
            hash: passwords::fingerprint(&secret),
            name: new.name.trim().to_owned(),
            scopes: new.scopes,
            expires_at: now.plus(days(new.days)),
        };
        let detail = json!({
            "token": stored.name, "scopes": stored.scopes,
            "expires_at": stored.expires_at.to_string(),
        });
        let event = caller.event(EventKind::TokenCreated, detail);
        let add = async {
            let id = self.store.add_api_token(&stored, now).await?;
            id.ok_or_else(|| {
                ErrorCode::Conflict.with_detail("You have too many tokens. Revoke one first")
            })
        };
        let id = self.logged(event, add).await?;
        let token = ApiToken {
            id,
            user: stored.user,
            name: stored.name,
            scopes: stored.scopes,
            created_at: now,
            expires_at: stored.expires_at,
            last_used_at: None,
        };
        let token = ApiTokenView::from(token);
        Ok(CreatedToken { secret, token })
    }

    fn check_token(&self, new: &NewToken) -> Result<()> {
        let max_days = self.config.session.max_token_days;
        if max_days == 0 {
            let detail = "API tokens are disabled in the settings";
            return Err(ErrorCode::Forbidden.with_detail(detail));
        }
        let name = new.name.trim();
        let is_name = (1..=MAX_NAME_LENGTH).contains(&name.chars().count())
            && !name.chars().any(char::is_control);
        if !is_name {
            let detail = format!("The name must have 1 to {MAX_NAME_LENGTH} characters");
            return Err(ErrorCode::Invalid.with_detail(detail));
        }
        if new.scopes.is_empty() {
            let detail = "Choose what the token may be used for";
            return Err(ErrorCode::Invalid.with_detail(detail));
        }
        if !(1..=max_days).contains(&new.days) {
            let detail = format!("A token is valid for 1 to {max_days} days");
            return Err(ErrorCode::Invalid.with_detail(detail));
        }
        Ok(())
    }

    /// Revokes a token of the person.
    pub async fn revoke_token(
        &self,
        caller: &Caller,
        person: &Principal,
        id: TokenId,
    ) -> Result<()> {
        let tokens = self.store.api_tokens(person.user, self.clock.now()).await?;
        let token = tokens.into_iter().find(|token| token.id == id);
        let token = token.ok_or(ErrorCode::NotFound)?;
        let detail = json!({ "token": token.name, "id": id });
        let event = caller.event(EventKind::TokenRevoked, detail);
        let revoke = async {
            let is_revoked = self.store.revoke_api_token(person.user, id).await?;
            is_revoked
                .then_some(())
                .ok_or_else(|| AppError::from(ErrorCode::NotFound))
        };
        self.logged(event, revoke).await
    }

    /// The token with this secret, for a request that needs `scope`. `None` as scope is a request
    /// that tokens may not make. A denial is logged.
    pub async fn resume_token(
        &self,
        client: Caller,
        secret: &str,
        scope: Option<TokenScope>,
    ) -> Result<ResumedToken> {
        let now = self.clock.now();
        let hash = passwords::fingerprint(secret);
        let token = self.store.api_token(&hash, now).await?;
        let user = match &token {
            Some(token) => self.store.user(token.user).await?,
            None => None,
        };
        let active = token.zip(user.filter(|user| !user.disabled));
        let Some((token, user)) = active.filter(|(token, _)| is_current(token, now)) else {
            self.count_refusal(&client, AnonymousAttempt::Token, "unknown or expired token");
            return Err(ErrorCode::TokenRefused.into());
        };
        let user = self.confirm_person(user).await?;
        if self.lacks_second_factor(&user) {
            return Err(ErrorCode::SecondFactorMissing.into());
        }
        let person = Principal::from(user);
        let caller = Caller {
            actor: Actor::from(&person),
            origin: format!("{}, token {}", client.origin, token.id),
            request: client.request,
        };
        if !scope.is_some_and(|scope| token.scopes.contains(&scope)) {
            return self.deny_scope(&caller, scope).await;
        }
        let last_used_at = token.last_used_at.unwrap_or(token.created_at);
        if token.last_used_at.is_none() || now.since(last_used_at) > TOUCH_INTERVAL {
            self.store.touch_api_token(token.id, now).await?;
        }
        Ok(ResumedToken {
            token,
            person,
            caller,
        })
    }

    async fn deny_scope<T>(&self, caller: &Caller, scope: Option<TokenScope>) -> Result<T> {
        let detail = json!({ "asked": "a token without the scope", "scope": scope });
        let denied = Event {
            outcome: Outcome::Denied,
            ..caller.event(EventKind::AccessDenied, detail)
        };
        self.audit.append(denied).await?;
        let detail = match scope {
            Some(scope) => format!("The token has no scope `{scope}`"),
            None => "This needs a session. Tokens cannot do it".to_owned(),
        };
        Err(ErrorCode::Forbidden.with_detail(detail))
    }
}

/// Whether the clock was not set back before the token was created, which would prolong it.
fn is_current(token: &ApiToken, now: Timestamp) -> bool {
    token.created_at <= now.plus(CLOCK_TOLERANCE)
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(24 * 3600))
}
