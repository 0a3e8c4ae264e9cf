//! Slides of presentations and their frames.

use super::OdfBody;
use crate::formats::Failure;
use crate::formats::common::block_builder::BuiltBlock;
use crate::formats::common::slides::{SlideContent, write_slide};
use crate::formats::common::xml::XmlTag;
use cloister_domain::OmissionKind;

/// An open slide.
#[derive(Debug)]
pub(super) struct Slide {
    number: usize,
    hidden: bool,
    title: Vec<BuiltBlock>,
    pub(super) notes: Vec<BuiltBlock>,
}

impl OdfBody<'_> {
    pub(super) fn begin_slide(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        self.slides += 1;
        let style = tag.attribute("draw:style-name").unwrap_or_default();
        self.slide = Some(Slide {
            number: self.slides,
            hidden: self.styles.is_hidden(&style),
            title: Vec::new(),
            notes: Vec::new(),
        });
        self.builder.open_float()
    }

    pub(super) fn end_slide(&mut self) {
        let body = self.builder.take_float();
        let Some(slide) = self.slide.take() else {
            return;
        };
        let number = slide.number;
        if slide.hidden {
            let warning = format!("slides that are hidden are left out: {number}");
            let sections = &mut self.builder.sections;
            sections.account.leave_out(OmissionKind::HiddenSlide, 1);
            sections.warn(warning);
        } else {
            let words = slide.title.into_iter().map(BuiltBlock::into_text);
            let title: Vec<String> = words.collect();
            let content = SlideContent {
                title: title.join(" "),
                body,
                notes: slide.notes,
            };
            write_slide(&mut self.builder.sections, number, content);
        }
        self.builder.sections.end_page();
    }

    pub(super) fn begin_frame(&mut self, tag: &XmlTag<'_>) -> Result<(), Failure> {
        let class = tag.attribute("presentation:class").unwrap_or_default();
        let prompts = tag
            .attribute("presentation:placeholder")
            .is_some_and(|v| v == "true");
        let is_decoration = matches!(
            class.as_str(),
            "header" | "footer" | "date-time" | "page-number" | "page"
        );
        if prompts || is_decoration {
            self.skip_depth += 1;
        } else if class == "title" && self.slide.is_some() && !self.in_slide_notes {
            self.in_title = true;
            self.builder.open_float()?;
        }
        Ok(())
    }

    pub(super) fn end_frame(&mut self) {
        if std::mem::take(&mut self.in_title) {
            let title = self.builder.take_float();
            if let Some(slide) = &mut self.slide {
                slide.title.extend(title);
            }
        }
    }
}
