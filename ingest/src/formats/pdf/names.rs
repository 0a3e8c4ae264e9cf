//! Name trees of a PDF: named destinations of its outline, and embedded files.

use crate::formats::common::whitespace::normalize_whitespace;
use lopdf::{Dictionary, Document, Object, ObjectId, decode_text_string};
use std::collections::{HashMap, HashSet};

/// Maximum number of names.
const MAX_NAMES: usize = 50_000;
/// Maximum depth of a name tree.
const MAX_DEPTH: usize = 32;
/// Maximum decompressed size of an embedded file, and of all embedded files.
const MAX_FILE_BYTES: usize = 48 << 20;
const MAX_TOTAL_BYTES: usize = 96 << 20;
/// Maximum number of embedded files.
const MAX_FILES: usize = 1_000;

/// Flattens a name tree (ISO 32000-1, 7.9.6).
struct NameTree<'a> {
    document: &'a Document,
    seen: HashSet<ObjectId>,
    found: Vec<(Vec<u8>, &'a Object)>,
}

impl<'a> NameTree<'a> {
    fn flatten(document: &'a Document, kind: &[u8]) -> Vec<(Vec<u8>, &'a Object)> {
        let mut names = Self {
            document,
            seen: HashSet::new(),
            found: Vec::new(),
        };
        let root = document.catalog().ok().and_then(|catalog| {
            let all = catalog.get_deref(b"Names", document).ok()?;
            all.as_dict().ok()?.get(kind).ok()
        });
        if let Some(root) = root {
            names.node(root, 0);
        }
        names.found
    }

    fn node(&mut self, node: &'a Object, depth: usize) {
        // Hostile trees have cycles, so each node is visited once.
        let Ok((id, node)) = self.document.dereference(node) else {
            return;
        };
        let is_new = id.is_none_or(|id| self.seen.insert(id));
        let Ok(node) = node.as_dict() else {
            return;
        };
        if depth > MAX_DEPTH || !is_new || self.found.len() > MAX_NAMES {
            return;
        }
        for pair in get_array(self.document, node, b"Names").chunks(2) {
            if let [Object::String(name, _), value] = pair {
                self.found.push((name.clone(), value));
            }
        }
        for kid in get_array(self.document, node, b"Kids") {
            self.node(kid, depth + 1);
        }
    }
}

fn get_array<'a>(document: &'a Document, node: &'a Dictionary, key: &[u8]) -> &'a [Object] {
    let found = node.get_deref(key, document);
    let found = found.ok().and_then(|found| found.as_array().ok());
    found.map_or(&[], Vec::as_slice)
}

/// The named destinations.
pub fn destinations(document: &Document) -> HashMap<Vec<u8>, &Object> {
    let mut found: HashMap<_, _> = NameTree::flatten(document, b"Dests").into_iter().collect();
    // Before PDF 1.2, destinations were in a dictionary.
    let old = document.catalog().ok().and_then(|catalog| {
        let old = catalog.get_deref(b"Dests", document).ok()?;
        old.as_dict().ok()
    });
    for (name, place) in old.into_iter().flat_map(|old| old.iter()).take(MAX_NAMES) {
        found.insert(name.clone(), place);
    }
    found
}

/// The embedded files with their names: those of the document, and those of annotations.
pub fn embedded_files(document: &Document) -> Vec<(String, Vec<u8>)> {
    let named = NameTree::flatten(document, b"EmbeddedFiles");
    let named = named.into_iter().map(|(_, file)| file);
    let pages = document.get_pages();
    let annotated = pages
        .values()
        .filter_map(|page| document.get_dictionary(*page).ok());
    let annotated = annotated
        .flat_map(|page| get_array(document, page, b"Annots"))
        .filter_map(|annotation| document.dereference(annotation).ok()?.1.as_dict().ok())
        .filter_map(|annotation| annotation.get(b"FS").ok());
    let mut remaining_bytes = MAX_TOTAL_BYTES;
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for file in named.chain(annotated).take(MAX_FILES) {
        let Some((id, name, stream)) = find_file(document, file) else {
            continue;
        };
        if !seen.insert(id) {
            continue;
        }
        if let Ok(bytes) =
            stream.decompressed_content_with_limit(MAX_FILE_BYTES.min(remaining_bytes))
        {
            remaining_bytes = remaining_bytes.saturating_sub(bytes.len());
            files.push((name, bytes));
        }
    }
    files
}

fn find_file<'a>(
    document: &'a Document,
    file: &'a Object,
) -> Option<(ObjectId, String, &'a lopdf::Stream)> {
    let file = document.dereference(file).ok()?.1.as_dict().ok()?;
    let held = file.get_deref(b"EF", document).ok()?.as_dict().ok()?;
    let stream = held.get(b"UF").or_else(|_| held.get(b"F")).ok()?;
    let (id, stream) = document.dereference(stream).ok()?;
    let name = file.get_deref(b"UF", document);
    let name = name.or_else(|_| file.get_deref(b"F", document)).ok();
    let name = name.and_then(|name| decode_text_string(name).ok());
    let name = normalize_whitespace(&name.unwrap_or_default());
    Some((id?, name, stream.as_stream().ok()?))
}
