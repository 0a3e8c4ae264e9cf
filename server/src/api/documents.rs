//! Documents a person may read, and their pages, drawn here with the cited place highlighted.

use super::problem::{Problem, ProblemCode};
use super::session::SignedIn;
use crate::app::{App, AppState};
use crate::passwords;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use cloister_audit::EventKind;
use cloister_domain::{BlockKind, ByteRange, Page, PassageId, RevisionId};
use cloister_store::{Library, RevisionRecord};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

/// A document at one revision.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RevisionView {
    /// The revision's id.
    pub id: i64,
    /// The document's id.
    pub document: i64,
    /// The name of its collection.
    pub collection: String,
    /// The path inside the collection.
    pub path: String,
    /// The title.
    pub title: String,
    /// The format it was read as.
    pub format: String,
    /// How many pages it has.
    pub pages: u32,
    /// Since when it answers, RFC 3339.
    pub effective_from: String,
    /// Since when a newer one answers instead.
    pub superseded_at: Option<String>,
    /// Since when it is in force, where that is said: `2026-03-01`.
    pub effective: Option<String>,
    /// How confidential it is, where that is said.
    pub classification: Option<String>,
    /// What it is about or belongs to.
    pub tags: Vec<String>,
    /// SHA-256 of its bytes.
    pub hash: String,
}

impl From<RevisionRecord> for RevisionView {
    fn from(record: RevisionRecord) -> Self {
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
            effective: record.labels.effective.map(|day| day.to_string()),
            classification: record.labels.classification,
            tags: record.labels.tags,
            hash: record.hash.to_string(),
        }
    }
}

/// A stretch of text that is highlighted or is not.
#[derive(Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// The text.
    pub text: String,
    /// Whether it is the cited place.
    pub cited: bool,
}

/// A stretch of a page.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BlockView {
    /// `heading`, `paragraph`, `list-item`, `table-row`, `caption`, `furniture`.
    pub kind: String,
    /// Of a heading, 1 is the highest; else 0.
    pub level: u8,
    /// Its text.
    pub parts: Vec<Part>,
}

/// A rectangle in points from the top left corner of the page.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Box2 {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl From<cloister_domain::Rect> for Box2 {
    fn from(rect: cloister_domain::Rect) -> Self {
        Self {
            x: rect.x0,
            y: rect.y0,
            width: rect.width(),
            height: rect.height(),
        }
    }
}

/// A word and where it is drawn.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WordView {
    /// The word.
    pub text: String,
    /// Where it is drawn.
    pub place: Box2,
}

/// A page with the cited place.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PageView {
    /// The document.
    pub revision: RevisionView,
    /// The page, counted from 1.
    pub number: u32,
    /// Width in points; 0 where the format has no drawn pages.
    pub width: f32,
    /// Height in points.
    pub height: f32,
    /// Where the page's picture is; none where the format has no drawn pages.
    pub image: Option<String>,
    /// Whether personal data on it is masked for this person, so that it is shown as text alone.
    pub masked: bool,
    /// The page's text.
    pub blocks: Vec<BlockView>,
    /// Its words, for selecting and reading aloud.
    pub words: Vec<WordView>,
    /// The places to highlight.
    pub cited: Vec<Box2>,
    /// Where words of a scanned page may have been misread.
    pub doubtful: Vec<Box2>,
}

/// The place that is cited, as a passage and a range of its text.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Cited {
    passage: Option<i64>,
    /// The first byte of the quote in the passage's text.
    start: Option<usize>,
    /// One past its last byte.
    end: Option<usize>,
}

/// The documents that this person may read.
#[utoipa::path(get, path = "/api/v1/documents", tag = "documents",
    responses((status = 200, body = Vec<RevisionView>)))]
pub async fn list(
    State(app): State<AppState>,
    person: SignedIn,
) -> Result<Json<Vec<RevisionView>>, Problem> {
    let library = app.library(&person.principal).await?;
    Ok(Json(
        library
            .documents()
            .await?
            .into_iter()
            .map(RevisionView::from)
            .collect(),
    ))
}

/// A page, with the cited place. Opening it is an entry in the audit log.
#[utoipa::path(get, path = "/api/v1/revisions/{id}/pages/{number}", tag = "documents",
    params(("id" = i64, Path), ("number" = u32, Path), Cited),
    responses((status = 200, body = PageView), (status = 404, body = Problem)))]
pub async fn page(
    State(app): State<AppState>,
    person: SignedIn,
    Path((id, number)): Path<(i64, u32)>,
    Query(cited): Query<Cited>,
) -> Result<Json<PageView>, Problem> {
    let library = app.library(&person.principal).await?;
    let (revision, page) = open(&library, RevisionId(id), number).await?;
    let ranges = cited_ranges(&library, cited, &revision, number).await?;
    let detail = json!({
        "document": revision.document, "revision": revision.id, "hash": revision.hash,
        "collection": revision.collection_name, "path": revision.path, "page": number,
        "passage": cited.passage,
    });
    app.audit
        .append(person.event(EventKind::PageOpened, detail))
        .await?;
    let mask = |text: &str| mask(&app, &person, &revision, text);
    let masked = mask(&page.content.text) != page.content.text;
    let image = (page.is_drawn() && !masked).then(|| {
        let ticket = ticket(&app, &person, revision.id, number);
        format!("/api/v1/revisions/{id}/pages/{number}/image?view={ticket}")
    });
    let mut shown = view(revision.clone(), &page, &ranges, image);
    if masked {
        shown.hide(mask);
    }
    Ok(Json(shown))
}

fn mask(app: &App, person: &SignedIn, revision: &RevisionRecord, text: &str) -> String {
    let roles = &person.principal.roles;
    app.answerer()
        .mask_read(text, &revision.collection_name, roles)
}

impl PageView {
    /// Masks the text, and takes away what would show it otherwise.
    fn hide(&mut self, mask: impl Fn(&str) -> String) {
        self.masked = true;
        self.words.clear();
        self.doubtful.clear();
        for block in &mut self.blocks {
            let text: String = block.parts.iter().map(|part| part.text.as_str()).collect();
            let hidden = mask(&text);
            // A block without personal data keeps the cited place inside it.
            if hidden != text {
                let cited = block.parts.iter().any(|part| part.cited);
                block.parts = vec![Part {
                    text: hidden,
                    cited,
                }];
            }
        }
    }
}

/// A page's picture may be fetched by who opened the page, so that one view is one audit entry.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct View {
    view: String,
    dpi: Option<u32>,
}

/// The page's picture, drawn in a confined process.
#[utoipa::path(get, path = "/api/v1/revisions/{id}/pages/{number}/image", tag = "documents",
    params(("id" = i64, Path), ("number" = u32, Path), View),
    responses((status = 200, body = Vec<u8>, content_type = "image/png")))]
pub async fn image(
    State(app): State<AppState>,
    person: SignedIn,
    Path((id, number)): Path<(i64, u32)>,
    Query(asked): Query<View>,
) -> Result<(HeaderMap, Vec<u8>), Problem> {
    let library = app.library(&person.principal).await?;
    let (revision, page) = open(&library, RevisionId(id), number).await?;
    let text = &page.content.text;
    let masked = mask(&app, &person, &revision, text) != *text;
    if asked.view != ticket(&app, &person, revision.id, number) || !page.is_drawn() || masked {
        return Err(ProblemCode::NotFound.into());
    }
    let file = app.store.originals().open_file(&revision.hash)?;
    let dpi = asked.dpi.unwrap_or(120).clamp(48, 240);
    let drawn = app.reader.draw(file, &revision.path, number, dpi).await;
    let png = drawn.map_err(|cause| {
        tracing::warn!(%cause, "page {number} of revision {id} could not be drawn: {cause}");
        ProblemCode::Internal.because("The page could not be drawn. Its text is below")
    })?;
    let kind = HeaderValue::from_static("image/png");
    Ok((HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]), png))
}

async fn open(
    library: &Library,
    id: RevisionId,
    number: u32,
) -> Result<(RevisionRecord, Page), Problem> {
    let revision = library.revision(id).await?.ok_or(ProblemCode::NotFound)?;
    let page = library
        .page(id, number)
        .await?
        .ok_or(ProblemCode::NotFound)?;
    Ok((revision, page))
}

fn ticket(app: &App, person: &SignedIn, revision: RevisionId, page: u32) -> String {
    let of = format!(
        "{}\n{}\n{revision}\n{page}",
        app.ticket_secret, person.session.0
    );
    passwords::fingerprint(&of)
}

/// The cited place as ranges of this page's text.
async fn cited_ranges(
    library: &Library,
    cited: Cited,
    revision: &RevisionRecord,
    number: u32,
) -> Result<Vec<ByteRange>, Problem> {
    let Some(id) = cited.passage else {
        return Ok(Vec::new());
    };
    let passage = library.passages(&[PassageId(id)]).await?.pop();
    let passage = passage
        .filter(|p| p.revision == revision.id)
        .ok_or(ProblemCode::NotFound)?;
    let whole = passage.draft.text.len();
    let range = ByteRange::new(cited.start.unwrap_or(0), cited.end.unwrap_or(whole));
    let spans = passage
        .draft
        .locate(range)
        .into_iter()
        .filter(|span| span.page == number);
    Ok(spans.map(|span| span.range).collect())
}

fn view(
    revision: RevisionRecord,
    page: &Page,
    cited: &[ByteRange],
    image: Option<String>,
) -> PageView {
    let content = &page.content;
    let words = content.words.iter().filter_map(|word| {
        let text = word.range.of(&content.text)?.to_owned();
        Some(WordView {
            text,
            place: word.rect.into(),
        })
    });
    let boxes = |ranges: &[ByteRange]| -> Vec<Box2> {
        let rects = ranges.iter().flat_map(|range| content.rects(*range));
        rects.map(Box2::from).collect()
    };
    let blocks = content.blocks.iter().map(|block| {
        let (kind, level) = name(block.kind);
        BlockView {
            kind: kind.into(),
            level,
            parts: parts(&content.text, block.range, cited),
        }
    });
    PageView {
        revision: revision.into(),
        number: page.number,
        width: page.width,
        height: page.height,
        image,
        masked: false,
        blocks: blocks.collect(),
        words: words.collect(),
        cited: boxes(cited),
        doubtful: boxes(&content.doubtful),
    }
}

const fn name(kind: BlockKind) -> (&'static str, u8) {
    match kind {
        BlockKind::Heading(level) => ("heading", level),
        BlockKind::Paragraph => ("paragraph", 0),
        BlockKind::ListItem => ("list-item", 0),
        BlockKind::TableRow => ("table-row", 0),
        BlockKind::Caption => ("caption", 0),
        BlockKind::Furniture => ("furniture", 0),
    }
}

/// Cuts a block where the cited place begins and ends.
fn parts(text: &str, block: ByteRange, cited: &[ByteRange]) -> Vec<Part> {
    let mut inside: Vec<ByteRange> = cited
        .iter()
        .filter_map(|range| range.intersection(block))
        .collect();
    inside.sort_unstable();
    let mut parts = Vec::new();
    let mut at = block.start;
    let mut push = |range: ByteRange, cited: bool| {
        if let Some(text) = range.of(text).filter(|text| !text.is_empty()) {
            parts.push(Part {
                text: text.to_owned(),
                cited,
            });
        }
    };
    for range in inside {
        push(ByteRange::new(at, range.start), false);
        push(range, true);
        at = range.end;
    }
    push(ByteRange::new(at, block.end), false);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_cut_where_the_cited_place_begins_and_ends() {
        let cut = |cited: &[ByteRange]| {
            let parts = parts("one two three", ByteRange::new(0, 13), cited);
            parts
                .into_iter()
                .map(|part| (part.text, part.cited))
                .collect::<Vec<_>>()
        };
        let part = |text: &str, cited| (text.to_owned(), cited);
        assert_eq!(cut(&[]), [part("one two three", false)]);
        assert_eq!(
            cut(&[ByteRange::new(4, 7)]),
            [
                part("one ", false),
                part("two", true),
                part(" three", false)
            ]
        );
        assert_eq!(
            cut(&[ByteRange::new(8, 99)]),
            [part("one two ", false), part("three", true)]
        );
    }
}
