//! XML as office documents write it: elements by their usual prefix, whatever prefix the file
//! chose, and no entity but the predefined ones.

use super::Failure;
use super::archive::{Archive, damaged};
use super::sections::plain_spaces;
use crate::wire::Info;
use cloister_domain::Day;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::borrow::Cow;

/// Elements nest this deep at most.
const DEEPEST: usize = 4_096;
/// More namespaces than these are not told apart.
const MOST_NAMESPACES: usize = 200;

/// Namespaces, and the prefix that stands for them here. Office Open XML has each of its own twice:
/// as Office writes it, and as its strict variant does.
const NAMESPACES: &[(&str, &str)] = &[
    (
        "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "w",
    ),
    ("http://purl.oclc.org/ooxml/wordprocessingml/main", "w"),
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
    ("http://purl.org/dc/elements/1.1/", "dc"),
    ("http://purl.org/dc/terms/", "dcterms"),
];

/// The usual prefix of a namespace.
fn usual_prefix(uri: &str) -> Option<&'static str> {
    let found = NAMESPACES.iter().find(|(known, _)| *known == uri);
    found.map(|(_, prefix)| *prefix)
}

/// An element's name and attributes.
#[derive(Debug)]
pub struct Tag<'a> {
    /// The name, with its usual prefix: `w:p`.
    pub name: Cow<'a, str>,
    start: &'a BytesStart<'a>,
    prefixes: &'a Prefixes,
}

impl Tag<'_> {
    /// An attribute, by its name with the usual prefix.
    pub fn get(&self, wanted: &str) -> Option<String> {
        let mut attributes = self.start.attributes();
        let attributes = attributes.with_checks(false);
        let found = attributes
            .filter_map(Result::ok)
            .find(|attribute| self.prefixes.usual(attribute.key.as_ref()) == wanted)?;
        let value = found.normalized_value(XmlVersion::Explicit1_0);
        Some(value.map_or_else(|_| found.value.to_string(), Cow::into_owned))
    }

    /// An attribute that is a number.
    pub fn number<T: std::str::FromStr>(&self, wanted: &str) -> Option<T> {
        self.get(wanted)?.trim().parse().ok()
    }

    /// Whether an element that switches something on does so: it does unless it says otherwise.
    pub fn is_on(&self, attribute: &str) -> bool {
        let value = self.get(attribute);
        !value.is_some_and(|value| matches!(value.as_str(), "0" | "false" | "off" | "none"))
    }
}

/// Prefixes that the file uses in place of the usual ones.
#[derive(Debug, Default)]
struct Prefixes(Vec<(String, &'static str)>);

impl Prefixes {
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
            if let Some(usual) = usual_prefix(&attribute.value)
                && usual != prefix
                && self.0.len() < MOST_NAMESPACES
            {
                self.0.retain(|(known, _)| known != prefix);
                self.0.push((prefix.to_owned(), usual));
            }
        }
    }

    fn usual<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(name);
        }
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        match self.0.iter().find(|(known, _)| known == prefix) {
            Some((_, usual)) => Cow::Owned(format!("{usual}:{local}")),
            None => Cow::Borrowed(name),
        }
    }
}

/// What is told of a document, in its order.
pub trait Visitor {
    /// An element begins.
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure>;
    /// An element ends.
    fn end(&mut self, name: &str) -> Result<(), Failure>;
    /// Characters.
    fn text(&mut self, text: &str);
}

/// Tells `visitor` of the whole document.
pub fn walk(xml: &str, visitor: &mut impl Visitor) -> Result<(), Failure> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut prefixes = Prefixes::default();
    let mut depth = 0_usize;
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                depth += 1;
                if depth > DEEPEST {
                    return Err(damaged("its elements are nested too deeply"));
                }
                prefixes.declare(&start);
                let qualified = start.name();
                visitor.start(&Tag {
                    name: prefixes.usual(qualified.as_ref()),
                    start: &start,
                    prefixes: &prefixes,
                })?;
            }
            Ok(Event::End(end)) => {
                depth = depth.saturating_sub(1);
                visitor.end(&prefixes.usual(end.name().as_ref()))?;
            }
            Ok(Event::Text(text)) => visitor.text(&text),
            Ok(Event::CData(text)) => visitor.text(&text),
            Ok(Event::GeneralRef(name)) => match name.resolve_char_ref() {
                Ok(Some(c)) => visitor.text(c.encode_utf8(&mut [0; 4])),
                Ok(None) | Err(_) => visitor.text(entity(&name)),
            },
            Ok(Event::Eof) => return Ok(()),
            Ok(_) => {}
            Err(_) => return Err(damaged("its text is not well-formed XML")),
        }
    }
}

/// The entities that XML itself defines; a file's own ones are left out.
fn entity(name: &str) -> &'static str {
    match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => " ",
    }
}

/// What a document's properties say.
#[derive(Debug, Default)]
pub struct Properties {
    /// The title.
    pub title: Option<String>,
    /// The day of the last change, else of its making.
    pub date: Option<Day>,
}

impl Properties {
    /// Reads the part of the archive that holds them, as far as it can be read.
    pub fn read(archive: &mut Archive<'_>, part: &str) -> Result<Self, Failure> {
        let mut found = Fields::default();
        // A title is not worth losing the document for.
        let _broken = walk(&archive.text(part)?, &mut found);
        let title = plain_spaces(&found.title);
        let dates = [found.modified, found.created];
        Ok(Self {
            title: (!title.is_empty()).then_some(title),
            date: dates.iter().find_map(|date| day(date)),
        })
    }

    /// What there is to say of a file of this format.
    pub fn info(self, format: &str) -> Info {
        Info {
            format: format.to_owned(),
            title: self.title,
            date: self.date,
            ..Info::default()
        }
    }
}

/// The day of a time as ISO 8601 writes it. Clocks that were never set say 1601, 1900 or 1970.
pub fn day(time: &str) -> Option<Day> {
    let day = time.trim().get(..10)?;
    let set = day > "1980-01-01";
    Day::try_from(day.to_owned()).ok().filter(|_| set)
}

#[derive(Debug, Default)]
struct Fields {
    inside: String,
    title: String,
    created: String,
    modified: String,
}

impl Visitor for Fields {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
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
    struct Seen(Vec<String>);

    impl Visitor for Seen {
        fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
            let value = tag.get("w:val").unwrap_or_default();
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
        let mut seen = Seen::default();
        walk(xml, &mut seen).expect("sound XML");
        assert_eq!(seen.0.concat(), expected);
    }

    #[test]
    fn elements_have_their_usual_prefix_and_entities_are_not_expanded() {
        check(
            "<w:p w:val='1'>a&#8211;b&amp;&#x26;<w:t/></w:p>",
            "<w:p 1>a–b&&<w:t ></w:t></w:p>",
        );
        check(
            "<x:p xmlns:x='http://purl.oclc.org/ooxml/wordprocessingml/main' x:val='&lt;'/>",
            "<w:p <></w:p>",
        );
        check("<!DOCTYPE a [<!ENTITY b 'ha'>]><a>&b;&b;</a>", "<a >  </a>");
    }

    #[test]
    fn days_are_checked() {
        let found = day("2026-11-20T10:00:00Z").map(|day| day.to_string());
        assert_eq!(found.as_deref(), Some("2026-11-20"));
        for wrong in ["", "2026", "20.11.2026", "2026-13-01T", "1601-01-01T"] {
            assert!(day(wrong).is_none(), "{wrong}");
        }
    }
}
