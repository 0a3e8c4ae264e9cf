//! Which directory, and how it is searched.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How the connection is encrypted. There is no connection without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectorySecurity {
    /// TLS from the first byte.
    Ldaps,
    /// TLS after the operation `StartTLS` (RFC 4511, section 4.14).
    Starttls,
}

/// A directory and how it is searched. The connector gets all of it from the appliance, and opens no
/// file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectorySettings {
    /// The host name or address, which its certificate must have.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: DirectorySecurity,
    /// The certificates of the authorities that may issue its certificate, PEM.
    pub authorities: String,
    /// The account that searches.
    pub bind_dn: String,
    /// Its password.
    pub bind_password: String,
    /// Below this entry are the people.
    pub people_base: String,
    /// What the entries of people match, such as `(objectClass=person)`.
    pub people_filter: String,
    /// The attribute with the name to sign in with, such as `uid` or `sAMAccountName`.
    pub name_attribute: String,
    /// The attribute that identifies a person for ever: `entryUUID` or `objectGUID`.
    pub key_attribute: String,
    /// Below this entry are the groups.
    pub groups_base: String,
    /// The attribute of a group with the entries of its members, such as `member`.
    pub member_attribute: String,
    /// The entries of the groups that matter.
    pub groups: Vec<String>,
}

impl fmt::Debug for DirectorySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectorySettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// A distinguished name, so that two ways of writing it are equal: in lower case, without spaces
/// around its parts.
pub fn normalize_dn(dn: &str) -> String {
    let parts = dn.split(',').map(|part| {
        let sides: Vec<&str> = part.splitn(2, '=').map(str::trim).collect();
        sides.join("=").to_lowercase()
    });
    parts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_entries_are_compared_without_case_and_spaces() {
        let plain = "cn=ward nurses,ou=groups,dc=ward,dc=example";
        for written in [
            plain,
            "CN=Ward Nurses,OU=Groups,DC=Ward,DC=Example",
            " cn = ward nurses , ou=groups , dc=ward, dc=example ",
        ] {
            assert_eq!(normalize_dn(written), plain);
        }
        assert_ne!(normalize_dn("cn=ward  nurses,dc=example"), plain);
    }
}
