//! Date formats: the serial number `45943.0` with the format `d mmm yyyy` is displayed as
//! `13 Oct 2025`.

use super::number_format::split_sections;
use calamine::ExcelDateTime;

/// Formats a date or time.
pub fn format_date(value: &ExcelDateTime, format: &str) -> String {
    let sections = split_sections(format);
    let code = sections.first().map_or("", String::as_str);
    let shown = render_date(value, code);
    if shown.trim().is_empty() {
        format_plain_date(value)
    } else {
        shown
    }
}

/// Formats a date whose format is unknown.
pub fn format_plain_date(value: &ExcelDateTime) -> String {
    if value.is_duration() {
        return render_date(value, "[h]:mm:ss");
    }
    let days = value.as_f64();
    match (days < 1.0, days.fract() == 0.0) {
        (true, false) => render_date(value, "hh:mm:ss"),
        (_, true) => render_date(value, "yyyy-mm-dd"),
        _ => render_date(value, "yyyy-mm-dd hh:mm"),
    }
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

/// Formats a date with the parts of its format. An `m` after hours or before seconds means minutes.
fn render_date(value: &ExcelDateTime, code: &str) -> String {
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
                shown.push_str(&render_elapsed(value, &unit));
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
                shown.push_str(&render_date_part(value, part, count, noon));
                after_hours = letter == 'h';
            }
            // Fractions of seconds are not shown.
            '0' | '#' => {}
            _ => shown.push(c),
        }
    }
    shown.trim().trim_end_matches(['.', '@', ';']).to_owned()
}

/// Formats one part of a date: years, months, days, hours, minutes (`n`) or seconds.
fn render_date_part(value: &ExcelDateTime, part: char, count: usize, noon: bool) -> String {
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    let padded = count > 1;
    let full_name = count == 4;
    match part {
        'y' if count > 2 => format!("{year:04}"),
        'y' => format!("{:02}", year % 100),
        'm' if count > 2 => {
            let name = MONTHS.get(usize::from(month).saturating_sub(1));
            render_name(name.copied(), full_name)
        }
        'm' => pad_two(month, padded),
        'd' if count > 2 => {
            let weekday = value.as_f64().max(0.0).rem_euclid(7.0).floor();
            let name = (0_u8..7)
                .zip(&DAYS)
                .find(|(n, _)| (f64::from(*n) - weekday).abs() < 0.5);
            render_name(name.map(|(_, name)| *name), full_name)
        }
        'd' => pad_two(day, padded),
        'h' if noon => pad_two((hour + 11) % 12 + 1, padded),
        'h' => pad_two(hour, padded),
        'n' => pad_two(minute, padded),
        _ => pad_two(second, padded),
    }
}

/// A number with two digits if `padded`.
fn pad_two(number: u8, padded: bool) -> String {
    if padded {
        format!("{number:02}")
    } else {
        number.to_string()
    }
}

/// The name of a month or weekday, or its first three letters.
fn render_name(name: Option<&str>, full_name: bool) -> String {
    let name = name.unwrap_or_default();
    let length = if full_name { name.len() } else { 3 };
    name.get(..length).unwrap_or(name).to_owned()
}

/// Formats elapsed hours, minutes or seconds, which may exceed a day.
fn render_elapsed(value: &ExcelDateTime, unit: &str) -> String {
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
    fn dates_are_displayed_in_their_format() {
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
            assert_eq!(
                format_date(&at(value), format),
                expected,
                "{value} as {format}"
            );
        }
    }
}
