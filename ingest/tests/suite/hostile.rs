//! Files made to break parsers. Whatever happens to the child, the parent gets text or a reason.

#![expect(clippy::expect_used, reason = "a test without its files fails")]

use crate::support::{Line, file, pdf, pdf_of, read, reader, tight};
use cloister_ingest::{Extraction, Quarantine};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use lopdf::{Dictionary, Object, Stream, dictionary};
use std::io::Write;
use std::time::{Duration, Instant};

async fn read_tightly(name: &str, bytes: &[u8]) -> Result<Extraction, Quarantine> {
    let started = Instant::now();
    let read = reader(tight()).extract(file(bytes), name, |_, _| {}).await;
    let took = started.elapsed();
    assert!(took < Duration::from_secs(100), "{name} took {took:?}");
    read
}

async fn refused(name: &str, bytes: &[u8], code: &str, part: &str) {
    let cause = read_tightly(name, bytes).await.expect_err("a reason");
    assert_eq!(cause.code(), code, "{cause}");
    let message = cause.to_string();
    assert!(
        message.contains(part) && message.contains(name),
        "{message}"
    );
}

#[tokio::test]
async fn unsupported_files_are_identified() {
    refused(
        "x.zip",
        b"PK\x03\x04\x14\x00 notes.txt",
        "not-read",
        "a ZIP archive, which is not read",
    )
    .await;
    refused(
        "x.pdf",
        b"GIF89a\0\0",
        "not-read",
        "a GIF picture, which is not read. Cloister reads PDF",
    )
    .await;
    refused("x.txt", b"", "empty", "empty").await;
    refused("y.txt", b" \n ", "empty", "empty").await;
    refused("x.bin", b"\0\x01\x02\x03", "not-read", "of an unknown kind").await;
    refused(
        "x.pdf",
        b"%PDF-1.7\nnothing else",
        "damaged",
        "begins like a PDF",
    )
    .await;
}

#[tokio::test]
async fn a_page_without_text_is_reported_as_a_possible_scan() {
    let blank = pdf(&[vec![]], &Dictionary::new());
    refused("scan.pdf", &blank, "no-text", "no text on them").await;
}

#[tokio::test]
async fn an_encrypted_file_is_reported() {
    let mut document = lopdf::Document::load_mem(&pdf(
        &[vec![Line(10.0, false, 72.0, 700.0, "Secret")]],
        &Dictionary::new(),
    ))
    .expect("a document");
    let id = || Object::string_literal("0123456789abcdef");
    document.trailer.set("ID", vec![id(), id()]);
    let version = lopdf::EncryptionVersion::V2 {
        document: &document,
        owner_password: "owner",
        user_password: "user",
        key_length: 128,
        permissions: lopdf::Permissions::all(),
    };
    let state = lopdf::EncryptionState::try_from(version).expect("a state");
    document.encrypt(&state).expect("encryption");
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).expect("a file");
    refused("secret.pdf", &bytes, "encrypted", "password").await;
}

#[tokio::test]
async fn a_truncated_file_gives_text_or_a_reason() {
    let complete = pdf(
        &[vec![Line(10.0, false, 72.0, 700.0, "All of it")]],
        &Dictionary::new(),
    );
    for tenths in 1..10 {
        let cut = &complete[..complete.len() * tenths / 10];
        match read("cut.pdf", cut).await {
            Ok(read) => assert_eq!(read.pages.len(), 1),
            Err(cause) => assert!(!cause.is_ours(), "{cause}"),
        }
    }
}

#[tokio::test]
async fn flipped_bytes_give_text_or_a_reason() {
    let complete = pdf(
        &[vec![Line(10.0, false, 72.0, 700.0, "All of it")]],
        &Dictionary::new(),
    );
    for seed in 0_usize..40 {
        let mut bytes = complete.clone();
        for step in 1..6 {
            let at = (seed * 7919 + step * 104_729) % bytes.len();
            bytes[at] = bytes[at].wrapping_add(u8::try_from(seed).expect("small") | 1);
        }
        if let Err(cause) = read("flipped.pdf", &bytes).await {
            assert!(!cause.is_ours(), "{cause}");
        }
    }
}

#[tokio::test]
async fn nested_arrays_are_harmless() {
    let mut bytes = pdf(
        &[vec![Line(10.0, false, 72.0, 700.0, "Deep")]],
        &Dictionary::new(),
    );
    let nested = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let object = format!("\n9999 0 obj\n{nested}\nendobj\n");
    bytes.splice(9..9, object.bytes());
    if let Err(cause) = read_tightly("deep.pdf", &bytes).await {
        assert!(!cause.is_ours(), "{cause}");
    }
}

#[tokio::test]
async fn deeply_nested_html_is_harmless() {
    let bytes = format!("<html><p>Begin</p>{}", "<div>".repeat(200_000));
    if let Err(cause) = read_tightly("deep.html", bytes.as_bytes()).await {
        assert!(!cause.is_ours(), "{cause}");
    }
}

/// Ten form objects, each drawing the next one ten times: ten billion words from a few kilobytes.
fn billion_laughs() -> Vec<u8> {
    let words = b"BT /F1 10 Tf 72 700 Td (ha ha ha) Tj ET".to_vec();
    let good = b"BT /F1 10 Tf 72 700 Td (The other pages are read.) Tj ET".to_vec();
    let bad = b"/X0 Do".to_vec();
    pdf_of(&[good.clone(), bad, good], &Dictionary::new(), |document| {
        let mut inner = document.add_object(form(Dictionary::new(), words.clone()));
        for _ in 0..10 {
            let forms = dictionary! { "X" => inner };
            let content = b"/X Do ".repeat(10);
            inner = document.add_object(form(forms, content));
        }
        dictionary! { "X0" => inner }
    })
}

fn form(forms: Dictionary, content: Vec<u8>) -> Stream {
    let font = dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" };
    let dictionary = dictionary! {
        "Type" => "XObject",
        "Subtype" => "Form",
        "BBox" => vec![0.into(), 0.into(), 612.into(), 792.into()],
        "Resources" => dictionary! { "XObject" => forms, "Font" => dictionary! { "F1" => font } },
    };
    Stream::new(dictionary, content)
}

#[tokio::test]
async fn a_page_of_a_billion_laughs_is_lost_and_the_others_are_read() {
    let read = read_tightly("laughs.pdf", &billion_laughs())
        .await
        .expect("the other pages");
    let texts: Vec<_> = read
        .pages
        .iter()
        .map(|page| page.content.text.as_str())
        .collect();
    assert_eq!(
        texts,
        ["The other pages are read.", "", "The other pages are read."]
    );
    let warned = read
        .info
        .warnings
        .iter()
        .any(|w| w.starts_with("page 2: could not be read"));
    assert!(warned, "{:?}", read.info.warnings);
}

/// Zeros, compressed `times` times.
fn bomb(bytes: usize, times: u32) -> Vec<u8> {
    let mut packed = vec![b' '; bytes];
    for _ in 0..times {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&packed).expect("room");
        packed = encoder.finish().expect("packed");
    }
    packed
}

#[tokio::test]
async fn a_deflate_bomb_does_not_affect_the_parent() {
    let filters = |count: usize| vec![Object::from("FlateDecode"); count];
    let bytes = pdf_of(&[b"/X0 Do".to_vec()], &Dictionary::new(), |document| {
        let mut stream = form(Dictionary::new(), bomb(1 << 30, 2));
        stream.dict.set("Filter", filters(2));
        let id = document.add_object(stream);
        dictionary! { "X0" => id }
    });
    assert!(bytes.len() < 20_000);
    let cause = read_tightly("bomb.pdf", &bytes)
        .await
        .expect_err("a reason");
    assert!(
        matches!(
            cause,
            Quarantine::OutOfMemory { .. }
                | Quarantine::OutOfTime { .. }
                | Quarantine::NoText { .. }
                | Quarantine::NotUnderstood { .. }
        ),
        "{cause}"
    );
}

#[tokio::test]
async fn a_zip_bomb_is_refused() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    archive
        .start_file("word/document.xml", options)
        .expect("a part");
    archive.write_all(&vec![b' '; 200 << 20]).expect("room");
    let bytes = archive.finish().expect("an archive").into_inner();
    refused("bomb.docx", &bytes, "inflates", "inflates").await;
}

#[tokio::test]
async fn a_file_above_the_limit_is_refused_unread() {
    let mut limits = tight();
    limits.file_bytes = 100;
    let cause = reader(limits)
        .extract(file(&[b'a'; 101]), "long.txt", |_, _| {})
        .await
        .expect_err("a reason");
    assert_eq!(cause.code(), "too-large", "{cause}");
}

#[tokio::test]
async fn too_much_text_and_too_many_pages_are_refused() {
    let mut limits = tight();
    limits.text_bytes = 10;
    let cause = reader(limits)
        .extract(file(b"more than ten bytes"), "long.txt", |_, _| {})
        .await
        .expect_err("a reason");
    assert_eq!(cause.code(), "too-much-text", "{cause}");
    let mut limits = tight();
    limits.pages = 1;
    let two = b"# One\n\nText.\n\n# Two\n\nText.\n";
    let cause = reader(limits)
        .extract(file(two), "long.md", |_, _| {})
        .await
        .expect_err("a reason");
    assert_eq!(cause.code(), "too-many-pages", "{cause}");
}

#[tokio::test]
async fn a_missing_reader_is_the_appliances_fault() {
    let nowhere = cloister_ingest::Reader::new("/nonexistent/reader".into(), tight());
    let cause = nowhere
        .extract(file(b"text"), "a.txt", |_, _| {})
        .await
        .expect_err("a reason");
    assert!(cause.is_ours() && cause.code() == "not-started", "{cause}");
}

async fn read_soon(name: &str, bytes: &[u8], within: u64) -> Result<Extraction, Quarantine> {
    let started = Instant::now();
    let read = read_tightly(name, bytes).await;
    let took = started.elapsed();
    assert!(took < Duration::from_secs(within), "{name} took {took:?}");
    read
}

#[tokio::test]
async fn endlessly_nested_elements_are_read_in_seconds() {
    for tag in [
        "div",
        "b",
        "table><tr><td",
        "ul><li",
        "blockquote",
        "section><p",
        "font color=red",
    ] {
        let text = format!(
            "<html><body>{}deep</html>",
            format!("<{tag}>").repeat(100_000)
        );
        let read = read_soon("deep.html", text.as_bytes(), 20)
            .await
            .expect("text");
        let found: String = read.pages.iter().map(|p| p.content.text.as_str()).collect();
        assert!(found.contains("deep"), "{tag}");
    }
    // The part after them keeps its form.
    let text = format!(
        "<html><body>{}deep{}<h1>After</h1><p>them</p>",
        "<div>".repeat(5_000),
        "</div>".repeat(5_000)
    );
    let read = read_soon("after.html", text.as_bytes(), 20)
        .await
        .expect("text");
    let blocks: Vec<String> = read
        .pages
        .iter()
        .flat_map(crate::support::outline)
        .collect();
    assert_eq!(blocks, ["p deep", "h1 After", "p them"]);
}

/// An archive with one part that decompresses to far more than its size.
fn swollen(part: &str, others: &[(&str, &str)]) -> Vec<u8> {
    let blank = " ".repeat(140 << 20);
    let mut parts = vec![(part, blank.as_str())];
    parts.extend(others);
    crate::support::archive(&parts)
}

#[tokio::test]
async fn office_files_that_decompress_to_too_much_are_refused() {
    let kind = |kind| ("mimetype", kind);
    let open = |name, subtype| (name, swollen("content.xml", &[kind(subtype)]));
    let files = [
        open("a.odt", "application/vnd.oasis.opendocument.text"),
        open("a.ods", "application/vnd.oasis.opendocument.spreadsheet"),
        ("a.pptx", swollen("ppt/presentation.xml", &[])),
        (
            "a.docx",
            swollen("word/styles.xml", &[("word/document.xml", "<a/>")]),
        ),
        (
            "a.xlsx",
            swollen("xl/sharedStrings.xml", &[("xl/workbook.xml", "<a/>")]),
        ),
    ];
    for (name, bytes) in files {
        assert!(bytes.len() < 1 << 20, "{name}");
        refused(name, &bytes, "inflates", "inflates").await;
    }
}

#[tokio::test]
async fn declared_sizes_are_not_trusted() {
    let honest = crate::support::archive(&[("word/document.xml", "<w:document/>".repeat(20_000))]);
    // The compressed and uncompressed sizes are in the directory at the end of the archive.
    let directory = honest
        .windows(4)
        .rposition(|bytes| bytes == b"PK\x01\x02")
        .expect("a directory");
    for lie in [0_u32, 1, u32::MAX - 1] {
        let mut bytes = honest.clone();
        for (at, byte) in (directory + 20..directory + 28).zip(lie.to_le_bytes().repeat(2)) {
            bytes[at] = byte;
        }
        let cause = read_soon("lie.docx", &bytes, 20)
            .await
            .expect_err("a reason");
        assert!(!cause.is_ours(), "{cause}");
    }
}

#[tokio::test]
async fn entities_are_not_expanded() {
    let entity = |step: u32| {
        let before = format!("&a{};", step - 1).repeat(10);
        format!("<!ENTITY a{step} '{before}'>")
    };
    let entities: String = (1..30).map(entity).collect();
    let laughs = format!("<!DOCTYPE a [<!ENTITY a0 'ha'>{entities}");
    let text =
        format!("{laughs}]><w:document><w:p><w:r><w:t>&a29;seen</w:t></w:r></w:p></w:document>");
    let bytes = crate::support::archive(&[("word/document.xml", text)]);
    let read = read_soon("laughs.docx", &bytes, 20).await.expect("text");
    assert_eq!(read.pages[0].content.text, "seen");
}

#[tokio::test]
async fn a_table_of_maximum_width_is_harmless() {
    let far = |row: u32| {
        let skipped = "<table:table-cell table:number-columns-repeated=\"";
        format!(
            "<table:table-row>{skipped}{row}\"/><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row>"
        )
    };
    let rows: String = (1..20_000).map(far).collect();
    let content = format!(
        "<office:document-content><office:spreadsheet><table:table table:name=\"a\">{rows}</table:table></office:spreadsheet></office:document-content>"
    );
    let bytes = crate::support::archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", &content),
    ]);
    let read = read_soon("wide.ods", &bytes, 20).await.expect("text");
    let longest = read.pages.iter().map(|page| page.content.text.len()).max();
    assert!(longest < Some(1 << 20), "{longest:?}");
}

#[tokio::test]
async fn endlessly_nested_rich_text_and_mail_are_refused_or_read() {
    let groups = format!("{{\\rtf1{}", "{\\b ".repeat(1_000_000));
    refused(
        "deep.rtf",
        groups.as_bytes(),
        "damaged",
        "nested too deeply",
    )
    .await;
    let part =
        |part: u32| format!("Content-Type: multipart/mixed; boundary=b{part}\n\n--b{part}\n");
    let parts: String = (0..20_000).map(part).collect();
    let mail = format!("From: a@b.c\nMIME-Version: 1.0\n{parts}");
    if let Err(cause) = read_soon("deep.eml", mail.as_bytes(), 60).await {
        assert!(!cause.is_ours(), "{cause}");
    }
}

#[tokio::test]
async fn a_tree_of_two_hundred_thousand_pages_is_refused() {
    let mut document = lopdf::Document::with_version("1.7");
    let pages = document.new_object_id();
    let kids: Vec<Object> = (0..200_000)
        .map(|_| {
            let page = lopdf::dictionary! {
                "Type" => "Page", "Parent" => pages,
                "MediaBox" => vec![0.into(), 0.into(), 612.into(), 792.into()],
            };
            Object::Reference(document.add_object(page))
        })
        .collect();
    document.objects.insert(
        pages,
        lopdf::dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => 200_000 }.into(),
    );
    let catalog = document.add_object(lopdf::dictionary! { "Type" => "Catalog", "Pages" => pages });
    document.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).expect("a file");
    refused("tree.pdf", &bytes, "too-many-pages", "Split the file").await;
}
