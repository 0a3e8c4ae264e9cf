//! HTML: the document tree becomes headings, paragraphs, list items and table rows. Scripts, styles
//! and hidden elements are left out.

mod style_sheet;
mod tree;

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock, CellShape};
use crate::formats::common::drawings::box_sign;
use crate::formats::common::encoding::{decode, is_text};
use crate::formats::common::math::MathBuilder;
use crate::formats::common::scripts::{Script, write_struck};
use crate::formats::common::sections::normalize_whitespace;
use crate::formats::common::symbols::SymbolFont;
use crate::wire::Info;
use cloister_domain::BlockKind;
use html5ever::Attribute;
use markup5ever_rcdom::{Handle, NodeData};
use style_sheet::StyleSheet;

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
    let text = decode_page(&source.bytes);
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
        bold: 0,
        in_table_head: false,
        script: Script::Normal,
        struck: 0,
        symbol_font: None,
        style_sheet: StyleSheet::new(),
    };
    collect_styles(&tree.document, &mut reader.style_sheet, 0);
    reader.node(&tree.document, 0)?;
    reader.builder.end_paragraph();
    Ok(reader.title.filter(|title| !title.is_empty()))
}

/// Decodes a page in the encoding that it declares.
pub fn decode_page(bytes: &[u8]) -> String {
    let declared = declared_encoding(bytes);
    declared.map_or_else(|| decode(bytes), |e| e.decode(bytes).0.into_owned())
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
    /// Number of open elements that make text bold.
    bold: usize,
    in_table_head: bool,
    script: Script,
    /// Number of open elements with text that is struck out.
    struck: usize,
    /// The symbol font of the text.
    symbol_font: Option<SymbolFont>,
    style_sheet: StyleSheet,
}

impl HtmlReader<'_> {
    fn node(&mut self, node: &Handle, depth: usize) -> Result<(), Failure> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        match &node.data {
            NodeData::Text { contents } => {
                let text = match self.symbol_font {
                    Some(font) => write_beyond_ascii(font, &contents.borrow()),
                    None => self.script.write(&contents.borrow()),
                };
                let text = if self.struck > 0 {
                    write_struck(&text)
                } else {
                    text
                };
                self.builder.note_weight(&text, self.bold > 0);
                self.builder.push_text(&text);
            }
            NodeData::Element { name, attrs, .. } => {
                let attributes = attrs.borrow();
                let style = self.style_of(name.local.as_ref(), &attributes);
                if !is_hidden(&attributes, &style) {
                    self.styled_element(node, name.local.as_ref(), &attributes, &style, depth)?;
                }
            }
            NodeData::Document => self.children(node, depth)?,
            NodeData::Doctype { .. }
            | NodeData::Comment { .. }
            | NodeData::ProcessingInstruction { .. } => {}
        }
        Ok(())
    }

    /// The declarations for an element, those of its own last, in lower case and without spaces.
    fn style_of(&self, name: &str, attributes: &[Attribute]) -> String {
        let classes = attribute_value(attributes, "class").unwrap_or_default();
        let id = attribute_value(attributes, "id").unwrap_or_default();
        let mut style = self.style_sheet.style_of(name, &classes, &id);
        let own = attribute_value(attributes, "style").unwrap_or_default();
        style.extend(own.to_ascii_lowercase().split_whitespace());
        style
    }

    /// Reads an element whose text may be raised, lowered or struck out.
    fn styled_element(
        &mut self,
        node: &Handle,
        name: &str,
        attributes: &[Attribute],
        style: &str,
        depth: usize,
    ) -> Result<(), Failure> {
        let script = match name {
            "sup" => Script::Raised,
            "sub" => Script::Lowered,
            _ if style.contains("vertical-align:super") => Script::Raised,
            _ if style.contains("vertical-align:sub") => Script::Lowered,
            _ => self.script,
        };
        let is_struck = matches!(name, "s" | "strike" | "del")
            || style
                .split(';')
                .any(|rule| rule.starts_with("text-decoration") && rule.contains("line-through"));
        let outer = std::mem::replace(&mut self.script, script);
        let font = font_of(style, attributes);
        let outer_font = self.symbol_font;
        if let Some(font) = font {
            self.symbol_font = SymbolFont::from_name(&font);
        }
        self.struck += usize::from(is_struck);
        let role = attribute_value(attributes, "role").unwrap_or_default();
        if matches!(role.as_str(), "checkbox" | "radio" | "menuitemcheckbox") {
            let checked = attribute_value(attributes, "aria-checked");
            let sign = box_sign(checked.is_some_and(|checked| checked == "true"));
            self.builder.push_text(&format!(" {sign} "));
        }
        let read = self.element(node, name, attributes, depth);
        self.struck -= usize::from(is_struck);
        self.script = outer;
        self.symbol_font = outer_font;
        read
    }

    /// A field of a form: a box with its state, or what was written or chosen.
    fn field(&mut self, node: &Handle, name: &str, attributes: &[Attribute]) {
        if name == "select" {
            let mut chosen = Vec::new();
            collect_chosen(node, &mut chosen, true, 0);
            // A list that drops down shows its first choice.
            if chosen.is_empty() && attribute_value(attributes, "multiple").is_none() {
                collect_chosen(node, &mut chosen, false, 0);
                chosen.truncate(1);
            }
            self.builder.push_text(&format!(" {} ", chosen.join(", ")));
            return;
        }
        let kind = attribute_value(attributes, "type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        match kind.as_str() {
            "checkbox" | "radio" => {
                let is_ticked = attribute_value(attributes, "checked").is_some();
                self.builder
                    .push_text(&format!(" {} ", box_sign(is_ticked)));
            }
            "" | "text" | "number" | "date" | "email" | "tel" | "time" | "search" | "url"
            | "datetime-local" | "month" | "week" => {
                let value = attribute_value(attributes, "value").unwrap_or_default();
                self.builder.push_text(&format!(" {value} "));
            }
            _ => {}
        }
    }

    fn math(&mut self, node: &Handle) {
        let mut math = MathBuilder::default();
        if let Some(text) = write_math(node, &mut math, 0) {
            self.builder.push_text(&text);
        }
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
            | "button" | "rt" | "rp" => Ok(()),
            "input" | "select" => {
                self.field(node, name, attributes);
                Ok(())
            }
            "math" => {
                self.math(node);
                Ok(())
            }
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
            "table" => self.table(node, depth),
            "thead" | "tbody" | "tfoot" => {
                self.in_table_head = name == "thead";
                self.builder.end_row_group();
                self.children(node, depth)?;
                self.builder.end_row_group();
                self.in_table_head = false;
                Ok(())
            }
            "tr" => {
                self.builder.open_row();
                if self.in_table_head {
                    self.builder.mark_header_row();
                }
                self.children(node, depth)
            }
            "td" | "th" => self.cell(node, name == "th", attributes, depth),
            "b" | "strong" => {
                self.bold += 1;
                self.children(node, depth)?;
                self.bold -= 1;
                Ok(())
            }
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

    fn table(&mut self, node: &Handle, depth: usize) -> Result<(), Failure> {
        let outer = std::mem::take(&mut self.in_table_head);
        self.builder.open_table()?;
        self.children(node, depth)?;
        self.builder.close_table();
        self.in_table_head = outer;
        Ok(())
    }

    fn cell(
        &mut self,
        node: &Handle,
        is_heading: bool,
        attributes: &[Attribute],
        depth: usize,
    ) -> Result<(), Failure> {
        let names_row = attribute_value(attributes, "scope")
            .is_some_and(|scope| matches!(scope.to_ascii_lowercase().as_str(), "row" | "rowgroup"));
        let rows = span(attributes, "rowspan");
        self.builder.open_cell(CellShape {
            columns: span(attributes, "colspan"),
            // The cell covers the rest of its group of rows.
            rows: if rows == 0 { usize::MAX } else { rows },
            is_header: is_heading && !names_row,
            ..CellShape::default()
        })?;
        self.children(node, depth)?;
        self.builder.close_cell();
        Ok(())
    }
}

/// The number of columns or rows that a cell covers.
fn span(attributes: &[Attribute], name: &str) -> usize {
    let value = attribute_value(attributes, name);
    value.and_then(|n| n.trim().parse().ok()).unwrap_or(1)
}

/// The font that an element names.
fn font_of(style: &str, attributes: &[Attribute]) -> Option<String> {
    let rule = style
        .split(';')
        .find_map(|rule| rule.strip_prefix("font-family:"));
    let first = rule.and_then(|fonts| fonts.split(',').next());
    let named = first.map(|font| font.trim_matches(['"', '\'']).to_owned());
    named.or_else(|| attribute_value(attributes, "face"))
}

/// The words of the chosen options of a list.
fn collect_chosen(node: &Handle, chosen: &mut Vec<String>, only_selected: bool, depth: usize) {
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

fn collect_text(node: &Handle, text: &mut String, depth: usize) {
    if let NodeData::Text { contents } = &node.data {
        text.push_str(&contents.borrow());
    }
    for child in node.children.borrow().iter().filter(|_| depth < MAX_DEPTH) {
        collect_text(child, text, depth + 1);
    }
}

fn write_math(node: &Handle, math: &mut MathBuilder, depth: usize) -> Option<String> {
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

fn is_hidden(attributes: &[Attribute], style: &str) -> bool {
    let by_attribute = attributes.iter().any(|attribute| {
        let value = attribute.value.to_ascii_lowercase();
        match attribute.name.local.as_ref() {
            "hidden" => true,
            "aria-hidden" => value == "true",
            _ => false,
        }
    });
    let hides = |rule: &str| {
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
    };
    by_attribute || style.split(';').any(hides)
}

/// Collects the rules of the style sheets in the page.
fn collect_styles(node: &Handle, sheet: &mut StyleSheet, depth: usize) {
    for child in node.children.borrow().iter().filter(|_| depth < MAX_DEPTH) {
        if let NodeData::Element { name, .. } = &child.data {
            match name.local.as_ref() {
                "style" => {
                    let mut css = String::new();
                    collect_text(child, &mut css, 0);
                    sheet.add(&css);
                }
                "script" => sheet.hides = false,
                _ => {}
            }
        }
        collect_styles(child, sheet, depth + 1);
    }
}

/// Browsers show ASCII letters of the font Symbol as they are.
fn write_beyond_ascii(font: SymbolFont, text: &str) -> String {
    if font == SymbolFont::Greek && text.is_ascii() {
        return text.to_owned();
    }
    font.write(text)
}
