//! The original files, each stored once under the hash of its content.

use crate::error::StoreError;
use cloister_domain::FileHash;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A folder of read-only files that are named by their SHA-256.
#[derive(Clone, Debug)]
pub struct Originals {
    folder: PathBuf,
}

impl Originals {
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder.join("incoming"))
            .map_err(|cause| StoreError::file(folder, cause))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Copies `source` into the store while hashing it, and flushes it to the disk. Returns its
    /// hash and size in bytes. Content that is already stored is not stored twice.
    pub fn insert(&self, source: &mut impl Read) -> Result<(FileHash, u64), StoreError> {
        let incoming = self.folder.join("incoming").join(unique_file_name());
        let inserted = self.copy(source, &incoming);
        if inserted.is_err() {
            // The incomplete copy is useless, and the likely cause is a full disk, so free the
            // space at once.
            drop(std::fs::remove_file(&incoming));
        }
        inserted
    }

    fn copy(&self, source: &mut impl Read, incoming: &Path) -> Result<(FileHash, u64), StoreError> {
        let failed = |cause| StoreError::file(incoming, cause);
        let mut copy = File::create_new(incoming).map_err(failed)?;
        let (hash, size) = copy_hashing(source, &mut copy).map_err(failed)?;
        let target = self.path(&hash);
        if target.exists() {
            std::fs::remove_file(incoming).map_err(failed)?;
            return Ok((hash, size));
        }
        copy.sync_all().map_err(failed)?;
        let subfolder = target.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(subfolder).map_err(failed)?;
        std::fs::rename(incoming, &target).map_err(failed)?;
        flush_folder(subfolder).map_err(failed)?;
        flush_folder(&self.folder).map_err(failed)?;
        Ok((hash, size))
    }

    /// Opens an original file for reading.
    pub fn open_file(&self, hash: &FileHash) -> Result<File, StoreError> {
        let path = self.path(hash);
        File::open(&path).map_err(|cause| StoreError::file(&path, cause))
    }

    fn path(&self, hash: &FileHash) -> PathBuf {
        let (subfolder, _) = hash.as_str().split_at(2);
        self.folder.join(subfolder).join(hash.as_str())
    }
}

fn unique_file_name() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn copy_hashing(from: &mut impl Read, to: &mut File) -> std::io::Result<(FileHash, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    let mut size = 0;
    loop {
        let read = from.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
        to.write_all(bytes)?;
        size += read as u64;
    }
    let hash = FileHash::try_from(hex::encode(hasher.finalize())).map_err(std::io::Error::other)?;
    Ok((hash, size))
}

fn flush_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
