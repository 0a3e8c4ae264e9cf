//! Chunks and manifests as encrypted files.

use crate::error::BackupError;
use crate::keys::{Identity, Recipient};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::iter::once;
use std::path::{Path, PathBuf};

/// The size of all chunks of a file but the last.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;
/// The largest content of an encrypted file. Larger ones are not read.
const MAX_CONTENT_BYTES: u64 = 1 << 30;

/// The name of a chunk with this content.
pub(crate) fn chunk_name(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// The path of a chunk.
pub(crate) fn chunk_path(repository: &Path, name: &str) -> PathBuf {
    let (folder, _) = name.split_at_checked(2).unwrap_or((name, ""));
    repository
        .join("objects")
        .join(folder)
        .join(format!("{name}.age"))
}

/// Writes an encrypted file. It appears under its name when it is complete and on the disk.
pub(crate) fn write_encrypted(
    path: &Path,
    content: &[u8],
    recipient: &Recipient,
) -> Result<u64, BackupError> {
    let failed = |cause| BackupError::file(path, cause);
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let incoming = path.with_extension("incoming");
    let bytes = encrypt_into(&incoming, content, recipient).map_err(failed)?;
    std::fs::rename(&incoming, path).map_err(failed)?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok(bytes)
}

fn encrypt_into(path: &Path, content: &[u8], recipient: &Recipient) -> io::Result<u64> {
    let mut file = File::create(path)?;
    let encryptor = age::Encryptor::with_recipients(once(&recipient.0 as &dyn age::Recipient))
        .map_err(io::Error::other)?;
    let mut writer = encryptor.wrap_output(&mut file)?;
    writer.write_all(content)?;
    writer.finish()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Reads an encrypted file.
pub(crate) fn read_encrypted(path: &Path, identity: &Identity) -> Result<Vec<u8>, BackupError> {
    let file = File::open(path).map_err(|cause| BackupError::file(path, cause))?;
    let failed = |cause: String| BackupError::Decryption {
        name: path.display().to_string(),
        cause,
    };
    let decryptor = age::Decryptor::new_buffered(BufReader::new(file))
        .map_err(|cause| failed(cause.to_string()))?;
    let reader = decryptor
        .decrypt(once(&identity.0 as &dyn age::Identity))
        .map_err(|cause| failed(cause.to_string()))?;
    let mut content = Vec::new();
    reader
        .take(MAX_CONTENT_BYTES)
        .read_to_end(&mut content)
        .map_err(|cause| failed(cause.to_string()))?;
    Ok(content)
}
