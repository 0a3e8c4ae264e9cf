//! The check for an operator: each step to the directory, and what the connector cannot do.

use crate::confine;
use crate::ldap::{Directory, Failure, Outcome, TIMEOUT};
use crate::protocol::CheckStep;
use crate::settings::DirectorySettings;
use ldap3::{Ldap, Scope};

impl Directory {
    /// Takes each step to the directory, up to the first that fails.
    pub(crate) async fn check(&self, name: Option<&str>) -> Vec<CheckStep> {
        let mut steps = Vec::new();
        for (what, is_stopped) in confine::attempts(self.settings.port) {
            let outcome = if is_stopped {
                Ok("the kernel refuses it".to_owned())
            } else {
                Err(Failure::Connection("the kernel allows it".into()))
            };
            let advice =
                "use Linux 6.7 or newer, or limit it with the packet filter of the machine";
            let what = format!("confinement: {what}");
            // The directory may still answer.
            let _noted = record(&mut steps, what, outcome, advice);
        }
        // The step that failed is the last one.
        let _complete = self.check_steps(name, &mut steps).await;
        steps
    }

    async fn check_steps(&self, name: Option<&str>, steps: &mut Vec<CheckStep>) -> Option<()> {
        let DirectorySettings { host, port, .. } = &self.settings;
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        let stream = self.open_stream().await.map(|_| addresses.join(", "));
        let advice = "check that the directory runs, and the address in the file `paths.egress`";
        record(steps, format!("connect to {host}:{port}"), stream, advice)?;
        let mut ldap = None;
        let connected = self.connect().await.map(|connection| {
            ldap = Some(connection);
            "the certificate is valid".to_owned()
        });
        let advice = "check `directory.authorities` and that the certificate has the host name";
        record(steps, "encrypt the connection".into(), connected, advice)?;
        let mut ldap = ldap?;
        let bound = self.bind_service(&mut ldap).await;
        let bound = bound.map(|()| self.settings.bind_dn.clone());
        let advice = "check `directory.bind_dn` and the file `directory.bind_password`";
        record(steps, "sign in to search".into(), bound, advice)?;
        self.check_searches(name, &mut ldap, steps).await
    }

    async fn check_searches(
        &self,
        name: Option<&str>,
        ldap: &mut Ldap,
        steps: &mut Vec<CheckStep>,
    ) -> Option<()> {
        for group in &self.settings.groups {
            let found = self.check_group(ldap, group).await;
            let advice = "correct it in `directory.groups`, or let the account read it";
            record(steps, format!("read the group {group}"), found, advice)?;
        }
        let Some(name) = name else { return Some(()) };
        let found = self.check_person(ldap, name).await;
        let advice = "check `directory.people_base`, `people_filter` and `name_attribute`";
        record(steps, format!("find the person {name}"), found, advice)
    }

    async fn check_group(&self, ldap: &mut Ldap, group: &str) -> Outcome<String> {
        let searched = ldap
            .with_timeout(TIMEOUT)
            .search(group, Scope::Base, "(objectClass=*)", ["1.1"])
            .await?;
        let (entries, _) = searched.success()?;
        if entries.is_empty() {
            return Err(Failure::Connection("there is no such entry".into()));
        }
        Ok("it exists".into())
    }

    async fn check_person(&self, ldap: &mut Ldap, name: &str) -> Outcome<String> {
        let entry = self.find_person(ldap, &self.name_filter(name)).await?;
        let entry = entry.ok_or_else(|| {
            Failure::Connection("nobody or more than one person has this name".into())
        })?;
        if entry.is_disabled {
            return Ok(format!("{} is disabled, and may not sign in", entry.dn));
        }
        let groups = self.groups_of(ldap, &entry.dn).await?;
        if groups.is_empty() {
            return Ok(format!(
                "{}, in none of the groups: may not sign in",
                entry.dn
            ));
        }
        Ok(format!("{}, in {}", entry.dn, groups.join(" and ")))
    }
}

/// Adds a step. `None` if it failed.
fn record(
    steps: &mut Vec<CheckStep>,
    what: String,
    outcome: Outcome<String>,
    advice: &str,
) -> Option<()> {
    let (found, advice) = match outcome {
        Ok(found) => (Some(found), None),
        Err(failure) => (None, Some(format!("{failure}. {advice}"))),
    };
    let has_succeeded = found.is_some();
    steps.push(CheckStep {
        what,
        found,
        advice,
    });
    has_succeeded.then_some(())
}
