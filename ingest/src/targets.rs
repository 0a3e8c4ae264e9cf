//! What fuzzing calls: one function for each parser of our own, on bytes that anyone may have sent.
//!
//! `ingest/tests/fuzz.rs` runs each on a few thousand mutants of the seeds in `ingest/fuzz/seeds`;
//! `make fuzz` runs them for as long as it is told. A target panics where the parser does, or where
//! what it found would not be believed by the parent.

use crate::chunk::{ChunkSettings, TokenCounter, cut};
use crate::error::Quarantine;
use crate::formats::{Failure, Sink, Source, recognise};
use crate::limits::Limits;
use crate::reader::gather::Gathered;
use crate::wire::{Frame, Info, PageFrame};
use cloister_domain::Page;
use std::io::{self, Cursor, Write};

/// A parser, and how to run it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also that of the folder with its seeds.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&[u8]),
}

/// Every target.
pub static TARGETS: &[Target] = &[
    target("docx", |bytes| read(&zipped(bytes), "fuzz.docx")),
    target("pptx", |bytes| read(&zipped(bytes), "fuzz.pptx")),
    target("odf", |bytes| read(&zipped(bytes), "fuzz.odt")),
    target("xlsx", |bytes| read(&zipped(bytes), "fuzz.xlsx")),
    target("msg", |bytes| read(&compound(bytes), "fuzz.msg")),
    target("eml", |bytes| read(bytes, "fuzz.eml")),
    target("rtf", |bytes| read(bytes, "fuzz.rtf")),
    target("html", |bytes| read(bytes, "fuzz.html")),
    target("markdown", |bytes| read(bytes, "fuzz.md")),
    target("text", |bytes| read(bytes, "fuzz.txt")),
    target("csv", |bytes| read(bytes, "fuzz.csv")),
    target("chunks", chunks),
    target("wire", wire),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// Runs one target.
pub fn run(name: &str, bytes: &[u8]) {
    if let Some(target) = TARGETS.iter().find(|target| target.name == name) {
        (target.run)(bytes);
    }
}

/// Reads a file as the child does, and checks what comes of it as the parent does.
fn read(bytes: &[u8], name: &str) {
    let mut frames = Frames::default();
    let source = Source::new(bytes.to_vec(), name);
    let read = recognise(&source).and_then(|format| format.read(&source, 1, true, &mut frames));
    if let Err(Failure::Refused(_)) = read {
        return;
    }
    let mut gathered = Gathered::new(name, Limits::default());
    let heard = frames.info.map_or(Ok(()), |info| gathered.info(info));
    let mut pages = frames.pages.into_iter();
    let heard = heard.and_then(|()| pages.try_for_each(|page| gathered.page(page)));
    assert!(
        !matches!(heard, Err(Quarantine::Nonsense { .. })),
        "the parent does not believe it: {heard:?}"
    );
}

/// What a format sent.
#[derive(Default)]
struct Frames {
    info: Option<Info>,
    pages: Vec<PageFrame>,
}

impl Sink for Frames {
    fn info(&mut self, info: Info) -> io::Result<()> {
        self.info = Some(info);
        Ok(())
    }

    fn page(&mut self, page: PageFrame) -> io::Result<()> {
        self.pages.push(page);
        Ok(())
    }

    fn lost(&mut self, _page: u32) -> io::Result<()> {
        Ok(())
    }

    fn attachment(&mut self, _name: &str, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// The files that a seed describes: each begins with a line `%% name`. A mutant of such a seed
/// reaches the parser of what is inside, where one of an archive would end at its checksum.
fn parts(bytes: &[u8]) -> Vec<(String, &[u8])> {
    let mut parts = Vec::new();
    let mut rest = bytes.strip_prefix(b"%% ").unwrap_or(bytes);
    loop {
        let next = rest.windows(4).position(|four| four == b"\n%% ");
        let (part, after) = match next.and_then(|at| rest.split_at_checked(at)) {
            Some((part, after)) => (part, after.get(4..)),
            None => (rest, None),
        };
        let end = part.iter().position(|byte| *byte == b'\n');
        let (name, content) = part.split_at(end.unwrap_or(part.len()));
        let name = String::from_utf8_lossy(name).into_owned();
        parts.push((name, content.get(1..).unwrap_or_default()));
        match after {
            Some(after) => rest = after,
            None => return parts,
        }
    }
}

/// A ZIP archive with these parts.
fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::CompressionMethod::Stored;
    let options = zip::write::SimpleFileOptions::default().compression_method(stored);
    for (name, content) in parts(bytes) {
        // A name that a mutation repeats is refused, which is no matter.
        let _written = archive
            .start_file(name, options)
            .map(|()| archive.write_all(content));
    }
    let finished = archive.finish();
    finished.map(Cursor::into_inner).unwrap_or_default()
}

/// A file as Outlook makes them, with these streams.
fn compound(bytes: &[u8]) -> Vec<u8> {
    let write = || -> io::Result<Vec<u8>> {
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new()))?;
        for (name, content) in parts(bytes) {
            // The writer asserts that names are short and plain; what is under test reads.
            let plain = |c: char| c.is_ascii_alphanumeric() || "_.#-".contains(c);
            let is_plain = |step: &str| step.len() < 32 && step.chars().all(plain);
            if !name.split('/').all(is_plain) {
                continue;
            }
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            if !folder.is_empty() {
                let _known = file.create_storage_all(folder);
            }
            if let Ok(mut stream) = file.create_stream(&name) {
                stream.write_all(content)?;
            }
        }
        file.flush()?;
        Ok(file.into_inner().into_inner())
    };
    write().unwrap_or_default()
}

/// Counts bytes, so that small inputs are long passages.
struct Bytes;

impl TokenCounter for Bytes {
    fn count(&self, text: &str) -> usize {
        text.len().div_ceil(4)
    }
}

/// Cuts a text into passages: the first two bytes say how. Every passage must be found on its page.
fn chunks(bytes: &[u8]) {
    let Some((&[most, overlap], rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let mut frames = Frames::default();
    let source = Source::new(rest.to_vec(), "fuzz.md");
    let format = recognise(&source);
    if format
        .and_then(|format| format.read(&source, 1, true, &mut frames))
        .is_err()
    {
        return;
    }
    let pages: Vec<Page> = frames.pages.into_iter().map(|frame| frame.page).collect();
    let settings = ChunkSettings {
        most_tokens: usize::from(most),
        overlap_tokens: usize::from(overlap),
    };
    for passage in cut(&pages, &Bytes, &settings) {
        let found: Vec<&str> = passage
            .spans
            .iter()
            .filter_map(|span| {
                let page = pages.iter().find(|page| page.number == span.page)?;
                span.range.of(&page.content.text)
            })
            .collect();
        assert_eq!(found.join("\n"), passage.text, "its places do not say it");
        let sentences = passage.sentences.iter().map(|s| s.of(&passage.text));
        assert!(
            sentences.into_iter().all(|s| s.is_some()),
            "a sentence is out of it"
        );
    }
}

/// The parent's side: whatever the child sends, the parent gets pages or a reason.
fn wire(bytes: &[u8]) {
    let mut gathered = Gathered::new("fuzz", Limits::default());
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let Some((frame, after)) = after.split_at_checked(length) else {
            break;
        };
        rest = after;
        let heard = match serde_json::from_slice(frame) {
            Ok(Frame::Info(info)) => gathered.info(info),
            Ok(Frame::Page(page)) => gathered.page(*page),
            Ok(Frame::Lost { page }) => {
                gathered.lose(page);
                Ok(())
            }
            Ok(Frame::Attachment { name }) => {
                gathered.attachment(&name, Vec::new());
                Ok(())
            }
            Ok(_) | Err(_) => Ok(()),
        };
        if heard.is_err() {
            return;
        }
    }
    let _read = gathered.finish();
}
