//! Values, marks and letters that change their meaning when they are read wrong: encodings, symbol
//! fonts, number formats, struck and raised text, boxes, and what is hidden.

#![expect(clippy::expect_used, reason = "a test without its files fails")]

use crate::support::{archive, file, pdf_of, read, reader};
use cloister_ingest::limits::HiddenCells;
use cloister_ingest::{Extraction, Limits};
use lopdf::{Dictionary, dictionary};
use std::io::Write;

fn text(read: &Extraction) -> String {
    let pages = read.pages.iter().map(|page| page.content.text.as_str());
    pages.collect::<Vec<_>>().join("\n")
}

async fn check(name: &str, bytes: &[u8], wanted: &[&str], unwanted: &[&str]) {
    let text = text(&read(name, bytes).await.expect("text"));
    for wanted in wanted {
        assert!(
            text.contains(wanted),
            "{name}: `{wanted}` is not in:\n{text}"
        );
    }
    for unwanted in unwanted {
        assert!(
            !text.contains(unwanted),
            "{name}: `{unwanted}` is in:\n{text}"
        );
    }
}

#[tokio::test]
async fn texts_without_a_named_encoding_are_decoded() {
    for (label, words) in [
        (
            "windows-1251",
            "Пациент получает дозу 5 мг в сутки. Аллергия на пенициллин.",
        ),
        (
            "koi8-r",
            "Пациент получает дозу 5 мг в сутки. Аллергия на пенициллин.",
        ),
        (
            "windows-1253",
            "Ο ασθενής παίρνει 5 mg την ημέρα και έχει αλλεργία.",
        ),
        ("windows-1255", "המטופל נוטל וורפרין חמישה מיליגרם ביום"),
        (
            "shift_jis",
            "患者はペニシリンアレルギーがあります。投与しないでください。",
        ),
        (
            "gbk",
            "患者对青霉素过敏。付款限额为五万元。请在周五之前签字。",
        ),
        (
            "euc-kr",
            "환자는 페니실린 알레르기가 있습니다. 지급 한도는 오만 원입니다.",
        ),
        ("iso-2022-jp", "患者はアレルギーがあります。"),
        (
            "windows-1252",
            "The patient’s dose is “five” mg – daily, € 3 each.",
        ),
    ] {
        let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).expect("an encoding");
        let (bytes, _, _) = encoding.encode(words);
        check(&format!("{label}.txt"), &bytes, &[words], &[]).await;
    }
    // The lines of a table of DOS are not letters.
    check(
        "box.txt",
        b"\xC9\xCD\xCD\xCD\xCD\xCB\xCD\xCD\xBB\r\n\xBA Gr\x94\xE1e \xBA 12 \xBA\r\nPr\x81fung der Ger\x84te\r\n",
        &["Größe", "Prüfung der Geräte"],
        &[],
    )
    .await;
}

fn mail(header: &str, body: &[u8]) -> Vec<u8> {
    let head = "From: a@b.example\r\nTo: c@d.example\r\nDate: Wed, 4 Mar 2026 09:15:00 +0100\r\nMIME-Version: 1.0\r\n";
    let mut mail = format!("{head}{header}\r\n\r\n").into_bytes();
    mail.extend_from_slice(body);
    mail
}

#[tokio::test]
async fn mail_in_charsets_that_switch_is_decoded() {
    for (charset, body, expected) in [
        ("hz-gb-2312", &b"~{VPND~} ok"[..], "中文 ok"),
        ("iso-2022-kr", b"\x1b$)C\x0eGQ1[\x0f ok", "한글 ok"),
        ("iso-2022-jp-2", b"\x1b$B4A;z\x1b(B ok", "漢字 ok"),
        ("ibm437", b"Gr\x94\xe1e", "Größe"),
        (
            "us-ascii",
            "Größe falsch benannt".as_bytes(),
            "Größe falsch benannt",
        ),
        ("unicode-1-1-utf-7", b"Gr+APYA3w-e", "Größe"),
    ] {
        let header = format!("Subject: s\r\nContent-Type: text/plain; charset={charset}");
        check("a.eml", &mail(&header, body), &[expected], &[]).await;
    }
    let header = "Subject: =?utf-8?B?R3LD?=\r\n =?utf-8?B?tsOfZQ==?=\r\nContent-Type: multipart/mixed; boundary=b";
    let body = b"--b\r\nContent-Type: text/plain\r\n\r\nSee file.\r\n--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename*0*=iso-8859-1''Gr%F6; filename*1*=%DFe.txt\r\n\r\nGloves\r\n--b--\r\n";
    let found = read("b.eml", &mail(header, body)).await.expect("text");
    assert_eq!(found.info.title, "Größe");
    let names: Vec<&str> = found.attachments.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["Größe.txt"]);
}

#[tokio::test]
async fn letters_of_the_font_symbol_are_greek() {
    let document = r#"<w:document><w:body><w:p><w:r><w:sym w:font="Symbol" w:char="F0A3"/></w:r><w:r><w:t xml:space="preserve"> 5 </w:t></w:r>
        <w:r><w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr><w:t>m</w:t></w:r><w:r><w:t>g</w:t></w:r></w:p></w:body></w:document>"#;
    check(
        "a.docx",
        &archive(&[("word/document.xml", document)]),
        &["≤ 5 μg"],
        &["mg"],
    )
    .await;
    let rtf = br"{\rtf1\ansi{\fonttbl{\f0 Arial;}{\f1\fcharset2 Symbol;}}\pard {\f1 \'a3} 5 {\f1 m}g\par}";
    check("a.rtf", rtf, &["≤ 5 μg"], &["mg"]).await;
}

#[tokio::test]
async fn styles_strike_out_and_raise_text() {
    let styles = r#"<w:styles><w:style w:styleId="Old"><w:name w:val="Old"/><w:rPr><w:strike/></w:rPr></w:style>
        <w:style w:styleId="Up"><w:name w:val="Up"/><w:rPr><w:vertAlign w:val="superscript"/></w:rPr></w:style></w:styles>"#;
    let document = r#"<w:document><w:body><w:p><w:r><w:rPr><w:rStyle w:val="Old"/></w:rPr><w:t>20 mg</w:t></w:r><w:r><w:t xml:space="preserve"> 10 mg, 5</w:t></w:r>
        <w:r><w:rPr><w:rStyle w:val="Up"/></w:rPr><w:t>2</w:t></w:r><w:r><w:t xml:space="preserve"> m</w:t></w:r></w:p>
        <w:p><w:pPr><w:pStyle w:val="Old"/></w:pPr><w:r><w:t>Gone.</w:t></w:r></w:p></w:body></w:document>"#;
    let rels = r#"<Relationships><Relationship Id="s" Type="x/styles" Target="styles.xml"/></Relationships>"#;
    let parts = [
        ("word/document.xml", document),
        ("word/styles.xml", styles),
        ("word/_rels/document.xml.rels", rels),
    ];
    let wanted = ["[struck out: 20 mg] 10 mg, 5² m", "[struck out: Gone.]"];
    check("a.docx", &archive(&parts), &wanted, &["52 m"]).await;
    let html = b"<html><head><style>.old{text-decoration: line-through} .up{vertical-align:super} .gone{display:none}</style></head>\
        <body><p>Give <b class=old>20 mg</b> 10 mg, 10<i class=up>9</i>/l <u class=gone>never</u></p></body></html>";
    let wanted = ["Give [struck out: 20 mg] 10 mg, 10⁹/l"];
    check("a.html", html, &wanted, &["never"]).await;
    // A script may show what a style hides.
    let html = b"<html><head><style>.tab{display:none}</style><script>x</script></head><body><p class=tab>Second tab</p></body></html>";
    check("b.html", html, &["Second tab"], &[]).await;
}

fn workbook(sheets: &str, rows: &str) -> Vec<u8> {
    let rels = "<Relationships><Relationship Id=\"r1\" Type=\"x/worksheet\" Target=\"worksheets/s1.xml\"/><Relationship Id=\"s\" Type=\"x/styles\" Target=\"styles.xml\"/></Relationships>";
    let styles = r##"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="# ?/?"/><numFmt numFmtId="165" formatCode="000-0000-000"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>"##;
    archive(&[
        (
            "xl/workbook.xml",
            format!("<workbook>{sheets}</workbook>").as_str(),
        ),
        ("xl/_rels/workbook.xml.rels", rels),
        ("xl/styles.xml", styles),
        (
            "xl/worksheets/s1.xml",
            &format!("<worksheet>{rows}</worksheet>"),
        ),
    ])
}

const HIDDEN_ROWS: &str = r#"<cols><col min="3" max="3" hidden="1"/></cols><sheetData>
    <row r="1"><c r="A1" t="str"><v>Drug</v></c><c r="B1" t="str"><v>Tablets</v></c><c r="C1" t="str"><v>Note</v></c></row>
    <row r="2"><c r="A2" t="str"><v>Zinc</v></c><c r="B2" s="1"><v>1.25</v></c><c r="C2" t="str"><v>ask</v></c></row>
    <row r="3" hidden="1"><c r="A3" t="str"><v>Iron</v></c><c r="B3" s="1"><v>0.5</v></c></row>
    <row r="5"><c r="A5" t="str"><v>Call</v></c><c r="B5" s="2"><v>301234567</v></c></row>
    <row r="4"><c r="A4" t="str"><v>Late</v></c></row></sheetData>"#;

#[tokio::test]
async fn hidden_cells_are_marked_or_left_out_as_the_administrator_decides() {
    let sheets = r#"<sheets><sheet name="One" r:id="r1" state="hidden"/></sheets>"#;
    let bytes = workbook(sheets, HIDDEN_ROWS);
    let found = read("a.xlsx", &bytes).await.expect("text");
    let expected = "One [hidden sheet]\nDrug | Tablets | Note [hidden column]\nZinc | 1 1/4 | ask\nIron [hidden row] | 1/2\nLate\nCall | 030-1234-567";
    assert_eq!(text(&found), expected);
    let warnings = found.info.warnings.join("\n");
    assert!(
        warnings.contains("hidden rows or columns (2)"),
        "{warnings}"
    );
    let sheets = r#"<sheets><sheet name="One" r:id="r1"/></sheets>"#;
    let limits = Limits {
        hidden_cells: HiddenCells::LeaveOut,
        ..Limits::default()
    };
    let found = reader(limits)
        .extract(file(&workbook(sheets, HIDDEN_ROWS)), "a.xlsx", |_, _| {})
        .await
        .expect("text");
    assert_eq!(
        text(&found),
        "One\nDrug | Tablets\nZinc | 1 1/4\nLate\nCall | 030-1234-567"
    );
    assert!(found.info.warnings.join("\n").contains("are left out"));
}

/// A workbook of Excel 97 with one sheet.
fn old_workbook() -> Vec<u8> {
    let record = |kind: u16, body: &[u8]| {
        let size = u16::try_from(body.len()).expect("a short record");
        [&kind.to_le_bytes()[..], &size.to_le_bytes(), body].concat()
    };
    let numbers = |all: &[u16]| -> Vec<u8> { all.iter().flat_map(|n| n.to_le_bytes()).collect() };
    let string = |text: &str| {
        [
            &numbers(&[u16::try_from(text.len()).expect("short")])[..],
            &[0],
            text.as_bytes(),
        ]
        .concat()
    };
    let bof = |kind: u16| record(0x0809, &numbers(&[0x0600, kind, 0, 0, 0, 0, 0, 0]));
    let font = |flags: u16, script: u16| {
        record(
            0x0031,
            &[
                &numbers(&[200, flags, 0x7FFF, 400, script])[..],
                &[0, 0, 0, 0],
            ]
            .concat(),
        )
    };
    let style = |font: u16, format: u16| {
        record(0x00E0, &[&numbers(&[font, format])[..], &[0; 16]].concat())
    };
    let mut strings = numbers(&[2, 0, 2, 0]);
    strings.extend(string("Zinc"));
    strings.extend(
        [
            &numbers(&[5])[..],
            &[8],
            &numbers(&[2]),
            b"109/l",
            &numbers(&[2, 2, 3, 0]),
        ]
        .concat(),
    );
    let mut globals = [
        bof(5),
        font(0, 0),
        font(8, 0),
        font(0, 1),
        record(
            0x041E,
            &[&numbers(&[164])[..], &string("[<0.01]\"below 0.01\";0.00")].concat(),
        ),
        style(0, 0),
        style(1, 0),
        style(0, 164),
        style(0, 37),
    ]
    .concat();
    let name = [&[0, 0, 3, 0][..], b"Old"].concat();
    let after = record(0x00FC, &strings).len() + 4;
    let sheet_at = globals.len() + 4 + 4 + name.len() + after;
    let offset = u32::try_from(sheet_at).expect("small").to_le_bytes();
    globals.extend(record(0x0085, &[&offset[..], &name].concat()));
    globals.extend(record(0x00FC, &strings));
    globals.extend(record(0x000A, &[]));
    assert_eq!(globals.len(), sheet_at);
    let number = |row: u16, column: u16, style: u16, value: f64| {
        record(
            0x0203,
            &[&numbers(&[row, column, style])[..], &value.to_le_bytes()].concat(),
        )
    };
    let shared = |row: u16, column: u16, style: u16, index: u32| {
        record(
            0x00FD,
            &[&numbers(&[row, column, style])[..], &index.to_le_bytes()].concat(),
        )
    };
    globals.extend(bof(0x10));
    globals.extend(record(0x0208, &numbers(&[1, 0, 3, 0, 0, 0, 0x20, 0])));
    globals.extend(
        [
            shared(0, 0, 0, 0),
            number(0, 1, 2, 0.004),
            shared(0, 2, 0, 1),
        ]
        .concat(),
    );
    globals.extend([number(1, 1, 3, -1_234.0), shared(1, 2, 1, 0)].concat());
    globals.extend(record(0x00E5, &numbers(&[1, 0, 1, 0, 0])));
    globals.extend(record(0x000A, &[]));
    let mut compound = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).expect("a file");
    let mut stream = compound.create_stream("/Workbook").expect("a stream");
    stream.write_all(&globals).expect("room");
    drop(stream);
    compound.into_inner().into_inner()
}

#[tokio::test]
async fn an_old_workbook_is_read_as_displayed() {
    let found = read("a.xls", &old_workbook()).await.expect("text");
    assert_eq!(
        text(&found),
        "Old\nZinc | below 0.01 | 10⁹/l\nZinc [hidden row] | (1,234) | [struck out: Zinc]"
    );
}

#[tokio::test]
async fn a_table_of_data_keeps_its_rows_around_a_table_in_a_cell() {
    let html = b"<table><tr><th>Item</th><th>Details</th></tr>\
        <tr><td>Insulin</td><td><table><tr><th>Meal</th><th>Units</th></tr><tr><td>lunch</td><td>8</td></tr></table></td></tr>\
        <tr><td>Metformin</td><td>500 mg</td></tr></table>";
    let found = read("a.html", html).await.expect("text");
    assert_eq!(
        text(&found),
        "Item | Details\nInsulin | Meal | Units\nInsulin | lunch | 8\nItem | Details\nMetformin | 500 mg"
    );
}

#[tokio::test]
async fn struck_text_and_lowered_digits_of_a_pdf_are_marked() {
    let content = b"BT /F1 11 Tf 72 700 Td (Give ) Tj (20 mg) Tj ( 10 mg, CO) Tj ET \
        0.8 w 97 703.5 m 128 703.5 l S \
        BT /F1 7 Tf 171.5 697 Td (2) Tj ET BT /F1 11 Tf 180 700 Td (low) Tj ET \
        BT /F1 11 Tf 72 660 Td (Underlined words) Tj ET 72 657 m 160 657 l S";
    let bytes = pdf_of(&[content.to_vec()], &Dictionary::new(), |_| {
        Dictionary::new()
    });
    let wanted = ["Give [struck out: 20 mg] 10 mg", "Underlined words"];
    check("a.pdf", &bytes, &wanted, &["struck out: Underlined"]).await;
}

#[tokio::test]
async fn boxes_that_are_drawn_and_remarks_on_a_page_are_read() {
    let content = b"72 699 10 10 re S 72 699 m 82 709 l S 72 709 m 82 699 l S \
        BT /F1 11 Tf 90 700 Td (Smoker) Tj ET 72 669 10 10 re S BT /F1 11 Tf 90 670 Td (Alcohol) Tj ET";
    let notice = dictionary! {
        "Type" => "Annot", "Subtype" => "Text", "Rect" => vec![300.into(), 700.into(), 320.into(), 720.into()],
        "Contents" => lopdf::Object::string_literal("Ask first."),
    };
    let extra = dictionary! { "Annots" => vec![notice.into()] };
    let bytes = pdf_of(&[content.to_vec()], &extra, |_| Dictionary::new());
    let wanted = ["☒ Smoker", "☐ Alcohol", "Remark: Ask first."];
    check("a.pdf", &bytes, &wanted, &[]).await;
}
