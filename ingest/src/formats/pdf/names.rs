//! What a PDF calls by name: places that its outline points to, and files that lie inside it.

use crate::formats::sections::plain_spaces;
use lopdf::{Dictionary, Document, Object, ObjectId, decode_text_string};
use std::collections::{HashMap, HashSet};

/// Names beyond these are left out.
const MOST_NAMES: usize = 50_000;
/// Trees of names are this deep at most.
const DEEPEST: usize = 32;
/// The most that an attached file may inflate to, and all of them.
const FILE_BYTES: usize = 48 << 20;
const ALL_BYTES: usize = 96 << 20;
/// Attached files beyond these are left out.
const MOST_FILES: usize = 1_000;

/// A tree of names (ISO 32000-1, 7.9.6), flat.
struct Names<'a> {
    document: &'a Document,
    seen: HashSet<ObjectId>,
    found: Vec<(Vec<u8>, &'a Object)>,
}

impl<'a> Names<'a> {
    fn of(document: &'a Document, kind: &[u8]) -> Vec<(Vec<u8>, &'a Object)> {
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
        // Hostile trees run in circles, so each node is met once.
        let Ok((id, node)) = self.document.dereference(node) else {
            return;
        };
        let is_new = id.is_none_or(|id| self.seen.insert(id));
        let Ok(node) = node.as_dict() else {
            return;
        };
        if depth > DEEPEST || !is_new || self.found.len() > MOST_NAMES {
            return;
        }
        for pair in array(self.document, node, b"Names").chunks(2) {
            if let [Object::String(name, _), value] = pair {
                self.found.push((name.clone(), value));
            }
        }
        for kid in array(self.document, node, b"Kids") {
            self.node(kid, depth + 1);
        }
    }
}

fn array<'a>(document: &'a Document, node: &'a Dictionary, key: &[u8]) -> &'a [Object] {
    let found = node.get_deref(key, document);
    let found = found.ok().and_then(|found| found.as_array().ok());
    found.map_or(&[], Vec::as_slice)
}

/// The places that have names: each with what stands for it.
pub fn destinations(document: &Document) -> HashMap<Vec<u8>, &Object> {
    let mut found: HashMap<_, _> = Names::of(document, b"Dests").into_iter().collect();
    // Before PDF 1.2, they stood in a dictionary.
    let old = document.catalog().ok().and_then(|catalog| {
        let old = catalog.get_deref(b"Dests", document).ok()?;
        old.as_dict().ok()
    });
    for (name, place) in old.into_iter().flat_map(|old| old.iter()).take(MOST_NAMES) {
        found.insert(name.clone(), place);
    }
    found
}

/// The files that lie inside, by name: those of the document, and those that remarks hold.
pub fn files(document: &Document) -> Vec<(String, Vec<u8>)> {
    let named = Names::of(document, b"EmbeddedFiles");
    let named = named.into_iter().map(|(_, file)| file);
    let pages = document.get_pages();
    let remarked = pages
        .values()
        .filter_map(|page| document.get_dictionary(*page).ok());
    let remarked = remarked
        .flat_map(|page| array(document, page, b"Annots"))
        .filter_map(|remark| document.dereference(remark).ok()?.1.as_dict().ok())
        .filter_map(|remark| remark.get(b"FS").ok());
    let mut room = ALL_BYTES;
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for file in named.chain(remarked).take(MOST_FILES) {
        let Some((id, name, stream)) = find(document, file) else {
            continue;
        };
        if !seen.insert(id) {
            continue;
        }
        if let Ok(bytes) = stream.decompressed_content_with_limit(FILE_BYTES.min(room)) {
            room = room.saturating_sub(bytes.len());
            files.push((name, bytes));
        }
    }
    files
}

fn find<'a>(
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
    let name = plain_spaces(&name.unwrap_or_default());
    Some((id?, name, stream.as_stream().ok()?))
}
