//! What a PDF says about itself beside its pages: title, day, outline, what was filled into its
//! form, and the files inside it. Read by lopdf.
//!
//! Nothing here is needed to read the text, so whatever fails is left out.

use super::forms::{self, Field};
use super::names;
use crate::formats::sections::plain_spaces;
use crate::wire::OutlineEntry;
use cloister_domain::Day;
use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId, decode_text_string};
use std::collections::{HashMap, HashSet};

/// The most that any stream of the structure may inflate to.
const STREAM_BYTES: usize = 64 << 20;
/// Entries beyond these are left out.
const MOST_ENTRIES: usize = 20_000;
const DEEPEST: u8 = 12;

/// What was found.
#[derive(Debug, Default)]
pub struct Structure {
    /// The title.
    pub title: Option<String>,
    /// The day of the last change, else of its making.
    pub date: Option<Day>,
    /// The table of contents.
    pub outline: Vec<OutlineEntry>,
    /// What was filled into its form, by page.
    pub fields: HashMap<u32, Vec<Field>>,
    /// The files inside it, by name.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Reads the structure, as far as it can be read.
pub fn read(bytes: &[u8], password: &str) -> Structure {
    let options = LoadOptions {
        password: (!password.is_empty()).then(|| password.to_owned()),
        max_decompressed_size: Some(STREAM_BYTES),
        ..LoadOptions::default()
    };
    let Ok(document) = Document::load_mem_with_options(bytes, options) else {
        return Structure::default();
    };
    Structure {
        title: title(&document),
        date: date(&document),
        outline: Outline::read(&document),
        fields: forms::fields(&document),
        files: names::files(&document),
    }
}

/// A date is written `D:20260301083000+01'00'`.
fn date(document: &Document) -> Option<Day> {
    let info = document.trailer.get_deref(b"Info", document).ok()?;
    let info = info.as_dict().ok()?;
    let dates = [b"ModDate".as_slice(), b"CreationDate".as_slice()];
    dates.into_iter().find_map(|key| {
        let date = text(info.get_deref(key, document).ok()?)?;
        let digits = date.strip_prefix("D:").unwrap_or(&date);
        let (year, month, day) = (digits.get(..4)?, digits.get(4..6)?, digits.get(6..8)?);
        crate::formats::xml::day(&format!("{year}-{month}-{day}"))
    })
}

fn title(document: &Document) -> Option<String> {
    let info = document.trailer.get_deref(b"Info", document).ok()?;
    let title = info.as_dict().ok()?.get_deref(b"Title", document).ok()?;
    text(title).filter(|title| is_title(title))
}

/// Programs that print to PDF write the file's name or their own name where a title belongs.
fn is_title(title: &str) -> bool {
    let lower = title.to_lowercase();
    let ending = [
        ".doc", ".docx", ".pdf", ".indd", ".xls", ".xlsx", ".qxd", ".ppt", ".pptx", ".htm",
    ];
    let of_a_program = lower.starts_with("microsoft word -")
        || lower.starts_with("untitled")
        || ending.iter().any(|ending| lower.ends_with(ending));
    !of_a_program && title.chars().filter(|c| c.is_alphabetic()).count() >= 3
}

fn text(object: &Object) -> Option<String> {
    let text = plain_spaces(&decode_text_string(object).ok()?);
    (!text.is_empty()).then_some(text)
}

struct Outline<'a> {
    document: &'a Document,
    pages: HashMap<ObjectId, u32>,
    named: HashMap<Vec<u8>, &'a Object>,
    seen: HashSet<ObjectId>,
    entries: Vec<OutlineEntry>,
}

impl<'a> Outline<'a> {
    fn read(document: &'a Document) -> Vec<OutlineEntry> {
        let root = document
            .catalog()
            .ok()
            .and_then(|catalog| document.get_dict_in_dict(catalog, b"Outlines").ok());
        let Some(root) = root else {
            return Vec::new();
        };
        let pages = document.get_pages().into_iter().map(|(n, id)| (id, n));
        let mut outline = Self {
            document,
            pages: pages.collect(),
            named: names::destinations(document),
            seen: HashSet::new(),
            entries: Vec::new(),
        };
        outline.siblings(root, 1);
        outline.entries
    }

    /// The children of `parent`. Hostile outlines run in circles, so each entry is met once.
    fn siblings(&mut self, parent: &'a Dictionary, level: u8) {
        let mut next = parent.get(b"First").and_then(Object::as_reference).ok();
        while let Some(id) = next {
            if level > DEEPEST || self.entries.len() >= MOST_ENTRIES || !self.seen.insert(id) {
                return;
            }
            let Ok(entry) = self.document.get_dictionary(id) else {
                return;
            };
            if let Some(title) = entry.get_deref(b"Title", self.document).ok().and_then(text) {
                let page = self.page(entry).unwrap_or(0);
                self.entries.push(OutlineEntry { level, title, page });
            }
            self.siblings(entry, level.saturating_add(1));
            next = entry.get(b"Next").and_then(Object::as_reference).ok();
        }
    }

    /// The page of a destination, which is written out or called by name.
    fn page(&self, entry: &'a Dictionary) -> Option<u32> {
        let destination = entry.get_deref(b"Dest", self.document).or_else(|_| {
            let action = self.document.get_dict_in_dict(entry, b"A")?;
            action.get_deref(b"D", self.document)
        });
        let mut destination = destination.ok()?;
        if let Object::String(name, _) | Object::Name(name) = destination {
            destination = self.document.dereference(self.named.get(name)?).ok()?.1;
        }
        if let Ok(described) = destination.as_dict() {
            destination = described.get_deref(b"D", self.document).ok()?;
        }
        let target = destination.as_array().ok()?.first()?;
        self.pages.get(&target.as_reference().ok()?).copied()
    }
}
