//! Refused attempts of people who are not signed in. They are counted, and the log gets one entry
//! for many of them, so that nobody can fill the log without signing in.

use super::{App, AppState, Caller};
use crate::limits::RateLimiter;
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::Timestamp;
use parking_lot::Mutex;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The interval of entries about refused attempts.
const LOG_INTERVAL: Duration = Duration::from_mins(1);
/// Addresses that an entry names. Attempts from further addresses are only counted.
const MAX_ORIGINS: usize = 16;
/// Failed sign-ins that get an entry of their own: a burst, and then one per interval.
const OWN_ENTRIES: (u32, Duration) = (200, Duration::from_secs(5));

/// What was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnonymousAttempt {
    /// Signing in.
    SignIn,
    /// Creating the first administrator.
    Setup,
    /// Setting a password with an activation link.
    Activation,
    /// Using an API token.
    Token,
}

impl AnonymousAttempt {
    const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Setup => "setup",
            Self::Activation => "activation",
            Self::Token => "token",
        }
    }
}

/// Refused attempts that have no entry yet.
pub struct Refusals {
    own_entries: RateLimiter<()>,
    // INVARIANT: one item for each attempt and reason, both of which are constants of the program.
    counted: Mutex<BTreeMap<(AnonymousAttempt, &'static str), RefusedAttempts>>,
}

struct RefusedAttempts {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    // INVARIANT: at most `MAX_ORIGINS` addresses.
    origins: BTreeMap<String, u64>,
    other_origins: u64,
}

impl RefusedAttempts {
    fn new(now: Timestamp) -> Self {
        Self {
            count: 0,
            first: now,
            last: now,
            origins: BTreeMap::new(),
            other_origins: 0,
        }
    }

    fn count(&mut self, origin: &str, now: Timestamp) {
        self.count += 1;
        self.last = now;
        if let Some(count) = self.origins.get_mut(origin) {
            *count += 1;
        } else if self.origins.len() < MAX_ORIGINS {
            self.origins.insert(origin.to_owned(), 1);
        } else {
            self.other_origins += 1;
        }
    }

    fn into_event(self, attempt: AnonymousAttempt, reason: &str) -> Event {
        let detail = json!({
            "attempted": attempt.name(), "refused": reason, "count": self.count,
            "from": self.first.to_string(), "until": self.last.to_string(),
            "origins": self.origins, "from_other_origins": self.other_origins,
        });
        Event {
            outcome: Outcome::Failure,
            ..Event::by_appliance(EventKind::AttemptsRefused, detail)
        }
    }
}

impl Default for Refusals {
    fn default() -> Self {
        let (burst, interval) = OWN_ENTRIES;
        Self {
            own_entries: RateLimiter::new(burst, interval),
            counted: Mutex::default(),
        }
    }
}

impl Refusals {
    /// Whether a refused attempt may have an entry of its own.
    pub fn may_log(&self) -> bool {
        self.own_entries.take((), Instant::now()).is_ok()
    }

    /// Counts a refused attempt.
    pub fn count(
        &self,
        attempt: AnonymousAttempt,
        reason: &'static str,
        origin: &str,
        now: Timestamp,
    ) {
        let mut counted = self.counted.lock();
        let refused = counted
            .entry((attempt, reason))
            .or_insert_with(|| RefusedAttempts::new(now));
        refused.count(origin, now);
    }

    /// The events of the attempts that were counted since the last call.
    fn take_events(&self) -> Vec<Event> {
        let counted = std::mem::take(&mut *self.counted.lock());
        counted
            .into_iter()
            .map(|((attempt, reason), refused)| refused.into_event(attempt, reason))
            .collect()
    }
}

impl App {
    /// Counts a refused attempt of somebody who is not signed in.
    pub(super) fn count_refusal(
        &self,
        caller: &Caller,
        attempt: AnonymousAttempt,
        reason: &'static str,
    ) {
        let now = self.clock.now();
        self.refusals.count(attempt, reason, &caller.origin, now);
    }

    /// Logs the refused attempts that were counted, every minute.
    pub async fn log_refusals_periodically(self: AppState) {
        loop {
            tokio::time::sleep(LOG_INTERVAL).await;
            self.log_refusals().await;
        }
    }

    /// Logs the refused attempts that were counted.
    pub async fn log_refusals(&self) {
        for event in self.refusals.take_events() {
            if let Err(cause) = self.audit.append(event).await {
                tracing::error!(%cause, "refused attempts could not be logged: {cause}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_refused_attempts_are_few_entries_of_bounded_size() {
        let refusals = Refusals::default();
        let now = Timestamp::from_millis(0);
        for n in 0..100_000_u32 {
            let origin = std::net::Ipv4Addr::from(n % 5000).to_string();
            refusals.count(AnonymousAttempt::SignIn, "too many attempts", &origin, now);
            refusals.count(AnonymousAttempt::Setup, "spent link", &origin, now);
        }
        let events = refusals.take_events();
        assert_eq!(events.len(), 2);
        for event in &events {
            assert_eq!(event.outcome, Outcome::Failure);
            assert_eq!(event.detail["count"], 100_000);
            assert!(event.detail.to_string().len() < 1000);
        }
        assert!(refusals.take_events().is_empty());
    }

    #[test]
    fn entries_of_their_own_are_bounded() {
        let refusals = Refusals::default();
        let own = (0..100_000).filter(|_| refusals.may_log()).count();
        assert!(own <= 210, "{own}");
    }
}
