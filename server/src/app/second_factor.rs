//! The second factors of people: authenticator apps, and recovery codes that stand in for them.

use super::error::{AppError, ErrorCode, Result};
use super::factor_proof::FactorProof;
use super::people::{AccountManager, Changed};
use super::security_keys::SecurityKeyView;
use super::{App, Caller};
use crate::passwords;
use crate::totp::{TotpSecret, qr_rows};
use cloister_audit::EventKind;
use cloister_domain::{Principal, Role, SessionId, UserId};
use cloister_store::{AccountChange, SecondFactor, User};
use data_encoding::BASE32_NOPAD;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// The number of recovery codes.
const RECOVERY_CODES: usize = 10;
/// The random bytes of a recovery code: too many to guess, so a fast hash is enough.
const RECOVERY_CODE_BYTES: usize = 10;
/// The characters of a group of a recovery code.
const GROUP_LENGTH: usize = 4;

/// The second factors of the person.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecondFactorView {
    /// Whether one is in use.
    enabled: bool,
    /// Whether an authenticator app is in use.
    app: bool,
    /// The security keys, the oldest first.
    keys: Vec<SecurityKeyView>,
    /// The host name that security keys work with. Absent if they do not work here.
    key_site: Option<String>,
    /// Whether the settings require it for a role of the person.
    required: bool,
    /// The number of recovery codes that are left.
    recovery_codes: u64,
}

/// A second factor that the person has to confirm with a code.
#[derive(Debug, Serialize, ToSchema)]
pub struct Enrolment {
    /// The secret in base32.
    secret: String,
    /// The address that authenticator apps read (`otpauth:`).
    uri: String,
    /// The rows of its QR code: `1` is a dark module.
    qr: Vec<String>,
}

/// New recovery codes. They are shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecoveryCodes {
    codes: Vec<String>,
}

impl App {
    pub(super) async fn second_factor_view(&self, person: &Principal) -> Result<SecondFactorView> {
        let factor = self.store.second_factor(person.user).await?;
        let app = factor.is_some_and(|factor| factor.is_confirmed);
        let keys = self.own_keys(person).await?;
        let site = self.security_keys.as_ref();
        Ok(SecondFactorView {
            enabled: app || !keys.is_empty(),
            app,
            keys,
            key_site: site.map(|site| site.name().to_owned()),
            required: self.requires_second_factor(&person.roles),
            recovery_codes: self.store.count_recovery_codes(person.user).await?,
        })
    }

    /// Whether the person must set up a second factor before anything else.
    pub(super) fn lacks_second_factor(&self, user: &User) -> bool {
        !user.has_second_factor && self.requires_second_factor(&user.roles)
    }

    fn requires_second_factor(&self, roles: &[Role]) -> bool {
        let required = &self.config.session.second_factor;
        roles.iter().any(|role| required.contains(role))
    }

    /// Makes a secret for a new second factor. It is in use after the person has confirmed it.
    pub async fn begin_second_factor(
        &self,
        caller: &Caller,
        person: &Principal,
        password: String,
    ) -> Result<Enrolment> {
        self.reauthenticate(caller, person, password).await?;
        let secret = TotpSecret::random(&*self.entropy)?;
        let owner = owner(person.user);
        let sealed = self
            .sealer
            .seal(&owner, secret.as_bytes(), &*self.entropy)?;
        if !self.store.begin_second_factor(person.user, &sealed).await? {
            let detail = "A second factor is in use. Remove it first";
            return Err(ErrorCode::Conflict.with_detail(detail));
        }
        let site = self.config.server.names.first();
        let issuer = format!("Cloister {}", site.map_or("", String::as_str));
        let uri = secret.to_uri(issuer.trim(), &person.name);
        Ok(Enrolment {
            secret: secret.to_base32(),
            qr: qr_rows(&uri).ok_or_else(|| AppError::internal("the name is too long"))?,
            uri,
        })
    }

    /// Puts the second factor into use after its first code. Returns the recovery codes.
    pub async fn confirm_second_factor(
        &self,
        caller: &Caller,
        person: &Principal,
        code: &str,
    ) -> Result<RecoveryCodes> {
        let factor = self.store.second_factor(person.user).await?;
        let factor = factor.filter(|factor| !factor.is_confirmed);
        let factor = factor.ok_or(ErrorCode::NotFound)?;
        let secret = self.secret_of(person.user, &factor)?;
        let step = secret.step_of(code.trim(), self.clock.now());
        let step = step.ok_or(ErrorCode::WrongCode)?;
        let (codes, hashes) = self.random_codes(person.user)?;
        let event = caller.event(EventKind::SecondFactorEnabled, json!({ "kind": "totp" }));
        let confirm = async {
            let now = self.clock.now();
            let user = person.user;
            let confirmed = self.store.confirm_second_factor(user, step, &hashes, now);
            let is_done = confirmed.await?;
            is_done
                .then_some(())
                .ok_or_else(|| AppError::from(ErrorCode::Conflict))
        };
        self.logged(event, confirm).await?;
        Ok(RecoveryCodes { codes })
    }

    /// Makes new recovery codes. Earlier ones no longer work.
    pub async fn make_recovery_codes(
        &self,
        caller: &Caller,
        person: &Principal,
        password: String,
    ) -> Result<RecoveryCodes> {
        self.reauthenticate(caller, person, password).await?;
        if !self.user(person.user).await?.has_second_factor {
            return Err(ErrorCode::NotFound.into());
        }
        let (codes, hashes) = self.random_codes(person.user)?;
        let event = caller.event(EventKind::RecoveryCodesMade, json!({}));
        let replace = self.store.replace_recovery_codes(person.user, &hashes);
        self.logged(event, replace).await?;
        Ok(RecoveryCodes { codes })
    }

    /// Removes the person's own authenticator app, after their password and a second factor.
    pub async fn remove_own_app(
        &self,
        caller: &Caller,
        person: &Principal,
        session: &SessionId,
        password: String,
        proof: FactorProof,
    ) -> Result<()> {
        let factor = self.store.second_factor(person.user).await?;
        if !factor.is_some_and(|factor| factor.is_confirmed) {
            return Err(ErrorCode::NotFound.into());
        }
        self.reauthenticate(caller, person, password).await?;
        self.accept_own_factor(caller, person, session, proof)
            .await?;
        let detail = json!({ "name": person.name, "kind": "totp" });
        let event = caller.event(EventKind::SecondFactorRemoved, detail);
        let remove = self.store.remove_authenticator_app(person.user);
        self.logged(event, remove).await?;
        Ok(())
    }

    /// Removes the second factors of a person who has lost them.
    pub async fn reset_second_factor(
        &self,
        caller: &Caller,
        by: AccountManager<'_>,
        id: UserId,
    ) -> Result<Changed<()>> {
        let user = self.user(id).await?;
        if !user.has_second_factor {
            let detail = format!("{} has no second factor", user.name);
            return Err(ErrorCode::NotFound.with_detail(detail));
        }
        let may_now = self.may_reset_credentials(caller, by, &user).await?;
        match by {
            AccountManager::Administrator(person) if !may_now => {
                let change = AccountChange::SecondFactor;
                let request = self.request_change(caller, person, id, change).await?;
                Ok(Changed::Requested(request))
            }
            AccountManager::Administrator(_) | AccountManager::Operator => {
                self.log_and_remove_second_factors(caller, id, &user.name)
                    .await?;
                Ok(Changed::Done(()))
            }
        }
    }

    /// Removes all second factors of a person.
    pub(super) async fn log_and_remove_second_factors(
        &self,
        caller: &Caller,
        user: UserId,
        name: &str,
    ) -> Result<()> {
        let event = caller.event(EventKind::SecondFactorRemoved, json!({ "name": name }));
        self.logged(event, self.store.remove_second_factors(user))
            .await?;
        Ok(())
    }

    pub(super) fn secret_of(&self, user: UserId, factor: &SecondFactor) -> Result<TotpSecret> {
        let bytes = self.sealer.unseal(&owner(user), &factor.secret)?;
        TotpSecret::from_bytes(&bytes)
            .ok_or_else(|| AppError::internal("a secret of a second factor has a wrong length"))
    }

    /// New recovery codes of a person, and their hashes.
    pub(super) fn random_codes(&self, user: UserId) -> Result<(Vec<String>, Vec<String>)> {
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            let mut bytes = [0; RECOVERY_CODE_BYTES];
            self.entropy.fill(&mut bytes)?;
            codes.push(grouped(&BASE32_NOPAD.encode(&bytes)));
        }
        let hashes = codes.iter().map(|code| hash_recovery_code(user, code));
        Ok((codes.clone(), hashes.collect()))
    }
}

/// The text to which an encrypted secret is bound.
fn owner(user: UserId) -> String {
    format!("second-factor:{user}")
}

/// The code in groups, which people can read: `ABCD-EFGH-IJKL-MNOP`.
fn grouped(code: &str) -> String {
    let characters: Vec<char> = code.chars().collect();
    let groups: Vec<String> = characters
        .chunks(GROUP_LENGTH)
        .map(|group| group.iter().collect())
        .collect();
    groups.join("-")
}

/// The hash of a recovery code, however the person separates its groups.
pub(super) fn hash_recovery_code(user: UserId, code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    passwords::fingerprint(&format!("{user}\n{}", plain.to_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_code_may_be_typed_in_any_way() {
        assert_eq!(grouped("ABCDEFGHIJKLMNOP"), "ABCD-EFGH-IJKL-MNOP");
        let hash = |code| hash_recovery_code(UserId(7), code);
        let expected = hash("ABCD-EFGH-IJKL-MNOP");
        for typed in [
            "abcdefghijklmnop",
            " ABCD EFGH ijkl mnop ",
            "abcd-efgh-ijkl-mnop",
        ] {
            assert_eq!(hash(typed), expected, "{typed}");
        }
        assert_ne!(hash("ABCD-EFGH-IJKL-MNOQ"), expected);
        let of_another = hash_recovery_code(UserId(8), "ABCDEFGHIJKLMNOP");
        assert_ne!(of_another, expected);
    }
}
