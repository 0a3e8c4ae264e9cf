//! Reading the body of a Word document, one element at a time.

use super::fields::{self, WordFormField};
use super::lists::{Marker, Numbering};
use super::styles::DocxStyles;
use super::value_of;
use crate::formats::Failure;
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock, CellShape};
use crate::formats::common::drawings::box_sign;
use crate::formats::common::list_marker;
use crate::formats::common::math::MathBuilder;
use crate::formats::common::scripts::{Script, write_struck};
use crate::formats::common::sections::Sections;
use crate::formats::common::symbols::SymbolFont;
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use cloister_domain::BlockKind;
use std::collections::HashMap;

/// Elements whose text does not belong to the document: deleted or moved text, previous formatting,
/// field codes, fallbacks of drawings for older programs, and ruby annotations.
const SKIPPED_ELEMENTS: &[&str] = &[
    "w:del",
    "w:moveFrom",
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

/// Maximum number of free columns before the first cell of a row.
const MAX_GRID_BEFORE: usize = 64;

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
            Inserts::default(),
        );
        element.clone_into(&mut body.note_element);
        parse_xml(xml, &mut body)?;
        self.0.extend(body.found.0);
        Ok(())
    }
}

/// Parts that stand in the text: diagrams, charts and chunks of other formats, by their relationship
/// id.
#[derive(Debug, Default)]
pub struct Inserts {
    found: HashMap<String, Vec<BuiltBlock>>,
    /// Sentences for the administrator.
    pub warnings: Vec<String>,
}

impl Inserts {
    /// Adds the part with this relationship id.
    pub fn add(&mut self, id: &str, blocks: Vec<BuiltBlock>) {
        self.found.insert(id.to_owned(), blocks);
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
    bold_run: bool,
    struck_run: bool,
    script: Script,
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
    inserts: Inserts,
    builder: BlockBuilder,
    state: BodyState,
    /// The states outside each open box.
    outer_states: Vec<BodyState>,
    /// The list that the paragraph itself refers to, and its level.
    list: Option<String>,
    list_level: Option<usize>,
    style: String,
    skip_depth: usize,
    /// The number of free columns before the next cell.
    grid_before: usize,
    math: MathBuilder,
    math_depth: usize,
    /// The open field of a form.
    form_field: Option<WordFormField>,
    /// The code of the open field.
    instruction: String,
    in_instruction: bool,
    /// The state of the box of the open content control.
    control_box: Option<bool>,
    /// Number of open contents inside of a control with a box.
    box_depth: usize,
    has_changes: bool,
    /// The symbol font of the run.
    symbol_font: Option<SymbolFont>,
    /// For each open content control, whether it shows a placeholder.
    prompts: Vec<bool>,
    note_count: usize,
    /// In a part with notes: the name of their element, and the notes read so far.
    note_element: String,
    note: Option<String>,
    found: DocxNotes,
}

impl<'a> DocxBody<'a> {
    /// A reader with these styles, numbering, notes and parts in the text.
    pub fn new(
        styles: &'a DocxStyles,
        lists: Numbering,
        notes: DocxNotes,
        inserts: Inserts,
    ) -> Self {
        Self {
            styles,
            lists,
            notes,
            inserts,
            builder: BlockBuilder::default(),
            state: BodyState::default(),
            outer_states: Vec::new(),
            list: None,
            list_level: None,
            style: String::new(),
            skip_depth: 0,
            grid_before: 0,
            math: MathBuilder::default(),
            math_depth: 0,
            form_field: None,
            instruction: String::new(),
            in_instruction: false,
            control_box: None,
            box_depth: 0,
            has_changes: false,
            symbol_font: None,
            prompts: Vec::new(),
            note_count: 0,
            note_element: String::new(),
            note: None,
            found: DocxNotes::default(),
        }
    }

    /// Returns the pages.
    pub fn finish(mut self) -> Sections {
        for warning in std::mem::take(&mut self.inserts.warnings) {
            self.builder.sections.warn(warning);
        }
        if self.has_changes {
            self.builder
                .sections
                .warn("tracked changes are read as if they were accepted");
        }
        self.builder.finish()
    }

    /// Starts a header or footer.
    pub fn begin_margin(&mut self) -> Result<(), Failure> {
        self.builder.open_float()
    }

    /// Returns the blocks of a header or footer. Its headings are text.
    pub fn finish_margin(mut self) -> Vec<BuiltBlock> {
        let blocks = self.builder.take_float();
        blocks
            .into_iter()
            .map(|block| match block {
                BuiltBlock::Block(BlockKind::Heading(_), text) => {
                    BuiltBlock::Block(BlockKind::Paragraph, text)
                }
                BuiltBlock::Block(..) | BuiltBlock::Row(_) => block,
            })
            .collect()
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

    fn begin_run(&mut self) {
        self.state.hidden_run = false;
        self.state.bold_run = false;
        self.state.struck_run = self.styles.is_struck(&self.style);
        self.state.script = self.styles.script(&self.style);
        self.symbol_font = None;
    }

    fn begin_math(&mut self, name: &str, tag: &XmlTag<'_>) {
        let local = name.strip_prefix("m:").unwrap_or(name);
        // Several formulas stand in a paragraph of formulas.
        if local == "oMathPara" || local == "oMathParaPr" && self.math_depth == 0 {
            return;
        }
        self.math_depth += 1;
        self.math.start(local);
        if matches!(local, "begChr" | "endChr" | "chr") {
            self.math
                .sign(local, &tag.attribute("m:val").unwrap_or_default());
        }
    }

    fn end_math(&mut self) {
        if self.math_depth == 0 {
            return;
        }
        self.math_depth -= 1;
        if let Some(text) = self.math.end().filter(|_| self.is_seen()) {
            self.builder.push_text(&text);
            self.builder.push_text(" ");
        }
    }

    /// A field begins, shows its result, or ends.
    fn field_character(&mut self, kind: &str) {
        match kind {
            "begin" => {
                self.form_field = None;
                self.instruction.clear();
            }
            "separate" | "end" => {
                let instruction = std::mem::take(&mut self.instruction);
                self.push_field(&instruction);
            }
            _ => {}
        }
    }

    fn push_field(&mut self, instruction: &str) {
        let form = self.form_field.take().map(|field| field.shown());
        let shown = form
            .or_else(|| fields::equation(instruction))
            .unwrap_or_default();
        if self.is_seen() {
            self.builder.push_text(&shown);
        }
    }

    /// The content of a control starts. A box has its sign in place of its content.
    fn begin_control(&mut self) {
        if let Some(is_ticked) = self.control_box.take() {
            if self.is_seen() {
                self.builder.push_text(&format!("{} ", box_sign(is_ticked)));
            }
            self.box_depth += 1;
        } else if self.box_depth > 0 {
            self.box_depth += 1;
        }
    }

    fn end_control(&mut self) {
        self.box_depth = self.box_depth.saturating_sub(1);
    }

    fn insert_comment(&mut self, tag: &XmlTag<'_>) {
        let id = tag.attribute("w:id").unwrap_or_default();
        let comment = self.notes.0.remove(&("w:comment".to_owned(), id));
        let Some(mut items) = comment.filter(|items| !items.is_empty()) else {
            return;
        };
        if let Some(BuiltBlock::Block(_, text)) = items.first_mut() {
            text.insert_str(0, "Comment: ");
        }
        self.builder.append_float(items);
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
            "w:b" => self.state.bold_run = tag.is_on("w:val"),
            "w:strike" if !tag.is_on("w:val") => self.state.struck_run = false,
            "w:strike" | "w:dstrike" => self.state.struck_run |= tag.is_on("w:val"),
            "w:vertAlign" => {
                self.state.script = Script::from_alignment(&value_of(tag));
            }
            "w:rFonts" => {
                let font = tag
                    .attribute("w:ascii")
                    .or_else(|| tag.attribute("w:hAnsi"));
                self.symbol_font = font.and_then(|font| SymbolFont::from_name(&font));
            }
            "w:position" => {
                // Half points above or below the line.
                let half_points: i32 = tag.parse_attribute("w:val").unwrap_or(0);
                self.state.script = match half_points {
                    4.. => Script::Raised,
                    ..=-4 => Script::Lowered,
                    _ => self.state.script,
                };
            }
            "w:rStyle" => {
                let style = value_of(tag);
                self.state.hidden_run |= self.styles.is_hidden(&style);
                self.state.struck_run |= self.styles.is_struck(&style);
                if self.state.script == Script::Normal {
                    self.state.script = self.styles.script(&style);
                }
            }
            _ => {}
        }
    }

    fn push_special_character(&mut self, tag: &XmlTag<'_>) {
        let text = match tag.name.as_ref() {
            "w:tab" | "w:ptab" | "w:br" | "w:cr" => " ".to_owned(),
            "w:noBreakHyphen" => "-".to_owned(),
            "w:sym" => symbol_of(tag),
            _ => return,
        };
        if self.is_seen() && self.box_depth == 0 {
            self.builder.push_text(&text);
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
            "w:gridBefore" => self.grid_before = tag.parse_attribute("w:val").unwrap_or(0),
            "w:tblHeader" if tag.is_on("w:val") => self.builder.mark_header_row(),
            "w:tc" => self.begin_cell()?,
            _ => self.apply_cell_setting(tag),
        }
        Ok(())
    }

    fn begin_cell(&mut self) -> Result<(), Failure> {
        // Columns before the first cell of a row are free.
        for column in 0..std::mem::take(&mut self.grid_before).min(MAX_GRID_BEFORE) {
            let column = Some(column);
            self.builder.open_cell(CellShape {
                column,
                ..CellShape::default()
            })?;
            self.builder.close_cell();
        }
        self.builder.open_cell(CellShape::default())
    }

    fn apply_cell_setting(&mut self, tag: &XmlTag<'_>) {
        let value = value_of(tag);
        let Some(shape) = self.builder.shape_mut() else {
            return;
        };
        match tag.name.as_ref() {
            "w:gridSpan" => shape.columns = value.trim().parse().unwrap_or(1),
            // Without a value, the cell continues the one above it.
            "w:vMerge" => shape.continues_above = value != "restart",
            _ => {}
        }
    }

    fn begin_box(&mut self) -> Result<(), Failure> {
        self.outer_states.push(self.state);
        self.state = BodyState::default();
        self.builder.open_float()
    }
}

/// The sign of a symbol element.
fn symbol_of(tag: &XmlTag<'_>) -> String {
    let font = tag.attribute("w:font").unwrap_or_default();
    let code = tag.attribute("w:char").unwrap_or_default();
    let Ok(code) = u32::from_str_radix(code.trim(), 16) else {
        return String::new();
    };
    if !(0xF000..=0xF0FF).contains(&code) && code > 0xFF {
        return char::from_u32(code).map(String::from).unwrap_or_default();
    }
    let font = SymbolFont::from_name(&font).unwrap_or(SymbolFont::Wingdings);
    font.sign(code).map(String::from).unwrap_or_default()
}

impl XmlHandler for DocxBody<'_> {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let name = tag.name.as_ref();
        if self.skip_depth > 0 || self.is_skipped(name) {
            self.has_changes |= self.skip_depth == 0 && matches!(name, "w:del" | "w:moveFrom");
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
            "w:r" => self.begin_run(),
            "w:t" => self.state.in_text = true,
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
                    .inserts
                    .found
                    .remove(&tag.attribute("r:dm").unwrap_or_default());
                self.builder.append_float(diagram.unwrap_or_default());
            }
            "w:tbl" | "w:tr" | "w:trPr" | "w:tc" | "w:gridSpan" | "w:vMerge" | "w:gridBefore"
            | "w:tblHeader" => self.handle_table(tag)?,
            "w:vanish" | "w:rStyle" | "w:b" | "w:strike" | "w:dstrike" | "w:vertAlign"
            | "w:position" | "w:rFonts" => self.apply_run_setting(tag),
            "w:ffData" => self.form_field = Some(WordFormField::default()),
            "w:checkBox" | "w:ddList" | "w:checked" | "w:default" | "w:result" | "w:listEntry" => {
                if let Some(field) = &mut self.form_field {
                    field.read(tag);
                }
            }
            "w:fldChar" => {
                self.field_character(&tag.attribute("w:fldCharType").unwrap_or_default());
            }
            "w:fldSimple" => {
                let instruction = tag.attribute("w:instr").unwrap_or_default();
                self.push_field(&instruction);
            }
            "w:instrText" => self.in_instruction = true,
            "w14:checkbox" => self.control_box = Some(false),
            "w14:checked" => {
                if self.control_box.is_some() {
                    self.control_box = Some(
                        tag.attribute("w14:val")
                            .is_none_or(|v| v == "1" || v == "true"),
                    );
                }
            }
            "w:sdtContent" => self.begin_control(),
            "w:altChunk" | "c:chart" => {
                let id = tag.attribute("r:id").unwrap_or_default();
                let blocks = self.inserts.found.remove(&id).unwrap_or_default();
                if name == "w:altChunk" {
                    self.builder.end_paragraph();
                }
                self.builder.append_float(blocks);
            }
            "w:commentReference" => self.insert_comment(tag),
            "w:ins" | "w:moveTo" => self.has_changes = true,
            _ if name.starts_with("m:") => self.begin_math(name, tag),
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
            "w:t" => self.state.in_text = false,
            "w:r" => self.state.hidden_run = false,
            "w:instrText" => self.in_instruction = false,
            "w:sdtContent" => self.end_control(),
            _ if name.starts_with("m:") => self.end_math(),
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
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.skip_depth > 0 {
            return;
        }
        if self.in_instruction {
            self.instruction.push_str(text);
            return;
        }
        if self.math_depth > 0 {
            self.math.text(text);
            return;
        }
        if self.state.in_text && self.box_depth == 0 && self.is_seen() {
            let repeats_marker = self.builder.is_empty()
                && self.builder.kind() == BlockKind::ListItem
                && list_marker::begins_item(text);
            if repeats_marker {
                self.builder.set_marker("");
            }
            let written = match self.symbol_font {
                Some(font) => font.write(text),
                None => self.state.script.write(text),
            };
            let written = if self.state.struck_run {
                write_struck(&written)
            } else {
                written
            };
            self.builder.note_weight(text, self.state.bold_run);
            self.builder.push_text(&written);
        }
    }
}
