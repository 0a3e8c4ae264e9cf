//! HTML: the document tree becomes headings, paragraphs, list items and table rows. Scripts,
//! styles and what the page hides are left out.

use super::sections::{Sections, plain_spaces};
use super::text::{decode, is_text, send_sections};
use super::{Failure, Format, Sink, Source};
use cloister_domain::BlockKind;
use html5ever::tendril::TendrilSink;
use html5ever::{Attribute, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// HTML.
#[derive(Debug)]
pub struct Html;

/// Elements nest this deep at most; what lies deeper is left out.
const DEEPEST: usize = 400;

impl Format for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn label(&self) -> &'static str {
        "HTML"
    }

    fn recognises(&self, source: &Source) -> bool {
        if !is_text(source) || matches!(source.extension().as_str(), "md" | "markdown") {
            return false;
        }
        let head = decode(source.head(4096)).to_ascii_lowercase();
        let head = head.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let begins = ["<!doctype html", "<html", "<head", "<body"]
            .iter()
            .any(|sign| head.starts_with(sign));
        let follows_a_preamble =
            (head.starts_with("<?xml") || head.starts_with("<!--")) && head.contains("<html");
        let named = matches!(source.extension().as_str(), "html" | "htm" | "xhtml");
        begins || follows_a_preamble || named && head.contains('<')
    }

    fn read(
        &self,
        source: &Source,
        _from_page: u32,
        _structure: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let text = declared_encoding(&source.bytes).map_or_else(
            || decode(&source.bytes),
            |e| e.decode(&source.bytes).0.into_owned(),
        );
        let tree = parse_document(RcDom::default(), html5ever::ParseOpts::default()).one(text);
        let mut walk = Walk::default();
        walk.node(&tree.document, 0);
        walk.close();
        let title = walk.title.filter(|title| !title.is_empty());
        send_sections(self.name(), title, walk.sections, sink)
    }
}

/// The words of a piece of HTML, without its tags.
pub fn text_of(piece: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for c in piece.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push(' ');
            }
            _ if !in_tag => text.push(c),
            _ => {}
        }
    }
    text
}

/// The encoding that a `meta` element names, where the bytes are not UTF-8.
fn declared_encoding(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    if std::str::from_utf8(bytes).is_ok() || encoding_rs::Encoding::for_bom(bytes).is_some() {
        return None;
    }
    let head = String::from_utf8_lossy(bytes.get(..2048).unwrap_or(bytes)).to_ascii_lowercase();
    let (_, after) = head.split_once("charset=")?;
    let label: String = after
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    encoding_rs::Encoding::for_label(label.as_bytes())
}

#[derive(Default)]
struct Walk {
    sections: Sections,
    title: Option<String>,
    kind: Option<BlockKind>,
    text: String,
    lists: Vec<Option<u32>>,
}

impl Walk {
    fn node(&mut self, node: &Handle, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        match &node.data {
            NodeData::Text { contents } => self.text.push_str(&contents.borrow()),
            NodeData::Element { name, attrs, .. } => {
                if !is_hidden(&attrs.borrow()) {
                    self.element(node, name.local.as_ref(), depth);
                }
            }
            NodeData::Document => self.children(node, depth),
            NodeData::Doctype { .. }
            | NodeData::Comment { .. }
            | NodeData::ProcessingInstruction { .. } => {}
        }
    }

    fn children(&mut self, node: &Handle, depth: usize) {
        for child in node.children.borrow().iter() {
            self.node(child, depth + 1);
        }
    }

    fn element(&mut self, node: &Handle, name: &str, depth: usize) {
        match name {
            "script" | "style" | "noscript" | "template" | "svg" | "iframe" | "object" | "nav"
            | "select" | "button" => {}
            "title" => {
                self.children(node, depth);
                let title = plain_spaces(&std::mem::take(&mut self.text));
                self.title.get_or_insert(title);
            }
            "br" => self.text.push(' '),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = name.bytes().last().map_or(1, |digit| digit - b'0');
                self.block(node, BlockKind::Heading(level), depth);
            }
            "ul" => self.list(node, None, depth),
            "ol" => self.list(node, Some(1), depth),
            "li" => self.item(node, depth),
            "tr" => self.block(node, BlockKind::TableRow, depth),
            "td" | "th" => self.cell(node, depth),
            "caption" | "figcaption" => self.block(node, BlockKind::Caption, depth),
            _ if is_block(name) && !self.in_row() => {
                let kind = self.kind.filter(|kind| *kind == BlockKind::ListItem);
                if kind.is_some() && self.text.chars().count() < 8 {
                    // The paragraph that an item begins with is the item's text.
                    self.children(node, depth);
                } else {
                    self.block(node, BlockKind::Paragraph, depth);
                }
            }
            _ if is_block(name) => {
                self.text.push(' ');
                self.children(node, depth);
                self.text.push(' ');
            }
            _ => self.children(node, depth),
        }
    }

    fn in_row(&self) -> bool {
        self.kind == Some(BlockKind::TableRow)
    }

    fn block(&mut self, node: &Handle, kind: BlockKind, depth: usize) {
        self.close();
        self.kind = Some(kind);
        self.children(node, depth);
        self.close();
    }

    fn list(&mut self, node: &Handle, first: Option<u32>, depth: usize) {
        self.close();
        self.lists.push(first);
        self.children(node, depth);
        self.close();
        self.lists.pop();
    }

    fn item(&mut self, node: &Handle, depth: usize) {
        self.close();
        self.kind = Some(BlockKind::ListItem);
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.text = format!("{number}. ");
                *number += 1;
            }
            _ => "• ".clone_into(&mut self.text),
        }
        self.children(node, depth);
        self.close();
    }

    fn cell(&mut self, node: &Handle, depth: usize) {
        if !self.in_row() {
            self.block(node, BlockKind::Paragraph, depth);
            return;
        }
        if !self.text.trim().is_empty() {
            self.text.push_str(" | ");
        }
        self.children(node, depth);
    }

    fn close(&mut self) {
        let kind = self.kind.take().unwrap_or(BlockKind::Paragraph);
        let text = std::mem::take(&mut self.text);
        if text.trim() != "•" {
            self.sections.push(kind, &text);
        }
    }
}

fn is_block(name: &str) -> bool {
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
            | "table"
            | "thead"
            | "tbody"
            | "tfoot"
            | "figure"
            | "form"
            | "fieldset"
            | "details"
            | "summary"
            | "hr"
            | "body"
    )
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let value = attribute.value.to_ascii_lowercase();
        match attribute.name.local.as_ref() {
            "hidden" => true,
            "aria-hidden" => value == "true",
            "style" => {
                let style: String = value.split_whitespace().collect();
                style.contains("display:none") || style.contains("visibility:hidden")
            }
            _ => false,
        }
    })
}
