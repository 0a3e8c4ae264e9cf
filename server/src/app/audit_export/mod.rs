//! Exports of the audit log for other programs: one line for each entry, oldest first.

mod cef;
mod csv;
mod fhir;

use super::error::{AppError, Result};
use super::{App, Caller};
use clap::ValueEnum;
use cloister_audit::{Entry, EntryFilter, EventKind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// Entries that are read at once.
const BATCH: usize = 500;

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ExportFormat {
    /// The entries as they are in the log, as JSON Lines.
    Jsonl,
    /// Comma-separated values for spreadsheets, with a header.
    Csv,
    /// `ArcSight` Common Event Format.
    Cef,
    /// HL7 FHIR R4 resources of the type `AuditEvent`, as NDJSON.
    Fhir,
}

impl ExportFormat {
    /// The line before all entries, if the format has one.
    pub fn header(self) -> Option<String> {
        (self == Self::Csv).then(csv::header)
    }

    /// The line of an entry.
    pub fn line(self, entry: &Entry) -> String {
        match self {
            Self::Jsonl => json!(entry).to_string(),
            Self::Csv => csv::line(entry),
            Self::Cef => cef::line(entry),
            Self::Fhir => fhir::audit_event(entry).to_string(),
        }
    }

    /// The media type of a file in this format.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Cef => "text/plain; charset=utf-8",
            Self::Fhir => "application/fhir+ndjson",
        }
    }

    /// The extension of a file in this format.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Cef => "cef",
            Self::Fhir => "ndjson",
        }
    }
}

/// An export in progress.
#[derive(Debug)]
pub struct AuditExport {
    format: ExportFormat,
    filter: EntryFilter,
    header: Option<String>,
    /// Where the next batch starts; `None` after the last.
    next: Option<u64>,
}

impl App {
    /// Begins an export of the entries that match the filter. That they were exported is logged first.
    pub async fn export_audit_log(
        &self,
        caller: &Caller,
        filter: EntryFilter,
        format: ExportFormat,
    ) -> Result<AuditExport> {
        let detail = json!({
            "format": format, "kinds": filter.kinds, "actor": filter.actor,
            "from": filter.from, "until": filter.until,
        });
        self.audit
            .append(caller.event(EventKind::AuditExported, detail))
            .await?;
        Ok(AuditExport {
            format,
            filter,
            header: format.header(),
            next: Some(0),
        })
    }

    /// The next lines of an export, each with its line break; `None` at the end.
    pub async fn next_export_lines(&self, export: &mut AuditExport) -> Result<Option<String>> {
        let Some(from) = export.next else {
            return Ok(None);
        };
        let (audit, filter) = (self.audit.clone(), export.filter.clone());
        let page = tokio::task::spawn_blocking(move || audit.read_forward(&filter, from, BATCH))
            .await
            .map_err(AppError::internal)??;
        export.next = page.next;
        let header = export.header.take();
        let entries = page.entries.iter().map(|entry| export.format.line(entry));
        Ok(Some(header.into_iter().chain(entries).fold(
            String::new(),
            |mut lines, line| {
                lines.push_str(&line);
                lines.push('\n');
                lines
            },
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_audit::{Actor, Outcome};
    use cloister_domain::{Timestamp, UserId};

    fn entry() -> Entry {
        Entry {
            v: 2,
            seq: 7,
            at: Timestamp::from_millis(1_790_000_000_123),
            kind: EventKind::QuestionAnswered,
            outcome: Outcome::Success,
            actor: Actor {
                user: Some(UserId(3)),
                name: "=ada|x".to_owned(),
            },
            origin: "10.0.0.7".to_owned(),
            request: Some("r-1".to_owned()),
            detail: json!({ "question": "What is \"2=2\"?\nNow." }),
        }
    }

    #[test]
    fn a_spreadsheet_does_not_take_a_cell_for_a_formula() {
        assert_eq!(
            ExportFormat::Csv.line(&entry()),
            "\"7\",\"2026-09-21T14:13:20.123Z\",\"question.answered\",\"success\",\"'=ada|x\",\
             \"10.0.0.7\",\"r-1\",\"{\"\"question\"\":\"\"What is \\\"\"2=2\\\"\"?\\nNow.\"\"}\""
        );
        assert!(
            ExportFormat::Csv
                .header()
                .is_some_and(|header| header.starts_with("\"number\",\"time\""))
        );
    }

    #[test]
    fn cef_escapes_what_separates_its_fields() {
        assert_eq!(
            ExportFormat::Cef.line(&entry()),
            format!(
                "CEF:0|Cloister|Cloister|{}|question.answered|question.answered|3|\
                 externalId=7 rt=1790000000123 outcome=success suid=3 suser=\\=ada|x src=10.0.0.7 \
                 cs1Label=request cs1=r-1 msg={{\"question\":\"What is \\\\\"2\\=2\\\\\"?\\\\nNow.\"}}",
                env!("CARGO_PKG_VERSION")
            )
        );
    }

    #[test]
    fn a_fhir_audit_event_says_who_did_what_from_where() {
        let event = fhir::audit_event(&entry());
        assert_eq!(event["resourceType"], "AuditEvent");
        assert_eq!(event["recorded"], "2026-09-21T14:13:20.123Z");
        assert_eq!(event["type"]["code"], "110112");
        assert_eq!(event["action"], "E");
        assert_eq!(event["outcome"], "0");
        assert_eq!(event["agent"][0]["network"]["address"], "10.0.0.7");
        assert_eq!(event["agent"][0]["who"]["display"], "=ada|x");
        let denied = Entry {
            outcome: Outcome::Denied,
            origin: "console, root".to_owned(),
            ..entry()
        };
        let event = fhir::audit_event(&denied);
        assert_eq!(event["outcome"], "8");
        assert_eq!(event["agent"][0].get("network"), None);
    }
}
