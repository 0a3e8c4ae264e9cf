//! Letters of hospitals (HL7 CDA).

use super::tree::{MAX_DEPTH, XmlElement, XmlNode};
use crate::formats::Failure;
use crate::formats::common::block_builder::{BlockBuilder, CellShape};
use crate::formats::common::scripts::Script;
use cloister_domain::BlockKind;

/// Writes a letter (HL7 CDA): who, whom it concerns, when, and the narrative of its sections. Returns
/// its title.
pub(super) fn write_letter(
    root: &XmlElement,
    builder: &mut BlockBuilder,
) -> Result<Option<String>, Failure> {
    let title = root
        .child("title")
        .map(XmlElement::text)
        .filter(|title| !title.is_empty());
    if let Some(title) = &title {
        builder.sections.push_block(BlockKind::Heading(1), title);
    }
    for (label, text) in header_lines(root) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            builder
                .sections
                .push_block(BlockKind::Paragraph, &format!("{label}: {text}"));
        }
    }
    if let Some(body) = root.at(&["component", "structuredBody"]) {
        write_sections(body, builder, 2, 0)?;
    } else if let Some(text) = root.at(&["component", "nonXMLBody", "text"]) {
        builder
            .sections
            .push_block(BlockKind::Paragraph, &text.text());
    }
    Ok(title)
}

/// Who wrote the letter, about whom, and when.
fn header_lines(root: &XmlElement) -> [(&'static str, Option<String>); 6] {
    let patient = root.at(&["recordTarget", "patientRole"]);
    let person = patient.and_then(|role| role.child("patient"));
    [
        (
            "Patient",
            person.and_then(|p| p.child("name")).map(XmlElement::text),
        ),
        (
            "Born",
            person.and_then(|p| p.child("birthTime")).and_then(day_of),
        ),
        (
            "Number",
            patient
                .and_then(|role| role.child("id"))
                .and_then(|id| id.attribute("extension"))
                .map(str::to_owned),
        ),
        ("Date", root.child("effectiveTime").and_then(day_of)),
        (
            "Author",
            root.at(&["author", "assignedAuthor", "assignedPerson", "name"])
                .map(XmlElement::text),
        ),
        (
            "From",
            root.at(&[
                "custodian",
                "assignedCustodian",
                "representedCustodianOrganization",
                "name",
            ])
            .map(XmlElement::text),
        ),
    ]
}

/// The day of a time that is written as digits: `20260304091500`.
fn day_of(element: &XmlElement) -> Option<String> {
    let value = element.attribute("value")?;
    Some(match (value.get(..4), value.get(4..6), value.get(6..8)) {
        (Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}"),
        _ => value.to_owned(),
    })
}

fn write_sections(
    body: &XmlElement,
    builder: &mut BlockBuilder,
    level: u8,
    depth: usize,
) -> Result<(), Failure> {
    for component in body
        .elements()
        .filter(|element| element.name == "component" && depth < MAX_DEPTH)
    {
        let Some(section) = component.child("section") else {
            continue;
        };
        if let Some(title) = section.child("title") {
            builder
                .sections
                .push_block(BlockKind::Heading(level.min(6)), &title.text());
        }
        if let Some(text) = section.child("text") {
            write_narrative(text, builder, Script::Normal)?;
            builder.end_paragraph();
        }
        write_sections(section, builder, level.saturating_add(1), depth + 1)?;
    }
    Ok(())
}

/// Writes a narrative, whose elements are like those of HTML.
fn write_narrative(
    element: &XmlElement,
    builder: &mut BlockBuilder,
    script: Script,
) -> Result<(), Failure> {
    for node in &element.children {
        let inner = match node {
            XmlNode::Text(text) => {
                builder.push_text(&script.write(text));
                continue;
            }
            XmlNode::Element(inner) => inner,
        };
        match inner.name.as_str() {
            "paragraph" | "footnote" => write_block(inner, BlockKind::Paragraph, builder, script)?,
            "caption" => write_block(inner, BlockKind::Caption, builder, script)?,
            "item" => write_block(inner, BlockKind::ListItem, builder, script)?,
            "br" => builder.push_text(" "),
            "sup" => write_narrative(inner, builder, Script::Raised)?,
            "sub" => write_narrative(inner, builder, Script::Lowered)?,
            "table" => {
                builder.open_table()?;
                write_narrative(inner, builder, script)?;
                builder.close_table();
            }
            "thead" | "tbody" | "tfoot" => {
                builder.end_row_group();
                write_narrative(inner, builder, script)?;
                builder.end_row_group();
            }
            "tr" => {
                builder.open_row();
                write_narrative(inner, builder, script)?;
            }
            "td" | "th" => write_cell(inner, builder, script)?,
            _ => write_narrative(inner, builder, script)?,
        }
    }
    Ok(())
}

fn write_block(
    element: &XmlElement,
    kind: BlockKind,
    builder: &mut BlockBuilder,
    script: Script,
) -> Result<(), Failure> {
    builder.begin_paragraph(kind);
    if kind == BlockKind::ListItem {
        builder.set_marker("•");
    }
    write_narrative(element, builder, script)?;
    builder.end_paragraph();
    Ok(())
}

fn write_cell(
    element: &XmlElement,
    builder: &mut BlockBuilder,
    script: Script,
) -> Result<(), Failure> {
    builder.open_cell(CellShape {
        columns: span_of("colspan", element),
        rows: span_of("rowspan", element),
        is_header: element.name == "th",
        ..CellShape::default()
    })?;
    write_narrative(element, builder, script)?;
    builder.close_cell();
    Ok(())
}

/// The number of rows or columns that a cell spans.
fn span_of(name: &str, cell: &XmlElement) -> usize {
    cell.attribute(name)
        .and_then(|n| n.trim().parse().ok())
        .unwrap_or(1)
}
