//! Events of an answer as Markdown, with the places of the quotes.

use crate::app::views::{AnswerEventView, CellView, PassageView, QuoteView, TableView};
use serde::Serialize;
use std::fmt::Write;
use utoipa::ToSchema;

/// A quote in the text, as the API of `OpenAI` annotates a citation of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OpenAiCitation)]
pub struct Citation {
    /// The first character in the text.
    pub start_index: usize,
    /// One past the last character.
    pub end_index: usize,
    /// The title of the document.
    pub title: String,
    /// The address of the page with the quote.
    pub url: String,
}

/// The text of an answer so far.
#[derive(Default)]
pub(super) struct Document {
    pub text: String,
    pub citations: Vec<Citation>,
    has_sentences: bool,
}

impl Document {
    /// Adds an event, and returns the text that it added.
    pub fn add(&mut self, event: &AnswerEventView, host: &str) -> String {
        let start = self.text.len();
        match event {
            AnswerEventView::Quote(quote) => self.add_quote(quote, host),
            AnswerEventView::Refusal {
                reason, nearest, ..
            } => self.add_refusal(reason, nearest),
            AnswerEventView::Conflict { .. } => {
                self.text
                    .push_str("**The sources contradict each other.**\n\n");
            }
            AnswerEventView::Ambiguity { choices } => {
                let choices: Vec<&str> = choices.iter().map(|c| c.label.as_str()).collect();
                self.line(&format!("**Which do you mean?** {}", choices.join(" · ")));
            }
            AnswerEventView::Sentence { text, quotes } => self.add_sentence(text, quotes),
            AnswerEventView::Receipt(_)
            | AnswerEventView::Spelling { .. }
            | AnswerEventView::Withheld { .. }
            | AnswerEventView::Done { .. }
            | AnswerEventView::Error(_) => {}
        }
        self.text.get(start..).unwrap_or_default().to_owned()
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push_str("\n\n");
    }

    fn add_quote(&mut self, quote: &QuoteView, host: &str) {
        let start_index = self.text.chars().count();
        if let Some(table) = &quote.table {
            self.text.push_str(&markdown_table(table));
        } else {
            let context = quote.context.iter().flat_map(|text| text.lines());
            for line in context.chain(quote.text.lines()) {
                self.text.extend(["> ", line, "\n"]);
            }
        }
        let place = format!("{}/{}", quote.collection, quote.path);
        let source = format!(
            "\n[{}] {}, page {} ({place})",
            quote.number, quote.title, quote.page
        );
        self.text.push_str(&source);
        self.citations.push(Citation {
            start_index,
            end_index: self.text.chars().count(),
            title: quote.title.clone(),
            url: format!(
                "https://{host}/#/page/{}/{}?passage={}&start={}&end={}",
                quote.revision, quote.page, quote.passage, quote.start, quote.end
            ),
        });
        self.text.push_str("\n\n");
    }

    fn add_refusal(&mut self, reason: &str, nearest: &[PassageView]) {
        self.line(&format!("**{reason}.**"));
        for passage in nearest {
            let title = &passage.title;
            let text = passage.text.replace('\n', " ");
            self.line(&format!("- {title}, page {}: {text}", passage.page));
        }
    }

    fn add_sentence(&mut self, text: &str, quotes: &[u32]) {
        if !self.has_sentences {
            self.has_sentences = true;
            self.line("**Written by the model from the quotes:**");
        }
        let mut sentence = text.to_owned();
        for number in quotes {
            // Writing to a `String` cannot fail.
            let _ = write!(sentence, " [{number}]");
        }
        self.line(&sentence);
    }
}

/// A table in the syntax of GitHub. Without a header, its header is empty.
fn markdown_table(table: &TableView) -> String {
    let rows = table.header.iter().chain(&table.rows);
    let width = rows
        .flatten()
        .map(|cell| usize::from(cell.column + cell.span))
        .max()
        .unwrap_or(1);
    let line = |cells: &[CellView]| {
        let mut texts = vec![String::new(); width];
        for cell in cells {
            if let Some(text) = texts.get_mut(usize::from(cell.column)) {
                *text = cell.text.replace('|', "\\|").replace('\n', " ");
            }
        }
        format!("| {} |\n", texts.join(" | "))
    };
    let (last, above) = table
        .header
        .split_last()
        .map_or((None, table.header.as_slice()), |(last, above)| {
            (Some(last), above)
        });
    let mut text = line(last.map_or(&[][..], Vec::as_slice));
    text.extend(["|", &" --- |".repeat(width), "\n"]);
    for row in above.iter().chain(&table.rows) {
        text.push_str(&line(row));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(column: u16, text: &str) -> CellView {
        CellView {
            text: text.to_owned(),
            column,
            span: 1,
        }
    }

    #[test]
    fn a_table_keeps_its_columns() {
        let table = TableView {
            header: vec![vec![
                cell(0, "Service"),
                cell(1, "Basic"),
                cell(2, "Premium"),
            ]],
            rows: vec![vec![cell(0, "Card | year"), cell(2, "0.00")]],
            asked_column: None,
        };
        assert_eq!(
            markdown_table(&table),
            "| Service | Basic | Premium |\n| --- | --- | --- |\n| Card \\| year |  | 0.00 |\n"
        );
    }

    #[test]
    fn sentences_name_their_quotes() {
        let mut document = Document::default();
        let sentence = AnswerEventView::Sentence {
            text: "Keys are counted.".to_owned(),
            quotes: vec![1, 2],
        };
        let added = document.add(&sentence, "host");
        assert_eq!(
            added,
            "**Written by the model from the quotes:**\n\nKeys are counted. [1] [2]\n\n"
        );
        assert_eq!(
            document.add(&sentence, "host"),
            "Keys are counted. [1] [2]\n\n"
        );
    }
}
