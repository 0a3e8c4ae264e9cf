//! Tables.

use super::DocxBody;
use crate::formats::Failure;
use crate::formats::common::block_builder::CellShape;
use crate::formats::common::xml::XmlTag;
use crate::formats::docx::value_of;

/// Maximum number of free columns before the first cell of a row.
const MAX_GRID_BEFORE: usize = 64;

impl DocxBody<'_> {
    pub(super) fn handle_table(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
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
}
