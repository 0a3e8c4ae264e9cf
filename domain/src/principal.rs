//! Who is asking.

use crate::ids::{GroupId, UserId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a person may do beside asking. Someone may hold several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Asks questions and opens pages of the collections granted to their groups.
    Staff,
    /// Makes people, groups and collections, grants access, watches the machine.
    Administrator,
    /// Reviews and verifies the audit log.
    ComplianceOfficer,
}

impl Role {
    /// Every role, in the order that a form shows them.
    pub const ALL: [Self; 3] = [Self::Staff, Self::Administrator, Self::ComplianceOfficer];

    /// The role's name as stored, in policies and in the API.
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

/// A name that is no role.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a role. The roles are staff, administrator and compliance-officer")]
pub struct NotARole(String);

impl FromStr for Role {
    type Err = NotARole;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| NotARole(name.to_owned()))
    }
}

/// A signed-in person, as of this request: roles and groups are read anew for each one, so that
/// taking a right away acts on the next request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Who.
    pub user: UserId,
    /// The name they sign in with.
    pub name: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// The groups they belong to.
    pub groups: Vec<GroupId>,
}

impl Principal {
    /// Whether they hold this role.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}
