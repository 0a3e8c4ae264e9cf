//! Charts of office documents: title, names of the axes, and the categories with their values as a
//! table.

use super::archive::Archive;
use super::block_builder::BuiltBlock;
use super::tables::{RowDraft, finish_table};
use super::whitespace::normalize_whitespace;
use super::xml::{XmlHandler, XmlTag, parse_xml};
use crate::formats::Failure;
use crate::formats::excel::cell_styles::format_value;
use cloister_domain::BlockKind;
use std::collections::BTreeMap;

/// Maximum number of series, and of points of a series.
const MAX_SERIES: usize = 60;
const MAX_POINTS: usize = 2_000;

/// Reads the words and numbers of a chart. A chart that cannot be read has none.
pub fn read_chart(archive: &mut Archive<'_>, part: &str) -> Result<Vec<BuiltBlock>, Failure> {
    let mut chart = ChartReader::default();
    // An invalid chart does not make the document invalid.
    let _broken = parse_xml(&archive.text(part)?, &mut chart);
    Ok(chart.finish())
}

/// A series of values.
#[derive(Debug, Default)]
struct Series {
    name: String,
    categories: BTreeMap<usize, String>,
    values: BTreeMap<usize, String>,
    sizes: BTreeMap<usize, String>,
}

#[derive(Debug, Default)]
struct ChartReader {
    /// The names of the open elements, without prefixes.
    open: Vec<String>,
    text: String,
    titles: Vec<String>,
    series: Vec<Series>,
    index: usize,
    /// The number format of the open values, and of the open point if it has its own.
    format: String,
    point_format: Option<String>,
}

impl ChartReader {
    fn is_inside(&self, name: &str) -> bool {
        self.open.iter().any(|open| open == name)
    }

    fn point(&mut self, value: &str) {
        let index = self.index;
        let place = self.open.iter().rev().find_map(|name| match name.as_str() {
            "tx" | "cat" | "xVal" | "val" | "yVal" | "bubbleSize" => Some(name.clone()),
            _ => None,
        });
        let Some(series) = self.series.last_mut() else {
            return;
        };
        let points = match place.as_deref() {
            Some("tx") => {
                if !series.name.is_empty() {
                    series.name.push(' ');
                }
                series.name.push_str(value);
                return;
            }
            Some("cat" | "xVal") => &mut series.categories,
            Some("val" | "yVal") => &mut series.values,
            Some("bubbleSize") => &mut series.sizes,
            _ => return,
        };
        if points.len() < MAX_POINTS {
            let held = points.entry(index).or_default();
            if !held.is_empty() {
                held.push(' ');
            }
            held.push_str(value);
        }
    }

    /// A value as the chart shows it. Texts that look like numbers stay.
    fn shown(&self, value: String) -> String {
        let is_text = self.is_inside("strCache") || self.is_inside("strLit");
        match value.parse::<f64>() {
            Ok(number) if !is_text => {
                let format = self.point_format.as_ref().unwrap_or(&self.format);
                format_value(number, format)
            }
            Ok(_) | Err(_) => value,
        }
    }

    fn finish(self) -> Vec<BuiltBlock> {
        let mut blocks: Vec<BuiltBlock> = Vec::new();
        for title in self.titles {
            let title = normalize_whitespace(&title);
            if !title.is_empty() {
                blocks.push(BuiltBlock::Block(BlockKind::Paragraph, title));
            }
        }
        let mut rows: Vec<RowDraft> = Vec::new();
        let names = self.series.iter().map(|series| series.name.clone());
        let mut header: Vec<String> = vec![String::new()];
        header.extend(names);
        let mut header = RowDraft::from_texts(&header);
        header.is_header = true;
        rows.push(header);
        let mut points: Vec<usize> = self
            .series
            .iter()
            .flat_map(|series| series.categories.keys().chain(series.values.keys()))
            .copied()
            .collect();
        points.sort_unstable();
        points.dedup();
        for point in points {
            let category = self
                .series
                .iter()
                .find_map(|series| series.categories.get(&point));
            let mut texts = vec![category.cloned().unwrap_or_default()];
            texts.extend(self.series.iter().map(|series| {
                let value = series.values.get(&point).cloned().unwrap_or_default();
                match series.sizes.get(&point) {
                    Some(size) => format!("{value} ({size})"),
                    None => value,
                }
            }));
            rows.push(RowDraft::from_texts(&texts));
        }
        rows.retain(|row| !row.cells.is_empty());
        finish_table(&mut rows, &[]);
        blocks.extend(rows.into_iter().map(BuiltBlock::Row));
        blocks
    }
}

impl XmlHandler for ChartReader {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let local = tag.name.rsplit(':').next().unwrap_or_default().to_owned();
        match local.as_str() {
            "ser" if self.series.len() < MAX_SERIES => self.series.push(Series::default()),
            "title" => self.titles.push(String::new()),
            "pt" => {
                self.index = tag.parse_attribute("idx").unwrap_or(0);
                self.point_format = tag.attribute("formatCode");
            }
            "numCache" | "numLit" => self.format.clear(),
            "v" | "t" | "formatCode" => self.text.clear(),
            _ => {}
        }
        self.open.push(local);
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        let Some(local) = self.open.pop() else {
            return Ok(());
        };
        match local.as_str() {
            "v" | "t" if self.is_inside("title") => {
                let text = std::mem::take(&mut self.text);
                if let Some(title) = self.titles.last_mut() {
                    title.push_str(&text);
                }
            }
            "p" if self.is_inside("title") => {
                if let Some(title) = self.titles.last_mut() {
                    title.push(' ');
                }
            }
            "formatCode" => self.format = std::mem::take(&mut self.text),
            "v" => {
                let value = normalize_whitespace(&std::mem::take(&mut self.text));
                let value = self.shown(value);
                self.point(&value);
            }
            // Text boxes on the chart, and labels that people wrote.
            "t" if self.is_inside("rich") || self.is_inside("userShapes") => {
                let text = std::mem::take(&mut self.text);
                self.titles.push(text);
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self
            .open
            .last()
            .is_some_and(|open| matches!(open.as_str(), "v" | "t" | "formatCode"))
        {
            self.text.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_a_title_and_a_table() {
        let xml = "<c:chartSpace><c:title><c:tx><c:rich><a:p><a:r><a:t>Beds</a:t></a:r></a:p></c:rich></c:tx></c:title>\
            <c:ser><c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>Occupied</c:v></c:pt></c:strCache></c:strRef></c:tx>\
            <c:cat><c:strRef><c:strCache><c:pt idx='0'><c:v>East</c:v></c:pt><c:pt idx='1'><c:v>West</c:v></c:pt></c:strCache></c:strRef></c:cat>\
            <c:val><c:numRef><c:numCache><c:pt idx='0'><c:v>12</c:v></c:pt><c:pt idx='1'><c:v>7.5</c:v></c:pt></c:numCache></c:numRef></c:val></c:ser></c:chartSpace>";
        let mut chart = ChartReader::default();
        parse_xml(xml, &mut chart).expect("a chart");
        let texts: Vec<String> = chart
            .finish()
            .into_iter()
            .map(BuiltBlock::into_text)
            .collect();
        assert_eq!(texts, ["Beds", " | Occupied", "East | 12", "West | 7.5"]);
    }
}
