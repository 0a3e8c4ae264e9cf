//! A document reads the same in five formats.

#![expect(clippy::expect_used, reason = "a test without its files fails")]

use crate::support::{Line, archive, pdf, read, shared};
use cloister_domain::{BlockKind, Page};
use cloister_ingest::Extraction;
use lopdf::Dictionary;

const FORMATS: [&str; 5] = ["md", "html", "docx", "odt", "pdf"];

/// The text of the headings, in order.
fn headings(read: &Extraction) -> Vec<String> {
    let is_heading = |kind| matches!(kind, BlockKind::Heading(_));
    blocks(read, is_heading)
        .map(|text| squeeze(&text))
        .collect()
}

/// All text except running headers, without white space and the characters that draw lists and
/// tables.
fn text(read: &Extraction) -> String {
    let all: Vec<String> = blocks(read, |kind| kind != BlockKind::RunningHeader).collect();
    squeeze(&all.join(" "))
}

fn blocks(read: &Extraction, wanted: impl Fn(BlockKind) -> bool) -> impl Iterator<Item = String> {
    let found = read.pages.iter().flat_map(|Page { content, .. }| {
        let of_page = content.blocks.iter().filter(|block| wanted(block.kind));
        of_page.filter_map(|block| block.range.slice(&content.text).map(str::to_owned))
    });
    found.collect::<Vec<_>>().into_iter()
}

fn squeeze(text: &str) -> String {
    let drawn = |c: char| c.is_whitespace() || matches!(c, '•' | '-' | '–' | '|');
    text.chars().filter(|c| !drawn(*c)).collect()
}

/// Compares the readings of a policy in each format with the first one.
fn compare(name: &str, readings: &[(&str, Extraction)]) {
    let (_, first) = readings.first().expect("a reading");
    for (format, reading) in readings {
        assert_eq!(text(reading), text(first), "{name} as {format}");
        assert_eq!(headings(reading), headings(first), "{name} as {format}");
    }
}

fn markdown() -> String {
    "# 7. Visitors\n\nVisitors come on weekdays. They wear a badge.\n\n## 7.1 Hours\n\n\
     * From nine to five\n* Not on holidays\n\n1. Ring the bell.\n2. Wait.\n\n\
     | Day | Desk |\n|---|---|\n| Monday | North wing |\n\n## 7.2 Badges\n\nReturn the badge.\n"
        .to_owned()
}

fn html() -> String {
    "<html><body><h1>7. Visitors</h1><p>Visitors come on weekdays. They wear a badge.</p>\
     <h2>7.1 Hours</h2><ul><li>From nine to five</li><li><p>Not on holidays</p></li></ul>\
     <ol><li>Ring the bell.</li><li>Wait.</li></ol>\
     <table><tr><th>Day</th><th>Desk</th></tr><tr><td>Monday</td><td>North wing</td></tr></table>\
     <h2>7.2 Badges</h2><p>Return the badge.</p></body></html>"
        .to_owned()
}

fn docx() -> Vec<u8> {
    let p = |style: &str, text: &str| {
        format!("<w:p><w:pPr>{style}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
    };
    let heading = |level: u8| format!("<w:outlineLvl w:val=\"{level}\"/>");
    let item =
        |list: u8| format!("<w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"{list}\"/></w:numPr>");
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", p("", text));
    let body = [
        p(&heading(0), "7. Visitors"),
        p("", "Visitors come on weekdays. They wear a badge."),
        p(&heading(1), "7.1 Hours"),
        p(&item(1), "From nine to five"),
        p(&item(1), "Not on holidays"),
        p(&item(2), "Ring the bell."),
        p(&item(2), "Wait."),
        format!(
            "<w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>",
            cell("Day"),
            cell("Desk"),
            cell("Monday"),
            cell("North wing")
        ),
        p(&heading(1), "7.2 Badges"),
        p("", "Return the badge."),
    ];
    let lists = "<w:numbering>\
        <w:abstractNum w:abstractNumId=\"1\"><w:lvl w:ilvl=\"0\"><w:numFmt w:val=\"bullet\"/><w:lvlText w:val=\"•\"/></w:lvl></w:abstractNum>\
        <w:abstractNum w:abstractNumId=\"2\"><w:lvl w:ilvl=\"0\"><w:numFmt w:val=\"decimal\"/><w:lvlText w:val=\"%1.\"/></w:lvl></w:abstractNum>\
        <w:num w:numId=\"1\"><w:abstractNumId w:val=\"1\"/></w:num><w:num w:numId=\"2\"><w:abstractNumId w:val=\"2\"/></w:num></w:numbering>";
    let document = format!(
        "<w:document><w:body>{}</w:body></w:document>",
        body.concat()
    );
    archive(&[
        ("word/document.xml", document.as_str()),
        ("word/numbering.xml", lists),
    ])
}

fn odt() -> Vec<u8> {
    let list = |style: &str, items: [&str; 2]| {
        let item = |text| format!("<text:list-item><text:p>{text}</text:p></text:list-item>");
        let items = items.map(item).concat();
        format!("<text:list text:style-name=\"{style}\">{items}</text:list>")
    };
    let row = |cells: [&str; 2]| {
        let cell = |text| format!("<table:table-cell><text:p>{text}</text:p></table:table-cell>");
        format!(
            "<table:table-row>{}</table:table-row>",
            cells.map(cell).concat()
        )
    };
    let body = [
        "<text:h text:outline-level=\"1\">7. Visitors</text:h>".to_owned(),
        "<text:p>Visitors come on weekdays. They wear a badge.</text:p>".to_owned(),
        "<text:h text:outline-level=\"2\">7.1 Hours</text:h>".to_owned(),
        list("B", ["From nine to five", "Not on holidays"]),
        list("N", ["Ring the bell.", "Wait."]),
        format!(
            "<table:table>{}{}</table:table>",
            row(["Day", "Desk"]),
            row(["Monday", "North wing"])
        ),
        "<text:h text:outline-level=\"2\">7.2 Badges</text:h><text:p>Return the badge.</text:p>"
            .to_owned(),
    ];
    let styles = "<text:list-style style:name=\"B\"><text:list-level-style-bullet text:level=\"1\"/></text:list-style>\
        <text:list-style style:name=\"N\"><text:list-level-style-number text:level=\"1\" style:num-format=\"1\" style:num-suffix=\".\"/></text:list-style>";
    let content = format!(
        "<office:document-content><office:automatic-styles>{styles}</office:automatic-styles><office:body><office:text>{}</office:text></office:body></office:document-content>",
        body.concat()
    );
    archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", content.as_str()),
    ])
}

fn drawn() -> Vec<u8> {
    let lines = [
        (16.0, true, 72.0, 720.0, "7. Visitors"),
        (
            10.0,
            false,
            72.0,
            690.0,
            "Visitors come on weekdays. They wear a badge.",
        ),
        (13.0, true, 72.0, 660.0, "7.1 Hours"),
        (10.0, false, 72.0, 640.0, "- From nine to five"),
        (10.0, false, 72.0, 628.0, "- Not on holidays"),
        (10.0, false, 72.0, 610.0, "1. Ring the bell."),
        (10.0, false, 72.0, 598.0, "2. Wait."),
        (10.0, false, 72.0, 570.0, "Day"),
        (10.0, false, 250.0, 570.0, "Desk"),
        (10.0, false, 72.0, 558.0, "Monday"),
        (10.0, false, 250.0, 558.0, "North wing"),
        (13.0, true, 72.0, 530.0, "7.2 Badges"),
        (10.0, false, 72.0, 510.0, "Return the badge."),
    ];
    let lines = lines.map(|(size, bold, x, y, text)| Line(size, bold, x, y, text));
    pdf(&[lines.into()], &Dictionary::new())
}

#[tokio::test]
async fn a_policy_is_the_same_in_five_formats() {
    let files = [
        ("md", markdown().into_bytes()),
        ("html", html().into_bytes()),
        ("docx", docx()),
        ("odt", odt()),
        ("pdf", drawn()),
    ];
    let mut readings = Vec::new();
    for (format, bytes) in files {
        let read = read(&format!("visitors.{format}"), &bytes)
            .await
            .expect("text");
        readings.push((format, read));
    }
    compare("visitors", &readings);
}

/// Removes what the authors added in single formats: the file's name as a title in those that
/// pandoc wrote, and a line at the top of the PDF's pages, which recurs only if there are two
/// pages.
fn without_additions(name: &str, read: &mut Extraction) {
    let first = read.pages.first_mut().expect("a page");
    let added = |text: &str| text == name || text.starts_with(&format!("{name} page 1"));
    let content = &mut first.content;
    for block in &mut content.blocks {
        if block.range.slice(&content.text).is_some_and(added) {
            block.kind = BlockKind::RunningHeader;
        }
    }
}

#[tokio::test]
async fn a_hospitals_policies_are_the_same_in_five_formats() {
    let folder = shared().join("data/handbooks/datica-hipaa-policies");
    let Ok(files) = std::fs::read_dir(folder.join("md")) else {
        eprintln!("skipped: there is no data in {}", folder.display());
        return;
    };
    let mut compared = 0;
    for file in files {
        let path = file.expect("a file").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let mut readings = Vec::new();
        for format in FORMATS {
            let file = format!("{name}.{format}");
            let bytes = std::fs::read(folder.join(format).join(&file)).expect("a file");
            let mut read = read(&file, &bytes).await.expect("text");
            without_additions(&name, &mut read);
            // In a PDF, a line of capitals looks like a heading.
            if format == "pdf" {
                demote_capitals(&mut read);
            }
            readings.push((format, read));
        }
        compare(&name, &readings);
        compared += 1;
    }
    assert!(compared >= 20, "only {compared} policies");
}

fn demote_capitals(read: &mut Extraction) {
    for page in &mut read.pages {
        let content = &mut page.content;
        for block in &mut content.blocks {
            let text = block.range.slice(&content.text).unwrap_or_default();
            if !text.chars().any(char::is_lowercase) {
                block.kind = BlockKind::Paragraph;
            }
        }
    }
}
