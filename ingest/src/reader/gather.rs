//! Collects what children send about one file, and checks it.

use super::recognise::Recognised;
use super::{Attachment, Extraction, whole};
use crate::error::Quarantine;
use crate::limits::Limits;
use crate::wire::{Info, Notes, PageFrame, Refusal, Style};
use cloister_domain::{Block, BlockKind, ByteRange, Page, PageText, Rect};

/// Warnings and outline entries beyond these are dropped.
const MOST_WARNINGS: usize = 50;
const MOST_ENTRIES: usize = 20_000;
/// Attachments beyond these, or beyond these many bytes together, are left out with a warning.
const MOST_ATTACHMENTS: usize = 200;
const ATTACHED_BYTES: usize = 96 << 20;
/// A page that is a picture may have a few letters beside it: its number, a stamp.
const FEW_LETTERS: usize = 40;
/// So many letters without a name are a font's fault and no ornament.
const NAMELESS: usize = 20;
const LONGEST_NAME: usize = 120;
/// A longer name of a place is none.
const LONGEST_PLACE: usize = 200;
/// A page larger than this is not one: 200 inches is the largest that PDF knows.
const LARGEST_PAGE: f32 = 1_000_000.0;

/// A page that was read, and how its blocks are set.
#[derive(Debug)]
pub struct ReadPage {
    /// The page.
    pub page: Page,
    /// Its blocks' styles; empty where the format names its headings itself.
    pub styles: Vec<Style>,
    /// What was noticed.
    pub notes: Notes,
    /// Whether it could not be read.
    pub lost: bool,
    /// Whether its text was recognised from a picture.
    pub recognised: bool,
    /// Whether the recogniser looked at it and found nothing.
    pub blank: bool,
}

impl ReadPage {
    /// Whether this page shows text that cannot be read from it: it is a picture, or its fonts do
    /// not name their letters.
    pub fn lacks_text(&self) -> bool {
        let text = &self.page.content.text;
        let read = text.chars().filter(|c| c.is_alphanumeric()).count();
        let unreadable = self.notes.unreadable as usize;
        let nameless = unreadable > NAMELESS && unreadable * 4 > read;
        // Letters may also be drawn as lines, which is no picture and no text.
        let silent = read == 0 || self.notes.pictured && read < FEW_LETTERS;
        self.page.is_drawn() && !self.blank && (silent || nameless)
    }

    /// Each block with how it is set and its text, where the format told how.
    pub fn styled(&self) -> impl Iterator<Item = (&Block, &Style, &str)> {
        let content = &self.page.content;
        content
            .blocks
            .iter()
            .zip(&self.styles)
            .filter_map(|(block, style)| Some((block, style, block.range.of(&content.text)?)))
    }
}

/// What has come so far.
#[derive(Debug)]
pub struct Gathered {
    name: String,
    limits: Limits,
    info: Option<Info>,
    pages: Vec<ReadPage>,
    text_bytes: usize,
    attachments: Vec<Attachment>,
    left_out: usize,
    /// Why a page was not recognised; one reason stands for all.
    not_recognised: Option<String>,
}

impl Gathered {
    /// Nothing yet.
    pub fn new(name: &str, limits: Limits) -> Self {
        Self {
            name: name.to_owned(),
            limits,
            info: None,
            pages: Vec::new(),
            text_bytes: 0,
            attachments: Vec::new(),
            left_out: 0,
            not_recognised: None,
        }
    }

    /// The page that should come next, counted from 1.
    pub fn next_page(&self) -> u32 {
        u32::try_from(self.pages.len()).map_or(u32::MAX, |count| count.saturating_add(1))
    }

    /// How many pages there should be; 0 while nobody knows.
    pub fn all_pages(&self) -> u32 {
        self.info.as_ref().map_or(0, |info| info.pages)
    }

    /// Whether the file was opened.
    pub const fn is_open(&self) -> bool {
        self.info.is_some()
    }

    /// Whether every page came or was given up.
    pub fn is_complete(&self) -> bool {
        self.is_open() && self.next_page() > self.all_pages()
    }

    /// How many pages were given up.
    pub fn lost(&self) -> u32 {
        let lost = self.pages.iter().filter(|page| page.lost).count();
        u32::try_from(lost).unwrap_or(u32::MAX)
    }

    /// Takes what the file says about itself. A later child's word adds nothing.
    pub fn info(&mut self, mut info: Info) -> Result<(), Quarantine> {
        if info.pages > self.limits.pages {
            return Err(Quarantine::TooManyPages {
                name: self.name.clone(),
                limit: self.limits.pages,
            });
        }
        info.warnings.truncate(MOST_WARNINGS);
        info.outline.truncate(MOST_ENTRIES);
        self.info.get_or_insert(info);
        Ok(())
    }

    /// Takes a page.
    pub fn page(&mut self, frame: PageFrame) -> Result<(), Quarantine> {
        let PageFrame {
            page,
            styles,
            notes,
        } = frame;
        if page.number != self.next_page() || page.number > self.all_pages() {
            return Err(self.nonsense("a page came out of turn"));
        }
        if !is_sound(&page) || !(styles.is_empty() || styles.len() == page.content.blocks.len()) {
            return Err(self.nonsense("a page's places are not in its text"));
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

    /// Gives up a page, if it is the next.
    pub fn lose(&mut self, number: u32) {
        if number != self.next_page() || number > self.all_pages() {
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

    /// The pages whose text is missing or broken, with their width in points.
    pub fn to_recognise(&self) -> Vec<(u32, f32)> {
        let wanted = self.pages.iter().filter(|page| page.lacks_text());
        wanted
            .map(|page| (page.page.number, page.page.width))
            .collect()
    }

    /// Takes note of why a page that is a picture stays one.
    pub fn not_recognised(&mut self, cause: String) {
        self.not_recognised.get_or_insert(cause);
    }

    /// Takes the text of a page that was a picture.
    pub fn recognised(&mut self, number: u32, recognised: Recognised) {
        let Some(page) = self.pages.iter_mut().find(|p| p.page.number == number) else {
            return;
        };
        if recognised.content.text.is_empty() {
            page.blank = page.page.content.text.is_empty();
            return;
        }
        let content = std::mem::replace(&mut page.page.content, recognised.content);
        if !is_sound(&page.page) || page.page.content.text.len() < content.text.len() {
            // What the page had is better than what was made out.
            page.page.content = content;
            return;
        }
        page.styles = recognised.styles;
        page.recognised = true;
    }

    /// Takes a file that lies inside this one.
    pub fn attachment(&mut self, name: &str, bytes: Vec<u8>) {
        let held: usize = self.attachments.iter().map(|held| held.bytes.len()).sum();
        let full = self.attachments.len() >= MOST_ATTACHMENTS;
        if bytes.is_empty() || full || held + bytes.len() > ATTACHED_BYTES {
            self.left_out += 1;
            return;
        }
        let name = self.free_name(&plain_name(name, self.attachments.len() + 1));
        self.attachments.push(Attachment { name, bytes });
    }

    /// Two attachments of one name are told apart by a number.
    fn free_name(&self, wanted: &str) -> String {
        let taken = |name: &str| self.attachments.iter().any(|held| held.name == name);
        let numbered = (2_u32..).map(|number| format!("{number} {wanted}"));
        std::iter::once(wanted.to_owned())
            .chain(numbered)
            .find(|name| !taken(name))
            .unwrap_or_default()
    }

    /// The child's refusal, for people.
    pub fn refused(&self, refusal: Refusal) -> Quarantine {
        Quarantine::refused(refusal, &self.name, self.limits.file_bytes)
    }

    /// A child that breaks the rules of the conversation.
    pub fn nonsense(&self, detail: &str) -> Quarantine {
        Quarantine::Nonsense {
            name: self.name.clone(),
            detail: detail.to_owned(),
        }
    }

    /// The document.
    pub fn finish(self) -> Result<Extraction, Quarantine> {
        let Some(mut info) = self.info else {
            return Err(Quarantine::Nonsense {
                name: self.name,
                detail: "it never said what the file is".to_owned(),
            });
        };
        if self.left_out > 0 {
            info.warnings.push(format!(
                "{} attachments are empty or beyond the limit and were left out: save them and \
                 drop them by themselves",
                self.left_out
            ));
        }
        if let Some(cause) = self.not_recognised {
            let warning = format!("Text recognition failed: {cause}");
            info.warnings.push(warning);
        }
        whole::assemble(&self.name, info, self.pages, self.attachments)
    }
}

/// A file name that names no folder and fits into a path.
fn plain_name(name: &str, number: usize) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !c.is_control()).collect();
    let start = plain.chars().count().saturating_sub(LONGEST_NAME);
    let short: String = plain.chars().skip(start).collect();
    match short.trim().trim_start_matches('.') {
        "" => format!("attachment {number}"),
        name => name.to_owned(),
    }
}

/// Whether everything that a page says about its text is true of its text.
fn is_sound(page: &Page) -> bool {
    let PageText {
        text,
        blocks,
        words,
        doubtful,
    } = &page.content;
    let size = |length: f32| (0.0..LARGEST_PAGE).contains(&length);
    size(page.width)
        && size(page.height)
        && !text.contains('\0')
        && are_in_order(text, blocks.iter().map(|block| block.range))
        && blocks.iter().all(|block| is_short(block.place.as_deref()))
        && are_in_order(text, words.iter().map(|word| word.range))
        && are_in_order(text, doubtful.iter().copied())
        && words.iter().all(|word| is_finite(word.rect))
        && blocks.iter().all(
            |block| !matches!(block.kind, BlockKind::Heading(level) if !(1..=9).contains(&level)),
        )
}

fn is_short(place: Option<&str>) -> bool {
    place.is_none_or(|place| place.len() <= LONGEST_PLACE)
}

fn are_in_order(text: &str, mut ranges: impl Iterator<Item = ByteRange>) -> bool {
    let mut reached = 0;
    ranges.all(|range| {
        let follows = range.start >= reached && range.of(text).is_some();
        reached = range.end;
        follows
    })
}

fn is_finite(rect: Rect) -> bool {
    [rect.x0, rect.y0, rect.x1, rect.y1]
        .iter()
        .all(|edge| edge.is_finite())
}
