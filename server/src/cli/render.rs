//! Renders views as lines of text: what the browser shows, for the terminal.

use crate::app::search::{Facets, HitView, SearchView};
use crate::app::views::{AnswerEventView, PassageView, QuoteView, ReceiptView};
use std::collections::BTreeMap;

const INCOMPLETE: &str = "The index is being rebuilt after a fault, so results may be missing. \
                          Ask again in a few minutes.\n";

/// The lines of a search result.
pub fn search_lines(view: &SearchView) -> Vec<String> {
    let mut lines = Vec::new();
    if !view.complete {
        lines.push(INCOMPLETE.to_owned());
    }
    lines.extend(expansions_line(&view.expansions));
    lines.extend(view.hits.iter().map(hit_lines));
    lines.push(if view.hits.is_empty() {
        format!("Nothing found in {} documents", view.documents)
    } else {
        facets_line(&view.facets)
    });
    lines
}

/// The glossary meanings that were searched. `None` if there are none.
fn expansions_line(expansions: &[String]) -> Option<String> {
    if expansions.is_empty() {
        return None;
    }
    Some(format!("Also searched for: {}\n", expansions.join("; ")))
}

fn hit_lines(hit: &HitView) -> String {
    let passage = &hit.passage;
    let superseded = if hit.superseded { ", superseded" } else { "" };
    let snippet: String = hit.snippet.iter().map(|part| part.text.as_str()).collect();
    let snippet = snippet.trim().replace('\n', "\n       ");
    let mut lines = format!(
        "{:.3}  {}, of {}{superseded}\n       {snippet}\n",
        passage.score,
        passage_place(passage),
        hit.day
    );
    for duplicate in &hit.duplicates {
        lines.extend([format!(
            "       The same text is in {}, page {}\n",
            duplicate.title, duplicate.page
        )]);
    }
    lines
}

fn passage_place(passage: &PassageView) -> String {
    format!(
        "{}/{}, page {}",
        passage.collection, passage.path, passage.page
    )
}

fn facets_line(facets: &Facets) -> String {
    let counts: Vec<String> = [
        ("collections", &facets.collections),
        ("formats", &facets.formats),
        ("languages", &facets.languages),
        ("tags", &facets.tags),
    ]
    .into_iter()
    .filter(|(_, counts)| !counts.is_empty())
    .map(|(name, counts)| format!("{name}: {}", format_counts(counts)))
    .collect();
    format!(
        "Documents among the best passages, by {}",
        counts.join("; ")
    )
}

fn format_counts(counts: &BTreeMap<String, u32>) -> String {
    let counts: Vec<String> = counts
        .iter()
        .map(|(value, count)| format!("{value} {count}"))
        .collect();
    counts.join(", ")
}

/// The lines of an event of an answer. `None` if the event has nothing to show.
pub fn event_lines(event: &AnswerEventView) -> Option<String> {
    match event {
        AnswerEventView::Receipt(receipt) => {
            let incomplete = if receipt.complete { "" } else { INCOMPLETE };
            let expansions = expansions_line(&receipt.expansions).unwrap_or_default();
            let lines = format!("{incomplete}{expansions}");
            (!lines.is_empty()).then_some(lines)
        }
        AnswerEventView::Quote(quote) => Some(quote_lines(quote)),
        AnswerEventView::Conflict { quotes } => {
            let numbers: Vec<String> = quotes.iter().map(|number| citation(*number)).collect();
            Some(format!(
                "The sources contradict each other: {}\n",
                numbers.join(" and ")
            ))
        }
        AnswerEventView::Ambiguity { choices } => {
            let labels: Vec<&str> = choices.iter().map(|r| r.label.as_str()).collect();
            Some(format!(
                "The question may be about {}\n",
                labels.join(", or about ")
            ))
        }
        AnswerEventView::Spelling { words } => {
            let mut lines = String::new();
            for word in words {
                lines.extend([format!(
                    "“{}” was not found. The quotes spell it “{}”\n",
                    word.asked, word.quoted
                )]);
            }
            Some(lines)
        }
        AnswerEventView::Refusal {
            reason,
            likely,
            nearest,
            superseded,
            ..
        } => {
            let lines = refusal_lines(reason, nearest, superseded.as_ref());
            Some(match likely {
                Some(sentence) => format!("{lines}  The closest sentence: “{sentence}”\n"),
                None => lines,
            })
        }
        AnswerEventView::Sentence { text, quotes } => {
            let citations: String = quotes.iter().map(|number| citation(*number)).collect();
            Some(format!("Generated: {text} {citations}"))
        }
        AnswerEventView::Withheld { count } => Some(format!(
            "Generated sentences withheld because the quotes do not support them: {count} so far"
        )),
        AnswerEventView::Done { note, .. } => note.clone(),
        AnswerEventView::Error(error) => {
            Some(error.detail.as_ref().unwrap_or(&error.title).clone())
        }
    }
}

/// The last line of an answer.
pub fn receipt_line(receipt: &ReceiptView) -> String {
    let ReceiptView {
        id,
        documents,
        conversation,
        ..
    } = receipt;
    format!(
        "\nDocuments searched: {documents}. Receipt {id}: `cloister audit replay {id}` replays the \
         answer. `cloister ask --conversation {conversation}` asks a further question."
    )
}

fn citation(number: u32) -> String {
    format!("[{number}]")
}

fn quote_lines(quote: &QuoteView) -> String {
    let mut lines = format!("{} “{}”\n", citation(quote.number), quote.text);
    if let Some(context) = &quote.context {
        lines.extend([format!("    under “{context}”\n")]);
    }
    lines.extend([format!(
        "    {}, page {} of {}; {}/{}; {}\n",
        quote.title,
        quote.page,
        quote.pages,
        quote.collection,
        quote.path,
        validity(quote),
    )]);
    if quote.incomplete {
        lines.push_str("    A part of this document could not be read. See the original.\n");
    }
    if !quote.uncertain_words.is_empty() {
        let words = quote.uncertain_words.join("”, “");
        lines.extend([format!(
            "    Recognised from a scan: check “{words}” on the page.\n"
        )]);
    }
    lines
}

/// Since when the document of a quote is in force, and until when if it was superseded.
fn validity(quote: &QuoteView) -> String {
    let since = match &quote.effective_date {
        Some(date) => format!("in force from {date}"),
        None => format!("ingested on {}", day_of(&quote.effective_from)),
    };
    match &quote.superseded_at {
        Some(time) => format!("{since}, superseded on {}", day_of(time)),
        None => since,
    }
}

/// The day of an RFC 3339 time.
fn day_of(time: &str) -> String {
    time.chars().take("2026-03-01".len()).collect()
}

fn refusal_lines(reason: &str, nearest: &[PassageView], superseded: Option<&QuoteView>) -> String {
    let mut lines = format!("{reason}\n");
    for passage in nearest {
        lines.extend([format!(
            "  Nearest: {}, page {}; {}/{}\n",
            passage.title, passage.page, passage.collection, passage.path
        )]);
    }
    if let Some(quote) = superseded {
        lines.extend([format!(
            "  An earlier version of {}/{} said, {}: “{}”\n",
            quote.collection,
            quote.path,
            validity(quote),
            quote.text
        )]);
    }
    lines.push_str("  An administrator can grant access to more documents and add missing ones.\n");
    lines
}
