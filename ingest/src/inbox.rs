//! The inbox: `inbox/<collection>/<path>`. Only a scan decides which files exist. File-system
//! events only trigger a scan, because network shares do not deliver them.

use crate::metadata::{self, FolderMetadata};
use cloister_domain::{DocumentMetadata, Timestamp};
use notify::{RecursiveMode, Watcher};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Size and modification time of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified_at: Timestamp,
}

/// The files of one collection. Paths are relative to it, with `/` between folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionFiles {
    /// Its files.
    pub files: BTreeMap<String, FileStat>,
    /// The metadata files, by the path of their folder.
    metadata: BTreeMap<String, FolderMetadata>,
    /// Files that cannot be used, and why.
    pub rejected: BTreeMap<String, (FileStat, String)>,
}

impl CollectionFiles {
    /// Whether there is a file at this path.
    pub fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.rejected.contains_key(path)
    }

    /// The metadata that the folder gives the file at this path.
    pub fn metadata(&self, path: &str) -> DocumentMetadata {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(metadata) = self.metadata.get(folder) else {
            return DocumentMetadata::default();
        };
        metadata.for_file(name)
    }
}

/// Scans the inbox: each top folder with its files. Links are not followed. Hidden files are
/// skipped, and so are files whose names programs use for unfinished files.
pub fn scan(inbox: &Path) -> std::io::Result<BTreeMap<String, CollectionFiles>> {
    let mut collections = BTreeMap::new();
    for entry in std::fs::read_dir(inbox)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if entry.file_type()?.is_dir() && !is_ignored(&name) {
            let mut files = CollectionFiles::default();
            scan_folder(&entry.path(), "", &mut files)?;
            collections.insert(name, files);
        }
    }
    Ok(collections)
}

fn scan_folder(folder: &Path, prefix: &str, files: &mut CollectionFiles) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            tracing::warn!("a file whose name is not UTF-8 is ignored; rename it");
            continue;
        };
        if is_ignored(&name) {
            continue;
        }
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}/{name}")
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            scan_folder(&entry.path(), &path, files)?;
        } else if kind.is_file() {
            // A file that was removed between the two calls does not exist.
            let Ok(stat) = entry.metadata().and_then(|metadata| file_stat(&metadata)) else {
                continue;
            };
            if name != metadata::FILE_NAME {
                files.files.insert(path, stat);
                continue;
            }
            match read_folder_metadata(&entry.path()) {
                Ok(metadata) => drop(files.metadata.insert(prefix.to_owned(), metadata)),
                Err(cause) => drop(files.rejected.insert(path, (stat, cause))),
            }
        }
    }
    Ok(())
}

/// Reads the metadata file of a folder. The error is a sentence for the administrator.
fn read_folder_metadata(path: &Path) -> Result<FolderMetadata, String> {
    let text = read_to_string(path, metadata::MAX_BYTES + 1)
        .map_err(|cause| format!("`{}`: {cause}", metadata::FILE_NAME))?;
    if text.len() as u64 > metadata::MAX_BYTES {
        return Err(format!(
            "`{}` has more than {} bytes",
            metadata::FILE_NAME,
            metadata::MAX_BYTES
        ));
    }
    FolderMetadata::parse(&text).map_err(|cause| {
        format!(
            "`{}` is ignored: {cause}. The files in this folder are ingested without metadata",
            metadata::FILE_NAME
        )
    })
}

/// Reads at most `limit` bytes of a file that is not a link.
fn read_to_string(path: &Path, limit: u64) -> std::io::Result<String> {
    let file = rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW,
        Mode::empty(),
    )?;
    let mut text = String::new();
    std::io::BufReader::new(File::from(file).take(limit)).read_to_string(&mut text)?;
    Ok(text)
}

fn file_stat(metadata: &std::fs::Metadata) -> std::io::Result<FileStat> {
    let since = metadata
        .modified()?
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Ok(FileStat {
        size: metadata.len(),
        modified_at: Timestamp::from_millis(millis),
    })
}

fn is_ignored(name: &str) -> bool {
    let unfinished = [".part", ".partial", ".tmp", ".crdownload", ".filepart"];
    let lower = name.to_lowercase();
    name.starts_with('.')
        || name.starts_with("~$")
        || name.ends_with('~')
        || matches!(lower.as_str(), "thumbs.db" | "desktop.ini")
        || unfinished.iter().any(|end| lower.ends_with(end))
}

/// Tracks since when each file has been unchanged.
#[derive(Debug, Default)]
pub struct StabilityTracker {
    since: HashMap<(String, String), (FileStat, Timestamp)>,
}

impl StabilityTracker {
    /// Whether the file has had this size and modification time for `delay`.
    pub fn is_stable(
        &mut self,
        collection: &str,
        path: &str,
        stat: FileStat,
        now: Timestamp,
        delay: Duration,
    ) -> bool {
        let key = (collection.to_owned(), path.to_owned());
        let (seen, since) = self.since.entry(key).or_insert((stat, now));
        if *seen != stat {
            (*seen, *since) = (stat, now);
        }
        now.since(*since) >= delay
    }

    /// Forgets the files that are not in this scan.
    pub fn retain_scanned(&mut self, collections: &BTreeMap<String, CollectionFiles>) {
        self.since.retain(|(collection, path), _| {
            collections
                .get(collection)
                .is_some_and(|files| files.files.contains_key(path))
        });
    }
}

/// Opens a file of the inbox for reading. Fails if it is not a regular file, or if its path
/// contains a symbolic link.
pub fn open(inbox: &Path, collection: &str, path: &str) -> std::io::Result<File> {
    let relative = Path::new(collection).join(path);
    if !relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return Err(std::io::Error::other("the path leads out of the inbox"));
    }
    let folder = File::open(inbox)?;
    let opened = openat2(
        &folder,
        &relative,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )?;
    let file = File::from(opened);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(std::io::Error::other("it is not a regular file"))
    }
}

/// Notifies `due` of every file-system event. Watching ends when the returned watcher is dropped.
/// Returns `None` if the file system delivers no events.
pub fn watch(inbox: &Path, due: Arc<Notify>) -> Option<impl Watcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            due.notify_one();
        }
    })
    .ok()?;
    match watcher.watch(inbox, RecursiveMode::Recursive) {
        Ok(()) => Some(watcher),
        Err(cause) => {
            tracing::warn!(%cause, "the inbox delivers no file-system events, so it is only scanned periodically");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(files: &[&str]) -> tempfile::TempDir {
        let inbox = tempfile::tempdir().unwrap();
        for file in files {
            let path = inbox.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "text").unwrap();
        }
        inbox
    }

    #[test]
    fn a_scan_ignores_links_and_hidden_and_unfinished_files() {
        let inbox = inbox(&[
            "ward/a.md",
            "ward/2026/b.pdf",
            "ward/.hidden",
            "ward/~$a.docx",
            "ward/c.pdf.part",
            "loose.pdf",
        ]);
        std::os::unix::fs::symlink("/etc/passwd", inbox.path().join("ward/link.txt")).unwrap();
        std::os::unix::fs::symlink("/etc", inbox.path().join("ward/folder")).unwrap();
        std::os::unix::fs::symlink("/etc", inbox.path().join("etc")).unwrap();
        let seen = scan(inbox.path()).unwrap();
        let names: Vec<_> = seen
            .get("ward")
            .unwrap()
            .files
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(names, ["2026/b.pdf", "a.md"]);
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn only_files_inside_the_inbox_are_opened() {
        let inbox = inbox(&["ward/a.md"]);
        std::os::unix::fs::symlink("/etc", inbox.path().join("ward/etc")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", inbox.path().join("ward/p.txt")).unwrap();
        assert!(open(inbox.path(), "ward", "a.md").is_ok());
        for path in [
            "etc/passwd",
            "p.txt",
            "../../etc/passwd",
            "../ward/a.md",
            "/etc/passwd",
        ] {
            assert!(open(inbox.path(), "ward", path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_file_is_stable_when_it_has_not_changed() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let stat = |size| FileStat {
            size,
            modified_at: at(0),
        };
        let delay = Duration::from_secs(2);
        let mut tracker = StabilityTracker::default();
        let mut is_stable =
            |size, now| tracker.is_stable("ward", "a.md", stat(size), at(now), delay);
        assert!(!is_stable(1, 0));
        assert!(!is_stable(1, 1));
        assert!(!is_stable(2, 2), "it grew");
        assert!(!is_stable(2, 3));
        assert!(is_stable(2, 4));
    }
}
