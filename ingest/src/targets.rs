//! Fuzz targets: one function for each parser, on untrusted bytes.
//!
//! `ingest/tests/suite/fuzz.rs` runs each target on a few thousand mutants of the seeds in
//! `ingest/fuzz/seeds`; `make fuzz` runs them for a given time. A target panics if the parser
//! panics, or if the parent would reject the parser's result.

use crate::chunk::{ChunkSettings, CountTokens, chunk_pages};
use crate::formats::{Failure, ReadOptions, Sink, Source, detect_format};
use crate::limits::Limits;
use crate::quarantine::Quarantine;
use crate::reader::document_assembly::DocumentAssembly;
use crate::wire::{Frame, Info, PageFrame};
use cloister_domain::Page;
use std::io::{self, Cursor, Write};

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct FuzzTarget {
    /// Its name, and the name of the folder with its seeds.
    pub name: &'static str,
    /// The function that runs it.
    pub run: fn(&[u8]),
}

/// Every target.
pub static TARGETS: &[FuzzTarget] = &[
    target("docx", |bytes| check_format(&build_zip(bytes), "fuzz.docx")),
    target("pptx", |bytes| check_format(&build_zip(bytes), "fuzz.pptx")),
    target("odf", |bytes| check_format(&build_zip(bytes), "fuzz.odt")),
    target("xlsx", |bytes| check_format(&build_zip(bytes), "fuzz.xlsx")),
    target("msg", |bytes| {
        check_format(&build_compound_file(bytes), "fuzz.msg");
    }),
    target("eml", |bytes| check_format(bytes, "fuzz.eml")),
    target("rtf", |bytes| check_format(bytes, "fuzz.rtf")),
    target("html", |bytes| check_format(bytes, "fuzz.html")),
    target("markdown", |bytes| check_format(bytes, "fuzz.md")),
    target("text", |bytes| check_format(bytes, "fuzz.txt")),
    target("csv", |bytes| check_format(bytes, "fuzz.csv")),
    target("xml", |bytes| check_format(bytes, "fuzz.xml")),
    target("json", |bytes| check_format(bytes, "fuzz.json")),
    target("calendar", |bytes| check_format(bytes, "fuzz.ics")),
    target("mbox", |bytes| check_format(bytes, "fuzz.mbox")),
    target("winmail", |bytes| check_format(bytes, "winmail.dat")),
    target("p7m", |bytes| check_format(bytes, "fuzz.p7m")),
    target("doc", |bytes| {
        check_format(&build_compound_file(bytes), "fuzz.doc");
    }),
    target("ppt", |bytes| {
        check_format(&build_compound_file(bytes), "fuzz.ppt");
    }),
    target("xls", |bytes| {
        check_format(&build_compound_file(bytes), "fuzz.xls");
    }),
    target("xlsb", |bytes| check_format(&build_zip(bytes), "fuzz.xlsb")),
    target("encrypted", |bytes| {
        check_format(&build_compound_file(bytes), "fuzz.docx");
    }),
    target("epub", |bytes| check_format(&build_zip(bytes), "fuzz.epub")),
    target("zip", |bytes| check_format(bytes, "fuzz.zip")),
    target("image", |bytes| check_format(bytes, "fuzz.png")),
    target("chunks", check_chunks),
    target("wire", check_wire),
];

const fn target(name: &'static str, run: fn(&[u8])) -> FuzzTarget {
    FuzzTarget { name, run }
}

/// Runs the target of this name.
pub fn run(name: &str, bytes: &[u8]) {
    if let Some(target) = TARGETS.iter().find(|target| target.name == name) {
        (target.run)(bytes);
    }
}

/// Reads a file as the child does, and checks the result as the parent does.
fn check_format(bytes: &[u8], name: &str) {
    let mut frames = RecordingSink::default();
    let source = Source::new(bytes.to_vec(), name);
    let read = detect_format(&source)
        .and_then(|format| (format.extract)(&source, ReadOptions::default(), &mut frames));
    if let Err(Failure::Refused(_)) = read {
        return;
    }
    let mut assembly = DocumentAssembly::new(name, Limits::default());
    let heard = frames.info.map_or(Ok(()), |info| assembly.set_info(info));
    let mut pages = frames.pages.into_iter();
    let heard = heard.and_then(|()| pages.try_for_each(|page| assembly.add_page(page)));
    assert!(
        !matches!(heard, Err(Quarantine::Nonsense { .. })),
        "the parent does not believe it: {heard:?}"
    );
}

/// What a format sent.
#[derive(Default)]
struct RecordingSink {
    info: Option<Info>,
    pages: Vec<PageFrame>,
}

impl Sink for RecordingSink {
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

/// The files that a seed describes. Each begins with a line `%% name`. A mutant of such a seed
/// reaches the parsers of the parts; a mutant of an archive would fail at its checksum.
fn seed_parts(bytes: &[u8]) -> Vec<(String, &[u8])> {
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
fn build_zip(bytes: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::CompressionMethod::Stored;
    let options = zip::write::SimpleFileOptions::default().compression_method(stored);
    for (name, content) in seed_parts(bytes) {
        // A mutation may repeat a name. The writer refuses it, which is fine.
        let _written = archive
            .start_file(name, options)
            .map(|()| archive.write_all(content));
    }
    let finished = archive.finish();
    finished.map(Cursor::into_inner).unwrap_or_default()
}

/// An OLE compound file with these streams, as Outlook makes them.
fn build_compound_file(bytes: &[u8]) -> Vec<u8> {
    write_compound_file(bytes).unwrap_or_default()
}

fn write_compound_file(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new()))?;
    for (name, content) in seed_parts(bytes) {
        // The writer panics on invalid names, but this tests the reader.
        if !name.split('/').all(is_valid_stream_name) {
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
}

fn is_valid_stream_name(name: &str) -> bool {
    let mut chars = name.chars();
    name.len() < 32 && chars.all(|c| c.is_ascii_alphanumeric() || "_.#- ".contains(c))
}

/// Counts bytes, so that short inputs make several passages.
struct ByteTokens;

impl CountTokens for ByteTokens {
    fn count(&self, text: &str) -> usize {
        text.len().div_ceil(4)
    }
}

/// Divides a text into passages. The first two bytes are the settings. Every passage must be found
/// on its page.
fn check_chunks(bytes: &[u8]) {
    let Some((&[most, overlap], rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let mut frames = RecordingSink::default();
    let source = Source::new(rest.to_vec(), "fuzz.md");
    let format = detect_format(&source);
    if format
        .and_then(|format| (format.extract)(&source, ReadOptions::default(), &mut frames))
        .is_err()
    {
        return;
    }
    let pages: Vec<Page> = frames.pages.into_iter().map(|frame| frame.page).collect();
    let settings = ChunkSettings {
        most_tokens: usize::from(most),
        overlap_tokens: usize::from(overlap),
    };
    for passage in chunk_pages(&pages, &ByteTokens, &settings) {
        let found: Vec<&str> = passage
            .spans
            .iter()
            .filter_map(|span| {
                let page = pages.iter().find(|page| page.number == span.page)?;
                span.range.slice(&page.content.text)
            })
            .collect();
        assert_eq!(found.join("\n"), passage.text, "its places do not say it");
        let sentences = passage.sentences.iter().map(|s| s.slice(&passage.text));
        assert!(
            sentences.into_iter().all(|s| s.is_some()),
            "a sentence is out of it"
        );
    }
}

/// The parent's side: whatever the child sends, the parent gets pages or a reason.
fn check_wire(bytes: &[u8]) {
    let mut assembly = DocumentAssembly::new("fuzz", Limits::default());
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let Some((frame, after)) = after.split_at_checked(length) else {
            break;
        };
        rest = after;
        let heard = match serde_json::from_slice(frame) {
            Ok(Frame::Info(info)) => assembly.set_info(info),
            Ok(Frame::Page(page)) => assembly.add_page(*page),
            Ok(Frame::Lost { page }) => {
                assembly.mark_lost(page);
                Ok(())
            }
            Ok(Frame::Attachment { name }) => {
                assembly.add_attachment(&name, Vec::new());
                Ok(())
            }
            Ok(_) | Err(_) => Ok(()),
        };
        if heard.is_err() {
            return;
        }
    }
    let _read = assembly.finish();
}
