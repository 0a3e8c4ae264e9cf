//! Number formats with several runs of placeholders: fractions (`# ?/?`), and numbers in groups, such
//! as telephone numbers and codes (`000-0000-000`).

use super::number_format::FormatPiece;

/// Denominators have at most this many digits.
const MAX_DENOMINATOR_DIGITS: usize = 4;

/// Renders a number in a format with a fraction: `1.25` in `# ?/?` is `1 1/4`.
pub fn render_fraction(value: f64, pieces: &[FormatPiece]) -> Option<String> {
    let bar = pieces
        .iter()
        .position(|piece| matches!(piece, FormatPiece::Text(text) if text.starts_with('/')))?;
    let numerator = bar.checked_sub(1)?;
    let FormatPiece::Text(text) = pieces.get(bar)? else {
        return None;
    };
    if !matches!(pieces.get(numerator)?, FormatPiece::Digits(_)) {
        return None;
    }
    let fixed: Option<u32> = text.trim_start_matches('/').trim().parse().ok();
    let (denominator_places, after) = match pieces.get(bar + 1) {
        Some(FormatPiece::Digits(code)) if fixed.is_none() => (code.len(), bar + 2),
        _ => (0, bar + 1),
    };
    if fixed.is_none() && denominator_places == 0 {
        return None;
    }
    let has_integer = pieces
        .iter()
        .take(numerator)
        .any(|piece| matches!(piece, FormatPiece::Digits(_)));
    let magnitude = value.abs();
    let units = if has_integer { magnitude.trunc() } else { 0.0 };
    let (top, bottom) = match fixed.filter(|fixed| *fixed > 0) {
        Some(fixed) => (((magnitude - units) * f64::from(fixed)).round(), fixed),
        None => nearest_fraction(magnitude - units, denominator_places),
    };
    let (units, top) = carry(units, top, bottom);
    let mut shown = String::new();
    if value < 0.0 {
        shown.push('-');
    }
    if has_integer && (units > 0.0 || top <= 0.0) {
        let integer = format!("{units:.0}");
        shown.push_str(&integer);
    }
    if top > 0.0 || !has_integer {
        let gap = if has_integer && units > 0.0 { " " } else { "" };
        let fraction = format!("{gap}{top:.0}/{bottom}");
        shown.push_str(&fraction);
    }
    let rest = pieces.iter().skip(after).map(|piece| match piece {
        FormatPiece::Text(text) => text.as_str(),
        FormatPiece::Digits(_) | FormatPiece::Percent => "",
    });
    shown.extend(rest);
    Some(shown)
}

/// A fraction that is rounded up to one belongs to the whole.
fn carry(units: f64, top: f64, bottom: u32) -> (f64, f64) {
    if units > 0.0 && top >= f64::from(bottom) {
        (units + 1.0, 0.0)
    } else {
        (units, top)
    }
}

/// The nearest fraction with a denominator of so many digits.
fn nearest_fraction(value: f64, digits: usize) -> (f64, u32) {
    let exponent = u32::try_from(digits.clamp(1, MAX_DENOMINATOR_DIGITS)).unwrap_or(1);
    let mut best = (f64::MAX, 0.0, 1);
    for bottom in 1..10_u32.pow(exponent) {
        let top = (value * f64::from(bottom)).round();
        let distance = (value - top / f64::from(bottom)).abs();
        if distance + 1e-12 < best.0 {
            best = (distance, top, bottom);
        }
    }
    (best.1, best.2)
}

/// Renders a whole number in groups: its digits fill the placeholders from the right.
pub fn render_groups(value: f64, pieces: &[FormatPiece]) -> Option<String> {
    let codes = pieces.iter().filter_map(|piece| match piece {
        FormatPiece::Digits(code) => Some(code.as_str()),
        FormatPiece::Text(_) | FormatPiece::Percent => None,
    });
    let mut count = 0;
    for code in codes {
        if !code.chars().all(|c| matches!(c, '0' | '#' | '?')) {
            return None;
        }
        count += 1;
    }
    let mut digits: Vec<char> = format!("{:.0}", value.abs()).chars().collect();
    let mut parts: Vec<String> = Vec::new();
    for piece in pieces.iter().rev() {
        match piece {
            FormatPiece::Text(text) => parts.push(text.clone()),
            FormatPiece::Percent => parts.push("%".to_owned()),
            FormatPiece::Digits(code) => {
                count -= 1;
                parts.push(take_digits(&mut digits, code, count == 0));
            }
        }
    }
    if value < 0.0 {
        parts.push("-".to_owned());
    }
    parts.reverse();
    Some(parts.concat())
}

/// The last digits for one run of placeholders. The first run takes all that are left.
fn take_digits(digits: &mut Vec<char>, code: &str, is_first: bool) -> String {
    let count = if is_first {
        digits.len().max(code.len())
    } else {
        code.len()
    };
    let mut taken: Vec<char> = Vec::new();
    for place in 0..count {
        let needed = code.chars().rev().nth(place) == Some('0');
        match digits.pop() {
            Some(digit) => taken.push(digit),
            None if needed => taken.push('0'),
            None => {}
        }
    }
    taken.iter().rev().collect()
}
