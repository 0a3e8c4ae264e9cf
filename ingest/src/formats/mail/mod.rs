//! Messages: mail as it is sent (.eml), and as Outlook keeps it (.msg). The subject is the title,
//! who wrote to whom and when stands above the text, and attachments are documents of their own.

mod eml;
mod msg;
mod packed;

use super::flow::Flow;
use super::html;
use super::rtf;
use super::sections::plain_spaces;
use super::text::blocks;
use super::{Failure, Sink};
use crate::wire::Info;
use cloister_domain::{BlockKind, Day};

pub use eml::Eml;
pub use msg::Msg;

/// One message, whatever it was kept in.
#[derive(Debug, Default)]
struct Letter {
    subject: String,
    /// `From` and who; `Date` and when.
    lines: Vec<(&'static str, String)>,
    day: Option<Day>,
    body: Body,
    attachments: Vec<(String, Vec<u8>)>,
}

/// The text of a message, in the plainest way in which it is there.
#[derive(Debug, Default)]
enum Body {
    #[default]
    Empty,
    Plain(String),
    Html(String),
    Rich(Vec<u8>),
}

impl Body {
    /// The first that says something.
    fn plainest(candidates: impl IntoIterator<Item = Self>) -> Self {
        let says = |body: &Self| match body {
            Self::Empty => false,
            Self::Plain(text) | Self::Html(text) => !text.trim().is_empty(),
            Self::Rich(bytes) => !bytes.is_empty(),
        };
        candidates.into_iter().find(says).unwrap_or_default()
    }
}

impl Letter {
    /// Writes the message; one inside another has a smaller heading.
    fn write(&self, flow: &mut Flow, level: u8, place: &str) -> Result<(), Failure> {
        flow.sections.stand_at(Some(place.to_owned()));
        flow.begin(BlockKind::Heading(level));
        flow.text(&self.subject);
        flow.end();
        for (name, value) in &self.lines {
            if !value.trim().is_empty() {
                flow.begin(BlockKind::Paragraph);
                flow.text(&format!("{name}: {value}"));
                flow.end();
            }
        }
        match &self.body {
            Body::Empty => {}
            Body::Plain(text) => write_plain(text, flow),
            Body::Html(text) => {
                html::into_flow(text, flow)?;
            }
            Body::Rich(bytes) => rtf::into_flow(bytes, flow)?,
        }
        flow.end();
        Ok(())
    }

    /// Sends the message as a document, and then its attachments.
    fn send(self, format: &str, flow: Flow, sink: &mut dyn Sink) -> Result<(), Failure> {
        let subject = plain_spaces(&self.subject);
        let info = Info {
            format: format.to_owned(),
            title: (!subject.is_empty()).then_some(subject),
            date: self.day,
            ..Info::default()
        };
        flow.finish().send(info, sink)?;
        for (name, bytes) in &self.attachments {
            sink.attachment(name, bytes)?;
        }
        Ok(())
    }
}

/// A time, for people: `2026-03-03 09:15:00+01:00`.
fn shown(time: &mail_parser::DateTime) -> String {
    time.to_rfc3339().replace('T', " ")
}

/// Plain text; what is quoted loses its marks and stays.
fn write_plain(text: &str, flow: &mut Flow) {
    let unquoted: Vec<&str> = text
        .lines()
        .map(|line| line.trim_start_matches(['>', ' ']))
        .collect();
    for (kind, block) in blocks(&unquoted.join("\n")) {
        flow.begin(kind);
        flow.text(&block);
        flow.end();
    }
}
