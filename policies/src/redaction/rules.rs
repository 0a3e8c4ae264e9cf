//! The rules in `redaction.toml`: which kinds are masked in which collections, and which roles are
//! exempt.

use super::{PersonalDataKind, PersonalDataSpan, detect};
use crate::error::PolicyError;
use cloister_domain::{FileHash, Role};
use serde::Deserialize;

const DEFAULT: &str = include_str!("../../redaction.toml");

/// The redaction rules of a site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redaction {
    #[serde(default)]
    records: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default, rename = "rule")]
    rules: Vec<RedactionRule>,
    /// SHA-256 of the file.
    #[serde(skip)]
    hash: Option<FileHash>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedactionRule {
    kinds: Vec<PersonalDataKind>,
    collections: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
}

impl Redaction {
    /// Loads the compiled-in rules.
    pub fn load_default() -> Result<Self, PolicyError> {
        Self::parse(DEFAULT)
    }

    /// Parses rules. Unknown keys, kinds and roles are errors, and so are patterns that would match
    /// almost everything.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut rules: Self = toml::from_str(text).map_err(PolicyError::invalid)?;
        rules.hash = Some(FileHash::digest(text.as_bytes()));
        let mut exempt = rules.rules.iter().flat_map(|rule| &rule.except);
        if let Some(name) = exempt.find(|name| parse_role(name).is_none()) {
            return Err(PolicyError::invalid(format!("`{name}` is not a role")));
        }
        if let Some(pattern) = rules.records.iter().find(|p| !is_specific(p)) {
            return Err(PolicyError::invalid(format!(
                "the record pattern `{pattern}` has fewer than four `#` or `@`, or begins with a sign"
            )));
        }
        Ok(rules)
    }

    /// SHA-256 of the file with the rules.
    pub fn hash(&self) -> Option<&FileHash> {
        self.hash.as_ref()
    }

    /// Whether this kind is masked in this collection for a person with these roles: a rule lists
    /// it, and exempts none of the roles.
    pub fn masks(&self, kind: PersonalDataKind, collection: &str, roles: &[Role]) -> bool {
        self.rules.iter().any(|rule| {
            let applies = rule
                .collections
                .iter()
                .any(|name| name == "*" || name == collection);
            let mut exempt = rule.except.iter().filter_map(|name| parse_role(name));
            applies && rule.kinds.contains(&kind) && !exempt.any(|role| roles.contains(&role))
        })
    }

    /// The spans of a text that are masked in this collection for a person with these roles.
    pub fn spans_to_mask(
        &self,
        text: &str,
        collection: &str,
        roles: &[Role],
    ) -> Vec<PersonalDataSpan> {
        self.detect(text, |kind| self.masks(kind, collection, roles))
    }

    /// All personal data in a text, whether it is masked or not.
    pub fn find(&self, text: &str) -> Vec<PersonalDataSpan> {
        self.detect(text, |_| true)
    }

    fn detect(
        &self,
        text: &str,
        wanted: impl Fn(PersonalDataKind) -> bool,
    ) -> Vec<PersonalDataSpan> {
        detect::detect(text, wanted, &self.records, &self.names)
    }
}

fn parse_role(name: &str) -> Option<Role> {
    name.parse().ok()
}

/// Whether a record pattern is specific enough: it starts with a placeholder, a letter or a digit,
/// and has at least four placeholders.
fn is_specific(pattern: &str) -> bool {
    let placeholders = pattern.chars().filter(|c| matches!(c, '#' | '@')).count();
    placeholders >= 4
        && pattern.starts_with(|c: char| c.is_ascii_alphanumeric() || "#@".contains(c))
}
