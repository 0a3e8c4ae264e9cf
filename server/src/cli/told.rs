//! An answer as it is told at the console: what the page shows, in lines.

use crate::api::search::{Facets, HitView, SearchView};
use crate::api::{QuoteView, Step};
use std::collections::BTreeMap;

/// What the answer rests on not being all there.
pub const INCOMPLETE: &str = "The index is being filled again after a fault: something may be missing here. \
                              Ask again in a few minutes.\n";

/// What terms of the question stand for, where it has any.
pub fn also_searched(meanings: &[String]) -> Option<String> {
    let told = || format!("Also searched for: {}\n", meanings.join("; "));
    (!meanings.is_empty()).then(told)
}

/// What a search found: its passages, and how many documents there are of each kind.
pub fn told_found(found: &SearchView) -> Vec<String> {
    let incomplete = (!found.complete).then(|| INCOMPLETE.to_owned());
    let mut told: Vec<String> = incomplete.into_iter().collect();
    told.extend(also_searched(&found.meanings));
    told.extend(found.hits.iter().map(told_hit));
    told.push(if found.hits.is_empty() {
        format!("Nothing in {} documents", found.documents)
    } else {
        told_facets(&found.facets)
    });
    told
}

fn told_hit(hit: &HitView) -> String {
    let passage = &hit.passage;
    let place = format!(
        "{}/{}, page {}, of {}",
        passage.collection, passage.path, passage.page, hit.day
    );
    let superseded = if hit.superseded { ", superseded" } else { "" };
    let snippet: String = hit
        .snippet
        .iter()
        .map(|piece| piece.text.as_str())
        .collect();
    let also = hit.also.iter().map(|also| {
        let (title, page) = (&also.title, also.page);
        format!("       The same stands in {title}, page {page}\n")
    });
    let also: Vec<String> = also.collect();
    format!(
        "{:.3}  {place}{superseded}\n       {}\n{}",
        passage.score,
        snippet.trim().replace('\n', "\n       "),
        also.concat()
    )
}

fn told_facets(facets: &Facets) -> String {
    let Facets {
        collections,
        formats,
        languages,
        tags,
    } = facets;
    let kinds = [
        ("collections", collections),
        ("formats", formats),
        ("languages", languages),
        ("tags", tags),
    ];
    let counted = |of: &BTreeMap<String, u32>| -> Vec<String> {
        of.iter()
            .map(|(value, count)| format!("{value} {count}"))
            .collect()
    };
    let told = kinds
        .iter()
        .filter(|(_, of)| !of.is_empty())
        .map(|(name, of)| format!("{name}: {}", counted(of).join(", ")));
    format!(
        "Documents among the best passages, by {}",
        told.collect::<Vec<_>>().join("; ")
    )
}

/// A step of an answer; `None` where there is nothing to say.
pub fn told(step: &Step) -> Option<String> {
    match step {
        Step::Receipt {
            meanings, complete, ..
        } => {
            let incomplete = (!complete).then(|| INCOMPLETE.to_owned());
            let told: String = incomplete
                .into_iter()
                .chain(also_searched(meanings))
                .collect();
            (!told.is_empty()).then_some(told)
        }
        Step::Quote(quote) => Some(told_quote(quote)),
        Step::Disagreement { quotes } => Some(format!(
            "The sources disagree: {}\n",
            quotes
                .iter()
                .copied()
                .map(cited)
                .collect::<Vec<_>>()
                .join(" and ")
        )),
        Step::Ambiguity { choices } => {
            let labels: Vec<&str> = choices.iter().map(|choice| choice.label.as_str()).collect();
            Some(format!(
                "This may ask about {}\n",
                labels.join(", or about ")
            ))
        }
        Step::OtherSpelling { words } => {
            let told = words.iter().map(|word| {
                let (asked, quoted) = (&word.asked, &word.quoted);
                format!("“{asked}” was not found; the quotes say “{quoted}”\n")
            });
            Some(told.collect())
        }
        Step::Refusal { .. } => told_refusal(step),
        Step::Sentence { text, quotes } => {
            let cited: String = quotes.iter().copied().map(cited).collect();
            Some(format!("The model: {text} {cited}"))
        }
        Step::Withheld { count } => Some(format!(
            "Withheld of what the model wrote, because the quotes do not say it: {count} so far"
        )),
        Step::Done { note, .. } => note.clone(),
        Step::Problem(problem) => {
            let detail = problem.detail.clone();
            Some(detail.unwrap_or_else(|| problem.title.clone()))
        }
    }
}

/// The last line of an answer whose first step was `receipt`.
pub fn told_receipt(receipt: &Step) -> Option<String> {
    let Step::Receipt { id, documents, .. } = receipt else {
        return None;
    };
    Some(format!(
        "\nDocuments searched: {documents}. Receipt {id}: `cloister audit replay {id}` makes the answer again."
    ))
}

fn cited(number: u32) -> String {
    format!("[{number}]")
}

fn told_quote(quote: &QuoteView) -> String {
    let above = quote.above.as_ref();
    let above = above.map(|above| format!("    below “{above}”\n"));
    let doubtful = (!quote.doubtful.is_empty()).then(|| {
        let words = quote.doubtful.join("”, “");
        format!("    Read from a scan: check “{words}” on the page.\n")
    });
    format!(
        "{} “{}”\n{}    {}, page {} of {}; {}/{}; {}\n{}",
        cited(quote.number),
        quote.text,
        above.unwrap_or_default(),
        quote.title,
        quote.page,
        quote.pages,
        quote.collection,
        quote.path,
        standing(quote),
        doubtful.unwrap_or_default(),
    )
}

/// From when a quote's document holds, and until when where it no longer does.
fn standing(quote: &QuoteView) -> String {
    let day = |moment: &str| moment.chars().take(10).collect::<String>();
    let since = match &quote.effective {
        Some(effective) => format!("in force from {effective}"),
        None => format!("taken in on {}", day(&quote.effective_from)),
    };
    match &quote.superseded_at {
        Some(until) => format!("{since}, superseded on {}", day(until)),
        None => since,
    }
}

fn told_refusal(step: &Step) -> Option<String> {
    let Step::Refusal {
        reason,
        nearest,
        superseded,
    } = step
    else {
        return None;
    };
    let nearest = nearest.iter().map(|passage| {
        format!(
            "  Nearest: {}, page {}; {}/{}\n",
            passage.title, passage.page, passage.collection, passage.path
        )
    });
    let earlier = superseded.iter().map(|quote| {
        let place = format!("{}/{}", quote.collection, quote.path);
        let standing = standing(quote);
        format!(
            "  An earlier version of {place} said, {standing}: “{}”\n",
            quote.text
        )
    });
    let whom = "  An administrator grants access to more, and adds what is missing.\n";
    let begun = std::iter::once(format!("{reason}\n"));
    let told = begun.chain(nearest).chain(earlier);
    Some(told.chain([whom.to_owned()]).collect())
}
