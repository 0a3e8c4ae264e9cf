//! What parent and child say to each other.
//!
//! The parent's request is JSON in the child's environment, where other users of the machine cannot
//! see the passwords in it; the file is the child's standard input. The child answers on standard
//! output with frames: a length in bytes (`u32`, little endian), then that many bytes of JSON. The
//! bytes of a picture or an attachment follow its frame as one more frame, which is not JSON.

use crate::limits::Limits;
use cloister_domain::{Day, Labels, Page};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::PathBuf;

/// The environment variable that holds the [`Request`].
pub const REQUEST: &str = "CLOISTER_REQUEST";

/// The longest frame of text: a page with 200,000 glyphs, each a word of its own, fits.
pub const FRAME_BYTES: usize = 48 << 20;

/// What the child is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Task {
    /// Text, blocks and words of every page from `from_page`, counted from 1.
    Extract {
        /// The first page wanted.
        from_page: u32,
        /// Whether to read titles and outline, the part that may be left out after a crash.
        structure: bool,
    },
    /// One page as a picture.
    Draw {
        /// The page, counted from 1.
        page: u32,
        /// Dots per inch.
        dpi: u32,
    },
    /// Becomes the recogniser, for one picture of a page; answers with its table, not with frames.
    Recognise {
        /// The program.
        program: PathBuf,
        /// The folder with its languages.
        data: PathBuf,
        /// The languages of the page.
        languages: Vec<String>,
    },
    /// Tries what the child must not be able to do, and reports what happened.
    Selfcheck,
}

/// One child's errand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What to do.
    #[serde(flatten)]
    pub task: Task,
    /// The file's name, for its title and as a hint between text formats. Never opened.
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
    /// The child is confined and about to touch the bytes.
    Confined,
    /// What the file says about itself. Comes once, before the pages.
    Info(Info),
    /// One page.
    Page(Box<PageFrame>),
    /// A page that could not be read, while the others can.
    Lost {
        /// The page, counted from 1.
        page: u32,
    },
    /// A picture; its PNG bytes are the next frame.
    Picture {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// A file inside the file; its bytes are the next frame.
    Attachment {
        /// Its name, as the file gives it.
        name: String,
    },
    /// Nothing more will come.
    Done,
    /// The file is not read, and why.
    Refused(Refusal),
    /// The answer to [`Task::Selfcheck`].
    Checked {
        /// What was tried.
        attempts: Vec<Attempt>,
    },
}

/// What a file says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// The name of the format, as in [`crate::formats::Format::name`].
    pub format: String,
    /// Its title, where it has one.
    pub title: Option<String>,
    /// The day of its last change, as it says.
    #[serde(default)]
    pub date: Option<Day>,
    /// The number of pages.
    pub pages: u32,
    /// Its table of contents.
    pub outline: Vec<OutlineEntry>,
    /// Sentences for the administrator.
    pub warnings: Vec<String>,
    /// What it says about itself beside its text.
    #[serde(default)]
    pub labels: Labels,
}

/// A line of a table of contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineEntry {
    /// 1 is the highest.
    pub level: u8,
    /// The heading.
    pub title: String,
    /// The page it points to, counted from 1; 0 where it points nowhere.
    pub page: u32,
}

/// A page, and what only the whole document can judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageFrame {
    /// The page.
    pub page: Page,
    /// How each block is set, in their order; empty where the format names its headings itself.
    pub styles: Vec<Style>,
    /// What was noticed.
    pub notes: Notes,
}

/// How a block is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Style {
    /// Font size in points.
    pub size: f32,
    /// Whether all of it is bold.
    pub bold: bool,
    /// The number of its lines.
    pub lines: u32,
    /// The left edge in points.
    pub left: f32,
    /// The top edge in points, for headers and footers.
    pub top: f32,
    /// The bottom edge in points.
    pub bottom: f32,
}

/// What was noticed on a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// Glyphs whose letter is unknown.
    pub unreadable: u32,
    /// Glyphs outside the visible page, which are left out.
    pub outside: u32,
    /// Whether the page had more glyphs than are read.
    pub cut_short: bool,
    /// Whether a picture covers most of the page.
    pub pictured: bool,
    /// Glyphs that nobody sees: white on white, or not drawn.
    #[serde(default)]
    pub hidden: u32,
}

/// Why the child does not read a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why", content = "what")]
pub enum Refusal {
    /// It cannot be opened without a password.
    Encrypted,
    /// It is of a kind that is not read: `a ZIP archive`.
    NotRead(String),
    /// It is of a kind that is read, and broken.
    Damaged(String),
    /// It is larger than the limit, in bytes.
    TooLarge(u64),
    /// It inflates to more than the limit.
    Inflates,
    /// It has no such page.
    NoSuchPage(u32),
    /// Its format has no pages that could be drawn.
    NotDrawn,
    /// The child could not give up its rights, so it did not touch the file.
    Unconfined(String),
    /// It holds nothing.
    Empty,
}

/// Something that the child tried and must not be able to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What: `open /etc/passwd`.
    pub what: String,
    /// What came of it: the kernel's refusal, or nothing where it succeeded.
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
