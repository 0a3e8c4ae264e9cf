//! XML of office documents. Element names are reported with a canonical prefix for each namespace,
//! and only the predefined entities are expanded.

use super::archive::Archive;
use super::whitespace::normalize_whitespace;
use crate::formats::Failure;
use crate::wire::Info;
use cloister_domain::Day;
use quick_xml::escape::unescape as unescape_xml;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::borrow::Cow;
use std::collections::HashMap;

/// Maximum nesting depth of elements.
const MAX_DEPTH: usize = 4_096;
/// Maximum number of namespace declarations.
const MAX_NAMESPACES: usize = 200;
/// Limits of the entities that a file declares: their number, the length of each, and what all
/// their uses together may add.
const MAX_ENTITIES: usize = 1_000;
const MAX_ENTITY_BYTES: usize = 4_000;
const MAX_EXPANDED_BYTES: usize = 1 << 20;

/// Namespaces and their canonical prefixes. Office Open XML has two namespaces for each prefix: the
/// transitional one, which Office writes, and the strict one.
const NAMESPACES: &[(&str, &str)] = &[
    (
        "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "w",
    ),
    ("http://purl.oclc.org/ooxml/wordprocessingml/main", "w"),
    ("http://schemas.microsoft.com/office/word/2003/wordml", "w"),
    (
        "http://schemas.openxmlformats.org/presentationml/2006/main",
        "p",
    ),
    ("http://purl.oclc.org/ooxml/presentationml/main", "p"),
    ("http://schemas.openxmlformats.org/drawingml/2006/main", "a"),
    ("http://purl.oclc.org/ooxml/drawingml/main", "a"),
    (
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
        "r",
    ),
    (
        "http://purl.oclc.org/ooxml/officeDocument/relationships",
        "r",
    ),
    (
        "http://schemas.openxmlformats.org/officeDocument/2006/math",
        "m",
    ),
    ("http://purl.oclc.org/ooxml/officeDocument/math", "m"),
    (
        "http://schemas.openxmlformats.org/markup-compatibility/2006",
        "mc",
    ),
    ("urn:oasis:names:tc:opendocument:xmlns:office:1.0", "office"),
    ("urn:oasis:names:tc:opendocument:xmlns:text:1.0", "text"),
    ("urn:oasis:names:tc:opendocument:xmlns:table:1.0", "table"),
    ("urn:oasis:names:tc:opendocument:xmlns:style:1.0", "style"),
    ("urn:oasis:names:tc:opendocument:xmlns:drawing:1.0", "draw"),
    (
        "urn:oasis:names:tc:opendocument:xmlns:presentation:1.0",
        "presentation",
    ),
    ("urn:oasis:names:tc:opendocument:xmlns:meta:1.0", "meta"),
    (
        "http://schemas.microsoft.com/office/word/2010/wordml",
        "w14",
    ),
    (
        "http://schemas.openxmlformats.org/drawingml/2006/chart",
        "c",
    ),
    ("http://purl.oclc.org/ooxml/drawingml/chart", "c"),
    (
        "http://schemas.openxmlformats.org/drawingml/2006/diagram",
        "dgm",
    ),
    ("urn:oasis:names:tc:opendocument:xmlns:form:1.0", "form"),
    (
        "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0",
        "fo",
    ),
    (
        "urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0",
        "loext",
    ),
    ("http://www.w3.org/1999/xlink", "xlink"),
    ("http://www.w3.org/1998/Math/MathML", "math"),
    ("http://purl.org/dc/elements/1.1/", "dc"),
    ("http://purl.org/dc/terms/", "dcterms"),
];

/// The canonical prefix of a namespace.
fn canonical_prefix(uri: &str) -> Option<&'static str> {
    let found = NAMESPACES.iter().find(|(known, _)| *known == uri);
    found.map(|(_, prefix)| *prefix)
}

/// An element's name and attributes.
#[derive(Debug)]
pub struct XmlTag<'a> {
    /// The name with its canonical prefix: `w:p`.
    pub name: Cow<'a, str>,
    start: &'a BytesStart<'a>,
    prefixes: &'a PrefixMap,
}

impl XmlTag<'_> {
    /// The name without its prefix.
    pub fn local(&self) -> &str {
        self.name.rsplit(':').next().unwrap_or_default()
    }

    /// The value of an attribute, by its name with the canonical prefix.
    pub fn attribute(&self, wanted: &str) -> Option<String> {
        let mut attributes = self.start.attributes();
        let attributes = attributes.with_checks(false);
        let found = attributes
            .filter_map(Result::ok)
            .find(|attribute| self.prefixes.canonical(attribute.key.as_ref()) == wanted)?;
        let value = found.normalized_value(XmlVersion::Explicit1_0);
        Some(value.map_or_else(|_| found.value.to_string(), Cow::into_owned))
    }

    /// All attributes, as the file names them. At most 64 are read.
    pub fn attributes(&self) -> Vec<(String, String)> {
        let mut attributes = self.start.attributes();
        let attributes = attributes
            .with_checks(false)
            .filter_map(Result::ok)
            .take(64);
        attributes
            .map(|attribute| {
                let value = attribute.normalized_value(XmlVersion::Explicit1_0);
                let value = value.map_or_else(|_| attribute.value.to_string(), Cow::into_owned);
                (attribute.key.as_ref().to_owned(), value)
            })
            .collect()
    }

    /// The value of an attribute as a number.
    pub fn parse_attribute<T: std::str::FromStr>(&self, wanted: &str) -> Option<T> {
        self.attribute(wanted)?.trim().parse().ok()
    }

    /// The value of a toggle: on, unless the attribute switches it off.
    pub fn is_on(&self, attribute: &str) -> bool {
        let value = self.attribute(attribute);
        !value.is_some_and(|value| matches!(value.as_str(), "0" | "false" | "off" | "none"))
    }
}

/// Prefixes of the file that differ from the canonical ones.
#[derive(Debug, Default)]
struct PrefixMap(Vec<(String, &'static str)>);

impl PrefixMap {
    fn declare(&mut self, start: &BytesStart<'_>) {
        if !start.attributes_raw().contains("xmlns") {
            return;
        }
        for attribute in start.attributes().with_checks(false).filter_map(Result::ok) {
            let key = attribute.key.as_ref();
            let Some(prefix) = key.strip_prefix("xmlns") else {
                continue;
            };
            let prefix = prefix.trim_start_matches(':');
            if let Some(canonical) = canonical_prefix(&attribute.value)
                && canonical != prefix
                && self.0.len() < MAX_NAMESPACES
            {
                self.0.retain(|(known, _)| known != prefix);
                self.0.push((prefix.to_owned(), canonical));
            }
        }
    }

    fn canonical<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(name);
        }
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        match self.0.iter().find(|(known, _)| known == prefix) {
            Some((_, canonical)) => Cow::Owned(format!("{canonical}:{local}")),
            None => Cow::Borrowed(name),
        }
    }
}

/// Receives the events of an XML document, in order.
pub trait XmlHandler {
    /// An element starts.
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure>;
    /// An element ends.
    fn end(&mut self, name: &str) -> Result<(), Failure>;
    /// Character data.
    fn text(&mut self, text: &str);
}

/// Parses a document and reports its events to `handler`.
pub fn parse_xml(xml: &str, handler: &mut impl XmlHandler) -> Result<(), Failure> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut prefixes = PrefixMap::default();
    let mut entities = DeclaredEntities::default();
    let mut depth = 0_usize;
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Failure::damaged("its elements are nested too deeply"));
                }
                prefixes.declare(&start);
                let qualified = start.name();
                handler.start(&XmlTag {
                    name: prefixes.canonical(qualified.as_ref()),
                    start: &start,
                    prefixes: &prefixes,
                })?;
            }
            Ok(Event::End(end)) => {
                depth = depth.saturating_sub(1);
                handler.end(&prefixes.canonical(end.name().as_ref()))?;
            }
            Ok(Event::Text(text)) => handler.text(&text),
            Ok(Event::CData(text)) => handler.text(&text),
            Ok(Event::GeneralRef(name)) => match name.resolve_char_ref() {
                Ok(Some(c)) => handler.text(c.encode_utf8(&mut [0; 4])),
                Ok(None) | Err(_) => handler.text(entities.expand(&name)),
            },
            Ok(Event::DocType(declaration)) => entities.declare(&declaration),
            Ok(Event::Eof) => return Ok(()),
            Ok(_) => {}
            Err(_) => return Err(Failure::damaged("its text is not well-formed XML")),
        }
    }
}

/// Characters that XML does not allow are written as `_x000D_`.
pub fn unescape(text: &str) -> String {
    if !text.contains("_x") {
        return text.to_owned();
    }
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("_x") {
        plain.push_str(before);
        let code = after.get(..4).filter(|_| after.get(4..5) == Some("_"));
        let character = code
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(char::from_u32);
        if let Some(c) = character {
            plain.push(if c.is_control() { ' ' } else { c });
            rest = after.get(5..).unwrap_or_default();
        } else {
            plain.push_str("_x");
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

/// The entity that XML predefines.
fn predefined_entity(name: &str) -> Option<&'static str> {
    Some(match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    })
}

/// The entities that a file declares. Only plain text is expanded: no entity inside of another, and
/// nothing from another file.
#[derive(Debug, Default)]
struct DeclaredEntities {
    texts: HashMap<String, String>,
    expanded_bytes: usize,
}

impl DeclaredEntities {
    fn declare(&mut self, declaration: &str) {
        for part in declaration.split("<!ENTITY").skip(1) {
            let Some((name, rest)) = part.trim_start().split_once(char::is_whitespace) else {
                continue;
            };
            let rest = rest.trim_start();
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
            let value = quote.and_then(|quote| rest.get(1..)?.split_once(quote));
            let text = value.and_then(|(value, _)| unescape_xml(value).ok());
            let Some(text) = text.filter(|text| text.len() <= MAX_ENTITY_BYTES) else {
                continue;
            };
            if self.texts.len() < MAX_ENTITIES && !text.contains(['&', '<']) {
                self.texts.insert(name.to_owned(), text.into_owned());
            }
        }
    }

    /// The text of an entity, or a space if it is unknown or too many were expanded.
    fn expand<'e>(&'e mut self, name: &str) -> &'e str {
        if let Some(text) = predefined_entity(name) {
            return text;
        }
        match self.texts.get(name) {
            Some(text) if self.expanded_bytes < MAX_EXPANDED_BYTES => {
                self.expanded_bytes += text.len();
                text
            }
            Some(_) | None => " ",
        }
    }
}

/// The properties of a document.
#[derive(Debug, Default)]
pub struct DocumentProperties {
    /// The title.
    pub title: Option<String>,
    /// The day of the last change, or of the creation.
    pub date: Option<Day>,
}

impl DocumentProperties {
    /// Reads the properties from a part of the archive, as far as it is valid.
    pub fn read(archive: &mut Archive<'_>, part: &str) -> Result<Self, Failure> {
        let mut found = PropertyHandler::default();
        // Invalid properties do not make the document invalid.
        let _broken = parse_xml(&archive.text(part)?, &mut found);
        let title = normalize_whitespace(&found.title);
        let dates = [found.modified, found.created];
        Ok(Self {
            title: (!title.is_empty()).then_some(title),
            date: dates.iter().find_map(|date| parse_day(date)),
        })
    }

    /// The information about a file of this format.
    pub fn info(self, format: &str) -> Info {
        Info {
            format: format.to_owned(),
            title: self.title,
            date: self.date,
            ..Info::default()
        }
    }
}

/// Parses the day of an ISO 8601 time. Days before 1980 come from clocks that were never set, and
/// are ignored.
pub fn parse_day(time: &str) -> Option<Day> {
    let day = time.trim().get(..10)?;
    let set = day > "1980-01-01";
    Day::try_from(day.to_owned()).ok().filter(|_| set)
}

#[derive(Debug, Default)]
struct PropertyHandler {
    inside: String,
    title: String,
    created: String,
    modified: String,
}

impl XmlHandler for PropertyHandler {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        self.inside = tag.name.to_string();
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        self.inside.clear();
        Ok(())
    }

    fn text(&mut self, text: &str) {
        match self.inside.as_str() {
            "dc:title" => self.title.push_str(text),
            "dcterms:created" | "meta:creation-date" => self.created.push_str(text),
            "dcterms:modified" | "dc:date" => self.modified.push_str(text),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct RecordingHandler(Vec<String>);

    impl XmlHandler for RecordingHandler {
        fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
            let value = tag.attribute("w:val").unwrap_or_default();
            self.0.push(format!("<{} {value}>", tag.name));
            Ok(())
        }

        fn end(&mut self, name: &str) -> Result<(), Failure> {
            self.0.push(format!("</{name}>"));
            Ok(())
        }

        fn text(&mut self, text: &str) {
            self.0.push(text.to_owned());
        }
    }

    fn check(xml: &str, expected: &str) {
        let mut seen = RecordingHandler::default();
        parse_xml(xml, &mut seen).expect("sound XML");
        assert_eq!(seen.0.concat(), expected);
    }

    #[test]
    fn elements_have_canonical_prefixes_and_entities_are_expanded_once() {
        check(
            "<w:p w:val='1'>a&#8211;b&amp;&#x26;<w:t/></w:p>",
            "<w:p 1>a–b&&<w:t ></w:t></w:p>",
        );
        check(
            "<x:p xmlns:x='http://purl.oclc.org/ooxml/wordprocessingml/main' x:val='&lt;'/>",
            "<w:p <></w:p>",
        );
        check(
            "<!DOCTYPE a [<!ENTITY b 'ha'>]><a>&b;&b;</a>",
            "<a >haha</a>",
        );
        let nested = "<!DOCTYPE a [<!ENTITY b 'ha'><!ENTITY c '&b;&b;'>]><a>&c;</a>";
        check(nested, "<a > </a>");
        let external = "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>";
        check(external, "<a > </a>");
    }

    #[test]
    fn days_are_checked() {
        let found = parse_day("2026-11-20T10:00:00Z").map(|day| day.to_string());
        assert_eq!(found.as_deref(), Some("2026-11-20"));
        for wrong in ["", "2026", "20.11.2026", "2026-13-01T", "1601-01-01T"] {
            assert!(parse_day(wrong).is_none(), "{wrong}");
        }
    }
}
