//! Number formats: `0.052` with the format `0.0%` is displayed as `5.2%`.
//!
//! A format has up to four sections (ECMA-376 Part 1, 18.8.31): for positive numbers, negative
//! numbers, zero, and text. Each section is text with placeholders for digits, or for the parts of
//! a date.

use super::number_patterns;

/// Significant digits of a number without a format.
const SIGNIFICANT_DIGITS: usize = 11;
/// Maximum number of decimals.
const MAX_DECIMALS: usize = 30;
/// Maximum length of a format.
const MAX_FORMAT_CHARS: usize = 255;

/// Formats a number.
pub fn format_number(value: f64, format: &str) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let sections = parse_sections(format);
    let Some((section, shows_sign)) = choose_section(value, &sections) else {
        return format_general(value);
    };
    let magnitude = if shows_sign { value } else { value.abs() };
    let lower = section.to_ascii_lowercase();
    if let Some(at) = lower.find("general") {
        let (before, after) = section.split_at_checked(at).unwrap_or((section, ""));
        let after = after.get("general".len()..).unwrap_or_default();
        return format!(
            "{}{}{}",
            literal(before),
            format_general(magnitude),
            literal(after)
        );
    }
    let pieces = parse_pieces(section);
    let has_digits = pieces
        .iter()
        .any(|piece| matches!(piece, FormatPiece::Digits(_)));
    if !has_digits && !has_text(&pieces) {
        return format_general(value);
    }
    render_number(magnitude, &pieces)
}

/// Formats a text: the last of four sections, or one with `@`, may put words around it.
pub fn format_text(text: &str, format: &str) -> String {
    if !format.contains('@') || format == "@" {
        return text.to_owned();
    }
    let sections = parse_sections(format);
    let section = sections
        .iter()
        .rev()
        .find(|section| section.code.contains('@'));
    let Some((before, after)) = section.and_then(|section| section.code.split_once('@')) else {
        return text.to_owned();
    };
    format!("{}{text}{}", literal(before), literal(after))
}

/// The text of a part of a section without placeholders.
fn literal(code: &str) -> String {
    let pieces = parse_pieces(code).into_iter().map(|piece| match piece {
        FormatPiece::Text(text) => text,
        FormatPiece::Digits(_) | FormatPiece::Percent => String::new(),
    });
    pieces.collect()
}

/// A comparison that decides whether a section is used: `[<0.01]`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct SectionCondition {
    sign: Comparison,
    limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    Unequal,
    AtLeast,
    More,
}

impl SectionCondition {
    fn parse(inside: &str) -> Option<Self> {
        let signs = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<>", Comparison::Unequal),
            ("<", Comparison::Less),
            (">", Comparison::More),
            ("=", Comparison::Equal),
        ];
        let (rest, sign) = signs
            .iter()
            .find_map(|(text, sign)| Some((inside.strip_prefix(text)?, *sign)))?;
        let limit = rest.trim().parse().ok()?;
        Some(Self { sign, limit })
    }

    #[expect(clippy::float_cmp, reason = "the file compares the number as it is")]
    fn holds(self, value: f64) -> bool {
        match self.sign {
            Comparison::Less => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Equal => value == self.limit,
            Comparison::Unequal => value != self.limit,
            Comparison::AtLeast => value >= self.limit,
            Comparison::More => value > self.limit,
        }
    }

    /// Whether it only holds for negative numbers, whose section shows the sign itself.
    fn is_for_negative(self) -> bool {
        self.limit <= 0.0 && matches!(self.sign, Comparison::Less | Comparison::AtMost)
    }
}

/// A section of a format.
#[derive(Debug, Default)]
struct FormatSection {
    code: String,
    condition: Option<SectionCondition>,
}

/// The section for a value, and whether the value keeps its sign in it.
fn choose_section(value: f64, sections: &[FormatSection]) -> Option<(&str, bool)> {
    if sections.iter().any(|section| section.condition.is_some()) {
        let count = sections.len().min(3);
        for (index, section) in sections.iter().take(count).enumerate() {
            let is_last = index + 1 == count;
            let applies = match section.condition {
                Some(condition) => condition.holds(value),
                None => is_last || index == 1 && count == 3 && value < 0.0,
            };
            if applies {
                let own_sign = section
                    .condition
                    .is_some_and(SectionCondition::is_for_negative);
                let code = section.code.as_str();
                return (!code.is_empty()).then_some((code, !own_sign));
            }
        }
        return None;
    }
    let (index, shows_sign) = match sections.len() {
        0 => return None,
        1 => (0, true),
        2 => (usize::from(value < 0.0), false),
        _ if value < 0.0 => (1, false),
        _ if value > 0.0 => (0, false),
        _ => (2, false),
    };
    let code = sections.get(index).map(|section| section.code.as_str());
    code.filter(|code| !code.is_empty())
        .map(|code| (code, shows_sign))
}

/// Splits a format into its sections, and removes colours, conditions and languages.
pub(super) fn split_sections(format: &str) -> Vec<String> {
    let sections = parse_sections(format)
        .into_iter()
        .map(|section| section.code);
    sections.filter(|code| !code.is_empty()).collect()
}

fn parse_sections(format: &str) -> Vec<FormatSection> {
    let mut sections = vec![FormatSection::default()];
    let mut quoted = false;
    let mut chars = format.chars().take(MAX_FORMAT_CHARS);
    while let Some(c) = chars.next() {
        let Some(open) = sections.last_mut() else {
            break;
        };
        match c {
            '"' => {
                quoted = !quoted;
                open.code.push(c);
            }
            '\\' if !quoted => {
                open.code.push(c);
                open.code.extend(chars.next());
            }
            ';' if !quoted => sections.push(FormatSection::default()),
            '[' if !quoted => {
                let inside: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let condition = SectionCondition::parse(inside.trim());
                open.condition = open.condition.or(condition);
                open.code.push_str(&resolve_brackets(&inside));
            }
            c => open.code.push(c),
        }
    }
    if sections.len() == 1 && sections.first().is_some_and(|only| only.code.is_empty()) {
        sections.clear();
    }
    sections
}

/// What a bracketed expression becomes: elapsed time, such as `[h]`, or a currency symbol.
fn resolve_brackets(inside: &str) -> String {
    let lower = inside.to_ascii_lowercase();
    if !lower.is_empty() && lower.chars().all(|c| matches!(c, 'h' | 'm' | 's')) {
        return format!("[{lower}]");
    }
    let sign = inside.strip_prefix('$').unwrap_or_default();
    let sign = sign.split('-').next().unwrap_or_default();
    if sign.is_empty() {
        String::new()
    } else {
        format!("\"{sign}\"")
    }
}

/// A part of a section for numbers.
#[derive(Debug)]
pub(super) enum FormatPiece {
    Text(String),
    Digits(String),
    Percent,
}

fn has_text(pieces: &[FormatPiece]) -> bool {
    pieces
        .iter()
        .any(|piece| matches!(piece, FormatPiece::Text(text) if !text.trim().is_empty()))
}

fn parse_pieces(section: &str) -> Vec<FormatPiece> {
    let mut chars = section.chars().peekable();
    let mut found: Vec<FormatPiece> = Vec::new();
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => text.extend(chars.by_ref().take_while(|c| *c != '"')),
            '\\' => text.extend(chars.next()),
            // A space as wide as the next character, or filled with it.
            '_' => {
                chars.next();
                text.push(' ');
            }
            '*' => {
                chars.next();
            }
            '0' | '#' | '?' | '.' => {
                flush_text(&mut text, &mut found);
                let mut code = String::from(c);
                while let Some(next) = chars.next_if(|c| matches!(c, '0' | '#' | '?' | '.' | ',')) {
                    code.push(next);
                }
                if let Some(exponent) = chars.next_if(|c| matches!(c, 'E' | 'e')) {
                    code.push(exponent);
                    while let Some(next) = chars.next_if(|c| matches!(c, '+' | '-' | '0')) {
                        code.push(next);
                    }
                }
                found.push(FormatPiece::Digits(code));
            }
            '%' => {
                flush_text(&mut text, &mut found);
                found.push(FormatPiece::Percent);
            }
            '@' => {}
            c => text.push(c),
        }
    }
    flush_text(&mut text, &mut found);
    found
}

fn flush_text(text: &mut String, pieces: &mut Vec<FormatPiece>) {
    if !text.is_empty() {
        pieces.push(FormatPiece::Text(std::mem::take(text)));
    }
}

fn render_number(value: f64, pieces: &[FormatPiece]) -> String {
    let percent = pieces
        .iter()
        .any(|piece| matches!(piece, FormatPiece::Percent));
    let value = if percent { value * 100.0 } else { value };
    let runs = pieces
        .iter()
        .filter(|piece| matches!(piece, FormatPiece::Digits(_)));
    let is_fraction = pieces
        .iter()
        .any(|piece| matches!(piece, FormatPiece::Text(text) if text.starts_with('/')));
    if is_fraction && let Some(shown) = number_patterns::render_fraction(value, pieces) {
        return shown;
    }
    if runs.count() > 1 {
        return number_patterns::render_groups(value, pieces)
            .unwrap_or_else(|| format_general(value));
    }
    let mut shown = String::new();
    for piece in pieces {
        match piece {
            FormatPiece::Text(text) => shown.push_str(text),
            FormatPiece::Percent => shown.push('%'),
            FormatPiece::Digits(code) => shown.push_str(&render_digits(value, code)),
        }
    }
    shown
}

/// Formats a number with a run of placeholders: `#,##0.00`, `0.0,,`, `0.00E+00`.
fn render_digits(value: f64, code: &str) -> String {
    if let Some((mantissa, exponent)) = code.split_once(['E', 'e']) {
        return format_scientific(value, count_decimals(mantissa), exponent);
    }
    let bare = code.trim_end_matches(',');
    let scaled = value / 1000_f64.powi(i32::try_from(code.len() - bare.len()).unwrap_or(0));
    let (integer, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    let most = count_decimals(bare);
    let least = fraction.chars().filter(|c| *c == '0').count();
    // Half of a digit is rounded up, even if the floating-point number is slightly less than half.
    let nudged = scaled.abs() * (1.0 + 4.0 * f64::EPSILON);
    let rounded = format!("{nudged:.most$}");
    let (units, rest) = rounded.split_once('.').unwrap_or((rounded.as_str(), ""));
    let shown = rest.trim_end_matches('0').len().max(least).min(rest.len());
    let rest = rest.get(..shown).unwrap_or(rest);
    let padded = integer.chars().filter(|c| *c == '0').count();
    let mut units = format!("{units:0>padded$}");
    if padded == 0 && units == "0" {
        units.clear();
    }
    if integer.contains(',') {
        units = group_thousands(&units);
    }
    let is_zero = rounded.chars().all(|c| matches!(c, '0' | '.'));
    let sign = if scaled < 0.0 && !is_zero { "-" } else { "" };
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{units}{point}{rest}")
}

fn count_decimals(code: &str) -> usize {
    let fraction = code.split_once('.').map_or("", |(_, fraction)| fraction);
    let places = fraction.chars().filter(|c| matches!(c, '0' | '#' | '?'));
    places.count().min(MAX_DECIMALS)
}

fn format_scientific(value: f64, decimals: usize, exponent: &str) -> String {
    let written = format!("{value:.decimals$e}");
    let (mantissa, power) = written.split_once('e').unwrap_or((&written, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ("-", power),
        None => (if exponent.starts_with('+') { "+" } else { "" }, power),
    };
    let width = exponent.chars().filter(|c| *c == '0').count();
    format!("{mantissa}E{sign}{power:0>width$}")
}

fn group_thousands(units: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in units.chars().enumerate() {
        if index > 0 && (units.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Formats a number without a format, as a cell of the default width does.
pub fn format_general(value: f64) -> String {
    let size = value.abs();
    if size >= 1e15 || size > 0.0 && size < 1e-9 {
        return format_scientific(value, 5, "+00");
    }
    let integer_digits = format!("{:.0}", size.trunc()).len();
    let decimals = SIGNIFICANT_DIGITS.saturating_sub(integer_digits);
    let shown = format!("{value:.decimals$}");
    let shown = if shown.contains('.') {
        shown.trim_end_matches('0').trim_end_matches('.')
    } else {
        &shown
    };
    if shown == "-0" { "0" } else { shown }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_displayed_in_their_format() {
        for (value, format, expected) in [
            (0.052, "0.0%", "5.2%"),
            (1_234_567.891, "#,##0.00", "1,234,567.89"),
            (-1_234.5, "#,##0;(#,##0)", "(1,235)"),
            (-1_234.5, "#,##0", "-1,235"),
            (0.0, "0;-0;\"none\"", "none"),
            (12.5, "[$€-407] #,##0.00", "€ 12.50"),
            (12.5, "#,##0.00\\ \"CHF\"", "12.50 CHF"),
            (7.0, "000", "007"),
            (0.25, "#.##", ".25"),
            (1_500_000.0, "0.0,,\"M\"", "1.5M"),
            (12_345.0, "0.00E+00", "1.23E+04"),
            (0.1 + 0.2, "General", "0.3"),
            (1_234_567_890_123.0, "", "1234567890123"),
            (2.0, "", "2"),
            (-0.0, "", "0"),
            (1e300, "", "1.00000E+300"),
            (3.5, "[Red]0.0_);[Blue](0.0)", "3.5 "),
            (0.85, "[<0.01]\"below 0.01\";0.00", "0.85"),
            (0.005, "[<0.01]\"below 0.01\";0.00", "below 0.01"),
            (-5.0, "[>100]\"high\";[<0]\"low\";0", "low"),
            (7.0, "[>100]\"high\";[<0]\"low\";0", "7"),
            (12.5, "\"ca. \"General", "ca. 12.5"),
            (-3.0, "0;;\"none\"", "-3"),
            (0.5, "# ?/?", "1/2"),
            (1.25, "# ?/?", "1 1/4"),
            (0.1875, "# ?/16", "3/16"),
            (-2.0, "# ?/?", "-2"),
            (0.999, "# ?/?", "1/1"),
            (301_234_567.0, "000-0000-000", "030-1234-567"),
            (12.0, "0\\.00", "0.12"),
            (f64::NAN, "0", ""),
        ] {
            assert_eq!(
                format_number(value, format),
                expected,
                "{value} as {format}"
            );
        }
    }
}
