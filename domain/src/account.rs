//! The account of a reading: what was left out of a file on purpose, and what could not be read.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A kind of content that readers leave out on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OmissionKind {
    /// Comments in the source of a page or of a data file.
    SourceComment,
    /// Text that was deleted while changes were tracked.
    DeletedText,
    /// The date, number or footer that a layout repeats on each page or slide.
    RepeatedText,
    /// Codes of fields, whose results are read.
    FieldCode,
    /// Hidden rows and columns, if the site leaves them out.
    HiddenCells,
    /// Hidden sheets, if the site leaves them out.
    HiddenSheet,
    /// Slides that are hidden.
    HiddenSlide,
    /// Text that is marked as hidden.
    HiddenText,
    /// Macros and sheets with macros.
    Macro,
    /// Menus and other navigation of a page.
    Navigation,
    /// Text outside the visible page.
    OutsideText,
    /// Pictures that decorate the text, such as logos and signatures of mails.
    Picture,
    /// Prompts of fields that nobody has filled in.
    Placeholder,
    /// Pronunciation beside the text.
    Pronunciation,
    /// Scripts and style sheets of a page.
    Script,
    /// Digital signatures, which are not verified.
    Signature,
    /// What operating systems keep in archives.
    SystemFile,
}

impl OmissionKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::SourceComment,
        Self::DeletedText,
        Self::RepeatedText,
        Self::FieldCode,
        Self::HiddenCells,
        Self::HiddenSheet,
        Self::HiddenSlide,
        Self::HiddenText,
        Self::Macro,
        Self::Navigation,
        Self::OutsideText,
        Self::Picture,
        Self::Placeholder,
        Self::Pronunciation,
        Self::Script,
        Self::Signature,
        Self::SystemFile,
    ];

    /// Its name in stored data.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SourceComment => "source-comment",
            Self::DeletedText => "deleted-text",
            Self::RepeatedText => "repeated-text",
            Self::FieldCode => "field-code",
            Self::HiddenCells => "hidden-cells",
            Self::HiddenSheet => "hidden-sheet",
            Self::HiddenSlide => "hidden-slide",
            Self::HiddenText => "hidden-text",
            Self::Macro => "macro",
            Self::Navigation => "navigation",
            Self::OutsideText => "outside-text",
            Self::Picture => "picture",
            Self::Placeholder => "placeholder",
            Self::Pronunciation => "pronunciation",
            Self::Script => "script",
            Self::Signature => "signature",
            Self::SystemFile => "system-file",
        }
    }

    /// What it is called for people, in the plural.
    pub const fn label(self) -> &'static str {
        match self {
            Self::SourceComment => "comments in the source",
            Self::DeletedText => "deleted passages",
            Self::RepeatedText => "repeated dates, numbers and footers",
            Self::FieldCode => "codes of fields",
            Self::HiddenCells => "hidden rows and columns",
            Self::HiddenSheet => "hidden sheets",
            Self::HiddenSlide => "hidden slides",
            Self::HiddenText => "hidden passages",
            Self::Macro => "macros",
            Self::Navigation => "menus",
            Self::OutsideText => "pages with text outside the visible area",
            Self::Picture => "decorative pictures",
            Self::Placeholder => "empty fields",
            Self::Pronunciation => "pronunciations",
            Self::Script => "scripts and style sheets",
            Self::Signature => "digital signatures",
            Self::SystemFile => "files of operating systems",
        }
    }
}

/// A kind of content that a reader did not understand. Each is a material loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Cells of tables that were not kept where they stand.
    Cell,
    /// Chapters that are missing or encrypted.
    Chapter,
    /// Pages with characters that could not be decoded.
    Character,
    /// Files inside of the file: encrypted, damaged, or beyond a limit.
    File,
    /// Formulas whose results nobody has calculated.
    Formula,
    /// Messages that are encrypted or damaged.
    Message,
    /// Objects of other programs.
    Object,
    /// Pages that could not be read, or not to the end.
    Page,
    /// Parts of the document: a header, a drawing, a chunk of another format.
    Part,
    /// Pages that are pictures and were not recognised.
    Picture,
    /// Sheets that could not be read.
    Sheet,
    /// Slides that could not be read.
    Slide,
}

impl LossKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Cell,
        Self::Chapter,
        Self::Character,
        Self::File,
        Self::Formula,
        Self::Message,
        Self::Object,
        Self::Page,
        Self::Part,
        Self::Picture,
        Self::Sheet,
        Self::Slide,
    ];

    /// Its name in stored data.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cell => "cell",
            Self::Chapter => "chapter",
            Self::Character => "character",
            Self::File => "file",
            Self::Formula => "formula",
            Self::Message => "message",
            Self::Object => "object",
            Self::Page => "page",
            Self::Part => "part",
            Self::Picture => "picture",
            Self::Sheet => "sheet",
            Self::Slide => "slide",
        }
    }

    /// What it is called for people, in the plural.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cell => "cells",
            Self::Chapter => "chapters",
            Self::Character => "pages with unknown characters",
            Self::File => "files inside",
            Self::Formula => "formulas without a result",
            Self::Message => "messages",
            Self::Object => "objects of other programs",
            Self::Page => "pages",
            Self::Part => "parts of the document",
            Self::Picture => "pictures without recognised text",
            Self::Sheet => "sheets",
            Self::Slide => "slides",
        }
    }
}

/// What a reading left out on purpose and what it did not understand, with counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingAccount {
    /// What was left out on purpose.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<OmissionKind, u32>,
    /// What was not understood.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_understood: BTreeMap<LossKind, u32>,
}

impl ReadingAccount {
    /// Counts content that was left out on purpose.
    pub fn leave_out(&mut self, kind: OmissionKind, count: usize) {
        add(&mut self.left_out, kind, count);
    }

    /// Counts content that was not understood.
    pub fn lose(&mut self, kind: LossKind, count: usize) {
        add(&mut self.not_understood, kind, count);
    }

    /// Adds the counts of another reading.
    pub fn merge(&mut self, other: &Self) {
        for (kind, count) in &other.left_out {
            add(&mut self.left_out, *kind, *count as usize);
        }
        for (kind, count) in &other.not_understood {
            add(&mut self.not_understood, *kind, *count as usize);
        }
    }

    /// Whether a material part of the file was not read.
    pub fn is_incomplete(&self) -> bool {
        !self.not_understood.is_empty()
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u32>, kind: K, count: usize) {
    if count > 0 {
        let sum = counts.entry(kind).or_default();
        *sum = sum.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_understood_makes_a_document_incomplete() {
        let mut account = ReadingAccount::default();
        account.leave_out(OmissionKind::Script, 2);
        account.lose(LossKind::Sheet, 0);
        assert!(!account.is_incomplete());
        let mut other = ReadingAccount::default();
        other.lose(LossKind::Sheet, 1);
        account.merge(&other);
        account.merge(&other);
        assert!(account.is_incomplete());
        assert_eq!(account.not_understood[&LossKind::Sheet], 2);
    }
}
