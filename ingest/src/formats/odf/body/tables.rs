//! Tables of texts and presentations, and sheets.

use super::OdfBody;
use crate::formats::Failure;
use crate::formats::common::block_builder::CellShape;
use crate::formats::common::sheets::hidden_sheet;
use crate::formats::common::xml::XmlTag;
use crate::formats::odf::sheet_state::SheetState;
use crate::limits::HiddenCells;
use cloister_domain::{LossKind, OmissionKind};

impl OdfBody<'_> {
    pub(super) fn begin_table(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
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
            let sections = &mut self.builder.sections;
            sections.warn(hidden_sheet(&sheet.name, self.hidden_cells));
            if self.hidden_cells == HiddenCells::LeaveOut {
                sections.account.leave_out(OmissionKind::HiddenSheet, 1);
            }
        }
        self.sheet = Some(sheet);
        Ok(())
    }

    pub(super) fn begin_row(&mut self, tag: &XmlTag<'_>) {
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
    pub(super) fn begin_cell(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        if let Some(sheet) = &mut self.sheet {
            let style = tag.attribute("table:style-name");
            let is_struck = style.is_some_and(|style| self.styles.setting(&style).struck);
            sheet.begin_cell(tag, is_struck);
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

    pub(super) fn end_cell(&mut self) -> Result<(), Failure> {
        if let Some(sheet) = &mut self.sheet {
            return sheet.end_cell();
        }
        self.builder.close_cell();
        Ok(())
    }

    pub(super) fn end_row(&mut self) {
        if let Some(sheet) = &mut self.sheet {
            sheet.end_row();
        }
    }

    pub(super) fn end_table(&mut self) {
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
                let warning = format!(
                    "the sheet `{}` has formulas that were never calculated ({}); they are shown as formulas",
                    sheet.name, sheet.formulas
                );
                let sections = &mut self.builder.sections;
                sections.lose(LossKind::Formula, sheet.formulas, warning);
            }
            sheet.finish(&mut self.builder.sections);
        }
    }
}
