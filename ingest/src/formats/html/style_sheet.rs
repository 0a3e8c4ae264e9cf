//! The rules of a page's style sheets that change the meaning of text: struck out, raised, lowered,
//! hidden, or in a symbol font. Only selectors of one element are known: `.old`, `p.old`, `#x`, `del`.

use super::elements::{MAX_DEPTH, collect_text};
use markup5ever_rcdom::{Handle, NodeData};
use std::collections::HashMap;

/// Maximum number of rules.
const MAX_RULES: usize = 5_000;
/// Maximum size of all style sheets that are read.
const MAX_BYTES: usize = 2 << 20;
/// The properties that are kept.
const PROPERTIES: &[&str] = &[
    "text-decoration",
    "vertical-align",
    "display:none",
    "display:table",
    "visibility:hidden",
    "font-family",
];

/// The rules of a page.
#[derive(Debug)]
pub struct StyleSheet {
    /// Declarations by selector, without white space and in lower case.
    rules: HashMap<String, String>,
    bytes: usize,
    /// Whether rules may hide text for good. A page with scripts shows it on a click.
    pub hides: bool,
}

impl StyleSheet {
    /// No rules.
    pub fn new() -> Self {
        Self {
            rules: HashMap::new(),
            bytes: 0,
            hides: true,
        }
    }

    /// Adds the rules of all style elements in a page.
    pub fn add_page(&mut self, page: &Handle) {
        self.collect(page, 0);
    }

    fn collect(&mut self, node: &Handle, depth: usize) {
        for child in node.children.borrow().iter().filter(|_| depth < MAX_DEPTH) {
            if let NodeData::Element { name, .. } = &child.data {
                match name.local.as_ref() {
                    "style" => {
                        let mut css = String::new();
                        collect_text(child, &mut css, 0);
                        self.add(&css);
                    }
                    "script" => self.hides = false,
                    _ => {}
                }
            }
            self.collect(child, depth + 1);
        }
    }

    /// Adds the rules of a style element.
    pub fn add(&mut self, css: &str) {
        self.bytes += css.len();
        if self.bytes > MAX_BYTES {
            return;
        }
        let mut rest = without_comments(css);
        while let Some((selectors, after)) = rest.split_once('{') {
            let (block, left) = split_block(after);
            // Rules for other media and fonts are blocks in blocks.
            if !selectors.trim_start().starts_with('@') {
                self.add_rule(selectors, block);
            }
            rest = left.to_owned();
        }
    }

    fn add_rule(&mut self, selectors: &str, block: &str) {
        let block: String = block.to_ascii_lowercase().split_whitespace().collect();
        let retained: Vec<&str> = block
            .split(';')
            .filter(|rule| PROPERTIES.iter().any(|name| rule.starts_with(name)))
            .collect();
        if retained.is_empty() {
            return;
        }
        for selector in selectors.split(',') {
            let selector = selector.trim().to_ascii_lowercase();
            let is_simple = !selector.contains([' ', '>', '+', '~', ':', '[', '*']);
            if is_simple && self.rules.len() < MAX_RULES {
                let held = self.rules.entry(selector).or_default();
                held.push_str(&retained.join(";"));
                held.push(';');
            }
        }
    }

    /// The declarations for an element with these classes and this id.
    pub fn style_of(&self, name: &str, classes: &str, id: &str) -> String {
        if self.rules.is_empty() {
            return String::new();
        }
        let mut style = String::new();
        let mut add = |selector: &str| {
            if let Some(rule) = self.rules.get(selector) {
                style.push_str(rule);
            }
        };
        add(name);
        for class in classes.split_whitespace().take(20) {
            let class = class.to_ascii_lowercase();
            add(&format!(".{class}"));
            add(&format!("{name}.{class}"));
        }
        if !id.is_empty() {
            add(&format!("#{}", id.to_ascii_lowercase()));
        }
        if self.hides {
            style
        } else {
            style
                .replace("display:none", "")
                .replace("visibility:hidden", "")
        }
    }
}

fn without_comments(css: &str) -> String {
    let mut found = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, after)) = rest.split_once("/*") {
        found.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, left)| left);
    }
    found.push_str(rest);
    found.replace("<!--", "").replace("-->", "")
}

/// The text up to the brace that closes the block, and the text after it.
fn split_block(after: &str) -> (&str, &str) {
    let mut depth = 1_usize;
    for (index, c) in after.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let block = after.get(..index).unwrap_or_default();
            return (block, after.get(index + 1..).unwrap_or_default());
        }
    }
    (after, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_by_class_name_and_id() {
        let mut sheet = StyleSheet::new();
        sheet.add("/* x */ .old, td.gone { color: red; Text-Decoration: line-through } @media print { .a { display: none } } #n{display:none}");
        assert_eq!(
            sheet.style_of("p", "x OLD", ""),
            "text-decoration:line-through;"
        );
        assert_eq!(
            sheet.style_of("td", "gone", ""),
            "text-decoration:line-through;"
        );
        assert_eq!(sheet.style_of("p", "gone a", ""), "");
        assert_eq!(sheet.style_of("p", "", "n"), "display:none;");
    }
}
