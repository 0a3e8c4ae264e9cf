//! Files that are either the old or the new one, whatever happens in between.

use crate::error::{IndexError, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// What a file is called while it is written.
pub(crate) const ASIDE: &str = "new";

/// Writes aside, synchronises, renames over `path` and synchronises the folder.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// The same for what `write` writes. Where it fails nothing is left of it.
pub(crate) fn write_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let aside = path.with_extension(ASIDE);
    let attempt = || {
        let mut file = BufWriter::with_capacity(1 << 18, File::create(&aside)?);
        write(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&aside, path)?;
        path.parent()
            .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    attempt().map_err(|source| {
        // On a full disk the room matters; where it cannot be removed, the next opening does.
        let _ = std::fs::remove_file(&aside);
        at(path, source)
    })
}

/// The bytes of a file, `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(at(path, source)),
    }
}

/// Makes a folder and those above it.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|source| at(path, source))
}

/// The names in a folder.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>> {
    let list = || {
        std::fs::read_dir(dir)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()
    };
    list().map_err(|source| at(dir, source))
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub(crate) fn at(path: &Path, source: io::Error) -> IndexError {
    IndexError::File {
        path: path.to_owned(),
        source,
    }
}
