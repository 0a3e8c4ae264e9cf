//! Signing in and out.

use super::directory::DirectoryDecision;
use super::error::{AppError, ErrorCode, Result};
use super::factor_proof::{AcceptedFactor, FactorProof};
use super::refusals::AnonymousAttempt;
use super::{App, Caller};
use crate::limits::{HashSlot, RateLimiter, network_of};
use crate::passwords;
use crate::security_keys::ChallengePlace;
use cloister_audit::{Actor, Event, EventKind, Outcome};
use cloister_domain::{Principal, SessionId, UserId};
use cloister_store::{AttemptDelays, AttemptKey, Session, SignInRecord, normalize_name};
use serde_json::json;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The first delay after too many failed attempts. Each further attempt doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(15);
/// Failed attempts are forgotten after this time without another one.
const FORGET_FAILURES_AFTER: Duration = Duration::from_hours(24);
/// Attempts for one account from networks that never signed it in: a burst, and then one per
/// interval.
const ATTEMPTS_FOR_ACCOUNT: (u32, Duration) = (20, Duration::from_secs(30));
/// A network may use its attempts of this many minutes at once, for example when a shift begins.
const BURST_MINUTES: u32 = 4;
/// When a full queue of passwords is worth another try, in seconds.
const RETRY_AFTER_S: u64 = 2;
/// A longer name is nobody's.
const MAX_NAME_BYTES: usize = 256;

/// Limits of attempts, which need no database.
pub struct SignInLimits {
    by_network: RateLimiter<String>,
    by_account: RateLimiter<String>,
}

impl SignInLimits {
    /// Limits with this many attempts a minute from one network.
    pub fn new(per_minute: u32) -> Self {
        let (burst, interval) = ATTEMPTS_FOR_ACCOUNT;
        Self {
            by_network: RateLimiter::new(
                per_minute.saturating_mul(BURST_MINUTES),
                Duration::from_mins(1) / per_minute.max(1),
            ),
            by_account: RateLimiter::new(burst, interval),
        }
    }
}

/// What a person types to sign in.
pub struct Credentials {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
    /// The second factor, if the person has one.
    pub proof: FactorProof,
    /// What the client says it is, for the person's list of sessions.
    pub device: String,
    /// The secret of the session that the browser has already, which the new one replaces.
    pub previous_session: Option<String>,
}

/// A session that has just begun.
pub struct NewSession {
    /// The secret for the cookie.
    pub secret: String,
    /// The person.
    pub person: Principal,
    /// Whether the person must set up a second factor before anything else.
    pub lacks_second_factor: bool,
}

/// An attempt that may be made.
pub struct AdmittedAttempt {
    /// The account and network that it is counted for.
    pub key: AttemptKey,
    pub(super) record: Option<SignInRecord>,
    slot: HashSlot,
}

/// How a person is signed in whose password was right.
#[derive(Default)]
pub struct SignInPlace<'a> {
    /// What the client says it is.
    pub device: &'a str,
    /// The secret of the session that the new one replaces.
    pub previous_session: Option<&'a str>,
    /// The attempt, whose failures are forgotten.
    pub attempt: Option<&'a AttemptKey>,
}

impl App {
    /// Checks a name and a password and begins a session.
    ///
    /// Attempts are limited before the password is hashed: by network, by account, and by the queue
    /// of passwords. Failures delay further attempts for this account from this network, longer and
    /// longer. A name that does not exist is treated like one that does. Whether there is a second
    /// factor is only said after the right password, which alone does not reset the failures.
    pub async fn sign_in(&self, caller: &Caller, credentials: Credentials) -> Result<NewSession> {
        let Credentials {
            name,
            password,
            proof,
            device,
            previous_session,
        } = credentials;
        let attempt = self.admit_attempt(caller, &name).await?;
        let key = attempt.key.clone();
        let known = attempt.record.clone();
        let record = match self.check_password(attempt, &name, password).await? {
            Ok(record) => record,
            Err(reason) => {
                let error = ErrorCode::WrongPassword;
                return Err(self.refuse_sign_in(caller, known, reason, error).await?);
            }
        };
        let accepted = self.accept_factor(caller, &record, proof).await?;
        let place = SignInPlace {
            device: &device,
            previous_session: previous_session.as_deref(),
            attempt: Some(&key),
        };
        self.complete_sign_in(caller, &record, &accepted, place)
            .await
    }

    /// Whose password it is: of a local account, or of a person of the directory.
    async fn check_password(
        &self,
        attempt: AdmittedAttempt,
        name: &str,
        password: String,
    ) -> Result<DirectoryDecision<SignInRecord>> {
        if self.asks_directory(attempt.record.as_ref()) {
            return self.sign_in_by_directory(name, password).await;
        }
        let record = attempt.record.clone();
        let is_right = self.is_right_password(attempt, password).await?;
        let record = record.filter(|record| is_right && !record.disabled);
        Ok(record.ok_or("wrong name or password"))
    }

    async fn accept_factor(
        &self,
        caller: &Caller,
        record: &SignInRecord,
        proof: FactorProof,
    ) -> Result<AcceptedFactor> {
        let place = ChallengePlace::SignIn;
        let check = self.check_factor(caller, record.user, place, proof).await?;
        match check {
            Ok(accepted) => Ok(accepted),
            Err(refusal) => {
                let record = Some(record.clone());
                let refused = self.refuse_sign_in(caller, record, refusal.reason, refusal.error);
                Err(refused.await?)
            }
        }
    }

    /// Checks the password of an attempt. A person without a password takes as long as one with a
    /// wrong one.
    pub(super) async fn is_right_password(
        &self,
        attempt: AdmittedAttempt,
        password: String,
    ) -> Result<bool> {
        let AdmittedAttempt { record, slot, .. } = attempt;
        let hash = record.map(|record| record.password_hash);
        let hash = hash.filter(|hash| !hash.is_empty());
        let hash = hash.unwrap_or_else(|| passwords::unmatchable_hash().to_owned());
        let verified = slot.run(move || passwords::is_match(&password, &hash));
        verified.await.ok_or_else(pool_ended)
    }

    /// Passes the attempt of a person who is signed in to type their password again.
    pub(super) async fn admit_own_attempt(
        &self,
        caller: &Caller,
        record: SignInRecord,
    ) -> Result<AdmittedAttempt> {
        let key = AttemptKey {
            account: AttemptKey::account_of(record.user),
            network: network(caller),
        };
        self.reserve_attempt(caller, key, Some(record)).await
    }

    /// Passes an attempt through all limits, the cheapest first, and counts it.
    async fn admit_attempt(&self, caller: &Caller, name: &str) -> Result<AdmittedAttempt> {
        self.admit_network(caller, AnonymousAttempt::SignIn)?;
        let name = normalize_name(name);
        let record = if name.len() > MAX_NAME_BYTES {
            None
        } else {
            self.store.sign_in_record(&name).await?
        };
        let key = AttemptKey {
            account: match &record {
                Some(record) => AttemptKey::account_of(record.user),
                None => self.account_of_unknown(&name),
            },
            network: network(caller),
        };
        let now = self.clock.now();
        // A person is not kept out by strangers: their own networks are not counted together.
        if !self.store.is_known_network(&key, now).await? {
            let account = key.account.clone();
            let taken = self.sign_in_limits.by_account.take(account, Instant::now());
            taken.map_err(|wait| self.delayed(caller, wait))?;
        }
        self.reserve_attempt(caller, key, record).await
    }

    async fn reserve_attempt(
        &self,
        caller: &Caller,
        key: AttemptKey,
        record: Option<SignInRecord>,
    ) -> Result<AdmittedAttempt> {
        let slot = self.hash_slot(caller, AnonymousAttempt::SignIn)?;
        let (delays, now) = (self.sign_in_delays(), self.clock.now());
        let reserved = self.store.reserve_sign_in_attempt(&key, &delays, now);
        match reserved.await? {
            None => Ok(AdmittedAttempt { key, record, slot }),
            Some(wait) => Err(self.delayed(caller, wait)),
        }
    }

    /// Limits how often somebody who is not signed in may try something, by network.
    pub(super) fn admit_network(&self, caller: &Caller, attempt: AnonymousAttempt) -> Result<()> {
        let taken = self
            .sign_in_limits
            .by_network
            .take(network(caller), Instant::now());
        taken.map_err(|wait| {
            self.count_refusal(caller, attempt, "too many attempts from the network");
            ErrorCode::TooManyRequests.with_wait(wait)
        })
    }

    pub(super) fn hash_slot(&self, caller: &Caller, attempt: AnonymousAttempt) -> Result<HashSlot> {
        self.hash_pool.slot().ok_or_else(|| {
            self.count_refusal(caller, attempt, "too many attempts of everybody");
            ErrorCode::Overloaded
                .with_detail("Too many people sign in at once. Try again in a few seconds")
                .retry_after(RETRY_AFTER_S)
        })
    }

    pub(super) fn delayed(&self, caller: &Caller, wait: Duration) -> AppError {
        self.count_refusal(caller, AnonymousAttempt::SignIn, "too many wrong passwords");
        ErrorCode::Locked.with_wait(wait)
    }

    /// The account of a name that does not exist. The name itself is not stored: it may be a
    /// password that was typed into the wrong field.
    fn account_of_unknown(&self, name: &str) -> String {
        passwords::fingerprint(&format!("{}\n{name}", self.ticket_secret))
    }

    /// How long failed attempts delay the next one.
    pub(super) fn sign_in_delays(&self) -> AttemptDelays {
        let settings = &self.config.session;
        AttemptDelays {
            free_attempts: settings.max_failed_sign_ins,
            first: FIRST_DELAY,
            max: self.config.max_sign_in_delay(),
            forget_after: FORGET_FAILURES_AFTER,
        }
    }

    /// Begins a session, and logs it before its secret is handed out.
    pub(super) async fn complete_sign_in(
        &self,
        caller: &Caller,
        record: &SignInRecord,
        accepted: &AcceptedFactor,
        place: SignInPlace<'_>,
    ) -> Result<NewSession> {
        let (session, id, has_replaced) = self.begin_session(caller, record.user, place).await?;
        let mut detail = accepted.detail();
        detail["replaced_session"] = has_replaced.into();
        let event = Event {
            actor: Actor::from(&session.person),
            ..caller.event(EventKind::SignedIn, detail)
        };
        if let Err(cause) = self.audit.append(event).await {
            self.store.end_session(&id).await?;
            return Err(cause.into());
        }
        self.metrics.count_sign_in(true);
        Ok(session)
    }

    /// Logs a wrong password or code, or counts it if there are many. Returns the error for the
    /// person.
    async fn refuse_sign_in(
        &self,
        caller: &Caller,
        record: Option<SignInRecord>,
        reason: &'static str,
        error: ErrorCode,
    ) -> Result<AppError> {
        self.metrics.count_sign_in(false);
        if !self.refusals.may_log() {
            self.count_refusal(caller, AnonymousAttempt::SignIn, reason);
            return Ok(error.into());
        }
        // An unknown name may be a password that was typed into the wrong field.
        let actor = match record {
            Some(record) => Actor {
                user: Some(record.user),
                name: record.name,
            },
            None => caller.actor.clone(),
        };
        let event = Event {
            outcome: Outcome::Failure,
            actor,
            ..caller.event(EventKind::SignedIn, json!({ "refused": reason }))
        };
        self.audit.append(event).await?;
        Ok(error.into())
    }

    async fn begin_session(
        &self,
        caller: &Caller,
        user: UserId,
        place: SignInPlace<'_>,
    ) -> Result<(NewSession, SessionId, bool)> {
        let previous = place.previous_session;
        let previous = previous.map(|secret| SessionId(passwords::fingerprint(secret)));
        let secret = passwords::secret(&*self.entropy)?;
        let now = self.clock.now();
        let session = Session {
            id: SessionId(passwords::fingerprint(&secret)),
            user,
            created_at: now,
            last_seen_at: now,
            expires_at: now.plus(self.config.session_max()),
            authenticated_at: now,
            address: caller.origin.clone(),
            device: place.device.to_owned(),
        };
        let has_replaced = self
            .store
            .start_session(&session, previous.as_ref(), place.attempt)
            .await?;
        let user = self.store.user(user).await?.ok_or(ErrorCode::SignedOut)?;
        let new = NewSession {
            secret,
            lacks_second_factor: self.lacks_second_factor(&user),
            person: user.into(),
        };
        Ok((new, session.id, has_replaced))
    }

    /// Ends a session. It ends even if that cannot be logged.
    pub async fn sign_out(&self, caller: &Caller, session: &SessionId) -> Result<()> {
        self.store.end_session(session).await?;
        self.audit
            .append(caller.event(EventKind::SignedOut, json!({})))
            .await?;
        Ok(())
    }
}

/// The network by which the caller's attempts are counted.
fn network(caller: &Caller) -> String {
    match caller.origin.parse::<IpAddr>() {
        Ok(address) => network_of(address).to_string(),
        Err(_) => caller.origin.clone(),
    }
}

pub(super) fn pool_ended() -> AppError {
    AppError::internal("the threads that hash passwords have ended")
}
