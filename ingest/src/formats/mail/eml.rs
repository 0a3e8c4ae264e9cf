//! Mail as it is sent (RFC 5322, MIME).

use super::{Body, Letter};
use crate::formats::archive::damaged;
use crate::formats::flow::Flow;
use crate::formats::xml::day;
use crate::formats::{Failure, Format, Sink, Source};
use mail_parser::{Address, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Mail as it is sent.
#[derive(Debug)]
pub struct Eml;

/// How much of the file is looked at to tell whether it is a message.
const SAMPLE: usize = 8192;

impl Format for Eml {
    fn name(&self) -> &'static str {
        "eml"
    }

    fn label(&self) -> &'static str {
        "mail (.eml)"
    }

    /// A message begins with the fields of its header.
    fn recognises(&self, source: &Source) -> bool {
        let head = String::from_utf8_lossy(source.head(SAMPLE)).replace("\r\n", "\n");
        let header = head.split("\n\n").next().unwrap_or_default();
        let has = |field: &str| {
            let mut lines = header.lines().filter_map(|line| line.split_once(':'));
            lines.any(|(name, _)| name.eq_ignore_ascii_case(field))
        };
        has("from")
            && ["mime-version", "received", "message-id", "date"]
                .into_iter()
                .any(has)
    }

    fn read(&self, source: &Source, _: u32, _: bool, sink: &mut dyn Sink) -> Result<(), Failure> {
        let message = parse(&source.bytes).ok_or_else(|| damaged("its header cannot be read"))?;
        let letter = letter(&message);
        let mut flow = Flow::default();
        let part = message.text_body.first().or(message.html_body.first());
        let place = format!("part {}", part.copied().unwrap_or(0) + 1);
        letter.write(&mut flow, 1, &place)?;
        letter.send(self.name(), flow, sink)
    }
}

/// Parses the message. The parser's arithmetic overflows on some broken encodings, which is noticed
/// in builds that check it.
fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    catch_unwind(AssertUnwindSafe(|| MessageParser::default().parse(bytes))).unwrap_or_default()
}

fn letter(message: &Message<'_>) -> Letter {
    let date = message.date();
    let people = |address: Option<&Address<'_>>| address.map(names).unwrap_or_default();
    Letter {
        subject: message.subject().unwrap_or_default().to_owned(),
        lines: vec![
            ("From", people(message.from())),
            ("To", people(message.to())),
            ("Cc", people(message.cc())),
            ("Date", date.map(super::shown).unwrap_or_default()),
        ],
        day: date.and_then(|date| day(&date.to_rfc3339())),
        body: Body::plainest([plain(message), html(message)]),
        attachments: attachments(message),
    }
}

/// `Ada Byron <ada@example.org>, ...`
fn names(address: &Address<'_>) -> String {
    let all = address.iter().map(|one| match (one.name(), one.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => String::new(),
    });
    all.collect::<Vec<_>>().join(", ")
}

fn plain(message: &Message<'_>) -> Body {
    let texts = message.text_bodies().filter_map(|part| match &part.body {
        PartType::Text(text) => Some(text.as_ref()),
        PartType::Html(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Message(_)
        | PartType::Multipart(_) => None,
    });
    Body::Plain(texts.collect::<Vec<_>>().join("\n\n"))
}

fn html(message: &Message<'_>) -> Body {
    let texts = message.html_bodies().filter_map(|part| match &part.body {
        PartType::Html(text) => Some(text.as_ref()),
        PartType::Text(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Message(_)
        | PartType::Multipart(_) => None,
    });
    Body::Html(texts.collect::<Vec<_>>().join("\n"))
}

/// What is attached, without the pictures that belong to the text.
fn attachments(message: &Message<'_>) -> Vec<(String, Vec<u8>)> {
    let attached = message.attachments().filter(|part| !is_decoration(part));
    attached.map(|part| (name(part), contents(part))).collect()
}

fn is_decoration(part: &MessagePart<'_>) -> bool {
    let is_picture = part
        .content_type()
        .is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("image"));
    let disposition = part.content_disposition();
    let inline = disposition.is_none_or(|d| d.ctype().eq_ignore_ascii_case("inline"));
    is_picture && inline && part.content_id().is_some()
}

fn name(part: &MessagePart<'_>) -> String {
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

fn contents(part: &MessagePart<'_>) -> Vec<u8> {
    match &part.body {
        PartType::Message(message) => message.raw_message().to_vec(),
        PartType::Text(_)
        | PartType::Html(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Multipart(_) => part.contents().to_vec(),
    }
}
