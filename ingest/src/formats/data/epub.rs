//! Electronic books (EPUB): their chapters are pages of HTML, in the order of the spine.

use crate::formats::common::archive::{Archive, read_mimetype};
use crate::formats::common::block_builder::BlockBuilder;
use crate::formats::common::encoding::decode;
use crate::formats::common::whitespace::normalize_whitespace;
use crate::formats::common::xml::{XmlHandler, XmlTag, parse_xml};
use crate::formats::html;
use crate::formats::{Failure, Format, ReadOptions, Sink, Source};
use crate::wire::{Info, Refusal};
use cloister_domain::LossKind;
use std::collections::HashMap;

/// Maximum number of chapters.
const MAX_CHAPTERS: usize = 5_000;
/// Maximum number of style sheets that are read.
const MAX_STYLE_SHEETS: usize = 20;

/// Electronic books.
pub const FORMAT: Format = Format {
    name: "epub",
    label: "e-books (.epub)",
    matches: |source| read_mimetype(source).is_some_and(|kind| kind == "application/epub+zip"),
    extract,
    render_page: None,
};

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut archive = Archive::open(&source.bytes)?;
    let mut package = PackageReader::default();
    parse_xml(&archive.text("META-INF/container.xml")?, &mut package)?;
    let main = package
        .main
        .clone()
        .ok_or_else(|| Failure::damaged("it names no chapters"))?;
    parse_xml(&archive.text(&main)?, &mut package)?;
    let folder = main
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder)
        .to_owned();
    let mut builder = BlockBuilder::default();
    let mut css = String::new();
    for target in &package.style_sheets {
        let sheet = archive.bytes(&resolve(&folder, target))?;
        css.extend(sheet.map(|bytes| decode(&bytes)));
    }
    let mut missing = 0;
    for id in package.spine.iter().take(MAX_CHAPTERS) {
        let Some(target) = package.manifest.get(id) else {
            continue;
        };
        let path = resolve(&folder, target);
        match archive.bytes(&path)? {
            Some(bytes) => {
                builder.sections.set_location(Some(target.clone()));
                html::read_styled_into(&html::decode_page(&bytes), &css, &mut builder)?;
            }
            None => missing += 1,
        }
    }
    let mut sections = builder.finish();
    let mut warnings = Vec::new();
    if missing > 0 {
        sections.account.lose(LossKind::Chapter, missing);
        warnings.push(format!("{missing} chapters are missing in the file"));
    }
    if archive
        .text("META-INF/encryption.xml")?
        .contains("EncryptedData")
    {
        sections.account.lose(LossKind::Part, 1);
        warnings.push("parts of the book are encrypted".to_owned());
        if package.spine.is_empty() || missing == package.spine.len() {
            return Err(Refusal::Encrypted.into());
        }
    }
    let title = normalize_whitespace(&package.title);
    let info = Info {
        format: FORMAT.name.to_owned(),
        title: (!title.is_empty()).then_some(title),
        warnings,
        ..Info::default()
    };
    sections.send(info, sink)
}

/// The path of a chapter, which may be written for the web.
fn resolve(folder: &str, target: &str) -> String {
    let target = target
        .split('#')
        .next()
        .unwrap_or(target)
        .replace("%20", " ");
    let mut path: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in target.split('/') {
        match step {
            "." | "" => {}
            ".." => drop(path.pop()),
            step => path.push(step),
        }
    }
    path.join("/")
}

#[derive(Debug, Default)]
struct PackageReader {
    main: Option<String>,
    manifest: HashMap<String, String>,
    spine: Vec<String>,
    style_sheets: Vec<String>,
    title: String,
    in_title: bool,
}

impl XmlHandler for PackageReader {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        match tag.local() {
            "rootfile" if self.main.is_none() => self.main = tag.attribute("full-path"),
            "item" => {
                let id = tag.attribute("id").unwrap_or_default();
                let target = tag.attribute("href").unwrap_or_default();
                let is_sheet = tag
                    .attribute("media-type")
                    .is_some_and(|kind| kind == "text/css");
                if is_sheet && self.style_sheets.len() < MAX_STYLE_SHEETS {
                    self.style_sheets.push(target.clone());
                }
                self.manifest.insert(id, target);
            }
            "itemref" => self.spine.extend(tag.attribute("idref")),
            "title" => self.in_title = self.title.is_empty(),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        self.in_title &= name.rsplit(':').next() != Some("title");
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.in_title {
            self.title.push_str(text);
        }
    }
}
