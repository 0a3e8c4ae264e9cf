//! `redaction.toml`: which kinds are masked where, and for whom not.

use super::{Kind, Span, find};
use crate::error::PolicyError;
use cloister_domain::{FileHash, Role};
use serde::Deserialize;

const DEFAULT: &str = include_str!("../../redaction.toml");

/// The rules of a site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redaction {
    #[serde(default)]
    records: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default, rename = "rule")]
    rules: Vec<Rule>,
    /// SHA-256 of the file that says so.
    #[serde(skip)]
    hash: Option<FileHash>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    kinds: Vec<Kind>,
    collections: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
}

impl Redaction {
    /// The compiled-in rules.
    pub fn compiled_in() -> Result<Self, PolicyError> {
        Self::parse(DEFAULT)
    }

    /// Reads rules. Unknown keys, kinds and roles are errors, and so are patterns that would mask
    /// everything.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut rules: Self = toml::from_str(text).map_err(PolicyError::invalid)?;
        rules.hash = Some(FileHash::of(text.as_bytes()));
        let stranger = rules.rules.iter().flat_map(|rule| &rule.except);
        if let Some(name) = stranger.into_iter().find(|name| role(name).is_none()) {
            return Err(PolicyError::invalid(format!("`{name}` is not a role")));
        }
        let telling = |pattern: &&String| {
            let places = pattern.chars().filter(|c| matches!(c, '#' | '@')).count();
            places < 4
                || !pattern.starts_with(|c: char| c.is_ascii_alphanumeric() || "#@".contains(c))
        };
        if let Some(pattern) = rules.records.iter().find(telling) {
            return Err(PolicyError::invalid(format!(
                "the record pattern `{pattern}` has fewer than four `#` or `@`, or begins with a sign"
            )));
        }
        Ok(rules)
    }

    /// SHA-256 of the file that says so; none of rules that were not read.
    pub fn hash(&self) -> Option<&FileHash> {
        self.hash.as_ref()
    }

    /// Whether this kind is masked in this collection for somebody of these roles: where a rule
    /// says so that excepts none of them.
    pub fn masks(&self, kind: Kind, collection: &str, roles: &[Role]) -> bool {
        self.rules.iter().any(|rule| {
            let there = rule
                .collections
                .iter()
                .any(|name| name == "*" || name == collection);
            let mut excepted = rule.except.iter().filter_map(|name| role(name));
            there && rule.kinds.contains(&kind) && !excepted.any(|role| roles.contains(&role))
        })
    }

    /// The spans of a text that are masked in this collection for somebody of these roles.
    pub fn to_mask(&self, text: &str, collection: &str, roles: &[Role]) -> Vec<Span> {
        self.found(text, |kind| self.masks(kind, collection, roles))
    }

    /// Everything that is found in a text, whether it is masked or not.
    pub fn find(&self, text: &str) -> Vec<Span> {
        self.found(text, |_| true)
    }

    fn found(&self, text: &str, wanted: impl Fn(Kind) -> bool) -> Vec<Span> {
        find::spans(text, wanted, &self.records, &self.names)
    }
}

fn role(name: &str) -> Option<Role> {
    name.parse().ok()
}
