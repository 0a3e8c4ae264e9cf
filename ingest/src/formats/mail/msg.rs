//! Messages as Outlook keeps them (MS-OXMSG): a file of small files, each of them a property.

use super::packed::unpack;
use super::{Body, Letter};
use crate::formats::archive::damaged;
use crate::formats::flow::Flow;
use crate::formats::ole::{self, File};
use crate::formats::text::{decode, in_code_page};
use crate::formats::xml::day;
use crate::formats::{Failure, Format, Sink, Source};
use mail_parser::DateTime;

/// Messages as Outlook keeps them.
#[derive(Debug)]
pub struct Msg;

const PROPERTIES: &str = "__properties_version1.0";
/// Messages lie inside each other this deep at most.
const DEEPEST: u8 = 4;
/// More attachments than a message has.
const MOST_ATTACHMENTS: u32 = 2_000;

// Properties, by their numbers (MS-OXPROPS).
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

impl Format for Msg {
    fn name(&self) -> &'static str {
        "msg"
    }

    fn label(&self) -> &'static str {
        "Outlook messages (.msg)"
    }

    fn recognises(&self, source: &Source) -> bool {
        ole::holds(source, PROPERTIES)
    }

    fn read(&self, source: &Source, _: u32, _: bool, sink: &mut dyn Sink) -> Result<(), Failure> {
        let mut file = ole::open(source).ok_or_else(|| damaged("its parts cannot be found"))?;
        let mut flow = Flow::default();
        let mut reading = Reading {
            file: &mut file,
            flow: &mut flow,
            part: 0,
            attachments: Vec::new(),
        };
        let mut letter = reading.message("/", 1)?;
        letter.attachments = reading.attachments;
        letter.send(self.name(), flow, sink)
    }
}

struct Reading<'r, 'f> {
    file: &'r mut File<'f>,
    flow: &'r mut Flow,
    part: u32,
    attachments: Vec<(String, Vec<u8>)>,
}

impl Reading<'_, '_> {
    /// Writes the message in this folder of the file, and those that are attached to it.
    fn message(&mut self, folder: &str, depth: u8) -> Result<Letter, Failure> {
        let letter = self.letter(folder, depth > 1);
        self.part += 1;
        letter.write(self.flow, depth, &format!("part {}", self.part))?;
        for number in 0..MOST_ATTACHMENTS {
            let attached = format!("{folder}__attach_version1.0_#{number:08X}/");
            if !self.file.is_storage(&attached) {
                break;
            }
            let inside = format!("{attached}__substg1.0_{DATA:04X}000D/");
            if self.file.is_storage(&inside) {
                if depth < DEEPEST && self.file.is_stream(format!("{inside}{PROPERTIES}")) {
                    self.message(&inside, depth + 1)?;
                }
            } else if let Some(bytes) = self.property(&attached, DATA, 0x0102) {
                let name = self.text(&attached, LONG_NAME, None);
                let name = name.or_else(|| self.text(&attached, SHORT_NAME, None));
                self.attachments.push((name.unwrap_or_default(), bytes));
            }
        }
        Ok(letter)
    }

    fn letter(&mut self, folder: &str, inside: bool) -> Letter {
        // In the root, a longer header stands before the properties (MS-OXMSG 2.4.1).
        let header = if inside { 24 } else { 32 };
        let fixed = ole::stream(self.file, &format!("{folder}{PROPERTIES}")).unwrap_or_default();
        let fixed = fixed.get(header..).unwrap_or_default();
        let page = value(fixed, CODE_PAGE).and_then(|page| u32::try_from(page).ok());
        let sent = value(fixed, SUBMITTED).or_else(|| value(fixed, DELIVERED));
        let sent = sent.and_then(date);
        let mut text = |id: u16| self.text(folder, id, page).unwrap_or_default();
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
            ("Date", sent.as_ref().map(super::shown).unwrap_or_default()),
        ];
        Letter {
            subject: text(SUBJECT),
            lines,
            day: sent.and_then(|date| day(&date.to_rfc3339())),
            body: self.body(folder, page),
            attachments: Vec::new(),
        }
    }

    fn body(&mut self, folder: &str, page: Option<u32>) -> Body {
        let plain = self.text(folder, BODY, page).unwrap_or_default();
        let html = self.property(folder, HTML_BODY, 0x0102);
        let html = html.map(|bytes| decode(&bytes));
        let html = html.or_else(|| self.text(folder, HTML_BODY, page));
        let rich = self.property(folder, RICH_BODY, 0x0102);
        Body::plainest([
            Body::Plain(plain),
            Body::Html(html.unwrap_or_default()),
            Body::Rich(rich.map(|bytes| unpack(&bytes)).unwrap_or_default()),
        ])
    }

    /// A text, in UTF-16 or in the message's code page.
    fn text(&mut self, folder: &str, id: u16, page: Option<u32>) -> Option<String> {
        if let Some(bytes) = self.property(folder, id, 0x001F) {
            let (pairs, _) = bytes.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
            return Some(String::from_utf16_lossy(&units));
        }
        let bytes = self.property(folder, id, 0x001E)?;
        Some(match page {
            Some(page) => in_code_page(&bytes, page),
            None => decode(&bytes),
        })
    }

    fn property(&mut self, folder: &str, id: u16, kind: u16) -> Option<Vec<u8>> {
        let path = format!("{folder}__substg1.0_{id:04X}{kind:04X}");
        ole::stream(self.file, &path)
    }
}

/// A property of fixed length: sixteen bytes each, the number in the second pair of them.
fn value(properties: &[u8], wanted: u16) -> Option<u64> {
    let (entries, _) = properties.as_chunks::<16>();
    let entry = entries
        .iter()
        .find(|[_, _, low, high, ..]| u16::from_le_bytes([*low, *high]) == wanted)?;
    let (_, value) = entry.split_last_chunk::<8>()?;
    Some(u64::from_le_bytes(*value))
}

/// A time as Windows counts it: steps of 100 nanoseconds since 1601.
fn date(ticks: u64) -> Option<DateTime> {
    let seconds = i64::try_from(ticks / 10_000_000)
        .ok()?
        .checked_sub(11_644_473_600)?;
    let sound = (0..253_402_300_800).contains(&seconds);
    sound.then(|| DateTime::from_timestamp(seconds))
}
