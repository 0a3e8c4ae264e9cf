//! XML files. Letters of hospitals (HL7 CDA) are read as their narrative, everything else as records:
//! resources (FHIR), payments (ISO 20022), invoices (UBL), and files of other programs.

use super::records::{RecordValue, write_value};
use super::sheet_xml;
use crate::formats::common::block_builder::{BlockBuilder, CellShape};
use crate::formats::common::encoding::{decode, is_text};
use crate::formats::common::scripts::Script;
use crate::formats::common::sections::{Sections, normalize_whitespace};
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use crate::formats::{Failure, Format, ReadOptions, Sink, Source, docx, odf};
use crate::wire::{Info, Refusal};
use cloister_domain::BlockKind;

/// Maximum number of elements.
const MAX_ELEMENTS: usize = 2_000_000;
/// Deeper elements are read as text of the element around them.
const MAX_DEPTH: usize = 200;

/// XML files.
pub const FORMAT: Format = Format {
    name: "xml",
    label: "XML",
    matches,
    extract,
    render_page: None,
};

fn matches(source: &Source) -> bool {
    if !is_text(source) {
        return false;
    }
    let head = decode(source.head(1024));
    let head = head.trim_start_matches('\u{feff}').trim_start();
    head.starts_with("<?xml") || source.extension() == "xml" && head.starts_with('<')
}

/// Decodes the file in the encoding that its first line declares.
fn decode_xml(bytes: &[u8]) -> String {
    let head = String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)).into_owned();
    let declared = head.split_once("encoding=").map(|(_, after)| {
        let after = after.trim_start_matches(['"', '\'']);
        after
            .split(['"', '\'', '?', ' '])
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    let encoding = declared.and_then(|name| encoding_rs::Encoding::for_label(name.as_bytes()));
    match encoding {
        Some(encoding)
            if encoding_rs::Encoding::for_bom(bytes).is_none() && head.starts_with("<?xml") =>
        {
            encoding.decode(bytes).0.into_owned()
        }
        _ => decode(bytes),
    }
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let xml = decode_xml(&source.bytes);
    match office_root(&xml) {
        Some("wordDocument" | "package") => {
            let info = Info {
                format: "docx".to_owned(),
                ..Info::default()
            };
            return docx::read_flat(&xml)?.send(info, sink);
        }
        Some("Workbook") => {
            let mut sections = Sections::manual();
            sheet_xml::read_workbook(&xml, &mut sections)?;
            let info = Info {
                format: "xlsx".to_owned(),
                ..Info::default()
            };
            return sections.send(info, sink);
        }
        Some("document") => return odf::extract_flat(&xml, sink),
        _ => {}
    }
    let mut tree = TreeReader::default();
    parse_xml(&xml, &mut tree)?;
    let root = tree
        .root
        .ok_or_else(|| Failure::damaged("it has no elements"))?;
    let mut builder = BlockBuilder::default();
    let title = if root.name == "ClinicalDocument" {
        write_letter(&root, &mut builder)?
    } else {
        let value = root.value();
        write_value(&mut builder.sections, "", &value, 1);
        None
    };
    let info = Info {
        format: FORMAT.name.to_owned(),
        title,
        ..Info::default()
    };
    builder.finish().send(info, sink)
}

/// The name of the root element, if it is that of an office document in one file.
fn office_root(xml: &str) -> Option<&'static str> {
    let head: String = xml.chars().take(4_000).collect();
    let roots = [
        ("wordDocument", "schemas.microsoft.com/office/word/2003"),
        ("package", "schemas.microsoft.com/office/2006/xmlPackage"),
        ("Workbook", "urn:schemas-microsoft-com:office:spreadsheet"),
        ("document", "office:mimetype="),
    ];
    let found = roots.iter().find(|(name, sign)| {
        head.contains(sign)
            && (head.contains(&format!(":{name}")) || head.contains(&format!("<{name}")))
    });
    found.map(|(name, _)| *name)
}

/// An element.
#[derive(Debug, Default)]
struct XmlElement {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<XmlNode>,
}

#[derive(Debug)]
enum XmlNode {
    Element(XmlElement),
    Text(String),
}

impl XmlElement {
    fn elements(&self) -> impl Iterator<Item = &XmlElement> {
        self.children.iter().filter_map(|node| match node {
            XmlNode::Element(element) => Some(element),
            XmlNode::Text(_) => None,
        })
    }

    fn child(&self, name: &str) -> Option<&XmlElement> {
        self.elements().find(|element| element.name == name)
    }

    /// The element at the end of a path of names.
    fn at(&self, path: &[&str]) -> Option<&XmlElement> {
        path.iter()
            .try_fold(self, |element, name| element.child(name))
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// All text in it.
    fn text(&self) -> String {
        let mut text = String::new();
        self.collect_text(&mut text);
        normalize_whitespace(&text)
    }

    fn collect_text(&self, text: &mut String) {
        for node in &self.children {
            match node {
                XmlNode::Text(own) => text.push_str(own),
                XmlNode::Element(element) => {
                    text.push(' ');
                    element.collect_text(text);
                    text.push(' ');
                }
            }
        }
    }

    /// The element as a value: a text with its unit, or a record of its children.
    fn value(&self) -> RecordValue {
        let own: String = self
            .children
            .iter()
            .map(|node| match node {
                XmlNode::Text(text) => text.as_str(),
                XmlNode::Element(_) => "",
            })
            .collect();
        let own = normalize_whitespace(&own);
        let attributes = self
            .attributes
            .iter()
            .filter(|(name, value)| is_content(name) && !value.is_empty());
        if self.elements().next().is_none() {
            let mut text = own;
            for (name, value) in attributes {
                match name.as_str() {
                    // FHIR writes each value as an attribute.
                    "value" | "displayName" if text.is_empty() => text.clone_from(value),
                    "currencyID" | "Ccy" | "unitCode" | "unit" => text = format!("{text} {value}"),
                    _ if text.is_empty() => text = format!("{name}: {value}"),
                    _ => text = format!("{text} ({name}: {value})"),
                }
            }
            return RecordValue::Text(text);
        }
        let mut fields: Vec<(String, RecordValue)> = attributes
            .map(|(name, value)| (name.clone(), RecordValue::Text(value.clone())))
            .collect();
        if !own.is_empty() {
            // Text with elements inside of it is kept together.
            return RecordValue::Text(self.text());
        }
        for element in self.elements() {
            let value = element.value();
            match fields.iter_mut().find(|(name, _)| *name == element.name) {
                Some((_, RecordValue::List(items))) => items.push(value),
                Some((_, held)) => {
                    let first = std::mem::replace(held, RecordValue::List(Vec::new()));
                    *held = RecordValue::List(vec![first, value]);
                }
                None => fields.push((element.name.clone(), value)),
            }
        }
        RecordValue::Record(fields)
    }
}

/// An attribute without its prefix. Declarations of namespaces keep theirs.
fn without_prefix((name, value): (String, String)) -> (String, String) {
    let retains = name.starts_with("xmlns") || name.starts_with("xsi:") || name.starts_with("xml:");
    match name.split_once(':') {
        Some((_, local)) if !retains => (local.to_owned(), value),
        _ => (name, value),
    }
}

/// Whether an attribute is for people.
fn is_content(name: &str) -> bool {
    !name.starts_with("xmlns")
        && !name.starts_with("xsi:")
        && !name.starts_with("xml:")
        && !matches!(
            name,
            "schemaLocation" | "xsi" | "schemeURI" | "listURI" | "listAgencyID" | "schemeAgencyID"
        )
}

#[derive(Debug, Default)]
struct TreeReader {
    open: Vec<XmlElement>,
    root: Option<XmlElement>,
    count: usize,
    too_deep: usize,
}

impl XmlHandler for TreeReader {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        self.count += 1;
        if self.count > MAX_ELEMENTS {
            return Err(Refusal::Inflates.into());
        }
        if self.open.len() >= MAX_DEPTH {
            self.too_deep += 1;
            return Ok(());
        }
        self.open.push(XmlElement {
            name: tag.local().to_owned(),
            attributes: tag.attributes().into_iter().map(without_prefix).collect(),
            children: Vec::new(),
        });
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return Ok(());
        }
        if let Some(element) = self.open.pop() {
            match self.open.last_mut() {
                Some(outer) => outer.children.push(XmlNode::Element(element)),
                None => self.root = self.root.take().or(Some(element)),
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            match element.children.last_mut() {
                Some(XmlNode::Text(held)) => held.push_str(text),
                _ => element.children.push(XmlNode::Text(text.to_owned())),
            }
        }
    }
}

/// Writes a letter (HL7 CDA): who, whom it concerns, when, and the narrative of its sections. Returns
/// its title.
fn write_letter(root: &XmlElement, builder: &mut BlockBuilder) -> Result<Option<String>, Failure> {
    let title = root
        .child("title")
        .map(XmlElement::text)
        .filter(|title| !title.is_empty());
    if let Some(title) = &title {
        builder.sections.push_block(BlockKind::Heading(1), title);
    }
    let patient = root.at(&["recordTarget", "patientRole"]);
    let person = patient.and_then(|role| role.child("patient"));
    let lines = [
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
    ];
    for (label, text) in lines {
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
            "paragraph" | "caption" | "footnote" => {
                let kind = if inner.name == "caption" {
                    BlockKind::Caption
                } else {
                    BlockKind::Paragraph
                };
                builder.begin_paragraph(kind);
                write_narrative(inner, builder, script)?;
                builder.end_paragraph();
            }
            "item" => {
                builder.begin_paragraph(BlockKind::ListItem);
                builder.set_marker("•");
                write_narrative(inner, builder, script)?;
                builder.end_paragraph();
            }
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
            "td" | "th" => {
                let span = |name: &str| {
                    inner
                        .attribute(name)
                        .and_then(|n| n.trim().parse().ok())
                        .unwrap_or(1)
                };
                builder.open_cell(CellShape {
                    columns: span("colspan"),
                    rows: span("rowspan"),
                    is_header: inner.name == "th",
                    ..CellShape::default()
                })?;
                write_narrative(inner, builder, script)?;
                builder.close_cell();
            }
            _ => write_narrative(inner, builder, script)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(xml: &str) -> String {
        let mut tree = TreeReader::default();
        parse_xml(xml, &mut tree).expect("XML");
        let root = tree.root.expect("a root");
        let mut builder = BlockBuilder::default();
        if root.name == "ClinicalDocument" {
            write_letter(&root, &mut builder).expect("a letter");
        } else {
            write_value(&mut builder.sections, "", &root.value(), 1);
        }
        let pages = builder.finish().finish();
        pages
            .into_iter()
            .map(|frame| frame.page.content.text)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn records_are_values_with_names_and_lists_are_tables() {
        let text = text_of(
            "<Invoice><ID>R-7</ID><PayableAmount currencyID='EUR'>119.00</PayableAmount>\
             <Line><Item>Gauze</Item><Quantity unitCode='C62'>4</Quantity></Line>\
             <Line><Item>Gloves</Item><Quantity unitCode='C62'>9</Quantity></Line></Invoice>",
        );
        assert_eq!(
            text,
            "ID: R-7\nPayable amount: 119.00 EUR\nLine\nItem | Quantity\nGauze | 4 C62\nGloves | 9 C62"
        );
    }

    #[test]
    fn a_letter_is_read_as_its_narrative() {
        let text = text_of(
            "<ClinicalDocument><title>Discharge</title><recordTarget><patientRole><patient><name><given>Ada</given><family>Berg</family></name></patient></patientRole></recordTarget>\
             <component><structuredBody><component><section><title>Medication</title><text><table><thead><tr><th>Drug</th><th>Dose</th></tr></thead><tbody><tr><td>Apixaban</td><td>5 mg</td></tr></tbody></table><paragraph>White cells 10<sup>9</sup>/l</paragraph></text></section></component></structuredBody></component></ClinicalDocument>",
        );
        assert_eq!(
            text,
            "Discharge\nPatient: Ada Berg\nMedication\nDrug | Dose\nApixaban | 5 mg\nWhite cells 10⁹/l"
        );
    }
}
