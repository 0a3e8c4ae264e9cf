//! Changes of accounts that two administrators make together: one requests, another approves.

use super::activation::NewLink;
use super::error::{ErrorCode, Result};
use super::people::{AccountManager, PersonView};
use super::{App, Caller};
use cloister_audit::EventKind;
use cloister_domain::{AccountRequestId, Principal, Role, UserId};
use cloister_policies::{AuthorizationRequest, CredentialReset, RoleChange};
use cloister_store::{AccountChange, AccountRequest, User};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use utoipa::ToSchema;

/// How long a change waits.
const REQUEST_VALIDITY: Duration = Duration::from_hours(7 * 24);

/// A change of an account that waits for another administrator.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AccountRequest)]
pub struct AccountRequestView {
    /// The id.
    pub id: i64,
    /// The id of the person whose account is to be changed.
    pub person: i64,
    /// Their name.
    pub name: String,
    /// `roles`, `activation-link`, `second-factor`.
    pub change: String,
    /// The new roles, if roles are to be changed.
    pub roles: Vec<String>,
    /// The id of the administrator who requested it. Another one has to approve it.
    pub requested_by: i64,
    /// Their name.
    pub requester: String,
    /// The time of the request, RFC 3339.
    pub requested_at: String,
    /// The time after which it can no longer be approved, RFC 3339.
    pub expires_at: String,
}

/// What an approval has done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Approval {
    /// The person after the change.
    pub person: PersonView,
    /// The activation link, if one was requested.
    pub link: Option<NewLink>,
}

impl App {
    /// The changes that wait.
    pub async fn account_requests(&self) -> Result<Vec<AccountRequestView>> {
        let mut views = Vec::new();
        for request in self.store.account_requests(self.clock.now()).await? {
            views.push(self.account_request_view(&request).await?);
        }
        Ok(views)
    }

    /// Requests a change, for another administrator to approve.
    pub(super) async fn request_change(
        &self,
        caller: &Caller,
        by: &Principal,
        user: UserId,
        change: AccountChange,
    ) -> Result<AccountRequestView> {
        let now = self.clock.now();
        let expires_at = now.plus(REQUEST_VALIDITY);
        let name = self.user(user).await?.name;
        let detail = json!({ "name": name, "change": change.as_str(), "roles": change.roles() });
        let event = caller.event(EventKind::UserChangeRequested, detail);
        let request = self
            .store
            .request_account_change(user, &change, by.user, now, expires_at);
        let id = self.logged(event, request).await?;
        self.account_request_view(&AccountRequest {
            id,
            user,
            change,
            requested_by: by.user,
            requested_at: now,
            expires_at,
        })
        .await
    }

    /// Approves a change that another administrator requested, and makes it.
    pub async fn approve_account_request(
        &self,
        caller: &Caller,
        approver: &Principal,
        id: AccountRequestId,
    ) -> Result<Approval> {
        let request = self.account_request(id).await?;
        let user = self.user(request.user).await?;
        self.authorize_approval(caller, approver, &request, &user)
            .await?;
        let requester = self.active_administrator(request.requested_by).await?;
        let detail = json!({
            "name": user.name, "change": request.change.as_str(), "roles": request.change.roles(),
            "requested_by": requester.name,
        });
        let event = caller.event(EventKind::UserChangeApproved, detail);
        self.logged(event, self.claim(&request)).await?;
        let link = self.make_approved_change(caller, &request, &user).await?;
        let person = self.user(user.id).await?.into();
        Ok(Approval { person, link })
    }

    async fn make_approved_change(
        &self,
        caller: &Caller,
        request: &AccountRequest,
        user: &User,
    ) -> Result<Option<NewLink>> {
        match &request.change {
            AccountChange::Roles(roles) => {
                self.log_and_change(caller, user, roles, user.disabled)
                    .await?;
                Ok(None)
            }
            AccountChange::ActivationLink => Ok(Some(self.log_and_make_link(caller, user).await?)),
            AccountChange::SecondFactor => {
                self.log_and_remove_second_factors(caller, user.id, &user.name)
                    .await?;
                Ok(None)
            }
        }
    }

    /// Withdraws or rejects a change that waits.
    pub async fn withdraw_account_request(
        &self,
        caller: &Caller,
        id: AccountRequestId,
    ) -> Result<()> {
        let request = self.account_request(id).await?;
        let name = self.user(request.user).await?.name;
        let detail = json!({
            "name": name, "change": request.change.as_str(), "roles": request.change.roles(),
        });
        let event = caller.event(EventKind::UserChangeWithdrawn, detail);
        self.logged(event, self.claim(&request)).await
    }

    /// Asks the access policy about the change as the approver would make it.
    async fn authorize_approval(
        &self,
        caller: &Caller,
        approver: &Principal,
        request: &AccountRequest,
        user: &User,
    ) -> Result<()> {
        let account = Principal::from(user.clone());
        let requester = Some(request.requested_by);
        if let AccountChange::Roles(roles) = &request.change {
            self.check_held_roles(&account, roles)?;
        }
        let asked = match &request.change {
            AccountChange::Roles(roles) => AuthorizationRequest::ChangeRoles(RoleChange {
                account: &account,
                roles,
                administrators: self
                    .store
                    .count_users_with_role(Role::Administrator)
                    .await?,
                requester,
            }),
            AccountChange::ActivationLink | AccountChange::SecondFactor => {
                AuthorizationRequest::ResetCredentials(CredentialReset {
                    account: &account,
                    activated: user.has_password,
                    requester,
                })
            }
        };
        let by = AccountManager::Administrator(approver);
        self.authorize_account_change(caller, by, &asked).await
    }

    /// The administrator who requested a change, if they still are one.
    async fn active_administrator(&self, id: UserId) -> Result<User> {
        let user = self.user(id).await?;
        let person = Principal::from(user.clone());
        let decision = self
            .policies
            .decide(&person, &AuthorizationRequest::Administer)?;
        if user.disabled || !decision.allowed {
            let detail = format!(
                "{} requested it, who is no longer an administrator",
                user.name
            );
            return Err(ErrorCode::Conflict.with_detail(detail));
        }
        Ok(user)
    }

    async fn account_request(&self, id: AccountRequestId) -> Result<AccountRequest> {
        let request = self.store.account_request(id, self.clock.now()).await?;
        request.ok_or_else(|| ErrorCode::NotFound.into())
    }

    /// Deletes a request, so that nobody else approves or withdraws it.
    async fn claim(&self, request: &AccountRequest) -> Result<()> {
        if self.store.delete_account_request(request).await? {
            return Ok(());
        }
        Err(ErrorCode::NotFound.with_detail("It was changed, approved or withdrawn meanwhile"))
    }

    async fn account_request_view(&self, request: &AccountRequest) -> Result<AccountRequestView> {
        let roles = request.change.roles().iter();
        Ok(AccountRequestView {
            id: request.id.0,
            person: request.user.0,
            name: self.user(request.user).await?.name,
            change: request.change.as_str().to_owned(),
            roles: roles.map(ToString::to_string).collect(),
            requested_by: request.requested_by.0,
            requester: self.user(request.requested_by).await?.name,
            requested_at: request.requested_at.to_string(),
            expires_at: request.expires_at.to_string(),
        })
    }
}
