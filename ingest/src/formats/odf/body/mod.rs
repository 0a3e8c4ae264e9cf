//! Reading the body of an OpenDocument file, one element at a time.

mod boxes;
mod slides;
mod tables;

use super::OdfObject;
use super::controls::{Controls, OdfControl};
use super::list_state::ListState;
use super::sheet_state::SheetState;
use super::styles::{LEVELS, OdfStyles, TextSetting};
use crate::formats::Failure;
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock};
use crate::formats::common::drawings::box_sign;
use crate::formats::common::scripts::{Script, write_struck};
use crate::formats::common::sections::Sections;
use crate::formats::common::xml::{XmlHandler, XmlTag};
use crate::limits::HiddenCells;
use boxes::OuterState;
use cloister_domain::{BlockKind, OmissionKind};
use slides::Slide;
use std::collections::{HashMap, HashSet};

/// Elements whose text does not belong to the document: deleted text, annotations, descriptions of
/// pictures, placeholders, ruby text, and data for programs.
const SKIPPED_ELEMENTS: &[&str] = &[
    "text:tracked-changes",
    "table:tracked-changes",
    "office:forms",
    "office:scripts",
    "office:font-face-decls",
    "office:automatic-styles",
    "svg:title",
    "text:ruby-text",
    "text:placeholder",
    "text:hidden-text",
    "text:hidden-paragraph",
    "text:index-title-template",
    "math:math",
    "text:note-citation",
    "presentation:header-decl",
    "presentation:footer-decl",
    "presentation:date-time-decl",
];

/// Maximum number of changes that are remembered.
const MAX_DELETIONS: usize = 100_000;

/// Handles the elements of the body.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact about the current position"
)]
#[derive(Debug)]
pub struct OdfBody<'a> {
    styles: &'a OdfStyles,
    builder: BlockBuilder,
    skip_depth: usize,
    /// Number of open paragraphs. A box inside a paragraph contains further paragraphs.
    paragraphs: usize,
    /// For each open span, whether its text is hidden, and how it is set.
    spans: Vec<(bool, TextSetting)>,
    controls: Controls,
    objects: HashMap<String, OdfObject>,
    /// Whether the part has headers and footers, which alone are read.
    pub reads_margins: bool,
    /// Number of open headers and footers.
    in_margin: usize,
    /// Number of open remarks on cells, and of open groups of boxes on a sheet.
    in_comment: usize,
    in_shapes: usize,
    hidden_paragraph: bool,
    /// The changes that delete text which stands in its place, and whether such text is open.
    deletions: HashSet<String>,
    last_change: String,
    in_deletion: bool,
    /// The open field of a form.
    form_field: Option<OdfControl>,
    /// The open description of a picture.
    description: Option<String>,
    lists: ListState,
    in_contents: usize,
    /// The state outside each open box.
    boxes: Vec<OuterState>,
    /// The number of open paragraphs outside each open remark of a sheet.
    outer_paragraphs: Vec<usize>,
    note_count: usize,
    slide: Option<Slide>,
    in_title: bool,
    in_slide_notes: bool,
    slides: usize,
    sheet: Option<SheetState>,
    /// Number of open groups of rows that name columns.
    header_rows: usize,
    /// For each open table, the column of its next cell.
    columns: Vec<usize>,
    /// Whether tables are sheets.
    tables_are_sheets: bool,
    /// What happens to hidden rows, columns and sheets.
    pub hidden_cells: HiddenCells,
}

impl<'a> OdfBody<'a> {
    /// A reader with these styles. In a spreadsheet, tables are sheets.
    pub fn new(styles: &'a OdfStyles, sections: Sections, tables_are_sheets: bool) -> Self {
        Self {
            styles,
            builder: BlockBuilder::with_sections(sections),
            skip_depth: 0,
            paragraphs: 0,
            spans: Vec::new(),
            controls: Controls::default(),
            objects: HashMap::new(),
            reads_margins: false,
            in_margin: 0,
            in_comment: 0,
            in_shapes: 0,
            hidden_paragraph: false,
            deletions: HashSet::new(),
            last_change: String::new(),
            in_deletion: false,
            form_field: None,
            description: None,
            lists: ListState::default(),
            in_contents: 0,
            boxes: Vec::new(),
            outer_paragraphs: Vec::new(),
            note_count: 0,
            slide: None,
            in_title: false,
            in_slide_notes: false,
            slides: 0,
            sheet: None,
            header_rows: 0,
            columns: Vec::new(),
            tables_are_sheets,
            hidden_cells: HiddenCells::default(),
        }
    }

    /// Returns the pages.
    pub fn finish(self) -> Sections {
        self.builder.finish()
    }

    /// Adds the controls and objects that are drawn in the text.
    pub fn insert(&mut self, controls: Controls, objects: HashMap<String, OdfObject>) {
        self.controls = controls;
        self.objects = objects;
    }

    /// Starts a part whose blocks are wanted, rather than its pages.
    pub fn begin_part(&mut self) -> Result<(), Failure> {
        self.builder.open_float()
    }

    /// Returns the blocks of a part.
    pub fn finish_part(mut self) -> Vec<BuiltBlock> {
        self.builder.take_float()
    }

    fn count_omission(&mut self, name: &str) {
        let kind = match name {
            "text:tracked-changes" | "table:tracked-changes" => OmissionKind::DeletedText,
            "office:scripts" => OmissionKind::Script,
            "text:ruby-text" => OmissionKind::Pronunciation,
            "text:placeholder" => OmissionKind::Placeholder,
            "text:hidden-text" | "text:hidden-paragraph" | "text:section" => {
                OmissionKind::HiddenText
            }
            _ => return,
        };
        self.builder.sections.account.leave_out(kind, 1);
    }

    fn is_hidden(&self) -> bool {
        self.hidden_paragraph
            || self.in_deletion
            || self.spans.last().is_some_and(|(hidden, _)| *hidden)
    }

    /// Appends text, unless it is hidden or outside a paragraph.
    fn push_text(&mut self, text: &str) {
        if self.skip_depth > 0 || self.paragraphs == 0 || self.is_hidden() {
            return;
        }
        if self.reads_margins && self.in_margin == 0 {
            return;
        }
        let text = match self.spans.last() {
            Some((_, setting)) => {
                let written = match setting.symbol_font {
                    Some(font) => font.write(text),
                    None => setting.script.write(text),
                };
                if setting.struck {
                    write_struck(&written)
                } else {
                    written
                }
            }
            None => text.to_owned(),
        };
        let is_bold = self.spans.last().is_some_and(|(_, setting)| setting.bold);
        match &mut self.sheet {
            Some(sheet) if self.in_comment + self.in_shapes > 0 => sheet.push_beside(&text),
            Some(sheet) => sheet.push_text(&text),
            None => {
                self.builder.note_weight(&text, is_bold);
                self.builder.push_text(&text);
            }
        }
    }

    fn begin_paragraph(&mut self, tag: &XmlTag<'_>) {
        self.paragraphs += 1;
        let style = tag.attribute("text:style-name").unwrap_or_default();
        self.hidden_paragraph = self.styles.is_hidden(&style);
        self.spans.clear();
        let setting = self.styles.setting(&style);
        if setting != TextSetting::default() {
            self.spans.push((self.hidden_paragraph, setting));
        }
        if let Some(sheet) = &mut self.sheet {
            if self.in_comment + self.in_shapes > 0 {
                sheet.push_beside(" ");
            } else {
                sheet.push_text(" ");
            }
            return;
        }
        if self.reads_margins && self.in_margin == 0 {
            return;
        }
        self.builder.begin_paragraph(BlockKind::Paragraph);
        if self.in_contents > 0 {
            self.builder.set_kind(BlockKind::RunningHeader);
        } else if tag.name == "text:h" {
            self.begin_heading(tag);
        } else if self.styles.is_a(&style, "Title") {
            self.builder.set_kind(BlockKind::Heading(1));
        } else if self.styles.is_a(&style, "Caption") {
            self.builder.set_kind(BlockKind::Caption);
        }
        let is_heading = matches!(self.builder.kind(), BlockKind::Heading(_));
        if let Some(marker) = self.lists.next_item_marker(self.styles) {
            if !is_heading {
                self.builder.set_kind(BlockKind::ListItem);
            }
            if !(is_heading && marker == "•") {
                self.builder.set_marker(&marker);
            }
        }
    }

    fn begin_heading(&mut self, tag: &XmlTag<'_>) {
        let level: usize = tag.parse_attribute("text:outline-level").unwrap_or(1);
        let level = level.clamp(1, LEVELS);
        let depth = u8::try_from(level.min(9)).unwrap_or(9);
        self.builder.set_kind(BlockKind::Heading(depth));
        let is_unnumbered = tag
            .attribute("text:is-list-header")
            .is_some_and(|value| value == "true");
        if is_unnumbered {
            return;
        }
        if let Some(marker) = self.lists.next_heading_marker(self.styles, level - 1) {
            self.builder.set_marker(&marker);
        }
    }

    fn end_list(&mut self) {
        if self.lists.end_list() {
            self.builder.end_paragraph();
        }
    }

    fn handle_inline(&mut self, tag: &XmlTag<'_>) {
        match tag.name.as_ref() {
            "text:span" => {
                let style = tag.attribute("text:style-name").unwrap_or_default();
                let hidden = self.is_hidden() || self.styles.is_hidden(&style);
                let outer = self
                    .spans
                    .last()
                    .map(|(_, setting)| setting.clone())
                    .unwrap_or_default();
                let own = self.styles.setting(&style);
                let setting = TextSetting {
                    struck: outer.struck || own.struck,
                    bold: outer.bold || own.bold,
                    script: if own.script == Script::Normal {
                        outer.script
                    } else {
                        own.script
                    },
                    symbol_font: own.symbol_font.or(outer.symbol_font),
                };
                self.spans.push((hidden, setting));
            }
            "text:s" | "text:tab" | "text:line-break" => self.push_text(" "),
            "text:change-start" => {
                let change = tag.attribute("text:change-id").unwrap_or_default();
                self.in_deletion |= self.deletions.contains(&change);
            }
            "text:change-end" => self.in_deletion = false,
            "field:fieldmark" | "field:fieldmark-start" => {
                self.form_field = Some(OdfControl::begin(tag));
            }
            "field:param" => {
                if let Some(field) = &mut self.form_field {
                    field.set(tag);
                }
            }
            _ => {}
        }
    }

    /// Remembers a change that deletes text. Flat files may leave that text in its place.
    fn note_change(&mut self, tag: &XmlTag<'_>) {
        match tag.name.as_ref() {
            "text:changed-region" => {
                self.last_change = tag.attribute("text:id").unwrap_or_default();
            }
            "text:deletion" if self.deletions.len() < MAX_DELETIONS => {
                self.deletions.insert(std::mem::take(&mut self.last_change));
            }
            _ => {}
        }
    }

    /// A control in the text. A box has its sign in place of its content.
    fn begin_content_control(&mut self, tag: &XmlTag<'_>) {
        if is_true("loext:checkbox", tag) {
            self.push_text(&format!("{} ", box_sign(is_true("loext:checked", tag))));
            self.skip_depth += 1;
        } else if is_true("loext:showing-place-holder", tag) {
            self.skip_depth += 1;
        }
    }
}

/// Whether the attribute is `true`.
fn is_true(name: &str, tag: &XmlTag<'_>) -> bool {
    tag.attribute(name).is_some_and(|value| value == "true")
}

impl XmlHandler for OdfBody<'_> {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let name = tag.name.as_ref();
        let hidden_section =
            name == "text:section" && tag.attribute("text:display").is_some_and(|d| d == "none");
        // The layout of pages has headers and footers, and prompts of slides.
        let is_layout = name == "office:master-styles" && !self.reads_margins;
        if self.skip_depth > 0 || SKIPPED_ELEMENTS.contains(&name) || hidden_section || is_layout {
            self.note_change(tag);
            if self.skip_depth == 0 {
                self.count_omission(name);
            }
            self.skip_depth += 1;
            return Ok(());
        }
        match name {
            "text:p" | "text:h" => self.begin_paragraph(tag),
            "text:list" => self.lists.begin_list(tag),
            "text:list-item" | "text:list-header" => self.lists.begin_item(tag),
            "text:index-body" => self.in_contents += 1,
            "draw:text-box" | "draw:custom-shape" | "text:note-body" => self.begin_box()?,
            "office:annotation" => self.begin_comment()?,
            "table:shapes" => {
                self.in_shapes += 1;
                if let Some(sheet) = &mut self.sheet {
                    sheet.begin_beside();
                }
            }
            "style:header" | "style:footer" | "style:header-left" | "style:footer-left"
            | "style:header-first" | "style:footer-first" => self.in_margin += 1,
            "svg:desc" => self.description = Some(String::new()),
            "draw:object" => self.insert_object(tag),
            "draw:control" => self.insert_control(tag),
            "loext:content-control" => self.begin_content_control(tag),
            "draw:frame" => self.begin_frame(tag)?,
            "draw:page" => self.begin_slide(tag)?,
            "presentation:notes" => {
                self.in_slide_notes = true;
                self.builder.open_float()?;
            }
            "table:table" => self.begin_table(tag)?,
            "table:table-header-rows" => self.header_rows += 1,
            "table:table-column" => {
                if let Some(sheet) = &mut self.sheet {
                    sheet.define_columns(tag);
                }
            }
            "table:table-row" => self.begin_row(tag),
            "table:table-cell" | "table:covered-table-cell" => self.begin_cell(tag)?,
            _ => self.handle_inline(tag),
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        if self.skip_depth > 0 {
            self.skip_depth -= 1;
            return Ok(());
        }
        match name {
            "text:p" | "text:h" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                if self.sheet.is_none() {
                    self.builder.end_paragraph();
                } else if let Some(sheet) = self
                    .sheet
                    .as_mut()
                    .filter(|_| self.in_shapes > 0 && self.in_comment == 0)
                {
                    sheet.end_paragraph_beside();
                }
            }
            "text:span" => {
                self.spans.pop();
            }
            "text:list" => self.end_list(),
            "text:index-body" => self.in_contents = self.in_contents.saturating_sub(1),
            "text:note-body" => self.end_box(true),
            "draw:text-box" | "draw:custom-shape" => self.end_box(false),
            "office:annotation" => self.end_comment(),
            "table:shapes" => {
                self.in_shapes = self.in_shapes.saturating_sub(1);
                if let Some(sheet) = &mut self.sheet {
                    sheet.end_shapes();
                }
            }
            "style:header" | "style:footer" | "style:header-left" | "style:footer-left"
            | "style:header-first" | "style:footer-first" => {
                self.in_margin = self.in_margin.saturating_sub(1);
            }
            "svg:desc" => self.end_description(),
            "field:fieldmark" | "field:fieldmark-start" => {
                let field = self.form_field.take();
                self.push_text(&field.map(|field| field.shown()).unwrap_or_default());
            }
            "draw:frame" => self.end_frame(),
            "draw:page" => self.end_slide(),
            "presentation:notes" => {
                self.in_slide_notes = false;
                let notes = self.builder.take_float();
                if let Some(slide) = &mut self.slide {
                    slide.notes.extend(notes);
                }
            }
            "table:table-cell" | "table:covered-table-cell" => self.end_cell()?,
            "table:table-header-rows" => self.header_rows = self.header_rows.saturating_sub(1),
            "table:table-row" => self.end_row(),
            "table:table" => self.end_table(),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        match &mut self.description {
            Some(words) => words.push_str(text),
            None => self.push_text(text),
        }
    }
}
