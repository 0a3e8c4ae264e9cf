//! The settings: the compiled-in defaults, a file, and the environment, in this order.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};

const DEFAULTS: &str = include_str!("../cloister.toml");
const PREFIX: &str = "CLOISTER_";

/// The settings of one appliance. What each means stands in `cloister.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub paths: Paths,
    pub models: Models,
    pub session: Session,
    pub inbox: Inbox,
    pub reading: Reading,
    pub recognition: Recognition,
    pub passages: Passages,
    pub search: Search,
    pub history: History,
    pub isolation: Isolation,
}

macro_rules! section {
    ($name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $(pub $field: $type,)* }
    };
}

section!(Server { address: SocketAddr, names: Vec<String>, });
section!(Paths {
    data: PathBuf,
    inbox: PathBuf,
    models: PathBuf,
    redaction: PathBuf,
    evidence: PathBuf,
    glossary: PathBuf,
    questions: PathBuf,
});
section!(Models {
    embedder: String,
    generator: String,
    reranker: String,
    verifier: String,
});
section!(Session {
    idle_minutes: u64,
    longest_hours: u64,
    wrong_passwords: u32,
    locked_minutes: u64,
});
section!(Inbox {
    stable_seconds: u64,
    scan_seconds: u64,
});
section!(Reading {
    memory_mb: u64,
    processor_seconds: u64,
    page_seconds: u64,
    largest_file_mb: u64,
});
section!(Recognition {
    program: PathBuf,
    languages: Vec<String>,
});
section!(Passages {
    tokens: usize,
    overlap: usize,
});
section!(Search {
    meaning: f32,
    k1: f32,
    b: f32,
    exact_up_to: usize,
    rerank: Rerank,
    rerank_weight: f32,
});
section!(History { days: u64 });
section!(Isolation {
    confinement: Confinement,
});

/// Who looks a second time at what was found.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Rerank {
    /// Nobody.
    Off,
    /// The cross-encoder of `models.reranker`.
    CrossEncoder,
    /// The generator.
    Likelihood,
}

/// Whether the process must be confined.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Confinement {
    /// Refuse to work without it.
    Require,
    /// Work without it.
    Off,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the settings file `{path}` cannot be read: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// It is not TOML.
    #[error("{origin} is not valid TOML: {cause}")]
    NotToml {
        /// The file.
        origin: String,
        /// Where and why.
        cause: Box<toml::de::Error>,
    },
    /// There is no such setting.
    #[error("{origin} has the setting `{key}`, which does not exist.{hint}")]
    Unknown {
        /// The file or variable.
        origin: String,
        /// The name as written.
        key: String,
        /// The nearest name that exists.
        hint: String,
    },
    /// A value is not of the right kind.
    #[error("a setting has a value of the wrong kind: {0}")]
    WrongKind(Box<toml::de::Error>),
}

impl Config {
    /// The settings in force, from the defaults, a file, and variables such as
    /// `CLOISTER_SERVER_ADDRESS`.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut settings = parse(DEFAULTS, "the compiled-in default")?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
                path: path.to_owned(),
                cause,
            })?;
            let origin = format!("`{}`", path.display());
            let overrides = parse(&text, &origin)?;
            merge(&mut settings, overrides, &origin)?;
        }
        for (name, value) in environment {
            if let Some(key) = name.strip_prefix(PREFIX) {
                override_one(&mut settings, key, &value, &name)?;
            }
        }
        settings
            .try_into()
            .map_err(|cause| ConfigError::WrongKind(Box::new(cause)))
    }

    /// How long a session lives without a request.
    pub fn session_idle(&self) -> Duration {
        Duration::from_secs(self.session.idle_minutes * 60)
    }

    /// How long a question is kept for whoever asked it.
    pub fn history_kept(&self) -> Duration {
        Duration::from_secs(self.history.days * 24 * 3600)
    }

    /// How long a session lives at most.
    pub fn session_longest(&self) -> Duration {
        Duration::from_secs(self.session.longest_hours * 3600)
    }
}

fn parse(text: &str, origin: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|cause| ConfigError::NotToml {
        origin: origin.to_owned(),
        cause: Box::new(cause),
    })
}

fn merge(settings: &mut Table, overrides: Table, origin: &str) -> Result<(), ConfigError> {
    for (section, values) in overrides {
        let known = keys(settings);
        let Some(Value::Table(into)) = settings.get_mut(&section) else {
            return Err(unknown(origin, &section, known.iter().map(String::as_str)));
        };
        let Value::Table(values) = values else {
            return Err(unknown(origin, &section, known.iter().map(String::as_str)));
        };
        for (key, value) in values {
            if let Some(slot) = into.get_mut(&key) {
                *slot = value;
            } else {
                let full = format!("{section}.{key}");
                return Err(unknown(origin, &full, known.iter().map(String::as_str)));
            }
        }
    }
    Ok(())
}

fn override_one(
    settings: &mut Table,
    key: &str,
    value: &str,
    variable: &str,
) -> Result<(), ConfigError> {
    let wanted = key.to_lowercase();
    let known = keys(settings);
    for (section, values) in settings.iter_mut() {
        let Value::Table(values) = values else {
            continue;
        };
        for (name, slot) in values.iter_mut() {
            if format!("{section}_{name}") == wanted {
                *slot = typed(value, slot);
                return Ok(());
            }
        }
    }
    let names: Vec<String> = known
        .iter()
        .map(|k| format!("{PREFIX}{}", k.replace('.', "_").to_uppercase()))
        .collect();
    Err(unknown(
        "the environment",
        variable,
        names.iter().map(String::as_str),
    ))
}

/// Reads a variable as the kind of value that the default has.
fn typed(text: &str, like: &Value) -> Value {
    let read = match like {
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Array(_) => Some(Value::Array(
            text.split(',')
                .map(|part| Value::String(part.trim().to_owned()))
                .collect(),
        )),
        Value::String(_) | Value::Datetime(_) | Value::Table(_) => None,
    };
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn keys(settings: &Table) -> Vec<String> {
    let sections = settings
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_table()?)));
    sections
        .flat_map(|(section, table)| table.keys().map(move |key| format!("{section}.{key}")))
        .collect()
}

fn unknown<'a>(origin: &str, key: &str, known: impl Iterator<Item = &'a str>) -> ConfigError {
    let nearest = known
        .map(|name| (strsim::jaro_winkler(name, key), name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.7);
    let hint = nearest.map_or_else(
        || " See cloister.toml for those that do".to_owned(),
        |(_, name)| format!(" Did you mean `{name}`?"),
    );
    ConfigError::Unknown {
        origin: origin.to_owned(),
        key: key.to_owned(),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::load(Some(&path), environment).map_err(|e| e.to_string())
    }

    #[test]
    fn a_file_overrides_the_defaults_and_the_environment_overrides_the_file() {
        let config = load(
            "[session]\nidle_minutes = 5\nlongest_hours = 8",
            &[("CLOISTER_SESSION_LONGEST_HOURS", "1"), ("HOME", "/")],
        )
        .unwrap();
        assert_eq!(
            (config.session.idle_minutes, config.session.longest_hours),
            (5, 1)
        );
        assert_eq!(config.server.address.port(), 8443);
    }

    #[test]
    fn an_unknown_setting_is_an_error_with_a_suggestion() {
        let check = |file: &str, environment: &[(&str, &str)], expected: &str| {
            let message = load(file, environment).unwrap_err();
            assert!(message.contains(expected), "{message}");
        };
        check(
            "[session]\nidle_minute = 5",
            &[],
            "Did you mean `session.idle_minutes`?",
        );
        check("[sesion]\nidle_minutes = 5", &[], "does not exist");
        let misspelt = [("CLOISTER_SERVER_ADRESS", "x")];
        check("", &misspelt, "Did you mean `CLOISTER_SERVER_ADDRESS`?");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_an_error() {
        let message = load("[server]\naddress = \"nowhere\"", &[]).unwrap_err();
        assert!(message.contains("wrong kind"), "{message}");
    }
}
