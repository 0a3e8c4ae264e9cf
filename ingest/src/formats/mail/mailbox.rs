//! Mailboxes (mbox, RFC 4155): several messages in one file, each after a line that begins with
//! `From `.

use super::eml;
use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::{Failure, Format, ReadOptions, Sink, Source};
use crate::wire::Info;
use cloister_domain::{LossKind, ReadingAccount};

/// Maximum number of messages of a mailbox.
const MAX_MESSAGES: usize = 20_000;

/// Mailboxes.
pub const FORMAT: Format = Format {
    name: "mbox",
    label: "mailboxes (mbox)",
    matches,
    extract,
    render_page: None,
};

fn matches(source: &Source) -> bool {
    let bytes = source.bytes.trim_ascii_start();
    is_separator(first_line(bytes)) && eml::has_header(after_first_line(bytes))
}

fn first_line(bytes: &[u8]) -> &[u8] {
    bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default()
}

fn after_first_line(bytes: &[u8]) -> &[u8] {
    let end = first_line(bytes).len();
    bytes.get(end + 1..).unwrap_or_default()
}

/// A line such as `From ada@example.org Wed Mar  4 09:15:00 2026`.
fn is_separator(line: &[u8]) -> bool {
    let has_year = line
        .windows(4)
        .any(|four| four.iter().all(u8::is_ascii_digit));
    line.starts_with(b"From ") && line.len() < 500 && has_year
}

/// The messages, each without the line before it.
fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut after_blank = true;
    for line in bytes
        .trim_ascii_start()
        .split_inclusive(|byte| *byte == b'\n')
    {
        let text = line.trim_ascii_end();
        if after_blank && is_separator(text) && messages.len() < MAX_MESSAGES {
            messages.push(Vec::new());
            after_blank = false;
            continue;
        }
        after_blank = text.is_empty();
        if let Some(message) = messages.last_mut() {
            // Lines of the text that look like a separator have a mark before them.
            let unmarked = text.trim_ascii_start();
            let marks = unmarked.iter().take_while(|byte| **byte == b'>').count();
            let is_marked = marks > 0
                && unmarked
                    .get(marks..)
                    .is_some_and(|rest| rest.starts_with(b"From "));
            message.extend_from_slice(if is_marked {
                line.get(1..).unwrap_or(line)
            } else {
                line
            });
        }
    }
    messages
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut builder = BlockBuilder::default();
    let mut attachments = Vec::new();
    let mut warnings: Vec<String> = Vec::new();
    let mut account = ReadingAccount::default();
    let mut day = None;
    for (number, bytes) in (1_usize..).zip(split(&source.bytes)) {
        let Some(message) = eml::read_message(&bytes) else {
            account.lose(LossKind::Message, 1);
            warnings.push(format!("message {number} of the mailbox could not be read"));
            continue;
        };
        message.write_into(&mut builder, 1, &format!("message {number}"))?;
        day = day.max(message.day);
        attachments.extend(message.attachments);
        warnings.extend(message.warnings);
        account.merge(&message.account);
    }
    warnings.dedup();
    let info = Info {
        format: FORMAT.name.to_owned(),
        date: day,
        warnings,
        account,
        ..Info::default()
    };
    builder.finish().send(info, sink)?;
    for (name, bytes) in &attachments {
        sink.attachment(name, bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_split_at_its_separators() {
        let text = b"From a@b Wed Mar  4 09:15:00 2026\nFrom: a@b\nDate: x\n\nFrom here on\n>From there\n\nFrom c@d Thu Mar  5 09:15:00 2026\nFrom: c@d\n\nTwo\n";
        let found: Vec<String> = split(text)
            .iter()
            .map(|m| String::from_utf8_lossy(m).into_owned())
            .collect();
        assert_eq!(
            found,
            [
                "From: a@b\nDate: x\n\nFrom here on\nFrom there\n\n",
                "From: c@d\n\nTwo\n"
            ]
        );
    }
}
