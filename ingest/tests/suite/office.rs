//! What is read from office documents.

#![expect(clippy::expect_used, reason = "a test without its files fails")]

use crate::support::{archive, outline, read};

async fn check(name: &str, parts: &[(&str, &str)], title: &str, expected: &[&[&str]]) {
    let read = read(name, &archive(parts)).await.expect("text");
    assert_eq!(read.info.title, title);
    let found: Vec<Vec<String>> = read.pages.iter().map(outline).collect();
    assert_eq!(found, expected, "{name}");
}

const CORE: &str = r#"<cp:coreProperties xmlns:cp="cp" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"><dc:title>Visiting &amp; leaving</dc:title><dcterms:modified>2026-03-01T08:00:00Z</dcterms:modified></cp:coreProperties>"#;

const WORD_STYLES: &str = r#"<w:styles>
    <w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style>
    <w:style w:styleId="Own"><w:name w:val="Clinic heading"/><w:basedOn w:val="H2"/></w:style>
    <w:style w:styleId="H2"><w:name w:val="heading 2"/><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="2"/></w:numPr></w:pPr></w:style>
    <w:style w:styleId="TOC1"><w:name w:val="toc 1"/></w:style>
    <w:style w:styleId="Secret"><w:name w:val="Secret"/><w:rPr><w:vanish/></w:rPr></w:style>
    <w:style w:styleId="Caption"><w:name w:val="caption"/></w:style>
</w:styles>"#;

const WORD_LISTS: &str = r#"<w:numbering>
    <w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1)"/></w:lvl></w:abstractNum>
    <w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:start w:val="4"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1"/></w:lvl></w:abstractNum>
    <w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
    <w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>
</w:numbering>"#;

/// A paragraph with these properties and runs.
fn p(settings: &str, runs: &str) -> String {
    format!("<w:p><w:pPr>{settings}</w:pPr>{runs}</w:p>")
}

fn r(text: &str) -> String {
    format!("<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
}

#[tokio::test]
async fn a_word_document_is_read_with_tracked_changes_accepted() {
    let style = |id: &str| format!("<w:pStyle w:val=\"{id}\"/>");
    let item = "<w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"1\"/></w:numPr>";
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", p("", &r(text)));
    let body = [
        p(&style("TOC1"), &r("Visits 1")),
        p(&style("H1"), &r("Visits")),
        p(
            "",
            &format!(
                "{}<w:del><w:r><w:delText>late</w:delText><w:t>late</w:t></w:r></w:del><w:ins>{}</w:ins>{}",
                r("Come "),
                r("early"),
                r(" &amp; stay&#8230;<w:br/>long<w:noBreakHyphen/>ish.")
            ),
        ),
        // The mark between these two paragraphs was deleted.
        p("<w:rPr><w:del w:id=\"1\"/></w:rPr>", &r("Ring ")),
        p("", &r("first.")),
        p("", &format!("{}<w:r><w:rPr><w:vanish/></w:rPr><w:t>Say yes.</w:t></w:r>", r("Seen."))),
        p(&style("Secret"), &r("Unseen.")),
        p(item, &r("Knock")),
        p(item, &r("Enter")),
        p(&style("Own"), &r("Hours")),
        format!(
            "<w:tbl><w:tr>{}{}{}</w:tr><w:tr>{}{}</w:tr><w:tr><w:trPr><w:del w:id=\"2\"/></w:trPr>{}{}</w:tr></w:tbl>",
            cell("Day"),
            cell("From"),
            cell("To"),
            cell(""),
            "<w:tc><w:tcPr><w:gridSpan w:val=\"2\"/></w:tcPr><w:p><w:r><w:t>closed</w:t></w:r></w:p></w:tc>",
            cell("Gone"),
            cell("gone"),
        ),
        p(&style("Caption"), &r("Table 1: Hours")),
        p(
            "",
            &format!(
                "{}<mc:AlternateContent><mc:Choice><w:txbxContent>{}</w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent>{}</w:txbxContent></mc:Fallback></mc:AlternateContent>{}<w:r><w:footnoteReference w:id=\"7\"/></w:r>",
                r("Ask"),
                p("", &r("A box.")),
                p("", &r("A box.")),
                r(" us."),
            ),
        ),
        "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:p><w:r><w:t>Click here to enter text.</w:t></w:r></w:p></w:sdtContent></w:sdt>".to_owned(),
    ];
    let body = body.concat();
    let document = format!("<w:document><w:body>{body}</w:body></w:document>");
    let notes = format!(
        "<w:footnotes><w:footnote w:id=\"0\" w:type=\"separator\">{}</w:footnote><w:footnote w:id=\"7\">{}</w:footnote></w:footnotes>",
        p("", &r("---")),
        p("", &r("By phone."))
    );
    check(
        "visits.docx",
        &[
            ("word/document.xml", &document),
            ("word/styles.xml", WORD_STYLES),
            ("word/numbering.xml", WORD_LISTS),
            ("word/footnotes.xml", &notes),
            ("docProps/core.xml", CORE),
        ],
        "Visiting & leaving",
        &[
            &[
                "fur Visits 1",
                "h1 Visits",
                "p Come early & stay… long-ish.",
                "p Ring first.",
                "p Seen.",
                "li a) Knock",
                "li b) Enter",
            ],
            &[
                "h2 4 Hours",
                "tr Day | From | To",
                "tr  | closed",
                "cap Table 1: Hours",
                "p Ask us. [1]",
                "p A box.",
                "p [1] By phone.",
            ],
        ],
    )
    .await;
}

#[tokio::test]
async fn a_word_document_may_use_other_part_names_and_prefixes() {
    let package = r#"<Relationships><Relationship Id="a" Type="x/officeDocument" Target="/word/document2.xml"/></Relationships>"#;
    let document = r#"<d:document xmlns:d="http://purl.oclc.org/ooxml/wordprocessingml/main"><d:body><d:p><d:r><d:t>Strict.</d:t></d:r></d:p></d:body></d:document>"#;
    check(
        "strict.docx",
        &[("_rels/.rels", package), ("word/document2.xml", document)],
        "strict",
        &[&["p Strict."]],
    )
    .await;
}

fn shape(kind: &str, paragraphs: &str) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"1\" name=\"x\"/><p:nvPr><p:ph {kind}/></p:nvPr></p:nvSpPr><p:txBody>{paragraphs}</p:txBody></p:sp>"
    )
}

fn slide(shapes: &str) -> String {
    format!("<p:sld><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>")
}

#[tokio::test]
async fn slides_are_pages_in_the_order_in_which_they_are_shown() {
    let text = |text: &str| format!("<a:p><a:r><a:t>{text}</a:t></a:r></a:p>");
    let first = slide(
        &[
            shape("idx=\"1\"", &format!("{}<a:p><a:pPr lvl=\"1\"><a:buAutoNum type=\"arabicPeriod\"/></a:pPr><a:r><a:t>Rub</a:t></a:r></a:p><a:p><a:pPr><a:buNone/></a:pPr><a:r><a:t>Plain</a:t></a:r></a:p>", text("Wash"))),
            shape("type=\"title\"", &text("Hand hygiene")),
            shape("type=\"sldNum\"", &text("17")),
            "<p:sp><p:nvSpPr><p:cNvPr id=\"2\" name=\"y\" hidden=\"1\"/></p:nvSpPr><p:txBody><a:p><a:r><a:t>Unseen</a:t></a:r></a:p></p:txBody></p:sp>".to_owned(),
            format!("<p:graphicFrame><a:tbl><a:tr><a:tc><a:txBody>{}</a:txBody></a:tc><a:tc><a:txBody>{}</a:txBody></a:tc></a:tr></a:tbl></p:graphicFrame>", text("Step"), text("Seconds")),
        ]
        .concat(),
    );
    let second = slide(&shape("type=\"body\"", &text("No title here")));
    let hidden =
        slide(&shape("type=\"title\"", &text("Draft"))).replace("<p:sld>", "<p:sld show=\"0\">");
    let notes = format!(
        "<p:notes><p:cSld><p:spTree>{}{}</p:spTree></p:cSld></p:notes>",
        shape("type=\"sldImg\"", ""),
        shape("type=\"body\"", &text("Say why."))
    );
    let related = |links: &str| format!("<Relationships>{links}</Relationships>");
    let link = |id: &str, kind: &str, target: &str| {
        format!("<Relationship Id=\"{id}\" Type=\"http://x/{kind}\" Target=\"{target}\"/>")
    };
    let parts = [
        ("ppt/presentation.xml", "<p:presentation><p:sldIdLst><p:sldId id=\"1\" r:id=\"b\"/><p:sldId id=\"2\" r:id=\"c\"/><p:sldId id=\"3\" r:id=\"a\"/></p:sldIdLst></p:presentation>".to_owned()),
        ("ppt/_rels/presentation.xml.rels", related(&[link("a", "slide", "slides/slide1.xml"), link("b", "slide", "slides/slide2.xml"), link("c", "slide", "slides/slide3.xml")].concat())),
        ("ppt/slides/slide1.xml", second),
        ("ppt/slides/slide2.xml", first),
        ("ppt/slides/slide3.xml", hidden),
        ("ppt/slides/_rels/slide2.xml.rels", related(&[link("n", "notesSlide", "../notesSlides/n.xml"), link("l", "slideLayout", "../slideLayouts/l.xml")].concat())),
        ("ppt/slideLayouts/l.xml", slide(&shape("type=\"title\"", &text("Click to edit")))),
        ("ppt/notesSlides/n.xml", notes),
    ];
    let parts: Vec<_> = parts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    check(
        "hands.pptx",
        &parts,
        "Hand hygiene",
        &[
            &[
                "h1 Hand hygiene",
                "li • Wash",
                "li 1. Rub",
                "p Plain",
                "tr Step | Seconds",
                "p Say why.",
            ],
            &[],
            &["h1 Slide 3", "li • No title here"],
        ],
    )
    .await;
    let read = read("hands.pptx", &archive(&parts)).await.expect("text");
    let places: Vec<_> = read.pages[0]
        .content
        .blocks
        .iter()
        .map(|b| b.place.as_deref())
        .collect();
    assert_eq!(places[0], Some("slide 1"));
    assert_eq!(places[5], Some("slide 1, notes"));
    assert_eq!(
        read.info.warnings,
        ["slides that are hidden are left out: 2"]
    );
}

const NAMES: &str = "application/vnd.oasis.opendocument.";

/// An OpenDocument file of this kind, with these styles and this body.
fn open_document(kind: &str, styles: &str, body: &str) -> Vec<(&'static str, String)> {
    vec![
        ("mimetype", format!("{NAMES}{kind}")),
        ("content.xml", format!("<office:document-content><office:automatic-styles>{styles}</office:automatic-styles><office:body>{body}</office:body></office:document-content>")),
        ("styles.xml", "<office:document-styles><text:outline-style><text:outline-level-style text:level=\"2\" style:num-format=\"1\" style:num-suffix=\".\"/></text:outline-style></office:document-styles>".to_owned()),
        ("meta.xml", "<office:document-meta><dc:title>Leave</dc:title><dc:date>2026-02-03T10:00:00</dc:date></office:document-meta>".to_owned()),
    ]
}

async fn check_open(name: &str, kind: &str, styles: &str, body: &str, expected: &[&[&str]]) {
    let parts = open_document(kind, styles, body);
    let parts: Vec<_> = parts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    check(name, &parts, "Leave", expected).await;
}

#[tokio::test]
async fn an_open_document_text_is_read_with_tracked_changes_accepted() {
    let styles = r#"<style:style style:name="T9"><style:text-properties text:display="none"/></style:style>
        <style:style style:name="P1" style:parent-style-name="Title"/>
        <text:list-style style:name="L1"><text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>
        <text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")" text:display-levels="2"/></text:list-style>"#;
    let body = r#"<office:text>
        <text:tracked-changes><text:changed-region><text:deletion><text:p>Deleted.</text:p></text:deletion></text:changed-region></text:tracked-changes>
        <text:p text:style-name="P1">Leave policy</text:p>
        <text:table-of-content><text:index-body><text:p>Sick leave 1</text:p></text:index-body></text:table-of-content>
        <text:p>Ask<text:s text:c="3"/>early<text:change text:change-id="1"/>, <text:span text:style-name="T9">say yes, </text:span>always<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>By phone.</text:p></text:note-body></text:note>.<office:annotation><text:p>Really?</text:p></office:annotation></text:p>
        <text:h text:outline-level="2">Sick leave</text:h>
        <text:list text:style-name="L1"><text:list-item><text:p>Call in.</text:p><text:list><text:list-item><text:p>At once</text:p></text:list-item></text:list></text:list-item><text:list-item><text:p>Rest</text:p></text:list-item></text:list>
        <text:p>Between<draw:frame><draw:text-box><text:p>A box.</text:p></draw:text-box></draw:frame> the two.</text:p>
        <text:list text:style-name="L1" text:continue-numbering="true"><text:list-item><text:p>Return</text:p></text:list-item></text:list>
        <table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>Days</text:p></table:table-cell><table:table-cell><text:p>Pay</text:p></table:table-cell></table:table-row></table:table-header-rows>
        <table:table-row><table:table-cell><text:p>1</text:p></table:table-cell><table:table-cell><text:p>full</text:p><text:p>or half</text:p></table:table-cell></table:table-row></table:table>
        </office:text>"#;
    check_open(
        "leave.odt",
        "text",
        styles,
        body,
        &[
            &[
                "h1 Leave policy",
                "fur Sick leave 1",
                "p Ask early, always [1].",
                "p [1] By phone.",
                "p Comment: Really?",
            ],
            &[
                "h2 1. Sick leave",
                "li 1. Call in.",
                "li 1.a) At once",
                "li 2. Rest",
                "p Between the two.",
                "p A box.",
                "li 3. Return",
                "tr Days | Pay",
                "tr 1 | full or half",
            ],
        ],
    )
    .await;
}

#[tokio::test]
async fn an_open_document_presentation_has_a_page_for_each_slide() {
    let styles = r#"<style:style style:name="dp2"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>"#;
    let body = r#"<office:presentation>
        <draw:page draw:name="a"><draw:frame presentation:class="outline"><draw:text-box><text:list><text:list-item><text:p>Wash</text:p></text:list-item></text:list></draw:text-box></draw:frame>
        <draw:frame presentation:class="title"><draw:text-box><text:p>Hands</text:p></draw:text-box></draw:frame>
        <draw:frame presentation:class="subtitle" presentation:placeholder="true"><draw:text-box><text:p>Click to add text</text:p></draw:text-box></draw:frame>
        <presentation:notes><draw:frame presentation:class="notes"><draw:text-box><text:p>Say why.</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>
        <draw:page draw:style-name="dp2"><draw:frame presentation:class="title"><draw:text-box><text:p>Draft</text:p></draw:text-box></draw:frame></draw:page>
        </office:presentation>"#;
    check_open(
        "hands.odp",
        "presentation",
        styles,
        body,
        &[&["h1 Hands", "li • Wash", "p Say why."], &[]],
    )
    .await;
}

fn workbook() -> Vec<(&'static str, String)> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let string = |index: u8, cell: &str| format!("<c r=\"{cell}\" t=\"s\"><v>{index}</v></c>");
    let number = |style: u8, cell: &str, value: &str| {
        format!("<c r=\"{cell}\" s=\"{style}\"><v>{value}</v></c>")
    };
    let first = [
        "<row r=\"2\">".to_owned(),
        string(0, "B2"),
        string(1, "D2"),
        string(2, "E2"),
        "</row><row r=\"4\">".to_owned(),
        string(3, "B4"),
        number(1, "D4", "0.125"),
        number(2, "E4", "46082"),
        "</row><row r=\"5\"><c r=\"B5\" t=\"inlineStr\"><is><t>Sum</t></is></c>".to_owned(),
        number(3, "D5", "1234.5"),
        "</row>".to_owned(),
    ];
    let sheet = |rows: &str| {
        format!(
            "<worksheet xmlns=\"{main}\"><dimension ref=\"A1:XFD1048576\"/><sheetData>{rows}</sheetData></worksheet>"
        )
    };
    vec![
        (
            "[Content_Types].xml",
            "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>"
                .to_owned(),
        ),
        (
            "_rels/.rels",
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"r\" Type=\"{office}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                "<workbook xmlns=\"{main}\" xmlns:r=\"{office}\"><sheets><sheet name=\"Q1 costs\" sheetId=\"1\" r:id=\"a\"/><sheet name=\"Draft\" sheetId=\"2\" state=\"hidden\" r:id=\"b\"/><sheet name=\"Wards\" sheetId=\"3\" r:id=\"b\"/></sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"a\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"b\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet2.xml\"/></Relationships>"
            ),
        ),
        ("xl/worksheets/sheet1.xml", sheet(&first.concat())),
        (
            "xl/worksheets/sheet2.xml",
            sheet("<row r=\"1\"><c r=\"A1\" t=\"b\"><v>1</v></c></row>"),
        ),
        (
            "xl/sharedStrings.xml",
            format!(
                "<sst xmlns=\"{main}\"><si><t>Item</t></si><si><t>Share</t></si><si><t>Due</t></si><si><t>Rent</t></si></sst>"
            ),
        ),
        (
            "xl/styles.xml",
            format!(
                "<styleSheet xmlns=\"{main}\"><numFmts><numFmt numFmtId=\"164\" formatCode=\"dd.mm.yyyy\"/><numFmt numFmtId=\"165\" formatCode=\"#,##0.00\\ &quot;EUR&quot;\"/></numFmts><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"10\"/><xf numFmtId=\"164\"/><xf numFmtId=\"165\"/></cellXfs></styleSheet>"
            ),
        ),
    ]
}

#[tokio::test]
async fn a_workbook_is_read_as_displayed_with_cell_ranges() {
    let parts = workbook();
    let parts: Vec<_> = parts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    check(
        "costs.xlsx",
        &parts,
        "Q1 costs",
        &[
            &[
                "h1 Q1 costs",
                "tr Item | Share | Due",
                "tr Rent | 12.50% | 01.03.2026",
                "tr Sum | 1,234.50 EUR",
            ],
            &["h1 Draft [hidden sheet]", "tr TRUE"],
            &["h1 Wards", "tr TRUE"],
        ],
    )
    .await;
    let read = read("costs.xlsx", &archive(&parts)).await.expect("text");
    let places = read.pages[0]
        .content
        .blocks
        .iter()
        .map(|b| b.place.as_deref());
    assert_eq!(
        places.collect::<Vec<_>>(),
        [
            Some("'Q1 costs'"),
            Some("'Q1 costs'!B2:E2"),
            Some("'Q1 costs'!B4:E4"),
            Some("'Q1 costs'!B5:D5"),
        ]
    );
    assert_eq!(
        read.info.warnings,
        ["a sheet that is hidden is read and marked: `Draft`"]
    );
}

#[tokio::test]
async fn an_open_document_spreadsheet_is_read_as_displayed() {
    let styles = r#"<style:style style:name="ta2"><style:table-properties table:display="false"/></style:style>"#;
    let cell = |text: &str| {
        format!("<table:table-cell office:value=\"1\"><text:p>{text}</text:p></table:table-cell>")
    };
    let body = format!(
        "<office:spreadsheet><table:table table:name=\"Wards\"><table:table-row>{}<table:table-cell table:number-columns-repeated=\"16000\"/>{}</table:table-row><table:table-row table:number-rows-repeated=\"1000000\"><table:table-cell table:number-columns-repeated=\"16384\"/></table:table-row><table:table-row>{}</table:table-row></table:table><table:table table:name=\"Old\" table:style-name=\"ta2\"><table:table-row>{}</table:table-row></table:table></office:spreadsheet>",
        cell("Ward"),
        cell("Beds"),
        cell("12 %"),
        cell("gone")
    );
    check_open(
        "wards.ods",
        "spreadsheet",
        styles,
        &body,
        &[
            &["h1 Wards", "tr Ward | Beds", "tr 12 %"],
            &["h1 Old [hidden sheet]", "tr gone"],
        ],
    )
    .await;
}

#[tokio::test]
async fn an_encrypted_office_file_is_reported() {
    let manifest = "<manifest:manifest><manifest:encryption-data/></manifest:manifest>";
    let kind = format!("{NAMES}text");
    let odt = archive(&[
        ("mimetype", kind.as_bytes()),
        ("META-INF/manifest.xml", manifest.as_bytes()),
        ("content.xml", b"\x93\x01\x02"),
    ]);
    let mut docx = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec();
    docx.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    for (name, bytes) in [("secret.odt", odt), ("secret.docx", docx)] {
        let cause = read(name, &bytes).await.expect_err("a reason");
        assert_eq!(cause.code(), "encrypted", "{cause}");
    }
}
