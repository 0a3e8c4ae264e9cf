//! What is known about a document from all its pages: title, language, warnings.

use super::extraction::{Attachment, Extraction};
use super::read_page::ReadPage;
use super::{headings, running_headers};
use crate::quarantine::Quarantine;
use crate::wire::Info;
use cloister_domain::{BlockKind, DocumentInfo, LossKind, OmissionKind, ReadingAccount};

/// Assembles a document from its pages.
pub fn assemble(
    name: &str,
    info: Info,
    mut pages: Vec<ReadPage>,
    attachments: Vec<Attachment>,
) -> Result<Extraction, Quarantine> {
    let has_no_text = pages.iter().all(|page| page.page.content.text.is_empty());
    if has_no_text && attachments.is_empty() {
        let account = complete_account(&info, &pages);
        let lost = account.not_understood.keys();
        if lost.into_iter().any(|kind| *kind != LossKind::Picture) {
            return Err(Quarantine::NotUnderstood {
                name: name.to_owned(),
                said: warning_suffix(&collect_warnings(&info, &pages)),
            });
        }
        return Err(Quarantine::NoText {
            name: name.to_owned(),
            pages: info.pages,
            said: warning_suffix(&info.warnings),
        });
    }
    running_headers::mark(&mut pages);
    headings::mark(&mut pages, &info.outline);
    let warnings = collect_warnings(&info, &pages);
    let account = complete_account(&info, &pages);
    let title = info.title.or_else(|| first_heading(&pages));
    let document = DocumentInfo {
        title: title.unwrap_or_else(|| file_stem(name)),
        format: info.format,
        date: info.date,
        stated_effective: None,
        language: detect_language(&pages),
        pages: info.pages,
        warnings,
        account,
        metadata: info.metadata,
    };
    Ok(Extraction {
        info: document,
        pages: pages.into_iter().map(|page| page.page).collect(),
        attachments,
    })
}

/// The warnings, as the end of a sentence.
fn warning_suffix(warnings: &[String]) -> String {
    let mut suffix = String::new();
    for warning in warnings {
        suffix.push_str(". ");
        suffix.push_str(warning);
    }
    suffix
}

/// Finds the title of Markdown and HTML, their first heading. In a PDF, the largest words of the
/// first page are just as often a logo.
fn first_heading(pages: &[ReadPage]) -> Option<String> {
    let first = pages.first().filter(|page| page.styles.is_empty())?;
    let content = &first.page.content;
    let heading = content
        .blocks
        .iter()
        .find(|block| matches!(block.kind, BlockKind::Heading(1 | 2)))?;
    heading.range.slice(&content.text).map(str::to_owned)
}

fn file_stem(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => file.to_owned(),
    }
}

fn detect_language(pages: &[ReadPage]) -> Option<String> {
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

/// The account of the child, with what was noticed on the pages.
fn complete_account(info: &Info, pages: &[ReadPage]) -> ReadingAccount {
    let count = |applies: fn(&ReadPage) -> bool| pages.iter().filter(|page| applies(page)).count();
    let mut account = info.account.clone();
    account.leave_out(OmissionKind::OutsideText, count(|p| p.notes.outside > 0));
    account.lose(LossKind::Page, count(|p| p.lost || p.notes.cut_short));
    account.lose(LossKind::Picture, count(is_not_recognised));
    account.lose(LossKind::Character, count(has_unknown_characters));
    account
}

fn has_outside_text(page: &ReadPage) -> bool {
    page.notes.outside > 20
}

fn is_not_recognised(page: &ReadPage) -> bool {
    !page.lost && !page.recognised && page.lacks_text()
}

fn has_unknown_characters(page: &ReadPage) -> bool {
    page.page.content.text.contains('\u{fffd}')
}

fn collect_warnings(info: &Info, pages: &[ReadPage]) -> Vec<String> {
    let mut warnings = info.warnings.clone();
    push_warning(
        &mut warnings,
        pages,
        "could not be read and is left out",
        |p| p.lost,
    );
    push_warning(
        &mut warnings,
        pages,
        "has more glyphs than are read, and is cut short",
        |p| p.notes.cut_short,
    );
    push_warning(
        &mut warnings,
        pages,
        "was a picture; its text was recognised and may have mistakes",
        |p| p.recognised,
    );
    push_warning(
        &mut warnings,
        pages,
        "is a picture, or has letters that its fonts do not name, and was not recognised",
        is_not_recognised,
    );
    push_warning(
        &mut warnings,
        pages,
        "has text outside of the visible page, which is left out",
        has_outside_text,
    );
    push_warning(
        &mut warnings,
        pages,
        "has text that nobody sees on it, white or not drawn, which is read all the same",
        |p| p.notes.hidden > 20,
    );
    push_warning(
        &mut warnings,
        pages,
        "has characters that could not be decoded, and stand as �",
        has_unknown_characters,
    );
    push_warning(
        &mut warnings,
        pages,
        "has text from right to left, whose order was derived from its places and may have mistakes",
        |p| p.notes.right_to_left,
    );
    warnings
}

/// Adds a warning that lists the pages to which it applies.
fn push_warning(
    warnings: &mut Vec<String>,
    pages: &[ReadPage],
    sentence: &str,
    applies: impl Fn(&ReadPage) -> bool,
) {
    let numbers: Vec<u32> = pages
        .iter()
        .filter(|page| applies(page))
        .map(|page| page.page.number)
        .collect();
    if !numbers.is_empty() {
        warnings.push(format!("{}: {sentence}", page_list(&numbers)));
    }
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
