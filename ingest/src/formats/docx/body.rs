//! The text of a Word document, one element after the other.

use super::lists::{Lists, Marker};
use super::styles::Styles;
use crate::formats::Failure;
use crate::formats::flow::{Flow, Item};
use crate::formats::pdf::marker;
use crate::formats::sections::Sections;
use crate::formats::xml::{Tag, Visitor, walk};
use cloister_domain::BlockKind;
use std::collections::HashMap;

/// Elements whose text is not the document's: what was deleted or moved away, how things were set
/// before, instructions of fields, the twin of a drawing for old programs, hints on pronunciation.
const UNSEEN: &[&str] = &[
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

/// The notes of a document, by the kind of their reference and their number in the file.
#[derive(Debug, Default)]
pub struct Notes(HashMap<(String, String), Vec<Item>>);

impl Notes {
    /// Reads a part with notes, which are such elements.
    pub fn read(&mut self, xml: &str, element: &str, styles: &Styles) -> Result<(), Failure> {
        let mut body = Body::new(styles, Lists::default(), Self::default(), HashMap::new());
        element.clone_into(&mut body.note_element);
        walk(xml, &mut body)?;
        self.0.extend(body.found.0);
        Ok(())
    }
}

/// What holds for the run or the paragraph that is open.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a plain fact about where the walk stands"
)]
#[derive(Clone, Copy, Debug, Default)]
struct Setting {
    in_text: bool,
    in_paragraph_settings: bool,
    in_row_settings: bool,
    hidden_run: bool,
    hidden_paragraph: bool,
    row_is_gone: bool,
    /// The mark that ends the paragraph was deleted, so the next one goes on with it.
    joins_next: bool,
}

/// A walk over the document's body.
#[derive(Debug)]
pub struct Body<'a> {
    styles: &'a Styles,
    lists: Lists,
    notes: Notes,
    diagrams: HashMap<String, Vec<Item>>,
    flow: Flow,
    now: Setting,
    /// What holds around each open box.
    around: Vec<Setting>,
    /// The list that the paragraph itself names, and its level.
    list: Option<String>,
    list_level: Option<usize>,
    style: String,
    unseen: usize,
    /// For each open content control, whether it shows a prompt in place of content.
    prompts: Vec<bool>,
    noted: usize,
    /// In a part with notes, the element that each of them is, and those found.
    note_element: String,
    note: Option<String>,
    found: Notes,
}

impl<'a> Body<'a> {
    /// Reads with these styles, lists and notes, and diagrams by the name that the text has for
    /// them.
    pub fn new(
        styles: &'a Styles,
        lists: Lists,
        notes: Notes,
        diagrams: HashMap<String, Vec<Item>>,
    ) -> Self {
        Self {
            styles,
            lists,
            notes,
            diagrams,
            flow: Flow::default(),
            now: Setting::default(),
            around: Vec::new(),
            list: None,
            list_level: None,
            style: String::new(),
            unseen: 0,
            prompts: Vec::new(),
            noted: 0,
            note_element: String::new(),
            note: None,
            found: Notes::default(),
        }
    }

    /// The pages.
    pub fn finish(self) -> Sections {
        self.flow.finish()
    }

    /// Whether this element's text is not the document's. Among settings, the same names mark a
    /// paragraph's end or a row as deleted.
    fn is_unseen(&self, name: &str) -> bool {
        let is_mark = self.now.in_paragraph_settings || self.now.in_row_settings;
        let marks = is_mark && matches!(name, "w:del" | "w:moveFrom");
        let prompts = name == "w:sdtContent" && self.prompts.last() == Some(&true);
        prompts || UNSEEN.contains(&name) && !marks
    }

    const fn is_seen(&self) -> bool {
        !(self.now.hidden_run || self.now.hidden_paragraph)
    }

    fn space(&mut self) {
        if self.is_seen() {
            self.flow.text(" ");
        }
    }

    fn paragraph_begins(&mut self) {
        if std::mem::take(&mut self.now.joins_next) {
            self.flow.set_kind(BlockKind::Paragraph);
            self.flow.set_marker("");
        } else {
            self.flow.begin(BlockKind::Paragraph);
        }
        self.now.hidden_paragraph = false;
        self.style.clear();
        self.list = None;
        self.list_level = None;
    }

    /// The settings of a paragraph are known: is it a heading, an item, or neither?
    fn paragraph_is_set(&mut self) {
        self.now.in_paragraph_settings = false;
        if let Some(kind) = self.styles.kind(&self.style) {
            self.flow.set_kind(kind);
            return;
        }
        let of_style = self.styles.list(&self.style);
        let list = self.list.clone();
        let list = list.or_else(|| of_style.as_ref().map(|(list, _)| list.clone()));
        let level = self.list_level.or(of_style.map(|(_, level)| level));
        let found = list.and_then(|list| self.lists.next(&list, level.unwrap_or(0)));
        let is_heading = matches!(self.flow.kind(), BlockKind::Heading(_));
        match found {
            Some(Marker::Written(marker)) if is_heading => {
                if marker != "•" {
                    self.flow.set_marker(&marker);
                }
            }
            Some(Marker::Written(marker)) => {
                self.flow.set_kind(BlockKind::ListItem);
                self.flow.set_marker(&marker);
            }
            Some(Marker::None) | None => {}
        }
    }

    fn paragraph_setting(&mut self, tag: &Tag<'_>) {
        match tag.name.as_ref() {
            "w:pStyle" => {
                self.style = tag.get("w:val").unwrap_or_default();
                self.now.hidden_paragraph = self.styles.is_hidden(&self.style);
                if let Some(level) = self.styles.heading(&self.style) {
                    self.flow.set_kind(BlockKind::Heading(level));
                }
            }
            "w:outlineLvl" => match tag.number::<u8>("w:val") {
                Some(level) if level < 9 => self.flow.set_kind(BlockKind::Heading(level + 1)),
                _ => self.flow.set_kind(BlockKind::Paragraph),
            },
            "w:numId" => self.list = tag.get("w:val"),
            "w:ilvl" => self.list_level = tag.number("w:val"),
            "w:del" | "w:moveFrom" => self.now.joins_next = true,
            _ => {}
        }
    }

    fn run_setting(&mut self, tag: &Tag<'_>) {
        match tag.name.as_ref() {
            "w:vanish" => self.now.hidden_run = tag.is_on("w:val"),
            "w:rStyle" => {
                let style = tag.get("w:val").unwrap_or_default();
                self.now.hidden_run |= self.styles.is_hidden(&style);
            }
            _ => {}
        }
    }

    fn character(&mut self, tag: &Tag<'_>) {
        let text = match tag.name.as_ref() {
            "w:tab" | "w:ptab" | "w:br" | "w:cr" => " ",
            "w:noBreakHyphen" => "-",
            "w:sym" => symbol(&tag.get("w:char").unwrap_or_default()),
            _ => return,
        };
        if self.is_seen() {
            self.flow.text(text);
        }
    }

    fn reference(&mut self, tag: &Tag<'_>, kind: &str) {
        let id = tag.get("w:id").unwrap_or_default();
        let note = self.notes.0.remove(&(kind.to_owned(), id));
        if let Some(items) = note.filter(|items| !items.is_empty() && self.is_seen()) {
            self.noted += 1;
            self.flow.note(&self.noted.to_string(), items);
        }
    }

    fn table_part(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        match tag.name.as_ref() {
            "w:tbl" => self.flow.open_table()?,
            "w:tr" => self.flow.open_row(),
            "w:trPr" => self.now.in_row_settings = true,
            "w:tc" => self.flow.open_cell(1)?,
            "w:gridSpan" => self.flow.set_span(tag.number("w:val").unwrap_or(1)),
            _ => {}
        }
        Ok(())
    }

    fn box_begins(&mut self) -> Result<(), Failure> {
        self.around.push(self.now);
        self.now = Setting::default();
        self.flow.open_aside()
    }
}

/// Letters of symbol fonts that mean something without their font.
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

impl Visitor for Body<'_> {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        let name = tag.name.as_ref();
        if self.unseen > 0 || self.is_unseen(name) {
            self.unseen += 1;
            return Ok(());
        }
        if !self.note_element.is_empty() && name == self.note_element {
            let is_note = tag.get("w:type").is_none_or(|kind| kind == "normal");
            self.note = tag.get("w:id").filter(|_| is_note);
            return self.flow.open_aside();
        }
        match name {
            "w:p" => self.paragraph_begins(),
            "w:pPr" => self.now.in_paragraph_settings = true,
            _ if self.now.in_paragraph_settings => self.paragraph_setting(tag),
            "w:del" | "w:hidden" if self.now.in_row_settings => self.now.row_is_gone = true,
            "w:r" => self.now.hidden_run = false,
            "w:t" | "m:t" => self.now.in_text = true,
            "w:txbxContent" => self.box_begins()?,
            "w:footnoteReference" => self.reference(tag, "w:footnote"),
            "w:endnoteReference" => self.reference(tag, "w:endnote"),
            "w:sdt" => self.prompts.push(false),
            "w:showingPlcHdr" => {
                if let Some(prompt) = self.prompts.last_mut() {
                    *prompt = tag.is_on("w:val");
                }
            }
            "dgm:relIds" => {
                let diagram = self.diagrams.remove(&tag.get("r:dm").unwrap_or_default());
                self.flow.put_beside(diagram.unwrap_or_default());
            }
            "w:tbl" | "w:tr" | "w:trPr" | "w:tc" | "w:gridSpan" => self.table_part(tag)?,
            "w:vanish" | "w:rStyle" => self.run_setting(tag),
            _ => self.character(tag),
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        if self.unseen > 0 {
            self.unseen -= 1;
            return Ok(());
        }
        if !self.note_element.is_empty() && name == self.note_element {
            let items = self.flow.take_aside();
            if let Some(id) = self.note.take() {
                self.found.0.insert((name.to_owned(), id), items);
            }
            return Ok(());
        }
        match name {
            "w:t" | "m:t" => self.now.in_text = false,
            "w:r" => self.now.hidden_run = false,
            "w:pPr" => self.paragraph_is_set(),
            "w:p" if !self.now.joins_next => self.flow.end(),
            "w:trPr" => self.now.in_row_settings = false,
            "w:tc" => {
                self.now.joins_next = false;
                self.flow.close_cell();
            }
            "w:tr" if std::mem::take(&mut self.now.row_is_gone) => self.flow.drop_row(),
            "w:tbl" => self.flow.close_table(),
            "w:txbxContent" => {
                self.flow.close_aside();
                self.now = self.around.pop().unwrap_or_default();
            }
            "w:sdt" => {
                self.prompts.pop();
            }
            "m:oMath" => self.space(),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.now.in_text && self.unseen == 0 && self.is_seen() {
            let repeats_marker = self.flow.is_empty()
                && self.flow.kind() == BlockKind::ListItem
                && marker::begins_item(text);
            if repeats_marker {
                self.flow.set_marker("");
            }
            self.flow.text(text);
        }
    }
}
