//! Workbooks in the XML of Excel 2003, which many programs still export.

use crate::formats::Failure;
use crate::formats::common::sections::Sections;
use crate::formats::common::sheets::{MergedCells, Sheet};
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};

/// Reads the sheets onto `sections`.
pub fn read_workbook(xml: &str, sections: &mut Sections) -> Result<(), Failure> {
    let mut reader = SheetXmlReader {
        sections,
        sheet: None,
        row: 0,
        column: 0,
        text: String::new(),
        in_data: false,
        failure: None,
    };
    parse_xml(xml, &mut reader)?;
    reader.failure.map_or(Ok(()), Err)
}

struct SheetXmlReader<'a> {
    sections: &'a mut Sections,
    sheet: Option<Sheet>,
    row: u32,
    /// The column after the last cell.
    column: u32,
    text: String,
    in_data: bool,
    failure: Option<Failure>,
}

/// The value of an attribute, whatever its prefix is.
fn number(tag: &XmlTag<'_>, name: &str) -> Option<u32> {
    let value = tag
        .attribute(name)
        .or_else(|| tag.attribute(&format!("ss:{name}")))?;
    value.trim().parse().ok()
}

impl XmlHandler for SheetXmlReader<'_> {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        match tag.local() {
            "Worksheet" => {
                let name = tag.attribute("ss:Name").or_else(|| tag.attribute("Name"));
                self.sheet = Some(Sheet::new(Some(&name.unwrap_or_default())));
                self.row = 0;
            }
            "Row" => {
                // Rows are counted from 1; without a number, they follow the one before.
                self.row = number(tag, "Index")
                    .unwrap_or(self.row.saturating_add(1))
                    .max(1);
                self.column = 0;
            }
            "Cell" => {
                self.column = number(tag, "Index").map_or(self.column, |index| index.max(1) - 1);
                let (across, down) = (
                    number(tag, "MergeAcross").unwrap_or(0),
                    number(tag, "MergeDown").unwrap_or(0),
                );
                let (top, left) = (self.row.max(1) - 1, self.column);
                if let Some(sheet) = &mut self.sheet {
                    let (bottom, right) = (top.saturating_add(down), left.saturating_add(across));
                    sheet.merge(MergedCells {
                        top,
                        left,
                        bottom,
                        right,
                    });
                }
                self.text.clear();
            }
            "Data" => self.in_data = true,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        match name.rsplit(':').next().unwrap_or_default() {
            "Data" => self.in_data = false,
            "Cell" => {
                if let Some(sheet) = &mut self.sheet {
                    let pushed = sheet.push_cell(self.row.max(1) - 1, self.column, &self.text);
                    if let Err(failure) = pushed {
                        self.failure.get_or_insert(failure);
                    }
                }
                self.column = self.column.saturating_add(1);
            }
            "Worksheet" => {
                if let Some(sheet) = self.sheet.take() {
                    sheet.write_page(self.sections);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.in_data {
            self.text.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_and_skipped_cells_keep_their_places() {
        let xml = "<Workbook xmlns:ss='s'><Worksheet ss:Name='S'><Table>\
            <Row><Cell ss:MergeDown='1'><Data>Adults</Data></Cell><Cell><Data>5</Data></Cell></Row>\
            <Row><Cell ss:Index='2'><Data>9</Data></Cell></Row></Table></Worksheet></Workbook>";
        let mut sections = Sections::manual();
        read_workbook(xml, &mut sections).expect("sheets");
        let pages = sections.finish();
        assert_eq!(
            pages.first().expect("a page").page.content.text,
            "S\nAdults | 5\nAdults | 9"
        );
    }
}
