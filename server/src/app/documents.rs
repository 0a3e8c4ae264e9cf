//! The documents that a person may read, and their pages with a cited place highlighted.

use super::error::{AppError, ErrorCode, Result};
use super::views::RectView;
use super::{App, Caller};
use crate::passwords;
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{
    BlockKind, ByteRange, Page, PageText, PassageId, Principal, RevisionId, Role, SessionId,
};
use cloister_store::{Library, RevisionRecord};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// The resolution of a page image if the client asks for none, in dots per inch.
const DEFAULT_DPI: u32 = 120;
/// The lowest and highest resolution of a page image.
const DPI_RANGE: std::ops::RangeInclusive<u32> = 48..=240;

/// A document at one revision.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RevisionView {
    /// The id of the revision.
    pub id: i64,
    /// The id of the document.
    pub document: i64,
    /// The name of the collection.
    pub collection: String,
    /// The path in the collection.
    pub path: String,
    /// The title.
    pub title: String,
    /// The format that the file was read as.
    pub format: String,
    /// The number of pages.
    pub pages: u32,
    /// Since when it is searched, RFC 3339.
    pub effective_from: String,
    /// Until when it was searched, if a newer revision has replaced it.
    pub superseded_at: Option<String>,
    /// Since when the document is in force, if that is known: `2026-03-01`.
    pub effective_date: Option<String>,
    /// The classification, if it has one.
    pub classification: Option<String>,
    /// The tags.
    pub tags: Vec<String>,
    /// SHA-256 of the file.
    pub hash: String,
    /// Whether a part of the file could not be read.
    #[serde(default)]
    pub incomplete: bool,
}

impl From<RevisionRecord> for RevisionView {
    fn from(record: RevisionRecord) -> Self {
        let effective_date = record.effective_day().map(|day| day.to_string());
        Self {
            id: record.id.0,
            document: record.document.0,
            collection: record.collection_name,
            path: record.path,
            title: record.title,
            format: record.format,
            pages: record.pages,
            effective_from: record.effective_from.to_string(),
            superseded_at: record.superseded_at.map(|at| at.to_string()),
            effective_date,
            classification: record.metadata.classification,
            tags: record.metadata.tags,
            hash: record.hash.to_string(),
            incomplete: record.incomplete,
        }
    }
}

/// A part of a block that is cited or not.
#[derive(Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TextPart {
    /// The text.
    pub text: String,
    /// Whether it is cited.
    pub cited: bool,
}

/// A block of a page.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BlockView {
    /// `heading`, `paragraph`, `list-item`, `table-row`, `caption`, `running-header`.
    pub kind: String,
    /// The level of a heading, from 1. 0 for other blocks.
    pub level: u8,
    /// Its text.
    pub parts: Vec<TextPart>,
}

/// A word and its place on the page.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WordView {
    /// The word.
    pub text: String,
    /// Its place.
    pub rect: RectView,
}

/// A page with the cited place.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PageView {
    /// The document.
    pub revision: RevisionView,
    /// The number of the page, from 1.
    pub number: u32,
    /// The width in points. 0 if the format has no drawn pages.
    pub width: f32,
    /// The height in points.
    pub height: f32,
    /// The address of the page image, if the format has drawn pages.
    pub image: Option<String>,
    /// Whether personal data on the page is redacted for this person. Such a page has no image.
    pub redacted: bool,
    /// The text of the page.
    pub blocks: Vec<BlockView>,
    /// The words, for selection and screen readers.
    pub words: Vec<WordView>,
    /// The cited places.
    pub cited: Vec<RectView>,
    /// Places that text recognition may have misread.
    pub uncertain: Vec<RectView>,
}

/// The page to open, and the range of a passage that is cited on it.
#[derive(Clone, Copy, Debug)]
pub struct PagePlace {
    /// The revision.
    pub revision: i64,
    /// The number of the page, from 1.
    pub page: u32,
    /// The cited passage.
    pub passage: Option<i64>,
    /// The first cited byte in the text of the passage. Without it, the passage is cited from its
    /// start.
    pub start: Option<usize>,
    /// One past the last cited byte. Without it, the passage is cited to its end.
    pub end: Option<usize>,
}

/// A request for a page image.
#[derive(Clone, Debug)]
pub struct PageImage {
    /// The revision.
    pub revision: i64,
    /// The number of the page, from 1.
    pub page: u32,
    /// The ticket that the address of the image has.
    pub ticket: String,
    /// The resolution in dots per inch.
    pub dpi: Option<u32>,
}

impl App {
    /// Lists the documents that a person may read.
    pub async fn documents(&self, person: &Principal) -> Result<Vec<RevisionView>> {
        let library = self.library(person).await?;
        let documents = library.documents().await?;
        let mut views = Vec::with_capacity(documents.len());
        for record in documents {
            views.push(self.revision_view(record, &person.roles));
        }
        Ok(views)
    }

    /// Opens a page, and logs that it was opened.
    pub async fn open_page(
        &self,
        caller: &Caller,
        person: &Principal,
        session: &SessionId,
        place: PagePlace,
    ) -> Result<PageView> {
        let library = self.library(person).await?;
        let loaded = load_page(&library, place.revision, place.page).await;
        if loaded.is_err() {
            self.log_forbidden(caller, place).await?;
        }
        let (revision, page) = loaded?;
        let cited = cited_ranges(&library, place, &revision).await?;
        let detail = json!({
            "document": revision.document, "revision": revision.id, "hash": revision.hash,
            "collection": revision.collection_name, "path": revision.path, "page": page.number,
            "passage": place.passage,
        });
        self.audit
            .append(caller.event(EventKind::PageOpened, detail))
            .await?;
        let redact = |text: &str| self.redact(text, &revision, &person.roles);
        let is_redacted = redact(&page.content.text) != page.content.text;
        let record = self.revision_view(revision.clone(), &person.roles);
        let mut view = PageView::new(record, &page, &cited);
        if is_redacted {
            view.redact(redact);
        } else if page.is_drawn() {
            let ticket = self.image_ticket(session, revision.id, page.number);
            view.image = Some(format!(
                "/api/v1/revisions/{}/pages/{}/image?ticket={ticket}",
                place.revision, page.number
            ));
        }
        Ok(view)
    }

    /// Draws a page as PNG in a sandboxed process. The ticket proves that this session opened the
    /// page, so that one view is one audit record.
    pub async fn page_image(
        &self,
        person: &Principal,
        session: &SessionId,
        image: PageImage,
    ) -> Result<Vec<u8>> {
        let library = self.library(person).await?;
        let (revision, page) = load_page(&library, image.revision, image.page).await?;
        let text = &page.content.text;
        let is_redacted = self.redact(text, &revision, &person.roles) != *text;
        let ticket = self.image_ticket(session, revision.id, page.number);
        if image.ticket != ticket || !page.is_drawn() || is_redacted {
            return Err(ErrorCode::NotFound.into());
        }
        let _turn = self.expensive.drawing.take(person.user).await?;
        let file = self.store.originals().open_file(&revision.hash)?;
        let dpi = image.dpi.unwrap_or(DEFAULT_DPI);
        let dpi = dpi.clamp(*DPI_RANGE.start(), *DPI_RANGE.end());
        let drawn = self
            .reader
            .render_page(file, &revision.path, page.number, dpi)
            .await;
        drawn.map_err(|cause| {
            let (page, revision) = (page.number, revision.id);
            tracing::warn!(%cause, "could not draw page {page} of revision {revision}: {cause}");
            ErrorCode::Internal.with_detail("The page could not be drawn. Its text is below")
        })
    }

    /// Logs that a person tried to open a document that exists and that they may not read.
    async fn log_forbidden(&self, caller: &Caller, place: PagePlace) -> Result<()> {
        let id = RevisionId(place.revision);
        if !self.store.is_revision_of_present_document(id).await? {
            return Ok(());
        }
        let detail = json!({ "asked": "open a page", "revision": id, "page": place.page });
        self.audit
            .append(Event {
                outcome: Outcome::Denied,
                ..caller.event(EventKind::AccessDenied, detail)
            })
            .await?;
        Ok(())
    }

    /// A revision as this person may see it: its title and its path can contain personal data, too.
    fn revision_view(&self, record: RevisionRecord, roles: &[Role]) -> RevisionView {
        let title = self.redact(&record.title, &record, roles);
        let path = self.redact(&record.path, &record, roles);
        RevisionView {
            path,
            title,
            ..RevisionView::from(record)
        }
    }

    fn redact(&self, text: &str, revision: &RevisionRecord, roles: &[Role]) -> String {
        self.answerer()
            .redact_text(text, &revision.collection_name, roles)
    }

    fn image_ticket(&self, session: &SessionId, revision: RevisionId, page: u32) -> String {
        let secret = &self.ticket_secret;
        passwords::fingerprint(&format!("{secret}\n{}\n{revision}\n{page}", session.0))
    }
}

async fn load_page(library: &Library, revision: i64, page: u32) -> Result<(RevisionRecord, Page)> {
    let id = RevisionId(revision);
    let revision = library.revision(id).await?.ok_or(ErrorCode::NotFound)?;
    let page = library.page(id, page).await?.ok_or(ErrorCode::NotFound)?;
    Ok((revision, page))
}

/// The cited place as ranges of the text of the page.
async fn cited_ranges(
    library: &Library,
    place: PagePlace,
    revision: &RevisionRecord,
) -> Result<Vec<ByteRange>> {
    let Some(id) = place.passage else {
        return Ok(Vec::new());
    };
    let passage = library
        .passages(&[PassageId(id)])
        .await?
        .pop()
        .filter(|passage| passage.revision == revision.id)
        .ok_or(AppError::from(ErrorCode::NotFound))?;
    let draft = &passage.draft;
    let range = ByteRange::new(
        place.start.unwrap_or(0),
        place.end.unwrap_or(draft.text.len()),
    );
    let mut ranges = Vec::new();
    for span in draft.locate(range) {
        if span.page == place.page {
            ranges.push(span.range);
        }
    }
    Ok(ranges)
}

impl PageView {
    fn new(revision: RevisionView, page: &Page, cited: &[ByteRange]) -> Self {
        let content = &page.content;
        let mut words = Vec::new();
        for word in &content.words {
            if let Some(text) = word.range.slice(&content.text) {
                words.push(WordView {
                    text: text.to_owned(),
                    rect: word.rect.into(),
                });
            }
        }
        let mut blocks = Vec::new();
        for block in &content.blocks {
            let (kind, level) = kind_and_level(block.kind);
            blocks.push(BlockView {
                kind: kind.into(),
                level,
                parts: split_at_citations(&content.text, block.range, cited),
            });
        }
        Self {
            revision,
            number: page.number,
            width: page.width,
            height: page.height,
            image: None,
            redacted: false,
            blocks,
            words,
            cited: rects(content, cited),
            uncertain: rects(content, &content.doubtful),
        }
    }

    /// Redacts the text and removes everything else that would show it.
    fn redact(&mut self, redact: impl Fn(&str) -> String) {
        self.redacted = true;
        self.words.clear();
        self.uncertain.clear();
        for block in &mut self.blocks {
            let text: String = block.parts.iter().map(|part| part.text.as_str()).collect();
            let redacted = redact(&text);
            // A block without personal data keeps its cited parts.
            if redacted != text {
                let cited = block.parts.iter().any(|part| part.cited);
                block.parts = vec![TextPart {
                    text: redacted,
                    cited,
                }];
            }
        }
    }
}

fn rects(content: &PageText, ranges: &[ByteRange]) -> Vec<RectView> {
    ranges
        .iter()
        .flat_map(|range| content.rects(*range))
        .map(RectView::from)
        .collect()
}

const fn kind_and_level(kind: BlockKind) -> (&'static str, u8) {
    match kind {
        BlockKind::Heading(level) => ("heading", level),
        BlockKind::Paragraph => ("paragraph", 0),
        BlockKind::ListItem => ("list-item", 0),
        BlockKind::TableRow => ("table-row", 0),
        BlockKind::Caption => ("caption", 0),
        BlockKind::RunningHeader => ("running-header", 0),
    }
}

/// Splits a block where cited ranges start and end.
fn split_at_citations(text: &str, block: ByteRange, cited: &[ByteRange]) -> Vec<TextPart> {
    let mut inside: Vec<ByteRange> = cited
        .iter()
        .filter_map(|range| range.intersection(block))
        .collect();
    inside.sort_unstable();
    let mut parts = Vec::new();
    let mut position = block.start;
    for range in inside {
        push_part(
            &mut parts,
            text,
            ByteRange::new(position, range.start),
            false,
        );
        push_part(&mut parts, text, range, true);
        position = range.end;
    }
    push_part(&mut parts, text, ByteRange::new(position, block.end), false);
    parts
}

fn push_part(parts: &mut Vec<TextPart>, text: &str, range: ByteRange, cited: bool) {
    if let Some(text) = range.slice(text).filter(|text| !text.is_empty()) {
        parts.push(TextPart {
            text: text.to_owned(),
            cited,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_split_where_citations_start_and_end() {
        let check = |cited: &[ByteRange], expected: &[(&str, bool)]| {
            let parts = split_at_citations("one two three", ByteRange::new(0, 13), cited);
            let parts: Vec<(&str, bool)> = parts
                .iter()
                .map(|part| (part.text.as_str(), part.cited))
                .collect();
            assert_eq!(parts, expected);
        };
        check(&[], &[("one two three", false)]);
        check(
            &[ByteRange::new(4, 7)],
            &[("one ", false), ("two", true), (" three", false)],
        );
        check(
            &[ByteRange::new(8, 99)],
            &[("one two ", false), ("three", true)],
        );
    }
}
