//! A document from its pages: its title, its language, and whether it holds text at all.

use super::gather::ReadPage;
use super::{Attachment, Extraction, furniture, headings};
use crate::error::Quarantine;
use crate::wire::Info;
use cloister_domain::{BlockKind, DocumentInfo};

/// The document, from its pages.
pub fn assemble(
    name: &str,
    info: Info,
    mut pages: Vec<ReadPage>,
    attachments: Vec<Attachment>,
) -> Result<Extraction, Quarantine> {
    let silent = pages.iter().all(|page| page.page.content.text.is_empty());
    if silent && attachments.is_empty() {
        return Err(Quarantine::NoText {
            name: name.to_owned(),
            pages: info.pages,
            said: said(&info.warnings),
        });
    }
    furniture::mark(&mut pages);
    headings::mark(&mut pages, &info.outline);
    let warnings = warnings(&info, &pages);
    let title = info.title.or_else(|| first_heading(&pages));
    let document = DocumentInfo {
        title: title.unwrap_or_else(|| without_ending(name)),
        format: info.format,
        date: info.date,
        language: language(&pages),
        pages: info.pages,
        warnings,
        labels: info.labels,
    };
    Ok(Extraction {
        info: document,
        pages: pages.into_iter().map(|page| page.page).collect(),
        attachments,
    })
}

/// The warnings as the end of a sentence.
fn said(warnings: &[String]) -> String {
    let mut said = String::new();
    for warning in warnings {
        said.push_str(". ");
        said.push_str(warning);
    }
    said
}

/// Markdown and HTML name their title as their first heading; in a PDF, the largest words of the
/// first page are as often a logo.
fn first_heading(pages: &[ReadPage]) -> Option<String> {
    let first = pages.first().filter(|page| page.styles.is_empty())?;
    let content = &first.page.content;
    let heading = content
        .blocks
        .iter()
        .find(|block| matches!(block.kind, BlockKind::Heading(1 | 2)))?;
    heading.range.of(&content.text).map(str::to_owned)
}

fn without_ending(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => file.to_owned(),
    }
}

fn language(pages: &[ReadPage]) -> Option<String> {
    let mut sample = String::new();
    for page in pages {
        sample.push_str(&page.page.content.text);
        sample.push('\n');
        if sample.len() > 20_000 {
            break;
        }
    }
    let found = whatlang::detect(&sample)?;
    found.is_reliable().then(|| found.lang().code().to_owned())
}

fn warnings(info: &Info, pages: &[ReadPage]) -> Vec<String> {
    let mut warnings = info.warnings.clone();
    let mut note = |holds: &dyn Fn(&ReadPage) -> bool, sentence: &str| {
        let numbers: Vec<u32> = pages
            .iter()
            .filter(|page| holds(page))
            .map(|page| page.page.number)
            .collect();
        if !numbers.is_empty() {
            warnings.push(format!("{}: {sentence}", page_list(&numbers)));
        }
    };
    note(&|p| p.lost, "could not be read and is left out");
    note(
        &|p| p.notes.cut_short,
        "has more glyphs than are read, and is cut short",
    );
    note(
        &|p| p.recognised,
        "was a picture; its text was recognised and may have mistakes",
    );
    note(
        &|p| !p.recognised && p.lacks_text(),
        "is a picture, or has letters that its fonts do not name, and was not recognised",
    );
    note(
        &|p| p.notes.outside > 20,
        "has text outside of the visible page, which is left out",
    );
    note(
        &|p| p.notes.hidden > 20,
        "has text that nobody sees on it, white or not drawn, which is read all the same",
    );
    warnings
}

/// `page 3`, `pages 3, 7-9`.
fn page_list(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == *number => *end = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let runs: Vec<String> = runs
        .iter()
        .map(|(start, end)| {
            if start == end {
                start.to_string()
            } else {
                format!("{start}-{end}")
            }
        })
        .collect();
    let word = if numbers.len() == 1 { "page" } else { "pages" };
    format!("{word} {}", runs.join(", "))
}
