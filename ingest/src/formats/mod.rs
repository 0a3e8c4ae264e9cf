//! The formats that are read, in one table, and the seam for more.
//!
//! What a file is, its content decides; its name only tells Markdown from other plain text.

pub mod archive;
pub mod docx;
pub mod excel;
pub mod flow;
pub mod foreign;
pub mod html;
pub mod image;
pub mod mail;
pub mod markdown;
pub mod numbers;
pub mod odf;
pub mod ole;
pub mod opc;
pub mod pdf;
pub mod pptx;
pub mod rtf;
pub mod sections;
pub mod sheets;
pub mod text;
pub mod xml;

use crate::wire::{Info, PageFrame, Refusal};
use std::io;

/// A format that can be read.
pub trait Format: Sync {
    /// Its name in [`cloister_domain::DocumentInfo::format`].
    fn name(&self) -> &'static str;

    /// Its name for people: `PDF`, `Markdown`.
    fn label(&self) -> &'static str;

    /// Whether this file is of this format. The table is asked in order, and the first that says
    /// yes reads the file.
    fn recognises(&self, source: &Source) -> bool;

    /// Sends the file's [`Info`] once, then its pages in order. Pages before `from_page` may be
    /// left out; `structure` is false after a crash, to do without whatever is not text.
    fn read(
        &self,
        source: &Source,
        from_page: u32,
        structure: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure>;

    /// Draws one page. Formats without drawn pages leave this as it is.
    fn draw(
        &self,
        _source: &Source,
        _page: u32,
        _dpi: u32,
        _pixels: u32,
    ) -> Result<Picture, Failure> {
        Err(Refusal::NotDrawn.into())
    }
}

/// Every format, in the order in which they are asked.
pub static FORMATS: &[&dyn Format] = &[
    &pdf::Pdf,
    &image::Image,
    &docx::Docx,
    &pptx::Pptx,
    &excel::Excel,
    &excel::OldExcel,
    &odf::Odt,
    &odf::Odp,
    &odf::Ods,
    &mail::Msg,
    &mail::Eml,
    &rtf::Rtf,
    &html::Html,
    &markdown::Markdown,
    &text::PlainText,
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
}

impl Source {
    /// The file `name`, which holds `bytes`.
    pub fn new(bytes: Vec<u8>, name: &str) -> Self {
        Self {
            bytes,
            name: name.to_owned(),
            passwords: Vec::new(),
        }
    }

    /// The name's ending, in lower case.
    pub fn extension(&self) -> String {
        self.name
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_ascii_lowercase())
            .unwrap_or_default()
    }

    /// The first bytes, at most `count`.
    pub fn head(&self, count: usize) -> &[u8] {
        self.bytes.get(..count).unwrap_or(&self.bytes)
    }
}

/// Where a format puts what it finds.
pub trait Sink {
    /// Takes what the file says about itself.
    fn info(&mut self, info: Info) -> io::Result<()>;
    /// Takes a page.
    fn page(&mut self, page: PageFrame) -> io::Result<()>;
    /// Takes note of a page that could not be read.
    fn lost(&mut self, page: u32) -> io::Result<()>;
    /// Takes a file that lies inside this one. It becomes a document of its own.
    fn attachment(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// A drawn page.
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
    /// The file is to blame.
    Refused(Refusal),
    /// The parent no longer listens, or the file cannot be read from the disk.
    Unsent(io::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Self {
        Self::Unsent(cause)
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(cause: rustix::io::Errno) -> Self {
        Self::Unsent(cause.into())
    }
}

/// The format of this file.
pub fn recognise(source: &Source) -> Result<&'static dyn Format, Failure> {
    if source.bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::Empty.into());
    }
    FORMATS
        .iter()
        .find(|format| format.recognises(source))
        .copied()
        .ok_or_else(|| foreign::refusal(source).into())
}

/// The formats that are read, as a list for people: `PDF, Word (.docx), HTML and text`.
pub fn readable() -> String {
    let labels: Vec<_> = FORMATS.iter().map(|format| format.label()).collect();
    match labels.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => labels.concat(),
    }
}
