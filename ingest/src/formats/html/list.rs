//! The numbers of the items of a list.

use super::elements::{attribute_value, is_named};
use crate::formats::common::numbers::Numerals;
use html5ever::Attribute;
use markup5ever_rcdom::Handle;

/// An open list.
#[derive(Clone, Copy, Debug)]
pub(super) struct HtmlList {
    /// The number of the next item; `None` for bullets.
    next: Option<u32>,
    numerals: Numerals,
    is_reversed: bool,
}

impl HtmlList {
    pub(super) fn new(node: &Handle, name: &str, attributes: &[Attribute]) -> Self {
        let is_reversed = attribute_value(attributes, "reversed").is_some();
        let start = attribute_value(attributes, "start").and_then(|n| n.trim().parse().ok());
        let first = if is_reversed { count_items(node) } else { 1 };
        Self {
            next: (name == "ol").then(|| start.unwrap_or(first)),
            numerals: list_numerals(attributes),
            is_reversed,
        }
    }

    /// The marker of the next item, which may have a number of its own.
    pub(super) fn next(&mut self, attributes: &[Attribute]) -> String {
        let Some(counted) = self.next else {
            return "•".to_owned();
        };
        let own = attribute_value(attributes, "value").and_then(|n| n.trim().parse().ok());
        let number: u32 = own.unwrap_or(counted);
        self.next = Some(if self.is_reversed {
            number.saturating_sub(1)
        } else {
            number.saturating_add(1)
        });
        format!("{}.", self.numerals.format(number))
    }
}

fn count_items(node: &Handle) -> u32 {
    let children = node.children.borrow();
    let items = children.iter().filter(|child| is_named(child, "li"));
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// How a list is numbered, by its attribute or its own style.
fn list_numerals(attributes: &[Attribute]) -> Numerals {
    let style = attribute_value(attributes, "style").unwrap_or_default();
    match attribute_value(attributes, "type").as_deref() {
        Some("a") => Numerals::LowerLetter,
        Some("A") => Numerals::UpperLetter,
        Some("i") => Numerals::LowerRoman,
        Some("I") => Numerals::UpperRoman,
        _ if style.contains("lower-alpha") || style.contains("lower-latin") => {
            Numerals::LowerLetter
        }
        _ if style.contains("upper-alpha") || style.contains("upper-latin") => {
            Numerals::UpperLetter
        }
        _ if style.contains("lower-roman") => Numerals::LowerRoman,
        _ if style.contains("upper-roman") => Numerals::UpperRoman,
        _ => Numerals::Decimal,
    }
}
