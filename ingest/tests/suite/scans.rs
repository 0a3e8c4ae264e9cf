//! Scanned pages: rendered by the reader, recognised by tesseract.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a picture that cannot be made fails its test, and a test that is skipped says so"
)]

use crate::support::{Line, file, outline, pdf, pdf_of, read, reader};
use cloister_domain::ByteRange;
use cloister_ingest::{Limits, OcrEngine, Reader};
use image::{ImageFormat, RgbImage};
use lopdf::{Dictionary, Stream, dictionary};
use std::io::Cursor;
use std::path::Path;

/// A reader with text recognition, or `None` if tesseract is not installed.
fn recognising() -> Option<Reader> {
    match OcrEngine::find(Path::new("/usr/bin/tesseract"), &["eng".to_owned()]) {
        Ok(recogniser) => Some(reader(Limits::default()).with_ocr(recogniser)),
        Err(cause) => {
            eprintln!("skipped: {cause}");
            None
        }
    }
}

/// A page of a ward's handbook, as a picture with 150 dots per inch.
async fn scanned() -> RgbImage {
    let lines = vec![
        Line(20.0, false, 72.0, 700.0, "Paracetamol in adults"),
        Line(11.0, false, 72.0, 660.0, "Give one gram every six hours,"),
        Line(11.0, false, 72.0, 645.0, "at most four grams a day."),
        Line(11.0, false, 72.0, 600.0, "Ask a pharmacist below 50 kg."),
    ];
    let page = pdf(&[lines], &Dictionary::new());
    let png = reader(Limits::default())
        .render_page(file(&page), "page.pdf", 1, 150)
        .await
        .expect("a picture");
    let picture = image::load_from_memory_with_format(&png, ImageFormat::Png);
    picture.expect("a PNG file").to_rgb8()
}

fn saved(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("a picture");
    bytes.into_inner()
}

fn warns_about_recognised_pages(text: &str) -> bool {
    [
        "Paracetamol in adults",
        "Give one gram every six hours, at most four grams a day.",
    ]
    .iter()
    .all(|sentence| text.contains(sentence))
}

#[tokio::test]
async fn scanned_pages_are_read_with_word_positions() {
    let Some(reader) = recognising() else { return };
    let page = scanned().await;
    for (name, format) in [
        ("page.png", ImageFormat::Png),
        ("page.jpg", ImageFormat::Jpeg),
        ("page.bmp", ImageFormat::Bmp),
    ] {
        let bytes = saved(&page, format);
        let read = reader.extract(file(&bytes), name, |_, _| {}).await;
        let read = read.expect("a scanned page");
        let page = &read.pages[0];
        let text = &page.content.text;
        assert!(
            warns_about_recognised_pages(text),
            "{name}: {:?}",
            outline(page)
        );
        assert!(
            read.info.warnings[0].contains("was a picture"),
            "{:?}",
            read.info.warnings
        );
        let at = text.find("four grams").expect("the dose");
        let rects = page.content.rects(ByteRange::new(at, at + 10));
        // The second line of the paragraph, on a letter page that is shown with the length of A4.
        let line = rects.first().expect("a place");
        assert!(
            (line.y0..line.y1).contains(&((792.0 - 647.0) * 842.0 / 792.0)),
            "{line:?}"
        );
    }
}

#[tokio::test]
async fn a_page_scanned_on_its_side_is_read() {
    let Some(reader) = recognising() else { return };
    let rotated = image::imageops::rotate90(&scanned().await);
    let bytes = saved(&rotated, ImageFormat::Png);
    let read = reader.extract(file(&bytes), "turned.png", |_, _| {}).await;
    let read = read.expect("a scanned page");
    assert!(
        warns_about_recognised_pages(&read.pages[0].content.text),
        "{:?}",
        outline(&read.pages[0])
    );
}

#[tokio::test]
async fn every_page_of_a_fax_is_read() {
    use tiff::encoder::{TiffEncoder, colortype::Gray8};
    let Some(reader) = recognising() else { return };
    let page = image::DynamicImage::ImageRgb8(scanned().await).to_luma8();
    let mut bytes = Cursor::new(Vec::new());
    let mut fax = TiffEncoder::new(&mut bytes).expect("a TIFF file");
    for _page in 0..2 {
        fax.write_image::<Gray8>(page.width(), page.height(), page.as_raw())
            .expect("a page");
    }
    let read = reader.extract(file(bytes.get_ref()), "fax.tif", |_, _| {});
    let read = read.await.expect("two scanned pages");
    assert_eq!(read.pages.len(), 2);
    assert!(
        read.pages
            .iter()
            .all(|page| warns_about_recognised_pages(&page.content.text))
    );
    let drawn = reader
        .render_page(file(bytes.get_ref()), "fax.tif", 2, 100)
        .await;
    assert!(drawn.expect("the second page").starts_with(b"\x89PNG"));
}

/// The scanned page in a PDF, with a line of text that a fax machine put above it.
async fn stamped() -> Vec<u8> {
    let picture = scanned().await;
    let bytes = saved(&picture, ImageFormat::Jpeg);
    let (width, height) = picture.dimensions();
    let stamp = "FAX 2026-03-04 09:12 FROM 0049 40 555 0100 TO NORTH CLINIC ARCHIVE NO 20260304-117 PAGE 001/001";
    let content = format!("q 612 0 0 792 0 0 cm /Scan Do Q BT /F1 8 Tf 30 775 Td ({stamp}) Tj ET");
    pdf_of(&[content.into_bytes()], &Dictionary::new(), |document| {
        let image = dictionary! {
            "Type" => "XObject", "Subtype" => "Image", "Width" => i64::from(width), "Height" => i64::from(height),
            "ColorSpace" => "DeviceRGB", "BitsPerComponent" => 8, "Filter" => "DCTDecode",
        };
        let image = document.add_object(Stream::new(image, bytes.clone()));
        dictionary! { "Scan" => image }
    })
}

#[tokio::test]
async fn a_line_of_text_on_a_scan_does_not_keep_it_from_being_recognised() {
    let bytes = stamped().await;
    let plain = read("fax.pdf", &bytes).await.expect("the stamp");
    let warnings = plain.info.warnings.join(" ");
    assert!(warnings.contains("is a picture"), "{warnings}");
    let Some(reader) = recognising() else { return };
    let read = reader.extract(file(&bytes), "fax.pdf", |_, _| {}).await;
    let read = read.expect("a scanned page");
    let text = &read.pages[0].content.text;
    assert!(warns_about_recognised_pages(text), "{text}");
    assert!(text.contains("ARCHIVE NO 20260304-117"), "{text}");
    assert_eq!(
        text.matches("NORTH CLINIC").count(),
        1,
        "the stamp stands once: {text}"
    );
}

#[tokio::test]
async fn without_ocr_a_scanned_page_is_reported() {
    let bytes = saved(&scanned().await, ImageFormat::Png);
    let cause = read("page.png", &bytes).await.expect_err("no text");
    assert_eq!(cause.code(), "no-text");
    assert!(
        cause
            .to_string()
            .contains("text recognition is not installed"),
        "{cause}"
    );
}

#[tokio::test]
async fn a_picture_too_large_for_memory_is_refused() {
    // Only the header claims 40,000 by 40,000 pixels.
    let mut bytes = saved(&RgbImage::new(8, 8), ImageFormat::Bmp);
    bytes[18..22].copy_from_slice(&40_000_u32.to_le_bytes());
    bytes[22..26].copy_from_slice(&40_000_u32.to_le_bytes());
    let cause = read("huge.bmp", &bytes).await.expect_err("refused");
    assert_eq!(cause.code(), "inflates", "{cause}");
}

#[tokio::test]
async fn a_missing_language_is_reported() {
    let program = Path::new("/usr/bin/tesseract");
    let Err(cause) = OcrEngine::find(program, &["xyz".to_owned()]) else {
        panic!("nobody speaks it")
    };
    assert!(
        cause.contains("xyz") || cause.contains("is not there"),
        "{cause}"
    );
}
