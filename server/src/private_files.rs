//! Only the user of the appliance may read its files: documents, questions, keys and hashes.
//!
//! The process creates files without rights for others. Folders that people put files into, or that
//! other users read, are created with the rights that the process was started with.

use anyhow::Context;
use rustix::fs::Mode;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::OnceLock;

/// The rights of group and others.
const OF_OTHERS: u32 = 0o077;

/// The mask with which the process was started.
static INITIAL_UMASK: OnceLock<u32> = OnceLock::new();

/// Creates files without rights for others from now on. Call it first.
pub fn restrict_new_files() {
    let previous = rustix::process::umask(Mode::from_raw_mode(OF_OTHERS));
    INITIAL_UMASK.get_or_init(|| previous.as_raw_mode());
}

/// Creates files as the process was started, for files that another user reads, such as models.
pub fn allow_others_to_read_new_files() {
    rustix::process::umask(Mode::from_raw_mode(initial_umask()));
}

fn initial_umask() -> u32 {
    INITIAL_UMASK.get().copied().unwrap_or(OF_OTHERS)
}

/// Creates a folder that people may put files into, as far as the person who started the process
/// allows. Its parents are created likewise.
pub fn create_shared_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        create_shared_folder(parent)?;
    }
    std::fs::create_dir(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o777 & !initial_umask()))
}

/// Creates the data folder, or makes sure that nobody else can enter it.
///
/// A folder of the appliance that others can enter is closed. Any other folder is left alone, and
/// the appliance does not start.
pub fn prepare_data_folder(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        return DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("could not create the data folder `{}`", path.display()));
    }
    let Some(mode) = mode_for_others(path)? else {
        return Ok(());
    };
    if is_ours_or_empty(path)? {
        // An error is reported below: the mode is then unchanged.
        drop(std::fs::set_permissions(
            path,
            Permissions::from_mode(0o700),
        ));
        if mode_for_others(path)?.is_none() {
            tracing::warn!("others could enter the data folder (mode {mode:o}); it was closed");
            return Ok(());
        }
    }
    anyhow::bail!(
        "others can enter the data folder `{0}` (mode {mode:o}), which holds documents, questions \
         and keys. Close it with `chmod 700 {0}`",
        path.display()
    )
}

/// Whether only the user of the appliance can enter the data folder, for `doctor`.
pub fn check_data_folder(path: &Path) -> anyhow::Result<String> {
    match mode_for_others(path)? {
        None => Ok("only its owner can enter it".into()),
        Some(mode) => anyhow::bail!("others can enter it (mode {mode:o}). Use `chmod 700`"),
    }
}

/// The mode of a folder, if it gives rights to others.
fn mode_for_others(path: &Path) -> anyhow::Result<Option<u32>> {
    let metadata = std::fs::metadata(path)
        .with_context(|| format!("could not look at the folder `{}`", path.display()))?;
    let mode = metadata.mode() & 0o7777;
    Ok((mode & OF_OTHERS != 0).then_some(mode))
}

fn is_ours_or_empty(path: &Path) -> io::Result<bool> {
    let is_empty = std::fs::read_dir(path)?.next().is_none();
    Ok(is_empty || path.join("cloister.db").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o777
    }

    fn folder_with_mode(parent: &Path, name: &str, mode: u32) -> std::path::PathBuf {
        let folder = parent.join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        folder
    }

    #[test]
    fn nobody_else_can_enter_the_data_folder() {
        let parent = tempfile::tempdir().unwrap();
        let new = parent.path().join("new/data");
        prepare_data_folder(&new).unwrap();
        assert_eq!(mode(&new), 0o700);

        let ours = folder_with_mode(parent.path(), "ours", 0o755);
        std::fs::write(ours.join("cloister.db"), "").unwrap();
        assert!(check_data_folder(&ours).is_err());
        prepare_data_folder(&ours).unwrap();
        assert_eq!(mode(&ours), 0o700);
        assert!(check_data_folder(&ours).is_ok());

        let theirs = folder_with_mode(parent.path(), "theirs", 0o750);
        std::fs::write(theirs.join("letter.txt"), "").unwrap();
        let refusal = prepare_data_folder(&theirs).unwrap_err().to_string();
        assert!(refusal.contains("chmod 700"), "{refusal}");
        assert_eq!(mode(&theirs), 0o750, "it is left alone");
    }
}
