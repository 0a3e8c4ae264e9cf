//! The person who makes a request.

use crate::ids::{GroupId, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a person may do. A person may have several roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Asks questions and opens pages, in the collections that are granted to their groups.
    Staff,
    /// Manages people, groups and collections, grants access, and monitors the appliance.
    Administrator,
    /// Reviews and verifies the audit log.
    ComplianceOfficer,
}

impl Role {
    /// All roles, in the order in which forms show them.
    pub const ALL: [Self; 3] = [Self::Staff, Self::Administrator, Self::ComplianceOfficer];

    /// The role's name in the database, in policies and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Administrator => "administrator",
            Self::ComplianceOfficer => "compliance-officer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is not the name of a role.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a role. The roles are staff, administrator and compliance-officer")]
pub struct ParseRoleError(String);

impl FromStr for Role {
    type Err = ParseRoleError;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| ParseRoleError(name.to_owned()))
    }
}

/// What a personal API token may be used for. A token never exceeds the rights of its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenScope {
    /// Ask questions, search, and rate answers.
    Ask,
    /// List documents and open pages.
    Documents,
    /// See the files of the inbox and the status of the appliance; retry, cancel and pause.
    Files,
    /// Read, verify and replay the audit log.
    Audit,
}

impl TokenScope {
    /// All scopes, in the order in which forms show them.
    pub const ALL: [Self; 4] = [Self::Ask, Self::Documents, Self::Files, Self::Audit];

    /// The scope's name in the database and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Documents => "documents",
            Self::Files => "files",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is not the name of a scope.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a scope. The scopes are ask, documents, files and audit")]
pub struct ParseTokenScopeError(String);

impl FromStr for TokenScope {
    type Err = ParseTokenScopeError;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == name)
            .ok_or_else(|| ParseTokenScopeError(name.to_owned()))
    }
}

/// A signed-in person at the time of a request. Roles and groups are read again for each request,
/// so a revoked right is effective from the next request on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The person's id.
    pub user: UserId,
    /// The name they sign in with.
    pub name: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// The groups they belong to.
    pub groups: Vec<GroupId>,
}
