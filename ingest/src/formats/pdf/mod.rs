//! PDF: hayro reads the text and draws the pages, lopdf reads title and outline.

pub mod blocks;
pub mod draw;
pub mod forms;
pub mod glyphs;
pub mod marker;
pub mod names;
pub mod order;
pub mod rows;
pub mod spoken;
pub mod structure;
pub mod words;

use super::{Failure, Format, Picture, Sink, Source};
use crate::wire::{Info, Notes, PageFrame, Refusal};
use cloister_domain::Page;
use hayro_interpret::{
    Context, InterpreterCache, InterpreterSettings, TransformExt, interpret_page, kurbo,
};
use hayro_syntax::{DecryptionError, LoadPdfError};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// PDF.
#[derive(Debug)]
pub struct Pdf;

/// The header may stand behind other bytes, as mail programs leave them.
const HEADER_WITHIN: usize = 1024;

impl Format for Pdf {
    fn name(&self) -> &'static str {
        "pdf"
    }

    fn label(&self) -> &'static str {
        "PDF"
    }

    fn recognises(&self, source: &Source) -> bool {
        source
            .head(HEADER_WITHIN)
            .windows(5)
            .any(|bytes| bytes == b"%PDF-")
    }

    fn read(
        &self,
        source: &Source,
        from_page: u32,
        structure: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let (pdf, password) = open(source)?;
        let found = if structure {
            structure::read(&source.bytes, password)
        } else {
            structure::Structure::default()
        };
        let pages = pdf.pages();
        sink.info(Info {
            format: self.name().to_owned(),
            title: found.title,
            date: found.date,
            pages: u32::try_from(pages.len()).unwrap_or(u32::MAX),
            outline: found.outline,
            ..Info::default()
        })?;
        for (name, bytes) in &found.files {
            sink.attachment(name, bytes)?;
        }
        let cache = InterpreterCache::new();
        for (number, page) in (1_u32..).zip(pages.iter()) {
            if number < from_page {
                continue;
            }
            let fields = found.fields.get(&number).map_or(&[][..], Vec::as_slice);
            match catch_unwind(AssertUnwindSafe(|| read_page(number, page, &cache, fields))) {
                Ok(frame) => sink.page(frame)?,
                Err(_panic) => sink.lost(number)?,
            }
        }
        Ok(())
    }

    fn draw(&self, source: &Source, page: u32, dpi: u32, pixels: u32) -> Result<Picture, Failure> {
        let (pdf, _) = open(source)?;
        let index = usize::try_from(page).ok().and_then(|n| n.checked_sub(1));
        let found = index.and_then(|index| pdf.pages().get(index));
        draw::draw(found.ok_or(Refusal::NoSuchPage(page))?, dpi, pixels)
    }
}

/// Opens the file, with the first password that does, and tells which that was. Many files have
/// an empty one.
fn open(source: &Source) -> Result<(hayro_syntax::Pdf, &str), Failure> {
    let passwords = source.passwords.iter().map(String::as_str);
    for password in std::iter::once("").chain(passwords) {
        let opened = hayro_syntax::Pdf::new_with_password(source.bytes.clone(), password);
        let refusal = match opened {
            Ok(pdf) if pdf.pages().is_empty() => {
                return Err(Refusal::Damaged("it has no pages".to_owned()).into());
            }
            Ok(pdf) => return Ok((pdf, password)),
            Err(LoadPdfError::Decryption(DecryptionError::PasswordProtected)) => continue,
            Err(LoadPdfError::Decryption(_)) => "its encryption is not one that can be undone",
            Err(LoadPdfError::Invalid) => "it begins like a PDF and has no pages that can be found",
        };
        return Err(Refusal::Damaged(refusal.to_owned()).into());
    }
    Err(Refusal::Encrypted.into())
}

fn read_page<'a>(
    number: u32,
    page: &hayro_syntax::page::Page<'a>,
    cache: &InterpreterCache<'a>,
    fields: &[forms::Field],
) -> PageFrame {
    let (width, height) = page.render_dimensions();
    let mut context = Context::new(
        page.initial_transform(true).to_kurbo(),
        kurbo::Rect::new(0.0, 0.0, f64::from(width), f64::from(height)),
        cache,
        page.xref(),
        InterpreterSettings::default(),
    );
    let mut collector = glyphs::Collector::new(width, height);
    interpret_page(page, &mut context, &mut collector);
    let pieces = rows::pieces(words::words(&collector.glyphs));
    let (mut content, mut styles) = blocks::page_text(order::in_order(pieces));
    let whole = kurbo::Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let to_page = page.initial_transform(true).to_kurbo();
    forms::add(fields, to_page, whole, &mut content, &mut styles);
    PageFrame {
        page: Page {
            number,
            width,
            height,
            content,
        },
        styles,
        notes: Notes {
            unreadable: collector.unreadable,
            outside: collector.outside,
            cut_short: collector.cut_short,
            pictured: collector.pictured > 0.5,
            hidden: collector.hidden(),
        },
    }
}
