//! People: accounts and roles.

use super::account_requests::AccountRequestView;
use super::directory::refuse_external;
use super::error::{ErrorCode, Result};
use super::sign_in::pool_ended;
use super::{App, Caller};
use crate::passwords;
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{Principal, Role, UserId};
use cloister_policies::{AuthorizationRequest, CredentialReset, RoleChange};
use cloister_store::{
    AccountChange, Group, NewUser, StoreError, User, check_person_name, normalize_name,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A person as an administrator sees them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Person)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a column of the table of people, independent of the others"
)]
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
    /// Whether the person signs in with the password of the site's directory.
    #[serde(default)]
    pub external: bool,
    /// Whether the person has set a password.
    pub has_password: bool,
    /// Whether the person signs in with a second factor.
    pub has_second_factor: bool,
    /// The end of the validity of their activation link, RFC 3339. Absent if they have none.
    pub link_expires_at: Option<String>,
}

impl From<User> for PersonView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.0,
            name: user.name,
            roles: user.roles.iter().map(ToString::to_string).collect(),
            groups: user.groups.iter().map(|group| group.0).collect(),
            disabled: user.disabled,
            external: user.directory.is_some(),
            has_password: user.has_password,
            has_second_factor: user.has_second_factor,
            link_expires_at: user.link_expires_at.map(|at| at.to_string()),
        }
    }
}

/// A person to add.
pub struct NewPerson {
    /// The name to sign in with.
    pub name: String,
    /// The password. Without one, the person sets it with an activation link.
    pub password: Option<String>,
    /// The roles.
    pub roles: Vec<Role>,
    /// The names of groups to join.
    pub groups: Vec<String>,
}

/// Who changes accounts.
#[derive(Clone, Copy, Debug)]
pub enum AccountManager<'a> {
    /// An administrator, as far as the access policy allows.
    Administrator(&'a Principal),
    /// The operator at the console, who has the data folder and so may do everything.
    Operator,
}

/// How a change of an account ended.
#[derive(Debug)]
pub enum Changed<T> {
    /// It was done.
    Done(T),
    /// It waits for another administrator.
    Requested(AccountRequestView),
}

/// A person after a change, and the part of the change that waits for another administrator.
pub struct ChangedPerson {
    /// The person.
    pub person: PersonView,
    /// The change of roles that waits.
    pub requested: Option<AccountRequestView>,
}

impl App {
    /// Lists everybody.
    pub async fn people(&self) -> Result<Vec<PersonView>> {
        let users = self.store.users().await?;
        Ok(users.into_iter().map(PersonView::from).collect())
    }

    /// Adds a person. Roles that another administrator has to approve are requested.
    pub async fn add_person(
        &self,
        caller: &Caller,
        by: AccountManager<'_>,
        new: NewPerson,
    ) -> Result<ChangedPerson> {
        let groups = self.groups_named(&new.groups).await?;
        let name = normalize_name(&new.name);
        check_person_name(&name)?;
        let account = Principal {
            user: UserId(0),
            name: name.clone(),
            roles: Vec::new(),
            groups: Vec::new(),
        };
        let may_now = self
            .may_change_roles(caller, by, &account, &new.roles)
            .await?;
        let roles = if may_now {
            new.roles.clone()
        } else {
            unprivileged(&new.roles)
        };
        let password_hash = match &new.password {
            Some(password) => self.hash_password(password, &name).await?,
            None => String::new(),
        };
        let user = NewUser {
            name,
            password_hash,
            roles,
        };
        let id = self.log_and_add(caller, &user, &groups).await?;
        let requested = match by {
            AccountManager::Administrator(person) if !may_now => {
                let change = AccountChange::Roles(new.roles);
                Some(self.request_change(caller, person, id, change).await?)
            }
            AccountManager::Administrator(_) | AccountManager::Operator => None,
        };
        let person = self.user(id).await?.into();
        Ok(ChangedPerson { person, requested })
    }

    async fn log_and_add(
        &self,
        caller: &Caller,
        new: &NewUser,
        groups: &[Group],
    ) -> Result<UserId> {
        let mut detail = json!({ "name": new.name, "roles": new.roles });
        if !groups.is_empty() {
            let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
            detail["groups"] = json!(names);
        }
        let event = caller.event(EventKind::UserAdded, detail);
        let add = async {
            let id = self.store.add_user(new, self.clock.now()).await?;
            for group in groups {
                self.store.join_group(group.id, id).await?;
            }
            Ok::<_, StoreError>(id)
        };
        self.logged(event, add).await
    }

    /// Changes a person's roles and whether they may sign in. Roles that another administrator has to
    /// approve are requested.
    pub async fn change_person(
        &self,
        caller: &Caller,
        by: AccountManager<'_>,
        id: UserId,
        roles: &[Role],
        disabled: bool,
    ) -> Result<ChangedPerson> {
        let user = self.user(id).await?;
        if disabled != user.disabled {
            let account = Principal::from(user.clone());
            let request = AuthorizationRequest::ChangeState(&account);
            self.authorize_account_change(caller, by, &request).await?;
        }
        let mut requested = None;
        let mut new_roles = user.roles.clone();
        if !is_same_set(roles, &user.roles) {
            let account = Principal::from(user.clone());
            if self.may_change_roles(caller, by, &account, roles).await? {
                new_roles = roles.to_vec();
            } else if let AccountManager::Administrator(person) = by {
                let change = AccountChange::Roles(roles.to_vec());
                requested = Some(self.request_change(caller, person, id, change).await?);
            }
        }
        if disabled != user.disabled || !is_same_set(&new_roles, &user.roles) {
            self.log_and_change(caller, &user, &new_roles, disabled)
                .await?;
        }
        let person = self.user(id).await?.into();
        Ok(ChangedPerson { person, requested })
    }

    pub(super) async fn log_and_change(
        &self,
        caller: &Caller,
        user: &User,
        roles: &[Role],
        disabled: bool,
    ) -> Result<()> {
        let detail = json!({
            "name": user.name, "roles": roles, "disabled": disabled,
            "previous_roles": user.roles, "previously_disabled": user.disabled,
        });
        let event = caller.event(EventKind::UserChanged, detail);
        self.logged(event, self.store.change_user(user.id, roles, disabled))
            .await
    }

    /// Sets a new password and ends all sessions of the person. Only the console does this: in the
    /// browser, people set their own.
    pub async fn set_password(&self, caller: &Caller, id: UserId, password: &str) -> Result<()> {
        let user = self.user(id).await?;
        refuse_external(&user)?;
        let hash = self.hash_password(password, &user.name).await?;
        let event = caller.event(EventKind::PasswordChanged, json!({ "name": user.name }));
        self.logged(event, self.store.change_password(id, &hash, None))
            .await
    }

    /// The person with this name, on whose behalf a command of the console acts. Somebody who is
    /// disabled, here or in the directory, may do nothing.
    pub async fn active_person_named(&self, name: &str) -> Result<User> {
        let user = self.person_named(name).await?;
        if user.disabled {
            let detail = format!("{name} is disabled");
            return Err(ErrorCode::Forbidden.with_detail(detail));
        }
        self.confirm_person(user).await
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
    pub(super) async fn hash_password(&self, password: &str, name: &str) -> Result<String> {
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

/// What the access policy says about changes of accounts.
impl App {
    /// Whether a person may get these roles now. `false` if another administrator has to approve.
    async fn may_change_roles(
        &self,
        caller: &Caller,
        by: AccountManager<'_>,
        account: &Principal,
        roles: &[Role],
    ) -> Result<bool> {
        self.check_held_roles(account, roles)?;
        let change = RoleChange {
            account,
            roles,
            administrators: self
                .store
                .count_users_with_role(Role::Administrator)
                .await?,
            requester: None,
        };
        let request = AuthorizationRequest::ChangeRoles(change);
        self.may_change_account(caller, by, &request).await
    }

    /// Refuses roles that nobody may have at once.
    pub(super) fn check_held_roles(&self, account: &Principal, roles: &[Role]) -> Result<()> {
        let holder = Principal {
            roles: roles.to_vec(),
            ..account.clone()
        };
        let decision = self
            .policies
            .decide(&holder, &AuthorizationRequest::HoldRoles)?;
        if decision.allowed {
            return Ok(());
        }
        Err(ErrorCode::Invalid
            .with_detail("Nobody can be administrator and compliance officer at once"))
    }

    /// Whether an account may be changed now. `false` if another administrator has to approve. A
    /// change that may not be made at all is denied, and the denial is logged.
    pub(super) async fn may_change_account(
        &self,
        caller: &Caller,
        by: AccountManager<'_>,
        request: &AuthorizationRequest<'_>,
    ) -> Result<bool> {
        let AccountManager::Administrator(person) = by else {
            return Ok(true);
        };
        if self.policies.decide(person, request)?.allowed {
            return Ok(true);
        }
        let confirmed = requested_by(request, NOBODY);
        if self.policies.decide(person, &confirmed)?.allowed {
            return Ok(false);
        }
        self.deny_account_change(caller, request).await
    }

    /// Whether the credentials of a person may be reset now, as [`may_change_account`](Self::may_change_account)
    /// says.
    pub(super) async fn may_reset_credentials(
        &self,
        caller: &Caller,
        by: AccountManager<'_>,
        user: &User,
    ) -> Result<bool> {
        let account = Principal::from(user.clone());
        let request = AuthorizationRequest::ResetCredentials(CredentialReset {
            account: &account,
            activated: user.has_password,
            requester: None,
        });
        self.may_change_account(caller, by, &request).await
    }

    /// Denies a change of an account that may not be made now.
    pub(super) async fn authorize_account_change(
        &self,
        caller: &Caller,
        by: AccountManager<'_>,
        request: &AuthorizationRequest<'_>,
    ) -> Result<()> {
        match by {
            AccountManager::Operator => Ok(()),
            AccountManager::Administrator(person) => {
                if self.policies.decide(person, request)?.allowed {
                    return Ok(());
                }
                self.deny_account_change(caller, request).await
            }
        }
    }

    async fn deny_account_change<T>(
        &self,
        caller: &Caller,
        request: &AuthorizationRequest<'_>,
    ) -> Result<T> {
        let detail = json!({ "asked": format!("{request:?}") });
        let denied = Event {
            outcome: Outcome::Denied,
            ..caller.event(EventKind::AccessDenied, detail)
        };
        self.audit.append(denied).await?;
        Err(ErrorCode::Forbidden.with_detail(
            "Your own account, and a change that you requested, are for another administrator",
        ))
    }
}

/// The id of a requester whom no person is.
const NOBODY: UserId = UserId(0);

/// The request as it is when somebody else requested it before.
fn requested_by<'a>(
    request: &AuthorizationRequest<'a>,
    requester: UserId,
) -> AuthorizationRequest<'a> {
    let requester = Some(requester);
    match request {
        AuthorizationRequest::ChangeRoles(change) => {
            AuthorizationRequest::ChangeRoles(RoleChange {
                requester,
                ..*change
            })
        }
        AuthorizationRequest::ResetCredentials(reset) => {
            AuthorizationRequest::ResetCredentials(CredentialReset {
                requester,
                ..*reset
            })
        }
        other @ (AuthorizationRequest::Read(_)
        | AuthorizationRequest::Administer
        | AuthorizationRequest::Review
        | AuthorizationRequest::HoldRoles
        | AuthorizationRequest::ChangeState(_)) => other.clone(),
    }
}

/// The roles that a new person has until another administrator has approved the others.
fn unprivileged(roles: &[Role]) -> Vec<Role> {
    let staff = roles.iter().filter(|role| **role == Role::Staff);
    staff.copied().collect()
}

fn is_same_set(one: &[Role], other: &[Role]) -> bool {
    let contains_all = |a: &[Role], b: &[Role]| b.iter().all(|role| a.contains(role));
    contains_all(one, other) && contains_all(other, one)
}
