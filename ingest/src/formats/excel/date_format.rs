//! Date formats: the serial number `45943.0` with the format `d mmm yyyy` is displayed as
//! `13 Oct 2025`.

use super::number_format::split_sections;
use calamine::ExcelDateTime;

/// Days between the first days that the two systems count from.
const DAYS_TO_1904: f64 = 1462.0;

/// A date as a workbook counts it: days since the end of 1899, whatever the workbook counts from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DateSerial {
    days: f64,
    is_duration: bool,
}

impl DateSerial {
    /// A number of a workbook that counts from 1900, or from 1904.
    pub fn new(value: f64, is_1904: bool) -> Self {
        // A time of day is the same in both.
        let shift = if is_1904 && value >= 1.0 {
            DAYS_TO_1904
        } else {
            0.0
        };
        Self {
            days: value + shift,
            is_duration: false,
        }
    }

    fn from_excel(value: &ExcelDateTime) -> Self {
        let is_1904 = value.is_datetime() && value.as_f64() >= 1.0 && {
            // The first system has no year below 1900 for these numbers, the second none above.
            let (year, month, day, ..) = value.to_ymd_hms_milli();
            let own = Self {
                days: value.as_f64(),
                is_duration: false,
            };
            own.day() != (i64::from(year), i64::from(month), i64::from(day))
        };
        Self {
            is_duration: value.is_duration(),
            ..Self::new(value.as_f64(), is_1904)
        }
    }

    /// Year, month and day.
    fn day(self) -> (i64, i64, i64) {
        // Excel counts a day in 1900 that did not exist.
        let days = self.rounded().0;
        let days = if days < 60 { days + 1 } else { days };
        civil_from_days(days - 25_569)
    }

    /// Whole days, and seconds of the day.
    fn rounded(self) -> (i64, i64) {
        let seconds = to_integer(self.days.clamp(-1e7, 1e7) * 86_400.0);
        (seconds.div_euclid(86_400), seconds.rem_euclid(86_400))
    }

    fn time(self) -> (i64, i64, i64) {
        let seconds = self.rounded().1;
        (seconds / 3_600, seconds / 60 % 60, seconds % 60)
    }

    /// The day of the week, where 0 is a Saturday.
    fn weekday(self) -> i64 {
        self.rounded().0.rem_euclid(7)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the caller limits the value"
)]
fn to_integer(value: f64) -> i64 {
    value.round() as i64
}

/// Year, month and day of a number of days since 1970 (the algorithm of Howard Hinnant).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Formats a date or time. A date that people of different countries would read differently is shown
/// in ISO order.
pub fn format_serial(value: DateSerial, format: &str) -> String {
    let sections = split_sections(format);
    let code = sections.first().map_or("", String::as_str);
    let shown = render_date(value, &unambiguous(code));
    if shown.trim().is_empty() {
        plain_date(value)
    } else {
        shown
    }
}

/// Formats a date whose format is unknown.
pub fn format_plain_date(value: &ExcelDateTime) -> String {
    plain_date(DateSerial::from_excel(value))
}

fn plain_date(value: DateSerial) -> String {
    if value.is_duration {
        return render_date(value, "[h]:mm:ss");
    }
    let has_time = value.rounded().1 != 0;
    match (value.days < 1.0, has_time) {
        (true, true) => render_date(value, "hh:mm:ss"),
        (_, false) => render_date(value, "yyyy-mm-dd"),
        _ => render_date(value, "yyyy-mm-dd hh:mm"),
    }
}

/// A part of a date format: its letter and its length, or other characters.
#[derive(Debug, PartialEq)]
enum DatePiece {
    Part(char, usize),
    Other(String),
}

/// Splits a format into parts. Minutes are not told from months here.
fn date_pieces(code: &str) -> Vec<DatePiece> {
    let mut pieces: Vec<DatePiece> = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        let letter = c.to_ascii_lowercase();
        if matches!(letter, 'y' | 'm' | 'd') {
            let mut count = 1;
            while chars
                .next_if(|c| c.to_ascii_lowercase() == letter)
                .is_some()
            {
                count += 1;
            }
            pieces.push(DatePiece::Part(letter, count));
            continue;
        }
        let mut other = String::from(c);
        match c {
            '\\' => other.extend(chars.next()),
            '"' => {
                for next in chars.by_ref() {
                    other.push(next);
                    if next == '"' {
                        break;
                    }
                }
            }
            _ => {}
        }
        pieces.push(DatePiece::Other(other));
    }
    pieces
}

/// The format, with its day, month and year in ISO order if they are numbers in an order that
/// another country reads differently: `m/d/yy`, `dd/mm/yyyy`. Dots stand between day and month
/// only.
fn unambiguous(code: &str) -> String {
    let pieces = date_pieces(code);
    let minutes = find_minutes(&pieces);
    let mut order = String::new();
    let (mut first, mut last) = (None, 0);
    for (index, piece) in pieces.iter().enumerate() {
        if let DatePiece::Part(letter, count) = piece {
            let is_name = *count > 2 && *letter != 'y';
            if *letter == 'm' && is_name {
                return code.to_owned();
            }
            if !is_name && minutes.get(index) != Some(&true) {
                order.push(*letter);
                first.get_or_insert(index);
                last = index;
            }
        }
    }
    let Some(first) = first else {
        return code.to_owned();
    };
    let between = pieces.get(first..=last).unwrap_or_default();
    let separators: Vec<&str> = between
        .iter()
        .filter_map(|piece| match piece {
            DatePiece::Other(text) => Some(text.trim_matches(['\\', '"', ' '])),
            DatePiece::Part(..) => None,
        })
        .filter(|text| !text.is_empty())
        .collect();
    let Some(iso) = unambiguous_order(&order, &separators) else {
        return code.to_owned();
    };
    let before = join_pieces(pieces.get(..first).unwrap_or_default());
    let after = join_pieces(pieces.get(last + 1..).unwrap_or_default());
    format!("{before}{iso}{after}")
}

/// The form in which a date of these parts and separators cannot be misread; `None` if it cannot be
/// misread as it is.
fn unambiguous_order(order: &str, separators: &[&str]) -> Option<&'static str> {
    let dotted = separators.iter().all(|text| *text == ".");
    let worded = separators
        .iter()
        .any(|text| text.chars().any(char::is_alphabetic));
    match order {
        "ymd" | "y" | "m" | "d" | "" => None,
        "dmy" | "dm" if dotted => None,
        _ if worded => None,
        "my" | "ym" => Some("yyyy\\-mm"),
        "dm" | "md" => Some("d mmm"),
        _ => Some("yyyy\\-mm\\-dd"),
    }
}

/// For each part of a format, whether it means minutes: an `m` beside hours or seconds does.
fn find_minutes(pieces: &[DatePiece]) -> Vec<bool> {
    (0..pieces.len())
        .map(|index| {
            let before = pieces.iter().take(index).rev().find(|p| is_part_or_time(p));
            let after = pieces.iter().skip(index + 1).find(|p| is_part_or_time(p));
            matches!(pieces.get(index), Some(DatePiece::Part('m', 1 | 2)))
                && (is_time_piece(before) || is_time_piece(after) && before.is_none())
        })
        .collect()
}

/// The format code of these parts.
fn join_pieces(pieces: &[DatePiece]) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            DatePiece::Part(letter, count) => letter.to_string().repeat(*count),
            DatePiece::Other(text) => text.clone(),
        })
        .collect()
}

/// Whether this part of a format shows hours or seconds.
fn is_time_piece(piece: Option<&DatePiece>) -> bool {
    matches!(piece, Some(DatePiece::Other(c)) if is_time(c))
}

/// Whether a part of a format shows hours or seconds.
fn is_time(code: &str) -> bool {
    code.chars()
        .any(|c| matches!(c.to_ascii_lowercase(), 'h' | 's'))
}

fn is_part_or_time(piece: &DatePiece) -> bool {
    match piece {
        DatePiece::Part(..) => true,
        DatePiece::Other(text) => {
            text.len() == 1
                && text
                    .chars()
                    .any(|c| matches!(c.to_ascii_lowercase(), 'h' | 's'))
        }
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
fn render_date(value: DateSerial, code: &str) -> String {
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
                let (hour, ..) = value.time();
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
fn render_date_part(value: DateSerial, part: char, count: usize, noon: bool) -> String {
    let ((year, month, day), (hour, minute, second)) = (value.day(), value.time());
    let padded = count > 1;
    let full_name = count == 4;
    match part {
        'y' if count > 2 => format!("{year:04}"),
        'y' => format!("{:02}", year % 100),
        'm' if count > 2 => {
            let index = usize::try_from(month).unwrap_or(0).saturating_sub(1);
            render_name(MONTHS.get(index).copied(), full_name)
        }
        'm' => pad_two(month, padded),
        'd' if count > 2 => {
            let index = usize::try_from(value.weekday()).unwrap_or(0);
            render_name(DAYS.get(index).copied(), full_name)
        }
        'd' => pad_two(day, padded),
        'h' if noon => pad_two((hour + 11) % 12 + 1, padded),
        'h' => pad_two(hour, padded),
        'n' => pad_two(minute, padded),
        _ => pad_two(second, padded),
    }
}

/// A number with two digits if `padded`.
fn pad_two(number: i64, padded: bool) -> String {
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
fn render_elapsed(value: DateSerial, unit: &str) -> String {
    let per_day = match unit.chars().next() {
        Some('h') => 24.0,
        Some('m') => 1_440.0,
        _ => 86_400.0,
    };
    format!("{:.0}", (value.days * per_day + 1e-6).floor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use calamine::ExcelDateTimeType;

    #[test]
    fn a_workbook_that_counts_from_1904_has_the_same_days() {
        let value = DateSerial::new(44_623.0, true);
        assert_eq!(
            format_serial(value, "dddd, d mmmm yyyy"),
            "Wednesday, 4 March 2026"
        );
        let of_calamine = ExcelDateTime::new(44_623.0, ExcelDateTimeType::DateTime, true);
        assert_eq!(format_plain_date(&of_calamine), "2026-03-04");
    }

    #[test]
    fn dates_are_displayed_in_their_format() {
        for (value, format, expected) in [
            (45_943.541, "dd.mm.yyyy", "13.10.2025"),
            (45_943.541, "m/d/yy h:mm", "2025-10-13 12:59"),
            (45_943.541, "dd/mm/yyyy", "2025-10-13"),
            (45_943.541, "dddd, mm/dd/yyyy", "Monday, 2025-10-13"),
            (45_943.541, "dd.mm.yy", "13.10.25"),
            (45_943.541, "m/d", "13 Oct"),
            (45_943.541, "mm:ss", "59:02"),
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
                format_serial(DateSerial::new(value, false), format),
                expected,
                "{value} as {format}"
            );
        }
    }
}
