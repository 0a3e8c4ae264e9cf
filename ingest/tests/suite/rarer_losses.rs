//! Losses in what programs write more rarely, with files of our own.

#![expect(clippy::expect_used, reason = "a test without its files fails")]

use crate::support::{archive, holds, lacks, outline, read, text};
use std::io::Write;

#[tokio::test]
async fn the_style_sheet_of_a_book_changes_the_meaning_of_its_text() {
    let container =
        r#"<container><rootfiles><rootfile full-path="O/b.opf"/></rootfiles></container>"#;
    let package = r#"<package><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>
        <item id="s" href="css/s.css" media-type="text/css"/></manifest><spine><itemref idref="a"/></spine></package>"#;
    let page = r#"<html><body><p>Platelets 10<span class="up">9</span>/l, <span class="old">9 mg</span> 7 mg<i class="no">secret</i></p></body></html>"#;
    let sheet = ".up { vertical-align: super } .old { text-decoration: line-through } .no { display: none }";
    let book = archive(&[
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", container),
        ("O/b.opf", package),
        ("O/a.xhtml", page),
        ("O/css/s.css", sheet),
    ]);
    holds(
        "b.epub",
        &book,
        &["Platelets 10⁹/l, [struck out: 9 mg] 7 mg"],
    )
    .await;
    lacks("b.epub", &book, "secret").await;
}

#[tokio::test]
async fn tables_of_a_page_are_read_as_they_are_shown() {
    let page = b"<table><thead><tr><th>Item<th>EUR</thead><tfoot><tr><td>Total<td>30</tfoot>\
        <tbody><tr><td>Tea<td>10<tr><td>Cake<td>20</tbody></table>";
    holds("a.html", page, &["Tea | 10", "Cake | 20", "Total | 30"]).await;
    let boxes = b"<style>.r { display: table-row }</style><div style='display: table'>\
        <div class=r><span style='display:table-cell'>Digoxin</span><span style='display:table-cell'>0.2 mg</span></div>\
        <div class=r><span style='display:table-cell'>Heparin</span><span style='display:table-cell'>5 mg</span></div></div>";
    holds("b.html", boxes, &["Digoxin | 0.2 mg", "Heparin | 5 mg"]).await;
}

fn flat(kind: &str, before: &str, body: &str) -> Vec<u8> {
    format!(
        r#"<?xml version="1.0"?><office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" office:mimetype="application/vnd.oasis.opendocument.{kind}">{before}<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document>"#
    )
    .into_bytes()
}

#[tokio::test]
async fn flat_files_of_opendocument_leave_out_deletions_and_layouts() {
    let master = r"<office:master-styles><style:master-page><style:header><text:p>Form 17</text:p></style:header></style:master-page></office:master-styles>";
    let body = r#"<text:tracked-changes><text:changed-region text:id="c1"><text:deletion/></text:changed-region></text:tracked-changes>
        <text:p>Give 5 mg<text:change-start text:change-id="c1"/> or 50 mg<text:change-end text:change-id="c1"/> daily.</text:p>
        <text:p><field:fieldmark field:type="vnd.oasis.opendocument.field.FORMCHECKBOX"><field:param field:name="Checkbox_Checked" field:value="true"/></field:fieldmark>agrees
        <field:fieldmark field:type="vnd.oasis.opendocument.field.FORMCHECKBOX"/>refuses</text:p>"#;
    let file = flat("text", master, body);
    let wanted = ["Give 5 mg daily.", "☒ agrees", "☐ refuses", "Form 17"];
    holds("a.fodt", &file, &wanted).await;
    let layout = r"<office:master-styles><style:master-page><draw:frame><draw:text-box><text:p>Click to edit</text:p></draw:text-box></draw:frame></style:master-page></office:master-styles>";
    let slide = r"<draw:page><draw:frame><draw:text-box><text:p>Lock the doors</text:p></draw:text-box></draw:frame></draw:page>";
    let file = flat("presentation", layout, slide);
    holds("a.fodp", &file, &["Lock the doors"]).await;
    lacks("a.fodp", &file, "Click").await;
}

#[tokio::test]
async fn the_style_of_a_cell_strikes_its_text_out() {
    let style = r#"<office:automatic-styles><style:style style:name="ce1"><style:text-properties style:text-line-through-style="solid"/></style:style></office:automatic-styles>"#;
    let body = r#"<table:table table:name="S"><table:table-row><table:table-cell><text:p>Dose</text:p></table:table-cell>
        <table:table-cell table:style-name="ce1"><text:p>5 mg</text:p></table:table-cell><table:table-cell><text:p>7 mg</text:p></table:table-cell></table:table-row></table:table>"#;
    let file = flat("spreadsheet", style, body);
    holds("a.fods", &file, &["Dose | [struck out: 5 mg] | 7 mg"]).await;
}

#[tokio::test]
async fn cells_that_are_written_as_formulas_are_text() {
    let table = b"Code,Name\n=\"00123\",Ada\n=\"00456\",Tim\n=A1+1,Eva\n";
    holds(
        "a.csv",
        table,
        &["00123 | Ada", "00456 | Tim", "=A1+1 | Eva"],
    )
    .await;
    lacks("a.csv", table, "=\"").await;
}

#[tokio::test]
async fn files_in_the_text_of_a_message_are_attachments() {
    let mail =
        b"From: ada@x.example\r\nDate: Wed, 4 Mar 2026 09:15:00 +0100\r\nSubject: doses\r\n\r\n\
        See below.\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nRegards\r\n";
    let read = read("a.eml", mail).await.expect("text");
    let files: Vec<_> = read
        .attachments
        .iter()
        .map(|a| (a.name.as_str(), a.bytes.as_slice()))
        .collect();
    assert_eq!(files, [("cat.txt", b"Cat".as_slice())]);
    assert!(text(&read).contains("See below."), "{}", text(&read));
    assert!(!text(&read).contains("begin 644"), "{}", text(&read));
}

#[tokio::test]
async fn a_quantity_stands_with_its_comparison_and_its_unit() {
    let record = br#"{"resourceType": "Observation", "valueQuantity": {"value": 6.0, "comparator": ">", "unit": "mmol/l", "system": "http://unitsofmeasure.org"}}"#;
    holds("a.json", record, &["> 6.0 mmol/l"]).await;
    let xml = br#"<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="0.5"/><comparator value="&lt;"/><unit value="ng/l"/></valueQuantity></Observation>"#;
    holds("a.xml", xml, &["< 0.5 ng/l"]).await;
}

#[tokio::test]
async fn a_card_may_name_its_telephone_numbers() {
    let card = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Tim Berg\r\nitem1.TEL;TYPE=cell:+43 1 99\r\n\
        item1.X-ABLabel:Night duty\r\nTEL:+43 1 17\r\nEND:VCARD\r\n";
    let wanted = [
        "Telephone (cell, Night duty): +43 1 99",
        "Telephone: +43 1 17",
    ];
    holds("a.vcf", card, &wanted).await;
}

#[tokio::test]
async fn what_a_sheet_says_to_those_who_fill_it_in_is_read() {
    let workbook = r#"<workbook><sheets><sheet name="S" r:id="r1"/></sheets></workbook>"#;
    let relations = r#"<Relationships><Relationship Id="r1" Type="x/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
    let sheet = r#"<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>Route</t></is></c></row></sheetData>
        <dataValidations><dataValidation sqref="A2:A9" promptTitle="Hint" prompt="Never into the spine"/></dataValidations></worksheet>"#;
    let book = archive(&[
        ("xl/workbook.xml", workbook),
        ("xl/_rels/workbook.xml.rels", relations),
        ("xl/worksheets/sheet1.xml", sheet),
    ]);
    let wanted = ["Route", "Prompt on A2:A9: Hint: Never into the spine"];
    holds("a.xlsx", &book, &wanted).await;
}

fn put(place: &mut [u8], at: usize, bytes: &[u8]) {
    for (old, new) in place.iter_mut().skip(at).zip(bytes) {
        *old = *new;
    }
}

fn number(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("short").to_le_bytes()
}

/// A file of Word 97 with this text, which has one byte for each character, and for each of its
/// paragraphs their length and their properties.
fn old_word(text: &str, paragraphs: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut table = vec![2, 16, 0, 0, 0, 0, 0, 0, 0];
    table.extend(number(text.len()));
    table.extend([0, 0]);
    // The text begins at 1,024, which is counted twice if a character is one byte.
    table.extend((0x4000_0000_u32 | 2048).to_le_bytes());
    table.extend([0, 0]);
    let mut main = vec![0_u8; 2048];
    put(&mut main, 0, &[0xEC, 0xA5, 0xC1, 0]);
    put(&mut main, 0x4C, &number(text.len()));
    put(&mut main, 0x01A6, &number(table.len()));
    put(&mut main, 0x0102, &number(table.len()));
    put(&mut main, 0x0106, &number(12));
    put(&mut main, 1024, text.as_bytes());
    table.extend(number(1024));
    table.extend(number(1024 + text.len()));
    table.extend(number(4));
    main.extend(page_of(paragraphs));
    let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).expect("a file");
    for (name, bytes) in [("/WordDocument", main), ("/0Table", table)] {
        let mut stream = file.create_stream(name).expect("a stream");
        stream.write_all(&bytes).expect("room");
    }
    file.into_inner().into_inner()
}

/// A page with the properties of paragraphs, which fill it from its end.
fn page_of(paragraphs: &[(usize, Vec<u8>)]) -> [u8; 512] {
    let mut page = [0_u8; 512];
    let entries = (paragraphs.len() + 1) * 4;
    let (mut start, mut end) = (1024, 510);
    for (index, (length, properties)) in paragraphs.iter().enumerate() {
        put(&mut page, index * 4, &number(start));
        start += length;
        put(&mut page, (index + 1) * 4, &number(start));
        end -= (properties.len() + 2).next_multiple_of(2);
        let words = u8::try_from(properties.len().div_ceil(2)).expect("short");
        put(&mut page, end, &[0, words]);
        put(&mut page, end + 2, properties);
        let place = u8::try_from(end / 2).expect("in the page");
        put(&mut page, entries + index * 13, &[place]);
    }
    put(
        &mut page,
        511,
        &[u8::try_from(paragraphs.len()).expect("few")],
    );
    page
}

#[tokio::test]
async fn rows_of_old_word_documents_are_those_of_the_file() {
    let in_table = [0, 0, 0x16, 0x24, 1];
    // The cells end at these positions. The first one of the second row goes on from above.
    let row = |edges: &[i16], continues: bool| {
        let mut operand = vec![u8::try_from(edges.len()).expect("few")];
        operand.extend(
            std::iter::once(&0)
                .chain(edges)
                .flat_map(|edge| edge.to_le_bytes()),
        );
        operand.extend([if continues { 0x20 } else { 0x60 }, 0]);
        let size = u16::try_from(operand.len() + 1).expect("short");
        let mut properties = vec![0, 0, 0x16, 0x24, 1, 0x17, 0x24, 1, 0x08, 0xD6];
        properties.extend(size.to_le_bytes());
        properties.extend(operand);
        properties
    };
    let text = "Doses\rHeparin\x07Prevention\x075 mg\rdaily\x07\x07\x07Treatment\x077 mg\x07\x07All\x07as above\x07\x07After\r";
    let mut paragraphs = vec![(6, vec![1, 0])];
    let mut add = |lengths: &[usize], end: Vec<u8>| {
        paragraphs.extend(lengths.iter().map(|length| (*length, in_table.to_vec())));
        paragraphs.push((1, end));
    };
    add(&[8, 11, 5, 6], row(&[1000, 2000, 3000], false));
    add(&[1, 10, 5], row(&[1000, 2000, 3000], true));
    add(&[4, 9], row(&[1000, 3000], false));
    paragraphs.push((6, vec![0, 0]));
    let read = read("a.doc", &old_word(text, &paragraphs))
        .await
        .expect("text");
    let page = read.pages.first().expect("a page");
    assert_eq!(
        outline(page),
        [
            "h1 Doses",
            "tr Heparin | Prevention | 5 mg daily",
            "tr Heparin | Treatment | 7 mg",
            "tr All | as above",
            "p After"
        ]
    );
}
