//! Messages: e-mail (.eml) and Outlook messages (.msg). The subject becomes the title, sender,
//! recipients and date precede the text, and attachments become documents of their own.

mod charset;
mod compressed_rtf;
mod eml;
mod header_words;
mod mailbox;
mod msg;
mod quotes;
mod signed;
mod tnef;
mod uuencode;

use super::html;
use super::rtf;
use super::text::split_blocks;
use super::{Failure, Sink};
use crate::formats::common::aligned::{self, TextPart};
use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::common::whitespace::normalize_whitespace;
use crate::wire::Info;
use cloister_domain::{BlockKind, Day, ReadingAccount};

pub use eml::FORMAT as EML;
pub use eml::{SIGNED, WINMAIL, has_header, html_of_saved_page};
pub use mailbox::FORMAT as MBOX;
pub use msg::FORMAT as MSG;

/// A message.
#[derive(Debug, Default)]
struct MailMessage {
    subject: String,
    /// Header fields, such as `From` and `Date`, with their values.
    lines: Vec<(&'static str, String)>,
    day: Option<Day>,
    body: MailBody,
    attachments: Vec<(String, Vec<u8>)>,
    /// Sentences for the administrator.
    warnings: Vec<String>,
    /// What was left out, and what was not understood.
    account: ReadingAccount,
    /// The number of the part with the text.
    part: u32,
    /// Whether the text is encrypted.
    is_encrypted: bool,
}

/// The body of a message, in the simplest format available.
#[derive(Debug, Default)]
enum MailBody {
    #[default]
    Empty,
    Plain(String),
    /// Plain text whose quotations are marked without doubt (RFC 3676).
    Flowed(String),
    Html(String),
    Rich(Vec<u8>),
}

/// Plain text with fewer words than this may only say that there is another part.
const MAX_STUB_WORDS: usize = 80;

/// A plain text with more words than this that the other part lacks is read with it.
const MIN_OWN_WORDS: usize = 4;

/// The simplest candidate that has the words of the message. A plain text that only says that the
/// message is in another part is no such candidate.
fn choose_body(candidates: [MailBody; 3]) -> MailBody {
    let [plain, html, rich] = candidates;
    let others = [html, rich].into_iter().find(|body| !body.is_empty());
    match others {
        Some(other) if plain.is_empty() => other,
        Some(other) => match compare(&plain, &other) {
            BodyChoice::Plain => plain,
            BodyChoice::Other => other,
            BodyChoice::Both => both(plain, other),
        },
        None => plain,
    }
}

/// Which part of a message has its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyChoice {
    Plain,
    Other,
    /// Each part has words that the other lacks.
    Both,
}

/// A message whose two parts say different things.
fn both(plain: MailBody, other: MailBody) -> MailBody {
    match (plain, other) {
        (MailBody::Plain(text) | MailBody::Flowed(text), MailBody::Html(html)) => {
            MailBody::Html(format!("{}<hr>{html}", html_of_text(&text)))
        }
        (_, other) => other,
    }
}

fn html_of_text(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let paragraphs = escaped.split("\n\n").map(|part| format!("<p>{part}</p>"));
    paragraphs.collect()
}

/// Words of a text that sends the reader to the other part.
const NOTICE_WORDS: &[&str] = &[
    "html", "browser", "client", "programm", "program", "viewer", "version",
];

/// Compares a plain text with the other part. The other part is read if the plain text lacks most of
/// its words, or its tables.
fn compare(plain: &MailBody, other: &MailBody) -> BodyChoice {
    let (MailBody::Plain(text) | MailBody::Flowed(text)) = plain else {
        return BodyChoice::Plain;
    };
    let MailBody::Html(html) = other else {
        return BodyChoice::Plain;
    };
    let mut builder = BlockBuilder::default();
    if html::read_into(html, &mut builder).is_err() {
        return BodyChoice::Plain;
    }
    let pages = builder.finish().finish();
    let blocks = pages.iter().flat_map(|page| &page.page.content.blocks);
    let rows = blocks.filter(|block| block.row.as_ref().is_some_and(|row| row.cells.len() > 1));
    let has_table = rows.count() > 1;
    let mut shown = std::collections::HashSet::new();
    for page in &pages {
        shown.extend(words(&page.page.content.text));
    }
    let said = words(text);
    let shared = shown.intersection(&said).count();
    let is_stub = said.len() < MAX_STUB_WORDS && shown.len() > 2 && shared * 2 < shown.len();
    let is_notice = NOTICE_WORDS.iter().any(|word| said.contains(*word));
    match () {
        () if is_stub && said.len() > MIN_OWN_WORDS && shared * 2 < said.len() && !is_notice => {
            BodyChoice::Both
        }
        () if is_stub || has_table && shared * 5 >= said.len() * 4 => BodyChoice::Other,
        () => BodyChoice::Plain,
    }
}

/// The words of a text in lower case.
fn words(text: &str) -> std::collections::HashSet<String> {
    let words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

impl MailBody {
    fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Plain(text) | Self::Flowed(text) | Self::Html(text) => text.trim().is_empty(),
            Self::Rich(bytes) => bytes.is_empty(),
        }
    }
}

impl MailMessage {
    /// Writes the message. A nested message has a heading of a lower level.
    fn write_into(
        &self,
        builder: &mut BlockBuilder,
        level: u8,
        place: &str,
    ) -> Result<(), Failure> {
        builder.sections.set_location(Some(place.to_owned()));
        builder.begin_paragraph(BlockKind::Heading(level));
        builder.push_text(&self.subject);
        builder.end_paragraph();
        for (name, value) in &self.lines {
            if !value.trim().is_empty() {
                builder.begin_paragraph(BlockKind::Paragraph);
                builder.push_text(&format!("{name}: {value}"));
                builder.end_paragraph();
            }
        }
        match &self.body {
            MailBody::Empty => {}
            MailBody::Plain(text) => push_plain_text(text, false, builder),
            MailBody::Flowed(text) => push_plain_text(text, true, builder),
            MailBody::Html(text) => {
                html::read_into(text, builder)?;
            }
            MailBody::Rich(bytes) => rtf::read_into(bytes, builder)?,
        }
        builder.end_paragraph();
        Ok(())
    }

    /// Sends the message as a document, and then its attachments.
    fn send(self, format: &str, builder: BlockBuilder, sink: &mut dyn Sink) -> Result<(), Failure> {
        let subject = normalize_whitespace(&self.subject);
        let info = Info {
            format: format.to_owned(),
            title: (!subject.is_empty()).then_some(subject),
            date: self.day,
            warnings: self.warnings,
            account: self.account,
            ..Info::default()
        };
        builder.finish().send(info, sink)?;
        for (name, bytes) in &self.attachments {
            sink.attachment(name, bytes)?;
        }
        Ok(())
    }
}

/// Formats a time: `2026-03-03 09:15:00+01:00`.
fn format_date(time: &mail_parser::DateTime) -> String {
    time.to_rfc3339().replace('T', " ")
}

/// Writes plain text. Quoted lines are kept without their quotation marks.
fn push_plain_text(text: &str, flowed: bool, builder: &mut BlockBuilder) {
    for part in aligned::parts(&quotes::without_marks(text, flowed)) {
        match part {
            TextPart::Text(text) => push_blocks(&text, builder),
            TextPart::Table(rows) => rows.iter().for_each(|row| builder.sections.push_row(row)),
        }
    }
}

fn push_blocks(text: &str, builder: &mut BlockBuilder) {
    for (kind, block) in split_blocks(text) {
        builder.begin_paragraph(kind);
        builder.push_text(&block);
        builder.end_paragraph();
    }
}
