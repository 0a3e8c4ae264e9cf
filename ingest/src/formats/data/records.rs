//! Records of named values, as JSON and XML hold them, written for people: values with their names,
//! lists of records as tables.

use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::common::sections::Sections;
use crate::formats::common::tables::{RowDraft, finish_table};
use crate::formats::html;
use cloister_domain::BlockKind;

/// A list of records has at most this many columns as a table.
const MAX_COLUMNS: usize = 40;
/// A cell of a table is at most this long, in bytes. Longer values are written below each other.
const MAX_CELL_BYTES: usize = 400;
/// A longer value is not read as HTML.
const MAX_MARKUP_BYTES: usize = 200_000;
/// Signs of HTML in a value.
const MARKUP: &[&str] = &[
    "</p>",
    "</b>",
    "</li>",
    "</div>",
    "</span>",
    "</strong>",
    "</em>",
    "</td>",
    "</a>",
    "</h",
    "<br",
];
/// The deepest heading.
const MAX_LEVEL: u8 = 6;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordValue {
    /// A text, number, or truth value, as the file writes it.
    Text(String),
    /// Values in order.
    List(Vec<RecordValue>),
    /// Values with names.
    Record(Vec<(String, RecordValue)>),
}

impl RecordValue {
    /// Whether it holds no text.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty(),
            Self::List(items) => items.iter().all(Self::is_empty),
            Self::Record(fields) => fields.iter().all(|(_, value)| value.is_empty()),
        }
    }

    /// The value on one line.
    pub fn on_one_line(&self) -> String {
        match self {
            Self::Text(text) => without_markup(text.trim()),
            Self::List(items) => {
                let items = items
                    .iter()
                    .filter(|item| !item.is_empty())
                    .map(Self::on_one_line);
                items.collect::<Vec<_>>().join(", ")
            }
            Self::Record(fields) => {
                if let Some(quantity) = write_quantity(fields) {
                    return quantity;
                }
                let fields =
                    fields
                        .iter()
                        .filter(|(_, value)| !value.is_empty())
                        .map(|(name, value)| {
                            if name.is_empty() {
                                value.on_one_line()
                            } else {
                                format!("{}: {}", readable_name(name), value.on_one_line())
                            }
                        });
                fields.collect::<Vec<_>>().join("; ")
            }
        }
    }

    fn is_simple(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::List(items) => items.iter().all(|item| matches!(item, Self::Text(_))),
            Self::Record(fields) => {
                fields.len() < 5
                    && fields
                        .iter()
                        .all(|(_, value)| matches!(value, Self::Text(_)))
            }
        }
    }
}

/// A number with its unit and its comparison, as FHIR and others divide it: `> 6.0 mmol/l`.
fn write_quantity(fields: &[(String, RecordValue)]) -> Option<String> {
    let text = |wanted: &str| {
        let mut named = fields.iter().filter(|(name, _)| name == wanted);
        match named.next() {
            Some((_, RecordValue::Text(text))) => Some(text.trim()),
            _ => None,
        }
    };
    let known = ["value", "unit", "code", "system", "comparator", "currency"];
    let value = text("value").filter(|value| value.parse::<f64>().is_ok())?;
    let unit = text("unit")
        .or_else(|| text("currency"))
        .or_else(|| text("code"))?;
    let is_quantity = fields.iter().all(|(name, value)| {
        known.contains(&name.as_str()) && matches!(value, RecordValue::Text(_))
    });
    let comparator = text("comparator").unwrap_or_default();
    is_quantity.then(|| format!("{comparator} {value} {unit}").trim().to_owned())
}

/// The words of a value that is written in HTML, as exports of web sites have them.
fn without_markup(text: &str) -> String {
    let has_markup = text.len() < MAX_MARKUP_BYTES
        && text.contains('>')
        && MARKUP.iter().any(|sign| text.contains(sign));
    if !has_markup {
        return text.to_owned();
    }
    let mut builder = BlockBuilder::default();
    if html::read_into(text, &mut builder).is_err() {
        return text.to_owned();
    }
    let pages = builder.finish().finish();
    let texts: Vec<String> = pages
        .into_iter()
        .map(|page| page.page.content.text.replace('\n', " "))
        .collect();
    texts.join(" ")
}

/// Writes a value under a heading of this level.
pub fn write_value(sections: &mut Sections, name: &str, value: &RecordValue, level: u8) {
    if value.is_empty() {
        return;
    }
    match value {
        RecordValue::Text(_) => write_line(sections, name, value),
        RecordValue::List(items) => write_list(sections, name, items, level),
        RecordValue::Record(fields) => {
            if !name.is_empty() {
                if value.is_simple() {
                    write_line(sections, name, value);
                    return;
                }
                sections.push_block(
                    BlockKind::Heading(level.min(MAX_LEVEL)),
                    &readable_name(name),
                );
            }
            let below = if name.is_empty() { level } else { level + 1 };
            write_fields(sections, name, fields, below);
        }
    }
}

/// Writes the fields in the order of the file. What follows a part with a heading of its own stands
/// below the heading of the record again.
fn write_fields(
    sections: &mut Sections,
    record: &str,
    fields: &[(String, RecordValue)],
    level: u8,
) {
    let mut below_heading = false;
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let is_simple = value.is_simple();
        if is_simple && below_heading {
            let outer = level.saturating_sub(1).clamp(1, MAX_LEVEL);
            let heading = if record.is_empty() {
                "Further values".to_owned()
            } else {
                readable_name(record)
            };
            sections.push_block(BlockKind::Heading(outer), &heading);
        }
        write_value(sections, name, value, level);
        below_heading = !is_simple;
    }
}

fn write_line(sections: &mut Sections, name: &str, value: &RecordValue) {
    let text = value.on_one_line();
    let line = if name.is_empty() {
        text
    } else {
        format!("{}: {text}", readable_name(name))
    };
    sections.push_block(BlockKind::Paragraph, &line);
}

fn write_list(sections: &mut Sections, name: &str, items: &[RecordValue], level: u8) {
    if !name.is_empty()
        && items
            .iter()
            .any(|item| !matches!(item, RecordValue::Text(_)))
    {
        sections.push_block(
            BlockKind::Heading(level.min(MAX_LEVEL)),
            &readable_name(name),
        );
    } else if !name.is_empty() {
        write_line(sections, name, &RecordValue::List(items.to_vec()));
        return;
    }
    if let Some(columns) = table_columns(items) {
        write_table(sections, items, &columns);
        return;
    }
    for item in items {
        match item {
            RecordValue::Text(text) => {
                sections.push_block(BlockKind::ListItem, &format!("• {}", text.trim()));
            }
            RecordValue::List(_) | RecordValue::Record(_) => {
                write_value(sections, "", item, level.saturating_add(1).min(MAX_LEVEL));
            }
        }
    }
}

/// The names of the columns, if the items are records that fit into a table.
fn table_columns(items: &[RecordValue]) -> Option<Vec<String>> {
    let mut columns: Vec<String> = Vec::new();
    for item in items {
        let RecordValue::Record(fields) = item else {
            return None;
        };
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            if !value.is_simple() || value.on_one_line().len() > MAX_CELL_BYTES {
                return None;
            }
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
    }
    (items.len() > 1 && (2..=MAX_COLUMNS).contains(&columns.len())).then_some(columns)
}

fn write_table(sections: &mut Sections, items: &[RecordValue], columns: &[String]) {
    let names: Vec<String> = columns.iter().map(|name| readable_name(name)).collect();
    let mut header = RowDraft::from_texts(&names);
    header.is_header = true;
    let mut rows = vec![header];
    for item in items {
        let RecordValue::Record(fields) = item else {
            continue;
        };
        let texts: Vec<String> = columns
            .iter()
            .map(|column| {
                let values = fields.iter().filter(|(name, _)| name == column);
                values
                    .map(|(_, value)| value.on_one_line())
                    .collect::<Vec<_>>()
                    .join(", ")
            })
            .collect();
        rows.push(RowDraft::from_texts(&texts));
    }
    finish_table(&mut rows, &[]);
    for row in &rows {
        sections.push_row(row);
    }
}

/// A name for people: `PayableAmount` and `payable_amount` are `Payable amount`.
pub fn readable_name(name: &str) -> String {
    let mut words = String::new();
    let mut last_lower = false;
    for c in name.chars() {
        if matches!(c, '_' | '-') {
            words.push(' ');
            last_lower = false;
            continue;
        }
        if c.is_uppercase() && last_lower {
            words.push(' ');
            words.extend(c.to_lowercase());
            last_lower = false;
            continue;
        }
        words.push(c);
        last_lower = c.is_lowercase();
    }
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_for_people() {
        for (name, expected) in [
            ("PayableAmount", "Payable amount"),
            ("birth_date", "Birth date"),
            ("IBAN", "IBAN"),
            ("dose", "Dose"),
        ] {
            assert_eq!(readable_name(name), expected);
        }
    }
}
