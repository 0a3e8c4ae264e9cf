//! Changing the inbox in the browser: uploading a file, deleting it, and putting it back.
//!
//! The inbox stays the only way in: an upload ends as a file in the folder of a collection, where the
//! next scan finds it.

use super::error::{AppError, ErrorCode, Result};
use super::{App, Caller};
use cloister_audit::EventKind;
use cloister_domain::{CollectionId, FileId};
use cloister_ingest::inbox::is_ignored;
use cloister_store::{FileRecord, FileState};
use futures_util::stream::{Stream, StreamExt};
use serde_json::json;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// How long the next part of an upload may take to arrive.
const PART_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_NAME_BYTES: usize = 200;

impl App {
    /// Stores an uploaded file in the folder of a collection. Nothing is overwritten unless `replace`
    /// is set.
    pub async fn upload_file<B: AsRef<[u8]>, E>(
        &self,
        caller: &Caller,
        collection: CollectionId,
        name: &str,
        replace: bool,
        body: impl Stream<Item = std::result::Result<B, E>>,
    ) -> Result<()> {
        check_name(name)?;
        let collection = self.collection(collection).await?;
        let folder = self.inbox.join(&collection.name);
        let target = folder.join(name);
        if !replace && target.exists() {
            let detail = format!(
                "`{}/{name}` exists. Upload it under another name, or replace it",
                collection.name
            );
            return Err(ErrorCode::Conflict.with_detail(detail));
        }
        let detail = json!({ "collection": collection.name, "path": name, "replace": replace });
        let event = caller.event(EventKind::DocumentUploaded, detail);
        let incoming = folder.join(format!(".{}.part", self.request_id()?));
        let store = async {
            let stored = self.receive(&incoming, &target, body).await;
            if stored.is_err() {
                drop(tokio::fs::remove_file(&incoming).await);
            }
            stored
        };
        self.logged(event, store).await?;
        self.scan.notify_one();
        Ok(())
    }

    /// Writes a body into `incoming` within the size that the reader accepts, and renames it.
    async fn receive<B: AsRef<[u8]>, E>(
        &self,
        incoming: &Path,
        target: &Path,
        body: impl Stream<Item = std::result::Result<B, E>>,
    ) -> Result<()> {
        let limit = self.config.reader.max_file_mb << 20;
        let mut file = File::create_new(incoming).await.map_err(describe_failure)?;
        let mut received: u64 = 0;
        let mut body = std::pin::pin!(body);
        loop {
            let part = tokio::time::timeout(PART_TIMEOUT, body.next()).await;
            let Some(part) = part.map_err(|_elapsed| ErrorCode::Timeout)? else {
                break;
            };
            let part = part.map_err(|_broken| {
                ErrorCode::Invalid.with_detail("The upload was interrupted. Try again")
            })?;
            let part = part.as_ref();
            received += part.len() as u64;
            if received > limit {
                let detail = format!("A file may have at most {} MB", limit >> 20);
                return Err(ErrorCode::TooLarge.with_detail(detail));
            }
            file.write_all(part).await.map_err(describe_failure)?;
        }
        file.sync_all().await.map_err(describe_failure)?;
        tokio::fs::rename(incoming, target)
            .await
            .map_err(describe_failure)?;
        Ok(())
    }

    /// Deletes a file from the inbox. Its document stops answering with the next scan. The original
    /// is stored, so the file can be put back.
    pub async fn delete_file(&self, caller: &Caller, id: FileId) -> Result<()> {
        let file = self.inbox_file(id).await?;
        if file.hash.is_none() || file.state == FileState::Removed {
            let detail = "Only a file that was read can be put back, and therefore deleted here. \
                          Delete it in its folder";
            return Err(ErrorCode::Conflict.with_detail(detail));
        }
        let path = self.inbox_path(&file).await?;
        let event = caller.event(EventKind::DocumentDeleted, self.file_detail(&file).await?);
        let delete = async {
            tokio::fs::remove_file(&path)
                .await
                .map_err(describe_failure)
        };
        self.logged(event, delete).await?;
        self.scan.notify_one();
        Ok(())
    }

    /// Writes the stored original of a removed file back into the inbox.
    pub async fn put_back_file(&self, caller: &Caller, id: FileId) -> Result<()> {
        let file = self.inbox_file(id).await?;
        let Some(hash) = file
            .hash
            .clone()
            .filter(|_| file.state == FileState::Removed)
        else {
            return Err(ErrorCode::Conflict.with_detail("The file was not removed"));
        };
        let path = self.inbox_path(&file).await?;
        let event = caller.event(EventKind::DocumentPutBack, self.file_detail(&file).await?);
        let originals = self.store.originals().clone();
        let put_back = async {
            tokio::task::spawn_blocking(move || -> Result<()> {
                let mut original = originals.open_file(&hash)?;
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(describe_failure)?;
                }
                let mut copy = std::fs::File::create_new(&path).map_err(describe_failure)?;
                io::copy(&mut original, &mut copy).map_err(describe_failure)?;
                copy.sync_all().map_err(describe_failure)?;
                Ok(())
            })
            .await
            .map_err(AppError::internal)?
        };
        self.logged(event, put_back).await?;
        self.scan.notify_one();
        Ok(())
    }

    /// A file that is in the inbox itself, and not inside another one.
    async fn inbox_file(&self, id: FileId) -> Result<FileRecord> {
        let file = self.store.file(id).await?.ok_or(ErrorCode::NotFound)?;
        if file.parent.is_some() {
            let detail = "It is inside another file. Change that file";
            return Err(ErrorCode::Conflict.with_detail(detail));
        }
        Ok(file)
    }

    async fn inbox_path(&self, file: &FileRecord) -> Result<PathBuf> {
        let relative = Path::new(&file.path);
        let is_inside = relative
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !is_inside {
            return Err(ErrorCode::NotFound.into());
        }
        let collection = self.collection(file.collection).await?;
        Ok(self.inbox.join(collection.name).join(relative))
    }

    async fn file_detail(&self, file: &FileRecord) -> Result<serde_json::Value> {
        let collection = self.collection(file.collection).await?.name;
        Ok(json!({ "collection": collection, "path": file.path, "hash": file.hash }))
    }
}

/// Fails if a name is none of a file that would be read.
fn check_name(name: &str) -> Result<()> {
    let is_plain = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.contains(['/', '\\'])
        && !name.chars().any(char::is_control);
    if !is_plain || is_ignored(name) || name == "document.toml" {
        let detail = format!(
            "`{}` cannot be the name of a document. Rename the file",
            name.escape_debug()
        );
        return Err(ErrorCode::Invalid.with_detail(detail));
    }
    Ok(())
}

/// What an administrator can do about an error of the file system.
fn describe_failure(cause: io::Error) -> AppError {
    const CODES: [(io::ErrorKind, ErrorCode); 5] = [
        (io::ErrorKind::StorageFull, ErrorCode::DiskFull),
        (io::ErrorKind::NotFound, ErrorCode::NotFound),
        (io::ErrorKind::AlreadyExists, ErrorCode::Conflict),
        (io::ErrorKind::PermissionDenied, ErrorCode::Conflict),
        (io::ErrorKind::ReadOnlyFilesystem, ErrorCode::Conflict),
    ];
    let known = CODES.iter().find(|(kind, _)| *kind == cause.kind());
    match known {
        Some((_, code)) => code.with_detail(format!("The folder of the collection: {cause}")),
        None => AppError::internal(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_documents_are_plain() {
        for name in ["rules.pdf", "Hygiène 2026.docx", "a b.txt"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let long = "a".repeat(201);
        for name in [
            "",
            "..",
            ".hidden",
            "a/b.pdf",
            "a\\b.pdf",
            "a\nb.pdf",
            "x.part",
            "document.toml",
            &long,
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}
