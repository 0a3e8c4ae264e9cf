//! A folder of backups.

use crate::error::BackupError;
use crate::keys::{Identity, Recipient};
use crate::manifest::{BackedUpFile, Manifest, is_chunk_name};
use crate::objects::{CHUNK_BYTES, chunk_name, chunk_path, read_encrypted, write_encrypted};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A folder with snapshots and their chunks.
#[derive(Clone, Debug)]
pub struct Repository {
    folder: PathBuf,
}

/// What a snapshot added to the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSummary {
    /// The name.
    pub name: String,
    /// The number of files.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// The encrypted bytes that were not there before.
    pub new_bytes: u64,
}

/// Makes a snapshot. Nothing of it counts before [`finish`](Self::finish).
pub struct SnapshotWriter {
    repository: Repository,
    recipient: Recipient,
    manifest: Manifest,
    new_bytes: u64,
}

impl Repository {
    /// Opens a folder. Creates it if it does not exist.
    pub fn open(folder: &Path) -> Result<Self, BackupError> {
        for part in ["objects", "snapshots"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).map_err(|cause| BackupError::file(&part, cause))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Begins a snapshot by a version of the program.
    pub fn begin(&self, recipient: Recipient, program: &str) -> SnapshotWriter {
        SnapshotWriter {
            repository: self.clone(),
            recipient,
            manifest: Manifest {
                version: Manifest::VERSION,
                program: program.to_owned(),
                files: Vec::new(),
            },
            new_bytes: 0,
        }
    }

    /// The names of the snapshots, oldest first.
    pub fn snapshots(&self) -> Result<Vec<String>, BackupError> {
        let folder = self.folder.join("snapshots");
        let failed = |cause| BackupError::file(&folder, cause);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".age"));
            names.extend(name.map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// The newest snapshot.
    pub fn latest(&self) -> Result<String, BackupError> {
        let latest = self.snapshots()?.pop();
        latest.ok_or_else(|| BackupError::NoSnapshot("latest".to_owned()))
    }

    /// The files of a snapshot.
    pub fn manifest(&self, name: &str, identity: &Identity) -> Result<Manifest, BackupError> {
        if !self.snapshots()?.iter().any(|known| known == name) {
            return Err(BackupError::NoSnapshot(name.to_owned()));
        }
        let json = read_encrypted(&self.snapshot_path(name, "age"), identity)?;
        Manifest::parse(name, &json)
    }

    /// Writes the files of a snapshot into a folder, and checks each chunk.
    pub fn restore(
        &self,
        manifest: &Manifest,
        identity: &Identity,
        target: &Path,
    ) -> Result<(), BackupError> {
        for file in &manifest.files {
            // The manifest was checked when it was parsed.
            let path = target.join(file.relative_path().unwrap_or_default());
            let failed = |cause| BackupError::file(&path, cause);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(failed)?;
            }
            let mut restored = File::create_new(&path).map_err(failed)?;
            for chunk in &file.chunks {
                let content = self.read_chunk(chunk, identity)?;
                restored.write_all(&content).map_err(failed)?;
            }
            restored.sync_all().map_err(failed)?;
        }
        Ok(())
    }

    /// Reads all chunks of a snapshot, and returns their number. Fails at the first damaged one.
    pub fn verify(&self, manifest: &Manifest, identity: &Identity) -> Result<usize, BackupError> {
        let chunks: BTreeSet<&String> = manifest
            .files
            .iter()
            .flat_map(|file| &file.chunks)
            .collect();
        for chunk in &chunks {
            self.read_chunk(chunk, identity)?;
        }
        Ok(chunks.len())
    }

    /// Deletes all snapshots but the newest `keep`, and the chunks that no snapshot needs any more.
    /// Returns the number of snapshots that were deleted.
    pub fn prune(&self, keep: usize) -> Result<usize, BackupError> {
        let names = self.snapshots()?;
        let (old, retained) = names.split_at(names.len().saturating_sub(keep));
        if old.is_empty() {
            return Ok(0);
        }
        let mut needed = BTreeSet::new();
        for name in retained {
            needed.extend(self.chunks_of(name)?);
        }
        let mut unneeded = BTreeSet::new();
        for name in old {
            unneeded.extend(self.chunks_of(name)?);
            // First the manifest, so that a snapshot without its chunks is never listed.
            for extension in ["age", "chunks"] {
                remove(&self.snapshot_path(name, extension))?;
            }
        }
        for chunk in unneeded.difference(&needed) {
            remove(&chunk_path(&self.folder, chunk))?;
        }
        Ok(old.len())
    }

    fn chunks_of(&self, name: &str) -> Result<Vec<String>, BackupError> {
        let path = self.snapshot_path(name, "chunks");
        let text =
            std::fs::read_to_string(&path).map_err(|cause| BackupError::file(&path, cause))?;
        let chunks = text.lines().filter(|line| is_chunk_name(line));
        Ok(chunks.map(str::to_owned).collect())
    }

    fn read_chunk(&self, name: &str, identity: &Identity) -> Result<Vec<u8>, BackupError> {
        let content = read_encrypted(&chunk_path(&self.folder, name), identity)?;
        if chunk_name(&content) != name {
            return Err(BackupError::Damaged(name.to_owned()));
        }
        Ok(content)
    }

    fn snapshot_path(&self, name: &str, extension: &str) -> PathBuf {
        self.folder
            .join("snapshots")
            .join(format!("{name}.{extension}"))
    }
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(BackupError::file(path, cause))
        }
        _ => Ok(()),
    }
}

impl SnapshotWriter {
    /// Adds a file under a path in the data folder.
    pub fn add(&mut self, path: &str, source: &mut impl Read) -> Result<(), BackupError> {
        let failed = |cause| BackupError::file(Path::new(path), cause);
        let mut file = BackedUpFile {
            path: path.to_owned(),
            size: 0,
            chunks: Vec::new(),
        };
        loop {
            let mut content = Vec::new();
            source
                .by_ref()
                .take(CHUNK_BYTES as u64)
                .read_to_end(&mut content)
                .map_err(failed)?;
            if content.is_empty() {
                break;
            }
            let name = chunk_name(&content);
            let stored = chunk_path(&self.repository.folder, &name);
            if !stored.exists() {
                self.new_bytes += write_encrypted(&stored, &content, &self.recipient)?;
            }
            file.size += content.len() as u64;
            file.chunks.push(name);
        }
        self.manifest.files.push(file);
        Ok(())
    }

    /// Makes the snapshot count, under a name that sorts by time.
    pub fn finish(self, name: &str) -> Result<SnapshotSummary, BackupError> {
        let Self {
            repository,
            recipient,
            manifest,
            new_bytes,
        } = self;
        let chunks: BTreeSet<&str> = manifest
            .files
            .iter()
            .flat_map(|file| file.chunks.iter().map(String::as_str))
            .collect();
        let list: Vec<&str> = chunks.into_iter().collect();
        let path = repository.snapshot_path(name, "chunks");
        std::fs::write(&path, list.join("\n") + "\n")
            .map_err(|cause| BackupError::file(&path, cause))?;
        let json = serde_json::to_vec(&manifest).map_err(|cause| BackupError::Manifest {
            name: name.to_owned(),
            cause: cause.to_string(),
        })?;
        let path = repository.snapshot_path(name, "age");
        let manifest_bytes = write_encrypted(&path, &json, &recipient)?;
        Ok(SnapshotSummary {
            name: name.to_owned(),
            files: manifest.files.len(),
            bytes: manifest.files.iter().map(|file| file.size).sum(),
            new_bytes: new_bytes + manifest_bytes,
        })
    }
}
