//! Open Packaging Conventions, which Word, PowerPoint and Excel share: relationships between parts,
//! properties and diagrams.

use super::archive::Archive;
use super::block_builder::BuiltBlock;
use super::whitespace::normalize_whitespace;
use super::xml::{DocumentProperties, XmlHandler, XmlTag, parse_xml};
use crate::formats::{Failure, Source};
use cloister_domain::BlockKind;

/// A relationship of a part to another part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relationship {
    /// The id by which the part refers to it.
    pub id: String,
    /// The last segment of its type: `slide`, `notesSlide`.
    pub kind: String,
    /// The path of the other part, from the root of the archive.
    pub target: String,
}

/// The relationships of one part, or of the package if the part's name is empty.
#[derive(Debug, Default)]
pub struct Relationships {
    folder: String,
    found: Vec<Relationship>,
}

impl Relationships {
    /// Reads the relationships of a part.
    pub fn load(archive: &mut Archive<'_>, part: &str) -> Result<Self, Failure> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let separator = if folder.is_empty() { "" } else { "/" };
        let mut relationships = Self {
            folder: folder.to_owned(),
            found: Vec::new(),
        };
        let name = format!("{folder}{separator}_rels/{file}.rels");
        parse_xml(&archive.text(&name)?, &mut relationships)?;
        Ok(relationships)
    }

    /// The path of the part with this relationship id.
    pub fn target(&self, id: &str) -> Option<&str> {
        let found = self.found.iter().find(|r| r.id == id);
        found.map(|r| r.target.as_str())
    }

    /// The kind and the path of the part with this relationship id.
    pub fn kind_and_target(&self, id: &str) -> Option<(&str, &str)> {
        let found = self.found.iter().find(|r| r.id == id);
        found.map(|r| (r.kind.as_str(), r.target.as_str()))
    }

    /// The path of the first part of this kind.
    pub fn first_of_kind(&self, kind: &str) -> Option<&str> {
        let found = self.found.iter().find(|r| r.kind == kind);
        found.map(|r| r.target.as_str())
    }

    /// The text of the first part of this kind, or of the part at `otherwise` if there is none.
    pub fn text_of_kind(
        &self,
        kind: &str,
        otherwise: &str,
        archive: &mut Archive<'_>,
    ) -> Result<String, Failure> {
        archive.text(self.first_of_kind(kind).unwrap_or(otherwise))
    }

    /// The ids and paths of all parts of this kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = (&str, &str)> {
        let found = self.found.iter().filter(move |r| r.kind == kind);
        found.map(|r| (r.id.as_str(), r.target.as_str()))
    }

    /// The path of the package's main part.
    pub fn find_main_part(archive: &mut Archive<'_>, otherwise: &str) -> Result<String, Failure> {
        let package = Self::load(archive, "")?;
        Ok(package
            .first_of_kind("officeDocument")
            .unwrap_or(otherwise)
            .to_owned())
    }
}

impl XmlHandler for Relationships {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let external = tag
            .attribute("TargetMode")
            .is_some_and(|mode| mode == "External");
        if tag.name == "Relationship" && !external {
            let kind = tag.attribute("Type").unwrap_or_default();
            let target = tag
                .attribute("Target")
                .unwrap_or_default()
                .replace('\\', "/");
            self.found.push(Relationship {
                id: tag.attribute("Id").unwrap_or_default(),
                kind: kind.rsplit('/').next().unwrap_or_default().to_owned(),
                target: resolve(&self.folder, &target),
            });
        }
        Ok(())
    }

    fn end(&mut self, _name: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn text(&mut self, _text: &str) {}
}

/// Resolves a target relative to a folder.
fn resolve(folder: &str, target: &str) -> String {
    if let Some(from_root) = target.strip_prefix('/') {
        return from_root.to_owned();
    }
    let mut path: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in target.split('/') {
        match step {
            "." | "" => {}
            ".." => {
                path.pop();
            }
            step => path.push(step),
        }
    }
    path.join("/")
}

/// Whether the file is a package whose main part has one of these content types: `word/document` for
/// instance is found by its type, whatever its name is.
pub fn is_package(source: &Source, content_types: &[&str]) -> bool {
    if !source.bytes.starts_with(b"PK") {
        return false;
    }
    let Ok(mut archive) = Archive::open(&source.bytes) else {
        return false;
    };
    let types = archive.text("[Content_Types].xml").unwrap_or_default();
    content_types.iter().any(|kind| types.contains(kind))
}

/// Reads title and date of the package.
pub fn read_properties(archive: &mut Archive<'_>) -> Result<DocumentProperties, Failure> {
    DocumentProperties::read(archive, "docProps/core.xml")
}

/// Reads the text of a diagram, one list item for each shape.
pub fn read_diagram(archive: &mut Archive<'_>, part: &str) -> Result<Vec<BuiltBlock>, Failure> {
    let mut diagram = DiagramText::default();
    parse_xml(&archive.text(part)?, &mut diagram)?;
    Ok(diagram.items)
}

#[derive(Debug, Default)]
struct DiagramText {
    in_text: bool,
    open: String,
    items: Vec<BuiltBlock>,
}

impl XmlHandler for DiagramText {
    fn start(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        match tag.name.as_ref() {
            "a:t" => self.in_text = true,
            "a:br" => self.open.push(' '),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Failure> {
        match name {
            "a:t" => self.in_text = false,
            "a:p" => {
                let text = normalize_whitespace(&std::mem::take(&mut self.open));
                if !text.is_empty() {
                    let text = format!("• {text}");
                    self.items
                        .push(BuiltBlock::Block(BlockKind::ListItem, text));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.in_text {
            self.open.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_resolved_relative_to_their_folder() {
        for (folder, target, expected) in [
            ("ppt", "slides/slide1.xml", "ppt/slides/slide1.xml"),
            (
                "ppt/slides",
                "../notesSlides/n.xml",
                "ppt/notesSlides/n.xml",
            ),
            ("ppt", "/word/document.xml", "word/document.xml"),
            ("", "../../etc/passwd", "etc/passwd"),
        ] {
            assert_eq!(resolve(folder, target), expected);
        }
    }
}
