//! Calendars (iCalendar, RFC 5545) and cards of people (vCard, RFC 6350).

use crate::formats::common::encoding::{decode, is_text};
use crate::formats::common::sections::Sections;
use crate::formats::{Failure, Format, ReadOptions, Sink, Source};
use crate::wire::Info;
use cloister_domain::BlockKind;

/// Maximum number of lines.
const MAX_LINES: usize = 2_000_000;

/// Calendars and cards.
pub const FORMAT: Format = Format {
    name: "calendar",
    label: "calendars and cards (.ics, .vcf)",
    matches: |source| is_text(source) && begins(&decode(source.head(4096))),
    extract,
    render_page: None,
};

fn begins(text: &str) -> bool {
    let first = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .to_ascii_uppercase();
    first.starts_with("BEGIN:VCALENDAR") || first.starts_with("BEGIN:VCARD")
}

/// The properties that are read, with their words for people.
const PROPERTIES: &[(&str, &str)] = &[
    ("DTSTART", "Begins"),
    ("DTEND", "Ends"),
    ("DUE", "Due"),
    ("DURATION", "Lasts"),
    ("RRULE", "Repeats"),
    ("EXDATE", "Except on"),
    ("RECURRENCE-ID", "In place of"),
    ("LOCATION", "Place"),
    ("ORGANIZER", "Organizer"),
    ("ATTENDEE", "Attendee"),
    ("STATUS", "Status"),
    ("CATEGORIES", "Categories"),
    ("PRIORITY", "Priority"),
    ("DESCRIPTION", ""),
    ("COMMENT", ""),
    ("URL", "Address on the web"),
    ("N", ""),
    ("NICKNAME", "Nickname"),
    ("ORG", "Organization"),
    ("TITLE", "Title"),
    ("ROLE", "Role"),
    ("TEL", "Telephone"),
    ("EMAIL", "E-mail"),
    ("ADR", "Address"),
    ("BDAY", "Birthday"),
    ("NOTE", "Note"),
    ("SUMMARY", ""),
    ("FN", ""),
];

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let text = decode(&source.bytes);
    let mut sections = Sections::default();
    let mut item: Vec<CardLine> = Vec::new();
    let mut depth = 0_usize;
    for line in unfold(&text).iter().take(MAX_LINES) {
        let Some(line) = CardLine::parse(line) else {
            continue;
        };
        match line.name.as_str() {
            "BEGIN" if line.value.eq_ignore_ascii_case("VCALENDAR") => {}
            "BEGIN" => depth += 1,
            "END" => {
                depth = depth.saturating_sub(1);
                // Alarms and time zones are inside of others, or are not for people.
                let kind = line.value.to_ascii_uppercase();
                if depth == 0 && kind != "VTIMEZONE" {
                    write_item(&std::mem::take(&mut item), &mut sections);
                } else if depth == 0 {
                    item.clear();
                }
            }
            _ if depth == 1 => item.push(line),
            _ => {}
        }
    }
    let info = Info {
        format: FORMAT.name.to_owned(),
        ..Info::default()
    };
    sections.send(info, sink)
}

fn write_item(item: &[CardLine], sections: &mut Sections) {
    let title = property("SUMMARY", item)
        .or_else(|| property("FN", item))
        .or_else(|| property("N", item))
        .unwrap_or_default();
    sections.push_block(BlockKind::Heading(2), &title);
    for (name, label) in PROPERTIES {
        if matches!(*name, "SUMMARY" | "FN" | "N") {
            continue;
        }
        for line in item.iter().filter(|line| line.name == *name) {
            let kind = line.kind_in(item);
            let text = match (label.is_empty(), kind.is_empty()) {
                (true, _) => line.text(),
                (false, true) => format!("{label}: {}", line.text()),
                (false, false) => format!("{label} ({kind}): {}", line.text()),
            };
            sections.push_block(BlockKind::Paragraph, &text);
        }
    }
}

/// The text of the first property with this name.
fn property(name: &str, item: &[CardLine]) -> Option<String> {
    item.iter()
        .find(|line| line.name == name)
        .map(CardLine::text)
}

/// Joins lines that were folded. In vCard 2.1, a line that ends with `=` goes on, too.
fn unfold(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let folded = line.strip_prefix([' ', '\t']);
        match (lines.last_mut(), folded) {
            (Some(last), Some(rest)) => last.push_str(rest),
            (Some(last), None)
                if last.ends_with('=')
                    && last.to_ascii_uppercase().contains("QUOTED-PRINTABLE") =>
            {
                last.pop();
                last.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// A property: its name, its parameters and its value.
#[derive(Debug)]
struct CardLine {
    /// The name that it has in common with lines that belong to it.
    group: String,
    name: String,
    parameters: Vec<(String, String)>,
    value: String,
}

impl CardLine {
    fn parse(line: &str) -> Option<Self> {
        let mut quoted = false;
        let colon = line.char_indices().find(|(_, c)| {
            quoted ^= *c == '"';
            *c == ':' && !quoted
        });
        let (head, value) = line.split_at_checked(colon?.0)?;
        let mut parts = head.split(';');
        let name = parts.next()?.trim().to_ascii_uppercase();
        let (group, name) = name.rsplit_once('.').unwrap_or(("", &name));
        let parameters = parts.map(|part| {
            let (key, value) = part.split_once('=').unwrap_or(("TYPE", part));
            (key.to_ascii_uppercase(), value.trim_matches('"').to_owned())
        });
        Some(Self {
            group: group.to_owned(),
            name: name.to_owned(),
            parameters: parameters.collect(),
            value: value.get(1..)?.to_owned(),
        })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// What kind of telephone number or address it is, with the label that the card gives its group.
    fn kind_in(&self, card: &[Self]) -> String {
        let mut labels = card
            .iter()
            .filter(|line| line.name == "X-ABLABEL" && !line.group.is_empty());
        let label = labels.find(|line| line.group == self.group).map(Self::text);
        // Apple writes its own labels in signs: `_$!<Home>!$_`.
        let label = label.map(|label| label.trim_matches(|c| "_$!<>".contains(c)).to_owned());
        let kinds = [self.kind(), label.unwrap_or_default()];
        let kinds = kinds.iter().filter(|kind| !kind.is_empty());
        kinds.cloned().collect::<Vec<_>>().join(", ")
    }

    /// What kind of telephone number or address it is.
    fn kind(&self) -> String {
        let kinds: Vec<String> = self
            .parameters
            .iter()
            .filter(|(key, value)| key == "TYPE" && !value.eq_ignore_ascii_case("pref"))
            .map(|(_, value)| value.to_lowercase())
            .filter(|value| !matches!(value.as_str(), "internet" | "voice"))
            .collect();
        kinds.join(", ")
    }

    /// The value as text for people.
    fn text(&self) -> String {
        let encoding = self
            .parameter("ENCODING")
            .or_else(|| self.parameter("TYPE"))
            .unwrap_or_default();
        let value = if encoding.eq_ignore_ascii_case("QUOTED-PRINTABLE") {
            decode_quoted(&self.value)
        } else {
            self.value.clone()
        };
        match self.name.as_str() {
            "DTSTART" | "DTEND" | "DUE" | "EXDATE" | "RECURRENCE-ID" | "BDAY" => {
                let days: Vec<String> = value.split(',').map(write_time).collect();
                let zone = self.parameter("TZID").map(|zone| format!(" ({zone})"));
                let note = if self.name == "DTEND" && value.len() == 8 {
                    " (not included)"
                } else {
                    ""
                };
                format!("{}{}{note}", days.join(", "), zone.unwrap_or_default())
            }
            "ORGANIZER" | "ATTENDEE" => {
                let address = value
                    .trim_start_matches("mailto:")
                    .trim_start_matches("MAILTO:");
                match self.parameter("CN") {
                    Some(name) if name != address => format!("{name} <{address}>"),
                    _ => address.to_owned(),
                }
            }
            "RRULE" => value.replace(';', ", ").replace('=', " ").to_lowercase(),
            "ADR" | "N" | "ORG" => {
                let parts = value.replace("\\;", "\u{1}");
                let parts = parts
                    .split(';')
                    .map(|part| unescape(&part.replace('\u{1}', ";")));
                parts
                    .filter(|part| !part.trim().is_empty())
                    .collect::<Vec<_>>()
                    .join(", ")
            }
            _ => unescape(&value),
        }
    }
}

fn unescape(value: &str) -> String {
    let mut plain = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n' | 'N') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            (c, false) => plain.push(c),
        }
    }
    plain
}

/// `20260304T091500Z` as `2026-03-04 09:15 UTC`.
fn write_time(value: &str) -> String {
    let (Some(year), Some(month), Some(day)) = (
        digits(0, 4, value),
        digits(4, 6, value),
        digits(6, 8, value),
    ) else {
        return value.to_owned();
    };
    let time = match (digits(9, 11, value), digits(11, 13, value)) {
        (Some(hour), Some(minute)) => format!(" {hour}:{minute}"),
        _ => String::new(),
    };
    let zone = if value.ends_with('Z') { " UTC" } else { "" };
    format!("{year}-{month}-{day}{time}{zone}")
}

/// This range of the value, if it holds digits only.
fn digits(from: usize, to: usize, value: &str) -> Option<&str> {
    value
        .get(from..to)
        .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
}

fn decode_quoted(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let pair: Vec<u8> = rest.by_ref().take(2).collect();
            let code = std::str::from_utf8(&pair)
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok());
            bytes.extend(code);
        } else {
            bytes.push(byte);
        }
    }
    decode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_unfolded_and_times_are_written_for_people() {
        let lines = unfold("SUMMARY:Rounds of\r\n  ward\r\nDTSTART:20260304T091500Z\r\n");
        assert_eq!(
            lines,
            ["SUMMARY:Rounds of ward", "DTSTART:20260304T091500Z"]
        );
        let line = CardLine::parse("DTSTART;TZID=Europe/Berlin:20260304T091500").unwrap();
        assert_eq!(line.text(), "2026-03-04 09:15 (Europe/Berlin)");
        let line = CardLine::parse("TEL;TYPE=work:+49 40 1").unwrap();
        assert_eq!(
            (line.kind(), line.text()),
            ("work".to_owned(), "+49 40 1".to_owned())
        );
        let line = CardLine::parse("DESCRIPTION:One\\, two\\nthree").unwrap();
        assert_eq!(line.text(), "One, two\nthree");
    }
}
