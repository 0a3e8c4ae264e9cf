//! Atomic replacement of a file: after a crash it has its old content or the new one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The extension of a file while it is written.
pub const TEMPORARY_EXTENSION: &str = "new";

const BUFFER_BYTES: usize = 1 << 18;

/// Replaces the file at `path` with `bytes`.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Replaces the file at `path` with what `write` writes: to a temporary file, which is synchronised and
/// renamed, followed by a synchronisation of the folder. On an error, nothing is left behind.
pub fn write_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = path.with_extension(TEMPORARY_EXTENSION);
    let replaced = replace(path, &temporary, write);
    if replaced.is_err() {
        // This frees the space on a full disk. The error says what went wrong.
        drop(std::fs::remove_file(&temporary));
    }
    replaced
}

fn replace(
    path: &Path,
    temporary: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(temporary)?);
    write(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    std::fs::rename(temporary, path)?;
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
