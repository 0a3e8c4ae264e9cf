//! Markdown: headings, paragraphs, lists and tables. Front matter becomes metadata.

use super::{Failure, Format, ReadOptions, Sink, Source};
use crate::formats::common::encoding::{decode, is_text};
use crate::formats::common::sections::Sections;
use crate::formats::common::sniff;
use crate::wire::Info;
use cloister_domain::BlockKind;
use pulldown_cmark::{Event, HeadingLevel, MetadataBlockKind, Options, Parser, Tag, TagEnd};

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
    let text = decode(&source.bytes);
    let mut reader = MarkdownReader::default();
    for event in Parser::new_ext(&text, options()) {
        reader.event(event);
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
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
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
    in_front_matter: bool,
}

impl MarkdownReader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.in_front_matter => self.front_matter(&text),
            Event::Text(text) | Event::Code(text) => self.text.push_str(&text),
            Event::SoftBreak | Event::HardBreak => self.text.push(' '),
            Event::Html(html) | Event::InlineHtml(html) => {
                self.text.push_str(&super::html::text_of(&html));
            }
            Event::TaskListMarker(done) => self.text.push_str(if done { "[x] " } else { "[ ] " }),
            Event::Rule => self.close(),
            Event::FootnoteReference(_) | Event::InlineMath(_) | Event::DisplayMath(_) => {}
        }
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
            Tag::MetadataBlock(MetadataBlockKind::YamlStyle) => self.in_front_matter = true,
            // A paragraph inside a list item belongs to the item.
            Tag::Paragraph if self.kind == Some(BlockKind::ListItem) => self.text.push(' '),
            Tag::Paragraph | Tag::CodeBlock(_) | Tag::HtmlBlock => self.open(BlockKind::Paragraph),
            Tag::BlockQuote(_)
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Table(_)
            | Tag::TableCell
            | Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough
            | Tag::Superscript
            | Tag::Subscript
            | Tag::Link { .. }
            | Tag::Image { .. }
            | Tag::MetadataBlock(MetadataBlockKind::PlusesStyle) => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.text)),
            TagEnd::TableHead | TagEnd::TableRow => {
                let cells = std::mem::take(&mut self.cells);
                self.sections.push_row(&cells);
                self.kind = None;
            }
            TagEnd::Heading(_) | TagEnd::Item | TagEnd::CodeBlock | TagEnd::HtmlBlock => {
                self.close();
            }
            TagEnd::Paragraph if self.kind != Some(BlockKind::ListItem) => self.close(),
            TagEnd::List(_) => {
                self.close();
                self.lists.pop();
            }
            TagEnd::MetadataBlock(_) => self.in_front_matter = false,
            TagEnd::Paragraph
            | TagEnd::BlockQuote(_)
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Table
            | TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
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
            self.sections.push_block(kind, &text);
        }
    }

    fn front_matter(&mut self, lines: &str) {
        self.sections.metadata = crate::metadata::parse_front_matter(lines);
        self.title = self.title.take().or(self.sections.metadata.title.clone());
    }
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
