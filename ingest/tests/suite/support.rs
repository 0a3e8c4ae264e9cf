//! Small files for tests, and a reader for them.

#![expect(
    clippy::expect_used,
    reason = "a file that cannot be made fails its test"
)]

use cloister_domain::{BlockKind, Page};
use cloister_ingest::{Extraction, Limits, Quarantine, Reader};
use lopdf::content::{Content, Operation};
use lopdf::{Dictionary, Document, Object, ObjectId, Stream, dictionary};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// The reader under test.
pub fn reader(limits: Limits) -> Reader {
    Reader::new(PathBuf::from(env!("CARGO_BIN_EXE_cloister-reader")), limits)
}

/// Limits that hostile files reach soon, but generous on a busy machine.
pub fn tight() -> Limits {
    Limits {
        cpu: Duration::from_secs(8),
        wall: Duration::from_secs(90),
        opening: Duration::from_secs(20),
        page: Duration::from_secs(6),
        memory_bytes: 768 << 20,
        ..Limits::default()
    }
}

/// An unnamed file with these bytes.
pub fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("room on the disk");
    file
}

/// Reads `bytes` as a file called `name`.
pub async fn read(name: &str, bytes: &[u8]) -> Result<Extraction, Quarantine> {
    reader(Limits::default())
        .extract(file(bytes), name, |_, _| {})
        .await
}

/// A ZIP archive with these parts, compressed.
pub fn archive<B: AsRef<[u8]>>(parts: &[(&str, B)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in parts {
        archive.start_file(*name, options).expect("a part");
        archive.write_all(bytes.as_ref()).expect("room");
    }
    archive.finish().expect("an archive").into_inner()
}

/// Data for measurements that is never shipped: in `CLOISTER_SHARED`, or next to the workspace.
pub fn shared() -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    PathBuf::from(option_env!("CLOISTER_SHARED").unwrap_or(beside))
}

/// A page's blocks, each with an abbreviation of its kind.
pub fn outline(page: &Page) -> Vec<String> {
    let content = &page.content;
    let sign = |kind| match kind {
        BlockKind::Heading(level) => format!("h{level}"),
        BlockKind::Paragraph => "p".to_owned(),
        BlockKind::ListItem => "li".to_owned(),
        BlockKind::TableRow => "tr".to_owned(),
        BlockKind::Caption => "cap".to_owned(),
        BlockKind::RunningHeader => "fur".to_owned(),
    };
    content
        .blocks
        .iter()
        .map(|block| {
            let text = block.range.slice(&content.text).unwrap_or("?");
            format!("{} {text}", sign(block.kind))
        })
        .collect()
}

/// A line of text on a page: font size, whether it is bold, position from the lower left, text.
pub struct Line(pub f32, pub bool, pub f32, pub f32, pub &'static str);

/// A PDF whose pages contain these lines. `extra` is added to the page dictionary.
pub fn pdf(pages: &[Vec<Line>], extra: &Dictionary) -> Vec<u8> {
    let contents: Vec<Vec<u8>> = pages.iter().map(|lines| content(lines)).collect();
    pdf_of(&contents, extra, |_| Dictionary::new())
}

fn content(lines: &[Line]) -> Vec<u8> {
    let mut operations = Vec::new();
    for Line(size, bold, x, y, text) in lines {
        let font = if *bold { "F2" } else { "F1" };
        operations.push(Operation::new("BT", vec![]));
        operations.push(Operation::new("Tf", vec![font.into(), (*size).into()]));
        operations.push(Operation::new("Td", vec![(*x).into(), (*y).into()]));
        operations.push(Operation::new("Tj", vec![Object::string_literal(*text)]));
        operations.push(Operation::new("ET", vec![]));
    }
    Content { operations }.encode().expect("content")
}

/// A PDF whose pages have these content streams; `objects` adds form objects by name.
pub fn pdf_of(
    contents: &[Vec<u8>],
    extra: &Dictionary,
    objects: impl Fn(&mut Document) -> Dictionary,
) -> Vec<u8> {
    let mut document = Document::with_version("1.7");
    let pages_id = document.new_object_id();
    let font = |name: &str| {
        dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => name }
    };
    let forms = objects(&mut document);
    let resources = dictionary! {
        "Font" => dictionary! { "F1" => font("Helvetica"), "F2" => font("Helvetica-Bold") },
        "XObject" => forms,
    };
    let resources = document.add_object(resources);
    let kids: Vec<Object> = contents
        .iter()
        .map(|bytes| {
            let stream = document.add_object(Stream::new(Dictionary::new(), bytes.clone()));
            let mut page = dictionary! {
                "Type" => "Page",
                "Parent" => pages_id,
                "MediaBox" => vec![0.into(), 0.into(), 612.into(), 792.into()],
                "Contents" => stream,
                "Resources" => resources,
            };
            page.extend(extra);
            document.add_object(page).into()
        })
        .collect();
    finish(document, pages_id, kids)
}

fn finish(mut document: Document, pages_id: ObjectId, kids: Vec<Object>) -> Vec<u8> {
    let count = i64::try_from(kids.len()).expect("few pages");
    let pages = dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count };
    document.objects.insert(pages_id, pages.into());
    let info = dictionary! { "Title" => Object::string_literal("A small report") };
    let info = document.add_object(info);
    let catalog = dictionary! { "Type" => "Catalog", "Pages" => pages_id };
    let catalog = document.add_object(catalog);
    document.trailer.set("Root", catalog);
    document.trailer.set("Info", info);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).expect("a document");
    bytes
}

/// The text of all pages.
pub fn text(read: &Extraction) -> String {
    let pages = read.pages.iter().map(|page| page.content.text.as_str());
    pages.collect::<Vec<_>>().join("\n")
}

/// Checks that the text has these lines, or parts of lines, in this order.
pub async fn holds(name: &str, bytes: &[u8], wanted: &[&str]) {
    let text = text(&read(name, bytes).await.expect("text"));
    let mut rest = text.as_str();
    for wanted in wanted {
        let found = rest.split_once(wanted);
        assert!(found.is_some(), "{name}: `{wanted}` is missing in:\n{text}");
        rest = found.map_or("", |(_, after)| after);
    }
}

/// Checks that the text does not have this.
pub async fn lacks(name: &str, bytes: &[u8], unwanted: &str) {
    let text = text(&read(name, bytes).await.expect("text"));
    assert!(
        !text.contains(unwanted),
        "{name}: `{unwanted}` is in:\n{text}"
    );
}
