//! Collects what children send about one file, and checks it.

use super::document_info;
use super::extraction::{Attachment, Extraction};
use super::ocr::RecognisedPage;
use super::read_page::ReadPage;
use crate::limits::Limits;
use crate::quarantine::Quarantine;
use crate::wire::{Info, Notes, PageFrame, Refusal};
use cloister_domain::{Block, BlockKind, ByteRange, LossKind, Page, PageText, Rect, Word};

/// Warnings and outline entries beyond these limits are dropped.
const MAX_WARNINGS: usize = 50;
const MAX_OUTLINE_ENTRIES: usize = 20_000;
/// Attachments beyond these limits (their number, and their total size) are left out with a
/// warning.
const MAX_ATTACHMENTS: usize = 200;
const MAX_ATTACHMENT_BYTES: usize = 96 << 20;
const MAX_NAME_CHARS: usize = 120;
/// Maximum length of a block's place in the file, in bytes.
const MAX_PLACE_BYTES: usize = 200;
/// Pages larger than this, in points, are invalid. PDF allows 200 inches.
const MAX_PAGE_POINTS: f32 = 1_000_000.0;

/// What was received about one file.
#[derive(Debug)]
pub struct DocumentAssembly {
    name: String,
    limits: Limits,
    info: Option<Info>,
    pages: Vec<ReadPage>,
    text_bytes: usize,
    attachments: Vec<Attachment>,
    dropped_attachments: usize,
    /// Why a page was not recognised. The first reason stands for all.
    ocr_failure: Option<String>,
}

impl DocumentAssembly {
    /// Nothing is received yet.
    pub fn new(name: &str, limits: Limits) -> Self {
        Self {
            name: name.to_owned(),
            limits,
            info: None,
            pages: Vec::new(),
            text_bytes: 0,
            attachments: Vec::new(),
            dropped_attachments: 0,
            ocr_failure: None,
        }
    }

    /// The number of the next page expected, counted from 1.
    pub fn next_page(&self) -> u32 {
        u32::try_from(self.pages.len()).map_or(u32::MAX, |count| count.saturating_add(1))
    }

    /// The number of pages in the file; 0 until it is known.
    pub fn page_count(&self) -> u32 {
        self.info.as_ref().map_or(0, |info| info.pages)
    }

    /// Whether a child opened the file.
    pub const fn is_open(&self) -> bool {
        self.info.is_some()
    }

    /// Whether every page was received or lost.
    pub fn is_complete(&self) -> bool {
        self.is_open() && self.next_page() > self.page_count()
    }

    /// The number of lost pages.
    pub fn lost_pages(&self) -> u32 {
        let lost = self.pages.iter().filter(|page| page.lost).count();
        u32::try_from(lost).unwrap_or(u32::MAX)
    }

    /// Receives what the file says about itself. What later children send is ignored.
    pub fn set_info(&mut self, mut info: Info) -> Result<(), Quarantine> {
        if info.pages > self.limits.pages {
            return Err(Quarantine::TooManyPages {
                name: self.name.clone(),
                limit: self.limits.pages,
            });
        }
        info.warnings.truncate(MAX_WARNINGS);
        info.outline.truncate(MAX_OUTLINE_ENTRIES);
        self.info.get_or_insert(info);
        Ok(())
    }

    /// Receives a page.
    pub fn add_page(&mut self, frame: PageFrame) -> Result<(), Quarantine> {
        let PageFrame {
            page,
            styles,
            notes,
        } = frame;
        if page.number != self.next_page() || page.number > self.page_count() {
            return Err(self.protocol_error("a page was sent out of order"));
        }
        if !is_valid_page(&page)
            || !(styles.is_empty() || styles.len() == page.content.blocks.len())
        {
            return Err(self.protocol_error("the positions of a page are not in its text"));
        }
        self.text_bytes = self.text_bytes.saturating_add(page.content.text.len());
        if self.text_bytes > self.limits.text_bytes {
            return Err(Quarantine::TooMuchText {
                name: self.name.clone(),
                limit: self.limits.text_bytes,
            });
        }
        self.pages.push(ReadPage {
            page,
            styles,
            notes,
            lost: false,
            recognised: false,
            blank: false,
        });
        Ok(())
    }

    /// Marks a page as lost if it is the next one.
    pub fn mark_lost(&mut self, number: u32) {
        if number != self.next_page() || number > self.page_count() {
            return;
        }
        self.pages.push(ReadPage {
            page: Page {
                number,
                width: 0.0,
                height: 0.0,
                content: PageText::default(),
            },
            styles: Vec::new(),
            notes: Notes::default(),
            lost: true,
            recognised: false,
            blank: false,
        });
    }

    /// The pages whose text is missing or unreadable: their number, and their width in points.
    pub fn pages_without_text(&self) -> Vec<(u32, f32)> {
        let wanted = self.pages.iter().filter(|page| page.lacks_text());
        wanted
            .map(|page| (page.page.number, page.page.width))
            .collect()
    }

    /// Records why a page could not be recognised.
    pub fn record_ocr_failure(&mut self, cause: String) {
        self.ocr_failure.get_or_insert(cause);
    }

    /// Receives the recognised text of a page.
    pub fn set_recognised(&mut self, number: u32, recognised: RecognisedPage) {
        let Some(page) = self.pages.iter_mut().find(|p| p.page.number == number) else {
            return;
        };
        if recognised.content.text.is_empty() {
            page.blank = page.page.content.text.is_empty();
            return;
        }
        let has_text = page
            .page
            .content
            .text
            .chars()
            .filter(|c| c.is_alphanumeric())
            .count()
            > 0;
        if has_text && page.notes.unreadable == 0 {
            add_recognised(page, recognised);
            return;
        }
        let content = std::mem::replace(&mut page.page.content, recognised.content);
        if !is_valid_page(&page.page) || page.page.content.text.len() < content.text.len() {
            // The original text is longer, or the recognised page is invalid.
            page.page.content = content;
            return;
        }
        page.styles = recognised.styles;
        page.recognised = true;
    }

    /// Receives a file that is contained in this one.
    pub fn add_attachment(&mut self, name: &str, bytes: Vec<u8>) {
        let held: usize = self.attachments.iter().map(|held| held.bytes.len()).sum();
        let full = self.attachments.len() >= MAX_ATTACHMENTS;
        if bytes.is_empty() || full || held + bytes.len() > MAX_ATTACHMENT_BYTES {
            self.dropped_attachments += 1;
            return;
        }
        let name = self.unique_name(&sanitize_name(name, self.attachments.len() + 1));
        self.attachments.push(Attachment { name, bytes });
    }

    /// Makes the name of an attachment unique by a number.
    fn unique_name(&self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 2;
        while self.attachments.iter().any(|other| other.name == name) {
            name = format!("{number} {wanted}");
            number += 1;
        }
        name
    }

    /// Turns the child's refusal into a message for people.
    pub fn refusal(&self, refusal: Refusal) -> Quarantine {
        Quarantine::refused(refusal, &self.name, self.limits.file_bytes)
    }

    /// The child violated the protocol.
    pub fn protocol_error(&self, detail: &str) -> Quarantine {
        Quarantine::Nonsense {
            name: self.name.clone(),
            detail: detail.to_owned(),
        }
    }

    /// Assembles the document.
    pub fn finish(self) -> Result<Extraction, Quarantine> {
        let Some(mut info) = self.info else {
            return Err(Quarantine::Nonsense {
                name: self.name,
                detail: "it never sent what the file is".to_owned(),
            });
        };
        info.account.lose(LossKind::File, self.dropped_attachments);
        if self.dropped_attachments > 0 {
            info.warnings.push(format!(
                "{} attachments are empty or beyond the limit and were left out: save them and \
                 drop them by themselves",
                self.dropped_attachments
            ));
        }
        if let Some(cause) = self.ocr_failure {
            let warning = format!("Text recognition failed: {cause}");
            info.warnings.push(warning);
        }
        document_info::assemble(&self.name, info, self.pages, self.attachments)
    }
}

/// Adds what was recognised in a picture to the text that the page has beside it. What was recognised
/// of that text itself is left out.
fn add_recognised(page: &mut ReadPage, recognised: RecognisedPage) {
    let RecognisedPage {
        content: found,
        styles,
    } = recognised;
    let own: Vec<Rect> = page
        .page
        .content
        .words
        .iter()
        .map(|word| word.rect)
        .collect();
    let before = (page.page.content.clone(), page.styles.clone());
    let content = &mut page.page.content;
    for (block, style) in found.blocks.into_iter().zip(styles) {
        let words = found.words.iter();
        let words: Vec<&Word> = words
            .filter(|word| word.range.overlaps(block.range))
            .collect();
        let Some(text) = block.range.slice(&found.text) else {
            continue;
        };
        if !words.is_empty() && words.iter().all(|word| is_known(word.rect, &own)) {
            continue;
        }
        if !content.text.is_empty() {
            content.text.push('\n');
        }
        let start = content.text.len();
        let from = block.range.start;
        content.text.push_str(text);
        content.words.extend(words.iter().map(|word| Word {
            range: shift(word.range, from, start),
            rect: word.rect,
        }));
        let doubtful = found
            .doubtful
            .iter()
            .filter(|range| range.overlaps(block.range));
        content
            .doubtful
            .extend(doubtful.map(|range| shift(*range, from, start)));
        let row = block.row.clone().map(|mut row| {
            row.cells
                .iter_mut()
                .for_each(|cell| cell.range = shift(cell.range, from, start));
            row
        });
        content.blocks.push(Block {
            range: shift(block.range, from, start),
            row,
            ..block.clone()
        });
        page.styles.push(style);
    }
    if is_valid_page(&page.page) && page.styles.len() == page.page.content.blocks.len() {
        page.recognised = true;
    } else {
        (page.page.content, page.styles) = before;
    }
}

/// Moves a range from a block at `from` to one at `to`.
fn shift(range: ByteRange, from: usize, to: usize) -> ByteRange {
    let [start, end] = [range.start, range.end].map(|offset| offset.saturating_sub(from) + to);
    ByteRange::new(start, end)
}

/// Whether the middle of a word lies in a word that is known.
fn is_known(rect: Rect, own: &[Rect]) -> bool {
    let (x, y) = (
        f32::midpoint(rect.x0, rect.x1),
        f32::midpoint(rect.y0, rect.y1),
    );
    own.iter()
        .any(|known| known.x0 <= x && x <= known.x1 && known.y0 <= y && y <= known.y1)
}

/// A file name without folders and control characters, shortened to fit into a path.
fn sanitize_name(name: &str, number: usize) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !c.is_control()).collect();
    let start = plain.chars().count().saturating_sub(MAX_NAME_CHARS);
    let short: String = plain.chars().skip(start).collect();
    match short.trim().trim_start_matches('.') {
        "" => format!("attachment {number}"),
        name => name.to_owned(),
    }
}

/// Whether every position of a page is valid: in its text, in order, and finite.
fn is_valid_page(page: &Page) -> bool {
    let PageText {
        text,
        blocks,
        words,
        doubtful,
    } = &page.content;
    let valid_length = 0.0..MAX_PAGE_POINTS;
    valid_length.contains(&page.width)
        && valid_length.contains(&page.height)
        && !text.contains('\0')
        && are_in_order(text, blocks.iter().map(|block| block.range))
        && blocks
            .iter()
            .all(|block| is_place_valid(block.place.as_deref()) && has_valid_cells(text, block))
        && are_in_order(text, words.iter().map(|word| word.range))
        && are_in_order(text, doubtful.iter().copied())
        && words.iter().all(|word| is_finite(word.rect))
        && blocks.iter().all(
            |block| !matches!(block.kind, BlockKind::Heading(level) if !(1..=9).contains(&level)),
        )
}

/// Whether the cells of a row are in its text, in order.
fn has_valid_cells(text: &str, block: &Block) -> bool {
    let cells = block
        .row
        .as_ref()
        .map_or(&[][..], |row| row.cells.as_slice());
    let inside = cells.iter().all(|cell| {
        block.range.start <= cell.range.start && cell.range.end <= block.range.end && cell.span > 0
    });
    inside && are_in_order(text, cells.iter().map(|cell| cell.range))
}

fn is_place_valid(place: Option<&str>) -> bool {
    place.is_none_or(|place| place.len() <= MAX_PLACE_BYTES)
}

fn are_in_order(text: &str, mut ranges: impl Iterator<Item = ByteRange>) -> bool {
    let mut reached = 0;
    ranges.all(|range| {
        let follows = range.start >= reached && range.slice(text).is_some();
        reached = range.end;
        follows
    })
}

fn is_finite(rect: Rect) -> bool {
    [rect.x0, rect.y0, rect.x1, rect.y1]
        .iter()
        .all(|edge| edge.is_finite())
}
