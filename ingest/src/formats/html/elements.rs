//! What elements and their attributes say.

use crate::formats::common::math::MathBuilder;
use crate::formats::common::whitespace::normalize_whitespace;
use html5ever::Attribute;
use markup5ever_rcdom::{Handle, NodeData};

/// Maximum depth of the tree. It is far above the depth to which the tree is built.
pub(super) const MAX_DEPTH: usize = 1_500;

/// The number of columns or rows that a cell covers.
pub(super) fn span(attributes: &[Attribute], name: &str) -> usize {
    let value = attribute_value(attributes, name);
    value.and_then(|n| n.trim().parse().ok()).unwrap_or(1)
}

/// The font that an element names.
pub(super) fn font_of(style: &str, attributes: &[Attribute]) -> Option<String> {
    let rule = style
        .split(';')
        .find_map(|rule| rule.strip_prefix("font-family:"));
    let first = rule.and_then(|fonts| fonts.split(',').next());
    let named = first.map(|font| font.trim_matches(['"', '\'']).to_owned());
    named.or_else(|| attribute_value(attributes, "face"))
}

/// The words of the chosen options of a list.
pub(super) fn collect_chosen(
    node: &Handle,
    chosen: &mut Vec<String>,
    only_selected: bool,
    depth: usize,
) {
    for child in node.children.borrow().iter().filter(|_| depth < 20) {
        let NodeData::Element { name, attrs, .. } = &child.data else {
            continue;
        };
        if name.local.as_ref() == "option" {
            if !only_selected || attribute_value(&attrs.borrow(), "selected").is_some() {
                let mut text = String::new();
                collect_text(child, &mut text, 0);
                chosen.push(normalize_whitespace(&text));
            }
        } else {
            collect_chosen(child, chosen, only_selected, depth + 1);
        }
    }
}

pub(super) fn write_math(node: &Handle, math: &mut MathBuilder, depth: usize) -> Option<String> {
    match &node.data {
        NodeData::Text { contents } => {
            let text = contents.borrow();
            if !text.trim().is_empty() {
                math.text(text.trim());
            }
            None
        }
        NodeData::Element { name, .. } if depth < MAX_DEPTH => {
            math.start(name.local.as_ref());
            for child in node.children.borrow().iter() {
                write_math(child, math, depth + 1);
            }
            math.end()
        }
        NodeData::Element { .. }
        | NodeData::Document
        | NodeData::Doctype { .. }
        | NodeData::Comment { .. }
        | NodeData::ProcessingInstruction { .. } => None,
    }
}

pub(super) fn attribute_value(attributes: &[Attribute], name: &str) -> Option<String> {
    let found = attributes.iter().find(|a| a.name.local.as_ref() == name)?;
    Some(found.value.to_string())
}

pub(super) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "section"
            | "article"
            | "main"
            | "aside"
            | "header"
            | "footer"
            | "blockquote"
            | "pre"
            | "address"
            | "dl"
            | "dt"
            | "dd"
            | "figure"
            | "form"
            | "fieldset"
            | "details"
            | "summary"
            | "hr"
            | "body"
    )
}

pub(super) fn is_hidden(attributes: &[Attribute], style: &str) -> bool {
    let by_attribute = attributes.iter().any(|attribute| {
        let value = attribute.value.to_ascii_lowercase();
        match attribute.name.local.as_ref() {
            "hidden" => true,
            "aria-hidden" => value == "true",
            _ => false,
        }
    });
    by_attribute || style.split(';').any(hides)
}

pub(super) fn collect_text(node: &Handle, text: &mut String, depth: usize) {
    if let NodeData::Text { contents } = &node.data {
        text.push_str(&contents.borrow());
    }
    for child in node.children.borrow().iter().filter(|_| depth < MAX_DEPTH) {
        collect_text(child, text, depth + 1);
    }
}

/// Whether a rule of a style hides an element.
fn hides(rule: &str) -> bool {
    matches!(
        rule,
        "display:none"
            | "display:none!important"
            | "visibility:hidden"
            | "mso-hide:all"
            | "font-size:0"
            | "font-size:0px"
            | "opacity:0"
    )
}

/// Whether a node is an element with this name.
pub(super) fn is_named(node: &Handle, wanted: &str) -> bool {
    matches!(&node.data, NodeData::Element { name, .. } if name.local.as_ref() == wanted)
}

/// The element that another one is shown as: style sheets make tables of any elements.
pub(super) fn shown_as<'n>(name: &'n str, style: &str) -> &'n str {
    if !matches!(
        name,
        "div" | "span" | "p" | "section" | "article" | "ul" | "li" | "dl" | "dt" | "dd" | "label"
    ) {
        return name;
    }
    let display = style
        .split(';')
        .rev()
        .find_map(|rule| rule.strip_prefix("display:"));
    match display {
        Some("table" | "inline-table") => "table",
        Some("table-row") => "tr",
        Some("table-cell") => "td",
        _ => name,
    }
}
