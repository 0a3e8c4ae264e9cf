//! XML files. Letters of hospitals (HL7 CDA) are read as their narrative, everything else as records:
//! resources (FHIR), payments (ISO 20022), invoices (UBL), and files of other programs.

mod letter;
mod tree;

use super::records::write_value;
use super::sheet_xml;
use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::common::encoding::{decode, is_text};
use crate::formats::common::sections::Sections;
use crate::formats::common::xml::parse_xml;
use crate::formats::{Failure, Format, ReadOptions, Sink, Source, docx, odf};
use crate::wire::Info;
use cloister_domain::{BlockKind, OmissionKind};
use letter::write_letter;
use tree::{TreeReader, XmlElement};

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
    head.starts_with("<?xml")
        || head.starts_with("<svg")
        || source.extension() == "xml" && head.starts_with('<')
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
    } else if root.name == "svg" {
        write_drawing(&root, &mut builder);
        None
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

/// Writes the words of a drawing (SVG).
fn write_drawing(element: &XmlElement, builder: &mut BlockBuilder) {
    for child in element.elements() {
        match child.name.as_str() {
            "text" | "title" | "desc" | "foreignObject" => {
                builder
                    .sections
                    .push_block(BlockKind::Paragraph, &child.text());
            }
            "style" | "script" | "metadata" => {
                let account = &mut builder.sections.account;
                account.leave_out(OmissionKind::Script, 1);
            }
            _ => write_drawing(child, builder),
        }
    }
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
