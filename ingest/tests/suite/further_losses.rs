//! Further kinds of losses that users of other programs reported, with files of our own.

#![expect(clippy::expect_used, reason = "a test without its files fails")]

use crate::support::{archive, holds, lacks, pdf_of, read};
use lopdf::dictionary;
use std::io::Write;

fn word(body: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    let document = format!("<w:document><w:body>{body}</w:body></w:document>");
    let mut all = vec![("word/document.xml", document.as_str())];
    all.extend(parts);
    archive(&all)
}

#[tokio::test]
async fn lists_of_a_page_count_as_browsers_do() {
    let page = b"<ol start=4><li>Open<li value=9>Close<li>Lock</ol><ol type=a><li>red<li>blue</ol>\
        <ol reversed><li>last<li>first</ol><ol style='list-style-type: upper-roman'><li>one</ol>";
    holds(
        "list.html",
        page,
        &[
            "4. Open", "9. Close", "10. Lock", "a. red", "b. blue", "2. last", "1. first", "I. one",
        ],
    )
    .await;
}

#[tokio::test]
async fn words_in_buttons_drawings_frames_and_signs_are_read() {
    let page = "<p>Press <button>Stop</button> now.</p><svg><g><text>Call <tspan>4417</tspan></text></g></svg>\
        <iframe srcdoc='<p>Inside: 15 ml</p>'></iframe><p>Fasting <img alt='yes' src=t.png></p>";
    holds(
        "page.html",
        page.as_bytes(),
        &[
            "Press Stop now.",
            "Call 4417",
            "Inside: 15 ml",
            "Fasting yes",
        ],
    )
    .await;
    let drawing = br#"<svg xmlns="http://www.w3.org/2000/svg"><title>Flow</title><text>Ring 4417</text></svg>"#;
    holds("flow.svg", drawing, &["Flow", "Ring 4417"]).await;
}

#[tokio::test]
async fn stars_and_angles_of_markdown_that_are_no_markup_stay() {
    let text = b"Take 2*3*4 ml, never 2**3 or x <y and z> 5.\n\n*Really* **now**, <b>bold</b>.\n";
    holds(
        "a.md",
        text,
        &["2*3*4 ml", "x <y and z> 5", "Really now, bold."],
    )
    .await;
}

#[tokio::test]
async fn fields_of_a_fixed_length_are_text() {
    holds(
        "a.txt",
        b"Patient record\0\0\nDose 5 mg per day\0\nWard A4\n",
        &["Dose 5 mg per day", "Ward A4"],
    )
    .await;
}

#[tokio::test]
async fn tables_with_spaces_before_quotes_and_rare_separators_are_divided() {
    let spaced = b"Drug, Dose, Unit\nA, \"5, at most 6\", mg\nB, 7, mg\n";
    holds("a.csv", spaced, &["A | 5, at most 6 | mg", "B | 7 | mg"]).await;
    holds(
        "b.csv",
        b"a^b^c\n1^2,5^3\n4^5,5^6\n",
        &["1 | 2,5 | 3", "4 | 5,5 | 6"],
    )
    .await;
}

#[tokio::test]
async fn numbers_of_word_stand_in_their_cells_and_in_digits_if_asked() {
    let number = |level: u8| {
        format!(
            r#"<w:pPr><w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="1"/></w:numPr></w:pPr>"#
        )
    };
    let lists = r#"<w:numbering><w:abstractNum w:abstractNumId="0">
        <w:lvl w:ilvl="0"><w:start w:val="4"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1."/></w:lvl>
        <w:lvl w:ilvl="1"><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/><w:isLgl/></w:lvl></w:abstractNum>
        <w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>"#;
    let cell = |inner: &str| format!("<w:tc><w:p>{inner}</w:p></w:tc>");
    let said = |text: &str| format!("<w:r><w:t>{text}</w:t></w:r>");
    let body = format!(
        "<w:p>{}{}</w:p><w:p>{}{}</w:p><w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>",
        number(0),
        said("Scope"),
        number(1),
        said("Limits"),
        cell(&said("No")),
        cell(&said("Step")),
        cell(&number(0)),
        cell(&said("Wash hands")),
    );
    let file = word(&body, &[("word/numbering.xml", lists)]);
    holds(
        "a.docx",
        &file,
        &["IV. Scope", "4.1 Limits", "V. | Wash hands"],
    )
    .await;
}

#[tokio::test]
async fn descriptions_of_pictures_and_drawn_words_are_read() {
    let body = r#"<w:p><w:r><w:drawing><wp:inline><wp:docPr id="1" name="P" descr="Flow chart: ring 4417 first"/></wp:inline></w:drawing></w:r></w:p>
        <w:p><w:r><w:drawing><wp:inline><wp:docPr id="2" name="Q" descr="image7.png"/></wp:inline></w:drawing></w:r></w:p>
        <w:p><w:r><w:pict><v:shape><v:textpath string="VOID COPY"/></v:shape></w:pict></w:r></w:p>"#;
    let file = word(body, &[]);
    holds(
        "a.docx",
        &file,
        &["Picture: Flow chart: ring 4417 first", "VOID COPY"],
    )
    .await;
    lacks("a.docx", &file, "image7").await;
    let content = r"<office:document-content><office:body><office:text><text:p>Before<draw:frame><draw:image/>
        <svg:desc>Ring 4417</svg:desc></draw:frame></text:p></office:text></office:body></office:document-content>";
    let parts = [
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", content),
    ];
    holds("a.odt", &archive(&parts), &["Before", "Picture: Ring 4417"]).await;
}

#[tokio::test]
async fn values_without_displayed_text_are_read() {
    let cell = |attributes: &str| format!("<table:table-cell {attributes}/>");
    let content = format!(
        r#"<office:document-content><office:body><office:spreadsheet><table:table table:name="T"><table:table-row>{}{}{}{}</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"#,
        cell(r#"office:value-type="float" office:value="42.5""#),
        cell(r#"office:value-type="percentage" office:value="0.125""#),
        cell(r#"office:value-type="date" office:date-value="2026-03-04""#),
        cell(r#"table:formula="of:=[.A1]*1.5""#),
    );
    let parts = [
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", content.as_str()),
    ];
    holds(
        "a.ods",
        &archive(&parts),
        &["42.5 | 12.5 % | 2026-03-04 | =A1*1.5"],
    )
    .await;
}

#[tokio::test]
async fn cells_of_rich_text_need_no_word_for_tables() {
    let text = br"{\rtf1\ansi \trowd\clvmgf\cellx900\cellx1800 Heparin\cell 5000\cell\row\trowd\clvmrg\cellx900\cellx1800 \cell 18000\cell\row\pard After\par}";
    holds(
        "a.rtf",
        text,
        &["Heparin | 5000", "Heparin | 18000", "After"],
    )
    .await;
}

#[tokio::test]
async fn entities_and_attributes_of_data_files_are_read() {
    let xml = br#"<?xml version="1.0"?><!DOCTYPE d [<!ENTITY house "St Anne">]><d><by>&house;</by><note>Give <q value="5" unit="mg"/> now, not <d unit="ml">9</d>.</note></d>"#;
    holds("a.xml", xml, &["By: St Anne", "Give 5 mg now, not 9 ml"]).await;
    let bomb = br#"<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><d><x>one &b; two</x></d>"#;
    lacks("bomb.xml", bomb, "haha").await;
}

#[tokio::test]
async fn files_that_are_packed_in_a_document_are_taken_out() {
    let mut packed: Vec<u8> = vec![0, 0, 0, 0, 2, 0];
    packed.extend(b"plan.csv\0C:\\plan.csv\0\0\0\x03\0");
    packed.extend(4_u32.to_le_bytes());
    packed.extend(b"C:\\\0");
    packed.extend(8_u32.to_le_bytes());
    packed.extend(b"a;b\n1;2\n");
    let mut object = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).expect("a file");
    let mut stream = object.create_stream("/\u{1}Ole10Native").expect("a stream");
    stream.write_all(&packed).expect("room");
    drop(stream);
    object.flush().expect("room");
    let object = object.into_inner().into_inner();
    let document =
        "<w:document><w:body><w:p><w:r><w:t>See the plan.</w:t></w:r></w:p></w:body></w:document>";
    let parts: &[(&str, &[u8])] = &[
        ("word/document.xml", document.as_bytes()),
        ("word/embeddings/oleObject1.bin", &object),
    ];
    let found = read("a.docx", &archive(parts))
        .await
        .expect("text")
        .attachments;
    let names: Vec<&str> = found.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["plan.csv"]);
    let bytes = found.first().map(|file| file.bytes.as_slice());
    assert_eq!(bytes, Some(&b"a;b\n1;2\n"[..]));
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind];
    record.push(u8::try_from(body.len()).expect("a short record"));
    record.extend(body);
    record
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut bytes = u32::try_from(units.len())
        .expect("short")
        .to_le_bytes()
        .to_vec();
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes
}

fn numbers(all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// A workbook in the binary form with a percentage, a dose and a merged label.
fn binary_workbook() -> Vec<u8> {
    let mut sheets = numbers(&[0, 1]);
    sheets.extend(wide("r1"));
    sheets.extend(wide("Fees"));
    let mut book = vec![0x80 | 0x19, 1, 12];
    book.extend(numbers(&[0, 0, 0]));
    book.extend([0x80 | 0x1C, 1, u8::try_from(sheets.len()).expect("short")]);
    book.extend(sheets);
    let mut format = 164_u16.to_le_bytes().to_vec();
    format.extend(wide("0.0\" mg\""));
    let mut styles = record(44, &format);
    styles.extend([0xE9, 4, 0]);
    for id in [0_u16, 164, 10, 14] {
        let mut style = vec![0, 0];
        style.extend(id.to_le_bytes());
        style.extend([0, 0]);
        styles.extend(record(47, &style));
    }
    styles.extend([0xEA, 4, 0]);
    let cell = |kind: u8, column: u32, style: u32, value: &[u8]| {
        let mut body = numbers(&[column, style]);
        body.extend(value);
        record(kind, &body)
    };
    let mut rows = Vec::new();
    for row in 0..2_u32 {
        rows.extend(record(0, &numbers(&[row, 0])));
        if row == 0 {
            rows.extend(cell(6, 0, 0, &wide("Heparin")));
        }
        rows.extend(cell(5, 1, 1, &(2.5 + f64::from(row)).to_le_bytes()));
        rows.extend(cell(5, 2, 2, &0.125_f64.to_le_bytes()));
        rows.extend(cell(5, 3, 3, &46_085_f64.to_le_bytes()));
        rows.extend(cell(4, 4, 0, &[1]));
    }
    rows.extend([0x80 | 0x30, 1, 16]);
    rows.extend(numbers(&[0, 1, 0, 0]));
    let relationships = |kind: &str, target: &str| {
        format!(
            r#"<Relationships><Relationship Id="r1" Type="http://x/{kind}" Target="{target}"/></Relationships>"#
        )
    };
    let (main, sheet) = (
        relationships("officeDocument", "xl/workbook.bin"),
        relationships("worksheet", "sheet1.bin"),
    );
    let parts: &[(&str, &[u8])] = &[
        ("_rels/.rels", main.as_bytes()),
        ("xl/workbook.bin", &book),
        ("xl/_rels/workbook.bin.rels", sheet.as_bytes()),
        ("xl/styles.bin", &styles),
        ("xl/sheet1.bin", &rows),
        ("[Content_Types].xml", b"<Types><Override ContentType='application/vnd.ms-excel.sheet.binary.macroEnabled.main'/></Types>"),
    ];
    archive(parts)
}

#[tokio::test]
async fn binary_workbooks_show_their_number_formats_and_labels() {
    holds(
        "fees.xlsb",
        &binary_workbook(),
        &[
            "Heparin | 2.5 mg | 12.50% | 2026-03-04 | TRUE",
            "Heparin | 3.5 mg | 12.50% | 2026-03-04 | TRUE",
        ],
    )
    .await;
}

/// A page with these texts in Helvetica: spacing of letters, left, bottom, text.
fn page(lines: &[(f32, f32, f32, &str)]) -> Vec<u8> {
    let lines: Vec<String> = lines
        .iter()
        .map(|(spacing, x, y, text)| format!("BT /F1 10 Tf {spacing} Tc {x} {y} Td ({text}) Tj ET"))
        .collect();
    let content = lines.join("\n");
    pdf_of(&[content.into_bytes()], &lopdf::Dictionary::new(), |_| {
        lopdf::Dictionary::new()
    })
}

#[tokio::test]
async fn letters_that_are_spaced_out_are_words() {
    let file = page(&[
        (4.0, 72.0, 700.0, "WARNING NOTICE"),
        (0.0, 72.0, 650.0, "Give 5 mg."),
    ]);
    holds("a.pdf", &file, &["WARNING NOTICE", "Give 5 mg."]).await;
}

#[tokio::test]
async fn numbers_of_charts_have_their_formats() {
    let chart = r#"<c:chartSpace><c:chart><c:plotArea><c:barChart><c:ser><c:tx><c:strRef><c:strCache><c:pt idx="0"><c:v>0010</c:v></c:pt></c:strCache></c:strRef></c:tx>
        <c:cat><c:numRef><c:numCache><c:formatCode>yyyy\-mm\-dd</c:formatCode><c:pt idx="0"><c:v>46085</c:v></c:pt></c:numCache></c:numRef></c:cat>
        <c:val><c:numRef><c:numCache><c:formatCode>0.0%</c:formatCode><c:pt idx="0"><c:v>0.125</c:v></c:pt></c:numCache></c:numRef></c:val></c:ser></c:barChart></c:plotArea></c:chart></c:chartSpace>"#;
    let links = r#"<Relationships><Relationship Id="c1" Type="http://x/chart" Target="chart1.xml"/></Relationships>"#;
    let body = r#"<w:p><w:r><w:drawing><c:chart r:id="c1"/></w:drawing></w:r></w:p>"#;
    let parts = [
        ("word/_rels/document.xml.rels", links),
        ("word/chart1.xml", chart),
    ];
    holds(
        "a.docx",
        &word(body, &parts),
        &["0010", "2026-03-04 | 12.5%"],
    )
    .await;
}

#[tokio::test]
async fn text_under_an_opaque_bar_is_reported() {
    let bar = "BT /F1 10 Tf 72 700 Td (Seen words of the page) Tj ET BT /F1 10 Tf 72 650 Td (A secret name and a long number) Tj ET 0 g 70 645 250 16 re f";
    let file = pdf_of(
        &[bar.as_bytes().to_vec()],
        &lopdf::Dictionary::new(),
        |_| lopdf::Dictionary::new(),
    );
    let warnings = read("a.pdf", &file).await.expect("text").info.warnings;
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("nobody sees")),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn ticks_that_are_drawn_first_stand_at_their_words() {
    let mut content = String::new();
    for (y, sign) in [(700, "4"), (680, "8"), (660, "o")] {
        content.extend([format!("BT /F3 11 Tf 80 {y} Td ({sign}) Tj ET\n")]);
    }
    for (y, word) in [(700, "Diabetes"), (680, "Asthma"), (660, "Gout")] {
        content.extend([format!("BT /F1 11 Tf 100 {y} Td ({word}) Tj ET\n")]);
    }
    // The symbol font is that of a form, which the page draws.
    let font =
        |name: &str| dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => name };
    let fonts = dictionary! { "F1" => font("Helvetica"), "F3" => font("ZapfDingbats") };
    let form = dictionary! {
        "Type" => "XObject",
        "Subtype" => "Form",
        "BBox" => vec![0.into(), 0.into(), 612.into(), 792.into()],
        "Resources" => dictionary! { "Font" => fonts },
    };
    let form = lopdf::Stream::new(form, content.into_bytes());
    let file = pdf_of(
        &[b"/X1 Do".to_vec()],
        &lopdf::Dictionary::new(),
        |document| {
            dictionary! { "X1" => document.add_object(form.clone()) }
        },
    );
    holds("a.pdf", &file, &["✔ Diabetes", "✘ Asthma", "☐ Gout"]).await;
}
