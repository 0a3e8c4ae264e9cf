//! What a site says about its documents: a `document.toml` beside them, or the first lines of one.
//!
//! ```toml
//! classification = "internal"          # of every file in this folder
//! tags = ["cardiology"]
//!
//! ["heart-failure.pdf"]                # of this one
//! title = "Heart failure, adults"
//! effective = 2026-03-01
//! ```

use cloister_domain::{Day, Labels};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The name of the file that labels its folder.
pub const FILE: &str = "document.toml";
/// A longer one is refused.
pub const MOST_BYTES: u64 = 1 << 20;

/// What a `document.toml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderLabels {
    folder: Labels,
    files: BTreeMap<String, Labels>,
}

impl FolderLabels {
    /// Reads a `document.toml`. The error is a sentence for whoever wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut table: Table = toml::from_str(text).map_err(|cause| one_line(&cause))?;
        let named: Vec<String> = table
            .iter()
            .filter(|(_, value)| value.is_table())
            .map(|(name, _)| name.clone())
            .collect();
        let mut files = BTreeMap::new();
        for name in named {
            if let Some(Value::Table(said)) = table.remove(&name) {
                let said = labels(said).map_err(|cause| format!("of `{name}`: {cause}"))?;
                files.insert(name, said);
            }
        }
        let folder = labels(table)?;
        if folder.title.is_some() {
            return Err("a title belongs to one file: write it under `[\"file.pdf\"]`".to_owned());
        }
        Ok(Self { folder, files })
    }

    /// What it says of the file of this name in its folder.
    pub fn of(&self, name: &str) -> Labels {
        let own = self.files.get(name).cloned().unwrap_or_default();
        own.or(self.folder.clone())
    }
}

fn labels(mut said: Table) -> Result<Labels, String> {
    if let Some(day) = said.get_mut("effective") {
        // A day may be written with or without quotes.
        if let Value::Datetime(date) = day {
            *day = Value::String(date.to_string());
        }
    }
    Labels::deserialize(Value::Table(said)).map_err(|cause| one_line(&cause))
}

fn one_line(cause: &dyn std::fmt::Display) -> String {
    let lines = cause.to_string();
    let words: Vec<&str> = lines.split_whitespace().collect();
    words.join(" ")
}

/// Reads the `key: value` lines between the dashes at the top of a text. What it does not know is
/// for other programs.
pub fn front_matter(lines: &str) -> Labels {
    let mut labels = Labels::default();
    let mut in_tags = false;
    for line in lines.lines() {
        if let Some(item) = line.trim().strip_prefix("- ").filter(|_| in_tags) {
            labels.tags.push(unquoted(item));
            continue;
        }
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = unquoted(value);
        in_tags = key.trim() == "tags";
        match key.trim() {
            "title" if !value.is_empty() => labels.title = Some(value),
            "effective" | "effective_date" | "date" => labels.effective = Day::try_from(value).ok(),
            "classification" if !value.is_empty() => labels.classification = Some(value),
            "tags" => labels.tags = listed(&value),
            _ => {}
        }
    }
    labels
}

/// `[a, b]` or `a, b`.
fn listed(value: &str) -> Vec<String> {
    let inner = value.trim_start_matches('[').trim_end_matches(']');
    let items = inner.split(',').map(unquoted);
    items.filter(|item| !item.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    value.trim().trim_matches(['"', '\'']).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_own_labels_and_those_of_its_folder() {
        let said = FolderLabels::parse(
            "classification = \"internal\"\ntags = [\"cardiology\"]\n\
             [\"hf.pdf\"]\ntitle = \"Heart failure\"\neffective = 2026-03-01\n",
        )
        .unwrap();
        let own = said.of("hf.pdf");
        assert_eq!(own.title.as_deref(), Some("Heart failure"));
        assert_eq!(own.effective.unwrap().to_string(), "2026-03-01");
        assert_eq!(own.classification.as_deref(), Some("internal"));
        assert_eq!(said.of("other.pdf").tags, ["cardiology"]);
        assert_eq!(said.of("other.pdf").title, None);
    }

    #[test]
    fn a_mistake_is_named() {
        let wrong = [
            ("efective = 2026-03-01", "unknown field `efective`"),
            ("effective = \"March\"", "`March` is not a day"),
            ("title = \"All of them\"", "a title belongs to one file"),
            ("[\"a.pdf\"]\ntag = 1", "of `a.pdf`"),
            ("= 1", "TOML parse error at line 1"),
        ];
        for (text, says) in wrong {
            let cause = FolderLabels::parse(text).unwrap_err();
            assert!(cause.contains(says), "{text}: {cause}");
        }
    }

    #[test]
    fn front_matter_is_read_as_far_as_it_is_known() {
        let labels = front_matter(
            "title: \"Falls\"\nlayout: page\neffective_date: 2025-01-31\ntags:\n  - ward\n  - safety\n",
        );
        assert_eq!(labels.title.as_deref(), Some("Falls"));
        assert_eq!(labels.effective.unwrap().to_string(), "2025-01-31");
        assert_eq!(labels.tags, ["ward", "safety"]);
        assert_eq!(front_matter("tags: [a, 'b c']").tags, ["a", "b c"]);
    }
}
