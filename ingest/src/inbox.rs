//! The inbox: `inbox/<collection>/<path>`. Only a scan decides which files exist. File-system
//! events only trigger a scan, because network shares do not deliver them.

mod passed_over;

use crate::metadata::{self, FolderMetadata};
use cloister_domain::{DocumentMetadata, Timestamp};
use notify::{RecursiveMode, Watcher};
pub use passed_over::is_ignored;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
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
    /// Folders that could not be read, with a `/` at the end. What is in them is unknown, so nothing
    /// of it counts as removed. It is empty for the folder of the collection itself.
    pub unread: Vec<String>,
    /// Files whose size and time could not be read, although they exist.
    pub unknown: BTreeSet<String>,
    /// The device and the number of the folder, which change if a share is no longer mounted.
    pub identity: Option<(u64, u64)>,
    /// Whether somebody confirmed that the folder is meant to have lost its files.
    pub is_confirmed: bool,
}

/// The path that stands for a folder itself in the list of files.
pub const FOLDER_ITSELF: &str = "(this folder)";
/// A file of this name in the folder of a collection confirms that its files were removed on
/// purpose.
pub const CONFIRMATION: &str = ".cloister-removed";

impl CollectionFiles {
    /// Whether there is a file at this path.
    pub fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.rejected.contains_key(path)
    }

    /// Whether the file at this path may exist, although the scan did not see it.
    pub fn is_uncertain(&self, path: &str) -> bool {
        self.unknown.contains(path) || self.unread.iter().any(|folder| path.starts_with(folder))
    }

    /// Records that a folder could not be read.
    fn mark_unread(&mut self, folder: &str, cause: &std::io::Error) {
        let shown = if folder.is_empty() {
            FOLDER_ITSELF.to_owned()
        } else {
            format!("{folder}/")
        };
        let stat = FileStat {
            size: 0,
            modified_at: Timestamp::from_millis(0),
        };
        let reason = format!(
            "the folder cannot be read ({}), and is passed over: give the appliance the right to read it",
            plain_cause(cause)
        );
        self.rejected.insert(shown, (stat, reason));
        self.unread.push(if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        });
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

/// The words of an error of the operating system, without its number.
fn plain_cause(cause: &std::io::Error) -> String {
    let words = cause.to_string();
    let end = words.find(" (os error").unwrap_or(words.len());
    words.get(..end).unwrap_or(&words).to_lowercase()
}

/// Whether an error says that a file does not exist, rather than that it cannot be opened now.
pub fn is_gone(cause: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP];
    gone.iter()
        .any(|errno| cause.raw_os_error() == Some(errno.raw_os_error()))
}

/// What the list of files says about a file that cannot be opened now. It ends with the cause.
pub const LOCKED: &str = "it cannot be opened just now, and is tried again";

/// The reason for a file that cannot be opened now.
pub fn locked_reason(cause: &std::io::Error) -> String {
    format!("{LOCKED} ({})", plain_cause(cause))
}

/// Scans the inbox: each top folder with its files. Links are not followed. Hidden files are
/// skipped, and so are files whose names programs use for unfinished files, and folders that other
/// programs keep: recycle bins, thumbnails, snapshots.
pub fn scan(inbox: &Path) -> std::io::Result<BTreeMap<String, CollectionFiles>> {
    let mut collections = BTreeMap::new();
    for entry in std::fs::read_dir(inbox)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            tracing::warn!(
                "a folder of the inbox whose name is not UTF-8 is passed over; rename it"
            );
            continue;
        };
        if is_ignored(&name) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            tracing::warn!(%name, "`{name}` in the inbox is a link and is passed over; mount the folder there, or copy it");
        } else if kind.is_dir() {
            let mut files = CollectionFiles {
                identity: entry.metadata().ok().map(|m| (m.dev(), m.ino())),
                is_confirmed: entry.path().join(CONFIRMATION).exists(),
                ..CollectionFiles::default()
            };
            scan_folder(&entry.path(), "", &mut files, 0);
            collections.insert(name, files);
        }
    }
    Ok(collections)
}

fn scan_folder(folder: &Path, prefix: &str, files: &mut CollectionFiles, depth: usize) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // A folder that was removed between the two calls does not exist.
        Err(cause) if is_gone(&cause) && depth > 0 => return,
        Err(cause) => {
            files.mark_unread(prefix, &cause);
            return;
        }
    };
    for entry in entries {
        match entry {
            Ok(entry) => scan_entry(&entry, prefix, files, depth),
            Err(cause) => files.mark_unread(prefix, &cause),
        }
    }
}

fn scan_entry(entry: &std::fs::DirEntry, prefix: &str, files: &mut CollectionFiles, depth: usize) {
    let name = match entry.file_name().into_string() {
        Ok(name) => name,
        Err(name) => {
            let shown = in_folder(prefix, &name.to_string_lossy());
            let stat = entry.metadata().and_then(|metadata| file_stat(&metadata));
            let stat = stat.unwrap_or(FileStat {
                size: 0,
                modified_at: Timestamp::from_millis(0),
            });
            let reason = "its name is not UTF-8, so it is not read: rename it".to_owned();
            files.rejected.insert(shown, (stat, reason));
            return;
        }
    };
    if is_ignored(&name) {
        return;
    }
    let path = in_folder(prefix, &name);
    let Ok(kind) = entry.file_type() else {
        files.unknown.insert(path);
        return;
    };
    if kind.is_dir() {
        if depth < MAX_FOLDER_DEPTH {
            scan_folder(&entry.path(), &path, files, depth + 1);
        }
    } else if kind.is_file() {
        let stat = match entry.metadata().and_then(|metadata| file_stat(&metadata)) {
            Ok(stat) => stat,
            // A file that was removed between the two calls does not exist.
            Err(cause) if is_gone(&cause) => return,
            Err(_) => {
                files.unknown.insert(path);
                return;
            }
        };
        if name != metadata::FILE_NAME {
            files.files.insert(path, stat);
            return;
        }
        match read_folder_metadata(&entry.path()) {
            Ok(metadata) => drop(files.metadata.insert(prefix.to_owned(), metadata)),
            Err(cause) => drop(files.rejected.insert(path, (stat, cause))),
        }
    }
}

fn in_folder(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}/{name}")
    }
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

/// Folders deeper than this are passed over.
const MAX_FOLDER_DEPTH: usize = 100;

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
    let Err(cause) = watcher.watch(inbox, RecursiveMode::Recursive) else {
        return Some(watcher);
    };
    // One folder that cannot be read costs the events of its collection only.
    let mut watched = usize::from(watcher.watch(inbox, RecursiveMode::NonRecursive).is_ok());
    for entry in std::fs::read_dir(inbox).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder
            && watcher
                .watch(&entry.path(), RecursiveMode::Recursive)
                .is_ok()
        {
            watched += 1;
        }
    }
    tracing::warn!(%cause, "parts of the inbox deliver no file-system events, so they are only scanned periodically");
    (watched > 0).then_some(watcher)
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
    fn what_programs_keep_beside_the_files_is_passed_over() {
        let inbox = inbox(&[
            "ward/#recycle/old.txt",
            "ward/$RECYCLE.BIN/old.txt",
            "ward/@eaDir/a.pdf/meta",
            "ward/lost+found/x",
            "ward/Thumbs.db",
            "ward/a.pdf.crdownload",
            "ward/.~lock.a.odt#",
            "ward/recycle/kept.txt",
            "lost+found/x",
        ]);
        let seen = scan(inbox.path()).unwrap();
        let files: Vec<_> = seen
            .get("ward")
            .unwrap()
            .files
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(files, ["recycle/kept.txt"]);
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_shown_with_its_reason() {
        use std::os::unix::ffi::OsStrExt;
        let inbox = inbox(&["ward/a.md"]);
        let name = std::ffi::OsStr::from_bytes(b"Pr\xFCfung.txt");
        std::fs::write(inbox.path().join("ward").join(name), "text").unwrap();
        let seen = scan(inbox.path()).unwrap();
        let ward = seen.get("ward").unwrap();
        assert_eq!(ward.files.len(), 1);
        let (path, (_, reason)) = ward.rejected.first_key_value().unwrap();
        assert!(path.ends_with("fung.txt") && reason.contains("UTF-8"));
    }

    #[test]
    fn a_folder_that_cannot_be_read_costs_itself_only() {
        let mut files = CollectionFiles::default();
        let inbox = inbox(&["ward/a.md"]);
        scan_folder(&inbox.path().join("ward/missing"), "", &mut files, 0);
        assert!(
            files.is_uncertain("a.md"),
            "nothing of it counts as removed"
        );
        let denied = std::io::Error::from_raw_os_error(rustix::io::Errno::ACCESS.raw_os_error());
        let mut files = CollectionFiles::default();
        scan_folder(&inbox.path().join("ward"), "", &mut files, 0);
        files.mark_unread("private", &denied);
        assert!(
            files.contains("a.md")
                && files.is_uncertain("private/b.md")
                && !files.is_uncertain("c.md")
        );
        let (_, reason) = files.rejected.get("private/").unwrap();
        assert!(reason.contains("permission denied"), "{reason}");
        assert!(!is_gone(&denied));
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
