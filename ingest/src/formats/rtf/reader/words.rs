//! Control words that set characters, paragraphs, and the rows of tables.

use super::{CellPlacement, Failure, MAX_CELLS, RtfReader, RtfStyle, Script};
use crate::formats::rtf::styles::heading_level;

impl RtfReader {
    /// Handles the words that set characters.
    pub(super) fn character_word(&mut self, name: &str, number: Option<i32>) {
        let on = number != Some(0);
        match name {
            "plain" => {
                self.state.hidden = false;
                self.state.deleted = false;
                self.state.bold = false;
                self.state.struck = false;
                self.state.script = Script::Normal;
                self.state.symbol_font = None;
                self.state.code_page = None;
            }
            "v" => self.state.hidden = on,
            "b" => self.state.bold = on,
            "strike" | "striked" => self.state.struck = on,
            "super" | "up" => self.state.script = if on { Script::Raised } else { Script::Normal },
            "sub" | "dn" => self.state.script = if on { Script::Lowered } else { Script::Normal },
            "nosupersub" => self.state.script = Script::Normal,
            "deleted" => self.state.deleted = on,
            "f" => {
                let font = number.unwrap_or(0);
                self.state.code_page = self.fonts.get(&font).copied();
                self.state.symbol_font = self.symbol_fonts.get(&font).copied();
            }
            "tab" | "line" | "page" | "column" | "enspace" | "emspace" | "qmspace" | "nestcell"
            | "nestrow" => self.push_text(" "),
            "emdash" => self.push_text("—"),
            "endash" => self.push_text("–"),
            "bullet" => self.push_text("•"),
            "lquote" => self.push_text("‘"),
            "rquote" => self.push_text("’"),
            "ldblquote" => self.push_text("“"),
            "rdblquote" => self.push_text("”"),
            _ => {}
        }
    }

    /// Handles the words that set paragraphs and cells.
    pub(super) fn paragraph_word(
        &mut self,
        name: &str,
        number: Option<i32>,
    ) -> Result<(), Failure> {
        match name {
            "par" | "sect" => {
                self.sync_table()?;
                self.paragraph_ends();
            }
            "pard" => {
                self.state.in_table = false;
                self.state.heading = None;
            }
            "intbl" => self.state.in_table = true,
            "outlinelevel" => self.state.heading = number.and_then(heading_level),
            "s" => {
                let style = self.styles.get(&number.unwrap_or(0));
                self.state.heading = style.and_then(RtfStyle::heading);
            }
            "cell" => {
                self.state.in_table = true;
                self.sync_table()?;
                self.paragraph_ends();
                self.builder.close_cell();
                self.table.cell = false;
            }
            "row" => {
                if self.table.row {
                    self.end_row();
                }
                self.table.row = false;
                self.table.cell = false;
            }
            _ => self.row_word(name, number),
        }
        Ok(())
    }

    /// Handles the words that define the cells of a row.
    fn row_word(&mut self, name: &str, number: Option<i32>) {
        match name {
            "trowd" => {
                // Some programs leave out the word that puts a paragraph into a table.
                self.state.in_table = true;
                self.cells.clear();
                self.next_cell = CellPlacement::default();
                self.is_header_row = false;
            }
            "trhdr" => self.is_header_row = true,
            "clvmrg" => self.next_cell.continues_above = true,
            "clmrg" => self.next_cell.continues_left = true,
            "cellx" if self.cells.len() < MAX_CELLS => {
                self.next_cell.edge = number.unwrap_or(0);
                self.cells.push(std::mem::take(&mut self.next_cell));
            }
            _ => {}
        }
    }

    /// Ends a row: its definition may also follow its cells.
    fn end_row(&mut self) {
        if self.is_header_row {
            self.builder.mark_header_row();
        }
        self.builder.place_cells(self.cells.clone());
    }
}
