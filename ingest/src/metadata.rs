//! Metadata that a site gives its documents: in a `document.toml` in the same folder, or in the
//! front matter of a Markdown file.
//!
//! ```toml
//! classification = "internal"          # of every file in this folder
//! tags = ["cardiology"]
//!
//! ["heart-failure.pdf"]                # of this one
//! title = "Heart failure, adults"
//! effective = 2026-03-01
//! ```

use cloister_domain::{Day, DocumentMetadata};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The name of the file with the metadata of its folder.
pub const FILE_NAME: &str = "document.toml";
/// Maximum size of that file.
pub const MAX_BYTES: u64 = 1 << 20;

/// The content of a `document.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderMetadata {
    folder: DocumentMetadata,
    files: BTreeMap<String, DocumentMetadata>,
}

impl FolderMetadata {
    /// Parses a `document.toml`. The error is a sentence for the author of the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut table: Table = toml::from_str(text).map_err(|cause| to_one_line(&cause))?;
        let named: Vec<String> = table
            .iter()
            .filter(|(_, value)| value.is_table())
            .map(|(name, _)| name.clone())
            .collect();
        let mut files = BTreeMap::new();
        for name in named {
            if let Some(Value::Table(named)) = table.remove(&name) {
                let metadata =
                    parse_table(named).map_err(|cause| format!("of `{name}`: {cause}"))?;
                files.insert(name, metadata);
            }
        }
        let folder = parse_table(table)?;
        if folder.title.is_some() {
            return Err("a title belongs to one file: write it under `[\"file.pdf\"]`".to_owned());
        }
        Ok(Self { folder, files })
    }

    /// The metadata of the file with this name in the folder: its own, else the folder's.
    pub fn for_file(&self, name: &str) -> DocumentMetadata {
        let own = self.files.get(name).cloned().unwrap_or_default();
        own.or(self.folder.clone())
    }
}

/// Parses the metadata of one file or folder.
fn parse_table(mut table: Table) -> Result<DocumentMetadata, String> {
    // A day may be written with or without quotes.
    if let Some(day) = table.get_mut("effective")
        && let Value::Datetime(date) = day
    {
        *day = Value::String(date.to_string());
    }
    DocumentMetadata::deserialize(Value::Table(table)).map_err(|cause| to_one_line(&cause))
}

fn to_one_line(cause: &dyn std::fmt::Display) -> String {
    let lines = cause.to_string();
    let words: Vec<&str> = lines.split_whitespace().collect();
    words.join(" ")
}

/// Parses the `key: value` lines of front matter. Unknown keys belong to other programs and are
/// ignored.
pub fn parse_front_matter(lines: &str) -> DocumentMetadata {
    let mut metadata = DocumentMetadata::default();
    let mut in_tags = false;
    for line in lines.lines() {
        if let Some(item) = line.trim().strip_prefix("- ").filter(|_| in_tags) {
            metadata.tags.push(unquote(item));
            continue;
        }
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = unquote(value);
        in_tags = key.trim() == "tags";
        match key.trim() {
            "title" if !value.is_empty() => metadata.title = Some(value),
            "effective" | "effective_date" | "date" => {
                metadata.effective = Day::try_from(value).ok();
            }
            "classification" if !value.is_empty() => metadata.classification = Some(value),
            "tags" => metadata.tags = parse_list(&value),
            _ => {}
        }
    }
    metadata
}

/// `[a, b]` or `a, b`.
fn parse_list(value: &str) -> Vec<String> {
    let inner = value.trim_start_matches('[').trim_end_matches(']');
    let items = inner.split(',').map(unquote);
    items.filter(|item| !item.is_empty()).collect()
}

fn unquote(value: &str) -> String {
    value.trim().trim_matches(['"', '\'']).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_own_metadata_and_that_of_its_folder() {
        let folder = FolderMetadata::parse(
            "classification = \"internal\"\ntags = [\"cardiology\"]\n\
             [\"hf.pdf\"]\ntitle = \"Heart failure\"\neffective = 2026-03-01\n",
        )
        .unwrap();
        let own = folder.for_file("hf.pdf");
        assert_eq!(own.title.as_deref(), Some("Heart failure"));
        assert_eq!(own.effective.unwrap().to_string(), "2026-03-01");
        assert_eq!(own.classification.as_deref(), Some("internal"));
        assert_eq!(folder.for_file("other.pdf").tags, ["cardiology"]);
        assert_eq!(folder.for_file("other.pdf").title, None);
    }

    #[test]
    fn an_error_names_the_mistake() {
        let wrong = [
            ("efective = 2026-03-01", "unknown field `efective`"),
            ("effective = \"March\"", "`March` is not a day"),
            ("title = \"All of them\"", "a title belongs to one file"),
            ("[\"a.pdf\"]\ntag = 1", "of `a.pdf`"),
            ("= 1", "TOML parse error at line 1"),
        ];
        for (text, says) in wrong {
            let cause = FolderMetadata::parse(text).unwrap_err();
            assert!(cause.contains(says), "{text}: {cause}");
        }
    }

    #[test]
    fn unknown_front_matter_is_ignored() {
        let metadata = parse_front_matter(
            "title: \"Falls\"\nlayout: page\neffective_date: 2025-01-31\ntags:\n  - ward\n  - safety\n",
        );
        assert_eq!(metadata.title.as_deref(), Some("Falls"));
        assert_eq!(metadata.effective.unwrap().to_string(), "2025-01-31");
        assert_eq!(metadata.tags, ["ward", "safety"]);
        assert_eq!(parse_front_matter("tags: [a, 'b c']").tags, ["a", "b c"]);
    }
}
