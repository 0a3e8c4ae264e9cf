//! The original files, each kept once under its content's hash.

use crate::error::StoreError;
use cloister_domain::FileHash;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A folder of read-only files named by their SHA-256.
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

    /// Copies `source` in while hashing it, durably, and returns its hash and size in bytes. Bytes
    /// that are already here cost no second copy.
    pub fn keep(&self, source: &mut impl Read) -> Result<(FileHash, u64), StoreError> {
        let incoming = self.folder.join("incoming").join(unique_name());
        let kept = self.copy(source, &incoming);
        if kept.is_err() {
            // The copy is worthless, and a full disk is the likely cause: make room at once.
            drop(std::fs::remove_file(&incoming));
        }
        kept
    }

    fn copy(&self, source: &mut impl Read, incoming: &Path) -> Result<(FileHash, u64), StoreError> {
        let failed = |cause| StoreError::file(incoming, cause);
        let mut copy = File::create_new(incoming).map_err(failed)?;
        let (hash, size) = copy_hashing(source, &mut copy).map_err(failed)?;
        let kept = self.path(&hash);
        if kept.exists() {
            std::fs::remove_file(incoming).map_err(failed)?;
            return Ok((hash, size));
        }
        copy.sync_all().map_err(failed)?;
        let shelf = kept.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(shelf).map_err(failed)?;
        std::fs::rename(incoming, &kept).map_err(failed)?;
        sync_folder(shelf).map_err(failed)?;
        sync_folder(&self.folder).map_err(failed)?;
        Ok((hash, size))
    }

    /// Opens an original for reading.
    pub fn open_file(&self, hash: &FileHash) -> Result<File, StoreError> {
        let path = self.path(hash);
        File::open(&path).map_err(|cause| StoreError::file(&path, cause))
    }

    fn path(&self, hash: &FileHash) -> PathBuf {
        let (shelf, _) = hash.as_str().split_at(2);
        self.folder.join(shelf).join(hash.as_str())
    }
}

fn unique_name() -> String {
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

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
