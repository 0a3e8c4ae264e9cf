//! PDF: hayro reads the text and draws the pages, lopdf reads title and outline.

pub mod blocks;
pub mod draw;
pub mod glyphs;
pub mod marker;
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
        let found = if structure && from_page <= 1 {
            structure::read(&source.bytes)
        } else {
            structure::Structure::default()
        };
        let pdf = open(source)?;
        let pages = pdf.pages();
        sink.info(Info {
            format: self.name().to_owned(),
            title: found.title,
            pages: u32::try_from(pages.len()).unwrap_or(u32::MAX),
            outline: found.outline,
            ..Info::default()
        })?;
        let cache = InterpreterCache::new();
        for (number, page) in (1_u32..).zip(pages.iter()) {
            if number < from_page {
                continue;
            }
            match catch_unwind(AssertUnwindSafe(|| read_page(number, page, &cache))) {
                Ok(frame) => sink.page(frame)?,
                Err(_panic) => sink.lost(number)?,
            }
        }
        Ok(())
    }

    fn draw(&self, source: &Source, page: u32, dpi: u32, pixels: u32) -> Result<Picture, Failure> {
        let pdf = open(source)?;
        let index = usize::try_from(page).ok().and_then(|n| n.checked_sub(1));
        let found = index.and_then(|index| pdf.pages().get(index));
        draw::draw(found.ok_or(Refusal::NoSuchPage(page))?, dpi, pixels)
    }
}

fn open(source: &Source) -> Result<hayro_syntax::Pdf, Failure> {
    let pdf = hayro_syntax::Pdf::new(source.bytes.clone()).map_err(|cause| match cause {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => Refusal::Encrypted,
        LoadPdfError::Decryption(_) => {
            Refusal::Damaged("its encryption is not one that can be undone".to_owned())
        }
        LoadPdfError::Invalid => {
            Refusal::Damaged("it begins like a PDF and has no pages that can be found".to_owned())
        }
    })?;
    if pdf.pages().is_empty() {
        return Err(Refusal::Damaged("it has no pages".to_owned()).into());
    }
    Ok(pdf)
}

fn read_page<'a>(
    number: u32,
    page: &hayro_syntax::page::Page<'a>,
    cache: &InterpreterCache<'a>,
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
    let (content, styles) = blocks::page_text(order::in_order(pieces));
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
        },
    }
}
