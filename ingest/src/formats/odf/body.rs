//! The text of an OpenDocument file, one element after the other.

use super::styles::{LEVELS, Levels, Styles, marker};
use crate::formats::Failure;
use crate::formats::flow::{Flow, Item};
use crate::formats::pptx;
use crate::formats::sections::Sections;
use crate::formats::sheets::Sheet;
use crate::formats::xml::{Tag, Visitor};
use cloister_domain::BlockKind;
use std::collections::HashMap;

/// Elements whose text is not the document's: what was deleted, remarks, descriptions of pictures,
/// prompts, hints on pronunciation, what else the file keeps for programs.
const UNSEEN: &[&str] = &[
    "text:tracked-changes",
    "table:tracked-changes",
    "office:annotation",
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
    "draw:object",
    "text:note-citation",
    "presentation:header-decl",
    "presentation:footer-decl",
    "presentation:date-time-decl",
    "table:shapes",
];

/// A cell stands for at most this many like it, where it has text.
const MOST_REPEATS: u32 = 1_000;

/// A list that is open.
#[derive(Debug)]
struct List {
    style: String,
    id: Option<String>,
    /// Whether the open item has begun with its marker.
    in_item: bool,
    /// Items of a list's header have no marker.
    in_header: bool,
}

/// What holds around a box or a note.
#[derive(Debug)]
struct Around {
    /// Whether it stands in a paragraph, which it follows then.
    in_paragraph: bool,
    paragraphs: usize,
    hidden: bool,
}

/// A slide that is open.
#[derive(Debug)]
struct Slide {
    number: usize,
    hidden: bool,
    title: Vec<Item>,
    notes: Vec<Item>,
}

/// A sheet that is open.
#[derive(Debug)]
struct OpenSheet {
    cells: Sheet,
    hidden: bool,
    row: u32,
    rows: u32,
    column: u32,
    columns: u32,
    text: String,
    depth: usize,
}

/// A walk over the document's body.
#[expect(
    clippy::struct_excessive_bools,
    reason = "what holds where the walk stands is so many plain facts"
)]
#[derive(Debug)]
pub struct Body<'a> {
    styles: &'a Styles,
    flow: Flow,
    unseen: usize,
    /// Open paragraphs: those in boxes stand inside others.
    paragraphs: usize,
    /// For each open span, whether its text is hidden.
    spans: Vec<bool>,
    hidden_paragraph: bool,
    lists: Vec<List>,
    counted: [u32; LEVELS],
    /// How far lists that ended have counted, by style and by name.
    ended: HashMap<String, [u32; LEVELS]>,
    headings: [u32; LEVELS],
    in_contents: usize,
    /// What holds around each open box.
    boxes: Vec<Around>,
    noted: usize,
    slide: Option<Slide>,
    in_title: bool,
    in_slide_notes: bool,
    slides: usize,
    sheet: Option<OpenSheet>,
    /// Whether tables are sheets.
    of_sheets: bool,
    /// Sentences for the administrator.
    pub warnings: Vec<String>,
}

impl<'a> Body<'a> {
    /// Reads with these styles. In a spreadsheet, tables are sheets.
    pub fn new(styles: &'a Styles, sections: Sections, of_sheets: bool) -> Self {
        Self {
            styles,
            flow: Flow::into_sections(sections),
            unseen: 0,
            paragraphs: 0,
            spans: Vec::new(),
            hidden_paragraph: false,
            lists: Vec::new(),
            counted: [0; LEVELS],
            ended: HashMap::new(),
            headings: [0; LEVELS],
            in_contents: 0,
            boxes: Vec::new(),
            noted: 0,
            slide: None,
            in_title: false,
            in_slide_notes: false,
            slides: 0,
            sheet: None,
            of_sheets,
            warnings: Vec::new(),
        }
    }

    /// The pages.
    pub fn finish(self) -> Sections {
        self.flow.finish()
    }

    fn is_hidden(&self) -> bool {
        self.hidden_paragraph || self.spans.last() == Some(&true)
    }

    /// Characters that are the document's.
    fn say(&mut self, text: &str) {
        if self.unseen > 0 || self.paragraphs == 0 || self.is_hidden() {
            return;
        }
        match &mut self.sheet {
            Some(sheet) => sheet.text.push_str(text),
            None => self.flow.text(text),
        }
    }

    fn paragraph(&mut self, tag: &Tag<'_>) {
        self.paragraphs += 1;
        let style = tag.get("text:style-name").unwrap_or_default();
        self.hidden_paragraph = self.styles.is_hidden(&style);
        self.spans.clear();
        if let Some(sheet) = &mut self.sheet {
            sheet.text.push(' ');
            return;
        }
        self.flow.begin(BlockKind::Paragraph);
        if self.in_contents > 0 {
            self.flow.set_kind(BlockKind::Furniture);
        } else if tag.name == "text:h" {
            self.heading(tag);
        } else if self.styles.is_a(&style, "Title") {
            self.flow.set_kind(BlockKind::Heading(1));
        } else if self.styles.is_a(&style, "Caption") {
            self.flow.set_kind(BlockKind::Caption);
        }
        let is_heading = matches!(self.flow.kind(), BlockKind::Heading(_));
        if let Some(marker) = self.item_marker() {
            if !is_heading {
                self.flow.set_kind(BlockKind::ListItem);
            }
            if !(is_heading && marker == "•") {
                self.flow.set_marker(&marker);
            }
        }
    }

    fn heading(&mut self, tag: &Tag<'_>) {
        let level: usize = tag.number("text:outline-level").unwrap_or(1);
        let level = level.clamp(1, LEVELS);
        let depth = u8::try_from(level.min(9)).unwrap_or(9);
        self.flow.set_kind(BlockKind::Heading(depth));
        let counts = tag.get("text:is-list-header").is_none_or(|v| v != "true");
        let Some(levels) = &self.styles.outline else {
            return;
        };
        if self.lists.is_empty() && counts {
            count(&mut self.headings, levels, level - 1);
            let marker = marker(levels, level - 1, &self.headings);
            self.flow.set_marker(&marker);
        }
    }

    /// The marker of the open item, for the first of its paragraphs.
    fn item_marker(&mut self) -> Option<String> {
        let level = self.lists.len().checked_sub(1)?.min(LEVELS - 1);
        let list = self.lists.last_mut()?;
        if !list.in_item || list.in_header {
            return None;
        }
        list.in_item = false;
        let bullets;
        let levels = if let Some(levels) = self.styles.list(&list.style) {
            levels
        } else {
            bullets = bulleted();
            &bullets
        };
        count(&mut self.counted, levels, level);
        Some(marker(levels, level, &self.counted)).filter(|marker| !marker.is_empty())
    }

    fn list_begins(&mut self, tag: &Tag<'_>) {
        let outer = self.lists.last();
        let style = tag.get("text:style-name");
        let style = style.or_else(|| outer.map(|list| list.style.clone()));
        let style = style.unwrap_or_default();
        if self.lists.is_empty() {
            let goes_on = tag
                .get("text:continue-numbering")
                .is_some_and(|v| v == "true");
            let after = tag.get("text:continue-list");
            let before = after.or_else(|| goes_on.then(|| style.clone()));
            let before = before.and_then(|name| self.ended.get(&name).copied());
            self.counted = before.unwrap_or_default();
        }
        self.lists.push(List {
            style,
            id: tag.get("xml:id"),
            in_item: false,
            in_header: false,
        });
    }

    fn list_ends(&mut self) {
        let Some(list) = self.lists.pop() else {
            return;
        };
        self.flow.end();
        if self.lists.is_empty() {
            self.ended.insert(list.style, self.counted);
            self.ended.extend(list.id.map(|id| (id, self.counted)));
        }
        let depth = self.lists.len();
        self.counted.iter_mut().skip(depth).for_each(|n| *n = 0);
    }

    fn item_begins(&mut self, tag: &Tag<'_>) {
        let level = self.lists.len().saturating_sub(1);
        if let Some(start) = tag.number::<u32>("text:start-value")
            && let Some(count) = self.counted.get_mut(level)
        {
            *count = start.saturating_sub(1);
        }
        if let Some(list) = self.lists.last_mut() {
            list.in_item = true;
            list.in_header = tag.name == "text:list-header";
        }
    }

    fn inline(&mut self, tag: &Tag<'_>) {
        match tag.name.as_ref() {
            "text:span" => {
                let style = tag.get("text:style-name").unwrap_or_default();
                let hidden = self.is_hidden() || self.styles.is_hidden(&style);
                self.spans.push(hidden);
            }
            "text:s" | "text:tab" | "text:line-break" => self.say(" "),
            _ => {}
        }
    }

    /// A box in the middle of a paragraph follows it, and so does a note.
    fn box_begins(&mut self) -> Result<(), Failure> {
        let in_paragraph = self.paragraphs > 0 && self.sheet.is_none();
        self.boxes.push(Around {
            in_paragraph,
            paragraphs: std::mem::take(&mut self.paragraphs),
            hidden: std::mem::take(&mut self.hidden_paragraph),
        });
        if in_paragraph {
            self.flow.open_aside()?;
        }
        Ok(())
    }

    fn box_ends(&mut self, is_note: bool) {
        let Some(around) = self.boxes.pop() else {
            return;
        };
        self.paragraphs = around.paragraphs;
        self.hidden_paragraph = around.hidden;
        if around.in_paragraph {
            let items = self.flow.take_aside();
            if self.is_hidden() {
                return;
            }
            if is_note {
                self.noted += 1;
                self.flow.note(&self.noted.to_string(), items);
            } else {
                self.flow.put_beside(items);
            }
        }
    }

    fn slide_begins(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        self.slides += 1;
        let style = tag.get("draw:style-name").unwrap_or_default();
        self.slide = Some(Slide {
            number: self.slides,
            hidden: self.styles.is_hidden(&style),
            title: Vec::new(),
            notes: Vec::new(),
        });
        self.flow.open_aside()
    }

    fn slide_ends(&mut self) {
        let body = self.flow.take_aside();
        let Some(slide) = self.slide.take() else {
            return;
        };
        let number = slide.number;
        if slide.hidden {
            let warning = format!("slides that are hidden are left out: {number}");
            self.warnings.push(warning);
        } else {
            let words = slide.title.into_iter().map(Item::into_text);
            let title: Vec<String> = words.collect();
            let place = format!("slide {number}");
            let sections = &mut self.flow.sections;
            pptx::write(sections, &place, &title.join(" "), body, slide.notes);
        }
        self.flow.sections.turn_page();
    }

    fn frame_begins(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        let class = tag.get("presentation:class").unwrap_or_default();
        let prompts = tag
            .get("presentation:placeholder")
            .is_some_and(|v| v == "true");
        let furniture = matches!(
            class.as_str(),
            "header" | "footer" | "date-time" | "page-number" | "page"
        );
        if prompts || furniture {
            self.unseen += 1;
        } else if class == "title" && self.slide.is_some() && !self.in_slide_notes {
            self.in_title = true;
            self.flow.open_aside()?;
        }
        Ok(())
    }

    fn frame_ends(&mut self) {
        if std::mem::take(&mut self.in_title) {
            let title = self.flow.take_aside();
            if let Some(slide) = &mut self.slide {
                slide.title.extend(title);
            }
        }
    }

    fn table(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        if !self.of_sheets {
            return self.flow.open_table();
        }
        if let Some(sheet) = &mut self.sheet {
            sheet.depth += 1;
            return Ok(());
        }
        let name = tag.get("table:name").unwrap_or_default();
        let style = tag.get("table:style-name").unwrap_or_default();
        self.sheet = Some(OpenSheet {
            cells: Sheet::new(Some(&name)),
            hidden: self.styles.is_hidden(&style),
            row: 0,
            rows: 1,
            column: 0,
            columns: 1,
            text: String::new(),
            depth: 0,
        });
        if self.styles.is_hidden(&style) {
            let warning = format!("a sheet that is hidden is left out: `{name}`");
            self.warnings.push(warning);
        }
        Ok(())
    }

    fn row(&mut self, tag: &Tag<'_>) {
        match &mut self.sheet {
            Some(sheet) if sheet.depth == 0 => {
                sheet.rows = tag.number("table:number-rows-repeated").unwrap_or(1);
                sheet.column = 0;
            }
            Some(_) => {}
            None => self.flow.open_row(),
        }
    }

    fn cell(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        let repeated = tag.number("table:number-columns-repeated").unwrap_or(1);
        match &mut self.sheet {
            Some(sheet) if sheet.depth == 0 => {
                sheet.columns = repeated;
                sheet.text.clear();
            }
            Some(_) => {}
            // A covered cell keeps its place by itself.
            None => self.flow.open_cell(1)?,
        }
        Ok(())
    }

    fn cell_ends(&mut self) -> Result<(), Failure> {
        let Some(sheet) = &mut self.sheet else {
            self.flow.close_cell();
            return Ok(());
        };
        if sheet.depth > 0 {
            return Ok(());
        }
        if !sheet.text.trim().is_empty() && !sheet.hidden {
            for step in 0..sheet.columns.min(MOST_REPEATS) {
                let column = sheet.column.saturating_add(step);
                sheet.cells.cell(sheet.row, column, &sheet.text)?;
            }
        }
        sheet.column = sheet.column.saturating_add(sheet.columns);
        sheet.text.clear();
        Ok(())
    }

    fn row_ends(&mut self) {
        if let Some(sheet) = &mut self.sheet
            && sheet.depth == 0
        {
            sheet.row = sheet.row.saturating_add(sheet.rows);
        }
    }

    fn table_ends(&mut self) {
        match &mut self.sheet {
            None => self.flow.close_table(),
            Some(sheet) if sheet.depth > 0 => sheet.depth -= 1,
            Some(_) => {
                if let Some(sheet) = self.sheet.take() {
                    sheet.cells.write_page(&mut self.flow.sections);
                }
            }
        }
    }
}

/// One more on this level, and none on those below it.
fn count(counted: &mut [u32; LEVELS], levels: &Levels, level: usize) {
    for (index, (count, how)) in counted.iter_mut().zip(levels).enumerate() {
        if index > level {
            *count = 0;
        } else if *count == 0 {
            *count = how.start;
        } else if index == level {
            *count = count.saturating_add(1);
        }
    }
}

/// A list whose style is not known.
fn bulleted() -> Levels {
    std::array::from_fn(|_| super::styles::Level {
        numerals: None,
        ..Default::default()
    })
}

impl Visitor for Body<'_> {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        let name = tag.name.as_ref();
        let hidden_section =
            name == "text:section" && tag.get("text:display").is_some_and(|d| d == "none");
        if self.unseen > 0 || UNSEEN.contains(&name) || hidden_section {
            self.unseen += 1;
            return Ok(());
        }
        match name {
            "text:p" | "text:h" => self.paragraph(tag),
            "text:list" => self.list_begins(tag),
            "text:list-item" | "text:list-header" => self.item_begins(tag),
            "text:index-body" => self.in_contents += 1,
            "draw:text-box" | "draw:custom-shape" | "text:note-body" => self.box_begins()?,
            "draw:frame" => self.frame_begins(tag)?,
            "draw:page" => self.slide_begins(tag)?,
            "presentation:notes" => {
                self.in_slide_notes = true;
                self.flow.open_aside()?;
            }
            "table:table" => self.table(tag)?,
            "table:table-row" => self.row(tag),
            "table:table-cell" | "table:covered-table-cell" => self.cell(tag)?,
            _ => self.inline(tag),
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        if self.unseen > 0 {
            self.unseen -= 1;
            return Ok(());
        }
        match name {
            "text:p" | "text:h" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                if self.sheet.is_none() {
                    self.flow.end();
                }
            }
            "text:span" => {
                self.spans.pop();
            }
            "text:list" => self.list_ends(),
            "text:index-body" => self.in_contents = self.in_contents.saturating_sub(1),
            "text:note-body" => self.box_ends(true),
            "draw:text-box" | "draw:custom-shape" => self.box_ends(false),
            "draw:frame" => self.frame_ends(),
            "draw:page" => self.slide_ends(),
            "presentation:notes" => {
                self.in_slide_notes = false;
                let notes = self.flow.take_aside();
                if let Some(slide) = &mut self.slide {
                    slide.notes.extend(notes);
                }
            }
            "table:table-cell" | "table:covered-table-cell" => self.cell_ends()?,
            "table:table-row" => self.row_ends(),
            "table:table" => self.table_ends(),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.say(text);
    }
}
