//! The supported formats, in one table, and the interface that each of them implements.
//!
//! The content of a file decides its format. The name is used only to tell text formats apart,
//! such as Markdown and plain text.

pub mod common;
pub mod data;
pub mod docx;
pub mod encrypted_office;
pub mod excel;
pub mod html;
pub mod image;
pub mod mail;
pub mod markdown;
pub mod odf;
pub mod old_office;
pub mod pdf;
pub mod pptx;
pub mod rtf;
pub mod text;

use crate::limits::HiddenCells;
use crate::wire::{Info, PageFrame, Refusal};
use common::sniff;
use std::io;

/// A format that can be read. Each format module has one `FORMAT` (or several) of this type.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name in [`cloister_domain::DocumentInfo::format`].
    pub name: &'static str,
    /// Its name for people: `PDF`, `Markdown`.
    pub label: &'static str,
    /// Whether a file is of this format. The first match in [`FORMATS`] reads the file.
    pub matches: fn(&Source) -> bool,
    /// Sends the file's [`Info`] once, and then its pages in order.
    pub extract: fn(&Source, ReadOptions, &mut dyn Sink) -> Result<(), Failure>,
    /// Renders one page as a picture. `None` for formats without fixed pages.
    pub render_page: Option<RenderPage>,
}

/// Renders a page of a file, counted from 1.
pub type RenderPage = fn(&Source, u32, Resolution) -> Result<Picture, Failure>;

/// What an extraction should include.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// The first page wanted, counted from 1. Earlier pages may be left out.
    pub first_page: u32,
    /// Whether to read the structure as well: title, outline, form fields and attachments. False
    /// after a crash, so that a second attempt reads the text only.
    pub structure: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            first_page: 1,
            structure: true,
        }
    }
}

/// The size of a rendered page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Dots per inch.
    pub dpi: u32,
    /// The maximum number of pixels. A larger page is rendered with fewer dots per inch.
    pub max_pixels: u32,
}

/// Every format, in the order in which they are tried.
pub static FORMATS: &[Format] = &[
    pdf::FORMAT,
    image::FORMAT,
    encrypted_office::FORMAT,
    docx::FORMAT,
    pptx::FORMAT,
    excel::XLSX,
    excel::XLS,
    old_office::DOC,
    old_office::PPT,
    odf::ODT,
    odf::ODP,
    odf::ODS,
    data::EPUB,
    data::ZIP,
    mail::MSG,
    mail::WINMAIL,
    mail::SIGNED,
    mail::MBOX,
    mail::EML,
    rtf::FORMAT,
    data::CARDS,
    html::FORMAT,
    data::XML,
    data::JSON,
    markdown::FORMAT,
    text::FORMAT,
];

/// A file in memory.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its name.
    pub name: String,
    /// Passwords that may open it.
    pub passwords: Vec<String>,
    /// What happens to hidden rows, columns and sheets.
    pub hidden_cells: HiddenCells,
}

impl Source {
    /// The file `name` with these bytes, and without passwords.
    pub fn new(bytes: Vec<u8>, name: &str) -> Self {
        Self {
            bytes,
            name: name.to_owned(),
            passwords: Vec::new(),
            hidden_cells: HiddenCells::default(),
        }
    }

    /// The file name's extension, in lower case.
    pub fn extension(&self) -> String {
        self.name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_ascii_lowercase())
            .unwrap_or_default()
    }

    /// The first bytes, at most `count`.
    pub fn head(&self, count: usize) -> &[u8] {
        self.bytes.get(..count).unwrap_or(&self.bytes)
    }
}

/// Receives what a format extracts.
pub trait Sink {
    /// Receives what the file says about itself.
    fn info(&mut self, info: Info) -> io::Result<()>;
    /// Receives a page.
    fn page(&mut self, page: PageFrame) -> io::Result<()>;
    /// Receives the number of a page that could not be read.
    fn lost(&mut self, page: u32) -> io::Result<()>;
    /// Receives a file that is contained in this one. It becomes a document of its own.
    fn attachment(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// A rendered page.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The PNG file.
    pub png: Vec<u8>,
}

/// Why reading ended early.
#[derive(Debug)]
pub enum Failure {
    /// The file is at fault.
    Refused(Refusal),
    /// The parent no longer listens, or the file cannot be read from the disk.
    Io(io::Error),
}

impl Failure {
    /// The file is damaged. `detail` completes the sentence "the file is damaged: …".
    pub fn damaged(detail: impl Into<String>) -> Self {
        Self::Refused(Refusal::Damaged(detail.into()))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(cause: rustix::io::Errno) -> Self {
        Self::Io(cause.into())
    }
}

/// Detects the format of a file.
pub fn detect_format(source: &Source) -> Result<Format, Failure> {
    if source.bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::Empty.into());
    }
    FORMATS
        .iter()
        .find(|format| (format.matches)(source))
        .copied()
        .ok_or_else(|| sniff::explain_refusal(source).into())
}

/// The labels of all formats, as a list for people: `PDF, Word (.docx), HTML and text`.
pub fn format_list() -> String {
    let labels: Vec<_> = FORMATS.iter().map(|format| format.label).collect();
    match labels.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => labels.concat(),
    }
}
