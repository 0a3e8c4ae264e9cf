//! Formulas as a line of text: fractions, powers and roots keep their value. `½` is not `12`.

use super::scripts::Script;

/// Maximum nesting depth of a formula.
const MAX_DEPTH: usize = 200;

/// Fractions that Unicode has.
const FRACTIONS: &[(&str, &str, &str)] = &[
    ("1", "2", "½"),
    ("1", "3", "⅓"),
    ("2", "3", "⅔"),
    ("1", "4", "¼"),
    ("3", "4", "¾"),
    ("1", "5", "⅕"),
    ("2", "5", "⅖"),
    ("3", "5", "⅗"),
    ("4", "5", "⅘"),
    ("1", "6", "⅙"),
    ("5", "6", "⅚"),
    ("1", "8", "⅛"),
    ("3", "8", "⅜"),
    ("5", "8", "⅝"),
    ("7", "8", "⅞"),
];

/// An open element of a formula.
#[derive(Debug, Default)]
struct MathElement {
    name: String,
    /// The texts of its children, with their names.
    parts: Vec<(String, String)>,
    /// A sign that an attribute gives: that of a sum, or a bracket.
    signs: Vec<(String, String)>,
}

impl MathElement {
    fn part(&self, name: &str) -> &str {
        let found = self.parts.iter().find(|(part, _)| part == name);
        found.map_or("", |(_, text)| text.as_str())
    }

    fn nth(&self, index: usize) -> &str {
        let mut parts = self
            .parts
            .iter()
            .filter(|(_, text)| !text.trim().is_empty());
        parts.nth(index).map_or("", |(_, text)| text.as_str())
    }

    fn sign(&self, name: &str) -> Option<&str> {
        let found = self.signs.iter().find(|(sign, _)| sign == name);
        found.map(|(_, value)| value.as_str())
    }

    fn joined(&self) -> String {
        self.parts.iter().map(|(_, text)| text.as_str()).collect()
    }

    fn render(&self) -> String {
        match self.name.as_str() {
            "f" => write_fraction(self.part("num"), self.part("den")),
            "mfrac" => write_fraction(self.nth(0), self.nth(1)),
            "sSup" => format!("{}{}", self.part("e"), write_power(self.part("sup"))),
            "msup" => format!("{}{}", self.nth(0), write_power(self.nth(1))),
            "sSub" => format!("{}{}", self.part("e"), write_index(self.part("sub"))),
            "msub" => format!("{}{}", self.nth(0), write_index(self.nth(1))),
            "sSubSup" => {
                let (below, above) = (write_index(self.part("sub")), write_power(self.part("sup")));
                format!("{}{below}{above}", self.part("e"))
            }
            "msubsup" => {
                format!(
                    "{}{}{}",
                    self.nth(0),
                    write_index(self.nth(1)),
                    write_power(self.nth(2))
                )
            }
            "rad" => format!(
                "{}√{}",
                write_degree(self.part("deg")),
                bracket(self.part("e"))
            ),
            "msqrt" => format!("√{}", bracket(&self.joined())),
            "mroot" => format!("{}√{}", write_degree(self.nth(1)), bracket(self.nth(0))),
            "d" => {
                let open = self.sign("begChr").unwrap_or("(");
                let close = self.sign("endChr").unwrap_or(")");
                format!("{open}{}{close}", self.joined())
            }
            "nary" => {
                let sign = self.sign("chr").unwrap_or("∫");
                let (below, above) = (write_index(self.part("sub")), write_power(self.part("sup")));
                format!("{sign}{below}{above} {}", self.part("e"))
            }
            "func" => format!("{} {}", self.part("fName"), self.part("e")),
            "annotation" | "annotation-xml" => String::new(),
            "mtr" | "mr" => format!("{}; ", self.joined()),
            "mtd" => format!("{} ", self.joined()),
            _ => self.joined(),
        }
    }
}

/// Collects the elements of one formula, of Office (`OMML`) or of the web (`MathML`).
#[derive(Debug, Default)]
pub struct MathBuilder {
    open: Vec<MathElement>,
    /// Elements that are nested too deeply.
    ignored: usize,
}

impl MathBuilder {
    /// An element starts. The name has no prefix.
    pub fn start(&mut self, name: &str) {
        if self.open.len() >= MAX_DEPTH {
            self.ignored += 1;
            return;
        }
        self.open.push(MathElement {
            name: name.to_owned(),
            ..MathElement::default()
        });
    }

    /// The element that encloses the properties which have just been read has this sign.
    pub fn sign(&mut self, name: &str, value: &str) {
        let owner = self
            .open
            .iter_mut()
            .rev()
            .find(|element| matches!(element.name.as_str(), "d" | "nary"));
        if let Some(owner) = owner {
            owner.signs.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Character data.
    pub fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.parts.push((String::new(), text.to_owned()));
        }
    }

    /// An element ends. Returns the text of the formula if it was the outermost.
    pub fn end(&mut self) -> Option<String> {
        if self.ignored > 0 {
            self.ignored -= 1;
            return None;
        }
        let element = self.open.pop()?;
        let text = element.render();
        match self.open.last_mut() {
            Some(outer) => {
                outer.parts.push((element.name, text));
                None
            }
            None => Some(text),
        }
    }
}

/// A fraction on one line.
pub fn write_fraction(above: &str, below: &str) -> String {
    let (above, below) = (above.trim(), below.trim());
    let known = FRACTIONS
        .iter()
        .find(|(a, b, _)| *a == above && *b == below);
    match known {
        Some((_, _, sign)) => (*sign).to_owned(),
        None if above.is_empty() && below.is_empty() => String::new(),
        None => format!(" {}/{}", bracket(above), bracket(below)),
    }
}

fn write_power(text: &str) -> String {
    let text = text.trim();
    let is_plain = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || "+-−–".contains(c));
    match text {
        "" => String::new(),
        _ if is_plain => Script::Raised.write(text),
        "′" | "°" | "*" => text.to_owned(),
        _ => format!("^{}", bracket(text)),
    }
}

fn write_index(text: &str) -> String {
    let text = text.trim();
    match text {
        "" => String::new(),
        _ if text.chars().all(|c| c.is_ascii_digit()) => Script::Lowered.write(text),
        _ => format!("_{}", bracket(text)),
    }
}

fn write_degree(text: &str) -> String {
    if text.trim().is_empty() {
        String::new()
    } else {
        Script::Raised.write(text.trim())
    }
}

/// The text in brackets, unless it is one number or word.
fn bracket(text: &str) -> String {
    let text = text.trim();
    let single = text
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '.' | ',' | '₀'..='₉' | '⁰'..='⁹'));
    if single {
        text.to_owned()
    } else {
        format!("({text})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_and_powers_keep_their_value() {
        assert_eq!(write_fraction("1", "2"), "½");
        assert_eq!(write_fraction("3", "16"), " 3/16");
        assert_eq!(write_fraction("a + b", "2"), " (a + b)/2");
        let mut math = MathBuilder::default();
        for name in ["oMath", "sSup", "e"] {
            math.start(name);
        }
        math.text("10");
        assert_eq!(math.end(), None);
        math.start("sup");
        math.text("9");
        assert_eq!((math.end(), math.end()), (None, None));
        assert_eq!(math.end().as_deref(), Some("10⁹"));
    }
}
