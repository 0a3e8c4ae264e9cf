//! What a compliance officer looks at first: whether the log holds, and what is worth a look.

use super::audit::EntryView;
use super::error::Result;
use super::{App, Caller};
use cloister_audit::{Entry, EntryFilter, EventKind, Outcome};
use cloister_domain::{Day, Timestamp};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The number of days that are counted.
const DAYS: i64 = 14;
const DAY_MS: i64 = 24 * 3600 * 1000;
/// The maximum number of entries that are counted.
const MAX_COUNTED: usize = 50_000;
/// The maximum number of entries that are worth a look.
const MAX_NOTABLE: usize = 20;

/// The state of the log, and the last days.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditOverview {
    /// The number of entries in the log.
    entries: u64,
    /// The last verification, if there was one.
    verified: Option<LastVerification>,
    /// When a checkpoint was last taken to be kept elsewhere, RFC 3339.
    checkpoint_taken_at: Option<String>,
    /// The last checkpoint that the appliance stored outside the machine, if it does.
    anchored: Option<LastAnchor>,
    /// Why the log cannot be written, if it cannot.
    failure: Option<String>,
    /// The names of all people.
    people: Vec<String>,
    /// The last days on which something was logged, oldest first.
    days: Vec<DayActivity>,
    /// Whether the days have so many entries that only the newest were counted.
    partial: bool,
    /// Entries of these days that are worth a look, newest first.
    notable: Vec<EntryView>,
}

/// A verification of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LastVerification {
    /// When, RFC 3339.
    at: String,
    /// Who verified.
    by: String,
    /// Whether the log was intact.
    holds: bool,
}

/// A checkpoint that was stored outside the machine.
#[derive(Debug, Serialize, ToSchema)]
pub struct LastAnchor {
    /// When, RFC 3339.
    at: String,
    /// Whether it was stored.
    stored: bool,
    /// The number of entries that it covers.
    entries: Option<u64>,
}

/// What was logged on a day, in UTC.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct DayActivity {
    /// The day: `2026-03-01`.
    day: String,
    /// Questions, answered or refused.
    questions: u32,
    /// Questions that the documents do not answer.
    refused: u32,
    /// Pages that were opened.
    pages: u32,
    /// Requests and sign-ins that were denied.
    denied: u32,
}

impl App {
    /// The state of the log, and what is worth a look. That it was viewed is logged.
    pub async fn audit_overview(&self, caller: &Caller) -> Result<AuditOverview> {
        let since = self.clock.now().as_millis() - DAYS * DAY_MS;
        let recent = EntryFilter {
            from: Some(Timestamp::from_millis(since)),
            ..EntryFilter::default()
        };
        let detail = json!({ "overview_of_days": DAYS });
        let _turn = self.expensive.reviewing.take(caller.turn_owner()).await?;
        self.audit
            .append(caller.event(EventKind::AuditViewed, detail))
            .await?;
        let recent = self.find_entries(recent, MAX_COUNTED).await?;
        let verified = self.last_entry(EventKind::AuditVerified).await?;
        let checkpoint = self.last_entry(EventKind::CheckpointTaken).await?;
        let anchor = self.last_entry(EventKind::AuditAnchored).await?;
        let people = self.store.users().await?;
        Ok(AuditOverview {
            entries: self.audit.len(),
            verified: verified.map(LastVerification::from),
            checkpoint_taken_at: checkpoint.map(|entry| entry.at.to_string()),
            anchored: anchor.map(LastAnchor::from),
            failure: self.audit.failure().map(|cause| cause.to_string()),
            people: people.into_iter().map(|person| person.name).collect(),
            days: count_by_day(&recent.entries),
            partial: recent.next.is_some() && recent.entries.len() == MAX_COUNTED,
            notable: recent
                .entries
                .into_iter()
                .filter(is_notable)
                .take(MAX_NOTABLE)
                .map(EntryView::from)
                .collect(),
        })
    }

    async fn last_entry(&self, kind: EventKind) -> Result<Option<Entry>> {
        let filter = EntryFilter {
            kinds: vec![kind],
            ..EntryFilter::default()
        };
        Ok(self.find_entries(filter, 1).await?.entries.pop())
    }
}

impl From<Entry> for LastVerification {
    fn from(entry: Entry) -> Self {
        Self {
            at: entry.at.to_string(),
            holds: entry.detail.get("holds") == Some(&json!(true)),
            by: entry.actor.name,
        }
    }
}

impl From<Entry> for LastAnchor {
    fn from(entry: Entry) -> Self {
        let entries = entry.detail.get("entries");
        Self {
            at: entry.at.to_string(),
            stored: entry.outcome == Outcome::Success,
            entries: entries.and_then(serde_json::Value::as_u64),
        }
    }
}

fn count_by_day(entries: &[Entry]) -> Vec<DayActivity> {
    let mut days: BTreeMap<String, DayActivity> = BTreeMap::new();
    for entry in entries {
        let day = Day::from_timestamp(entry.at).to_string();
        let activity = days.entry(day.clone()).or_insert_with(|| DayActivity {
            day,
            ..DayActivity::default()
        });
        let is_refused = entry.kind == EventKind::QuestionRefused;
        let is_question = is_refused || entry.kind == EventKind::QuestionAnswered;
        let is_page = entry.kind == EventKind::PageOpened && entry.outcome == Outcome::Success;
        activity.questions += u32::from(is_question);
        activity.refused += u32::from(is_refused);
        activity.pages += u32::from(is_page);
        activity.denied += u32::from(entry.outcome == Outcome::Denied);
    }
    days.into_values().collect()
}

/// Whether an officer should look at an entry: somebody was denied something, rights changed, or the
/// log itself had to be repaired.
fn is_notable(entry: &Entry) -> bool {
    let is_refused = matches!(entry.outcome, Outcome::Denied | Outcome::Failure);
    let is_change = matches!(
        entry.kind,
        EventKind::AuditRecovered
            | EventKind::ClockStepped
            | EventKind::UserChanged
            | EventKind::SecondFactorRemoved
            | EventKind::AccessGranted
            | EventKind::AccessRevoked
    );
    is_refused || is_change && entry.outcome == Outcome::Success
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_audit::Actor;

    fn entry(kind: EventKind, outcome: Outcome, day: i64) -> Entry {
        Entry {
            v: 1,
            seq: 0,
            at: Timestamp::from_millis(day * DAY_MS),
            kind,
            outcome,
            actor: Actor {
                user: None,
                name: "nina".to_owned(),
            },
            origin: "console".to_owned(),
            request: None,
            detail: json!({}),
        }
    }

    #[test]
    fn entries_are_counted_by_day() {
        let entries = [
            entry(EventKind::AccessDenied, Outcome::Denied, 3),
            entry(EventKind::QuestionRefused, Outcome::Success, 2),
            entry(EventKind::QuestionAnswered, Outcome::Success, 2),
            entry(EventKind::PageOpened, Outcome::Success, 2),
        ];
        let days = count_by_day(&entries);
        let [second, third] = days.as_slice() else {
            panic!("two days: {days:?}");
        };
        assert_eq!((second.day.as_str(), second.questions), ("1970-01-03", 2));
        assert_eq!((second.refused, second.pages, second.denied), (1, 1, 0));
        assert_eq!((third.questions, third.denied), (0, 1));
    }

    #[test]
    fn refusals_and_changes_of_rights_are_notable() {
        for (kind, outcome, expected) in [
            (EventKind::AccessDenied, Outcome::Denied, true),
            (EventKind::SignedIn, Outcome::Failure, true),
            (EventKind::AccessGranted, Outcome::Success, true),
            (EventKind::AccessGranted, Outcome::Started, false),
            (EventKind::QuestionRefused, Outcome::Success, false),
        ] {
            assert_eq!(is_notable(&entry(kind, outcome, 1)), expected, "{kind:?}");
        }
    }
}
