//! Forms of Adobe's XML kind (XFA): their words and what was filled in stand beside the pages. The
//! page of such a file often only asks to wait for another program.

use crate::formats::Failure;
use crate::formats::common::drawings::box_sign;
use crate::formats::common::whitespace::normalize_whitespace;
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use lopdf::{Document, Object};
use std::collections::{HashMap, VecDeque};

/// Maximum number of lines of a form, and of values.
const MAX_LINES: usize = 10_000;
/// Maximum size of the XML of a form.
const MAX_BYTES: usize = 32 << 20;

/// A form.
#[derive(Clone, Debug, Default)]
pub struct XfaForm {
    /// Its words, with the values.
    pub lines: Vec<String>,
    /// Whether the pages are made from the form when it is opened, so that the file has none.
    pub replaces_pages: bool,
}

/// Reads the form of a document. `None` if it has none.
pub fn read_form(document: &Document) -> Option<XfaForm> {
    let catalog = document.catalog().ok()?;
    let form = catalog
        .get_deref(b"AcroForm", document)
        .ok()?
        .as_dict()
        .ok()?;
    let parts = read_parts(document, form.get_deref(b"XFA", document).ok()?);
    let needs_rendering = catalog
        .get_deref(b"NeedsRendering", document)
        .is_ok_and(|value| value.as_bool().unwrap_or(false));
    let mut values = XfaValues::default();
    let mut template = XfaTemplate::default();
    for xml in &parts {
        if xml.contains("datasets") {
            let _broken = parse_xml(xml, &mut values);
        }
    }
    template.values = values.by_name();
    for xml in &parts {
        if xml.contains("<template") || xml.contains(":template") {
            let _broken = parse_xml(xml, &mut template);
        }
    }
    template.add_unnamed();
    Some(XfaForm {
        lines: template.lines,
        replaces_pages: needs_rendering,
    })
}

/// The XML of the form: one stream, or several with names.
fn read_parts(document: &Document, object: &Object) -> Vec<String> {
    let mut found = Vec::new();
    let mut total = 0;
    let streams: Vec<&Object> = match object.as_array() {
        Ok(items) => items.iter().collect(),
        Err(_) => vec![object],
    };
    for item in streams {
        let Ok((_, object)) = document.dereference(item) else {
            continue;
        };
        let Ok(stream) = object.as_stream() else {
            continue;
        };
        let bytes = stream
            .decompressed_content()
            .unwrap_or_else(|_| stream.content.clone());
        total += bytes.len();
        if total > MAX_BYTES {
            break;
        }
        found.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    found
}

/// What was filled in.
#[derive(Debug, Default)]
struct XfaValues {
    in_data: usize,
    open: Vec<(String, String, bool)>,
    found: Vec<(String, String)>,
}

impl XfaValues {
    fn by_name(self) -> HashMap<String, VecDeque<String>> {
        let mut named: HashMap<String, VecDeque<String>> = HashMap::new();
        for (name, value) in self.found {
            named.entry(name).or_default().push_back(value);
        }
        named
    }
}

impl XmlHandler for XfaValues {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if tag.local() == "data" && tag.name.contains(':') {
            self.in_data += 1;
        } else if self.in_data > 0 {
            if let Some((_, _, has_children)) = self.open.last_mut() {
                *has_children = true;
            }
            self.open
                .push((tag.local().to_owned(), String::new(), false));
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        if name.contains(':') && name.ends_with(":data") {
            self.in_data = self.in_data.saturating_sub(1);
        } else if self.in_data > 0
            && let Some((name, text, has_children)) = self.open.pop()
        {
            let text = normalize_whitespace(&text);
            if !has_children && !text.is_empty() && self.found.len() < MAX_LINES {
                self.found.push((name, text));
            } else if has_children && let Some((_, outer, _)) = self.open.last_mut() {
                // Formatted text is in elements of its own.
                outer.push_str(&text);
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some((_, held, _)) = self.open.last_mut() {
            held.push_str(text);
        }
    }
}

/// A part of a form that may be repeated: its fields, and whether it is.
#[derive(Debug, Default)]
struct XfaSubform {
    fields: Vec<XfaField>,
    repeats: bool,
}

/// An open group of boxes of which one is chosen, with the value of that one.
#[derive(Debug)]
struct XfaGroup {
    value: String,
}

/// An open field.
#[derive(Clone, Debug, Default)]
struct XfaField {
    name: String,
    caption: String,
    value: String,
    is_box: bool,
    /// The choices: what people see, and what is stored.
    shown: Vec<String>,
    stored: Vec<String>,
}

/// The words of a form, with the values.
#[derive(Debug, Default)]
struct XfaTemplate {
    values: HashMap<String, VecDeque<String>>,
    lines: Vec<String>,
    open: Vec<String>,
    text: String,
    field: Option<XfaField>,
    group: Option<XfaGroup>,
    subforms: Vec<XfaSubform>,
    is_stored: bool,
}

impl XfaTemplate {
    fn is_inside(&self, name: &str) -> bool {
        self.open.iter().any(|open| open == name)
    }

    fn push(&mut self, line: &str) {
        let line = normalize_whitespace(line);
        if !line.is_empty() && self.lines.len() < MAX_LINES {
            self.lines.push(line);
        }
    }

    fn end_field(&mut self) {
        let Some(field) = self.field.take() else {
            return;
        };
        self.write_field(&field);
        if let Some(subform) = self.subforms.last_mut() {
            subform.fields.push(field);
        }
    }

    fn write_field(&mut self, field: &XfaField) {
        let filled = self
            .values
            .get_mut(&field.name)
            .and_then(VecDeque::pop_front);
        let of_group = self.group.as_ref().map(|group| group.value.clone());
        let value = filled.or(of_group).unwrap_or_else(|| field.value.clone());
        let line = if field.is_box {
            let on = field
                .stored
                .first()
                .or(field.shown.first())
                .map_or("1", String::as_str);
            let is_chosen = self.group.is_none() && value == "1";
            let is_ticked = !value.is_empty() && value != "0" && (value == on || is_chosen);
            format!("{} {}", box_sign(is_ticked), field.caption)
        } else {
            let chosen = field.stored.iter().position(|stored| *stored == value);
            let words = chosen
                .and_then(|index| field.shown.get(index))
                .unwrap_or(&value);
            let separator = if field.caption.is_empty() || field.caption.ends_with(':') {
                " "
            } else {
                ": "
            };
            format!("{}{separator}{words}", field.caption)
        };
        self.push(&line);
    }

    /// Starts a group of boxes. Its value is that of the box that is chosen.
    fn begin_group(&mut self, name: &str) {
        let value = self.values.get_mut(name).and_then(VecDeque::pop_front);
        self.group = Some(XfaGroup {
            value: value.unwrap_or_default(),
        });
    }

    /// Ends a part of a form, and writes it again for each further set of values.
    fn end_subform(&mut self) {
        let Some(subform) = self.subforms.pop().filter(|subform| subform.repeats) else {
            return;
        };
        let has_more = |values: &HashMap<String, VecDeque<String>>| {
            let mut fields = subform.fields.iter();
            fields.any(|field| values.get(&field.name).is_some_and(|left| !left.is_empty()))
        };
        while has_more(&self.values) && self.lines.len() < MAX_LINES {
            for field in &subform.fields {
                self.write_field(field);
            }
        }
    }

    fn end_text(&mut self) {
        let text = normalize_whitespace(&std::mem::take(&mut self.text));
        let (in_caption, in_items, is_stored) = (
            self.is_inside("caption"),
            self.is_inside("items"),
            self.is_stored,
        );
        match &mut self.field {
            Some(field) if in_caption => field.caption.push_str(&text),
            Some(field) if in_items && is_stored => field.stored.push(text),
            Some(field) if in_items => field.shown.push(text),
            Some(field) => field.value = text,
            None => self.push(&text),
        }
    }

    /// Adds the values of fields that the template does not have.
    fn add_unnamed(&mut self) {
        let mut rest: Vec<(String, VecDeque<String>)> =
            std::mem::take(&mut self.values).into_iter().collect();
        rest.sort();
        for (name, values) in rest {
            for value in values {
                self.push(&format!("{name}: {value}"));
            }
        }
    }
}

impl XmlHandler for XfaTemplate {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let local = tag.local().to_owned();
        match local.as_str() {
            "field" => {
                let name = tag.attribute("name").unwrap_or_default();
                self.field = Some(XfaField {
                    name,
                    ..XfaField::default()
                });
            }
            "exclGroup" => self.begin_group(&tag.attribute("name").unwrap_or_default()),
            "subform" => self.subforms.push(XfaSubform::default()),
            "occur" => {
                let most: i32 = tag.parse_attribute("max").unwrap_or(1);
                if let Some(subform) = self.subforms.last_mut() {
                    subform.repeats = most != 1;
                }
            }
            "checkButton" => {
                if let Some(field) = &mut self.field {
                    field.is_box = true;
                }
            }
            "items" => self.is_stored = tag.attribute("save").is_some_and(|save| save == "1"),
            "text" | "exData" | "integer" | "decimal" | "float" | "date" | "dateTime" => {
                self.text.clear();
            }
            "p" | "br" => self.text.push(' '),
            _ => {}
        }
        self.open.push(local);
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        let Some(local) = self.open.last().cloned() else {
            return Ok(());
        };
        match local.as_str() {
            "text" | "exData" | "integer" | "decimal" | "float" | "date" | "dateTime"
                if self.is_inside("value") || self.is_inside("items") =>
            {
                self.end_text();
            }
            "field" => self.end_field(),
            "exclGroup" => self.group = None,
            "subform" => self.end_subform(),
            _ => {}
        }
        self.open.pop();
        Ok(())
    }

    fn text(&mut self, text: &str) {
        let of_script =
            self.is_inside("script") || self.is_inside("event") || self.is_inside("desc");
        if !of_script {
            self.text.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(template: &str, data: &str) -> Vec<String> {
        let mut values = XfaValues::default();
        parse_xml(&format!("<x:data>{data}</x:data>"), &mut values).expect("data");
        let mut form = XfaTemplate {
            values: values.by_name(),
            ..XfaTemplate::default()
        };
        parse_xml(template, &mut form).expect("a template");
        form.add_unnamed();
        form.lines
    }

    fn field(name: &str, caption: &str, rest: &str) -> String {
        format!(
            "<field name='{name}'><caption><value><text>{caption}</text></value></caption>{rest}</field>"
        )
    }

    #[test]
    fn one_box_of_a_group_is_ticked() {
        let items = |value| format!("<ui><checkButton/></ui><items><text>{value}</text></items>");
        let template = format!(
            "<t><exclGroup name='sex'>{}{}</exclGroup>{}</t>",
            field("m", "male", &items("M")),
            field("f", "female", &items("F")),
            field("ok", "agreed", &items("1")),
        );
        assert_eq!(
            lines(&template, "<f><sex>F</sex><ok>1</ok></f>"),
            ["☐ male", "☒ female", "☒ agreed"]
        );
    }

    #[test]
    fn a_part_is_repeated_for_each_set_of_values() {
        let template = format!(
            "<t><subform><occur max='-1'/>{}{}</subform></t>",
            field("drug", "Drug", ""),
            field("dose", "Dose", ""),
        );
        let data = "<r><drug>A</drug><dose>5 mg</dose></r><r><drug>B</drug><dose>7 mg</dose></r>";
        assert_eq!(
            lines(&template, data),
            ["Drug: A", "Dose: 5 mg", "Drug: B", "Dose: 7 mg"]
        );
    }
}
