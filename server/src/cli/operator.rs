//! Who runs a command at the console: an account of the operating system.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The id of a process that nobody logged in for.
const NO_LOGIN: u32 = u32::MAX;

/// The longest name of an account that is logged.
const MAX_NAME_LENGTH: usize = 64;

/// An account of the operating system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OsAccount {
    uid: u32,
    name: Option<String>,
}

impl std::fmt::Display for OsAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} (uid {})", self.uid),
            None => write!(f, "uid {}", self.uid),
        }
    }
}

/// The account that runs a command, and the one that somebody logged in with before `sudo` or `su`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    account: OsAccount,
    login: Option<OsAccount>,
}

impl Operator {
    /// The operator of this process.
    pub fn of_this_process() -> Self {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let login = std::fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
        Self::new(
            rustix::process::getuid().as_raw(),
            login.trim().parse().ok(),
            &names_by_uid(&users),
        )
    }

    fn new(uid: u32, login: Option<u32>, names: &BTreeMap<u32, String>) -> Self {
        let account = |uid| OsAccount {
            uid,
            name: names.get(&uid).cloned(),
        };
        let login = login.filter(|login| *login != NO_LOGIN && *login != uid);
        Self {
            account: account(uid),
            login: login.map(account),
        }
    }

    /// The operator as another process describes itself, with the account that the kernel says it
    /// has. The description of an account that it does not have is dropped.
    pub fn verified(self, uid: u32) -> Self {
        if self.account.uid == uid {
            let name = self.account.name.filter(|name| is_plain(name));
            let login = self.login.map(|login| OsAccount {
                name: login.name.filter(|name| is_plain(name)),
                ..login
            });
            return Self {
                account: OsAccount { uid, name },
                login,
            };
        }
        Self::new(uid, None, &BTreeMap::new())
    }
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.login {
            Some(login) => write!(f, "{}, logged in as {login}", self.account),
            None => self.account.fmt(f),
        }
    }
}

/// The names of accounts in the format of `/etc/passwd`.
fn names_by_uid(passwd: &str) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for line in passwd.lines() {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next(), fields.nth(1));
        let uid = uid.and_then(|uid| uid.parse().ok());
        if let (Some(name), Some(uid)) = (name.filter(|name| is_plain(name)), uid) {
            // The first name of an id is the one that other programs show.
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

fn is_plain(name: &str) -> bool {
    let is_allowed =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$' | '@');
    !name.is_empty() && name.len() <= MAX_NAME_LENGTH && name.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
                          toor:x:0:0::/root:/bin/sh\n\
                          alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\n\
                          broken\n\
                          b ad:x:1001:1001::/:/bin/sh\n";

    fn operator(uid: u32, login: Option<u32>) -> Operator {
        Operator::new(uid, login, &names_by_uid(PASSWD))
    }

    #[test]
    fn an_operator_is_the_account_and_the_login_before_sudo() {
        let text = |uid, login| operator(uid, login).to_string();
        assert_eq!(text(1000, Some(1000)), "alice (uid 1000)");
        assert_eq!(text(1000, None), "alice (uid 1000)");
        assert_eq!(
            text(0, Some(1000)),
            "root (uid 0), logged in as alice (uid 1000)"
        );
        assert_eq!(text(0, Some(NO_LOGIN)), "root (uid 0)");
        assert_eq!(text(1001, None), "uid 1001");
    }

    #[test]
    fn a_process_cannot_pretend_to_be_another_account() {
        assert_eq!(
            operator(0, Some(1000)).verified(1000).to_string(),
            "uid 1000"
        );
        let claimed = operator(1000, None);
        assert_eq!(claimed.clone().verified(1000), claimed);
        let mut forged = claimed;
        forged.account.name = Some("root (uid 0)\nroot".into());
        assert_eq!(forged.verified(1000).to_string(), "uid 1000");
    }
}
