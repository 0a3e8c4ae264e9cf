//! Reading the body of an OpenDocument file, one element at a time.

use super::OdfObject;
use super::controls::Controls;
use super::list_state::ListState;
use super::sheet_state::SheetState;
use super::styles::{LEVELS, OdfStyles, TextSetting};
use crate::formats::Failure;
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock, CellShape};
use crate::formats::common::drawings::box_sign;
use crate::formats::common::scripts::{Script, write_struck};
use crate::formats::common::sections::Sections;
use crate::formats::common::sheets::hidden_sheet;
use crate::formats::common::slides::{SlideContent, write_slide};
use crate::formats::common::xml::{XmlHandler, XmlTag};
use crate::limits::HiddenCells;
use cloister_domain::BlockKind;
use std::collections::HashMap;

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
    "svg:desc",
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

/// The state outside a box or note.
#[derive(Debug)]
struct OuterState {
    /// Whether the box is inside a paragraph. If so, it follows the paragraph.
    in_paragraph: bool,
    paragraphs: usize,
    hidden: bool,
}

/// An open slide.
#[derive(Debug)]
struct Slide {
    number: usize,
    hidden: bool,
    title: Vec<BuiltBlock>,
    notes: Vec<BuiltBlock>,
}

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
    /// Warnings for the administrator.
    pub warnings: Vec<String>,
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
            warnings: Vec::new(),
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

    fn is_hidden(&self) -> bool {
        self.hidden_paragraph || self.spans.last().is_some_and(|(hidden, _)| *hidden)
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

    /// A formula or chart is drawn.
    fn insert_object(&mut self, tag: &XmlTag<'_>) {
        let target = tag.attribute("xlink:href").unwrap_or_default();
        let Some(object) = self.objects.remove(target.trim_start_matches("./")) else {
            return;
        };
        match (object, &mut self.sheet) {
            (OdfObject::Formula(text), Some(sheet)) => sheet.push_beside(&format!("{text} ")),
            (OdfObject::Formula(text), None) => self.builder.push_text(&text),
            (OdfObject::Blocks(blocks), Some(sheet)) => sheet.add_blocks(blocks),
            (OdfObject::Blocks(blocks), None) => self.builder.append_float(blocks),
        }
    }

    fn insert_control(&mut self, tag: &XmlTag<'_>) {
        let id = tag.attribute("draw:control").unwrap_or_default();
        let shown = format!(" {} ", self.controls.shown(&id));
        match &mut self.sheet {
            Some(sheet) => sheet.add_blocks(vec![BuiltBlock::Block(
                BlockKind::Paragraph,
                shown.trim().to_owned(),
            )]),
            None => self.builder.push_text(&shown),
        }
    }

    /// Starts a remark. On a sheet, it follows the rows.
    fn begin_comment(&mut self) -> Result<(), Failure> {
        self.in_comment += 1;
        match &mut self.sheet {
            Some(sheet) => {
                sheet.begin_beside();
                self.outer_paragraphs
                    .push(std::mem::take(&mut self.paragraphs));
                Ok(())
            }
            None => self.begin_box(),
        }
    }

    fn end_comment(&mut self) {
        self.in_comment = self.in_comment.saturating_sub(1);
        if let Some(sheet) = &mut self.sheet {
            sheet.end_comment();
            self.paragraphs = self.outer_paragraphs.pop().unwrap_or(0);
            return;
        }
        let Some(around) = self.boxes.pop() else {
            return;
        };
        self.paragraphs = around.paragraphs;
        self.hidden_paragraph = around.hidden;
        if around.in_paragraph {
            let mut items = self.builder.take_float();
            if let Some(BuiltBlock::Block(_, text)) = items.first_mut() {
                text.insert_str(0, "Comment: ");
            }
            self.builder.append_float(items);
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
            _ => {}
        }
    }

    /// Starts a box or note. If it is inside a paragraph, it follows the paragraph.
    fn begin_box(&mut self) -> Result<(), Failure> {
        let in_paragraph = self.paragraphs > 0 && self.sheet.is_none();
        self.boxes.push(OuterState {
            in_paragraph,
            paragraphs: std::mem::take(&mut self.paragraphs),
            hidden: std::mem::take(&mut self.hidden_paragraph),
        });
        if in_paragraph {
            self.builder.open_float()?;
        }
        Ok(())
    }

    fn end_box(&mut self, is_note: bool) {
        let Some(around) = self.boxes.pop() else {
            return;
        };
        self.paragraphs = around.paragraphs;
        self.hidden_paragraph = around.hidden;
        if around.in_paragraph {
            let items = self.builder.take_float();
            if self.is_hidden() {
                return;
            }
            if is_note {
                self.note_count += 1;
                self.builder
                    .append_note(&self.note_count.to_string(), items);
            } else {
                self.builder.append_float(items);
            }
        }
    }

    /// A control in the text. A box has its sign in place of its content.
    fn begin_content_control(&mut self, tag: &XmlTag<'_>) {
        let is_true = |name: &str| tag.attribute(name).is_some_and(|value| value == "true");
        if is_true("loext:checkbox") {
            self.push_text(&format!("{} ", box_sign(is_true("loext:checked"))));
            self.skip_depth += 1;
        } else if is_true("loext:showing-place-holder") {
            self.skip_depth += 1;
        }
    }

    fn begin_slide(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        self.slides += 1;
        let style = tag.attribute("draw:style-name").unwrap_or_default();
        self.slide = Some(Slide {
            number: self.slides,
            hidden: self.styles.is_hidden(&style),
            title: Vec::new(),
            notes: Vec::new(),
        });
        self.builder.open_float()
    }

    fn end_slide(&mut self) {
        let body = self.builder.take_float();
        let Some(slide) = self.slide.take() else {
            return;
        };
        let number = slide.number;
        if slide.hidden {
            let warning = format!("slides that are hidden are left out: {number}");
            self.warnings.push(warning);
        } else {
            let words = slide.title.into_iter().map(BuiltBlock::into_text);
            let title: Vec<String> = words.collect();
            let content = SlideContent {
                title: title.join(" "),
                body,
                notes: slide.notes,
            };
            write_slide(&mut self.builder.sections, number, content);
        }
        self.builder.sections.end_page();
    }

    fn begin_frame(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let class = tag.attribute("presentation:class").unwrap_or_default();
        let prompts = tag
            .attribute("presentation:placeholder")
            .is_some_and(|v| v == "true");
        let is_decoration = matches!(
            class.as_str(),
            "header" | "footer" | "date-time" | "page-number" | "page"
        );
        if prompts || is_decoration {
            self.skip_depth += 1;
        } else if class == "title" && self.slide.is_some() && !self.in_slide_notes {
            self.in_title = true;
            self.builder.open_float()?;
        }
        Ok(())
    }

    fn end_frame(&mut self) {
        if std::mem::take(&mut self.in_title) {
            let title = self.builder.take_float();
            if let Some(slide) = &mut self.slide {
                slide.title.extend(title);
            }
        }
    }

    fn begin_table(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if !self.tables_are_sheets {
            self.columns.push(0);
            return self.builder.open_table();
        }
        if let Some(sheet) = &mut self.sheet {
            sheet.begin_nested_table();
            return Ok(());
        }
        let style = tag.attribute("table:style-name").unwrap_or_default();
        let is_hidden = self.styles.is_hidden(&style);
        let sheet = SheetState::begin(tag, is_hidden, self.hidden_cells);
        if is_hidden {
            self.warnings
                .push(hidden_sheet(&sheet.name, self.hidden_cells));
        }
        self.sheet = Some(sheet);
        Ok(())
    }

    fn begin_row(&mut self, tag: &XmlTag<'_>) {
        if let Some(sheet) = &mut self.sheet {
            sheet.begin_row(tag, self.header_rows > 0);
            return;
        }
        self.builder.open_row();
        if self.header_rows > 0 {
            self.builder.mark_header_row();
        }
        if let Some(column) = self.columns.last_mut() {
            *column = 0;
        }
    }

    /// Starts a cell. Each column has an element, also if a cell before it or above it covers it.
    fn begin_cell(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if let Some(sheet) = &mut self.sheet {
            sheet.begin_cell(tag);
            return Ok(());
        }
        let repeats = tag
            .parse_attribute("table:number-columns-repeated")
            .unwrap_or(1_usize);
        let column = self.columns.last().copied();
        if let Some(column) = self.columns.last_mut() {
            *column = column.saturating_add(repeats);
        }
        if tag.name == "table:covered-table-cell" {
            self.skip_depth += 1;
            return Ok(());
        }
        self.builder.open_cell(CellShape {
            columns: tag
                .parse_attribute("table:number-columns-spanned")
                .unwrap_or(1),
            rows: tag
                .parse_attribute("table:number-rows-spanned")
                .unwrap_or(1),
            column,
            ..CellShape::default()
        })
    }

    fn end_cell(&mut self) -> Result<(), Failure> {
        if let Some(sheet) = &mut self.sheet {
            return sheet.end_cell();
        }
        self.builder.close_cell();
        Ok(())
    }

    fn end_row(&mut self) {
        if let Some(sheet) = &mut self.sheet {
            sheet.end_row();
        }
    }

    fn end_table(&mut self) {
        let Some(sheet) = &mut self.sheet else {
            self.columns.pop();
            self.builder.close_table();
            return;
        };
        if sheet.end_nested_table() {
            return;
        }
        if let Some(sheet) = self.sheet.take() {
            if sheet.formulas > 0 {
                self.warnings.push(format!(
                    "the sheet `{}` has formulas that were never calculated ({}); they are shown as formulas",
                    sheet.name, sheet.formulas
                ));
            }
            sheet.finish(&mut self.builder.sections);
        }
    }
}

impl XmlHandler for OdfBody<'_> {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let name = tag.name.as_ref();
        let hidden_section =
            name == "text:section" && tag.attribute("text:display").is_some_and(|d| d == "none");
        if self.skip_depth > 0 || SKIPPED_ELEMENTS.contains(&name) || hidden_section {
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
        self.push_text(text);
    }
}
