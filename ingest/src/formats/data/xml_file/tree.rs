//! The tree of an XML file, and its value as records.

use crate::formats::Failure;
use crate::formats::common::whitespace::normalize_whitespace;
use crate::formats::common::xml::{XmlHandler, XmlTag};
use crate::formats::data::records::RecordValue;
use crate::wire::Refusal;

/// Maximum number of elements.
const MAX_ELEMENTS: usize = 2_000_000;
/// Deeper elements are read as text of the element around them.
pub(super) const MAX_DEPTH: usize = 200;

/// An element.
#[derive(Debug, Default)]
pub(super) struct XmlElement {
    pub name: String,
    attributes: Vec<(String, String)>,
    pub children: Vec<XmlNode>,
}

#[derive(Debug)]
pub(super) enum XmlNode {
    Element(XmlElement),
    Text(String),
}

impl XmlElement {
    pub fn elements(&self) -> impl Iterator<Item = &XmlElement> {
        self.children.iter().filter_map(|node| match node {
            XmlNode::Element(element) => Some(element),
            XmlNode::Text(_) => None,
        })
    }

    pub fn child(&self, name: &str) -> Option<&XmlElement> {
        self.elements().find(|element| element.name == name)
    }

    /// The element at the end of a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&XmlElement> {
        path.iter()
            .try_fold(self, |element, name| element.child(name))
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// All text in it.
    pub fn text(&self) -> String {
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

    /// The text with the units and values that its elements have as attributes.
    fn collect_mixed(&self, text: &mut String) {
        for node in &self.children {
            match node {
                XmlNode::Text(own) => text.push_str(own),
                XmlNode::Element(element) if element.children.is_empty() => {
                    text.extend([" ", element.value().on_one_line().as_str(), " "]);
                }
                XmlNode::Element(element) => {
                    element.collect_mixed(text);
                    let unit = ["currencyID", "Ccy", "unitCode", "unit"]
                        .iter()
                        .find_map(|name| element.attribute(name));
                    if let Some(unit) = unit {
                        text.extend([" ", unit, " "]);
                    }
                }
            }
        }
    }

    /// The element as a value: a text with its unit, or a record of its children.
    pub fn value(&self) -> RecordValue {
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
            let mut text = String::new();
            self.collect_mixed(&mut text);
            return RecordValue::Text(normalize_whitespace(&text));
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
pub(super) struct TreeReader {
    open: Vec<XmlElement>,
    pub root: Option<XmlElement>,
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
