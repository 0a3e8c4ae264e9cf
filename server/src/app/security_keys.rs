//! A person's own security keys and passkeys: registration and removal.

use super::error::{AppError, ErrorCode, KeyChallengeView, Result};
use super::factor_proof::{FactorProof, parse_keys};
use super::{App, Caller};
use crate::security_keys::{ChallengePlace, KeyRefusal, KeyResponse, RegisteredKey, SecurityKeys};
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{Principal, SecurityKeyId, SessionId};
use cloister_store::{AddedKey, NewSecurityKey, SecurityKeyRecord};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// The longest name of a key, in characters.
const MAX_NAME_LENGTH: usize = 64;

/// A security key of the person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SecurityKey)]
pub struct SecurityKeyView {
    /// The id, which the audit log names.
    id: i64,
    /// The name that the person gave it.
    name: String,
    /// The time of the registration, RFC 3339.
    created_at: String,
    /// The time of the last use, RFC 3339. Absent if it was not used yet.
    last_used_at: Option<String>,
}

impl From<SecurityKeyRecord> for SecurityKeyView {
    fn from(key: SecurityKeyRecord) -> Self {
        Self {
            id: key.id.0,
            name: key.name,
            created_at: key.created_at.to_string(),
            last_used_at: key.last_used_at.map(|time| time.to_string()),
        }
    }
}

/// A key that was registered.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddedSecurityKey {
    /// New recovery codes, which are shown once. Empty if the person had a second factor before.
    codes: Vec<String>,
}

impl App {
    pub(super) async fn own_keys(&self, person: &Principal) -> Result<Vec<SecurityKeyView>> {
        let keys = self.store.security_keys(person.user).await?;
        Ok(keys.into_iter().map(SecurityKeyView::from).collect())
    }

    /// Makes the challenge with which the person registers another key, after their password and a
    /// second factor if they have one.
    pub async fn begin_security_key(
        &self,
        caller: &Caller,
        person: &Principal,
        session: &SessionId,
        password: String,
        proof: FactorProof,
    ) -> Result<KeyChallengeView> {
        let site = self.key_site()?;
        self.reauthenticate(caller, person, password).await?;
        self.accept_own_factor(caller, person, session, proof)
            .await?;
        let keys = self.store.security_keys(person.user).await?;
        let place = ChallengePlace::Session(session.clone());
        let owner = self.challenge_owner(person.user, place);
        let ticket = self.request_id()?;
        let challenge = site.begin_registration(owner, &person.name, &parse_keys(&keys)?, ticket);
        let challenge = challenge.map_err(|refusal| AppError::internal(refusal.reason()))?;
        Ok(challenge.into())
    }

    /// Registers the key that answered the challenge. Returns recovery codes if it is the person's
    /// first second factor.
    pub async fn add_security_key(
        &self,
        caller: &Caller,
        person: &Principal,
        session: &SessionId,
        name: &str,
        response: KeyResponse,
    ) -> Result<AddedSecurityKey> {
        let name = check_name(name)?;
        let place = ChallengePlace::Session(session.clone());
        let owner = self.challenge_owner(person.user, place);
        let registered = self.key_site()?.finish_registration(&owner, response);
        let RegisteredKey {
            credential_id,
            credential,
        } = match registered {
            Ok(registered) => registered,
            Err(refusal) => return Err(self.refuse_registration(caller, &name, refusal).await?),
        };
        let (codes, hashes) = self.random_codes(person.user)?;
        let event = caller.event(EventKind::SecurityKeyAdded, json!({ "key": name }));
        let new = NewSecurityKey {
            credential_id,
            name,
            credential,
        };
        let add = async {
            let (user, now) = (person.user, self.clock.now());
            let added = self
                .store
                .add_security_key(user, &new, &hashes, now)
                .await?;
            match added {
                AddedKey::First => Ok(codes),
                AddedKey::Further => Ok(Vec::new()),
                AddedKey::Refused => Err(refused_key()),
            }
        };
        let codes = self.logged(event, add).await?;
        Ok(AddedSecurityKey { codes })
    }

    async fn refuse_registration(
        &self,
        caller: &Caller,
        name: &str,
        refusal: KeyRefusal,
    ) -> Result<AppError> {
        let detail = json!({ "key": name, "refused": refusal.reason() });
        let failed = Event {
            outcome: Outcome::Failure,
            ..caller.event(EventKind::SecurityKeyAdded, detail)
        };
        self.audit.append(failed).await?;
        Ok(ErrorCode::KeyRefused.with_detail("Start again"))
    }

    /// Removes a key of the person, after their password and a second factor.
    pub async fn remove_security_key(
        &self,
        caller: &Caller,
        person: &Principal,
        session: &SessionId,
        key: SecurityKeyId,
        password: String,
        proof: FactorProof,
    ) -> Result<()> {
        let keys = self.store.security_keys(person.user).await?;
        let key = keys.into_iter().find(|record| record.id == key);
        let key = key.ok_or(ErrorCode::NotFound)?;
        self.reauthenticate(caller, person, password).await?;
        self.accept_own_factor(caller, person, session, proof)
            .await?;
        let detail = json!({ "key": key.name, "id": key.id });
        let event = caller.event(EventKind::SecurityKeyRemoved, detail);
        let remove = self.store.remove_security_key(person.user, key.id);
        self.logged(event, remove).await?;
        Ok(())
    }

    fn key_site(&self) -> Result<&SecurityKeys> {
        self.security_keys.as_ref().ok_or_else(|| {
            const DETAIL: &str = "Security keys need a host name in the setting `server.names`";
            ErrorCode::NotFound.with_detail(DETAIL)
        })
    }
}

fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    let is_name = (1..=MAX_NAME_LENGTH).contains(&name.chars().count())
        && !name.chars().any(char::is_control);
    if !is_name {
        let detail = format!("The name must have 1 to {MAX_NAME_LENGTH} characters");
        return Err(ErrorCode::Invalid.with_detail(detail));
    }
    Ok(name.to_owned())
}

fn refused_key() -> AppError {
    const DETAIL: &str = "The key is registered, or you have a key of this name, or too many keys";
    ErrorCode::Conflict.with_detail(DETAIL)
}
