//! Markdown: headings, paragraphs, lists and tables. Front matter becomes metadata.

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::common::encoding::{decode_and_name, guessed_encoding, is_text};
use crate::formats::common::scripts::{Script, join_struck, write_struck};
use crate::formats::common::sections::Sections;
use crate::formats::common::sniff;
use crate::formats::common::tables::RowDraft;
use crate::metadata::split_front_matter;
use crate::wire::Info;
use cloister_domain::BlockKind;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// Markdown.
pub const FORMAT: Format = Format {
    name: "markdown",
    label: "Markdown",
    matches,
    extract,
    render_page: None,
};

fn matches(source: &Source) -> bool {
    let named = matches!(
        source.extension().as_str(),
        "md" | "markdown" | "mdown" | "mkd"
    );
    named && is_text(source) && !sniff::is_known(source)
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let (text, guessed) = decode_and_name(&source.bytes);
    let mut reader = MarkdownReader::default();
    let (metadata, body) = split_front_matter(&text);
    reader.title.clone_from(&metadata.title);
    reader.sections.metadata = metadata;
    if let Some(name) = guessed {
        reader.sections.warn(guessed_encoding(name));
    }
    for (event, range) in Parser::new_ext(body, options()).into_offset_iter() {
        reader.keep_signs(&event, body, range);
        reader.event(event)?;
    }
    reader.close();
    let info = Info {
        format: FORMAT.name.to_owned(),
        title: reader.title,
        ..Info::default()
    };
    reader.sections.send(info, sink)
}

fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
}

/// Builds one block at a time from the parser's events.
#[derive(Default)]
struct MarkdownReader {
    sections: Sections,
    title: Option<String>,
    kind: Option<BlockKind>,
    text: String,
    /// The finished cells of the current row.
    cells: Vec<String>,
    /// For each open list, the number of its next item; `None` for bullets.
    lists: Vec<Option<u64>>,
    /// Whether a table begins with the next row, because its head is empty.
    table_begins: bool,
    /// The HTML of the open block.
    html: String,
    script: Script,
    /// Number of open elements with struck text.
    struck: usize,
}

impl MarkdownReader {
    fn event(&mut self, event: Event<'_>) -> Result<(), Failure> {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(TagEnd::HtmlBlock) => self.end_html()?,
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) => {
                let text = self.script.write(&text);
                let text = if self.struck > 0 {
                    write_struck(&text)
                } else {
                    text
                };
                self.text.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => self.text.push(' '),
            Event::Html(html) => self.html.push_str(&html),
            Event::InlineHtml(html) => self.inline_html(&html),
            Event::TaskListMarker(done) => self.text.push_str(if done { "[x] " } else { "[ ] " }),
            Event::Rule => self.close(),
            Event::FootnoteReference(label) => self.text.extend([" [", &label, "]"]),
            Event::InlineMath(_) | Event::DisplayMath(_) => {}
        }
        Ok(())
    }

    /// Stars between digits multiply: `2*3*4`. They are kept although they are valid emphasis.
    fn keep_signs(&mut self, event: &Event<'_>, body: &str, range: Range<usize>) {
        let sign = if matches!(
            event,
            Event::Start(Tag::Emphasis) | Event::End(TagEnd::Emphasis)
        ) {
            "*"
        } else if matches!(
            event,
            Event::Start(Tag::Strong) | Event::End(TagEnd::Strong)
        ) {
            "**"
        } else {
            return;
        };
        let at = if matches!(event, Event::Start(_)) {
            range.start
        } else {
            range.end.saturating_sub(sign.len())
        };
        let before = body.get(..at).and_then(|text| text.chars().next_back());
        let after = body.get(at + sign.len()..);
        let after = after.and_then(|text| text.chars().next());
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        if is_digit(before) && is_digit(after) {
            self.text.push_str(sign);
        }
    }

    /// Tags inside of a paragraph. What is no tag of HTML is text: `x <y and z> 5`.
    fn inline_html(&mut self, html: &str) {
        let inner = html.trim_matches(['<', '>', '/', ' ']);
        let name = inner
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .next()
            .unwrap_or_default();
        let is_markup = html.starts_with("<!") || html.starts_with("<?");
        if !is_markup && !is_element(&name.to_ascii_lowercase()) {
            self.text.push_str(html);
            return;
        }
        match html
            .trim_matches(['<', '>', ' '])
            .to_ascii_lowercase()
            .as_str()
        {
            "sup" => self.script = Script::Raised,
            "sub" => self.script = Script::Lowered,
            "/sup" | "/sub" => self.script = Script::Normal,
            "s" | "del" | "strike" => self.struck += 1,
            "/s" | "/del" | "/strike" => self.struck = self.struck.saturating_sub(1),
            "br" | "br/" | "br /" => self.text.push(' '),
            tag if tag.starts_with("input") => {
                let sign = crate::formats::common::drawings::box_sign(tag.contains("checked"));
                if tag.contains("checkbox") || tag.contains("radio") {
                    self.text.push_str(sign);
                }
            }
            _ => {}
        }
    }

    /// A block of HTML is read as HTML is, with its tables and boxes.
    fn end_html(&mut self) -> Result<(), Failure> {
        let html = std::mem::take(&mut self.html);
        let mut builder = BlockBuilder::with_sections(std::mem::take(&mut self.sections));
        let read = super::html::read_into(&html, &mut builder);
        self.sections = builder.finish();
        self.kind = None;
        read.map(drop)
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => self.open(BlockKind::Heading(depth(*level))),
            Tag::List(first) => {
                self.close();
                self.lists.push(*first);
            }
            Tag::Item => self.open_item(),
            Tag::TableHead | Tag::TableRow => self.open(BlockKind::TableRow),
            // A paragraph inside a list item belongs to the item.
            Tag::Paragraph if self.kind == Some(BlockKind::ListItem) => self.text.push(' '),
            Tag::Paragraph | Tag::CodeBlock(_) | Tag::HtmlBlock => self.open(BlockKind::Paragraph),
            Tag::FootnoteDefinition(label) => {
                self.open(BlockKind::ListItem);
                self.text = format!("[{label}] ");
            }
            Tag::Strikethrough => self.struck += 1,
            Tag::BlockQuote(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Table(_)
            | Tag::TableCell
            | Tag::Emphasis
            | Tag::Strong
            | Tag::Superscript
            | Tag::Subscript
            | Tag::Link { .. }
            | Tag::Image { .. }
            | Tag::MetadataBlock(_) => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::TableCell => {
                let text = std::mem::take(&mut self.text);
                self.cells.push(join_struck(&text));
            }
            TagEnd::TableHead | TagEnd::TableRow => {
                let cells = std::mem::take(&mut self.cells);
                let is_head = tag == TagEnd::TableHead;
                let mut row = RowDraft::from_texts(&cells);
                row.is_header = is_head;
                row.starts_table = is_head || self.table_begins;
                self.table_begins = is_head && row.cells.is_empty();
                self.sections.push_row(&row);
                self.kind = None;
            }
            TagEnd::Heading(_) | TagEnd::Item | TagEnd::CodeBlock | TagEnd::FootnoteDefinition => {
                self.close();
            }
            TagEnd::Strikethrough => self.struck = self.struck.saturating_sub(1),
            TagEnd::Paragraph if self.kind != Some(BlockKind::ListItem) => self.close(),
            TagEnd::List(_) => {
                self.close();
                self.lists.pop();
            }
            TagEnd::Paragraph
            | TagEnd::HtmlBlock
            | TagEnd::MetadataBlock(_)
            | TagEnd::BlockQuote(_)
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Table
            | TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::Link
            | TagEnd::Image => {}
        }
    }

    fn open(&mut self, kind: BlockKind) {
        self.close();
        self.kind = Some(kind);
    }

    fn open_item(&mut self) {
        self.open(BlockKind::ListItem);
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.text = format!("{number}. ");
                *number += 1;
            }
            _ => "• ".clone_into(&mut self.text),
        }
    }

    fn close(&mut self) {
        let kind = self.kind.take().unwrap_or(BlockKind::Paragraph);
        let text = std::mem::take(&mut self.text);
        if !matches!(text.trim(), "•") {
            self.sections.push_block(kind, &join_struck(&text));
        }
    }
}

/// Whether HTML has an element of this name that may stand in a paragraph.
fn is_element(name: &str) -> bool {
    const ELEMENTS: &[&str] = &[
        "a", "abbr", "acronym", "audio", "b", "bdi", "bdo", "big", "br", "button", "center",
        "cite", "code", "data", "del", "details", "dfn", "div", "em", "font", "hr", "i", "iframe",
        "img", "input", "ins", "kbd", "label", "li", "link", "mark", "meta", "nobr", "object",
        "ol", "p", "picture", "q", "rp", "rt", "ruby", "s", "samp", "section", "select", "small",
        "source", "span", "strike", "strong", "sub", "summary", "sup", "svg", "table", "tbody",
        "td", "textarea", "th", "thead", "time", "tr", "tt", "u", "ul", "var", "video", "wbr",
    ];
    ELEMENTS.contains(&name)
}

fn depth(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}
