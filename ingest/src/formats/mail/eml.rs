//! E-mail messages (RFC 5322, MIME).

use super::{MailBody, MailMessage};
use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::common::xml::parse_day;
use crate::formats::{Failure, Format, ReadOptions, Sink, Source};
use mail_parser::{Address, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of a file that are examined to decide whether it is a message.
const SAMPLE_BYTES: usize = 8192;

/// E-mail messages.
pub const FORMAT: Format = Format {
    name: "eml",
    label: "mail (.eml)",
    matches,
    extract,
    render_page: None,
};

/// A message starts with header fields.
fn matches(source: &Source) -> bool {
    let head = String::from_utf8_lossy(source.head(SAMPLE_BYTES)).replace("\r\n", "\n");
    let header = head.split("\n\n").next().unwrap_or_default();
    has_field(header, "from")
        && ["mime-version", "received", "message-id", "date"]
            .into_iter()
            .any(|field| has_field(header, field))
}

fn has_field(header: &str, field: &str) -> bool {
    let mut lines = header.lines().filter_map(|line| line.split_once(':'));
    lines.any(|(name, _)| name.eq_ignore_ascii_case(field))
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let message = parse_message(&source.bytes)
        .ok_or_else(|| Failure::damaged("its header cannot be read"))?;
    let message_content = build_message(&message);
    let mut builder = BlockBuilder::default();
    let part = message.text_body.first().or(message.html_body.first());
    let place = format!("part {}", part.copied().unwrap_or(0) + 1);
    message_content.write_into(&mut builder, 1, &place)?;
    message_content.send(FORMAT.name, builder, sink)
}

/// Parses a message. The parser panics on some invalid encodings in builds with overflow checks.
fn parse_message(bytes: &[u8]) -> Option<Message<'_>> {
    catch_unwind(AssertUnwindSafe(|| MessageParser::default().parse(bytes))).unwrap_or_default()
}

fn build_message(message: &Message<'_>) -> MailMessage {
    let date = message.date();
    MailMessage {
        subject: message.subject().unwrap_or_default().to_owned(),
        lines: vec![
            ("From", format_addresses(message.from())),
            ("To", format_addresses(message.to())),
            ("Cc", format_addresses(message.cc())),
            ("Date", date.map(super::format_date).unwrap_or_default()),
        ],
        day: date.and_then(|date| parse_day(&date.to_rfc3339())),
        body: MailBody::first_nonempty([plain_body(message), html_body(message)]),
        attachments: collect_attachments(message),
    }
}

/// `Ada Byron <ada@example.org>, ...`
fn format_addresses(address: Option<&Address<'_>>) -> String {
    let all =
        address
            .into_iter()
            .flat_map(Address::iter)
            .map(|one| match (one.name(), one.address()) {
                (Some(name), Some(address)) => format!("{name} <{address}>"),
                (Some(only), None) | (None, Some(only)) => only.to_owned(),
                (None, None) => String::new(),
            });
    all.collect::<Vec<_>>().join(", ")
}

fn plain_body(message: &Message<'_>) -> MailBody {
    let texts = message.text_bodies().filter_map(|part| match &part.body {
        PartType::Text(text) => Some(text.as_ref()),
        PartType::Html(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Message(_)
        | PartType::Multipart(_) => None,
    });
    MailBody::Plain(texts.collect::<Vec<_>>().join("\n\n"))
}

fn html_body(message: &Message<'_>) -> MailBody {
    let texts = message.html_bodies().filter_map(|part| match &part.body {
        PartType::Html(text) => Some(text.as_ref()),
        PartType::Text(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Message(_)
        | PartType::Multipart(_) => None,
    });
    MailBody::Html(texts.collect::<Vec<_>>().join("\n"))
}

/// The attachments, without pictures that are embedded in the text.
fn collect_attachments(message: &Message<'_>) -> Vec<(String, Vec<u8>)> {
    let attached = message.attachments().filter(|part| !is_decoration(part));
    attached
        .map(|part| (attachment_name(part), attachment_bytes(part)))
        .collect()
}

fn is_decoration(part: &MessagePart<'_>) -> bool {
    let is_picture = part
        .content_type()
        .is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("image"));
    let disposition = part.content_disposition();
    let inline = disposition.is_none_or(|d| d.ctype().eq_ignore_ascii_case("inline"));
    is_picture && inline && part.content_id().is_some()
}

fn attachment_name(part: &MessagePart<'_>) -> String {
    if let Some(name) = part.attachment_name() {
        return name.to_owned();
    }
    match &part.body {
        PartType::Message(message) => {
            let subject = message.subject().unwrap_or("message");
            format!("{subject}.eml")
        }
        PartType::Html(_) => "attachment.html".to_owned(),
        PartType::Text(_) => "attachment.txt".to_owned(),
        PartType::Binary(_) | PartType::InlineBinary(_) | PartType::Multipart(_) => String::new(),
    }
}

fn attachment_bytes(part: &MessagePart<'_>) -> Vec<u8> {
    match &part.body {
        PartType::Message(message) => message.raw_message().to_vec(),
        PartType::Text(_)
        | PartType::Html(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Multipart(_) => part.contents().to_vec(),
    }
}
