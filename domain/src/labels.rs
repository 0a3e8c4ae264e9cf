//! What a site says about a document beside its text: in the document's own first lines, or in a
//! `document.toml` that lies beside it.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A day of the calendar, as ISO 8601 writes it: `2026-11-20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(time::Date);

impl Day {
    /// The day of a moment, in UTC.
    pub fn of(moment: Timestamp) -> Self {
        let seconds = moment.as_millis().div_euclid(1000);
        let date =
            time::OffsetDateTime::from_unix_timestamp(seconds).map(time::OffsetDateTime::date);
        Self(date.unwrap_or(time::Date::MAX))
    }

    /// Its first moment, in UTC.
    pub fn begins(self) -> Timestamp {
        let seconds = self.0.midnight().assume_utc().unix_timestamp();
        Timestamp::from_millis(seconds * 1000)
    }
}

/// A text that is not a day.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a day such as 2026-11-20")]
pub struct NotADay(String);

impl TryFrom<String> for Day {
    type Error = NotADay;

    fn try_from(text: String) -> Result<Self, NotADay> {
        let format = time::macros::format_description!("[year]-[month]-[day]");
        match time::Date::parse(text.trim(), format) {
            Ok(date) => Ok(Self(date)),
            Err(_) => Err(NotADay(text)),
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

/// What is said about a document. Absent is what nobody said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Labels {
    /// The title, in place of the one that the file has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Since when it is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<Day>,
    /// How confidential it is, in the site's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// What it is about or belongs to, in the site's words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Labels {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These labels, and where they are silent, the others.
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
    fn a_day_is_written_as_it_was_read_and_nothing_else_is_a_day() {
        let day = Day::try_from("2026-03-01".to_owned()).unwrap();
        assert_eq!(day.to_string(), "2026-03-01");
        for wrong in ["2026-02-30", "1 March 2026", "2026-3-1", ""] {
            assert!(Day::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_begins_with_its_first_millisecond() {
        let day = Day::try_from("2030-01-01".to_owned()).unwrap();
        assert_eq!(day.begins().to_string(), "2030-01-01T00:00:00Z");
        let before = day.begins().minus(std::time::Duration::from_millis(1));
        assert_eq!(Day::of(before).to_string(), "2029-12-31");
    }

    #[test]
    fn what_is_said_first_counts() {
        let said = Labels {
            title: Some("Doses".into()),
            ..Labels::default()
        };
        let other = Labels {
            title: Some("scan0017".into()),
            tags: vec!["ward 3".into()],
            ..Labels::default()
        };
        let both = said.or(other);
        assert_eq!(both.title.as_deref(), Some("Doses"));
        assert_eq!(both.tags, ["ward 3"]);
    }
}
