//! People of the site's directory: sign-in, groups, and how long the answers of the directory hold.
//!
//! The directory decides who signs in and who is in which group. Roles except staff are given here,
//! so that nobody becomes administrator or compliance officer by a change in the directory. If the
//! directory does not answer, its people are refused, and local accounts are not affected.

use super::error::{AppError, ErrorCode, Result};
use super::{App, Caller};
use cloister_audit::{Actor, Event, EventKind, Outcome};
use cloister_config::components::GroupMapping;
use cloister_directory::{Answer, DirectoryClient, DirectoryPerson, Inquiry};
use cloister_domain::{Principal, Role, Timestamp};
use cloister_store::{NewUser, SignInRecord, User, normalize_name};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The directory of the site.
pub struct SiteDirectory {
    client: DirectoryClient,
    groups: Vec<GroupMapping>,
    /// How long the directory's word on a person holds.
    cache: Duration,
    /// Whether it answered the last question.
    is_available: AtomicBool,
    /// When it last did not answer.
    failed_at: Mutex<Option<Timestamp>>,
    /// One person is looked up at a time. The requests of a page wait for the first of them.
    lookup: tokio::sync::Mutex<()>,
}

impl SiteDirectory {
    /// A directory with these groups.
    pub fn new(client: DirectoryClient, groups: Vec<GroupMapping>, cache: Duration) -> Self {
        Self {
            client,
            groups,
            cache,
            is_available: AtomicBool::new(true),
            failed_at: Mutex::default(),
            lookup: tokio::sync::Mutex::default(),
        }
    }

    /// What the kernel enforces on the connector.
    pub fn status(&self) -> &str {
        self.client.status()
    }

    /// The entries of the directory whose members belong to a group.
    fn entries_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a String> {
        let mapped = self.groups.iter();
        let mapped = mapped.filter(move |mapping| mapping.group == group);
        mapped.map(|mapping| &mapping.entry)
    }
}

/// The result of a question about a person: their account, or why they are refused.
pub type DirectoryDecision<T> = std::result::Result<T, &'static str>;

const WRONG: &str = "the directory refuses the name or the password";
const DISABLED: &str = "the account is disabled in the directory";
const GONE: &str = "the directory has no such person";
const NO_GROUP: &str = "the person is in no group of the setting directory.groups";
const DISABLED_HERE: &str = "the person is disabled";
const NAME_TAKEN: &str = "another account has the name, or the name is not allowed";

impl App {
    /// What the kernel enforces on the connector to the directory. `None` if there is none.
    pub fn directory_status(&self) -> Option<&str> {
        self.directory.as_ref().map(SiteDirectory::status)
    }

    /// Whether the directory decides about the password of this account or unknown name.
    pub(super) fn asks_directory(&self, record: Option<&SignInRecord>) -> bool {
        self.directory.is_some() && record.is_none_or(|record| record.is_external)
    }

    /// Signs in with the password of the directory. Adds people whom it confirms for the first time.
    pub(super) async fn sign_in_by_directory(
        &self,
        name: &str,
        password: String,
    ) -> Result<DirectoryDecision<SignInRecord>> {
        let inquiry = Inquiry::SignIn {
            name: normalize_name(name),
            password,
        };
        let person = match self.ask_directory(inquiry).await? {
            Ok(person) => person,
            Err(reason) => return Ok(Err(reason)),
        };
        let user = self.store.user_by_directory_key(&person.key).await?;
        let user = match self.admit_person(user, &person).await? {
            Ok(user) => user,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(Ok(SignInRecord {
            user: user.id,
            name: user.name,
            password_hash: String::new(),
            disabled: user.disabled,
            is_external: true,
        }))
    }

    /// Checks the password of a person of the directory who is signed in.
    pub(super) async fn is_directory_password(
        &self,
        person: &Principal,
        password: String,
    ) -> Result<bool> {
        let user = self.user(person.user).await?;
        let inquiry = Inquiry::SignIn {
            name: person.name.clone(),
            password,
        };
        let confirmed = self.ask_directory(inquiry).await?;
        let key = user.directory.map(|link| link.key);
        Ok(confirmed.is_ok_and(|confirmed| Some(confirmed.key) == key))
    }

    /// The person as the directory knows them now. What it said a short time ago still holds. A person
    /// whom it refuses is signed out, and if it does not answer, nobody of it passes.
    pub(super) async fn confirm_person(&self, user: User) -> Result<User> {
        if !self.needs_confirmation(&user) {
            return Ok(user);
        }
        let Some(directory) = &self.directory else {
            let detail = "The directory of the site is switched off";
            return Err(ErrorCode::DirectoryUnavailable.with_detail(detail));
        };
        let asked_at = self.clock.now();
        let _turn = directory.lookup.lock().await;
        // Requests that waited for one without an answer do not each wait for their own.
        if directory.failed_at.lock().is_some_and(|at| at >= asked_at) {
            return Err(unavailable());
        }
        let user = self.user(user.id).await?;
        let link = match &user.directory {
            Some(link) if self.needs_confirmation(&user) => link,
            Some(_) | None => return Ok(user),
        };
        let inquiry = Inquiry::Lookup {
            key: link.key.clone(),
        };
        let admitted = match self.ask_directory(inquiry).await? {
            Ok(person) => self.admit_person(Some(user.clone()), &person).await?,
            Err(WRONG) => Err(GONE),
            Err(reason) => Err(reason),
        };
        match admitted {
            Ok(user) => Ok(user),
            Err(reason) => self.refuse_person(&user, reason).await,
        }
    }

    fn needs_confirmation(&self, user: &User) -> bool {
        let Some(link) = &user.directory else {
            return false;
        };
        let Some(directory) = &self.directory else {
            return true;
        };
        let now = self.clock.now();
        // A clock that was set back must not prolong what the directory said.
        link.checked_at > now || now.since(link.checked_at) >= directory.cache
    }

    /// Ends the access of a person whom the directory refuses.
    async fn refuse_person(&self, user: &User, reason: &'static str) -> Result<User> {
        let event = Event {
            outcome: Outcome::Denied,
            actor: Actor {
                user: Some(user.id),
                name: user.name.clone(),
            },
            ..Caller::appliance().event(EventKind::DirectoryRefused, json!({ "refused": reason }))
        };
        self.store.end_directory_access(user.id).await?;
        self.audit.append(event).await?;
        Err(ErrorCode::SignedOut.with_detail("The directory of the site no longer lets you in"))
    }

    /// Asks the directory about a person. An error means that it did not answer.
    async fn ask_directory(&self, inquiry: Inquiry) -> Result<DirectoryDecision<DirectoryPerson>> {
        let directory = self.directory.as_ref().ok_or_else(unavailable)?;
        let answer = directory.client.ask(inquiry).await;
        let answer = answer.unwrap_or_else(|cause| Answer::Unavailable(cause.to_string()));
        let decision = match answer {
            Answer::Person(person) => Ok(person),
            Answer::WrongPassword | Answer::Unknown => Err(WRONG),
            Answer::Disabled => Err(DISABLED),
            Answer::Unavailable(cause) => {
                self.note_availability(directory, Some(&cause)).await?;
                return Err(unavailable());
            }
            Answer::Checked(_) => return Err(AppError::internal("an answer to no question")),
        };
        self.note_availability(directory, None).await?;
        Ok(decision)
    }

    /// Logs that the directory stopped answering, or that it answers again.
    async fn note_availability(
        &self,
        directory: &SiteDirectory,
        failure: Option<&str>,
    ) -> Result<()> {
        *directory.failed_at.lock() = failure.map(|_| self.clock.now());
        let was_available = directory
            .is_available
            .swap(failure.is_none(), Ordering::Relaxed);
        if was_available == failure.is_none() {
            return Ok(());
        }
        let (outcome, detail) = match failure {
            Some(cause) => {
                tracing::warn!(cause, "the directory does not answer: {cause}");
                (Outcome::Failure, json!({ "cause": cause }))
            }
            None => (Outcome::Success, json!({})),
        };
        let event = Event {
            outcome,
            ..Caller::appliance().event(EventKind::DirectoryAsked, detail)
        };
        self.audit.append(event).await?;
        Ok(())
    }

    /// The account of a person whom the directory confirmed, with the groups that it says.
    async fn admit_person(
        &self,
        user: Option<User>,
        person: &DirectoryPerson,
    ) -> Result<DirectoryDecision<User>> {
        if user.as_ref().is_some_and(|user| user.disabled) {
            return Ok(Err(DISABLED_HERE));
        }
        if person.groups.is_empty() {
            return Ok(Err(NO_GROUP));
        }
        let user = match user {
            Some(user) => user,
            None => match self.add_directory_person(person).await? {
                Ok(user) => user,
                Err(reason) => return Ok(Err(reason)),
            },
        };
        self.follow_groups(&user, person).await?;
        let now = self.clock.now();
        self.store.confirm_directory_user(user.id, now).await?;
        Ok(Ok(self.user(user.id).await?))
    }

    async fn add_directory_person(
        &self,
        person: &DirectoryPerson,
    ) -> Result<DirectoryDecision<User>> {
        let new = NewUser {
            name: normalize_name(&person.name),
            password_hash: String::new(),
            roles: vec![Role::Staff],
        };
        let detail = json!({ "name": new.name, "roles": new.roles, "source": "directory" });
        let event = Caller::appliance().event(EventKind::UserAdded, detail);
        let now = self.clock.now();
        let add = self.store.add_directory_user(&new, &person.key, now);
        match self.logged(event, add).await {
            Ok(id) => Ok(Ok(self.user(id).await?)),
            Err(cause) if matches!(cause.code, ErrorCode::Conflict | ErrorCode::Invalid) => {
                Ok(Err(NAME_TAKEN))
            }
            Err(cause) => Err(cause),
        }
    }

    /// Puts the person into the groups that the directory says, and takes them out of the others that
    /// are mapped. Groups that are not mapped are not changed.
    async fn follow_groups(&self, user: &User, person: &DirectoryPerson) -> Result<()> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        for group in self.store.groups().await? {
            let entries: Vec<_> = directory.entries_of(&group.name).collect();
            if entries.is_empty() {
                continue;
            }
            let belongs = entries.iter().any(|entry| person.groups.contains(entry));
            let is_member = group.members.contains(&user.id);
            let kind = match (is_member, belongs) {
                (false, true) => EventKind::GroupJoined,
                (true, false) => EventKind::GroupLeft,
                (true, true) | (false, false) => continue,
            };
            let detail = json!({ "group": group.name, "user": user.name, "source": "directory" });
            let event = Caller::appliance().event(kind, detail);
            if belongs {
                self.logged(event, self.store.join_group(group.id, user.id))
                    .await?;
            } else {
                self.logged(event, self.store.leave_group(group.id, user.id))
                    .await?;
            }
        }
        Ok(())
    }
}

/// Refuses what the directory manages for its people.
pub fn refuse_external(user: &User) -> Result<()> {
    if user.directory.is_none() {
        return Ok(());
    }
    let detail = format!(
        "{} signs in with the password of the site's directory",
        user.name
    );
    Err(ErrorCode::Conflict.with_detail(detail))
}

fn unavailable() -> AppError {
    const RETRY_AFTER_S: u64 = 30;
    ErrorCode::DirectoryUnavailable
        .with_detail("Try again later, or tell an administrator")
        .retry_after(RETRY_AFTER_S)
}
