//! Signing in and out, sessions, and the first administrator.

use super::error::{AppError, ErrorCode, Result};
use super::{App, Caller};
use crate::passwords;
use cloister_audit::{Actor, Event, EventKind, Outcome};
use cloister_domain::{Principal, Role, SessionId, UserId};
use cloister_store::{NewUser, Session, SignInRecord};
use serde_json::json;
use std::time::Duration;

/// The last use of a session is stored at most this often.
const TOUCH_INTERVAL: Duration = Duration::from_secs(30);

/// How long a setup link is valid.
const SETUP_LINK_VALIDITY: Duration = Duration::from_hours(24);

/// The group of the first administrator.
const FIRST_GROUP: &str = "First readers";

/// A session that has just begun.
pub struct NewSession {
    /// The secret for the cookie.
    pub secret: String,
    /// The person.
    pub person: Principal,
}

/// What the setup link creates.
pub struct SetupCommand {
    /// The secret in the link.
    pub link: String,
    /// The name to sign in with.
    pub name: String,
    /// The password.
    pub password: String,
    /// Whether the person also asks questions about the present collections.
    pub also_staff: bool,
}

impl App {
    /// Checks a name and a password and begins a session. Locks the account after too many wrong
    /// passwords.
    pub async fn sign_in(
        &self,
        caller: &Caller,
        name: &str,
        password: String,
    ) -> Result<NewSession> {
        let record = self.store.sign_in_record(name).await?;
        self.refuse_locked(caller, name, record.as_ref()).await?;
        let hash = match &record {
            Some(record) => record.password_hash.clone(),
            None => passwords::unmatchable_hash().to_owned(),
        };
        let is_right = verify_password(password, hash).await?;
        match record {
            Some(record) if is_right && !record.disabled => {
                self.log_sign_in(caller, name, Some(&record), None).await?;
                self.begin_session(record.user).await
            }
            record => {
                self.count_failure(record.as_ref()).await?;
                let reason = Some("wrong name or password");
                self.log_sign_in(caller, name, record.as_ref(), reason)
                    .await?;
                Err(ErrorCode::WrongPassword.into())
            }
        }
    }

    async fn refuse_locked(
        &self,
        caller: &Caller,
        name: &str,
        record: Option<&SignInRecord>,
    ) -> Result<()> {
        let now = self.clock.now();
        let Some(until) = record.and_then(|record| record.locked_until) else {
            return Ok(());
        };
        if until <= now {
            return Ok(());
        }
        self.log_sign_in(caller, name, record, Some("locked"))
            .await?;
        let seconds = until.since(now).as_secs() + 1;
        let detail = format!("Try again in {} minutes", seconds.div_ceil(60));
        Err(ErrorCode::Locked.with_detail(detail).retry_after(seconds))
    }

    /// Counts a wrong password, and locks the account after too many.
    async fn count_failure(&self, record: Option<&SignInRecord>) -> Result<()> {
        let Some(record) = record else {
            return Ok(());
        };
        let settings = &self.config.session;
        let lockout = Duration::from_secs(settings.lockout_minutes * 60);
        let is_locked = record.failed_sign_ins + 1 >= settings.max_failed_sign_ins;
        let until = is_locked.then(|| self.clock.now().plus(lockout));
        self.store.record_failed_sign_in(record.user, until).await?;
        Ok(())
    }

    async fn log_sign_in(
        &self,
        caller: &Caller,
        name: &str,
        record: Option<&SignInRecord>,
        refused: Option<&str>,
    ) -> Result<()> {
        // An unknown name may be a password that was typed into the wrong field.
        let name = if record.is_some() { name } else { "unknown" };
        let event = caller.event(EventKind::SignedIn, json!({ "refused": refused }));
        self.audit
            .append(Event {
                outcome: if refused.is_some() {
                    Outcome::Failure
                } else {
                    Outcome::Success
                },
                actor: Actor {
                    user: record.map(|record| record.user),
                    name: name.to_owned(),
                },
                ..event
            })
            .await?;
        Ok(())
    }

    async fn begin_session(&self, user: UserId) -> Result<NewSession> {
        let secret = passwords::secret(&*self.entropy)?;
        let now = self.clock.now();
        let session = Session {
            id: SessionId(passwords::fingerprint(&secret)),
            user,
            created_at: now,
            last_seen_at: now,
            expires_at: now.plus(self.config.session_max()),
        };
        self.store.start_session(&session).await?;
        let user = self.store.user(user).await?.ok_or(ErrorCode::SignedOut)?;
        Ok(NewSession {
            secret,
            person: user.into(),
        })
    }

    /// The id of the session with this secret, and its person. Ends a session that has expired.
    pub async fn resume_session(&self, secret: &str) -> Result<(SessionId, Principal)> {
        let id = SessionId(passwords::fingerprint(secret));
        let now = self.clock.now();
        let session = self.store.session(&id).await?.ok_or(ErrorCode::SignedOut)?;
        let is_idle = now.since(session.last_seen_at) > self.config.session_idle();
        if is_idle || now >= session.expires_at {
            self.store.end_session(&id).await?;
            let detail = "The session has ended. Sign in again; what you typed is still here";
            return Err(ErrorCode::SignedOut.with_detail(detail));
        }
        if now.since(session.last_seen_at) > TOUCH_INTERVAL {
            self.store.touch_session(&id, now).await?;
        }
        let user = self.store.user(session.user).await?;
        let user = user
            .filter(|user| !user.disabled)
            .ok_or(ErrorCode::SignedOut)?;
        Ok((id, user.into()))
    }

    /// Ends a session.
    pub async fn sign_out(&self, caller: &Caller, session: &SessionId) -> Result<()> {
        self.audit
            .append(caller.event(EventKind::SignedOut, json!({})))
            .await?;
        self.store.end_session(session).await?;
        Ok(())
    }

    /// A new setup link. `None` if there are people already.
    pub async fn new_setup_link(&self) -> Result<Option<String>> {
        if self.store.count_users().await? > 0 {
            return Ok(None);
        }
        let secret = passwords::secret(&*self.entropy)?;
        let expires_at = self.clock.now().plus(SETUP_LINK_VALIDITY);
        self.store
            .replace_setup_link(&passwords::fingerprint(&secret), expires_at)
            .await?;
        let address = self.config.server.address;
        Ok(Some(format!("https://{address}/#/setup/{secret}")))
    }

    /// Adds the first administrator with a setup link, and begins a session.
    pub async fn set_up(&self, caller: &Caller, setup: SetupCommand) -> Result<NewSession> {
        let mut roles = vec![Role::Administrator];
        if setup.also_staff {
            roles.push(Role::Staff);
        }
        let new = NewUser {
            password_hash: self.hash_password(&setup.password)?,
            name: setup.name,
            roles,
        };
        let event = Event {
            actor: Actor {
                user: None,
                name: new.name.clone(),
            },
            ..caller.event(
                EventKind::FirstAdministrator,
                json!({ "also_staff": setup.also_staff }),
            )
        };
        let link = passwords::fingerprint(&setup.link);
        let add = self.add_first_administrator(&link, &new);
        let user = self.logged(event, add).await?;
        if setup.also_staff {
            self.grant_all_collections(caller, user).await?;
        }
        self.begin_session(user).await
    }

    async fn add_first_administrator(&self, link: &str, new: &NewUser) -> Result<UserId> {
        let now = self.clock.now();
        let user = self.store.add_first_administrator(link, new, now).await?;
        user.ok_or_else(|| {
            ErrorCode::SetupLinkSpent
                .with_detail("Restart the appliance or run `cloister setup-link` for a new link")
        })
    }

    /// Adds a group for the first administrator with the present collections, so that they can ask
    /// about the sample library at once.
    async fn grant_all_collections(&self, caller: &Caller, user: UserId) -> Result<()> {
        let group = self.store.add_group(FIRST_GROUP, self.clock.now()).await?;
        self.store.join_group(group, user).await?;
        for collection in self.store.collections().await? {
            let detail = json!({ "collection": collection.name, "group": FIRST_GROUP });
            let event = Event {
                request: caller.request.clone(),
                ..Event::by_appliance(EventKind::AccessGranted, detail)
            };
            self.logged(event, self.store.grant(collection.id, group))
                .await?;
        }
        Ok(())
    }
}

/// Verifies a password on a blocking thread, because hashing uses a core for a while.
async fn verify_password(password: String, hash: String) -> Result<bool> {
    tokio::task::spawn_blocking(move || passwords::is_match(&password, &hash))
        .await
        .map_err(AppError::internal)
}
