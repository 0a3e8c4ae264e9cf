//! Outlook messages (MS-OXMSG): an OLE compound file with a stream for each property.

use super::compressed_rtf::decompress;
use super::{MailBody, MailMessage, choose_body};
use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::common::encoding::{decode, decode_code_page};
use crate::formats::common::ole::{self, CompoundFile};
use crate::formats::common::xml::parse_day;
use crate::formats::{Failure, Format, ReadOptions, Sink, Source};
use cloister_domain::LossKind;
use mail_parser::DateTime;

const PROPERTIES: &str = "__properties_version1.0";
/// Maximum nesting depth of messages.
const MAX_DEPTH: u8 = 4;
/// Maximum number of attachments.
const MAX_ATTACHMENTS: usize = 2_000;

// Property ids (MS-OXPROPS).
const SUBJECT: u16 = 0x0037;
const SUBMITTED: u16 = 0x0039;
const SENDER_ADDRESS: u16 = 0x0C1F;
const SENDER_NAME: u16 = 0x0C1A;
const CC: u16 = 0x0E03;
const TO: u16 = 0x0E04;
const DELIVERED: u16 = 0x0E06;
const BODY: u16 = 0x1000;
const RICH_BODY: u16 = 0x1009;
const HTML_BODY: u16 = 0x1013;
const SHORT_NAME: u16 = 0x3704;
const LONG_NAME: u16 = 0x3707;
const DATA: u16 = 0x3701;
const CODE_PAGE: u16 = 0x3FFD;
const SMTP_ADDRESS: u16 = 0x5D01;
const INTERNET_CODE_PAGE: u16 = 0x3FDE;

/// Outlook messages.
pub const FORMAT: Format = Format {
    name: "msg",
    label: "Outlook messages (.msg)",
    matches,
    extract,
    render_page: None,
};

fn matches(source: &Source) -> bool {
    ole::has_stream(source, PROPERTIES)
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut file =
        ole::open(source).ok_or_else(|| Failure::damaged("its parts cannot be found"))?;
    let mut builder = BlockBuilder::default();
    let mut reading = MsgReader {
        file: &mut file,
        builder: &mut builder,
        part: 0,
        page: None,
        attachments: Vec::new(),
    };
    let mut message_content = reading.read_message("/", 1)?;
    message_content.attachments = reading.attachments;
    message_content.send(FORMAT.name, builder, sink)
}

struct MsgReader<'r, 'f> {
    file: &'r mut CompoundFile<'f>,
    builder: &'r mut BlockBuilder,
    part: u32,
    /// The code page of the open message.
    page: Option<u32>,
    attachments: Vec<(String, Vec<u8>)>,
}

impl MsgReader<'_, '_> {
    /// Writes the message in this storage, and the messages that are attached to it.
    fn read_message(&mut self, folder: &str, depth: u8) -> Result<MailMessage, Failure> {
        let message_content = self.read_content(folder, depth > 1);
        self.part += 1;
        message_content.write_into(self.builder, depth, &format!("part {}", self.part))?;
        for attached in self.attachment_folders(folder) {
            let inside = format!("{attached}__substg1.0_{DATA:04X}000D/");
            if self.file.is_storage(&inside) {
                if depth < MAX_DEPTH && self.file.is_stream(format!("{inside}{PROPERTIES}")) {
                    self.read_message(&inside, depth + 1)?;
                } else {
                    self.builder.sections.lose(
                        LossKind::Object,
                        1,
                        "an object of another program in the message is left out",
                    );
                }
            } else if let Some(bytes) = self.read_property(&attached, DATA, 0x0102) {
                let page = self.page;
                let name = self.read_text(&attached, LONG_NAME, page);
                let name = name.or_else(|| self.read_text(&attached, SHORT_NAME, page));
                self.attachments.push((name.unwrap_or_default(), bytes));
            }
        }
        Ok(message_content)
    }

    /// The storages of the attachments, in the order of their numbers. Where one was removed, a number
    /// is missing.
    fn attachment_folders(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = self.file.read_storage(folder) else {
            return Vec::new();
        };
        let mut found: Vec<(u32, String)> = entries
            .filter(cfb::Entry::is_storage)
            .filter_map(|entry| {
                let number = entry.name().strip_prefix("__attach_version1.0_#")?;
                let number = u32::from_str_radix(number, 16).ok()?;
                Some((number, format!("{folder}{}/", entry.name())))
            })
            .take(MAX_ATTACHMENTS)
            .collect();
        found.sort();
        found.into_iter().map(|(_, path)| path).collect()
    }

    fn read_content(&mut self, folder: &str, inside: bool) -> MailMessage {
        // In the root, a longer header precedes the properties (MS-OXMSG 2.4.1).
        let header = if inside { 24 } else { 32 };
        let fixed =
            ole::read_stream(self.file, &format!("{folder}{PROPERTIES}")).unwrap_or_default();
        let fixed = fixed.get(header..).unwrap_or_default();
        let internet_page = code_page(INTERNET_CODE_PAGE, fixed);
        let page = code_page(CODE_PAGE, fixed).or(internet_page);
        self.page = page;
        let sent = fixed_property(fixed, SUBMITTED).or_else(|| fixed_property(fixed, DELIVERED));
        let sent = sent.and_then(parse_filetime);
        let mut text = |id: u16| self.read_text(folder, id, page).unwrap_or_default();
        let address = Some(text(SMTP_ADDRESS)).filter(|address| !address.is_empty());
        let address = address.unwrap_or_else(|| text(SENDER_ADDRESS));
        let sender = match (text(SENDER_NAME), address) {
            (name, address) if address.contains('@') && name != address => {
                format!("{name} <{address}>")
            }
            (name, _) => name,
        };
        let lines = vec![
            ("From", sender),
            ("To", text(TO)),
            ("Cc", text(CC)),
            (
                "Date",
                sent.as_ref().map(super::format_date).unwrap_or_default(),
            ),
        ];
        MailMessage {
            subject: text(SUBJECT),
            lines,
            day: sent.and_then(|date| parse_day(&date.to_rfc3339())),
            body: self.read_body(folder, page, internet_page.or(page)),
            attachments: Vec::new(),
            ..MailMessage::default()
        }
    }

    fn read_body(&mut self, folder: &str, page: Option<u32>, html_page: Option<u32>) -> MailBody {
        let plain = self.read_text(folder, BODY, page).unwrap_or_default();
        let html = self.read_property(folder, HTML_BODY, 0x0102);
        let html = html.map(|bytes| decode_html(&bytes, html_page));
        let html = html.or_else(|| self.read_text(folder, HTML_BODY, page));
        let rich = self.read_property(folder, RICH_BODY, 0x0102);
        choose_body([
            MailBody::Plain(plain),
            MailBody::Html(html.unwrap_or_default()),
            MailBody::Rich(rich.map(|bytes| decompress(&bytes)).unwrap_or_default()),
        ])
    }

    /// A string property, in UTF-16 or in the message's code page.
    fn read_text(&mut self, folder: &str, id: u16, page: Option<u32>) -> Option<String> {
        if let Some(bytes) = self.read_property(folder, id, 0x001F) {
            let (pairs, _) = bytes.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
            return Some(String::from_utf16_lossy(&units));
        }
        let bytes = self.read_property(folder, id, 0x001E)?;
        Some(match page {
            Some(page) => decode_code_page(&bytes, page),
            None => decode(&bytes),
        })
    }

    fn read_property(&mut self, folder: &str, id: u16, kind: u16) -> Option<Vec<u8>> {
        let path = format!("{folder}__substg1.0_{id:04X}{kind:04X}");
        ole::read_stream(self.file, &path)
    }
}

/// A property that holds a code page.
fn code_page(id: u16, fixed: &[u8]) -> Option<u32> {
    let page = fixed_property(fixed, id).and_then(|page| u32::try_from(page & 0xFFFF_FFFF).ok());
    page.filter(|page| *page > 0)
}

/// Decodes HTML: it is in the code page that the message names, unless it is UTF-8.
fn decode_html(bytes: &[u8], page: Option<u32>) -> String {
    let is_utf8 = std::str::from_utf8(bytes).is_ok() && !bytes.is_ascii();
    match page {
        Some(page) if !is_utf8 && encoding_rs::Encoding::for_bom(bytes).is_none() => {
            decode_code_page(bytes, page)
        }
        _ => decode(bytes),
    }
}

/// A property of fixed length: entries of 16 bytes with the property id in bytes 2 and 3.
fn fixed_property(properties: &[u8], wanted: u16) -> Option<u64> {
    let (entries, _) = properties.as_chunks::<16>();
    let entry = entries
        .iter()
        .find(|[_, _, low, high, ..]| u16::from_le_bytes([*low, *high]) == wanted)?;
    let (_, value) = entry.split_last_chunk::<8>()?;
    Some(u64::from_le_bytes(*value))
}

/// Converts a Windows file time, which counts steps of 100 nanoseconds since 1601.
fn parse_filetime(ticks: u64) -> Option<DateTime> {
    let seconds = i64::try_from(ticks / 10_000_000)
        .ok()?
        .checked_sub(11_644_473_600)?;
    let sound = (0..253_402_300_800).contains(&seconds);
    sound.then(|| DateTime::from_timestamp(seconds))
}
