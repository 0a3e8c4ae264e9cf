//! The folder outside the machine that holds checkpoints of the audit log. It reveals that the log was cut or
//! replaced, even if the machine's key was used for that.

use super::App;
use anyhow::Context;
use cloister_audit::{Anchor, AuditLog, Event, EventKind, Outcome};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The file of the log's public key.
const PUBLIC_KEY: &str = "key.pub";
const EXTENSION: &str = "checkpoint";

/// How soon an attempt that failed is repeated.
const RETRY: Duration = Duration::from_mins(10);

/// The checkpoints in a folder. There are none if no folder is configured, or if it is not mounted.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Anchor>> {
    if folder.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let key_file = folder.join(PUBLIC_KEY);
    let key = match std::fs::read_to_string(&key_file) {
        Ok(key) => key.trim().to_owned(),
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            tracing::warn!(
                "`{}` has no checkpoints of the audit log, so none is compared",
                folder.display()
            );
            return Ok(Vec::new());
        }
        Err(cause) => return Err(cause).with_context(|| format!("`{}`", key_file.display())),
    };
    let mut anchors = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|own| own == EXTENSION) {
            let checkpoint =
                std::fs::read_to_string(&path).with_context(|| format!("`{}`", path.display()))?;
            anchors.push(Anchor {
                key: key.clone(),
                checkpoint,
            });
        }
    }
    Ok(anchors)
}

/// Stores the newest checkpoint and the public key. Returns the name of the file, or `None` if the folder has
/// it already.
fn store(folder: &Path, log: &AuditLog) -> anyhow::Result<Option<String>> {
    let note = log.checkpoint_note()?;
    let size = note.lines().nth(1).unwrap_or_default();
    // Numbers of equal length, so that the files are in the order of time.
    let name = format!("audit-{size:0>12}.{EXTENSION}");
    create(&folder.join(PUBLIC_KEY), &format!("{}\n", log.public_key()))?;
    Ok(create(&folder.join(&name), &note)?.then_some(name))
}

/// Creates a file, flushed to the disk. Returns `false` if it exists already.
fn create(path: &Path, text: &str) -> anyhow::Result<bool> {
    let created = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match created {
        Ok(file) => file,
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(cause) => return Err(cause).with_context(|| format!("`{}`", path.display())),
    };
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(true)
}

impl App {
    /// Stores a checkpoint in `audit.anchor_folder` now and every `audit.anchor_hours`, until the appliance
    /// stops.
    pub async fn anchor_audit_log_periodically(self: Arc<Self>) {
        let settings = &self.config.audit;
        if settings.anchor_folder.as_os_str().is_empty() {
            return;
        }
        let interval = Duration::from_hours(settings.anchor_hours.max(1));
        loop {
            let is_stored = self.anchor_audit_log().await;
            tokio::time::sleep(if is_stored { interval } else { RETRY }).await;
        }
    }

    /// Stores a checkpoint. Both outcomes are logged. Returns whether it is stored.
    async fn anchor_audit_log(&self) -> bool {
        let (folder, log) = (self.config.audit.anchor_folder.clone(), self.audit.clone());
        let entries = log.len();
        let stored = tokio::task::spawn_blocking(move || store(&folder, &log)).await;
        let (outcome, detail) = match stored.map_err(anyhow::Error::from).flatten() {
            Ok(Some(file)) => (
                Outcome::Success,
                json!({ "entries": entries, "file": file }),
            ),
            Ok(None) => return true,
            Err(cause) => {
                tracing::error!("no checkpoint of the audit log was stored: {cause:#}");
                (Outcome::Failure, json!({ "reason": format!("{cause:#}") }))
            }
        };
        let event = Event {
            outcome,
            ..Event::by_appliance(EventKind::AuditAnchored, detail)
        };
        if let Err(cause) = self.audit.append(event).await {
            tracing::error!("the audit log was not written: {cause}");
        }
        outcome == Outcome::Success
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_domain::Timestamp;
    use cloister_domain::entropy::CountingEntropy;
    use cloister_domain::time::ManualClock;

    fn open(folder: &Path, anchors: &[Anchor]) -> Result<AuditLog, cloister_audit::AuditError> {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
        let entropy = CountingEntropy::default();
        AuditLog::open_anchored(folder, "test/audit", anchors, clock, &entropy)
    }

    #[tokio::test]
    async fn a_log_that_is_older_than_a_stored_checkpoint_does_not_open() {
        let machine = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let log = open(machine.path(), &[]).unwrap();
        let event = || Event::by_appliance(EventKind::ServiceStarted, json!({}));
        log.append(event()).await.unwrap();
        log.append(event()).await.unwrap();
        let stored = store(elsewhere.path(), &log).unwrap();
        assert_eq!(stored.as_deref(), Some("audit-000000000002.checkpoint"));
        assert_eq!(store(elsewhere.path(), &log).unwrap(), None);
        drop(log);
        let anchors = read(elsewhere.path()).unwrap();
        assert_eq!(anchors.len(), 1);
        drop(open(machine.path(), &anchors).unwrap());
        for file in ["entries.jsonl", "checkpoint", "key"] {
            std::fs::remove_file(machine.path().join(file)).unwrap();
        }
        assert!(open(machine.path(), &anchors).is_err());
        assert!(
            open(machine.path(), &[]).is_ok(),
            "only the stored checkpoint shows that the log is not new"
        );
    }

    #[test]
    fn a_folder_that_is_not_mounted_has_no_checkpoints() {
        assert_eq!(read(Path::new("/nowhere/at/all")).unwrap(), Vec::new());
        assert_eq!(read(Path::new("")).unwrap(), Vec::new());
    }
}
