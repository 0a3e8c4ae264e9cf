//! No fact is dropped or twisted in silence: for each kind of loss that users of other programs
//! reported, files of our own in the formats that can hold it.

#![expect(clippy::expect_used, reason = "a test without its files fails")]

use crate::support::{archive, read};
use cloister_ingest::Extraction;

/// The text of all blocks, one a line.
fn text(read: &Extraction) -> String {
    let pages = read.pages.iter().map(|page| page.content.text.as_str());
    pages.collect::<Vec<_>>().join("\n")
}

async fn text_of(name: &str, bytes: &[u8]) -> String {
    text(&read(name, bytes).await.expect("text"))
}

async fn holds(name: &str, bytes: &[u8], wanted: &[&str], unwanted: &[&str]) {
    let text = text_of(name, bytes).await;
    for wanted in wanted {
        assert!(
            text.contains(wanted),
            "{name}: {wanted} is missing in:\n{text}"
        );
    }
    for unwanted in unwanted {
        assert!(
            !text.contains(unwanted),
            "{name}: {unwanted} is in:\n{text}"
        );
    }
}

#[tokio::test]
async fn rules_in_markdown_take_no_text_away() {
    let text = b"# Fever\n\nStart.\n\n---\nGive 1 g of paracetamol.\n\n---\nWait an hour.\n";
    holds(
        "a.md",
        text,
        &["Give 1 g of paracetamol.", "Wait an hour."],
        &[],
    )
    .await;
    let html = b"<table><tr><td rowspan=2>Adults</td><td>5 mg</td></tr><tr><td>9 mg</td></tr></table>\n\nEnd\n";
    holds(
        "b.md",
        html,
        &["Adults | 5 mg", "Adults | 9 mg", "End"],
        &[],
    )
    .await;
}

/// Whether a row starts a table, whether it names columns, and its cells with column and span.
type ReadRow = (bool, bool, Vec<(u16, u16, String)>);

/// Rows of a table: whether each starts a table, whether it names columns, and its cells with their
/// columns.
fn rows(read: &Extraction) -> Vec<ReadRow> {
    let mut found = Vec::new();
    for page in &read.pages {
        for block in &page.content.blocks {
            let Some(row) = &block.row else { continue };
            let cells = row.cells.iter().map(|cell| {
                let text = cell
                    .range
                    .slice(&page.content.text)
                    .expect("a range of the page");
                (cell.column, cell.span, text.to_owned())
            });
            found.push((row.starts_table, row.is_header, cells.collect()));
        }
    }
    found
}

#[tokio::test]
async fn a_cell_over_several_rows_and_columns_keeps_every_cell_in_its_place() {
    let html = b"<table><thead><tr><th rowspan=2>Drug</th><th colspan=2>Dose</th></tr>\
        <tr><th>Adults</th><th>Children</th></tr></thead>\
        <tbody><tr><td rowspan=2>Morphine</td><td>5 mg</td><td>1 mg</td></tr>\
        <tr><td>10 mg</td><td>2 mg</td></tr></tbody></table>";
    let read_html = read("a.html", html).await.expect("text");
    let cell = |column: u16, span: u16, text: &str| (column, span, text.to_owned());
    assert_eq!(
        rows(&read_html),
        [
            (true, true, vec![cell(0, 1, "Drug"), cell(1, 2, "Dose")]),
            (
                false,
                true,
                vec![
                    cell(0, 1, "Drug"),
                    cell(1, 1, "Adults"),
                    cell(2, 1, "Children")
                ]
            ),
            (
                false,
                false,
                vec![
                    cell(0, 1, "Morphine"),
                    cell(1, 1, "5 mg"),
                    cell(2, 1, "1 mg")
                ]
            ),
            (
                false,
                false,
                vec![
                    cell(0, 1, "Morphine"),
                    cell(1, 1, "10 mg"),
                    cell(2, 1, "2 mg")
                ]
            ),
        ]
    );
    let word = |cell: &str| format!("<w:tc>{cell}<w:p><w:r><w:t>");
    let document = format!(
        "<w:document><w:body><w:tbl><w:tr>{}East</w:t></w:r></w:p></w:tc>{}12</w:t></w:r></w:p></w:tc></w:tr>\
         <w:tr><w:tc><w:tcPr><w:vMerge/></w:tcPr><w:p/></w:tc>{}14</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></w:document>",
        word("<w:tcPr><w:vMerge w:val=\"restart\"/></w:tcPr>"),
        word(""),
        word("")
    );
    holds(
        "a.docx",
        &archive(&[("word/document.xml", document)]),
        &["East | 12", "East | 14"],
        &[],
    )
    .await;
    let odt = "<office:document-content><office:body><office:text><table:table>\
        <table:table-row><table:table-cell table:number-rows-spanned=\"2\"><text:p>West</text:p></table:table-cell><table:table-cell><text:p>3</text:p></table:table-cell></table:table-row>\
        <table:table-row><table:covered-table-cell/><table:table-cell><text:p>4</text:p></table:table-cell></table:table-row>\
        </table:table></office:text></office:body></office:document-content>";
    let parts = [
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", odt),
    ];
    holds("a.odt", &archive(&parts), &["West | 3", "West | 4"], &[]).await;
}

const SHEET_RELS: &str = r#"<Relationships><Relationship Id="r1" Type="x/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="x/styles" Target="styles.xml"/><Relationship Id="r3" Type="x/xlMacrosheet" Target="macrosheets/m.xml"/></Relationships>"#;

fn workbook(sheet: &str, styles: &str, properties: &str) -> Vec<u8> {
    let book = format!(
        "<workbook xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\">{properties}<sheets><sheet name=\"One\" r:id=\"r1\"/><sheet name=\"Auto\" r:id=\"r3\"/></sheets></workbook>"
    );
    archive(&[
        ("xl\\workbook.xml", book.as_str()),
        ("XL/_rels/workbook.xml.rels", SHEET_RELS),
        ("xl/styles.xml", styles),
        ("xl/Worksheets/sheet1.xml", sheet),
        (
            "xl/worksheets/_rels/sheet1.xml.rels",
            r#"<Relationships><Relationship Id="a" Type="x/comments" Target="../comments1.xml"/><Relationship Id="b" Type="x/drawing" Target="../drawings/d.xml"/></Relationships>"#,
        ),
        (
            "xl/comments1.xml",
            "<comments><commentList><comment ref=\"B2\"><text><r><t>Ask first.</t></r></text></comment></commentList></comments>",
        ),
        (
            "xl/drawings/d.xml",
            "<xdr:wsDr><xdr:sp><xdr:txBody><a:p><a:r><a:t>Not on Sundays.</a:t></a:r></a:p></xdr:txBody></xdr:sp></xdr:wsDr>",
        ),
    ])
}

#[tokio::test]
async fn a_workbook_loses_no_label_date_comment_or_box() {
    let sheet = r#"<worksheet><sheetData>
        <row r="1"><c r="A1" t="inlineStr"><is><t>Group</t></is></c><c r="B1" t="inlineStr"><is><t>Dose</t></is></c><c r="C1" t="inlineStr"><is><t>From</t></is></c></row>
        <row r="2"><c r="A2" t="inlineStr"><is><t>Adults</t></is></c><c r="B2" s="2"><v>0.85</v></c><c r="C2" s="1"><v>44623</v></c></row>
        <row r="3"><c r="B3" s="2"><v>0.004</v></c><c r="C3" s="1"><v>44624</v></c></row>
        <row r="4"><c r="A4" t="inlineStr"><is><r><t>10</t></r><r><rPr><vertAlign val="superscript"/></rPr><t>9</t></r><r><t>/l</t></r></is></c><c r="B4"><f>SUM(B2:B3)</f></c></row>
        </sheetData><mergeCells><mergeCell ref="A2:A3"/></mergeCells></worksheet>"#;
    let styles = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="[&lt;0.01]&quot;below 0.01&quot;;0.00"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/></cellXfs></styleSheet>"#;
    let bytes = workbook(sheet, styles, "<workbookPr date1904=\"1\"/>");
    let found = read("a.xlsx", &bytes).await.expect("text");
    let wanted = [
        "Adults | 0.85 | 2026-03-04",
        "Adults | below 0.01 | 2026-03-05",
        "10⁹/l | =SUM(B2:B3)",
        "Remark on B2: Ask first.",
        "Not on Sundays.",
    ];
    for wanted in wanted {
        assert!(
            text(&found).contains(wanted),
            "{wanted} is missing in:\n{}",
            text(&found)
        );
    }
    let warnings = found.info.warnings.join("\n");
    assert!(
        warnings.contains("macro sheet") && warnings.contains("never calculated"),
        "{warnings}"
    );
}

#[tokio::test]
async fn joined_cells_of_an_ods_sheet_belong_to_each_row() {
    let ods = "<office:document-content><office:body><office:spreadsheet><table:table table:name=\"S\">\
        <table:table-row><table:table-cell table:number-rows-spanned=\"2\"><text:p>North</text:p></table:table-cell><table:table-cell><text:p>a</text:p><office:annotation><dc:creator>X</dc:creator><text:p>Ask.</text:p></office:annotation></table:table-cell></table:table-row>\
        <table:table-row><table:covered-table-cell/><table:table-cell office:value-type=\"date\" office:date-value=\"2026-03-04\"><text:p>03/04/26</text:p></table:table-cell></table:table-row>\
        </table:table></office:spreadsheet></office:body></office:document-content>";
    let parts = [
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", ods),
    ];
    holds(
        "a.ods",
        &archive(&parts),
        &["North | a", "North | 2026-03-04", "Remark on B1: Ask."],
        &["X"],
    )
    .await;
}

#[tokio::test]
async fn boxes_fractions_and_raised_digits_keep_their_meaning_in_word() {
    let document = r#"<w:document xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml"><w:body>
        <w:p><w:sdt><w:sdtPr><w14:checkbox><w14:checked w14:val="1"/></w14:checkbox></w:sdtPr><w:sdtContent><w:r><w:t>x</w:t></w:r></w:sdtContent></w:sdt><w:r><w:t>agreed</w:t></w:r></w:p>
        <w:p><w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:default w:val="0"/></w:checkBox></w:ffData></w:fldChar></w:r><w:r><w:instrText>FORMCHECKBOX</w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r><w:r><w:t>refused</w:t></w:r></w:p>
        <w:p><m:oMath><m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath><w:r><w:t> tablet, 10</w:t></w:r><w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>9</w:t></w:r><w:r><w:t>/l, </w:t></w:r><w:r><w:rPr><w:strike/></w:rPr><w:t>old dose</w:t></w:r></w:p>
        <w:altChunk r:id="c1"/></w:body></w:document>"#;
    let rels = r#"<Relationships><Relationship Id="c1" Type="x/aFChunk" Target="chunk.html"/><Relationship Id="h1" Type="x/header" Target="header1.xml"/><Relationship Id="k" Type="x/chart" Target="charts/c.xml"/></Relationships>"#;
    let bytes = archive(&[
        ("word/document.xml", document),
        ("word/_rels/document.xml.rels", rels),
        ("word/chunk.html", "<p>From the report program.</p>"),
        (
            "word/header1.xml",
            "<w:hdr><w:p><w:r><w:t>SOP 12, version 3</w:t></w:r></w:p></w:hdr>",
        ),
    ]);
    let wanted = [
        "☒ agreed",
        "☐ refused",
        "½ tablet, 10⁹/l, [struck out: old dose]",
        "From the report program.",
        "SOP 12, version 3",
    ];
    holds("a.docx", &bytes, &wanted, &["☒ x", "109/l"]).await;
}

#[tokio::test]
async fn boxes_and_choices_of_other_formats_are_read() {
    let html = b"<form><input type=checkbox checked> Consent <input type=radio> Refusal <select><option value=k1>North<option value=k2 selected>South</select> 5<sup>2</sup> <s>old</s></form>";
    let wanted = ["☒ Consent", "☐ Refusal", "South", "5²", "[struck out: old]"];
    holds("a.html", html, &wanted, &["North", "k2"]).await;
    let odt = "<office:document-content><office:body><office:text><office:forms><form:form><form:checkbox form:id=\"c1\" form:label=\"Fasting\" form:current-state=\"checked\"/></form:form></office:forms><text:p><draw:control draw:control=\"c1\"/></text:p></office:text></office:body></office:document-content>";
    let parts = [
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", odt),
    ];
    holds("a.odt", &archive(&parts), &["☒ Fasting"], &[]).await;
}

fn mail(header: &str, body: &str) -> Vec<u8> {
    let head = "From: a@b.example\nTo: c@d.example\nDate: Wed, 4 Mar 2026 09:15:00 +0100\nMIME-Version: 1.0\n";
    format!("{head}{header}\n{body}").into_bytes()
}

#[tokio::test]
async fn mail_is_read_completely() {
    let limits = mail(
        "Subject: Limits\nContent-Type: text/plain\n",
        "Call if it is\n\n> 7.5 mmol/l\n\nAda wrote:\n> come at 9\n",
    );
    holds(
        "a.eml",
        &limits,
        &["> 7.5 mmol/l", "come at 9"],
        &["> come"],
    )
    .await;
    let stub = mail(
        "Subject: Hours\nContent-Type: multipart/alternative; boundary=x\n",
        "--x\nContent-Type: text/plain\n\nSee the other part.\n--x\nContent-Type: text/html\n\n<p>The clinic opens at seven from May on every weekday.</p>\n--x--\n",
    );
    holds("b.eml", &stub, &["opens at seven"], &[]).await;
    let mut long = String::from("From: a@b.example\n");
    for number in 0..400 {
        long.extend([format!("X-Seal-{number}: {}\n", "q".repeat(60))]);
    }
    long.push_str("Subject: Long\nDate: Wed, 4 Mar 2026 09:15:00 +0100\n\nStill a message.\n");
    holds("c.eml", long.as_bytes(), &["Still a message."], &["qqqq"]).await;
    let mut mailbox = Vec::new();
    for word in ["Monday", "Tuesday", "Friday"] {
        mailbox.extend(format!("From a@b Wed Mar  4 09:15:00 2026\nFrom: a@b.example\nSubject: {word}\nDate: Wed, 4 Mar 2026 09:15:00 +0100\n\nOn {word}.\n\n").into_bytes());
    }
    holds(
        "d.mbox",
        &mailbox,
        &["On Monday.", "On Tuesday.", "On Friday."],
        &["From a@b Wed"],
    )
    .await;
    let mut russian = mail(
        "Subject: Doza\nContent-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: 8bit\n",
        "",
    );
    russian.extend([0xE4, 0xCF, 0xDA, 0xC1]);
    holds("e.eml", &russian, &["Доза"], &[]).await;
}

#[tokio::test]
async fn old_encodings_are_recognised_and_reported() {
    let read_text = read(
        "a.txt",
        b"Die Pr\x81fung der Ger\x84te f\x81r die K\x81che war gr\x81ndlich.",
    )
    .await
    .expect("text");
    assert!(text(&read_text).contains("Prüfung der Geräte für die Küche"));
    assert!(
        read_text
            .info
            .warnings
            .iter()
            .any(|warning| warning.contains("cp850"))
    );
    let utf16: Vec<u8> = "Kalium 4,1 mmol/l\nNatrium 138"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    holds("b.txt", &utf16, &["Kalium 4,1 mmol/l"], &[]).await;
}

#[tokio::test]
async fn further_formats_are_read() {
    let ics = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Blood bank\r\n  audit\r\nDTSTART:20260304T091500Z\r\nLOCATION:Room 4\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    holds(
        "a.ics",
        ics,
        &[
            "Blood bank audit",
            "Begins: 2026-03-04 09:15 UTC",
            "Place: Room 4",
        ],
        &[],
    )
    .await;
    let json = br#"[{"ward": "3B", "beds": 12.50}, {"ward": "4A", "beds": 9}]"#;
    holds(
        "a.json",
        json,
        &["Ward | Beds", "3B | 12.50", "4A | 9"],
        &[],
    )
    .await;
    let xml = br#"<?xml version="1.0"?><Invoice><PayableAmount currencyID="EUR">119.00</PayableAmount></Invoice>"#;
    holds("a.xml", xml, &["119.00 EUR"], &[]).await;
    let inside = archive(&[("rota/April.txt", "Team North."), ("__MACOSX/x", "junk")]);
    let read_archive = read("a.zip", &inside).await.expect("files inside");
    let names: Vec<&str> = read_archive
        .attachments
        .iter()
        .map(|a| a.name.as_str())
        .collect();
    assert_eq!(names, ["April.txt"]);
    let book = archive(&[
        ("mimetype", "application/epub+zip"),
        (
            "META-INF/container.xml",
            "<container><rootfiles><rootfile full-path=\"OPS/b.opf\"/></rootfiles></container>",
        ),
        (
            "OPS/b.opf",
            "<package><metadata><dc:title>Manual</dc:title></metadata><manifest><item id=\"c1\" href=\"c1.xhtml\"/></manifest><spine><itemref idref=\"c1\"/></spine></package>",
        ),
        (
            "OPS/c1.xhtml",
            "<html><body><h1>Pumps</h1><p>Flush daily.</p></body></html>",
        ),
    ]);
    holds("a.epub", &book, &["Pumps", "Flush daily."], &[]).await;
}
