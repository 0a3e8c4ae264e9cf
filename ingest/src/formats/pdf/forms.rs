//! What was filled into a PDF's form (ISO 32000-1, 12.7): names and values, and where they stand.

use crate::formats::sections::plain_spaces;
use crate::wire::Style;
use cloister_domain::{Block, BlockKind, ByteRange, PageText, Rect, Word};
use hayro_interpret::kurbo::{self, Affine};
use lopdf::{Dictionary, Document, Object, ObjectId, decode_text_string};
use std::collections::{HashMap, HashSet};

/// Fields beyond these are left out.
const MOST_FIELDS: usize = 20_000;
/// Fields stand inside each other this deep at most.
const DEEPEST: usize = 16;
/// The font size that values are taken to have.
const SIZE: f32 = 10.0;
/// Flags (12.7.4.3): what is typed into the field is a password.
const IS_PASSWORD: i64 = 1 << 13;

/// A field with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// What the form calls it.
    pub name: String,
    /// What stands in it.
    pub value: String,
    /// Where it stands, in the page's own space.
    pub place: [f64; 4],
}

/// The filled fields of each page, by its number.
pub fn fields(document: &Document) -> HashMap<u32, Vec<Field>> {
    let mut forms = Forms {
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
        forms.field(root, &Inherited::default(), 0);
    }
    forms.found
}

/// Which page each widget stands on.
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

/// What a field has from those around it.
#[derive(Clone, Debug, Default)]
struct Inherited<'a> {
    name: String,
    kind: &'a [u8],
    flags: i64,
    value: Option<&'a Object>,
}

struct Forms<'a> {
    document: &'a Document,
    pages: HashMap<ObjectId, u32>,
    seen: HashSet<ObjectId>,
    found: HashMap<u32, Vec<Field>>,
    count: usize,
}

impl<'a> Forms<'a> {
    fn field(&mut self, object: &'a Object, outer: &Inherited<'a>, depth: usize) {
        let Ok((id, field)) = self.document.dereference(object) else {
            return;
        };
        let is_new = id.is_none_or(|id| self.seen.insert(id));
        let Ok(field) = field.as_dict() else {
            return;
        };
        if depth > DEEPEST || !is_new || self.count > MOST_FIELDS {
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

    fn inherit(&self, field: &'a Dictionary, outer: &Inherited<'a>) -> Inherited<'a> {
        let get = |key: &[u8]| field.get_deref(key, self.document).ok();
        let said = get(b"TU").or_else(|| get(b"T")).and_then(text);
        let kind = get(b"FT").and_then(|kind| kind.as_name().ok());
        let flags = get(b"Ff").and_then(|flags| flags.as_i64().ok());
        Inherited {
            name: said.unwrap_or_else(|| outer.name.clone()),
            kind: kind.unwrap_or(outer.kind),
            flags: flags.unwrap_or(outer.flags),
            value: get(b"V").or(outer.value),
        }
    }

    fn widget(&mut self, page: u32, widget: &'a Dictionary, field: &Inherited<'a>) {
        if field.kind == b"Sig" || field.flags & IS_PASSWORD != 0 {
            return;
        }
        let value = field.value.and_then(|value| self.value(widget, value));
        let place = widget.get_deref(b"Rect", self.document);
        let place = place
            .and_then(Object::as_array)
            .ok()
            .and_then(|p| corners(p));
        if let (Some(value), Some(place)) = (value, place) {
            self.count += 1;
            let name = field.name.clone();
            let fields = self.found.entry(page).or_default();
            fields.push(Field { name, value, place });
        }
    }

    /// What a value says. A button's is the name of what it shows when it is on.
    fn value(&self, widget: &'a Dictionary, value: &'a Object) -> Option<String> {
        if let Ok(name) = value.as_name() {
            let shown = widget.get_deref(b"AS", self.document);
            let shown = shown.and_then(Object::as_name).unwrap_or(name);
            let on = shown == name && name != b"Off";
            return on.then(|| String::from_utf8_lossy(name).into_owned());
        }
        if let Ok(several) = value.as_array() {
            let several: Vec<String> = several.iter().filter_map(text).collect();
            return (!several.is_empty()).then(|| several.join(", "));
        }
        text(value)
    }
}

fn text(object: &Object) -> Option<String> {
    let text = plain_spaces(&decode_text_string(object).ok()?);
    (!text.is_empty()).then_some(text)
}

fn corners(numbers: &[Object]) -> Option<[f64; 4]> {
    let number = |index: usize| numbers.get(index)?.as_float().ok().map(f64::from);
    Some([number(0)?, number(1)?, number(2)?, number(3)?])
}

/// Adds to a page what stands in its fields and not already in its text: a form that was filled in
/// by hand shows its values, one that a program filled may not.
pub fn add(
    fields: &[Field],
    to_page: Affine,
    page: kurbo::Rect,
    content: &mut PageText,
    styles: &mut Vec<Style>,
) {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    let there = squeezed(&content.text);
    for field in fields {
        if there.contains(&squeezed(&field.value)) {
            continue;
        }
        let [x0, y0, x1, y1] = field.place;
        let drawn = to_page.transform_rect_bbox(kurbo::Rect::new(x0, y0, x1, y1).abs());
        let rect = super::glyphs::display(drawn.intersect(page));
        if drawn.is_finite() && page.overlaps(drawn) {
            write(field, rect, content, styles);
        }
    }
}

fn write(field: &Field, rect: Rect, content: &mut PageText, styles: &mut Vec<Style>) {
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
    });
    styles.push(Style {
        size: SIZE,
        bold: false,
        lines: 1,
        left: rect.x0,
        top: rect.y0,
        bottom: rect.y1,
    });
}
