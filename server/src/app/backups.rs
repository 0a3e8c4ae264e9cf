//! Backups of the database, the original files, the audit log and the keys.
//!
//! The database is copied first. What follows can only be newer: the log is appended to, and original
//! files are never changed.

use super::audit_log;
use super::error::{AppError, ErrorCode, Result};
use super::{App, Caller};
use cloister_audit::{Event, EventKind, Outcome};
use cloister_backup::{BackupError, Recipient, Repository, SnapshotSummary, SnapshotWriter};
use serde::Serialize;
use serde_json::json;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The file of the secrets in a backup, wherever it is on the machine.
pub const SECRETS_KEY: &str = "secrets.key";
/// The folder of the inbox in a backup.
pub const INBOX: &str = "inbox";
/// The name of files with metadata in the inbox.
const METADATA: &str = "document.toml";

/// A backup that was made.
#[derive(Debug, Serialize)]
pub struct BackupView {
    /// Its name: the time at which it was made.
    pub name: String,
    /// The number of files.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// The bytes that were written, since most had not changed.
    pub new_bytes: u64,
    /// How many old backups were deleted.
    pub deleted: usize,
}

impl From<BackupError> for AppError {
    fn from(cause: BackupError) -> Self {
        ErrorCode::Invalid.with_detail(format!("The backup: {cause}"))
    }
}

impl App {
    /// Makes a backup while the appliance runs, and deletes old ones.
    pub async fn create_backup(&self, caller: &Caller) -> Result<BackupView> {
        let settings = &self.config.backup;
        if settings.folder.as_os_str().is_empty() {
            let detail = "Set `backup.folder` and `backup.recipient` first";
            return Err(ErrorCode::Invalid.with_detail(detail));
        }
        let recipient = Recipient::parse(&settings.recipient)?;
        let name = self.clock.now().to_string().replace(':', "-");
        let event = caller.event(EventKind::BackupMade, json!({ "backup": name }));
        self.logged(event, self.write_backup(recipient, name)).await
    }

    async fn write_backup(&self, recipient: Recipient, name: String) -> Result<BackupView> {
        let data = self.config.paths.data.clone();
        let copy = data.join("backup.db");
        drop(tokio::fs::remove_file(&copy).await);
        self.store.copy_database(&copy).await?;
        let secrets_key = &self.config.paths.secrets_key;
        let sources = BackupSources {
            audit: audit_log::folder(&self.config),
            secrets_key: if secrets_key.as_os_str().is_empty() {
                data.join(SECRETS_KEY)
            } else {
                secrets_key.clone()
            },
            data,
            inbox: self.inbox.clone(),
            database: copy.clone(),
        };
        let folder = self.config.backup.folder.clone();
        let keep = self.config.backup.keep.max(1);
        let written = tokio::task::spawn_blocking(move || -> Result<BackupView> {
            let repository = Repository::open(&folder)?;
            let summary = sources.write(
                repository.begin(recipient, env!("CARGO_PKG_VERSION")),
                &name,
            )?;
            let deleted = repository.prune(keep)?;
            Ok(view(summary, deleted))
        })
        .await;
        drop(tokio::fs::remove_file(&copy).await);
        written.map_err(AppError::internal)?
    }

    /// The names of the backups, oldest first.
    pub async fn backups(&self) -> Result<Vec<String>> {
        let folder = self.config.backup.folder.clone();
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let names = move || Repository::open(&folder)?.snapshots();
        let names = tokio::task::spawn_blocking(names).await;
        Ok(names.map_err(AppError::internal)??)
    }

    /// Makes a backup every `backup.every_hours` until the appliance stops. A failure is logged, and
    /// the next backup is tried at its time.
    pub async fn back_up_periodically(self: Arc<Self>) {
        let settings = &self.config.backup;
        if settings.folder.as_os_str().is_empty() || settings.every_hours == 0 {
            return;
        }
        loop {
            tokio::time::sleep(Duration::from_hours(settings.every_hours)).await;
            if let Err(cause) = self.create_backup(&Caller::appliance()).await {
                tracing::error!("no backup was made: {cause}");
            }
        }
    }

    /// Fails if the data was restored from a backup and nobody has accepted that yet.
    pub async fn check_restoration(&self) -> anyhow::Result<()> {
        let Some(note) = self.store.restored().await? else {
            return Ok(());
        };
        let event = Event {
            outcome: Outcome::Denied,
            ..Event::by_appliance(EventKind::ServiceStarted, json!({ "restored": note }))
        };
        self.audit.append(event).await?;
        anyhow::bail!(
            "the data was restored from a backup ({note}). Rights that were revoked, people who were \
             disabled and passwords that were changed since then are as they were. `cloister backup \
             review` lists what a newer log knows. `cloister backup accept --reason TEXT` lets the \
             appliance start"
        )
    }
}

fn view(summary: SnapshotSummary, deleted: usize) -> BackupView {
    BackupView {
        name: summary.name,
        files: summary.files,
        bytes: summary.bytes,
        new_bytes: summary.new_bytes,
        deleted,
    }
}

/// What is backed up.
struct BackupSources {
    data: PathBuf,
    audit: PathBuf,
    secrets_key: PathBuf,
    inbox: PathBuf,
    database: PathBuf,
}

impl BackupSources {
    fn write(
        &self,
        mut writer: SnapshotWriter,
        name: &str,
    ) -> std::result::Result<SnapshotSummary, BackupError> {
        add_file(&mut writer, &self.database, "cloister.db")?;
        // The checkpoint must not cover more entries than the backup has.
        for file in ["checkpoint", "key", "key.pub", "entries.jsonl"] {
            add_file(
                &mut writer,
                &self.audit.join(file),
                &format!("audit/{file}"),
            )?;
        }
        add_file(&mut writer, &self.secrets_key, SECRETS_KEY)?;
        for folder in ["originals", "tls"] {
            add_folder(&mut writer, &self.data.join(folder), folder, &|_| true)?;
        }
        // The files of the inbox are among the originals, except those with metadata.
        let is_metadata = |name: &str| name == METADATA;
        add_folder(&mut writer, &self.inbox, INBOX, &is_metadata)?;
        writer.finish(name)
    }
}

/// Adds a file if it exists.
fn add_file(
    writer: &mut SnapshotWriter,
    file: &Path,
    name: &str,
) -> std::result::Result<(), BackupError> {
    match File::open(file) {
        Ok(mut source) => writer.add(name, &mut source),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(file_error(file, cause)),
    }
}

/// Adds the files of a folder whose names are wanted, except incomplete ones. Links are not followed.
fn add_folder(
    writer: &mut SnapshotWriter,
    folder: &Path,
    name: &str,
    is_wanted: &dyn Fn(&str) -> bool,
) -> std::result::Result<(), BackupError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(file_error(folder, cause)),
    };
    for entry in entries {
        let entry = entry.map_err(|cause| file_error(folder, cause))?;
        let part = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if part == "incoming" {
            continue;
        }
        let kind = entry
            .file_type()
            .map_err(|cause| file_error(&path, cause))?;
        let name = format!("{name}/{part}");
        if kind.is_dir() {
            add_folder(writer, &path, &name, is_wanted)?;
        } else if kind.is_file() && is_wanted(&part) {
            add_file(writer, &path, &name)?;
        }
    }
    Ok(())
}

fn file_error(path: &Path, cause: io::Error) -> BackupError {
    BackupError::File {
        path: path.to_owned(),
        cause,
    }
}
