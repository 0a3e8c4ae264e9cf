//! Atomic replacement of a file: after a crash it has its old content or the new one.

use super::files::file_error;
use crate::error::Result;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The extension of a file while it is written.
pub(crate) const TEMPORARY_EXTENSION: &str = "new";

const BUFFER_BYTES: usize = 1 << 18;

/// Replaces the file at `path` with `bytes`.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Replaces the file at `path` with what `write` writes: to a temporary file, which is synchronised and
/// renamed, followed by a synchronisation of the folder. On an error, nothing is left behind.
pub(crate) fn write_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let temporary = path.with_extension(TEMPORARY_EXTENSION);
    let replace = || {
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(&temporary)?);
        write(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        path.parent()
            .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    replace().map_err(|source| {
        // This frees the space on a full disk. If it fails, the next opening removes the file.
        let _ = std::fs::remove_file(&temporary);
        file_error(path, source)
    })
}
