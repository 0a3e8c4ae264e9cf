//! The first administrator, who is created with a one-time link.

use super::error::{ErrorCode, Result};
use super::factor_proof::AcceptedFactor;
use super::refusals::AnonymousAttempt;
use super::sign_in::{NewSession, SignInPlace, pool_ended};
use super::{App, AppError, Caller};
use crate::passwords;
use cloister_audit::{Actor, Event, EventKind};
use cloister_domain::{Role, UserId};
use cloister_store::{NewUser, SignInRecord, check_person_name, normalize_name};
use serde_json::json;
use std::time::Duration;

/// How long a setup link is valid.
const SETUP_LINK_VALIDITY: Duration = Duration::from_hours(24);

/// The group of the first administrator.
const FIRST_GROUP: &str = "First readers";

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
    /// What the client says it is, for the person's list of sessions.
    pub device: String,
}

impl App {
    /// A new setup link. `None` if there are people already.
    pub async fn new_setup_link(&self, caller: &Caller) -> Result<Option<String>> {
        if self.store.count_users().await? > 0 {
            return Ok(None);
        }
        let secret = passwords::secret(&*self.entropy)?;
        let expires_at = self.clock.now().plus(SETUP_LINK_VALIDITY);
        let id = passwords::fingerprint(&secret);
        let detail = json!({ "expires_at": expires_at.to_string() });
        let event = caller.event(EventKind::SetupLinkMade, detail);
        self.logged(event, self.store.replace_setup_link(&id, expires_at))
            .await?;
        Ok(Some(format!("{}/#/setup/{secret}", self.address())))
    }

    /// The address of the interface, for links. It is the first name of the appliance if it listens
    /// on every address.
    pub fn address(&self) -> String {
        let server = &self.config.server;
        match server.names.first() {
            Some(name) if server.address.ip().is_unspecified() => {
                format!("https://{name}:{}", server.address.port())
            }
            _ => format!("https://{}", server.address),
        }
    }

    /// Adds the first administrator with a setup link, and begins a session. Nothing is hashed or
    /// logged before the link, the name and the password have been checked.
    pub async fn set_up(&self, caller: &Caller, setup: SetupCommand) -> Result<NewSession> {
        let SetupCommand {
            link,
            name,
            password,
            also_staff,
            device,
        } = setup;
        self.admit_network(caller, AnonymousAttempt::Setup)?;
        let link = passwords::fingerprint(&link);
        let now = self.clock.now();
        if !self.store.is_setup_link_valid(&link, now).await? {
            self.count_refusal(caller, AnonymousAttempt::Setup, "spent or wrong link");
            return Err(spent_link());
        }
        let name = normalize_name(&name);
        check_person_name(&name)?;
        passwords::check(&password, &name)?;
        let mut roles = vec![Role::Administrator];
        if also_staff {
            roles.push(Role::Staff);
        }
        let slot = self.hash_slot(caller, AnonymousAttempt::Setup)?;
        let salt = passwords::salt(&*self.entropy)?;
        let hashed = slot.run(move || passwords::hash(&password, salt)).await;
        let new = NewUser {
            password_hash: hashed.ok_or_else(pool_ended)??,
            name,
            roles,
        };
        let user = self.log_and_add_first(caller, &link, &new).await?;
        if also_staff {
            self.grant_all_collections(caller, user).await?;
        }
        let record = SignInRecord {
            user,
            name: new.name,
            password_hash: new.password_hash,
            disabled: false,
            is_external: false,
        };
        let place = SignInPlace {
            device: &device,
            ..SignInPlace::default()
        };
        self.complete_sign_in(caller, &record, &AcceptedFactor::NotNeeded, place)
            .await
    }

    async fn log_and_add_first(
        &self,
        caller: &Caller,
        link: &str,
        new: &NewUser,
    ) -> Result<UserId> {
        let also_staff = new.roles.contains(&Role::Staff);
        let detail = json!({ "also_staff": also_staff });
        let event = Event {
            actor: Actor {
                user: None,
                name: new.name.clone(),
            },
            ..caller.event(EventKind::FirstAdministrator, detail)
        };
        let add = async {
            let now = self.clock.now();
            let user = self.store.add_first_administrator(link, new, now).await?;
            user.ok_or_else(spent_link)
        };
        self.logged(event, add).await
    }

    /// Adds a group for the first administrator with the present collections, so that they can ask
    /// about the sample library at once.
    async fn grant_all_collections(&self, caller: &Caller, user: UserId) -> Result<()> {
        let caller = Caller {
            actor: Actor::appliance(),
            ..caller.clone()
        };
        let group = self.add_group(&caller, FIRST_GROUP).await?;
        let group = cloister_domain::GroupId(group.id);
        self.join_group(&caller, group, user).await?;
        for collection in self.store.collections().await? {
            self.grant(&caller, collection.id, group).await?;
        }
        Ok(())
    }
}

fn spent_link() -> AppError {
    ErrorCode::SetupLinkSpent
        .with_detail("Restart the appliance or run `cloister setup-link` for a new link")
}
