//! A reading accounts for everything: what was left out on purpose is counted by kind, what was not
//! understood makes a document incomplete, and a file without text is neither.

#![expect(clippy::expect_used, reason = "a test without its files fails")]

use crate::support::{archive, read};
use cloister_domain::{LossKind, OmissionKind, ReadingAccount};

const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

async fn account_of(name: &str, bytes: &[u8]) -> ReadingAccount {
    read(name, bytes).await.expect("text").info.account
}

/// Checks that exactly these kinds were left out and not understood.
async fn check(
    name: &str,
    bytes: &[u8],
    left_out: &[(OmissionKind, u32)],
    lost: &[(LossKind, u32)],
) {
    let account = account_of(name, bytes).await;
    let found: Vec<_> = account.left_out.iter().map(|(k, n)| (*k, *n)).collect();
    assert_eq!(found, left_out, "left out of {name}");
    let found: Vec<_> = account
        .not_understood
        .iter()
        .map(|(k, n)| (*k, *n))
        .collect();
    assert_eq!(found, lost, "not understood of {name}");
    assert_eq!(account.is_incomplete(), !lost.is_empty());
}

fn relationships(links: &[(&str, &str, &str)]) -> String {
    let inner = links.iter().map(|(id, kind, target)| {
        format!(r#"<Relationship Id="{id}" Type="{RELATIONSHIPS}/{kind}" Target="{target}"/>"#)
    });
    format!(
        "<Relationships>{}</Relationships>",
        inner.collect::<String>()
    )
}

#[tokio::test]
async fn what_a_page_does_not_show_is_counted() {
    let page = b"<html><head><script>run()</script><style>p{}</style></head><body><!-- todo --><nav>Menu</nav>\
        <p hidden>Old dose</p><p>Give 5 mg.</p><img src=a><template><p>x</p></template></body></html>";
    check(
        "page.html",
        page,
        &[
            (OmissionKind::SourceComment, 1),
            (OmissionKind::HiddenText, 2),
            (OmissionKind::Navigation, 1),
            (OmissionKind::Picture, 1),
            (OmissionKind::Script, 2),
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn changes_prompts_macros_and_unknown_objects_of_word_are_counted() {
    let document = "<w:document><w:body><w:p><w:r><w:t>Give </w:t></w:r><w:del><w:r><w:delText>5</w:delText></w:r></w:del>\
        <w:r><w:t>10 mg.</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>no</w:t></w:r></w:p>\
        <w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:p><w:r><w:t>Click</w:t></w:r></w:p></w:sdtContent></w:sdt>\
        </w:body></w:document>";
    let parts: &[(&str, &[u8])] = &[
        ("word/document.xml", document.as_bytes()),
        ("word/vbaProject.bin", b"macro"),
        ("word/embeddings/oleObject1.bin", b"unknown"),
        ("word/media/image1.emf", b"drawing"),
    ];
    check(
        "dose.docm",
        &archive(parts),
        &[
            (OmissionKind::DeletedText, 1),
            (OmissionKind::HiddenText, 1),
            (OmissionKind::Macro, 1),
            (OmissionKind::Picture, 1),
            (OmissionKind::Placeholder, 1),
        ],
        &[(LossKind::Object, 1)],
    )
    .await;
}

#[tokio::test]
async fn a_sheet_that_is_lost_makes_a_workbook_incomplete() {
    let sheet = r#"<worksheet><sheetData><row r="1"><c r="A1"><v>5</v></c><c r="B1"><f>A1*2</f></c></row></sheetData></worksheet>"#;
    let links = relationships(&[
        ("r1", "worksheet", "worksheets/sheet1.xml"),
        ("r2", "worksheet", "worksheets/gone.xml"),
        ("r3", "xlMacrosheet", "macrosheets/sheet1.xml"),
    ]);
    let book = r#"<workbook><sheets><sheet name="Fees" r:id="r1"/><sheet name="Gone" r:id="r2"/><sheet name="Auto" r:id="r3"/></sheets></workbook>"#;
    let parts = [
        ("xl/workbook.xml", book),
        ("xl/_rels/workbook.xml.rels", links.as_str()),
        ("xl/worksheets/sheet1.xml", sheet),
    ];
    check(
        "fees.xlsx",
        &archive(&parts),
        &[(OmissionKind::Macro, 1)],
        &[(LossKind::Formula, 1), (LossKind::Sheet, 1)],
    )
    .await;
}

#[tokio::test]
async fn messages_and_archives_account_for_what_they_cannot_open() {
    let mail = b"From: a@b.example\nDate: Wed, 4 Mar 2026 09:15:00 +0100\nSubject: Note\nMIME-Version: 1.0\n\
        Content-Type: text/plain\n\n-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n";
    check("note.eml", mail, &[], &[(LossKind::Message, 1)]).await;
    let files = archive(&[
        ("a.txt", "Give 5 mg."),
        ("__MACOSX/._a.txt", "x"),
        ("Thumbs.db", "x"),
    ]);
    check("files.zip", &files, &[(OmissionKind::SystemFile, 2)], &[]).await;
}

#[tokio::test]
async fn characters_that_cannot_be_decoded_are_a_loss() {
    check(
        "a.txt",
        "Give \u{fffd} mg.".as_bytes(),
        &[],
        &[(LossKind::Character, 1)],
    )
    .await;
}

#[tokio::test]
async fn no_text_and_not_understood_are_different() {
    let links = relationships(&[("r1", "xlDialogsheet", "dialogsheets/sheet1.xml")]);
    let book = r#"<workbook><sheets><sheet name="Ask" r:id="r1"/></sheets></workbook>"#;
    let parts = [
        ("xl/workbook.xml", book),
        ("xl/_rels/workbook.xml.rels", links.as_str()),
    ];
    let cause = read("ask.xlsx", &archive(&parts))
        .await
        .expect_err("a reason");
    assert_eq!(cause.code(), "not-understood");
    let empty = b"<html><body><p> </p></body></html>";
    let cause = read("empty.html", empty).await.expect_err("a reason");
    assert_eq!(cause.code(), "no-text");
}
