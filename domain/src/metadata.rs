//! Document metadata that a site provides: in the front matter of a document, or in a
//! `document.toml` in the same folder.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A day of the calendar, written as in ISO 8601: `2026-11-20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(time::Date);

impl Day {
    /// The day of a timestamp, in UTC.
    pub fn from_timestamp(moment: Timestamp) -> Self {
        let seconds = moment.as_millis().div_euclid(1000);
        let date =
            time::OffsetDateTime::from_unix_timestamp(seconds).map(time::OffsetDateTime::date);
        Self(date.unwrap_or(time::Date::MAX))
    }

    /// The start of the day, in UTC.
    pub fn start(self) -> Timestamp {
        let seconds = self.0.midnight().assume_utc().unix_timestamp();
        Timestamp::from_millis(seconds * 1000)
    }
}

/// A text is not a day.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a day such as 2026-11-20")]
pub struct ParseDayError(String);

impl TryFrom<String> for Day {
    type Error = ParseDayError;

    fn try_from(text: String) -> Result<Self, ParseDayError> {
        let format = time::macros::format_description!("[year]-[month]-[day]");
        match time::Date::parse(text.trim(), format) {
            Ok(date) => Ok(Self(date)),
            Err(_) => Err(ParseDayError(text)),
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        write!(f, "{year:04}-{:02}-{day:02}", u8::from(month))
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

/// The metadata of a document. Fields that nobody provided are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DocumentMetadata {
    /// The title, which replaces the one in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The first day on which the document is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<Day>,
    /// The classification, as defined by the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// Tags, as defined by the site.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl DocumentMetadata {
    /// Whether every field is empty.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Fills empty fields with those of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let tags = if self.tags.is_empty() {
            other.tags
        } else {
            self.tags
        };
        Self {
            title: self.title.or(other.title),
            effective: self.effective.or(other.effective),
            classification: self.classification.or(other.classification),
            tags,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_round_trips_and_invalid_days_are_errors() {
        let day = Day::try_from("2026-03-01".to_owned()).unwrap();
        assert_eq!(day.to_string(), "2026-03-01");
        for wrong in ["2026-02-30", "1 March 2026", "2026-3-1", ""] {
            assert!(Day::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_starts_with_its_first_millisecond() {
        let day = Day::try_from("2030-01-01".to_owned()).unwrap();
        assert_eq!(day.start().to_string(), "2030-01-01T00:00:00Z");
        let before = day.start().minus(std::time::Duration::from_millis(1));
        assert_eq!(Day::from_timestamp(before).to_string(), "2029-12-31");
    }

    #[test]
    fn empty_fields_are_filled_from_the_other_metadata() {
        let first = DocumentMetadata {
            title: Some("Doses".into()),
            ..DocumentMetadata::default()
        };
        let other = DocumentMetadata {
            title: Some("scan0017".into()),
            tags: vec!["ward 3".into()],
            ..DocumentMetadata::default()
        };
        let both = first.or(other);
        assert_eq!(both.title.as_deref(), Some("Doses"));
        assert_eq!(both.tags, ["ward 3"]);
    }
}
