//! HTML: the document tree becomes headings, paragraphs, list items and table rows. Scripts, styles
//! and hidden elements are left out.

mod tree;

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock};
use crate::formats::common::encoding::{decode, is_text};
use crate::formats::common::sections::normalize_whitespace;
use crate::wire::Info;
use cloister_domain::BlockKind;
use html5ever::Attribute;
use markup5ever_rcdom::{Handle, NodeData};

/// Maximum depth of the tree. It is far above the depth to which the tree is built.
const MAX_DEPTH: usize = 1_500;

/// HTML.
pub const FORMAT: Format = Format {
    name: "html",
    label: "HTML",
    matches,
    extract,
    render_page: None,
};

fn matches(source: &Source) -> bool {
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

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let text = declared_encoding(&source.bytes).map_or_else(
        || decode(&source.bytes),
        |e| e.decode(&source.bytes).0.into_owned(),
    );
    let mut builder = BlockBuilder::default();
    let title = read_into(&text, &mut builder)?;
    let info = Info {
        format: FORMAT.name.to_owned(),
        title,
        ..Info::default()
    };
    builder.finish().send(info, sink)
}

/// Reads a page into `builder`, and returns its title.
pub fn read_into(text: &str, builder: &mut BlockBuilder) -> Result<Option<String>, Failure> {
    let tree = tree::parse(text);
    let mut reader = HtmlReader {
        builder,
        title: None,
        lists: Vec::new(),
    };
    reader.node(&tree.document, 0)?;
    reader.builder.end_paragraph();
    Ok(reader.title.filter(|title| !title.is_empty()))
}

/// The text of an HTML fragment, without tags.
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

/// The encoding declared in a `meta` element, if the bytes are not UTF-8.
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

struct HtmlReader<'a> {
    builder: &'a mut BlockBuilder,
    title: Option<String>,
    /// For each open list, the number of its next item; `None` for bullets.
    lists: Vec<Option<u32>>,
}

impl HtmlReader<'_> {
    fn node(&mut self, node: &Handle, depth: usize) -> Result<(), Failure> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        match &node.data {
            NodeData::Text { contents } => self.builder.push_text(&contents.borrow()),
            NodeData::Element { name, attrs, .. } => {
                let attributes = attrs.borrow();
                if !is_hidden(&attributes) {
                    self.element(node, name.local.as_ref(), &attributes, depth)?;
                }
            }
            NodeData::Document => self.children(node, depth)?,
            NodeData::Doctype { .. }
            | NodeData::Comment { .. }
            | NodeData::ProcessingInstruction { .. } => {}
        }
        Ok(())
    }

    fn children(&mut self, node: &Handle, depth: usize) -> Result<(), Failure> {
        for child in node.children.borrow().iter() {
            self.node(child, depth + 1)?;
        }
        Ok(())
    }

    fn element(
        &mut self,
        node: &Handle,
        name: &str,
        attributes: &[Attribute],
        depth: usize,
    ) -> Result<(), Failure> {
        match name {
            "script" | "style" | "noscript" | "template" | "svg" | "iframe" | "object" | "nav"
            | "select" | "button" => Ok(()),
            "title" => self.title(node, depth),
            "br" => {
                self.builder.push_text(" ");
                Ok(())
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = name.bytes().last().map_or(1, |digit| digit - b'0');
                self.block(node, BlockKind::Heading(level), depth)
            }
            "ul" => self.list(node, None, depth),
            "ol" => {
                let start =
                    attribute_value(attributes, "start").and_then(|n| n.trim().parse().ok());
                self.list(node, Some(start.unwrap_or(1)), depth)
            }
            "li" => self.item(node, depth),
            "table" => {
                self.builder.open_table()?;
                self.children(node, depth)?;
                self.builder.close_table();
                Ok(())
            }
            "tr" => {
                self.builder.open_row();
                self.children(node, depth)
            }
            "td" | "th" => self.cell(node, attributes, depth),
            "caption" | "figcaption" => self.block(node, BlockKind::Caption, depth),
            // The first paragraph of a list item is the text of the item.
            _ if is_block(name)
                && self.builder.kind() == BlockKind::ListItem
                && self.builder.is_empty() =>
            {
                self.children(node, depth)
            }
            _ if is_block(name) => self.block(node, BlockKind::Paragraph, depth),
            _ => self.children(node, depth),
        }
    }

    fn title(&mut self, node: &Handle, depth: usize) -> Result<(), Failure> {
        self.builder.open_float()?;
        self.children(node, depth)?;
        let words = self
            .builder
            .take_float()
            .into_iter()
            .map(BuiltBlock::into_text);
        let title: Vec<String> = words.collect();
        self.title
            .get_or_insert(normalize_whitespace(&title.join(" ")));
        Ok(())
    }

    fn block(&mut self, node: &Handle, kind: BlockKind, depth: usize) -> Result<(), Failure> {
        self.builder.begin_paragraph(kind);
        self.children(node, depth)?;
        self.builder.end_paragraph();
        Ok(())
    }

    fn list(&mut self, node: &Handle, first: Option<u32>, depth: usize) -> Result<(), Failure> {
        self.builder.end_paragraph();
        self.lists.push(first);
        self.children(node, depth)?;
        self.builder.end_paragraph();
        self.lists.pop();
        Ok(())
    }

    fn item(&mut self, node: &Handle, depth: usize) -> Result<(), Failure> {
        self.builder.begin_paragraph(BlockKind::ListItem);
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.builder.set_marker(&format!("{number}."));
                *number = number.saturating_add(1);
            }
            _ => self.builder.set_marker("•"),
        }
        self.children(node, depth)?;
        self.builder.end_paragraph();
        Ok(())
    }

    fn cell(
        &mut self,
        node: &Handle,
        attributes: &[Attribute],
        depth: usize,
    ) -> Result<(), Failure> {
        let span = attribute_value(attributes, "colspan").and_then(|n| n.trim().parse().ok());
        self.builder.open_cell(span.unwrap_or(1))?;
        self.children(node, depth)?;
        self.builder.close_cell();
        Ok(())
    }
}

fn attribute_value(attributes: &[Attribute], name: &str) -> Option<String> {
    let found = attributes.iter().find(|a| a.name.local.as_ref() == name)?;
    Some(found.value.to_string())
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
                style.split(';').any(|rule| {
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
                })
            }
            _ => false,
        }
    })
}
