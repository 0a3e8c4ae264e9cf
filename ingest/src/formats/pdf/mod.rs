//! PDF: hayro extracts the text and renders the pages, lopdf reads the structure.

pub mod actual_text;
pub mod annotations;
pub mod blocks;
pub mod forms;
pub mod glyph_text;
mod glyphs;
pub mod names;
pub mod order;
pub mod render;
pub mod right_to_left;
pub mod rows;
pub mod rules;
mod scripts;
mod signs;
mod struck;
pub mod structure;
pub mod tables;
pub mod words;
pub mod xfa;

use super::{Failure, Format, Picture, ReadOptions, Resolution, Sink, Source};
use crate::wire::{Info, Notes, PageFrame, Refusal};
use cloister_domain::Page;
use hayro_interpret::{
    Context, InterpreterCache, InterpreterSettings, TransformExt, interpret_page, kurbo,
};
use hayro_syntax::{DecryptionError, LoadPdfError};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The header may follow other bytes, which mail programs insert.
const MAX_HEADER_OFFSET: usize = 1024;

/// PDF.
pub const FORMAT: Format = Format {
    name: "pdf",
    label: "PDF",
    matches,
    extract,
    render_page: Some(render_page),
};

fn matches(source: &Source) -> bool {
    source
        .head(MAX_HEADER_OFFSET)
        .windows(5)
        .any(|bytes| bytes == b"%PDF-")
}

fn extract(source: &Source, options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let (pdf, password) = open_with_passwords(source)?;
    let found = if options.structure {
        structure::read_structure(&source.bytes, password)
    } else {
        structure::PdfStructure::default()
    };
    let pages = pdf.pages();
    let mut warnings = Vec::new();
    if found.xfa.is_some() {
        warnings.push(
            "it is a form in XML (XFA); its words and values were read, and its layout was not"
                .to_owned(),
        );
    }
    sink.info(Info {
        warnings,
        format: FORMAT.name.to_owned(),
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
    let mut above: Option<LastTable> = None;
    for (number, page) in (1_u32..).zip(pages.iter()) {
        if number < options.first_page {
            continue;
        }
        let extras = PageExtras {
            fields: found.fields.get(&number).map_or(&[][..], Vec::as_slice),
            annotations: found.annotations.get(&number),
        };
        let last = above.take();
        match catch_unwind(AssertUnwindSafe(|| {
            read_page(number, page, &cache, extras, last)
        })) {
            Ok((mut frame, table)) => {
                above = table;
                if let Some(form) = found.xfa.as_ref().filter(|_| number == 1) {
                    write_form(form, &mut frame);
                }
                sink.page(frame)?;
            }
            Err(_panic) => sink.lost(number)?,
        }
    }
    Ok(())
}

fn render_page(source: &Source, page: u32, resolution: Resolution) -> Result<Picture, Failure> {
    let (pdf, _) = open_with_passwords(source)?;
    let index = usize::try_from(page).ok().and_then(|n| n.checked_sub(1));
    let found = index.and_then(|index| pdf.pages().get(index));
    render::render(found.ok_or(Refusal::NoSuchPage(page))?, resolution)
}

/// Opens the file with the first password that works, and returns that password. Many encrypted
/// files have an empty password.
fn open_with_passwords(source: &Source) -> Result<(hayro_syntax::Pdf, &str), Failure> {
    let passwords = source.passwords.iter().map(String::as_str);
    for password in std::iter::once("").chain(passwords) {
        let opened = hayro_syntax::Pdf::new_with_password(source.bytes.clone(), password);
        let refusal = match opened {
            Ok(pdf) if pdf.pages().is_empty() => {
                return Err(Failure::damaged("it has no pages"));
            }
            Ok(pdf) => return Ok((pdf, password)),
            Err(LoadPdfError::Decryption(DecryptionError::PasswordProtected)) => continue,
            Err(LoadPdfError::Decryption(_)) => "its encryption is not one that can be undone",
            Err(LoadPdfError::Invalid) => "it begins like a PDF and has no pages that can be found",
        };
        return Err(Failure::damaged(refusal));
    }
    Err(Refusal::Encrypted.into())
}

/// Writes the words of an XML form onto a page, in place of its notice to wait.
fn write_form(form: &xfa::XfaForm, frame: &mut PageFrame) {
    let content = &mut frame.page.content;
    let notice = content.text.to_lowercase();
    if form.replaces_pages || notice.contains("please wait") {
        *content = cloister_domain::PageText::default();
        frame.styles.clear();
    }
    for line in &form.lines {
        forms::append_line(line, content, &mut frame.styles);
    }
}

/// What stands beside the text of a page in the structure of the file.
#[derive(Clone, Copy)]
struct PageExtras<'s> {
    fields: &'s [forms::FormField],
    annotations: Option<&'s annotations::PageAnnotations>,
}

/// The last table of a page, if nothing but its foot follows it.
type LastTable = tables::FoundTable;

/// The part of a page above and below which text does not part a table from its continuation.
const MARGIN: f32 = 0.12;

fn read_page<'a>(
    number: u32,
    page: &hayro_syntax::page::Page<'a>,
    cache: &InterpreterCache<'a>,
    extras: PageExtras<'_>,
    above: Option<LastTable>,
) -> (PageFrame, Option<LastTable>) {
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
    let page_rect = kurbo::Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let to_page = page.initial_transform(true).to_kurbo();
    let mut words = right_to_left::join_in_order(&collector.glyphs);
    let right_to_left = words.iter().any(|word| word.right_to_left);
    let areas = extras
        .annotations
        .map(|found| found.struck_areas(to_page))
        .unwrap_or_default();
    struck::mark(&mut words, &collector.rules, &areas);
    let fields = forms::place_boxes(extras.fields, to_page, &mut words);
    signs::place_signs(&mut words);
    let boxes = forms::box_areas(extras.fields, to_page);
    collector.rules.place_drawn_boxes(&boxes, &mut words);
    scripts::mark(&mut words);
    let mut search = tables::find_tables(rows::join_words(words), &collector.rules);
    if let Some(above) = above {
        search.continue_table(&above, height * MARGIN);
    }
    let last = search.last_table(height * (1.0 - MARGIN));
    let (mut content, mut styles) = blocks::build_page_text(order::order_with_tables(search));
    forms::append_fields(&fields, to_page, page_rect, &mut content, &mut styles);
    let remarks = extras.annotations.map_or(&[][..], |found| &found.texts);
    forms::append_fields(remarks, to_page, page_rect, &mut content, &mut styles);
    let frame = PageFrame {
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
            pictured: collector.pictured > 0.35,
            hidden: collector.hidden(),
            right_to_left,
        },
    };
    (frame, last)
}
