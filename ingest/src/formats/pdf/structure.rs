//! The structure of a PDF: title, date, outline, form fields and embedded files, read by lopdf.
//!
//! The text can be read without the structure, so invalid parts are left out.

use super::annotations::{self, PageAnnotations};
use super::forms::{self, FormField};
use super::names;
use super::xfa::{self, XfaForm};
use crate::formats::common::whitespace::normalize_whitespace;
use crate::wire::OutlineEntry;
use cloister_domain::Day;
use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId, decode_text_string};
use std::collections::{HashMap, HashSet};

/// Maximum decompressed size of a stream.
const MAX_STREAM_BYTES: usize = 64 << 20;
/// Maximum number of outline entries.
const MAX_ENTRIES: usize = 20_000;
const MAX_DEPTH: u8 = 12;

/// The structure of a document.
#[derive(Debug, Default)]
pub struct PdfStructure {
    /// The title.
    pub title: Option<String>,
    /// The day of the last change, or of the creation.
    pub date: Option<Day>,
    /// The table of contents.
    pub outline: Vec<OutlineEntry>,
    /// The filled form fields, by page.
    pub fields: HashMap<u32, Vec<FormField>>,
    /// The annotations, by page.
    pub annotations: HashMap<u32, PageAnnotations>,
    /// The form in XML, if the file is one.
    pub xfa: Option<XfaForm>,
    /// The embedded files, with their names.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Reads the structure, as far as it is valid.
pub fn read_structure(bytes: &[u8], password: &str) -> PdfStructure {
    let options = LoadOptions {
        password: (!password.is_empty()).then(|| password.to_owned()),
        max_decompressed_size: Some(MAX_STREAM_BYTES),
        ..LoadOptions::default()
    };
    let Ok(document) = Document::load_mem_with_options(bytes, options) else {
        return PdfStructure::default();
    };
    PdfStructure {
        title: read_title(&document),
        date: read_date(&document),
        outline: OutlineReader::read_entries(&document),
        fields: forms::read_fields(&document),
        annotations: annotations::read_annotations(&document),
        xfa: xfa::read_form(&document),
        files: names::embedded_files(&document),
    }
}

/// Reads a date, which has the form `D:20260301083000+01'00'`.
fn read_date(document: &Document) -> Option<Day> {
    let info = document.trailer.get_deref(b"Info", document).ok()?;
    let info = info.as_dict().ok()?;
    let dates = [b"ModDate".as_slice(), b"CreationDate".as_slice()];
    dates.into_iter().find_map(|key| {
        let date = decode_text(info.get_deref(key, document).ok()?)?;
        let digits = date.strip_prefix("D:").unwrap_or(&date);
        let (year, month, day) = (digits.get(..4)?, digits.get(4..6)?, digits.get(6..8)?);
        crate::formats::common::xml::parse_day(&format!("{year}-{month}-{day}"))
    })
}

fn read_title(document: &Document) -> Option<String> {
    let info = document.trailer.get_deref(b"Info", document).ok()?;
    let title = info.as_dict().ok()?.get_deref(b"Title", document).ok()?;
    decode_text(title).filter(|title| is_meaningful_title(title))
}

/// Whether a title is meaningful. Programs that print to PDF use the file's name or their own name.
fn is_meaningful_title(title: &str) -> bool {
    let lower = title.to_lowercase();
    let ending = [
        ".doc", ".docx", ".pdf", ".indd", ".xls", ".xlsx", ".qxd", ".ppt", ".pptx", ".htm",
    ];
    let of_a_program = lower.starts_with("microsoft word -")
        || lower.starts_with("untitled")
        || ending.iter().any(|ending| lower.ends_with(ending));
    !of_a_program && title.chars().filter(|c| c.is_alphabetic()).count() >= 3
}

fn decode_text(object: &Object) -> Option<String> {
    let text = normalize_whitespace(&decode_text_string(object).ok()?);
    (!text.is_empty()).then_some(text)
}

struct OutlineReader<'a> {
    document: &'a Document,
    pages: HashMap<ObjectId, u32>,
    named: HashMap<Vec<u8>, &'a Object>,
    seen: HashSet<ObjectId>,
    entries: Vec<OutlineEntry>,
}

impl<'a> OutlineReader<'a> {
    fn read_entries(document: &'a Document) -> Vec<OutlineEntry> {
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

    /// Reads the children of `parent`. Hostile outlines have cycles, so each entry is visited once.
    fn siblings(&mut self, parent: &'a Dictionary, level: u8) {
        let mut next = parent.get(b"First").and_then(Object::as_reference).ok();
        while let Some(id) = next {
            if level > MAX_DEPTH || self.entries.len() >= MAX_ENTRIES || !self.seen.insert(id) {
                return;
            }
            let Ok(entry) = self.document.get_dictionary(id) else {
                return;
            };
            if let Some(title) = entry
                .get_deref(b"Title", self.document)
                .ok()
                .and_then(decode_text)
            {
                let page = self.page(entry).unwrap_or(0);
                self.entries.push(OutlineEntry { level, title, page });
            }
            self.siblings(entry, level.saturating_add(1));
            next = entry.get(b"Next").and_then(Object::as_reference).ok();
        }
    }

    /// The page of a destination, which is explicit or named.
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
