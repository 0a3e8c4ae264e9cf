//! Reads files as the server does, and prints the result.
//!
//! `read FILE...` prints the blocks of each file. `read --json FILE` prints one JSON object with
//! every page and word. `read --boxes PAGE DPI FILE` writes the picture with every word painted in
//! the colour of its block's kind. `read --draw PAGE DPI FILE` writes a PNG picture to stdout.
//! `read --passages FILE` prints the passages. `read --quiet FILE...` prints one line for each.

#[path = "support/boxes.rs"]
mod boxes;

use cloister_domain::{BlockKind, Page};
use cloister_ingest::{ChunkSettings, Extraction, Limits, OcrEngine, Quarantine, Reader};
use std::error::Error;
use std::fs::File;
use std::io::{Write, stdout};
use std::path::Path;
use std::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let reader = Reader::new(program()?, Limits::default());
    let languages = ["eng".to_owned()];
    let reader = match OcrEngine::find(Path::new("/usr/bin/tesseract"), &languages) {
        Ok(recogniser) => reader.with_ocr(recogniser),
        Err(_absent) => reader,
    };
    match words.as_slice() {
        ["--draw", page, dpi, file] => {
            let (page, dpi) = (page.parse()?, dpi.parse()?);
            let png = reader
                .render_page(File::open(file)?, file, page, dpi)
                .await?;
            stdout().write_all(&png)?;
        }
        ["--boxes", page, dpi, file] => {
            let (page, dpi): (usize, u32) = (page.parse()?, dpi.parse()?);
            let read = reader.extract(File::open(file)?, file, |_, _| {}).await?;
            let number = u32::try_from(page)?;
            let png = reader
                .render_page(File::open(file)?, file, number, dpi)
                .await?;
            let page = read.pages.get(page - 1).ok_or("no such page")?;
            stdout().write_all(&boxes::paint(page, &png)?)?;
        }
        ["--json", file] => {
            let read = reader.extract(File::open(file)?, file, |_, _| {}).await?;
            serde_json::to_writer(stdout(), &(read.info, read.pages))?;
        }
        ["--passages", file] => {
            let read = reader.extract(File::open(file)?, file, |_, _| {}).await?;
            let passages =
                cloister_ingest::chunk_pages(&read.pages, &WordEstimate, &ChunkSettings::default());
            for passage in passages {
                writeln!(stdout(), "== {:?} {:?}", passage.headings, passage.spans)?;
                writeln!(stdout(), "{} ({} tokens)\n", passage.text, passage.tokens)?;
            }
        }
        ["--quiet", files @ ..] => {
            for file in files {
                let started = Instant::now();
                let read = reader.extract(File::open(file)?, file, |_, _| {}).await;
                summary(file, &read, started.elapsed().as_millis())?;
            }
        }
        files => {
            for file in files {
                show(&reader.extract(File::open(file)?, file, |_, _| {}).await?)?;
            }
        }
    }
    Ok(())
}

/// The reader built together with this example.
fn program() -> Result<std::path::PathBuf, Box<dyn Error>> {
    let this = std::env::current_exe()?;
    let folder = this.parent().and_then(std::path::Path::parent);
    Ok(folder.ok_or("no build folder")?.join("cloister-reader"))
}

/// Estimates tokens from words, because there is no embedder.
struct WordEstimate;

impl cloister_ingest::CountTokens for WordEstimate {
    fn count(&self, text: &str) -> usize {
        text.split_whitespace().count() * 4 / 3
    }
}

fn summary(
    file: &str,
    read: &Result<Extraction, Quarantine>,
    millis: u128,
) -> Result<(), Box<dyn Error>> {
    let mut out = stdout();
    match read {
        Ok(read) => {
            let bytes: usize = read.pages.iter().map(|p| p.content.text.len()).sum();
            let (format, pages) = (&read.info.format, read.pages.len());
            write!(
                out,
                "ok\t{millis} ms\t{format}\t{pages} pages\t{bytes} bytes\t{file}"
            )?;
            writeln!(out, "\t{}", read.info.warnings.join("; "))?;
        }
        Err(cause) => writeln!(out, "{}\t{millis} ms\t{cause}", cause.code())?,
    }
    Ok(())
}

fn show(read: &Extraction) -> Result<(), Box<dyn Error>> {
    let mut out = stdout();
    writeln!(out, "{:?}", read.info)?;
    for Page {
        number,
        width,
        height,
        content,
    } in &read.pages
    {
        writeln!(out, "\n--- page {number} ({width} x {height})")?;
        for block in &content.blocks {
            let text = block.range.slice(&content.text).unwrap_or_default();
            let sign = match block.kind {
                BlockKind::Heading(level) => format!("h{level}"),
                BlockKind::Paragraph => "p".to_owned(),
                BlockKind::ListItem => "li".to_owned(),
                BlockKind::TableRow => "tr".to_owned(),
                BlockKind::Caption => "cap".to_owned(),
                BlockKind::RunningHeader => "fur".to_owned(),
            };
            writeln!(out, "{sign:>3}  {text}")?;
        }
    }
    Ok(())
}
