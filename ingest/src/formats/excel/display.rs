//! Numbers as a sheet shows them: `0.052` with the format `0.0%` is `5.2%`.
//!
//! A format is up to four sections (ECMA-376 Part 1, 18.8.31): for positive numbers, negative ones,
//! zero, and text. Each is text with placeholders for digits, or for the parts of a date.

use calamine::ExcelDateTime;

/// Digits that a number without a format is shown with.
const SIGNIFICANT: usize = 11;
/// More decimals than any format asks for.
const MOST_DECIMALS: usize = 30;
/// A format is longer than this only to do harm.
const LONGEST: usize = 255;

/// A number, shown.
pub fn number(value: f64, format: &str) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let sections = sections(format);
    let section = match sections.as_slice() {
        [] => return general(value),
        [only] => only,
        [positive, negative] => {
            if value < 0.0 {
                negative
            } else {
                positive
            }
        }
        [positive, negative, zero, ..] => {
            if value < 0.0 {
                negative
            } else if value > 0.0 {
                positive
            } else {
                zero
            }
        }
    };
    let pieces = pieces(section);
    let has_digits = pieces.iter().any(|piece| matches!(piece, Piece::Digits(_)));
    let is_general = section.to_ascii_lowercase().contains("general");
    if is_general || !has_digits && !has_text(&pieces) {
        return general(value);
    }
    // A section of its own for negative numbers brings its own sign.
    let magnitude = if sections.len() > 1 {
        value.abs()
    } else {
        value
    };
    show(magnitude, &pieces)
}

/// A date or a time, shown.
pub fn date(value: &ExcelDateTime, format: &str) -> String {
    let sections = sections(format);
    let code = sections.first().map_or("", String::as_str);
    let shown = dated(value, code);
    if shown.trim().is_empty() {
        plain_date(value)
    } else {
        shown
    }
}

/// A date whose format is not known.
pub fn plain_date(value: &ExcelDateTime) -> String {
    if value.is_duration() {
        return dated(value, "[h]:mm:ss");
    }
    let days = value.as_f64();
    match (days < 1.0, days.fract() == 0.0) {
        (true, false) => dated(value, "hh:mm:ss"),
        (_, true) => dated(value, "yyyy-mm-dd"),
        _ => dated(value, "yyyy-mm-dd hh:mm"),
    }
}

/// The sections of a format, without colours, conditions and languages.
fn sections(format: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    let mut quoted = false;
    let mut chars = format.chars().take(LONGEST).peekable();
    while let Some(c) = chars.next() {
        let Some(open) = sections.last_mut() else {
            break;
        };
        match c {
            '"' => {
                quoted = !quoted;
                open.push(c);
            }
            '\\' if !quoted => {
                open.push(c);
                open.extend(chars.next());
            }
            ';' if !quoted => sections.push(String::new()),
            '[' if !quoted => {
                let inside: String = chars.by_ref().take_while(|c| *c != ']').collect();
                open.push_str(&bracketed(&inside));
            }
            c => open.push(c),
        }
    }
    sections.retain(|section| !section.is_empty());
    sections
}

/// What brackets leave: hours that go on beyond a day, or a currency's sign.
fn bracketed(inside: &str) -> String {
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

/// A piece of a section for numbers.
#[derive(Debug)]
enum Piece {
    Text(String),
    Digits(String),
    Percent,
}

fn has_text(pieces: &[Piece]) -> bool {
    pieces
        .iter()
        .any(|piece| matches!(piece, Piece::Text(text) if !text.trim().is_empty()))
}

fn pieces(section: &str) -> Vec<Piece> {
    let mut chars = section.chars().peekable();
    let mut found: Vec<Piece> = Vec::new();
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => text.extend(chars.by_ref().take_while(|c| *c != '"')),
            '\\' => text.extend(chars.next()),
            // As wide as the next character, or filled with it.
            '_' => {
                chars.next();
                text.push(' ');
            }
            '*' => {
                chars.next();
            }
            '0' | '#' | '?' | '.' => {
                flush(&mut text, &mut found);
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
                found.push(Piece::Digits(code));
            }
            '%' => {
                flush(&mut text, &mut found);
                found.push(Piece::Percent);
            }
            '@' => {}
            c => text.push(c),
        }
    }
    flush(&mut text, &mut found);
    found
}

fn flush(text: &mut String, pieces: &mut Vec<Piece>) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text)));
    }
}

fn show(value: f64, pieces: &[Piece]) -> String {
    let percent = pieces.iter().any(|piece| matches!(piece, Piece::Percent));
    let value = if percent { value * 100.0 } else { value };
    let mut shown = String::new();
    let mut first = true;
    for piece in pieces {
        match piece {
            Piece::Text(text) => shown.push_str(text),
            Piece::Percent => shown.push('%'),
            // A second run of digits is a fraction's or a telephone number's, which no plain
            // number fills.
            Piece::Digits(_) if !first => return general(value),
            Piece::Digits(code) => {
                first = false;
                shown.push_str(&digits(value, code));
            }
        }
    }
    shown
}

/// The number in a run of placeholders: `#,##0.00`, `0.0,,`, `0.00E+00`.
fn digits(value: f64, code: &str) -> String {
    if let Some((mantissa, exponent)) = code.split_once(['E', 'e']) {
        return scientific(value, decimals(mantissa), exponent);
    }
    let bare = code.trim_end_matches(',');
    let scaled = value / 1000_f64.powi(i32::try_from(code.len() - bare.len()).unwrap_or(0));
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    let most = decimals(bare);
    let least = fraction.chars().filter(|c| *c == '0').count();
    // Half of a digit is rounded up, also where the computer's number is a hair less than half.
    let nudged = scaled.abs() * (1.0 + 4.0 * f64::EPSILON);
    let rounded = format!("{nudged:.most$}");
    let (units, rest) = rounded.split_once('.').unwrap_or((rounded.as_str(), ""));
    let kept = rest.trim_end_matches('0').len().max(least).min(rest.len());
    let rest = rest.get(..kept).unwrap_or(rest);
    let padded = whole.chars().filter(|c| *c == '0').count();
    let mut units = format!("{units:0>padded$}");
    if padded == 0 && units == "0" {
        units.clear();
    }
    if whole.contains(',') {
        units = grouped(&units);
    }
    let is_zero = rounded.chars().all(|c| matches!(c, '0' | '.'));
    let sign = if scaled < 0.0 && !is_zero { "-" } else { "" };
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{units}{point}{rest}")
}

fn decimals(code: &str) -> usize {
    let fraction = code.split_once('.').map_or("", |(_, fraction)| fraction);
    let places = fraction.chars().filter(|c| matches!(c, '0' | '#' | '?'));
    places.count().min(MOST_DECIMALS)
}

fn scientific(value: f64, decimals: usize, exponent: &str) -> String {
    let written = format!("{value:.decimals$e}");
    let (mantissa, power) = written.split_once('e').unwrap_or((&written, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ("-", power),
        None => (if exponent.starts_with('+') { "+" } else { "" }, power),
    };
    let width = exponent.chars().filter(|c| *c == '0').count();
    format!("{mantissa}E{sign}{power:0>width$}")
}

fn grouped(units: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in units.chars().enumerate() {
        if index > 0 && (units.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number without a format: what a cell of usual width has room for.
pub fn general(value: f64) -> String {
    let size = value.abs();
    if size >= 1e15 || size > 0.0 && size < 1e-9 {
        return scientific(value, 5, "+00");
    }
    let whole = format!("{:.0}", size.trunc()).len();
    let decimals = SIGNIFICANT.saturating_sub(whole);
    let shown = format!("{value:.decimals$}");
    let shown = if shown.contains('.') {
        shown.trim_end_matches('0').trim_end_matches('.')
    } else {
        &shown
    };
    if shown == "-0" { "0" } else { shown }.to_owned()
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = [
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
];

/// A date in the parts that its format names. An `m` after hours or before seconds is minutes.
fn dated(value: &ExcelDateTime, code: &str) -> String {
    let lower = code.to_ascii_lowercase();
    let noon = lower.contains("am/pm") || lower.contains("a/p");
    let mut shown = String::new();
    let mut chars = code.chars().peekable();
    let mut after_hours = false;
    while let Some(c) = chars.next() {
        let letter = c.to_ascii_lowercase();
        match letter {
            '"' => shown.extend(chars.by_ref().take_while(|c| *c != '"')),
            '\\' => shown.extend(chars.next()),
            '_' => {
                chars.next();
                shown.push(' ');
            }
            '*' => {
                chars.next();
            }
            'a' if noon => {
                let rest = chars
                    .clone()
                    .take(4)
                    .collect::<String>()
                    .to_ascii_lowercase();
                let length = if rest == "m/pm" { 4 } else { 2 };
                chars.by_ref().take(length).for_each(drop);
                let (.., hour, _, _, _) = value.to_ymd_hms_milli();
                shown.push_str(if hour < 12 { "AM" } else { "PM" });
            }
            '[' => {
                let unit: String = chars.by_ref().take_while(|c| *c != ']').collect();
                shown.push_str(&elapsed(value, &unit));
                after_hours = unit.starts_with('h');
            }
            'y' | 'm' | 'd' | 'h' | 's' => {
                let mut count = 1;
                while chars
                    .next_if(|c| c.to_ascii_lowercase() == letter)
                    .is_some()
                {
                    count += 1;
                }
                let mut rest = chars.clone().filter(char::is_ascii_alphabetic);
                let seconds_next = rest.next().is_some_and(|c| c.eq_ignore_ascii_case(&'s'));
                let minutes = letter == 'm' && count < 3 && (after_hours || seconds_next);
                let part = if minutes { 'n' } else { letter };
                shown.push_str(&part_of(value, part, count, noon));
                after_hours = letter == 'h';
            }
            // Parts of seconds, which are not shown.
            '0' | '#' => {}
            _ => shown.push(c),
        }
    }
    shown.trim().trim_end_matches(['.', '@', ';']).to_owned()
}

/// One part of a date: years, months, days, hours, minutes (`n`) or seconds.
fn part_of(value: &ExcelDateTime, part: char, count: usize, noon: bool) -> String {
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    let two = |number: u8| {
        if count > 1 {
            format!("{number:02}")
        } else {
            number.to_string()
        }
    };
    let named = |name: Option<&&str>, whole: bool| {
        let name = name.copied().unwrap_or_default();
        if whole {
            name
        } else {
            name.get(..3).unwrap_or(name)
        }
        .to_owned()
    };
    match part {
        'y' if count > 2 => format!("{year:04}"),
        'y' => format!("{:02}", year % 100),
        'm' if count > 2 => {
            let name = MONTHS.get(usize::from(month).saturating_sub(1));
            named(name, count == 4)
        }
        'm' => two(month),
        'd' if count > 2 => {
            let weekday = value.as_f64().max(0.0).rem_euclid(7.0).floor();
            let name = (0_u8..7)
                .zip(&DAYS)
                .find(|(n, _)| (f64::from(*n) - weekday).abs() < 0.5);
            named(name.map(|(_, name)| name), count == 4)
        }
        'd' => two(day),
        'h' if noon => two((hour + 11) % 12 + 1),
        'h' => two(hour),
        'n' => two(minute),
        _ => two(second),
    }
}

/// Hours, minutes or seconds that go on beyond a day.
fn elapsed(value: &ExcelDateTime, unit: &str) -> String {
    let per_day = match unit.chars().next() {
        Some('h') => 24.0,
        Some('m') => 1_440.0,
        _ => 86_400.0,
    };
    format!("{:.0}", (value.as_f64() * per_day + 1e-6).floor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use calamine::ExcelDateTimeType;

    #[test]
    fn numbers_are_shown_in_their_format() {
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
            (f64::NAN, "0", ""),
        ] {
            assert_eq!(number(value, format), expected, "{value} as {format}");
        }
    }

    #[test]
    fn dates_are_shown_in_their_format() {
        let at = |value| ExcelDateTime::new(value, ExcelDateTimeType::DateTime, false);
        for (value, format, expected) in [
            (45_943.541, "dd.mm.yyyy", "13.10.2025"),
            (45_943.541, "m/d/yy h:mm", "10/13/25 12:59"),
            (45_943.541, "d mmm yyyy", "13 Oct 2025"),
            (45_943.541, "dddd, mmmm dd", "Monday, October 13"),
            (45_943.541, "h:mm AM/PM", "12:59 PM"),
            (45_943.541, "hh:mm:ss", "12:59:02"),
            (1.5, "[h]:mm", "36:00"),
            (45_943.0, "[$-407]yyyy\\-mm\\-dd;@", "2025-10-13"),
            (45_943.5, "", "2025-10-13 12:00"),
            (0.25, "", "06:00:00"),
        ] {
            assert_eq!(date(&at(value), format), expected, "{value} as {format}");
        }
    }
}
