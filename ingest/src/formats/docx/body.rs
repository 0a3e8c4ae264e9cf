//! Reading the body of a Word document, one element at a time.

use super::lists::{Marker, Numbering};
use super::styles::DocxStyles;
use super::value_of;
use crate::formats::Failure;
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock};
use crate::formats::common::list_marker;
use crate::formats::common::sections::Sections;
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use cloister_domain::BlockKind;
use std::collections::HashMap;

/// Elements whose text does not belong to the document: deleted or moved text, previous formatting,
/// field codes, fallbacks of drawings for older programs, and ruby annotations.
const SKIPPED_ELEMENTS: &[&str] = &[
    "w:del",
    "w:moveFrom",
    "w:instrText",
    "w:delInstrText",
    "w:rPrChange",
    "w:pPrChange",
    "w:tblPrChange",
    "w:trPrChange",
    "w:tcPrChange",
    "w:sectPrChange",
    "mc:Fallback",
    "w:rt",
];

/// The footnotes and endnotes of a document, by the kind and id of their reference.
#[derive(Debug, Default)]
pub struct DocxNotes(HashMap<(String, String), Vec<BuiltBlock>>);

impl DocxNotes {
    /// Reads a part that contains notes, each in an element of this name.
    pub fn parse(&mut self, xml: &str, element: &str, styles: &DocxStyles) -> Result<(), Failure> {
        let mut body = DocxBody::new(
            styles,
            Numbering::default(),
            Self::default(),
            HashMap::new(),
        );
        element.clone_into(&mut body.note_element);
        parse_xml(xml, &mut body)?;
        self.0.extend(body.found.0);
        Ok(())
    }
}

/// The state of the current run, paragraph and row.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact about the current position"
)]
#[derive(Clone, Copy, Debug, Default)]
struct BodyState {
    in_text: bool,
    in_paragraph_settings: bool,
    in_row_settings: bool,
    hidden_run: bool,
    hidden_paragraph: bool,
    row_is_gone: bool,
    /// The paragraph mark was deleted, so the next paragraph continues this one.
    joins_next: bool,
}

/// Handles the elements of the body.
#[derive(Debug)]
pub struct DocxBody<'a> {
    styles: &'a DocxStyles,
    lists: Numbering,
    notes: DocxNotes,
    diagrams: HashMap<String, Vec<BuiltBlock>>,
    builder: BlockBuilder,
    state: BodyState,
    /// The states outside each open box.
    outer_states: Vec<BodyState>,
    /// The list that the paragraph itself refers to, and its level.
    list: Option<String>,
    list_level: Option<usize>,
    style: String,
    skip_depth: usize,
    /// For each open content control, whether it shows a placeholder.
    prompts: Vec<bool>,
    note_count: usize,
    /// In a part with notes: the name of their element, and the notes read so far.
    note_element: String,
    note: Option<String>,
    found: DocxNotes,
}

impl<'a> DocxBody<'a> {
    /// A reader with these styles, numbering and notes. Diagrams are given by their relationship
    /// id.
    pub fn new(
        styles: &'a DocxStyles,
        lists: Numbering,
        notes: DocxNotes,
        diagrams: HashMap<String, Vec<BuiltBlock>>,
    ) -> Self {
        Self {
            styles,
            lists,
            notes,
            diagrams,
            builder: BlockBuilder::default(),
            state: BodyState::default(),
            outer_states: Vec::new(),
            list: None,
            list_level: None,
            style: String::new(),
            skip_depth: 0,
            prompts: Vec::new(),
            note_count: 0,
            note_element: String::new(),
            note: None,
            found: DocxNotes::default(),
        }
    }

    /// Returns the pages.
    pub fn finish(self) -> Sections {
        self.builder.finish()
    }

    /// Whether the text of this element does not belong to the document. Inside of properties,
    /// elements of the same names mark a deleted paragraph mark or row.
    fn is_skipped(&self, name: &str) -> bool {
        let is_mark = self.state.in_paragraph_settings || self.state.in_row_settings;
        let marks = is_mark && matches!(name, "w:del" | "w:moveFrom");
        let prompts = name == "w:sdtContent" && self.prompts.last() == Some(&true);
        prompts || SKIPPED_ELEMENTS.contains(&name) && !marks
    }

    const fn is_seen(&self) -> bool {
        !(self.state.hidden_run || self.state.hidden_paragraph)
    }

    fn push_space(&mut self) {
        if self.is_seen() {
            self.builder.push_text(" ");
        }
    }

    fn begin_paragraph(&mut self) {
        if std::mem::take(&mut self.state.joins_next) {
            self.builder.set_kind(BlockKind::Paragraph);
            self.builder.set_marker("");
        } else {
            self.builder.begin_paragraph(BlockKind::Paragraph);
        }
        self.state.hidden_paragraph = false;
        self.style.clear();
        self.list = None;
        self.list_level = None;
    }

    /// Called after the properties of a paragraph. Decides whether it is a heading, a list item or
    /// neither.
    fn finish_paragraph_settings(&mut self) {
        self.state.in_paragraph_settings = false;
        if let Some(kind) = self.styles.kind(&self.style) {
            self.builder.set_kind(kind);
            return;
        }
        let of_style = self.styles.list(&self.style);
        let list = self.list.clone();
        let list = list.or_else(|| of_style.as_ref().map(|(list, _)| list.clone()));
        let level = self.list_level.or(of_style.map(|(_, level)| level));
        let found = list.and_then(|list| self.lists.next(&list, level.unwrap_or(0)));
        let is_heading = matches!(self.builder.kind(), BlockKind::Heading(_));
        match found {
            Some(Marker::Written(marker)) if is_heading => {
                if marker != "•" {
                    self.builder.set_marker(&marker);
                }
            }
            Some(Marker::Written(marker)) => {
                self.builder.set_kind(BlockKind::ListItem);
                self.builder.set_marker(&marker);
            }
            Some(Marker::None) | None => {}
        }
    }

    fn apply_paragraph_setting(&mut self, tag: &XmlTag<'_>) {
        match tag.name.as_ref() {
            "w:pStyle" => {
                self.style = value_of(tag);
                self.state.hidden_paragraph = self.styles.is_hidden(&self.style);
                if let Some(level) = self.styles.heading(&self.style) {
                    self.builder.set_kind(BlockKind::Heading(level));
                }
            }
            "w:outlineLvl" => match tag.parse_attribute::<u8>("w:val") {
                Some(level) if level < 9 => self.builder.set_kind(BlockKind::Heading(level + 1)),
                _ => self.builder.set_kind(BlockKind::Paragraph),
            },
            "w:numId" => self.list = tag.attribute("w:val"),
            "w:ilvl" => self.list_level = tag.parse_attribute("w:val"),
            "w:del" | "w:moveFrom" => self.state.joins_next = true,
            _ => {}
        }
    }

    fn apply_run_setting(&mut self, tag: &XmlTag<'_>) {
        match tag.name.as_ref() {
            "w:vanish" => self.state.hidden_run = tag.is_on("w:val"),
            "w:rStyle" => {
                let style = value_of(tag);
                self.state.hidden_run |= self.styles.is_hidden(&style);
            }
            _ => {}
        }
    }

    fn push_special_character(&mut self, tag: &XmlTag<'_>) {
        let text = match tag.name.as_ref() {
            "w:tab" | "w:ptab" | "w:br" | "w:cr" => " ",
            "w:noBreakHyphen" => "-",
            "w:sym" => symbol(&tag.attribute("w:char").unwrap_or_default()),
            _ => return,
        };
        if self.is_seen() {
            self.builder.push_text(text);
        }
    }

    fn insert_note(&mut self, tag: &XmlTag<'_>, kind: &str) {
        let id = tag.attribute("w:id").unwrap_or_default();
        let note = self.notes.0.remove(&(kind.to_owned(), id));
        if let Some(items) = note.filter(|items| !items.is_empty() && self.is_seen()) {
            self.note_count += 1;
            self.builder
                .append_note(&self.note_count.to_string(), items);
        }
    }

    fn handle_table(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        match tag.name.as_ref() {
            "w:tbl" => self.builder.open_table()?,
            "w:tr" => self.builder.open_row(),
            "w:trPr" => self.state.in_row_settings = true,
            "w:tc" => self.builder.open_cell(1)?,
            "w:gridSpan" => self
                .builder
                .set_span(tag.parse_attribute("w:val").unwrap_or(1)),
            _ => {}
        }
        Ok(())
    }

    fn begin_box(&mut self) -> Result<(), Failure> {
        self.outer_states.push(self.state);
        self.state = BodyState::default();
        self.builder.open_float()
    }
}

/// Symbols of symbol fonts that have an equivalent in Unicode.
fn symbol(code: &str) -> &'static str {
    match code.to_ascii_uppercase().as_str() {
        "F0B7" | "F0A7" | "F0D8" => "•",
        "F0FC" => "✓",
        "F0FB" => "✗",
        "F0A8" | "F06F" | "F071" => "☐",
        "F0FE" | "F053" | "F052" => "☑",
        "F0E0" => "→",
        _ => "",
    }
}

impl XmlHandler for DocxBody<'_> {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let name = tag.name.as_ref();
        if self.skip_depth > 0 || self.is_skipped(name) {
            self.skip_depth += 1;
            return Ok(());
        }
        if !self.note_element.is_empty() && name == self.note_element {
            let is_note = tag.attribute("w:type").is_none_or(|kind| kind == "normal");
            self.note = tag.attribute("w:id").filter(|_| is_note);
            return self.builder.open_float();
        }
        match name {
            "w:p" => self.begin_paragraph(),
            "w:pPr" => self.state.in_paragraph_settings = true,
            _ if self.state.in_paragraph_settings => self.apply_paragraph_setting(tag),
            "w:del" | "w:hidden" if self.state.in_row_settings => self.state.row_is_gone = true,
            "w:r" => self.state.hidden_run = false,
            "w:t" | "m:t" => self.state.in_text = true,
            "w:txbxContent" => self.begin_box()?,
            "w:footnoteReference" => self.insert_note(tag, "w:footnote"),
            "w:endnoteReference" => self.insert_note(tag, "w:endnote"),
            "w:sdt" => self.prompts.push(false),
            "w:showingPlcHdr" => {
                if let Some(prompt) = self.prompts.last_mut() {
                    *prompt = tag.is_on("w:val");
                }
            }
            "dgm:relIds" => {
                let diagram = self
                    .diagrams
                    .remove(&tag.attribute("r:dm").unwrap_or_default());
                self.builder.append_float(diagram.unwrap_or_default());
            }
            "w:tbl" | "w:tr" | "w:trPr" | "w:tc" | "w:gridSpan" => self.handle_table(tag)?,
            "w:vanish" | "w:rStyle" => self.apply_run_setting(tag),
            _ => self.push_special_character(tag),
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        if self.skip_depth > 0 {
            self.skip_depth -= 1;
            return Ok(());
        }
        if !self.note_element.is_empty() && name == self.note_element {
            let items = self.builder.take_float();
            if let Some(id) = self.note.take() {
                self.found.0.insert((name.to_owned(), id), items);
            }
            return Ok(());
        }
        match name {
            "w:t" | "m:t" => self.state.in_text = false,
            "w:r" => self.state.hidden_run = false,
            "w:pPr" => self.finish_paragraph_settings(),
            "w:p" if !self.state.joins_next => self.builder.end_paragraph(),
            "w:trPr" => self.state.in_row_settings = false,
            "w:tc" => {
                self.state.joins_next = false;
                self.builder.close_cell();
            }
            "w:tr" if std::mem::take(&mut self.state.row_is_gone) => self.builder.drop_row(),
            "w:tbl" => self.builder.close_table(),
            "w:txbxContent" => {
                self.builder.close_float();
                self.state = self.outer_states.pop().unwrap_or_default();
            }
            "w:sdt" => {
                self.prompts.pop();
            }
            "m:oMath" => self.push_space(),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.state.in_text && self.skip_depth == 0 && self.is_seen() {
            let repeats_marker = self.builder.is_empty()
                && self.builder.kind() == BlockKind::ListItem
                && list_marker::begins_item(text);
            if repeats_marker {
                self.builder.set_marker("");
            }
            self.builder.push_text(text);
        }
    }
}
