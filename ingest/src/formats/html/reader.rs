//! Reading the tree of a page, one element at a time.

use super::elements::{
    MAX_DEPTH, attribute_value, collect_chosen, collect_text, font_of, is_block, is_hidden,
    is_named, shown_as, span, write_math,
};
use super::list::HtmlList;
use super::style_sheet::StyleSheet;
use crate::formats::Failure;
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock, CellShape};
use crate::formats::common::drawings::box_sign;
use crate::formats::common::math::MathBuilder;
use crate::formats::common::scripts::{Script, write_struck};
use crate::formats::common::symbols::SymbolFont;
use crate::formats::common::whitespace::normalize_whitespace;
use cloister_domain::{BlockKind, OmissionKind};
use html5ever::Attribute;
use markup5ever_rcdom::{Handle, NodeData};

/// A page inside of a page counts as deep as this.
const FRAME_DEPTH: usize = 300;

pub(super) struct HtmlReader<'a> {
    builder: &'a mut BlockBuilder,
    title: Option<String>,
    lists: Vec<HtmlList>,
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

impl<'a> HtmlReader<'a> {
    pub(super) fn new(builder: &'a mut BlockBuilder, style_sheet: StyleSheet) -> Self {
        Self {
            builder,
            title: None,
            lists: Vec::new(),
            bold: 0,
            in_table_head: false,
            script: Script::Normal,
            struck: 0,
            symbol_font: None,
            style_sheet,
        }
    }

    /// Ends the last paragraph. Returns the title of the page.
    pub(super) fn finish(self) -> Option<String> {
        self.builder.end_paragraph();
        self.title.filter(|title| !title.is_empty())
    }

    pub(super) fn node(&mut self, node: &Handle, depth: usize) -> Result<(), Failure> {
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
                if is_hidden(&attributes, &style) {
                    let account = &mut self.builder.sections.account;
                    account.leave_out(OmissionKind::HiddenText, 1);
                } else {
                    self.styled_element(node, name.local.as_ref(), &attributes, &style, depth)?;
                }
            }
            NodeData::Document => self.children(node, depth)?,
            NodeData::Comment { .. } => {
                let account = &mut self.builder.sections.account;
                account.leave_out(OmissionKind::SourceComment, 1);
            }
            NodeData::Doctype { .. } | NodeData::ProcessingInstruction { .. } => {}
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
        let read = self.element(node, shown_as(name, style), attributes, depth);
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
            "script" | "style" | "noscript" | "template" | "nav" | "rt" | "rp" => {
                self.leave_out(name);
                Ok(())
            }
            "svg" => {
                self.drawing(node, 0);
                Ok(())
            }
            "img" => {
                self.picture(attributes);
                Ok(())
            }
            "iframe" => self.frame(attributes, depth),
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
            "ul" | "ol" => self.list(node, HtmlList::new(node, name, attributes), depth),
            "li" => self.item(node, attributes, depth),
            "table" => self.table(node, depth),
            "thead" | "tbody" | "tfoot" => self.row_group(node, name == "thead", depth),
            "tr" => self.row(node, depth),
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

    fn leave_out(&mut self, name: &str) {
        let kind = match name {
            "script" | "style" | "noscript" => OmissionKind::Script,
            "nav" => OmissionKind::Navigation,
            "template" => OmissionKind::HiddenText,
            _ => OmissionKind::Pronunciation,
        };
        self.builder.sections.account.leave_out(kind, 1);
    }

    /// The labels of a drawing.
    fn drawing(&mut self, node: &Handle, depth: usize) {
        for child in node.children.borrow().iter().filter(|_| depth < MAX_DEPTH) {
            let NodeData::Element { name, .. } = &child.data else {
                continue;
            };
            if name.local.as_ref() == "text" {
                let mut text = String::from(" ");
                collect_text(child, &mut text, 0);
                text.push(' ');
                self.builder.push_text(&text);
            } else {
                self.drawing(child, depth + 1);
            }
        }
    }

    /// The words that stand for a picture: a sign, or a description.
    fn picture(&mut self, attributes: &[Attribute]) {
        let words = attribute_value(attributes, "alt").unwrap_or_default();
        let is_name = !words.contains(' ') && words.contains('.');
        if words.trim().is_empty() || is_name {
            let account = &mut self.builder.sections.account;
            account.leave_out(OmissionKind::Picture, 1);
        } else {
            self.builder.push_text(&format!(" {words} "));
        }
    }

    /// A page that is written inside of this one.
    fn frame(&mut self, attributes: &[Attribute], depth: usize) -> Result<(), Failure> {
        let Some(page) = attribute_value(attributes, "srcdoc") else {
            return Ok(());
        };
        let tree = super::tree::parse(&page);
        self.builder.end_paragraph();
        self.node(&tree.document, depth + FRAME_DEPTH)?;
        self.builder.end_paragraph();
        Ok(())
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

    fn list(&mut self, node: &Handle, list: HtmlList, depth: usize) -> Result<(), Failure> {
        self.builder.end_paragraph();
        self.lists.push(list);
        self.children(node, depth)?;
        self.builder.end_paragraph();
        self.lists.pop();
        Ok(())
    }

    fn item(
        &mut self,
        node: &Handle,
        attributes: &[Attribute],
        depth: usize,
    ) -> Result<(), Failure> {
        self.builder.begin_paragraph(BlockKind::ListItem);
        let marker = self.lists.last_mut().map(|list| list.next(attributes));
        self.builder.set_marker(marker.as_deref().unwrap_or("•"));
        self.children(node, depth)?;
        self.builder.end_paragraph();
        Ok(())
    }

    fn table(&mut self, node: &Handle, depth: usize) -> Result<(), Failure> {
        let outer = std::mem::take(&mut self.in_table_head);
        self.builder.open_table()?;
        // The foot of a table is shown last, wherever it is written.
        let (feet, others): (Vec<Handle>, Vec<Handle>) = node
            .children
            .borrow()
            .iter()
            .cloned()
            .partition(|child| is_named(child, "tfoot"));
        for child in others.iter().chain(&feet) {
            self.node(child, depth + 1)?;
        }
        self.builder.close_table();
        self.in_table_head = outer;
        Ok(())
    }

    fn row_group(&mut self, node: &Handle, is_head: bool, depth: usize) -> Result<(), Failure> {
        self.in_table_head = is_head;
        self.builder.end_row_group();
        self.children(node, depth)?;
        self.builder.end_row_group();
        self.in_table_head = false;
        Ok(())
    }

    fn row(&mut self, node: &Handle, depth: usize) -> Result<(), Failure> {
        self.builder.open_row();
        if self.in_table_head {
            self.builder.mark_header_row();
        }
        self.children(node, depth)
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

/// Browsers show ASCII letters of the font Symbol as they are.
fn write_beyond_ascii(font: SymbolFont, text: &str) -> String {
    if font == SymbolFont::Greek && text.is_ascii() {
        return text.to_owned();
    }
    font.write(text)
}
