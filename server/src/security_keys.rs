//! Security keys and passkeys (`WebAuthn` level 3, <https://www.w3.org/TR/webauthn-3/>): the
//! challenges that they sign, and the verification of what they signed.
//!
//! A challenge stays in this process until it is answered, once, or until it expires. It belongs to
//! one person and to one place: an attempt to sign in, or a session. This module knows neither
//! passwords nor the database.

use cloister_domain::{SecurityKeyId, SessionId, Timestamp, UserId};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;
use webauthn_rs::prelude::{
    AuthenticationResult, SecurityKey, SecurityKeyAuthentication, SecurityKeyRegistration, Url,
    Uuid, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

/// The time in which a challenge has to be answered.
pub const CHALLENGE_VALIDITY: Duration = Duration::from_mins(5);
/// Challenges of a person that may wait at once. A further one replaces the oldest.
const MAX_CHALLENGES: usize = 4;

/// Why a security key was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// The challenge is unknown here.
    Challenge,
    /// What the browser sent is not understood.
    Unreadable,
    /// The key is none of the person's.
    Unregistered,
    /// The counter of the key did not grow.
    Copied,
    /// The signature, the challenge or the site is wrong.
    Unverified,
}

impl KeyRefusal {
    /// The reason for the audit log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Challenge => "the challenge for the security key was answered before or expired",
            Self::Unreadable => "the response of the security key is not readable",
            Self::Unregistered => "the security key is not registered for this person",
            Self::Copied => "the counter of the security key went back: there may be a copy of it",
            Self::Unverified => "the security key did not sign the challenge for this site",
        }
    }
}

impl From<WebauthnError> for KeyRefusal {
    fn from(cause: WebauthnError) -> Self {
        tracing::info!(%cause, "a security key was not accepted: {cause}");
        if matches!(cause, WebauthnError::CredentialPossibleCompromise) {
            Self::Copied
        } else if matches!(cause, WebauthnError::CredentialNotFound) {
            Self::Unregistered
        } else {
            Self::Unverified
        }
    }
}

/// Where a challenge may be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChallengePlace {
    /// An attempt to sign in.
    SignIn,
    /// This session.
    Session(SessionId),
}

/// A challenge for the browser.
#[derive(Debug)]
pub struct KeyChallenge {
    /// What `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`
    /// takes.
    pub options: Value,
    /// The ticket with which it is answered.
    pub ticket: String,
}

/// The answer to a challenge.
#[derive(Clone, Debug)]
pub struct KeyResponse {
    /// The ticket of the challenge.
    pub ticket: String,
    /// What `PublicKeyCredential.toJSON` returned.
    pub credential: Value,
}

/// Whose challenge it is.
#[derive(Clone, Debug)]
pub struct ChallengeOwner {
    /// The person.
    pub user: UserId,
    /// Where it may be answered.
    pub place: ChallengePlace,
    /// The time of the request.
    pub now: Timestamp,
}

/// A key with the id of its row.
pub struct StoredKey {
    /// The id.
    pub id: SecurityKeyId,
    credential: SecurityKey,
}

impl StoredKey {
    /// Parses a key from its JSON.
    pub fn parse(id: SecurityKeyId, credential: &str) -> serde_json::Result<Self> {
        let credential = serde_json::from_str(credential)?;
        Ok(Self { id, credential })
    }
}

/// A new key, as it is stored.
#[derive(Debug)]
pub struct RegisteredKey {
    /// The id that it gave itself.
    pub credential_id: Vec<u8>,
    /// Its public key and properties, as JSON.
    pub credential: String,
}

/// A use of a key that was verified.
#[derive(Debug)]
pub struct VerifiedUse {
    /// The key.
    pub id: SecurityKeyId,
    /// Its public key and properties after the use, as JSON.
    pub credential: String,
    /// The signatures that it says it has made.
    pub counter: u32,
}

enum ChallengeState {
    Registration(SecurityKeyRegistration),
    Authentication(SecurityKeyAuthentication),
}

struct PendingChallenge {
    ticket: String,
    place: ChallengePlace,
    expires_at: Timestamp,
    state: ChallengeState,
}

/// The site as keys know it, and the challenges that wait.
pub struct SecurityKeys {
    name: String,
    webauthn: Webauthn,
    pending: Mutex<HashMap<UserId, VecDeque<PendingChallenge>>>,
}

impl SecurityKeys {
    /// Security keys for the first host name among these names of the server. Keys are bound to that
    /// name, and do not work with addresses. `None` if there is no host name.
    pub fn open(names: &[String]) -> Option<Self> {
        let is_address = |name: &String| name.parse::<IpAddr>().is_ok();
        let name = names.iter().find(|name| !is_address(name))?;
        let origin = Url::parse(&format!("https://{name}"));
        let built = origin.ok().and_then(|origin| {
            // Keys do not know ports, and behind a front proxy browsers use another one.
            let builder = WebauthnBuilder::new(name, &origin).ok()?;
            let builder = builder.allow_any_port(true).rp_name("Cloister");
            builder.timeout(CHALLENGE_VALIDITY).build().ok()
        });
        if built.is_none() {
            tracing::warn!(
                name,
                "security keys do not work with the host name `{name}`"
            );
        }
        Some(Self {
            name: name.clone(),
            webauthn: built?,
            pending: Mutex::default(),
        })
    }

    /// The host name to which keys are bound.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the challenge with which a person registers another key.
    pub fn begin_registration(
        &self,
        owner: ChallengeOwner,
        person: &str,
        keys: &[StoredKey],
        ticket: String,
    ) -> Result<KeyChallenge, KeyRefusal> {
        let registered = keys.iter().map(|key| key.credential.cred_id().clone());
        let registered = Some(registered.collect());
        let handle = user_handle(owner.user);
        let (mut challenge, state) = self
            .webauthn
            .start_securitykey_registration(handle, person, person, registered, None, None)?;
        // The person may also use a passkey of the device or phone.
        challenge.public_key.hints = None;
        // Chromium refuses the protection of keys by PIN without a required PIN, and the password was the
        // first factor.
        challenge.public_key.extensions = None;
        let options = to_json(&challenge.public_key)?;
        self.add(owner, &ticket, ChallengeState::Registration(state));
        Ok(KeyChallenge { options, ticket })
    }

    /// Verifies the answer to the challenge of a registration.
    pub fn finish_registration(
        &self,
        owner: &ChallengeOwner,
        response: KeyResponse,
    ) -> Result<RegisteredKey, KeyRefusal> {
        let state = self.take(owner, &response.ticket)?;
        let ChallengeState::Registration(state) = state else {
            return Err(KeyRefusal::Challenge);
        };
        let credential = from_json(response.credential)?;
        let key = self
            .webauthn
            .finish_securitykey_registration(&credential, &state)?;
        Ok(RegisteredKey {
            credential_id: key.cred_id().clone(),
            credential: to_text(&key)?,
        })
    }

    /// Makes a challenge for the keys of a person.
    pub fn begin_authentication(
        &self,
        owner: ChallengeOwner,
        keys: &[StoredKey],
        ticket: String,
    ) -> Result<KeyChallenge, KeyRefusal> {
        let keys: Vec<_> = keys.iter().map(|key| key.credential.clone()).collect();
        let (mut challenge, state) = self.webauthn.start_securitykey_authentication(&keys)?;
        challenge.public_key.hints = None;
        let options = to_json(&challenge.public_key)?;
        self.add(owner, &ticket, ChallengeState::Authentication(state));
        Ok(KeyChallenge { options, ticket })
    }

    /// Verifies the answer of one of the keys of a person.
    pub fn finish_authentication(
        &self,
        owner: &ChallengeOwner,
        keys: Vec<StoredKey>,
        response: KeyResponse,
    ) -> Result<VerifiedUse, KeyRefusal> {
        let state = self.take(owner, &response.ticket)?;
        let ChallengeState::Authentication(state) = state else {
            return Err(KeyRefusal::Challenge);
        };
        let credential = from_json(response.credential)?;
        let result = self
            .webauthn
            .finish_securitykey_authentication(&credential, &state)?;
        updated_key(keys, &result)
    }

    /// Stores a challenge, and removes those of the person that are old or too many.
    fn add(&self, owner: ChallengeOwner, ticket: &str, state: ChallengeState) {
        let mut pending = self.pending.lock();
        let challenges = pending.entry(owner.user).or_default();
        challenges.retain(|challenge| challenge.expires_at > owner.now);
        while challenges.len() >= MAX_CHALLENGES {
            challenges.pop_front();
        }
        challenges.push_back(PendingChallenge {
            ticket: ticket.to_owned(),
            place: owner.place,
            expires_at: owner.now.plus(CHALLENGE_VALIDITY),
            state,
        });
    }

    /// Takes the challenge of a ticket, so that it cannot be answered again.
    fn take(&self, owner: &ChallengeOwner, ticket: &str) -> Result<ChallengeState, KeyRefusal> {
        let mut pending = self.pending.lock();
        let challenges = pending.get_mut(&owner.user).ok_or(KeyRefusal::Challenge)?;
        let position = challenges
            .iter()
            .position(|challenge| challenge.ticket == ticket && challenge.place == owner.place);
        let taken = position.and_then(|position| challenges.remove(position));
        if challenges.is_empty() {
            pending.remove(&owner.user);
        }
        let taken = taken.filter(|challenge| challenge.expires_at > owner.now);
        Ok(taken.ok_or(KeyRefusal::Challenge)?.state)
    }
}

/// The key that was used, with its new counter.
fn updated_key(
    keys: Vec<StoredKey>,
    result: &AuthenticationResult,
) -> Result<VerifiedUse, KeyRefusal> {
    let used = keys
        .into_iter()
        .find(|key| key.credential.cred_id() == result.cred_id());
    let StoredKey { id, mut credential } = used.ok_or(KeyRefusal::Unregistered)?;
    credential.update_credential(result);
    Ok(VerifiedUse {
        id,
        credential: to_text(&credential)?,
        counter: result.counter(),
    })
}

/// The user handle: the same for all keys of a person, and without personal data.
fn user_handle(user: UserId) -> Uuid {
    let digest = Sha256::digest(format!("cloister-security-key:{user}"));
    let mut bytes = [0; 16];
    for (byte, of_digest) in bytes.iter_mut().zip(digest) {
        *byte = of_digest;
    }
    Uuid::from_bytes(bytes)
}

fn to_json(value: &impl serde::Serialize) -> Result<Value, KeyRefusal> {
    serde_json::to_value(value).map_err(|cause| unreadable(&cause))
}

fn to_text(value: &impl serde::Serialize) -> Result<String, KeyRefusal> {
    serde_json::to_string(value).map_err(|cause| unreadable(&cause))
}

fn from_json<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, KeyRefusal> {
    serde_json::from_value(value).map_err(|cause| unreadable(&cause))
}

fn unreadable(cause: &serde_json::Error) -> KeyRefusal {
    tracing::info!(%cause, "the data of a security key is not readable: {cause}");
    KeyRefusal::Unreadable
}

#[cfg(test)]
mod tests;
