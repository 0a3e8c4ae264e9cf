//! Sessions that have begun.

use super::App;
use super::error::{ErrorCode, Result};
use crate::passwords;
use cloister_domain::{Principal, SessionId, Timestamp};
use cloister_store::Session;
use std::time::Duration;

/// The last use of a session is stored at most this often.
pub(super) const TOUCH_INTERVAL: Duration = Duration::from_secs(30);

/// A clock may be corrected by this much without ending sessions.
pub(super) const CLOCK_TOLERANCE: Duration = Duration::from_mins(5);

/// What a request is to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionUse {
    /// A person did something. The session lives on.
    ByPerson,
    /// The interface asks by itself, such as for progress. It does not prolong the session.
    Background,
}

/// A session that is valid now.
#[derive(Clone, Debug)]
pub struct ResumedSession {
    /// The id.
    pub id: SessionId,
    /// The person, as they are now.
    pub person: Principal,
    /// After this time without another request the session ends.
    pub expires_in: Duration,
    /// After this time the session ends even if it is used.
    pub ends_in: Duration,
    /// Whether the person typed their password recently enough for a dangerous act.
    pub is_recent: bool,
    /// Whether the person must set up a second factor before anything else.
    pub lacks_second_factor: bool,
}

impl App {
    /// The session with this secret. Ends a session that has expired.
    pub async fn resume_session(&self, secret: &str, by: SessionUse) -> Result<ResumedSession> {
        let id = SessionId(passwords::fingerprint(secret));
        let now = self.clock.now();
        let session = self.store.session(&id).await?.ok_or(ErrorCode::SignedOut)?;
        if self.remaining(&session, now).is_zero() {
            self.store.end_session(&id).await?;
            let detail = "The session has ended. Sign in again; what you typed is still here";
            return Err(ErrorCode::SignedOut.with_detail(detail));
        }
        let user = self.store.user(session.user).await?;
        let user = user
            .filter(|user| !user.disabled)
            .ok_or(ErrorCode::SignedOut)?;
        let user = self.confirm_person(user).await?;
        let used = match by {
            SessionUse::Background => session,
            SessionUse::ByPerson => self.touch(session, now).await?,
        };
        Ok(ResumedSession {
            id,
            is_recent: self.is_recent(&used, now),
            lacks_second_factor: self.lacks_second_factor(&user),
            person: user.into(),
            expires_in: self.remaining(&used, now),
            ends_in: used.expires_at.since(now),
        })
    }

    async fn touch(&self, session: Session, now: Timestamp) -> Result<Session> {
        let interval = TOUCH_INTERVAL.min(self.config.session_idle() / 10);
        if now.since(session.last_seen_at) > interval {
            self.store.touch_session(&session.id, now).await?;
        }
        Ok(Session {
            last_seen_at: now,
            ..session
        })
    }

    fn is_recent(&self, session: &Session, now: Timestamp) -> bool {
        let authenticated_at = session.authenticated_at;
        authenticated_at <= now.plus(CLOCK_TOLERANCE)
            && now.since(authenticated_at) <= self.config.reauthentication_interval()
    }

    /// The time after which a session ends if it is not used again. Zero if it has ended.
    pub(super) fn remaining(&self, session: &Session, now: Timestamp) -> Duration {
        // A clock that was set back must not prolong a session.
        if session.created_at > now.plus(CLOCK_TOLERANCE) {
            return Duration::ZERO;
        }
        let last_seen_at = session.last_seen_at.min(now);
        let idle_end = last_seen_at.plus(self.config.session_idle());
        idle_end.min(session.expires_at).since(now)
    }
}
