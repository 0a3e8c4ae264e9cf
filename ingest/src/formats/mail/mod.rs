//! Messages: e-mail (.eml) and Outlook messages (.msg). The subject becomes the title, sender,
//! recipients and date precede the text, and attachments become documents of their own.

mod compressed_rtf;
mod eml;
mod msg;

use super::html;
use super::rtf;
use super::text::split_blocks;
use super::{Failure, Sink};
use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::common::sections::normalize_whitespace;
use crate::wire::Info;
use cloister_domain::{BlockKind, Day};

pub use eml::FORMAT as EML;
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
}

/// The body of a message, in the simplest format available.
#[derive(Debug, Default)]
enum MailBody {
    #[default]
    Empty,
    Plain(String),
    Html(String),
    Rich(Vec<u8>),
}

impl MailBody {
    /// The first candidate that is not empty.
    fn first_nonempty(candidates: impl IntoIterator<Item = Self>) -> Self {
        candidates
            .into_iter()
            .find(|body| !body.is_empty())
            .unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Plain(text) | Self::Html(text) => text.trim().is_empty(),
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
            MailBody::Plain(text) => push_plain_text(text, builder),
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
fn push_plain_text(text: &str, builder: &mut BlockBuilder) {
    let unquoted: Vec<&str> = text
        .lines()
        .map(|line| line.trim_start_matches(['>', ' ']))
        .collect();
    for (kind, block) in split_blocks(&unquoted.join("\n")) {
        builder.begin_paragraph(kind);
        builder.push_text(&block);
        builder.end_paragraph();
    }
}
