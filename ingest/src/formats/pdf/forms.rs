//! The filled fields of a PDF form (ISO 32000-1, 12.7): names, values and positions.

use crate::formats::common::sections::normalize_whitespace;
use crate::wire::Style;
use cloister_domain::{Block, BlockKind, ByteRange, PageText, Rect, Word};
use hayro_interpret::kurbo::{self, Affine};
use lopdf::{Dictionary, Document, Object, ObjectId, decode_text_string};
use std::collections::{HashMap, HashSet};

/// Maximum number of fields.
const MAX_FIELDS: usize = 20_000;
/// Maximum nesting depth of fields.
const MAX_DEPTH: usize = 16;
/// The font size that is assumed for values.
const VALUE_SIZE: f32 = 10.0;
/// Field flag (12.7.4.3): the field contains a password.
const IS_PASSWORD: i64 = 1 << 13;

/// A field with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct FormField {
    /// Its label, or its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its rectangle in the page's own coordinates: x0, y0, x1, y1.
    pub rect_corners: [f64; 4],
}

/// The filled fields of each page, by page number.
pub fn read_fields(document: &Document) -> HashMap<u32, Vec<FormField>> {
    let mut forms = FormReader {
        document,
        pages: pages_of_widgets(document),
        seen: HashSet::new(),
        found: HashMap::new(),
        count: 0,
    };
    let roots = document.catalog().ok().and_then(|catalog| {
        let form = catalog.get_deref(b"AcroForm", document).ok()?;
        let fields = form.as_dict().ok()?.get_deref(b"Fields", document).ok()?;
        fields.as_array().ok()
    });
    for root in roots.into_iter().flatten() {
        forms.field(root, &InheritedField::default(), 0);
    }
    forms.found
}

/// The page number of each widget.
fn pages_of_widgets(document: &Document) -> HashMap<ObjectId, u32> {
    let mut pages = HashMap::new();
    for (number, page) in document.get_pages() {
        let annotations = document.get_dictionary(page).ok().and_then(|page| {
            let found = page.get_deref(b"Annots", document).ok()?;
            found.as_array().ok()
        });
        let annotations = annotations.into_iter().flatten();
        pages.extend(annotations.filter_map(|a| Some((a.as_reference().ok()?, number))));
    }
    pages
}

/// Attributes that a field inherits.
#[derive(Clone, Debug, Default)]
struct InheritedField<'a> {
    name: String,
    kind: &'a [u8],
    flags: i64,
    value: Option<&'a Object>,
}

struct FormReader<'a> {
    document: &'a Document,
    pages: HashMap<ObjectId, u32>,
    seen: HashSet<ObjectId>,
    found: HashMap<u32, Vec<FormField>>,
    count: usize,
}

impl<'a> FormReader<'a> {
    fn field(&mut self, object: &'a Object, outer: &InheritedField<'a>, depth: usize) {
        let Ok((id, field)) = self.document.dereference(object) else {
            return;
        };
        let is_new = id.is_none_or(|id| self.seen.insert(id));
        let Ok(field) = field.as_dict() else {
            return;
        };
        if depth > MAX_DEPTH || !is_new || self.count > MAX_FIELDS {
            return;
        }
        let own = self.inherit(field, outer);
        let kids = field.get_deref(b"Kids", self.document);
        if let Ok(kids) = kids.and_then(Object::as_array) {
            for kid in kids {
                self.field(kid, &own, depth + 1);
            }
        } else if let Some(page) = id.and_then(|id| self.pages.get(&id).copied()) {
            self.widget(page, field, &own);
        }
    }

    fn inherit(&self, field: &'a Dictionary, outer: &InheritedField<'a>) -> InheritedField<'a> {
        let name = self.entry(field, b"TU").or_else(|| self.entry(field, b"T"));
        let kind = self
            .entry(field, b"FT")
            .and_then(|kind| kind.as_name().ok());
        let flags = self
            .entry(field, b"Ff")
            .and_then(|flags| flags.as_i64().ok());
        InheritedField {
            name: name
                .and_then(decode_text)
                .unwrap_or_else(|| outer.name.clone()),
            kind: kind.unwrap_or(outer.kind),
            flags: flags.unwrap_or(outer.flags),
            value: self.entry(field, b"V").or(outer.value),
        }
    }

    fn entry(&self, field: &'a Dictionary, key: &[u8]) -> Option<&'a Object> {
        field.get_deref(key, self.document).ok()
    }

    fn widget(&mut self, page: u32, widget: &'a Dictionary, field: &InheritedField<'a>) {
        if field.kind == b"Sig" || field.flags & IS_PASSWORD != 0 {
            return;
        }
        let value = field.value.and_then(|value| self.value(widget, value));
        let rect_corners = widget.get_deref(b"Rect", self.document);
        let rect_corners = rect_corners
            .and_then(Object::as_array)
            .ok()
            .and_then(|p| parse_rect(p));
        if let (Some(value), Some(rect_corners)) = (value, rect_corners) {
            self.count += 1;
            let name = field.name.clone();
            let fields = self.found.entry(page).or_default();
            fields.push(FormField {
                name,
                value,
                rect_corners,
            });
        }
    }

    /// The text of a value. The value of a button is the name of its state if it is on.
    fn value(&self, widget: &'a Dictionary, value: &'a Object) -> Option<String> {
        if let Ok(name) = value.as_name() {
            let shown = widget.get_deref(b"AS", self.document);
            let shown = shown.and_then(Object::as_name).unwrap_or(name);
            let on = shown == name && name != b"Off";
            return on.then(|| String::from_utf8_lossy(name).into_owned());
        }
        if let Ok(several) = value.as_array() {
            let several: Vec<String> = several.iter().filter_map(decode_text).collect();
            return (!several.is_empty()).then(|| several.join(", "));
        }
        decode_text(value)
    }
}

fn decode_text(object: &Object) -> Option<String> {
    let text = normalize_whitespace(&decode_text_string(object).ok()?);
    (!text.is_empty()).then_some(text)
}

fn parse_rect(numbers: &[Object]) -> Option<[f64; 4]> {
    let [x0, y0, x1, y1, ..] = numbers else {
        return None;
    };
    Some([number(x0)?, number(y0)?, number(x1)?, number(y1)?])
}

fn number(object: &Object) -> Option<f64> {
    object.as_float().ok().map(f64::from)
}

/// Appends the values that are not part of a page's text yet. Forms filled in by hand usually
/// contain them in the page's text, forms filled in by programs may not.
pub fn append_fields(
    fields: &[FormField],
    to_page: Affine,
    page: kurbo::Rect,
    content: &mut PageText,
    styles: &mut Vec<Style>,
) {
    let page_text = remove_whitespace(&content.text);
    for field in fields {
        if page_text.contains(&remove_whitespace(&field.value)) {
            continue;
        }
        let [x0, y0, x1, y1] = field.rect_corners;
        let drawn = to_page.transform_rect_bbox(kurbo::Rect::new(x0, y0, x1, y1).abs());
        let rect = super::glyphs::display(drawn.intersect(page));
        if drawn.is_finite() && page.overlaps(drawn) {
            append_field(field, rect, content, styles);
        }
    }
}

fn remove_whitespace(text: &str) -> String {
    text.split_whitespace().collect()
}

fn append_field(field: &FormField, rect: Rect, content: &mut PageText, styles: &mut Vec<Style>) {
    if !content.text.is_empty() {
        content.text.push('\n');
    }
    let start = content.text.len();
    let separator = if field.name.is_empty() { "" } else { ": " };
    let said = format!("{}{separator}{}", field.name, field.value);
    for (index, word) in said.split_whitespace().enumerate() {
        if index > 0 {
            content.text.push(' ');
        }
        let begins = content.text.len();
        content.text.push_str(word);
        let range = ByteRange::new(begins, content.text.len());
        content.words.push(Word { range, rect });
    }
    content.blocks.push(Block {
        kind: BlockKind::Paragraph,
        range: ByteRange::new(start, content.text.len()),
        place: None,
        row: None,
    });
    styles.push(Style {
        size: VALUE_SIZE,
        bold: false,
        lines: 1,
        left: rect.x0,
        top: rect.y0,
        bottom: rect.y1,
    });
}
