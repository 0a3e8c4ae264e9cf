//! Settings: the compiled-in defaults, a file, and the environment, in this order.

use cloister_directory::DirectorySecurity;
use cloister_domain::Role;
use cloister_ingest::limits::HiddenCells;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};

/// The documented defaults.
pub const DEFAULTS: &str = include_str!("../cloister.toml");

const ENVIRONMENT_PREFIX: &str = "CLOISTER_";

/// Previous names of settings and their present names. A previous name still works, with a
/// warning.
pub const RENAMED: &[(&str, &str)] = &[
    ("paths.evidence", "paths.answer_weights"),
    ("paths.questions", "paths.golden_questions"),
    ("models.verifier", "models.nli"),
    ("session.longest_hours", "session.max_hours"),
    ("session.wrong_passwords", "session.max_failed_sign_ins"),
    ("session.locked_minutes", "session.max_delay_minutes"),
    ("session.lockout_minutes", "session.max_delay_minutes"),
    ("inbox.stable_seconds", "inbox.stability_seconds"),
    ("inbox.scan_seconds", "inbox.scan_interval_seconds"),
    ("reading.memory_mb", "reader.memory_mb"),
    ("reading.processor_seconds", "reader.cpu_seconds"),
    ("reading.page_seconds", "reader.page_timeout_seconds"),
    ("reading.largest_file_mb", "reader.max_file_mb"),
    ("recognition.program", "ocr.program"),
    ("recognition.languages", "ocr.languages"),
    ("passages.tokens", "chunking.max_tokens"),
    ("passages.overlap", "chunking.overlap_tokens"),
    ("search.meaning", "search.dense_weight"),
    ("search.k1", "search.bm25_k1"),
    ("search.b", "search.bm25_b"),
    ("search.exact_up_to", "search.exact_search_limit"),
    ("history.days", "history.retention_days"),
    ("isolation.confinement", "sandbox.mode"),
];

/// The settings of one appliance. `cloister.toml` documents each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[server]`
    pub server: ServerSettings,
    /// `[paths]`
    pub paths: PathSettings,
    /// `[models]`
    pub models: ModelSettings,
    /// `[session]`
    pub session: SessionSettings,
    /// `[inbox]`
    pub inbox: InboxSettings,
    /// `[reader]`
    pub reader: ReaderSettings,
    /// `[ocr]`
    pub ocr: OcrSettings,
    /// `[chunking]`
    pub chunking: ChunkingSettings,
    /// `[search]`
    pub search: SearchSettings,
    /// `[history]`
    pub history: HistorySettings,
    /// `[audit]`
    pub audit: AuditSettings,
    /// `[backup]`
    pub backup: BackupSettings,
    /// `[directory]`
    pub directory: DirectorySection,
    /// `[sandbox]`
    pub sandbox: SandboxSettings,
    /// Previous names of settings that were read.
    #[serde(skip)]
    pub deprecations: Vec<Deprecation>,
}

macro_rules! section {
    ($name:ident, $table:literal { $($field:ident: $type:ty),* $(,)? }) => {
        #[doc = concat!("The settings of `[", $table, "]`. `cloister.toml` documents each.")]
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(missing_docs, reason = "`cloister.toml` documents each setting")]
        pub struct $name { $(pub $field: $type,)* }
    };
}

section!(ServerSettings, "server" {
    address: SocketAddr,
    names: Vec<String>,
    certificate: PathBuf,
    key: PathBuf,
    proxy_protocol: bool,
    max_connections: usize,
    max_connections_per_address: usize,
    monitoring_port: u16,
});
section!(AuditSettings, "audit" { anchor_folder: PathBuf, anchor_hours: u64, verify_hours: u64 });
section!(BackupSettings, "backup" {
    folder: PathBuf,
    recipient: String,
    every_hours: u64,
    keep: usize,
});
section!(PathSettings, "paths" {
    data: PathBuf,
    inbox: PathBuf,
    models: PathBuf,
    redaction: PathBuf,
    answer_weights: PathBuf,
    glossary: PathBuf,
    golden_questions: PathBuf,
    secrets_key: PathBuf,
    egress: PathBuf,
});
section!(ModelSettings, "models" {
    embedder: String,
    generator: String,
    reranker: String,
    nli: String,
});
section!(SessionSettings, "session" {
    idle_minutes: u64,
    max_hours: u64,
    max_failed_sign_ins: u32,
    max_delay_minutes: u64,
    sign_ins_per_minute: u32,
    reauthentication_minutes: u64,
    activation_hours: u64,
    second_factor: Vec<Role>,
    max_token_days: u64,
});
section!(InboxSettings, "inbox" { stability_seconds: u64, scan_interval_seconds: u64 });
section!(ReaderSettings, "reader" {
    memory_mb: u64,
    cpu_seconds: u64,
    page_timeout_seconds: u64,
    max_file_mb: u64,
    hidden_cells: HiddenCells,
});
section!(OcrSettings, "ocr" { program: PathBuf, languages: Vec<String> });
section!(ChunkingSettings, "chunking" { max_tokens: usize, overlap_tokens: usize });
section!(SearchSettings, "search" {
    dense_weight: f32,
    bm25_k1: f32,
    bm25_b: f32,
    exact_search_limit: usize,
    rerank: Rerank,
    rerank_weight: f32,
    thesaurus: String,
    dictionaries: String,
});
section!(HistorySettings, "history" { retention_days: u64 });
section!(DirectorySection, "directory" {
    security: DirectorySecurity,
    authorities: PathBuf,
    bind_dn: String,
    bind_password: PathBuf,
    people_base: String,
    people_filter: String,
    name_attribute: String,
    key_attribute: String,
    groups_base: String,
    member_attribute: String,
    groups: Vec<String>,
    cache_minutes: u64,
});
section!(SandboxSettings, "sandbox" { mode: SandboxMode });

/// Which model reorders search results.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Rerank {
    /// None.
    Off,
    /// The cross-encoder of `models.reranker`.
    CrossEncoder,
    /// The generator, by the likelihood of the question given the passage.
    Likelihood,
}

/// Whether the process must be confined.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    /// Refuse to start without confinement.
    Require,
    /// Start without confinement.
    Off,
}

/// A previous name of a setting that a file or variable used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deprecation {
    /// The file or `the environment`.
    pub origin: String,
    /// The previous name.
    pub old: String,
    /// The present name.
    pub new: String,
}

impl std::fmt::Display for Deprecation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { origin, old, new } = self;
        write!(
            f,
            "{origin} uses the old setting name `{old}`. Use `{new}` instead"
        )
    }
}

/// An error in the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("could not read the settings file `{path}`: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        cause: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{origin} is not valid TOML: {cause}")]
    NotToml {
        /// The file.
        origin: String,
        /// The position and the reason.
        cause: Box<toml::de::Error>,
    },
    /// A setting does not exist.
    #[error("{origin} has the setting `{key}`, which does not exist.{hint}")]
    Unknown {
        /// The file or variable.
        origin: String,
        /// The name as written.
        key: String,
        /// The most similar name that exists.
        hint: String,
    },
    /// A value has the wrong type.
    #[error("a setting has a value of the wrong type: {0}")]
    WrongType(Box<toml::de::Error>),
}

impl Config {
    /// Loads the settings from the defaults, a file, and variables such as
    /// `CLOISTER_SERVER_ADDRESS`.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::with_defaults()?;
        if let Some(path) = file {
            layers.merge_file(path)?;
        }
        for (name, value) in environment {
            if let Some(key) = name.strip_prefix(ENVIRONMENT_PREFIX) {
                layers.merge_variable(key, &value)?;
            }
        }
        let mut config: Self = layers
            .settings
            .try_into()
            .map_err(|cause| ConfigError::WrongType(Box::new(cause)))?;
        config.deprecations = layers.deprecations;
        Ok(config)
    }

    /// How long a session lives without a request.
    pub fn session_idle(&self) -> Duration {
        Duration::from_secs(self.session.idle_minutes.saturating_mul(60))
    }

    /// How long a session lives at most.
    pub fn session_max(&self) -> Duration {
        Duration::from_secs(self.session.max_hours.saturating_mul(3600))
    }

    /// The longest delay after failed attempts to sign in.
    pub fn max_sign_in_delay(&self) -> Duration {
        Duration::from_secs(self.session.max_delay_minutes.saturating_mul(60))
    }

    /// How long after the password was typed a person may change people, groups and access.
    pub fn reauthentication_interval(&self) -> Duration {
        /// The time that a request takes after the password was typed for it.
        const MIN: Duration = Duration::from_secs(5);
        Duration::from_secs(self.session.reauthentication_minutes.saturating_mul(60)).max(MIN)
    }

    /// How long an activation link works.
    pub fn activation_link_validity(&self) -> Duration {
        Duration::from_secs(self.session.activation_hours.saturating_mul(3600))
    }

    /// How long the word of the directory on a person holds.
    pub fn directory_cache(&self) -> Duration {
        Duration::from_secs(self.directory.cache_minutes.saturating_mul(60))
    }

    /// How long a question stays in a person's history.
    pub fn history_retention(&self) -> Duration {
        Duration::from_secs(self.history.retention_days.saturating_mul(24 * 3600))
    }
}

/// Settings while they are merged.
struct Layers {
    /// Tables of settings. Every setting that exists is in it, with its default.
    settings: Table,
    deprecations: Vec<Deprecation>,
}

impl Layers {
    fn with_defaults() -> Result<Self, ConfigError> {
        Ok(Self {
            settings: parse(DEFAULTS, "the compiled-in default")?,
            deprecations: Vec::new(),
        })
    }

    fn merge_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
            path: path.to_owned(),
            cause,
        })?;
        let origin = format!("`{}`", path.display());
        for (section, values) in parse(&text, &origin)? {
            let Value::Table(values) = values else {
                return Err(self.unknown(&origin, &section));
            };
            for (key, value) in values {
                self.set(&origin, &format!("{section}.{key}"), |_| value)?;
            }
        }
        Ok(())
    }

    /// Merges the variable `CLOISTER_<key>`.
    fn merge_variable(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        let renamed = RENAMED.iter().map(|(old, _)| (*old).to_owned());
        let name = self
            .names()
            .into_iter()
            .chain(renamed)
            .find(|name| variable_suffix(name) == key);
        let Some(name) = name else {
            return Err(self.unknown_variable(key));
        };
        self.set("the environment", &name, |default| {
            value_of_type(value, default)
        })
    }

    /// Replaces the value of `name`, which may be a previous name.
    fn set(
        &mut self,
        origin: &str,
        name: &str,
        value: impl FnOnce(&Value) -> Value,
    ) -> Result<(), ConfigError> {
        let present = self.present_name(origin, name);
        let slot = present
            .split_once('.')
            .and_then(|(section, key)| self.settings.get_mut(section)?.get_mut(key));
        let Some(slot) = slot else {
            return Err(self.unknown(origin, name));
        };
        *slot = value(slot);
        Ok(())
    }

    /// The present name of a setting. Notes the use of a previous name.
    fn present_name(&mut self, origin: &str, name: &str) -> String {
        let Some((_, present)) = RENAMED.iter().find(|(old, _)| *old == name) else {
            return name.to_owned();
        };
        self.deprecations.push(Deprecation {
            origin: origin.to_owned(),
            old: name.to_owned(),
            new: (*present).to_owned(),
        });
        (*present).to_owned()
    }

    /// The names of all settings: `section.key`.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (section, values) in &self.settings {
            let keys = values.as_table().into_iter().flat_map(Table::keys);
            names.extend(keys.map(|key| format!("{section}.{key}")));
        }
        names
    }

    fn unknown(&self, origin: &str, key: &str) -> ConfigError {
        ConfigError::Unknown {
            origin: origin.to_owned(),
            key: key.to_owned(),
            hint: suggestion(key, &self.names()),
        }
    }

    fn unknown_variable(&self, key: &str) -> ConfigError {
        let variables: Vec<String> = self
            .names()
            .iter()
            .map(|name| format!("{ENVIRONMENT_PREFIX}{}", variable_suffix(name)))
            .collect();
        let variable = format!("{ENVIRONMENT_PREFIX}{key}");
        ConfigError::Unknown {
            origin: "the environment".to_owned(),
            hint: suggestion(&variable, &variables),
            key: variable,
        }
    }
}

fn parse(text: &str, origin: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|cause| ConfigError::NotToml {
        origin: origin.to_owned(),
        cause: Box::new(cause),
    })
}

/// `SERVER_ADDRESS` for `server.address`.
fn variable_suffix(name: &str) -> String {
    name.replace('.', "_").to_uppercase()
}

/// Parses a variable as the type that the default has. Items of a list are separated by commas.
fn value_of_type(text: &str, default: &Value) -> Value {
    let parsed = match default {
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Array(_) => Some(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        )),
        Value::String(_) | Value::Datetime(_) | Value::Table(_) => None,
    };
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// A hint that names the most similar of `names`, if one is similar enough.
fn suggestion(name: &str, names: &[String]) -> String {
    const MIN_SIMILARITY: f64 = 0.7;
    let nearest = names
        .iter()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((similarity, known)) if similarity > MIN_SIMILARITY => {
            format!(" Did you mean `{known}`?")
        }
        _ => " `cloister config show` lists all settings".to_owned(),
    }
}

#[cfg(test)]
mod tests;
