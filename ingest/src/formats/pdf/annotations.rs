//! What people wrote onto the pages of a PDF (ISO 32000-1, 12.5.6): free text, remarks, stamps, and
//! text that they struck out.

use super::forms::{FormField, parse_rect};
use crate::formats::common::whitespace::normalize_whitespace;
use cloister_domain::Rect;
use hayro_interpret::kurbo::{self, Affine};
use lopdf::{Dictionary, Document, Object, decode_text_string};
use std::collections::HashMap;

/// Maximum number of annotations of a file.
const MAX_ANNOTATIONS: usize = 20_000;
/// Flags (12.5.3): the annotation is hidden, or not shown on the screen.
const IS_HIDDEN: i64 = 2 | 32;

/// The annotations of a page.
#[derive(Clone, Debug, Default)]
pub struct PageAnnotations {
    /// Texts, with a word for what they are as their names.
    pub texts: Vec<FormField>,
    /// Areas whose text is struck out, in the page's own coordinates: x0, y0, x1, y1.
    pub struck: Vec<[f64; 4]>,
}

impl PageAnnotations {
    /// The areas whose text is struck out, on the page as displayed.
    pub fn struck_areas(&self, to_page: Affine) -> Vec<Rect> {
        let placed = self.struck.iter().map(|[x0, y0, x1, y1]| {
            to_page.transform_rect_bbox(kurbo::Rect::new(*x0, *y0, *x1, *y1).abs())
        });
        placed
            .filter(kurbo::Rect::is_finite)
            .map(super::glyphs::display)
            .collect()
    }
}

/// The annotations of each page, by page number.
pub fn read_annotations(document: &Document) -> HashMap<u32, PageAnnotations> {
    let mut found: HashMap<u32, PageAnnotations> = HashMap::new();
    let mut count = 0;
    for (number, page) in document.get_pages() {
        let listed = document.get_dictionary(page).ok().and_then(|page| {
            let listed = page.get_deref(b"Annots", document).ok()?;
            listed.as_array().ok()
        });
        for annotation in listed.into_iter().flatten() {
            count += 1;
            if count > MAX_ANNOTATIONS {
                return found;
            }
            let Ok((_, annotation)) = document.dereference(annotation) else {
                continue;
            };
            if let Ok(annotation) = annotation.as_dict() {
                add(document, annotation, found.entry(number).or_default());
            }
        }
    }
    found.retain(|_, page| !page.texts.is_empty() || !page.struck.is_empty());
    found
}

fn add(document: &Document, annotation: &Dictionary, page: &mut PageAnnotations) {
    let flags = entry(b"F", annotation, document)
        .and_then(|flags| flags.as_i64().ok())
        .unwrap_or(0);
    let subtype = entry(b"Subtype", annotation, document).and_then(|kind| kind.as_name().ok());
    let rect = entry(b"Rect", annotation, document)
        .and_then(|rect| rect.as_array().ok())
        .and_then(|numbers| parse_rect(numbers));
    let (Some(subtype), Some(rect_corners)) = (subtype, rect) else {
        return;
    };
    if flags & IS_HIDDEN != 0 {
        return;
    }
    if subtype == b"StrikeOut" {
        let quads =
            entry(b"QuadPoints", annotation, document).and_then(|points| points.as_array().ok());
        page.struck
            .extend(quads.map_or_else(|| vec![rect_corners], |points| parse_quads(points)));
    }
    let name = match subtype {
        b"FreeText" => "Text on the page",
        b"Text" | b"Highlight" | b"Underline" | b"Squiggly" | b"StrikeOut" | b"Caret"
        | b"Square" | b"Circle" | b"Line" | b"Polygon" | b"PolyLine" | b"Ink" => "Remark",
        b"Stamp" => "Stamp",
        _ => return,
    };
    let text = entry(b"Contents", annotation, document)
        .and_then(|contents| decode_text_string(contents).ok())
        .map(|contents| normalize_whitespace(&contents))
        .filter(|text| !text.is_empty());
    if let Some(value) = text {
        page.texts.push(FormField {
            name: name.to_owned(),
            value,
            rect_corners,
            ticked: None,
        });
    }
}

/// An entry of an annotation, with references followed.
fn entry<'a>(key: &[u8], annotation: &'a Dictionary, document: &'a Document) -> Option<&'a Object> {
    annotation.get_deref(key, document).ok()
}

/// The boxes around groups of four points.
fn parse_quads(points: &[Object]) -> Vec<[f64; 4]> {
    let numbers: Vec<f64> = points
        .iter()
        .filter_map(|point| point.as_float().ok().map(f64::from))
        .collect();
    let (quads, _) = numbers.as_chunks::<8>();
    quads
        .iter()
        .map(|quad| {
            let [x1, y1, x2, y2, x3, y3, x4, y4] = *quad;
            let (xs, ys) = ([x1, x2, x3, x4], [y1, y2, y3, y4]);
            [least(xs), least(ys), most(xs), most(ys)]
        })
        .collect()
}

/// The largest of four coordinates.
fn most(all: [f64; 4]) -> f64 {
    all.into_iter().fold(f64::MIN, f64::max)
}

/// The smallest of four coordinates.
fn least(all: [f64; 4]) -> f64 {
    all.into_iter().fold(f64::MAX, f64::min)
}
