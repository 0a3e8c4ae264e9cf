//! The proof of a second factor: a code of an authenticator app, a recovery code, or what a security
//! key signed.

use super::error::{AppError, ErrorCode, FactorRequest, KeyChallengeView, Result};
use super::second_factor::hash_recovery_code;
use super::{App, Caller};
use crate::security_keys::{
    ChallengeOwner, ChallengePlace, KeyChallenge, KeyRefusal, KeyResponse, SecurityKeys, StoredKey,
};
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{Principal, SessionId, UserId};
use cloister_store::{AttemptKey, KeyUse, SecondFactor, SecurityKeyRecord};
use serde_json::{Value, json};

/// A longer text is no code.
const MAX_CODE_BYTES: usize = 64;

/// What a person proves their second factor with. Empty if they have not been asked yet.
#[derive(Clone, Debug, Default)]
pub struct FactorProof {
    /// A code of the app or a recovery code.
    pub code: Option<String>,
    /// The answer of a security key to a challenge.
    pub key: Option<KeyResponse>,
}

/// How a second factor was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptedFactor {
    /// The person has none.
    NotNeeded,
    /// A code of the app.
    Totp,
    /// A recovery code, which cannot be used again.
    Recovery,
    /// The security key with this name.
    Key(String),
}

impl AcceptedFactor {
    /// What the audit log says.
    pub fn detail(&self) -> Value {
        match self {
            Self::NotNeeded => json!({ "second_factor": "none" }),
            Self::Totp => json!({ "second_factor": "totp" }),
            Self::Recovery => json!({ "second_factor": "recovery-code" }),
            Self::Key(name) => json!({ "second_factor": "security-key", "key": name }),
        }
    }
}

/// Why a second factor was refused.
#[derive(Clone, Copy, Debug)]
pub struct FactorRefusal {
    /// The reason for the audit log.
    pub reason: &'static str,
    /// The error for the person.
    pub error: ErrorCode,
}

const WRONG_CODE: FactorRefusal = FactorRefusal {
    reason: "wrong code of the second factor",
    error: ErrorCode::WrongCode,
};

impl From<KeyRefusal> for FactorRefusal {
    fn from(refusal: KeyRefusal) -> Self {
        Self {
            reason: refusal.reason(),
            error: ErrorCode::KeyRefused,
        }
    }
}

/// The result of the check of a second factor.
pub type FactorCheck = std::result::Result<AcceptedFactor, FactorRefusal>;

/// The second factors of a person that are in use.
struct PersonFactors {
    app: Option<SecondFactor>,
    keys: Vec<SecurityKeyRecord>,
}

impl App {
    /// Checks the second factor of a person who knows their password. Refused ones delay the next one,
    /// from wherever it comes, longer and longer. An empty proof is an error that says what is needed.
    pub(super) async fn check_factor(
        &self,
        caller: &Caller,
        user: UserId,
        place: ChallengePlace,
        proof: FactorProof,
    ) -> Result<FactorCheck> {
        let factors = self.factors_of(user).await?;
        if factors.app.is_none() && factors.keys.is_empty() {
            return Ok(Ok(AcceptedFactor::NotNeeded));
        }
        let owner = self.challenge_owner(user, place);
        let code = proof.code.as_deref().map(str::trim);
        let code = code.filter(|code| !code.is_empty());
        if code.is_none() && proof.key.is_none() {
            return Err(self.request_factor(owner, &factors)?);
        }
        let key = AttemptKey::codes_of(user);
        let (delays, now) = (self.sign_in_delays(), self.clock.now());
        let reserved = self.store.reserve_sign_in_attempt(&key, &delays, now);
        if let Some(wait) = reserved.await? {
            return Err(self.delayed(caller, wait));
        }
        let check = match (proof.key, code) {
            (Some(response), _) => self.use_key(&owner, factors.keys, response).await?,
            (None, code) => self.use_code(user, factors.app, code).await?,
        };
        if check.is_ok() {
            self.store.reset_sign_in_attempts(&key, now).await?;
        }
        Ok(check)
    }

    /// Checks the second factor of a person who is signed in. A refused one is logged.
    pub(super) async fn accept_own_factor(
        &self,
        caller: &Caller,
        person: &Principal,
        session: &SessionId,
        proof: FactorProof,
    ) -> Result<AcceptedFactor> {
        let place = ChallengePlace::Session(session.clone());
        let check = self.check_factor(caller, person.user, place, proof).await?;
        let refusal = match check {
            Ok(accepted) => return Ok(accepted),
            Err(refusal) => refusal,
        };
        let failed = Event {
            outcome: Outcome::Failure,
            ..caller.event(
                EventKind::ReauthenticationFailed,
                json!({ "refused": refusal.reason }),
            )
        };
        self.audit.append(failed).await?;
        Err(refusal.error.into())
    }

    async fn factors_of(&self, user: UserId) -> Result<PersonFactors> {
        let app = self.store.second_factor(user).await?;
        Ok(PersonFactors {
            app: app.filter(|factor| factor.is_confirmed),
            keys: self.store.security_keys(user).await?,
        })
    }

    pub(super) fn challenge_owner(&self, user: UserId, place: ChallengePlace) -> ChallengeOwner {
        let now = self.clock.now();
        ChallengeOwner { user, place, now }
    }

    /// The error that asks for a second factor, with a challenge for the person's keys.
    fn request_factor(&self, owner: ChallengeOwner, factors: &PersonFactors) -> Result<AppError> {
        let key = match &self.security_keys {
            Some(site) if !factors.keys.is_empty() => {
                Some(self.challenge_keys(site, owner, &factors.keys)?)
            }
            _ => None,
        };
        let app = factors.app.is_some();
        Ok(AppError {
            second_factor: Some(Box::new(FactorRequest { app, key })),
            ..ErrorCode::SecondFactorNeeded.into()
        })
    }

    fn challenge_keys(
        &self,
        site: &SecurityKeys,
        owner: ChallengeOwner,
        keys: &[SecurityKeyRecord],
    ) -> Result<KeyChallengeView> {
        let ticket = self.request_id()?;
        let challenge = site.begin_authentication(owner, &parse_keys(keys)?, ticket);
        let challenge = challenge.map_err(|refusal| AppError::internal(refusal.reason()))?;
        Ok(challenge.into())
    }

    /// Uses a security key, if it signed the challenge and is not a copy.
    async fn use_key(
        &self,
        owner: &ChallengeOwner,
        records: Vec<SecurityKeyRecord>,
        response: KeyResponse,
    ) -> Result<FactorCheck> {
        let Some(site) = &self.security_keys else {
            return Ok(Err(KeyRefusal::Unregistered.into()));
        };
        let verified = site.finish_authentication(owner, parse_keys(&records)?, response);
        let verified = match verified {
            Ok(verified) => verified,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let key_use = KeyUse {
            id: verified.id,
            credential: verified.credential,
            counter: verified.counter,
        };
        let used = self.store.use_security_key(owner.user, &key_use, owner.now);
        if !used.await? {
            return Ok(Err(KeyRefusal::Copied.into()));
        }
        let record = records.into_iter().find(|record| record.id == key_use.id);
        let name = record.map(|record| record.name).unwrap_or_default();
        Ok(Ok(AcceptedFactor::Key(name)))
    }

    /// Uses a code of the app or a recovery code, if it is right and was not used before.
    async fn use_code(
        &self,
        user: UserId,
        app: Option<SecondFactor>,
        code: Option<&str>,
    ) -> Result<FactorCheck> {
        let code = code.filter(|code| code.len() <= MAX_CODE_BYTES);
        let Some(code) = code else {
            return Ok(Err(WRONG_CODE));
        };
        let step = match &app {
            Some(factor) => self
                .secret_of(user, factor)?
                .step_of(code, self.clock.now()),
            None => None,
        };
        if let Some(step) = step {
            let is_new = self.store.use_code_of_step(user, step).await?;
            return Ok(is_new.then_some(AcceptedFactor::Totp).ok_or(WRONG_CODE));
        }
        let hash = hash_recovery_code(user, code);
        let is_new = self.store.use_recovery_code(user, &hash).await?;
        Ok(is_new.then_some(AcceptedFactor::Recovery).ok_or(WRONG_CODE))
    }
}

pub(super) fn parse_keys(records: &[SecurityKeyRecord]) -> Result<Vec<StoredKey>> {
    let parsed = records
        .iter()
        .map(|record| StoredKey::parse(record.id, &record.credential));
    let parsed: serde_json::Result<Vec<_>> = parsed.collect();
    parsed.map_err(AppError::internal)
}

impl From<KeyChallenge> for KeyChallengeView {
    fn from(challenge: KeyChallenge) -> Self {
        Self {
            ticket: challenge.ticket,
            options: challenge.options,
        }
    }
}
