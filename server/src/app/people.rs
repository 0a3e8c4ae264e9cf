//! People: accounts, roles and passwords.

use super::error::{ErrorCode, Result};
use super::sign_in::pool_ended;
use super::{App, Caller};
use crate::passwords;
use cloister_audit::EventKind;
use cloister_domain::{Role, UserId};
use cloister_store::{Group, NewUser, StoreError, User, check_person_name, normalize_name};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A person as an administrator sees them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Person)]
pub struct PersonView {
    /// The id.
    pub id: i64,
    /// The name to sign in with.
    pub name: String,
    /// `staff`, `administrator`, `compliance-officer`.
    pub roles: Vec<String>,
    /// The ids of the person's groups.
    pub groups: Vec<i64>,
    /// Whether the person may not sign in.
    pub disabled: bool,
}

impl From<User> for PersonView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.0,
            name: user.name,
            roles: user.roles.iter().map(ToString::to_string).collect(),
            groups: user.groups.iter().map(|group| group.0).collect(),
            disabled: user.disabled,
        }
    }
}

/// A person to add.
pub struct NewPerson {
    /// The name to sign in with.
    pub name: String,
    /// The password.
    pub password: String,
    /// The roles.
    pub roles: Vec<Role>,
    /// The names of groups to join.
    pub groups: Vec<String>,
}

impl App {
    /// Lists everybody.
    pub async fn people(&self) -> Result<Vec<PersonView>> {
        let users = self.store.users().await?;
        Ok(users.into_iter().map(PersonView::from).collect())
    }

    /// Adds a person.
    pub async fn add_person(&self, caller: &Caller, new: NewPerson) -> Result<PersonView> {
        let groups = self.groups_named(&new.groups).await?;
        let name = normalize_name(&new.name);
        check_person_name(&name)?;
        let password_hash = self.hash_password(&new.password, &name).await?;
        let mut detail = json!({ "name": name, "roles": new.roles });
        if !new.groups.is_empty() {
            detail["groups"] = json!(new.groups);
        }
        let user = NewUser {
            name,
            password_hash,
            roles: new.roles,
        };
        let event = caller.event(EventKind::UserAdded, detail);
        let add = async {
            let id = self.store.add_user(&user, self.clock.now()).await?;
            for group in groups {
                self.store.join_group(group.id, id).await?;
            }
            Ok::<_, StoreError>(id)
        };
        let id = self.logged(event, add).await?;
        Ok(self.user(id).await?.into())
    }

    /// Changes a person's roles and whether they may sign in. `own_id` is that of the administrator
    /// who does it, and who may not lose this role by it.
    pub async fn change_person(
        &self,
        caller: &Caller,
        own_id: UserId,
        id: UserId,
        roles: &[Role],
        disabled: bool,
    ) -> Result<PersonView> {
        let stays_administrator = roles.contains(&Role::Administrator) && !disabled;
        if id == own_id && !stays_administrator {
            return Err(ErrorCode::Invalid.with_detail(
                "You cannot remove your own administrator role. Ask another administrator",
            ));
        }
        let user = self.user(id).await?;
        let detail = json!({ "name": user.name, "roles": roles, "disabled": disabled });
        let event = caller.event(EventKind::UserChanged, detail);
        self.logged(event, self.store.change_user(id, roles, disabled))
            .await?;
        Ok(self.user(id).await?.into())
    }

    /// Sets a new password and ends all sessions of the person.
    pub async fn set_password(&self, caller: &Caller, id: UserId, password: &str) -> Result<()> {
        let user = self.user(id).await?;
        let hash = self.hash_password(password, &user.name).await?;
        let event = caller.event(EventKind::PasswordChanged, json!({ "name": user.name }));
        self.logged(event, self.store.change_password(id, &hash))
            .await
    }

    /// The person with this name, on whose behalf a command of the console acts. Somebody who is
    /// disabled may do nothing.
    pub async fn active_person_named(&self, name: &str) -> Result<User> {
        let user = self.person_named(name).await?;
        if user.disabled {
            let detail = format!("{name} is disabled");
            return Err(ErrorCode::Forbidden.with_detail(detail));
        }
        Ok(user)
    }

    /// The person with this name.
    pub async fn person_named(&self, name: &str) -> Result<User> {
        self.store.user_by_name(name).await?.ok_or_else(|| {
            let detail =
                format!("There is no person `{name}`. `cloister user list` lists everybody");
            ErrorCode::NotFound.with_detail(detail)
        })
    }

    /// Checks a new password of the person with this name, and hashes it.
    async fn hash_password(&self, password: &str, name: &str) -> Result<String> {
        passwords::check(password, name)?;
        let salt = passwords::salt(&*self.entropy)?;
        let slot = self.hash_pool.slot().ok_or(ErrorCode::Overloaded)?;
        let password = password.to_owned();
        let hashed = slot.run(move || passwords::hash(&password, salt)).await;
        Ok(hashed.ok_or_else(pool_ended)??)
    }

    pub(super) async fn user(&self, id: UserId) -> Result<User> {
        let user = self.store.user(id).await?;
        user.ok_or_else(|| ErrorCode::NotFound.into())
    }

    async fn groups_named(&self, names: &[String]) -> Result<Vec<Group>> {
        let mut groups = Vec::new();
        for name in names {
            groups.push(self.group_named(name).await?);
        }
        Ok(groups)
    }
}
