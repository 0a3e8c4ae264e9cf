//! Fields of Word: boxes and lists of forms, and the fractions of equation fields.

use super::value_of;
use crate::formats::common::drawings::box_sign;
use crate::formats::common::math::write_fraction;
use crate::formats::common::scripts::Script;
use crate::formats::common::xml::XmlTag;

/// Maximum nesting depth of equation fields.
const MAX_DEPTH: usize = 8;

/// The data of a field of a form.
#[derive(Debug, Default)]
pub struct WordFormField {
    is_box: bool,
    checked: Option<bool>,
    default: bool,
    entries: Vec<String>,
    chosen: usize,
    is_list: bool,
}

impl WordFormField {
    /// Reads an element of the data.
    pub fn read(&mut self, tag: &XmlTag<'_>) {
        match tag.name.as_ref() {
            "w:checkBox" => self.is_box = true,
            "w:ddList" => self.is_list = true,
            "w:checked" => self.checked = Some(tag.is_on("w:val")),
            "w:default" if self.is_box => self.default = tag.is_on("w:val"),
            "w:default" | "w:result" if self.is_list => {
                self.chosen = tag.parse_attribute("w:val").unwrap_or(0);
            }
            "w:listEntry" if self.is_list => self.entries.push(value_of(tag)),
            _ => {}
        }
    }

    /// What the field shows: a box with its state, or the chosen words.
    pub fn shown(&self) -> String {
        if self.is_box {
            return format!("{} ", box_sign(self.checked.unwrap_or(self.default)));
        }
        self.entries.get(self.chosen).cloned().unwrap_or_default()
    }
}

/// What an equation field shows: `EQ \\f(1;2)` is one half. `None` if it is another field.
pub fn equation(instruction: &str) -> Option<String> {
    let code = instruction.trim();
    let name = code
        .get(..2)
        .filter(|name| name.eq_ignore_ascii_case("EQ"))?;
    let rest = code.get(name.len()..)?;
    rest.starts_with([' ', '\\'])
        .then(|| render(rest.trim(), 0))
}

fn render(code: &str, depth: usize) -> String {
    let mut shown = String::new();
    let mut rest = code;
    while let Some((before, after)) = rest.split_once('\\').filter(|_| depth < MAX_DEPTH) {
        shown.push_str(before);
        // A general switch, such as that of a font, shows nothing.
        if let Some(general) = after.strip_prefix('*') {
            rest = general
                .find('\\')
                .and_then(|at| general.get(at..))
                .unwrap_or("");
            continue;
        }
        let Some((switch, arguments, left)) = split_switch(after) else {
            rest = after;
            continue;
        };
        let parts: Vec<String> = split_arguments(arguments)
            .iter()
            .map(|part| render(part, depth + 1))
            .collect();
        match switch.chars().next().map(|c| c.to_ascii_lowercase()) {
            Some('f') => shown.push_str(&write_fraction(part_at(0, &parts), part_at(1, &parts))),
            Some('r') if parts.len() > 1 => {
                shown.extend([part_at(0, &parts), "√(", part_at(1, &parts), ")"]);
            }
            Some('r') => shown.extend(["√(", part_at(0, &parts), ")"]),
            Some('s') if switch.to_ascii_lowercase().contains("do") => {
                shown.push_str(&Script::Lowered.write(part_at(0, &parts)));
            }
            Some('s') => {
                shown.push_str(&Script::Raised.write(part_at(0, &parts)));
                shown.push_str(&Script::Lowered.write(part_at(1, &parts)));
            }
            Some('b') => shown.extend(["(", part_at(0, &parts), ")"]),
            // The reading above a word precedes it.
            Some('o') => shown.push_str(parts.last().map_or("", String::as_str)),
            _ => shown.push_str(&parts.join(", ")),
        }
        rest = left;
    }
    shown.push_str(rest);
    shown
}

/// The argument at this index, or nothing.
fn part_at(index: usize, parts: &[String]) -> &str {
    parts.get(index).map_or("", String::as_str)
}

/// The switch before the brackets, what is in the brackets, and the text after them.
fn split_switch(code: &str) -> Option<(&str, &str, &str)> {
    let open = code.find('(')?;
    let mut depth = 0;
    for (index, c) in code.char_indices().skip_while(|(index, _)| *index < open) {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return Some((
                        code.get(..open)?,
                        code.get(open + 1..index)?,
                        code.get(index + 1..)?,
                    ));
                }
            }
            _ => {}
        }
    }
    None
}

/// The arguments, which the list separator of the country parts.
fn split_arguments(arguments: &str) -> Vec<String> {
    let separator = if arguments.contains(';') { ';' } else { ',' };
    let mut parts = vec![String::new()];
    let mut depth = 0_i32;
    for c in arguments.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        match parts.last_mut() {
            Some(part) if c != separator || depth > 0 => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_equation_fields_are_read() {
        for (instruction, expected) in [
            (" EQ \\f(1;2) ", Some("½")),
            ("EQ \\f(3,16)", Some(" 3/16")),
            ("eq 10\\s\\up5(9)", Some("10⁹")),
            ("EQ \\* hps10 \\o\\ad(\\s\\up 9(かん),漢)", Some("漢")),
            ("PAGE", None),
            ("EQUAL", None),
        ] {
            assert_eq!(equation(instruction).as_deref(), expected, "{instruction}");
        }
    }
}
