//! Reading the body of a Word document, one element at a time.

mod controls;
mod inserts;
mod settings;
mod tables;

use super::fields::WordFormField;
use super::lists::Numbering;
use super::styles::DocxStyles;
use crate::formats::Failure;
use crate::formats::common::block_builder::{BlockBuilder, BuiltBlock};
use crate::formats::common::list_marker;
use crate::formats::common::math::MathBuilder;
use crate::formats::common::scripts::{Script, write_struck};
use crate::formats::common::sections::Sections;
use crate::formats::common::symbols::SymbolFont;
use crate::formats::common::xml::{XmlHandler, XmlTag};
use cloister_domain::{BlockKind, LossKind, OmissionKind};

pub use inserts::{DocxNotes, Inserts};

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
            self.builder.sections.lose(LossKind::Part, 1, warning);
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

    fn count_omission(&mut self, name: &str) {
        let kind = match name {
            "w:del" | "w:moveFrom" => OmissionKind::DeletedText,
            "w:sdtContent" => OmissionKind::Placeholder,
            "w:rt" => OmissionKind::Pronunciation,
            _ => return,
        };
        self.builder.sections.account.leave_out(kind, 1);
    }

    const fn is_seen(&self) -> bool {
        !(self.state.hidden_run || self.state.hidden_paragraph)
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

    fn begin_box(&mut self) -> Result<(), Failure> {
        self.outer_states.push(self.state);
        self.state = BodyState::default();
        self.builder.open_float()
    }
}

impl XmlHandler for DocxBody<'_> {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let name = tag.name.as_ref();
        if self.skip_depth > 0 || self.is_skipped(name) {
            if self.skip_depth == 0 {
                self.has_changes |= matches!(name, "w:del" | "w:moveFrom");
                self.count_omission(name);
            }
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
            "w:tbl" | "w:tr" | "w:trPr" | "w:tc" | "w:gridSpan" | "w:vMerge" | "w:gridBefore"
            | "w:tblHeader" => self.handle_table(tag)?,
            "w:vanish" | "w:rStyle" | "w:b" | "w:strike" | "w:dstrike" | "w:vertAlign"
            | "w:position" | "w:rFonts" => self.apply_run_setting(tag),
            "w:ffData" | "w:checkBox" | "w:ddList" | "w:checked" | "w:default" | "w:result"
            | "w:listEntry" | "w:fldChar" | "w:fldSimple" | "w:instrText" => self.handle_field(tag),
            "w:sdt" | "w:showingPlcHdr" | "w14:checkbox" | "w14:checked" | "w:sdtContent" => {
                self.handle_control(tag);
            }
            "w:footnoteReference"
            | "w:endnoteReference"
            | "w:commentReference"
            | "w:altChunk"
            | "c:chart"
            | "dgm:relIds" => self.handle_insert(tag),
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
        if self.state.in_text && !self.is_seen() {
            let account = &mut self.builder.sections.account;
            account.leave_out(OmissionKind::HiddenText, 1);
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
