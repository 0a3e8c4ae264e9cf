//! Workbooks since 2007 (.xlsx, .xlsm): the sheets with their remarks, boxes, charts and controls.
//! A sheet that cannot be read costs itself only.

use super::cell_styles::CellStyles;
use super::shared_strings::SharedStrings;
use super::worksheet::{SheetParts, WorksheetReader, read_worksheet};
use crate::formats::Failure;
use crate::formats::common::archive::Archive;
use crate::formats::common::block_builder::{BuiltBlock, write_blocks};
use crate::formats::common::drawings::{read_controls, read_drawing};
use crate::formats::common::opc::Relationships;
use crate::formats::common::sections::Sections;
use crate::formats::common::sheets::{Sheet, hidden_sheet, quote_sheet_name};
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use crate::limits::HiddenCells;
use crate::wire::Refusal;
use cloister_domain::{BlockKind, LossKind, OmissionKind};

/// Maximum number of sheets.
const MAX_SHEETS: usize = 5_000;
/// Maximum number of remarks of a sheet.
const MAX_REMARKS: usize = 20_000;

/// Reads the workbook of an archive onto `sections`, one page for each sheet.
pub fn read_workbook(
    archive: &mut Archive<'_>,
    hidden_cells: HiddenCells,
    sections: &mut Sections,
) -> Result<(), Failure> {
    let main = Relationships::find_main_part(archive, "xl/workbook.xml")?;
    let related = Relationships::load(archive, &main)?;
    let styles = related.text_of_kind("styles", "xl/styles.xml", archive)?;
    let styles = CellStyles::parse(&styles);
    let strings = related.text_of_kind("sharedStrings", "xl/sharedStrings.xml", archive)?;
    let strings = SharedStrings::parse(&strings)?;
    let mut workbook = WorkbookParts::default();
    parse_xml(&archive.text(&main)?, &mut workbook)?;
    if workbook.sheets.is_empty() {
        return Err(Failure::damaged("it names no sheets"));
    }
    let mut read = WorkbookContext {
        archive,
        styles,
        strings,
        is_1904: workbook.is_1904,
        hidden_cells,
    };
    let (mut sheets, mut broken) = (0, 0);
    for sheet in &workbook.sheets {
        let (kind, target) = related.kind_and_target(&sheet.id).unwrap_or_default();
        let kind = kind.to_owned();
        if kind == "worksheet" && sheet.is_hidden {
            sections.warn(hidden_sheet(&sheet.name, hidden_cells));
            if hidden_cells == HiddenCells::LeaveOut {
                sections.account.leave_out(OmissionKind::HiddenSheet, 1);
                continue;
            }
        }
        match kind.as_str() {
            "worksheet" => {
                sheets += 1;
                match read.sheet(sheet, target, sections) {
                    Err(Failure::Refused(Refusal::Damaged(why))) => {
                        broken += 1;
                        let warning =
                            format!("the sheet `{}` could not be read: {why}", sheet.name);
                        sections.lose(LossKind::Sheet, 1, warning);
                    }
                    other => other?,
                }
            }
            "chartsheet" => read.chart_sheet(sheet, target, sections)?,
            _ => leave_out_sheet(&sheet.name, &kind, sections),
        }
    }
    if sheets > 0 && broken == sheets {
        return Err(Failure::damaged("none of its sheets can be read"));
    }
    Ok(())
}

/// Macro sheets are left out on purpose. Other kinds of sheets are not understood.
fn leave_out_sheet(name: &str, kind: &str, sections: &mut Sections) {
    let warning = format!("the sheet `{name}` is left out: it is {}", sheet_kind(kind));
    if kind.ends_with("acrosheet") {
        sections.account.leave_out(OmissionKind::Macro, 1);
        sections.warn(warning);
    } else {
        sections.lose(LossKind::Sheet, 1, warning);
    }
}

fn sheet_kind(kind: &str) -> &'static str {
    match kind {
        "xlMacrosheet" | "xlIntlMacrosheet" => "a macro sheet",
        "dialogsheet" => "a dialog sheet",
        _ => "of a kind that is not read",
    }
}

/// A sheet as the workbook names it.
#[derive(Debug)]
struct SheetName {
    name: String,
    id: String,
    is_hidden: bool,
}

#[derive(Debug, Default)]
struct WorkbookParts {
    sheets: Vec<SheetName>,
    is_1904: bool,
}

impl XmlHandler for WorkbookParts {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        match tag.local() {
            "workbookPr" => {
                self.is_1904 = tag.attribute("date1904").is_some() && tag.is_on("date1904");
            }
            "sheet" if self.sheets.len() < MAX_SHEETS => {
                let state = tag.attribute("state").unwrap_or_default();
                self.sheets.push(SheetName {
                    name: tag.attribute("name").unwrap_or_default(),
                    id: tag.attribute("r:id").unwrap_or_default(),
                    is_hidden: state.eq_ignore_ascii_case("hidden")
                        || state.eq_ignore_ascii_case("veryHidden"),
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}

struct WorkbookContext<'r, 'f> {
    archive: &'r mut Archive<'f>,
    styles: CellStyles,
    strings: SharedStrings,
    is_1904: bool,
    hidden_cells: HiddenCells,
}

impl WorkbookContext<'_, '_> {
    fn sheet(
        &mut self,
        sheet: &SheetName,
        part: &str,
        sections: &mut Sections,
    ) -> Result<(), Failure> {
        let related = Relationships::load(self.archive, part).unwrap_or_default();
        let tables = self.table_starts(&related)?;
        let reader = WorksheetReader::new(&sheet.name, &self.styles, &self.strings, self.is_1904);
        let xml = self.archive.text(part)?;
        if xml.is_empty() {
            return Err(Failure::damaged("its part is missing"));
        }
        let SheetParts {
            mut cells,
            formulas,
            margins,
        } = read_worksheet(&xml, reader)?;
        drop(xml);
        for (top, has_header) in tables {
            cells.mark_table(top);
            if has_header {
                cells.mark_header(top);
            }
        }
        if formulas > 0 {
            let warning = format!(
                "the sheet `{}` has formulas that were never calculated ({formulas}); they are shown as formulas",
                sheet.name
            );
            sections.lose(LossKind::Formula, formulas, warning);
        }
        cells.apply_policy(self.hidden_cells, sections);
        if sheet.is_hidden {
            cells.mark_hidden();
        }
        let mut beside = self.beside(&related)?;
        beside.extend(margins.into_iter().map(|text| {
            let block = BuiltBlock::Block(BlockKind::Paragraph, text);
            (None, vec![block])
        }));
        if !cells.is_empty() || !beside.is_empty() {
            write_sheet(&sheet.name, cells, beside, sections);
        }
        Ok(())
    }

    /// What stands beside the cells: remarks, boxes, charts and controls, with their places.
    fn beside(&mut self, related: &Relationships) -> Result<Vec<BesideCells>, Failure> {
        let mut found = Vec::new();
        for kind in ["comments", "threadedComment"] {
            for (_, target) in related.of_kind(kind) {
                let mut remarks = CellCommentReader::default();
                let _broken = parse_xml(&self.archive.text(target)?, &mut remarks);
                found.extend(remarks.found);
            }
        }
        for (_, target) in related.of_kind("drawing") {
            found.push((None, read_drawing(self.archive, target)?));
        }
        for (_, target) in related.of_kind("vmlDrawing") {
            found.push((None, read_controls(self.archive, target)?));
        }
        found.retain(|(_, blocks)| !blocks.is_empty());
        Ok(found)
    }

    /// The first rows of the tables of a sheet, and whether they name columns.
    fn table_starts(&mut self, related: &Relationships) -> Result<Vec<(u32, bool)>, Failure> {
        let mut found = Vec::new();
        for (_, target) in related.of_kind("table") {
            let mut table = TablePart::default();
            let _broken = parse_xml(&self.archive.text(target)?, &mut table);
            found.extend(table.found);
        }
        Ok(found)
    }

    fn chart_sheet(
        &mut self,
        sheet: &SheetName,
        part: &str,
        sections: &mut Sections,
    ) -> Result<(), Failure> {
        let related = Relationships::load(self.archive, part).unwrap_or_default();
        let beside = self.beside(&related)?;
        if beside.is_empty() {
            let warning = format!(
                "the sheet `{}` is a chart whose words could not be read",
                sheet.name
            );
            sections.lose(LossKind::Sheet, 1, warning);
            return Ok(());
        }
        sections.set_location(Some(quote_sheet_name(&sheet.name)));
        sections.push_block(BlockKind::Heading(1), &sheet.name);
        for (_, blocks) in beside {
            write_blocks(sections, blocks);
        }
        sections.set_location(None);
        sections.end_page();
        Ok(())
    }
}

/// Writes a sheet: its rows, then what stands beside them.
fn write_sheet(name: &str, cells: Sheet, beside: Vec<BesideCells>, sections: &mut Sections) {
    let quoted = quote_sheet_name(name);
    if cells.is_empty() {
        sections.set_location(Some(quoted.clone()));
        sections.push_block(BlockKind::Heading(1), name);
    }
    cells.write_rows(sections);
    for (place, blocks) in beside {
        let place = place.map_or_else(|| quoted.clone(), |cell| format!("{quoted}!{cell}"));
        sections.set_location(Some(place));
        write_blocks(sections, blocks);
    }
    sections.set_location(None);
    sections.end_page();
}

/// Text beside the cells, with the cell that it belongs to.
type BesideCells = (Option<String>, Vec<BuiltBlock>);

/// Reads the remarks on cells.
#[derive(Debug, Default)]
struct CellCommentReader {
    cell: String,
    text: String,
    in_text: bool,
    found: Vec<BesideCells>,
}

impl XmlHandler for CellCommentReader {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        match tag.local() {
            "comment" | "threadedComment" => {
                self.cell = tag.attribute("ref").unwrap_or_default();
                self.text.clear();
            }
            "t" | "text" => self.in_text = true,
            "rPh" => self.in_text = false,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        match name.rsplit(':').next().unwrap_or_default() {
            "t" | "text" => self.in_text = false,
            "comment" | "threadedComment" if self.found.len() < MAX_REMARKS => {
                let text = std::mem::take(&mut self.text);
                // Since 2018, a remark also has a note for older programs.
                if !text.trim().is_empty() && !text.trim_start().starts_with("[Threaded comment]") {
                    let text = format!("Remark on {}: {}", self.cell, text.trim());
                    let block = BuiltBlock::Block(BlockKind::Paragraph, text);
                    self.found.push((Some(self.cell.clone()), vec![block]));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.in_text {
            self.text.push_str(text);
        }
    }
}

/// Reads where a table of a sheet begins.
#[derive(Debug, Default)]
struct TablePart {
    found: Option<(u32, bool)>,
}

impl XmlHandler for TablePart {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if tag.local() == "table" && self.found.is_none() {
            let reference = tag.attribute("ref").unwrap_or_default();
            let headers: u32 = tag.parse_attribute("headerRowCount").unwrap_or(1);
            let top = super::worksheet::parse_range(&reference).map(|range| range.top);
            self.found = top.map(|top| (top, headers > 0));
        }
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}
