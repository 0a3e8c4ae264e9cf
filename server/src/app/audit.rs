//! The audit log for compliance officers: list, verify, and export a checkpoint.

use super::error::{AppError, Result};
use super::{App, Caller, anchor_folder};
use cloister_answer::{Comparison, Replay};
use cloister_audit::{
    Entry, EntryFilter, EntryPage, EventKind, Verification, VerificationFinding, verify,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// Entries in a page of the list.
const PAGE_SIZE: usize = 100;

/// An entry of the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    /// The position in the log, from 0.
    pub seq: u64,
    /// The time, RFC 3339.
    pub at: String,
    /// The kind, such as `question.answered`.
    pub kind: String,
    /// `success`, `failure`, `denied`.
    pub outcome: String,
    /// Who did it.
    pub actor: String,
    /// The address of the client.
    pub origin: String,
    /// The id that the entries of one request share.
    pub request: Option<String>,
    /// Everything else.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at.to_string(),
            kind: entry.kind.as_str().to_owned(),
            outcome: entry.outcome.as_str().to_owned(),
            actor: entry.actor.name,
            origin: entry.origin,
            request: entry.request,
            detail: entry.detail,
        }
    }
}

/// A page of entries, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EntriesView {
    /// The number of entries in the log.
    pub total: u64,
    /// All kinds of entries.
    pub kinds: Vec<String>,
    /// This page.
    pub entries: Vec<EntryView>,
    /// The parameter `before` of the next page. Absent on the last page.
    pub next: Option<u64>,
}

/// A part of an answer, compared with its replay.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComparisonView {
    /// The name of the part.
    part: &'static str,
    /// Whether it is equal.
    equal: bool,
    /// What differs. Empty if nothing differs.
    difference: String,
}

impl From<Comparison> for ComparisonView {
    fn from(comparison: Comparison) -> Self {
        Self {
            part: comparison.part,
            equal: comparison.equal,
            difference: comparison.difference,
        }
    }
}

/// A replayed answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayView {
    /// Whether decision, quotes and sentences are equal, whatever else has changed.
    same_answer: bool,
    /// The comparisons of all parts.
    parts: Vec<ComparisonView>,
}

impl From<Replay> for ReplayView {
    fn from(replay: Replay) -> Self {
        Self {
            same_answer: replay.is_same_answer(),
            parts: replay.parts.into_iter().map(ComparisonView::from).collect(),
        }
    }
}

/// The result of a verification.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VerificationView {
    /// Whether the log is intact.
    pub holds: bool,
    /// The number of entries.
    pub entries: u64,
    /// The number of entries that the newest checkpoint covers.
    pub sealed: u64,
    /// The root hash over all entries, in hexadecimal.
    pub root: String,
    /// The number of external checkpoints that were compared.
    pub compared: usize,
    /// What is wrong.
    pub findings: Vec<String>,
    /// What cannot be proven, although nothing contradicts it.
    pub gaps: Vec<String>,
    /// The public key of the log.
    pub key: String,
}

impl App {
    /// Lists entries, newest first, a page at a time. The list is logged itself.
    pub async fn audit_entries(&self, caller: &Caller, filter: EntryFilter) -> Result<EntriesView> {
        let found = self.view_entries(caller, filter, PAGE_SIZE).await?;
        Ok(EntriesView {
            total: self.audit.len(),
            kinds: EventKind::ALL
                .iter()
                .map(|kind| kind.as_str().to_owned())
                .collect(),
            entries: found.entries.into_iter().map(EntryView::from).collect(),
            next: found.next,
        })
    }

    /// The newest entries that match the filter. That they were viewed is logged.
    pub async fn view_entries(
        &self,
        caller: &Caller,
        filter: EntryFilter,
        limit: usize,
    ) -> Result<EntryPage> {
        let detail = json!({
            "kinds": filter.kinds, "outcome": filter.outcome, "actor": filter.actor,
            "text": filter.text, "request": filter.request, "before": filter.before,
            "from": filter.from.map(|at| at.to_string()),
            "until": filter.until.map(|at| at.to_string()),
        });
        let _turn = self.expensive.reviewing.take(caller.turn_owner()).await?;
        self.audit
            .append(caller.event(EventKind::AuditViewed, detail))
            .await?;
        self.find_entries(filter, limit).await
    }

    /// Finds entries on a blocking thread, because that reads files.
    pub(super) async fn find_entries(
        &self,
        filter: EntryFilter,
        limit: usize,
    ) -> Result<EntryPage> {
        let audit = self.audit.clone();
        let found = tokio::task::spawn_blocking(move || audit.find(&filter, limit))
            .await
            .map_err(AppError::internal)??;
        Ok(found)
    }

    /// The newest checkpoint, to be kept outside the appliance. Taking it is logged.
    pub async fn take_checkpoint(&self, caller: &Caller) -> Result<String> {
        self.audit
            .append(caller.event(EventKind::CheckpointTaken, json!({})))
            .await?;
        let audit = self.audit.clone();
        let note = tokio::task::spawn_blocking(move || audit.checkpoint_note())
            .await
            .map_err(AppError::internal)??;
        Ok(note)
    }

    /// Verifies the log and compares it with external checkpoints.
    pub async fn verify_audit(
        &self,
        caller: &Caller,
        checkpoints: Vec<String>,
    ) -> Result<Verification> {
        let _turn = self.expensive.reviewing.take(caller.turn_owner()).await?;
        let (folder, key) = (self.audit.folder(), self.audit.public_key().clone());
        let verified = tokio::task::spawn_blocking(move || verify(&folder, &key, &checkpoints))
            .await
            .map_err(AppError::internal)??;
        let detail = json!({
            "holds": verified.is_intact(), "entries": verified.entries, "root": verified.root,
        });
        self.audit
            .append(caller.event(EventKind::AuditVerified, detail))
            .await?;
        Ok(verified)
    }

    /// Verifies the log every `audit.verify_hours`, until the appliance stops. It is compared with the checkpoints
    /// in `audit.anchor_folder`.
    pub async fn verify_audit_periodically(self: Arc<Self>) {
        let hours = self.config.audit.verify_hours;
        if hours == 0 {
            return;
        }
        loop {
            tokio::time::sleep(Duration::from_hours(hours)).await;
            let anchors = anchor_folder::read(&self.config.audit.anchor_folder);
            let anchors = anchors.unwrap_or_else(|cause| {
                tracing::error!("the stored checkpoints were not read: {cause:#}");
                Vec::new()
            });
            let notes = anchors
                .into_iter()
                .map(|anchor| anchor.checkpoint)
                .collect();
            match self.verify_audit(&Caller::appliance(), notes).await {
                Ok(verified) if verified.is_intact() => {}
                Ok(verified) => tracing::error!(
                    "the audit log is not intact: {}",
                    sentences(verified.findings).join("; ")
                ),
                Err(cause) => tracing::error!("the audit log was not verified: {cause}"),
            }
        }
    }

    /// Verifies the log, for the browser.
    pub async fn verify_audit_view(
        &self,
        caller: &Caller,
        checkpoints: Vec<String>,
    ) -> Result<VerificationView> {
        let verified = self.verify_audit(caller, checkpoints).await?;
        Ok(VerificationView {
            holds: verified.is_intact(),
            entries: verified.entries,
            sealed: verified.sealed,
            root: verified.root,
            compared: verified.compared,
            findings: sentences(verified.findings),
            gaps: sentences(verified.gaps),
            key: self.audit.public_key().to_string(),
        })
    }
}

fn sentences(findings: Vec<VerificationFinding>) -> Vec<String> {
    findings.into_iter().map(|finding| finding.0).collect()
}
