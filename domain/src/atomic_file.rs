//! Atomic replacement of a file: after a crash it has its old content or the new one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The extension of a file while it is written.
pub const TEMPORARY_EXTENSION: &str = "new";

/// The mode of a new file, before the mask of the process.
const DEFAULT_MODE: u32 = 0o666;
const SECRET_MODE: u32 = 0o600;

const BUFFER_BYTES: usize = 1 << 18;

/// Replaces the file at `path` with `bytes`.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Replaces the file at `path` with a secret, which only its owner can read.
pub fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_or_remove(path, SECRET_MODE, |file| file.write_all(bytes))
}

/// Replaces the file at `path` with what `write` writes: to a temporary file, which is synchronised and
/// renamed, followed by a synchronisation of the folder. On an error, nothing is left behind.
pub fn write_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    replace_or_remove(path, DEFAULT_MODE, write)
}

fn replace_or_remove(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = path.with_extension(TEMPORARY_EXTENSION);
    let replaced = replace(path, &temporary, mode, write);
    if replaced.is_err() {
        // This frees the space on a full disk. The error says what went wrong.
        drop(std::fs::remove_file(&temporary));
    }
    replaced
}

fn replace(
    path: &Path,
    temporary: &Path,
    mode: u32,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(temporary)?;
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
    write(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    std::fs::rename(temporary, path)?;
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
