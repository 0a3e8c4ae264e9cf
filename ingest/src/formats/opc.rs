//! The packaging that Word, PowerPoint and Excel share: which part stands in which relationship to
//! which other, and the diagrams and properties that all three may have.

use super::archive::Archive;
use super::flow::Item;
use super::sections::plain_spaces;
use super::xml::{Properties, Tag, Visitor, walk};
use super::{Failure, Sink};
use cloister_domain::BlockKind;

/// Where one part points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relationship {
    /// The name that the part uses for it.
    pub id: String,
    /// What it is, the last word of its type: `slide`, `notesSlide`.
    pub kind: String,
    /// The part, from the archive's root.
    pub target: String,
}

/// The relationships of one part, or of the whole package where the part is empty.
#[derive(Debug, Default)]
pub struct Relationships {
    folder: String,
    found: Vec<Relationship>,
}

impl Relationships {
    /// Reads them.
    pub fn of(archive: &mut Archive<'_>, part: &str) -> Result<Self, Failure> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let separator = if folder.is_empty() { "" } else { "/" };
        let mut relationships = Self {
            folder: folder.to_owned(),
            found: Vec::new(),
        };
        let name = format!("{folder}{separator}_rels/{file}.rels");
        walk(&archive.text(&name)?, &mut relationships)?;
        Ok(relationships)
    }

    /// The part that `id` stands for.
    pub fn part(&self, id: &str) -> Option<&str> {
        let found = self.found.iter().find(|r| r.id == id);
        found.map(|r| r.target.as_str())
    }

    /// The first part of this kind.
    pub fn first(&self, kind: &str) -> Option<&str> {
        let found = self.found.iter().find(|r| r.kind == kind);
        found.map(|r| r.target.as_str())
    }

    /// The names and parts of this kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = (&str, &str)> {
        let found = self.found.iter().filter(move |r| r.kind == kind);
        found.map(|r| (r.id.as_str(), r.target.as_str()))
    }

    /// The package's main part.
    pub fn main_part(archive: &mut Archive<'_>, otherwise: &str) -> Result<String, Failure> {
        let package = Self::of(archive, "")?;
        Ok(package
            .first("officeDocument")
            .unwrap_or(otherwise)
            .to_owned())
    }
}

impl Visitor for Relationships {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
        let external = tag.get("TargetMode").is_some_and(|mode| mode == "External");
        if tag.name == "Relationship" && !external {
            let kind = tag.get("Type").unwrap_or_default();
            let target = tag.get("Target").unwrap_or_default();
            self.found.push(Relationship {
                id: tag.get("Id").unwrap_or_default(),
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

/// A target as seen from its folder.
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

/// Title and date of the package.
pub fn properties(archive: &mut Archive<'_>) -> Result<Properties, Failure> {
    Properties::read(archive, "docProps/core.xml")
}

/// Hands over the documents that were put into the document, as files of their own. Objects of
/// other programs are left where they are.
pub fn embedded(archive: &mut Archive<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    for name in archive.names() {
        let Some((folder, file)) = name.rsplit_once('/') else {
            continue;
        };
        let ending = file.rsplit('.').next().unwrap_or_default();
        if folder.ends_with("/embeddings") && !ending.eq_ignore_ascii_case("bin") {
            let bytes = archive.bytes(&name)?.unwrap_or_default();
            sink.attachment(file, &bytes)?;
        }
    }
    Ok(())
}

/// The words of a diagram, one item for each of its boxes.
pub fn diagram(archive: &mut Archive<'_>, part: &str) -> Result<Vec<Item>, Failure> {
    let mut words = Words::default();
    walk(&archive.text(part)?, &mut words)?;
    Ok(words.items)
}

#[derive(Debug, Default)]
struct Words {
    in_text: bool,
    open: String,
    items: Vec<Item>,
}

impl Visitor for Words {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Failure> {
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
                let text = plain_spaces(&std::mem::take(&mut self.open));
                if !text.is_empty() {
                    let text = format!("• {text}");
                    self.items.push(Item::Block(BlockKind::ListItem, text));
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
    fn targets_are_found_from_their_folder() {
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
