//! A person's own account: password and sessions.

use super::api_tokens::ApiTokenView;
use super::directory::refuse_external;
use super::error::{ErrorCode, Result};
use super::factor_proof::FactorProof;
use super::second_factor::SecondFactorView;
use super::{App, Caller};
use crate::passwords;
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{Principal, SessionId};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// A person's own account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountView {
    /// The name to sign in with.
    name: String,
    /// `staff`, `administrator`, `compliance-officer`.
    roles: Vec<String>,
    /// Whether the password is that of the site's directory.
    external: bool,
    /// The second factor.
    second_factor: SecondFactorView,
    /// The sessions, the one that was used last first.
    sessions: Vec<SessionView>,
    /// The API tokens, the newest first.
    tokens: Vec<ApiTokenView>,
    /// The longest validity of an API token, in days. 0 if people may not create any.
    max_token_days: u64,
}

/// A session of the person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// The id.
    id: String,
    /// What the client said it is, such as `Firefox on Linux`.
    device: String,
    /// The address of the client.
    address: String,
    /// The time of the sign-in, RFC 3339.
    started_at: String,
    /// The time of the last use, to about half a minute, RFC 3339.
    last_used_at: String,
    /// Whether it is the session of this request.
    current: bool,
}

impl App {
    /// A person's own account, as they see it.
    pub async fn account(&self, person: &Principal, current: &SessionId) -> Result<AccountView> {
        let roles = person.roles.iter();
        Ok(AccountView {
            name: person.name.clone(),
            external: self.user(person.user).await?.directory.is_some(),
            roles: roles.map(ToString::to_string).collect(),
            second_factor: self.second_factor_view(person).await?,
            sessions: self.own_sessions(person, current).await?,
            tokens: self.own_tokens(person).await?,
            max_token_days: self.config.session.max_token_days,
        })
    }

    async fn own_sessions(
        &self,
        person: &Principal,
        current: &SessionId,
    ) -> Result<Vec<SessionView>> {
        let now = self.clock.now();
        let sessions = self.store.sessions_of(person.user, now).await?;
        let active = sessions
            .into_iter()
            .filter(|session| !self.remaining(session, now).is_zero());
        Ok(active
            .map(|session| SessionView {
                current: session.id == *current,
                id: session.id.0,
                device: session.device,
                address: session.address,
                started_at: session.created_at.to_string(),
                last_used_at: session.last_seen_at.to_string(),
            })
            .collect())
    }

    /// Changes a person's own password, and ends their other sessions.
    pub async fn change_own_password(
        &self,
        caller: &Caller,
        person: &Principal,
        session: &SessionId,
        current: String,
        new: &str,
    ) -> Result<()> {
        refuse_external(&self.user(person.user).await?)?;
        passwords::check(new, &person.name)?;
        if current == new {
            let detail = "The new password is the present one";
            return Err(ErrorCode::Invalid.with_detail(detail));
        }
        self.reauthenticate(caller, person, current).await?;
        let hash = self.hash_password(new, &person.name).await?;
        let event = caller.event(EventKind::PasswordChanged, json!({ "name": person.name }));
        let change = self
            .store
            .change_password(person.user, &hash, Some(session));
        self.logged(event, change).await
    }

    /// Ends a session of the person.
    pub async fn end_own_session(
        &self,
        caller: &Caller,
        person: &Principal,
        id: &SessionId,
    ) -> Result<()> {
        let ended = self.store.end_session_of(person.user, id).await?;
        if !ended {
            return Err(ErrorCode::NotFound.into());
        }
        let event = caller.event(EventKind::SessionEnded, json!({ "session": id }));
        self.audit.append(event).await?;
        Ok(())
    }

    /// Ends all sessions of the person except this one.
    pub async fn end_other_sessions(
        &self,
        caller: &Caller,
        person: &Principal,
        session: &SessionId,
    ) -> Result<()> {
        let event = caller.event(EventKind::SessionEnded, json!({ "all_except": session }));
        let end = self.store.end_other_sessions(person.user, session);
        self.logged(event, end).await
    }

    /// Confirms that the person of a session is still the one who uses it: password, and a second
    /// factor if they have one.
    pub async fn confirm_session(
        &self,
        caller: &Caller,
        person: &Principal,
        session: &SessionId,
        password: String,
        proof: FactorProof,
    ) -> Result<()> {
        self.reauthenticate(caller, person, password).await?;
        let accepted = self
            .accept_own_factor(caller, person, session, proof)
            .await?;
        let event = caller.event(EventKind::Reauthenticated, accepted.detail());
        self.audit.append(event).await?;
        let now = self.clock.now();
        self.store.set_authenticated(session, now).await?;
        Ok(())
    }

    /// Checks the password of a person who is signed in, before something that a stranger at an
    /// unattended workstation must not do. Attempts count like those to sign in.
    pub(super) async fn reauthenticate(
        &self,
        caller: &Caller,
        person: &Principal,
        password: String,
    ) -> Result<()> {
        let record = self.store.sign_in_record(&person.name).await?;
        let record = record.ok_or(ErrorCode::SignedOut)?;
        let attempt = self.admit_own_attempt(caller, record).await?;
        let key = attempt.key.clone();
        let is_right = if self.asks_directory(attempt.record.as_ref()) {
            self.is_directory_password(person, password).await?
        } else {
            self.is_right_password(attempt, password).await?
        };
        if is_right {
            let now = self.clock.now();
            self.store.reset_sign_in_attempts(&key, now).await?;
            return Ok(());
        }
        let event = Event {
            outcome: Outcome::Failure,
            ..caller.event(EventKind::ReauthenticationFailed, json!({}))
        };
        self.audit.append(event).await?;
        Err(ErrorCode::WrongCurrentPassword.into())
    }
}

/// A short name of a client from its `User-Agent` header.
pub fn describe_device(user_agent: &str) -> String {
    // The order matters: many clients name other ones as well.
    const BROWSERS: &[(&str, &str)] = &[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
        ("Python", "Python"),
    ];
    const SYSTEMS: &[(&str, &str)] = &[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let find = |table: &[(&str, &'static str)]| {
        let found = table.iter().find(|(mark, _)| user_agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    match (find(BROWSERS), find(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "unknown program".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_short_names() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/140.0.0.0 Safari/537.36";
        assert_eq!(describe_device(chrome), "Chrome on Linux");
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like \
                    Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0";
        assert_eq!(describe_device(edge), "Edge on Windows");
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 \
                     (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
        assert_eq!(describe_device(phone), "Safari on iPhone");
        assert_eq!(describe_device("curl/8.5.0"), "curl");
        assert_eq!(describe_device("<script>"), "unknown program");
    }
}
