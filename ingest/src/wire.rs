//! The protocol between parent and child.
//!
//! The parent's request is JSON in the child's environment, where other users of the machine cannot
//! see the passwords in it. The file is the child's standard input. The child answers on standard
//! output with frames: a length in bytes (`u32`, little endian), followed by that many bytes of
//! JSON. The frame of a picture or an attachment is followed by one more frame with its raw bytes.
//!
//! Test programs outside this repository drive the reader too, so the names in the JSON are stable.

use crate::limits::Limits;
use cloister_domain::{Day, DocumentMetadata, Page, ReadingAccount};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::PathBuf;

/// The environment variable that holds the [`Request`].
pub const REQUEST: &str = "CLOISTER_REQUEST";

/// Maximum size of a frame. A page with 200,000 glyphs, each a word of its own, fits.
pub const FRAME_BYTES: usize = 48 << 20;

/// What the child is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Task {
    /// Extract text, blocks and words of every page from `first_page`.
    Extract {
        /// The first page wanted, counted from 1.
        #[serde(rename = "from_page")]
        first_page: u32,
        /// Whether to read title, outline, form fields and attachments as well. False after a
        /// crash.
        structure: bool,
    },
    /// Render one page as a picture.
    #[serde(rename = "draw")]
    Render {
        /// The page, counted from 1.
        page: u32,
        /// Dots per inch.
        dpi: u32,
    },
    /// Become tesseract and recognise one picture of a page. The answer is tesseract's table, not
    /// frames.
    Recognise {
        /// The program.
        program: PathBuf,
        /// The folder with its languages.
        data: PathBuf,
        /// The languages of the page.
        languages: Vec<String>,
    },
    /// Attempt what the child must not be able to do, and report the outcome.
    #[serde(rename = "selfcheck")]
    SelfCheck,
}

/// What a child is started for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The task.
    #[serde(flatten)]
    pub task: Task,
    /// The file's name, which distinguishes text formats. Never opened.
    pub name: String,
    /// Passwords that may open it.
    pub passwords: Vec<String>,
    /// The limits.
    pub limits: Limits,
}

/// One message of the child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "frame")]
pub enum Frame {
    /// The child is confined and is about to read the file.
    Confined,
    /// What the file says about itself. Sent once, before the pages.
    Info(Info),
    /// One page.
    Page(Box<PageFrame>),
    /// A page that could not be read, although others can.
    Lost {
        /// The page, counted from 1.
        page: u32,
    },
    /// A picture. Its PNG bytes are the next frame.
    Picture {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A file that is contained in the file. Its bytes are the next frame.
    Attachment {
        /// Its name as given by the file.
        name: String,
    },
    /// There are no more messages.
    Done,
    /// Why the file is not read.
    Refused(Refusal),
    /// The answer to [`Task::SelfCheck`].
    Checked {
        /// What was attempted.
        attempts: Vec<Attempt>,
    },
}

/// What a file says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// The name of the format, as in [`crate::formats::Format::name`].
    pub format: String,
    /// Its title, if it has one.
    pub title: Option<String>,
    /// The day of its last change, according to the file.
    #[serde(default)]
    pub date: Option<Day>,
    /// The number of pages.
    pub pages: u32,
    /// Its table of contents.
    pub outline: Vec<OutlineEntry>,
    /// Sentences for the administrator.
    pub warnings: Vec<String>,
    /// What was left out on purpose, and what was not understood, except on pages that are sent
    /// later.
    #[serde(default)]
    pub account: ReadingAccount,
    /// What its front matter says.
    #[serde(default, rename = "labels")]
    pub metadata: DocumentMetadata,
}

/// An entry of a table of contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineEntry {
    /// The level, from 1 for the highest.
    pub level: u8,
    /// The heading.
    pub title: String,
    /// The page it points to, counted from 1; 0 if it points to no page.
    pub page: u32,
}

/// A page, with what is needed to judge it in the context of the document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageFrame {
    /// The page.
    pub page: Page,
    /// The typography of each block, in order; empty if the format names its headings itself.
    pub styles: Vec<Style>,
    /// What was noticed on the page.
    pub notes: Notes,
}

/// The typography of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Style {
    /// Font size in points.
    pub size: f32,
    /// Whether its text is bold throughout.
    pub bold: bool,
    /// Its number of lines.
    pub lines: u32,
    /// Its left edge in points.
    pub left: f32,
    /// Its top edge in points.
    pub top: f32,
    /// Its bottom edge in points.
    pub bottom: f32,
}

/// What was noticed on a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// Glyphs without a mapping to Unicode.
    pub unreadable: u32,
    /// Glyphs outside the visible page. They are left out.
    pub outside: u32,
    /// Whether the page had too many glyphs and is incomplete.
    pub cut_short: bool,
    /// Whether a picture covers most of the page.
    pub pictured: bool,
    /// Invisible glyphs: white on white, or not painted.
    #[serde(default)]
    pub hidden: u32,
    /// Whether it has lines that are read from right to left, whose order was derived.
    #[serde(default)]
    pub right_to_left: bool,
}

/// Why the child does not read a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why", content = "what")]
pub enum Refusal {
    /// It cannot be opened without a password.
    Encrypted,
    /// It is of a kind that is not supported: `a ZIP archive`.
    NotRead(String),
    /// It is of a supported kind, but damaged.
    Damaged(String),
    /// It is larger than the limit. Its size in bytes.
    TooLarge(u64),
    /// It decompresses to more than the limit.
    Inflates,
    /// It has no such page.
    NoSuchPage(u32),
    /// Its format has no pages that can be rendered.
    NotDrawn,
    /// The child could not give up its rights, so it did not read the file.
    Unconfined(String),
    /// It is empty.
    Empty,
}

/// Something that the child attempted and must not be able to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What: `open /etc/passwd`.
    pub what: String,
    /// The kernel's refusal, or `None` if the attempt succeeded.
    pub refused: Option<String>,
}

/// Writes frames.
#[derive(Debug)]
pub struct FrameWriter<W>(W);

impl<W: Write> FrameWriter<W> {
    /// Writes to `output`.
    pub fn new(output: W) -> Self {
        Self(output)
    }

    /// Sends one message.
    pub fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let json = serde_json::to_vec(frame)?;
        self.send_raw(&json)
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len())
            .map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))?;
        self.0.write_all(&length.to_le_bytes())?;
        self.0.write_all(bytes)?;
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use cloister_domain::{LossKind, OmissionKind, ReadingAccount};

    #[test]
    fn the_kinds_of_an_account_have_one_name_on_the_wire_and_in_stored_data() {
        for kind in OmissionKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a name"), kind.name());
        }
        for kind in LossKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a name"), kind.name());
        }
        let mut account = ReadingAccount::default();
        account.leave_out(OmissionKind::Script, 2);
        account.lose(LossKind::Sheet, 1);
        let json = serde_json::to_string(&account).expect("JSON");
        assert_eq!(
            json,
            r#"{"left_out":{"script":2},"not_understood":{"sheet":1}}"#
        );
    }
}
