//! E-mail messages (RFC 5322, MIME).

use super::charset::decode_named;
use super::header_words::{decode_field, parameter};
use super::signed::{self, Enclosed};
use super::{MailBody, MailMessage, choose_body, tnef, uuencode};
use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::common::encoding::decode;
use crate::formats::common::xml::parse_day;
use crate::formats::{Failure, Format, ReadOptions, Sink, Source};
use crate::wire::{Info, Refusal};
use cloister_domain::{LossKind, OmissionKind, ReadingAccount};
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{
    Address, Encoding, Header, Message, MessageParser, MessagePart, MimeHeaders, PartType,
};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Maximum size of a header.
const MAX_HEADER_BYTES: usize = 4 << 20;
/// Maximum number of signed messages inside each other.
const MAX_SIGNED: usize = 4;

/// E-mail messages.
pub const FORMAT: Format = Format {
    name: "eml",
    label: "mail (.eml)",
    matches: |source| has_header(without_count(&source.bytes)),
    extract,
    render_page: None,
};

/// Files that Outlook packed.
pub const WINMAIL: Format = Format {
    name: "winmail",
    label: "winmail.dat",
    matches: |source| source.bytes.starts_with(tnef::SIGNATURE),
    extract: extract_winmail,
    render_page: None,
};

/// Files that are signed as a whole.
pub const SIGNED: Format = Format {
    name: "p7m",
    label: "signed files (.p7m)",
    matches: |source| source.bytes.starts_with(&[0x30]) && signed::open(&source.bytes).is_some(),
    extract: extract_signed,
    render_page: None,
};

/// The message without the line with its number of bytes, with which Apple's Mail begins its files.
fn without_count(bytes: &[u8]) -> &[u8] {
    let Some(end) = bytes.iter().take(20).position(|byte| *byte == b'\n') else {
        return bytes;
    };
    let first = bytes.get(..end).unwrap_or_default().trim_ascii();
    let count = std::str::from_utf8(first)
        .ok()
        .and_then(|digits| digits.parse::<usize>().ok());
    match count.and_then(|count| bytes.get(end + 1..end + 1 + count)) {
        Some(message) => message,
        None => bytes,
    }
}

/// Fields that the header of a message has.
const FIELDS: &[&str] = &[
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "received",
    "return-path",
    "delivered-to",
    "reply-to",
    "sender",
    "cc",
    "content-type",
];

/// Whether the bytes start with the header of a message: fields up to an empty line, however many.
pub fn has_header(bytes: &[u8]) -> bool {
    let bytes = bytes
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(bytes)
        .trim_ascii_start();
    let mut seen: Vec<String> = Vec::new();
    let mut length = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        length += line.len() + 1;
        let text = line.trim_ascii_end();
        if text.is_empty() || length > MAX_HEADER_BYTES {
            break;
        }
        // A long field continues on indented lines.
        if text.first().is_some_and(u8::is_ascii_whitespace) {
            continue;
        }
        let Some(colon) = text.iter().position(|byte| *byte == b':') else {
            return false;
        };
        let name = text.get(..colon).unwrap_or_default().trim_ascii_end();
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        if !is_name {
            return false;
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if FIELDS.contains(&name.as_str()) && !seen.contains(&name) {
            seen.push(name);
        }
    }
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    let is_sent = seen.contains(&"from")
        && ["mime-version", "received", "message-id", "date"]
            .iter()
            .any(|name| seen.contains(name));
    is_sent || seen.contains(&"mime-version") && seen.contains(&"content-type") && seen.len() > 2
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let message = read_message(without_count(&source.bytes))
        .ok_or_else(|| Failure::damaged("its header cannot be read"))?;
    let mut builder = BlockBuilder::default();
    message.write_into(&mut builder, 1, &format!("part {}", message.part))?;
    message.send(FORMAT.name, builder, sink)
}

fn extract_winmail(source: &Source, _: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let found =
        tnef::unpack(&source.bytes).ok_or_else(|| Failure::damaged("it cannot be unpacked"))?;
    let message = MailMessage {
        subject: found.subject,
        body: found.body,
        attachments: found.files,
        ..MailMessage::default()
    };
    let mut builder = BlockBuilder::default();
    message.write_into(&mut builder, 1, "part 1")?;
    message.send(WINMAIL.name, builder, sink)
}

fn extract_signed(source: &Source, _: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    match signed::open(&source.bytes) {
        Some(Enclosed::Signed(bytes)) => {
            let name = source
                .name
                .strip_suffix(".p7m")
                .unwrap_or(&source.name)
                .to_owned();
            let name = if name == source.name {
                format!("content of {name}")
            } else {
                name
            };
            sink.info(Info {
                format: SIGNED.name.to_owned(),
                warnings: vec![NOT_VERIFIED.to_owned()],
                ..Info::default()
            })?;
            Ok(sink.attachment(&name, &bytes)?)
        }
        Some(Enclosed::Encrypted) => Err(Refusal::Encrypted.into()),
        Some(Enclosed::Signature) | None => {
            Err(Refusal::NotRead("a signature without the file that it signs".to_owned()).into())
        }
    }
}

const NOT_VERIFIED: &str = "it is signed as a whole; the signature was not verified";

/// Reads a message, with what is packed or signed in it.
pub(super) fn read_message(bytes: &[u8]) -> Option<MailMessage> {
    let message = parse_message(bytes)?;
    let mut read = build_message(&message);
    unwrap_signed(&mut read, 0);
    unpack_winmail(&mut read);
    if read.is_encrypted {
        read.attachments.retain(|(name, _)| !name.is_empty());
        read.account.lose(LossKind::Message, 1);
        read.warnings
            .push("the message is encrypted, and its text cannot be read".to_owned());
    }
    Some(read)
}

/// Replaces a part that is signed as a whole by what is in it.
fn unwrap_signed(message: &mut MailMessage, depth: usize) {
    let attachments = std::mem::take(&mut message.attachments);
    for (name, bytes) in attachments {
        let lower = name.to_ascii_lowercase();
        let extension = lower.rsplit('.').next().unwrap_or_default();
        if extension == "p7s" {
            message.account.leave_out(OmissionKind::Signature, 1);
            continue;
        }
        let opened = (extension == "p7m"
            || bytes.starts_with(&[0x30, 0x80])
            || bytes.starts_with(&[0x30, 0x82]))
        .then(|| signed::open(&bytes))
        .flatten();
        match opened {
            Some(Enclosed::Signed(content)) if depth < MAX_SIGNED => {
                take_content(message, &content, depth);
            }
            Some(Enclosed::Encrypted) => message.is_encrypted = true,
            Some(Enclosed::Signed(_) | Enclosed::Signature) | None => {
                message.attachments.push((name, bytes));
            }
        }
    }
}

fn take_content(message: &mut MailMessage, content: &[u8], depth: usize) {
    let Some(inner) = parse_message(content) else {
        message
            .attachments
            .push(("signed content".to_owned(), content.to_vec()));
        return;
    };
    let mut inner = build_message(&inner);
    unwrap_signed(&mut inner, depth + 1);
    if message.body.is_empty() {
        message.body = inner.body;
    }
    if message.subject.is_empty() {
        message.subject = inner.subject;
    }
    message.is_encrypted |= inner.is_encrypted;
    message.attachments.append(&mut inner.attachments);
    message.warnings.append(&mut inner.warnings);
    message.account.merge(&inner.account);
    message.warnings.push(NOT_VERIFIED.to_owned());
}

/// Replaces `winmail.dat` by the files that are packed in it.
fn unpack_winmail(message: &mut MailMessage) {
    for (name, bytes) in std::mem::take(&mut message.attachments) {
        match tnef::unpack(&bytes) {
            Some(found) => {
                if message.body.is_empty() {
                    message.body = found.body;
                }
                message.attachments.extend(found.files);
            }
            None => message.attachments.push((name, bytes)),
        }
    }
}

/// Parses a message. The parser panics on some invalid encodings in builds with overflow checks.
fn parse_message(bytes: &[u8]) -> Option<Message<'_>> {
    catch_unwind(AssertUnwindSafe(|| MessageParser::default().parse(bytes))).unwrap_or_default()
}

/// The HTML of a page that a browser saved as one file (MHTML).
pub fn html_of_saved_page(bytes: &[u8]) -> Option<String> {
    match html_body(&parse_message(bytes)?) {
        MailBody::Html(html) if !html.trim().is_empty() => Some(html),
        MailBody::Html(_)
        | MailBody::Empty
        | MailBody::Plain(_)
        | MailBody::Flowed(_)
        | MailBody::Rich(_) => None,
    }
}

fn build_message(message: &Message<'_>) -> MailMessage {
    let date = message.date();
    let part = message.text_body.first().or(message.html_body.first());
    let kind = message.content_type().map(|kind| {
        let subtype = kind.subtype().unwrap_or_default();
        format!("{}/{subtype}", kind.ctype()).to_ascii_lowercase()
    });
    let rich = MailBody::Empty;
    let mut plain = plain_body(message);
    let mut attachments = collect_attachments(message);
    if let MailBody::Plain(text) = &mut plain {
        attachments.extend(uuencode::take_files(text));
    }
    let body = choose_body([plain, html_body(message), rich]);
    let is_pgp = matches!(&body, MailBody::Plain(text) if text.trim_start().starts_with("-----BEGIN PGP MESSAGE-----"));
    MailMessage {
        part: part.copied().unwrap_or(0) + 1,
        is_encrypted: is_pgp || kind.as_deref() == Some("multipart/encrypted"),
        subject: subject(message),
        lines: vec![
            ("From", addresses(message, "From", message.from())),
            ("To", addresses(message, "To", message.to())),
            ("Cc", addresses(message, "Cc", message.cc())),
            ("Date", date.map(super::format_date).unwrap_or_default()),
        ],
        day: date.and_then(|date| parse_day(&date.to_rfc3339())),
        body,
        attachments,
        warnings: Vec::new(),
        account: count_decorations(message),
    }
}

fn subject(message: &Message<'_>) -> String {
    let parsed = message.subject().unwrap_or_default();
    let decoded = raw_header(message, message.headers(), "Subject").map(decode_field);
    decoded.map_or_else(|| parsed.to_owned(), |text| text.trim().to_owned())
}

/// The addresses of a field. Names in charsets that the parser does not know are decoded here.
fn addresses(message: &Message<'_>, name: &str, parsed: Option<&Address<'_>>) -> String {
    let shown = format_addresses(parsed);
    if !shown.contains(['\u{fffd}', '\u{1b}', '~']) {
        return shown;
    }
    let decoded = raw_header(message, message.headers(), name).map(decode_field);
    decoded.unwrap_or(shown)
}

/// The bytes of a header field after its name.
fn raw_header<'m>(
    message: &'m Message<'_>,
    headers: &[Header<'_>],
    name: &str,
) -> Option<&'m [u8]> {
    let header = headers
        .iter()
        .rfind(|header| header.name.as_str().eq_ignore_ascii_case(name))?;
    let from = usize::try_from(header.offset_start).ok()?;
    let to = usize::try_from(header.offset_end).ok()?;
    message.raw_message().get(from..to)
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
    let mut flowed = false;
    let mut texts: Vec<Cow<'_, str>> = Vec::new();
    for part in message.text_bodies() {
        if let PartType::Text(text) = &part.body {
            let format = part
                .content_type()
                .and_then(|kind| kind.attribute("format"));
            flowed |= format.is_some_and(|format| format.eq_ignore_ascii_case("flowed"));
            texts.push(redecoded(message, part, text));
        }
    }
    let text = texts.join("\n\n");
    if flowed {
        MailBody::Flowed(text)
    } else {
        MailBody::Plain(text)
    }
}

fn html_body(message: &Message<'_>) -> MailBody {
    let texts = message.html_bodies().filter_map(|part| match &part.body {
        PartType::Html(text) => Some(redecoded(message, part, text)),
        PartType::Text(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Message(_)
        | PartType::Multipart(_) => None,
    });
    MailBody::Html(texts.collect::<Vec<_>>().join("\n"))
}

/// The text of a part, in the charset that it names. If it names none or a wrong one, its letters
/// decide.
fn redecoded<'t>(message: &Message<'_>, part: &MessagePart<'_>, text: &'t str) -> Cow<'t, str> {
    if text.is_ascii() && !text.contains(['\u{1b}', '~', '+']) {
        return Cow::Borrowed(text);
    }
    let named = raw_header(message, &part.headers, "Content-Type")
        .and_then(|field| parameter(field, "charset"));
    match part_bytes(message, part) {
        Some(bytes) => Cow::Owned(match named {
            Some(name) => decode_named(&bytes, &name),
            None => decode(&bytes),
        }),
        None => Cow::Borrowed(text),
    }
}

/// The bytes of a part without its transfer encoding.
fn part_bytes(message: &Message<'_>, part: &MessagePart<'_>) -> Option<Vec<u8>> {
    let from = usize::try_from(part.offset_body).ok()?;
    let to = usize::try_from(part.offset_end).ok()?;
    let raw = message.raw_message().get(from..to)?;
    match part.encoding {
        Encoding::None => Some(raw.to_vec()),
        Encoding::Base64 => base64_decode(raw),
        Encoding::QuotedPrintable => quoted_printable_decode(raw),
    }
}

/// The attachments, without pictures that are embedded in the text.
fn collect_attachments(message: &Message<'_>) -> Vec<(String, Vec<u8>)> {
    let attached = message.attachments().filter(|part| !is_decoration(part));
    attached
        .map(|part| {
            (
                attachment_name(message, part),
                attachment_bytes(message, part),
            )
        })
        .collect()
}

fn count_decorations(message: &Message<'_>) -> ReadingAccount {
    let mut account = ReadingAccount::default();
    let pictures = message.attachments().filter(|part| is_decoration(part));
    account.leave_out(OmissionKind::Picture, pictures.count());
    account
}

fn is_decoration(part: &MessagePart<'_>) -> bool {
    let is_picture = part
        .content_type()
        .is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("image"));
    let disposition = part.content_disposition();
    let inline = disposition.is_none_or(|d| d.ctype().eq_ignore_ascii_case("inline"));
    is_picture && inline && part.content_id().is_some()
}

fn attachment_name(message: &Message<'_>, part: &MessagePart<'_>) -> String {
    let decoded = [
        ("Content-Disposition", "filename"),
        ("Content-Type", "name"),
    ]
    .into_iter()
    .find_map(|(header, key)| parameter(raw_header(message, &part.headers, header)?, key));
    if let Some(name) = decoded.filter(|name| !name.trim().is_empty()) {
        return name;
    }
    if let Some(name) = part.attachment_name() {
        return name.to_owned();
    }
    let subtype = part
        .content_type()
        .and_then(|kind| kind.subtype())
        .unwrap_or_default();
    if subtype.eq_ignore_ascii_case("pkcs7-mime") || subtype.eq_ignore_ascii_case("x-pkcs7-mime") {
        return "smime.p7m".to_owned();
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

fn attachment_bytes(message: &Message<'_>, part: &MessagePart<'_>) -> Vec<u8> {
    match &part.body {
        PartType::Message(inner) => inner.raw_message().to_vec(),
        // A file of text becomes a document of its own, in the charset that the message names.
        PartType::Text(text) => redecoded(message, part, text).as_bytes().to_vec(),
        PartType::Html(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Multipart(_) => part.contents().to_vec(),
    }
}
