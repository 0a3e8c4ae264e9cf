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
use unicode_normalization::UnicodeNormalization;

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
                files.insert(one_form(&name), metadata);
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
        let own = self.files.get(&one_form(name)).cloned().unwrap_or_default();
        own.or(self.folder.clone())
    }
}

/// A name in one form: a letter may be written as one sign or as two, and systems differ in this.
fn one_form(name: &str) -> String {
    name.nfc().collect()
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

/// Keys that front matter has. Lines with other keys alone are text.
const FRONT_MATTER_KEYS: &[&str] = &[
    "title",
    "subtitle",
    "date",
    "effective",
    "effective_date",
    "effective-date",
    "classification",
    "tags",
    "author",
    "authors",
    "layout",
    "draft",
    "weight",
    "slug",
    "categories",
    "category",
    "lang",
    "language",
    "description",
    "summary",
    "keywords",
    "status",
    "version",
    "owner",
    "id",
    "permalink",
    "published",
    "updated",
    "lastmod",
    "created",
    "type",
    "template",
    "toc",
    "format",
    "aliases",
    "url",
    "image",
    "menu",
    "nav_order",
    "parent",
    "expires",
    "review",
    "approved",
];

/// Cuts front matter off the beginning of a text: YAML between lines of dashes, TOML between lines of
/// plus signs, or a JSON object. Returns it with the text that follows. Only the first line of a file
/// begins front matter; anywhere else, such lines are rules.
pub fn split_front_matter(text: &str) -> (DocumentMetadata, &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let found = match text.lines().next().map(str::trim_end) {
        Some("---" | "---yaml" | "--- yaml") => split_fenced(text, &["---", "..."])
            .filter(|(inside, _)| is_front_matter(inside))
            .map(|(inside, rest)| (parse_front_matter(inside), rest)),
        Some("+++" | "---toml") => split_fenced(text, &["+++", "---"])
            .and_then(|(inside, rest)| Some((parse_toml_front_matter(inside)?, rest))),
        Some(";;;" | "---json") => split_fenced(text, &[";;;", "---"])
            .and_then(|(inside, rest)| Some((parse_json_front_matter(inside)?.0, rest))),
        Some(first) if first.starts_with('{') => parse_json_front_matter(text)
            .and_then(|(metadata, length)| Some((metadata, text.get(length..)?))),
        _ => None,
    };
    found.unwrap_or_else(|| (DocumentMetadata::default(), text))
}

/// The lines between the first line and the next one that is a fence, and the text after it.
fn split_fenced<'t>(text: &'t str, fences: &[&str]) -> Option<(&'t str, &'t str)> {
    let start = text.find('\n')? + 1;
    let mut at = start;
    for line in text.get(start..)?.split_inclusive('\n') {
        if fences.contains(&line.trim_end()) {
            return Some((text.get(start..at)?, text.get(at + line.len()..)?));
        }
        at += line.len();
    }
    None
}

/// Whether the lines are keys with values, at least one of which is a key of front matter.
fn is_front_matter(lines: &str) -> bool {
    let mut known = lines.trim().is_empty();
    for line in lines.lines() {
        let inner = line.trim();
        let continues =
            line.starts_with([' ', '\t']) || inner.starts_with("- ") || inner.starts_with('#');
        if inner.is_empty() || continues || inner == "-" || inner.starts_with([']', '}']) {
            continue;
        }
        let Some((key, _)) = inner.split_once(':') else {
            return false;
        };
        let key = unquote(key).to_lowercase();
        known |= FRONT_MATTER_KEYS.contains(&key.as_str());
    }
    known
}

fn parse_toml_front_matter(lines: &str) -> Option<DocumentMetadata> {
    let table: Table = toml::from_str(lines).ok()?;
    let tags = table.get("tags").and_then(Value::as_array);
    let tags = tags
        .into_iter()
        .flatten()
        .filter_map(|tag| tag.as_str().map(str::to_owned));
    Some(gather(|key| toml_text(&table, key), tags.collect()))
}

/// The value of a key as text.
fn toml_text(table: &Table, key: &str) -> Option<String> {
    match table.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Datetime(date) => Some(date.to_string()),
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Array(_)
        | Value::Table(_) => None,
    }
}

/// Parses a JSON object at the beginning of a text, and returns its length too.
fn parse_json_front_matter(text: &str) -> Option<(DocumentMetadata, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    let value = values.next()?.ok()?;
    let object = value.as_object()?;
    let known = object
        .keys()
        .any(|key| FRONT_MATTER_KEYS.contains(&key.to_lowercase().as_str()));
    let tags = object.get("tags").and_then(|tags| tags.as_array());
    let tags = tags
        .into_iter()
        .flatten()
        .filter_map(|tag| tag.as_str().map(str::to_owned));
    let metadata = gather(
        |key| object.get(key)?.as_str().map(str::to_owned),
        tags.collect(),
    );
    known.then_some((metadata, values.byte_offset()))
}

fn gather(text: impl Fn(&str) -> Option<String>, tags: Vec<String>) -> DocumentMetadata {
    let effective = ["effective", "effective_date", "effective-date"]
        .into_iter()
        .find_map(&text);
    DocumentMetadata {
        title: text("title").filter(|title| !title.trim().is_empty()),
        effective: effective.and_then(|day| parse_front_day(&day)),
        classification: text("classification").filter(|word| !word.trim().is_empty()),
        tags,
    }
}

/// A day, or the day of a time.
fn parse_front_day(value: &str) -> Option<Day> {
    Day::try_from(value.get(..10).unwrap_or(value).to_owned()).ok()
}

/// Parses the `key: value` lines of front matter. Unknown keys belong to other programs and are
/// ignored. A `date` says when a text was written or is published, and not from when it holds.
pub fn parse_front_matter(lines: &str) -> DocumentMetadata {
    let mut metadata = DocumentMetadata::default();
    let mut in_tags = false;
    for line in lines.lines() {
        if let Some(item) = line.trim().strip_prefix("- ").filter(|_| in_tags) {
            metadata.tags.push(unquote(item));
            continue;
        }
        // Indented lines belong to the value above them.
        let Some((key, value)) = line
            .split_once(':')
            .filter(|_| !line.starts_with([' ', '\t']))
        else {
            continue;
        };
        let value = unquote(without_comment(value));
        let key = unquote(key).to_lowercase();
        in_tags = key == "tags";
        match key.as_str() {
            "title" if !value.is_empty() => metadata.title = Some(value),
            "effective" | "effective_date" | "effective-date" => {
                metadata.effective = parse_front_day(&value);
            }
            "classification" if !value.is_empty() => metadata.classification = Some(value),
            "tags" => metadata.tags = parse_list(&value),
            _ => {}
        }
    }
    metadata
}

/// The value without a comment of YAML behind it.
fn without_comment(value: &str) -> &str {
    let quoted = value.trim_start().starts_with(['"', '\'']);
    match value.find(" #").filter(|_| !quoted) {
        Some(at) => value.get(..at).unwrap_or(value),
        None => value,
    }
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
    fn a_name_matches_in_whatever_form_its_letters_are_written() {
        let folder =
            FolderMetadata::parse("[\"M\u{fc}ller.md\"]\nclassification = \"secret\"\n").unwrap();
        let own = folder.for_file("Mu\u{308}ller.md");
        assert_eq!(own.classification.as_deref(), Some("secret"));
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
    fn front_matter_begins_on_the_first_line_only() {
        for (text, title, rest) in [
            (
                "---\ntitle: Falls # old\ndate: 2031-01-01\n---\nText",
                Some("Falls"),
                "Text",
            ),
            (
                "+++\ntitle = \"Falls\"\ndate = 2031-01-01\n+++\nText",
                Some("Falls"),
                "Text",
            ),
            (
                "{\"title\": \"Falls\", \"date\": \"2031-01-01\"}\nText",
                Some("Falls"),
                "\nText",
            ),
            (
                "---\nGive 2 g.\n---\nText",
                None,
                "---\nGive 2 g.\n---\nText",
            ),
            (
                "---\nWarning: at most 4 g\n---\nText",
                None,
                "---\nWarning: at most 4 g\n---\nText",
            ),
            (
                "# A\n---\ntitle: Falls\n---\n",
                None,
                "# A\n---\ntitle: Falls\n---\n",
            ),
            ("---\ntitle: Falls\nText", None, "---\ntitle: Falls\nText"),
        ] {
            let (metadata, left) = split_front_matter(text);
            assert_eq!((metadata.title.as_deref(), left), (title, rest), "{text}");
            assert_eq!(metadata.effective, None);
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
