//! The filled fields of a PDF form (ISO 32000-1, 12.7): names, values and positions.

use super::words::{PlacedWord, TextDirection};
use crate::formats::common::drawings::box_sign;
use crate::formats::common::whitespace::normalize_whitespace;
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
/// Field flag (12.7.4.2.1): the button only starts an action.
const IS_PUSHED: i64 = 1 << 16;
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
    /// Whether it is ticked, if it is a box or a radio button.
    pub ticked: Option<bool>,
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
    options: Option<&'a Object>,
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
            options: self.entry(field, b"Opt").or(outer.options),
        }
    }

    fn entry(&self, field: &'a Dictionary, key: &[u8]) -> Option<&'a Object> {
        field.get_deref(key, self.document).ok()
    }

    fn widget(&mut self, page: u32, widget: &'a Dictionary, field: &InheritedField<'a>) {
        let is_button = field.kind == b"Btn";
        let is_password = !is_button && field.flags & IS_PASSWORD != 0;
        if field.kind == b"Sig" || is_password || is_button && field.flags & IS_PUSHED != 0 {
            return;
        }
        let ticked = is_button.then(|| self.is_ticked(widget, field.value));
        let value = if is_button {
            Some(String::new())
        } else {
            field.value.and_then(|value| self.value(field, value))
        };
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
                ticked,
            });
        }
    }

    /// Whether a box shows its state "on": the name of its appearance, else the value of the field.
    fn is_ticked(&self, widget: &'a Dictionary, value: Option<&'a Object>) -> bool {
        let shown = widget.get_deref(b"AS", self.document);
        if let Ok(shown) = shown.and_then(Object::as_name) {
            return shown != b"Off";
        }
        let Some(value) = value.and_then(|value| value.as_name().ok()) else {
            return false;
        };
        let states = widget
            .get_deref(b"AP", self.document)
            .and_then(Object::as_dict);
        let states = states.and_then(|states| states.get_deref(b"N", self.document));
        let states = states.and_then(Object::as_dict);
        value != b"Off" && states.map_or(true, |states| states.has(value))
    }

    /// The text of a value. A choice is shown by its words, not by its code.
    fn value(&self, field: &InheritedField<'a>, value: &'a Object) -> Option<String> {
        if let Ok(several) = value.as_array() {
            let several: Vec<String> = several
                .iter()
                .filter_map(decode_text)
                .map(|code| self.words_of_choice(field, code))
                .collect();
            return (!several.is_empty()).then(|| several.join(", "));
        }
        let code = match value.as_name() {
            Ok(name) => String::from_utf8_lossy(name).into_owned(),
            Err(_) => text_of(value)?,
        };
        Some(self.words_of_choice(field, code))
    }

    fn words_of_choice(&self, field: &InheritedField<'a>, code: String) -> String {
        let options = field.options.filter(|_| field.kind == b"Ch");
        let options = options.and_then(|options| options.as_array().ok());
        let words = options
            .into_iter()
            .flatten()
            .take(MAX_FIELDS)
            .find_map(|option| {
                let (_, option) = self.document.dereference(option).ok()?;
                let [stored, shown] = option.as_array().ok()?.as_slice() else {
                    return None;
                };
                (decode_text(stored)? == code)
                    .then(|| decode_text(shown))
                    .flatten()
            });
        words.unwrap_or(code)
    }
}

/// The text of a string, or of a stream with a long text.
fn text_of(value: &Object) -> Option<String> {
    let Ok(stream) = value.as_stream() else {
        return decode_text(value);
    };
    let bytes = stream
        .decompressed_content()
        .unwrap_or_else(|_| stream.content.clone());
    decode_text(&Object::String(bytes, lopdf::StringFormat::Literal))
}

fn decode_text(object: &Object) -> Option<String> {
    let text = normalize_whitespace(&decode_text_string(object).ok()?);
    (!text.is_empty()).then_some(text)
}

/// Parses a rectangle: x0, y0, x1, y1.
pub fn parse_rect(numbers: &[Object]) -> Option<[f64; 4]> {
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
        if field.ticked.is_none() && page_text.contains(&remove_whitespace(&field.value)) {
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

/// Writes the signs of boxes in front of the words that they belong to: those to their right, else
/// those to their left. A sign that is drawn in the box is replaced. Returns the other fields, and
/// the boxes without words beside them, with their signs as values.
pub fn place_boxes(
    fields: &[FormField],
    to_page: Affine,
    words: &mut Vec<PlacedWord>,
) -> Vec<FormField> {
    let mut others = Vec::new();
    for field in fields {
        let Some(is_ticked) = field.ticked else {
            others.push(field.clone());
            continue;
        };
        let [x0, y0, x1, y1] = field.rect_corners;
        let drawn = to_page.transform_rect_bbox(kurbo::Rect::new(x0, y0, x1, y1).abs());
        if !drawn.is_finite() {
            continue;
        }
        let rect = super::glyphs::display(drawn);
        words.retain(|word| word.text.chars().count() > 1 || !is_within(word.rect, rect));
        let near = neighbour(words, rect).or_else(|| on_line(words, rect));
        let Some((index, is_right)) = near else {
            let value = box_sign(is_ticked).to_owned();
            others.push(FormField {
                value,
                ..field.clone()
            });
            continue;
        };
        insert_sign(words, index, is_right, rect, is_ticked);
    }
    others
}

/// The boxes of a form on the page as displayed.
pub fn box_areas(fields: &[FormField], to_page: Affine) -> Vec<Rect> {
    let boxes = fields.iter().filter(|field| field.ticked.is_some());
    let placed = boxes.map(|field| {
        let [x0, y0, x1, y1] = field.rect_corners;
        to_page.transform_rect_bbox(kurbo::Rect::new(x0, y0, x1, y1).abs())
    });
    placed
        .filter(kurbo::Rect::is_finite)
        .map(super::glyphs::display)
        .collect()
}

/// Writes the sign of a box before or after the word at `index`.
pub fn insert_sign(
    words: &mut Vec<PlacedWord>,
    index: usize,
    is_right: bool,
    rect: Rect,
    is_ticked: bool,
) {
    let Some(near) = words.get(index) else {
        return;
    };
    let rect = Rect {
        y0: near.rect.y0,
        y1: near.rect.y1,
        ..rect
    };
    let sign = PlacedWord {
        text: box_sign(is_ticked).to_owned(),
        rect,
        frame: rect,
        direction: TextDirection::LeftToRight,
        size: near.size,
        bold: near.bold,
        right_to_left: false,
    };
    words.insert(if is_right { index } else { index + 1 }, sign);
}

/// The nearest word on the line of a box, however far: first to its left, then to its right.
fn on_line(words: &[PlacedWord], rect: Rect) -> Option<(usize, bool)> {
    let middle = f32::midpoint(rect.y0, rect.y1);
    let beside = words.iter().enumerate().filter(|(_, word)| {
        word.direction == TextDirection::LeftToRight
            && word.rect.y0 <= middle
            && middle <= word.rect.y1
    });
    let (left, right): (Vec<_>, Vec<_>) =
        beside.partition(|(_, word)| word.rect.x1 <= rect.x0 + 3.0);
    let last = left
        .into_iter()
        .max_by(|(_, a), (_, b)| a.rect.x1.total_cmp(&b.rect.x1));
    let first = right
        .into_iter()
        .min_by(|(_, a), (_, b)| a.rect.x0.total_cmp(&b.rect.x0));
    last.map(|(index, _)| (index, false))
        .or_else(|| first.map(|(index, _)| (index, true)))
}

/// Whether the middle of a rectangle is in the other.
pub fn is_within(inner: Rect, outer: Rect) -> bool {
    let (x, y) = (
        f32::midpoint(inner.x0, inner.x1),
        f32::midpoint(inner.y0, inner.y1),
    );
    outer.x0 <= x && x <= outer.x1 && outer.y0 <= y && y <= outer.y1
}

/// The word next to a box, and whether it is to the right of it.
pub fn neighbour(words: &[PlacedWord], rect: Rect) -> Option<(usize, bool)> {
    let middle = f32::midpoint(rect.y0, rect.y1);
    let beside = words.iter().enumerate().filter(|(_, word)| {
        word.direction == TextDirection::LeftToRight
            && word.rect.y0 <= middle
            && middle <= word.rect.y1
    });
    let mut best: Option<(f32, usize, bool)> = None;
    for (index, word) in beside {
        let (right, left) = (word.rect.x0 - rect.x1, rect.x0 - word.rect.x1);
        // Words to the left are only taken if there are none near to the right.
        let found = if right > -3.0 && right < 3.0 * word.size {
            (right, index, true)
        } else if left > -3.0 && left < 2.0 * word.size {
            (left + 1_000.0, index, false)
        } else {
            continue;
        };
        if best.is_none_or(|(distance, ..)| found.0 < distance) {
            best = Some(found);
        }
    }
    best.map(|(_, index, is_right)| (index, is_right))
}

/// Appends a line that has no place on the page.
pub fn append_line(text: &str, content: &mut PageText, styles: &mut Vec<Style>) {
    if !content.text.is_empty() {
        content.text.push('\n');
    }
    let start = content.text.len();
    content.text.push_str(text);
    content.blocks.push(Block {
        kind: BlockKind::Paragraph,
        range: ByteRange::new(start, content.text.len()),
        place: None,
        row: None,
    });
    styles.push(Style {
        size: VALUE_SIZE,
        lines: 1,
        ..Style::default()
    });
}

fn remove_whitespace(text: &str) -> String {
    text.split_whitespace().collect()
}

fn append_field(field: &FormField, rect: Rect, content: &mut PageText, styles: &mut Vec<Style>) {
    if !content.text.is_empty() {
        content.text.push('\n');
    }
    let start = content.text.len();
    let said = match field.ticked {
        Some(_) => format!("{} {}", field.value, field.name),
        None if field.name.is_empty() => field.value.clone(),
        None => format!("{}: {}", field.name, field.value),
    };
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
