//! Outbound connections that a site allows by name, each off by default (`egress.toml`).

use serde::Deserialize;
use std::fmt;

/// The exceptions of the compiled-in file: all are off.
pub const DEFAULT_EGRESS: &str = include_str!("../egress.toml");

/// An outbound connection that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressException {
    /// Its name.
    pub name: &'static str,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What it is for.
    pub purpose: String,
}

impl fmt::Display for EgressException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            host,
            port,
            purpose,
        } = self;
        write!(f, "{name}: {host}:{port}, {purpose}")
    }
}

/// The outbound connections that are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    /// The directory of the site.
    pub directory: Option<EgressException>,
}

/// An error in the file.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The file is not TOML, or has an unknown key.
    #[error("the egress file is not valid: {0}")]
    Invalid(#[from] toml::de::Error),
    /// An exception is enabled without a host, or without a port.
    #[error("the egress file enables `{0}` without a host and a port")]
    Incomplete(&'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EgressFile {
    #[serde(default)]
    directory: Option<ExceptionTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptionTable {
    enabled: bool,
    host: String,
    port: u16,
    purpose: String,
}

impl EgressPolicy {
    /// Parses the file of a site.
    pub fn parse(text: &str) -> Result<Self, EgressError> {
        let file: EgressFile = toml::from_str(text)?;
        Ok(Self {
            directory: exception("directory", file.directory)?,
        })
    }

    /// The exceptions that are enabled.
    pub fn enabled(&self) -> impl Iterator<Item = &EgressException> {
        self.directory.iter()
    }
}

fn exception(
    name: &'static str,
    table: Option<ExceptionTable>,
) -> Result<Option<EgressException>, EgressError> {
    let Some(table) = table.filter(|table| table.enabled) else {
        return Ok(None);
    };
    let host = table.host.trim();
    if host.is_empty() || table.port == 0 {
        return Err(EgressError::Incomplete(name));
    }
    Ok(Some(EgressException {
        name,
        host: host.to_owned(),
        port: table.port,
        purpose: table.purpose,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allowed_by_default() {
        let policy = EgressPolicy::parse(DEFAULT_EGRESS).unwrap();
        assert_eq!(policy, EgressPolicy::default());
        assert_eq!(policy.enabled().count(), 0);
    }

    #[test]
    fn an_exception_names_host_port_and_purpose() {
        let enabled = DEFAULT_EGRESS.replace("enabled = false", "enabled = true");
        assert!(matches!(
            EgressPolicy::parse(&enabled),
            Err(EgressError::Incomplete("directory"))
        ));
        let named = enabled.replace("host = \"\"", "host = \"ldap.ward.example\"");
        let policy = EgressPolicy::parse(&named).unwrap();
        let exception = policy.enabled().next().unwrap();
        assert_eq!(
            (exception.host.as_str(), exception.port),
            ("ldap.ward.example", 636)
        );
        assert!(EgressPolicy::parse(&format!("{named}\n[mail]\nenabled = true")).is_err());
        assert!(EgressPolicy::parse("[directory]\nenabled = true").is_err());
    }
}
