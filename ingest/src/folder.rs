//! The inbox: `inbox/<collection>/<path>`. A scan is the truth of what lies there; the operating
//! system's notices only say that a scan is due, because network shares give none.

use crate::labels::{self, FolderLabels};
use cloister_domain::{Labels, Timestamp};
use notify::{RecursiveMode, Watcher};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What a scan saw of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified_at: Timestamp,
}

/// What a scan saw of one collection. Paths are inside it, with `/` between folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Its files.
    pub files: BTreeMap<String, Look>,
    /// What is said of the files of a folder, by the folder's path.
    labels: BTreeMap<String, FolderLabels>,
    /// Files that are seen and cannot be used, and why.
    pub refused: BTreeMap<String, (Look, String)>,
}

impl Files {
    /// Whether something lies at this path.
    pub fn holds(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.refused.contains_key(path)
    }

    /// What is said of the file at this path.
    pub fn labels(&self, path: &str) -> Labels {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let said = self.labels.get(folder);
        said.map(|said| said.of(name)).unwrap_or_default()
    }
}

/// What lies in the inbox: each top folder with its files. Links are not followed, and names that
/// programs give to unfinished or hidden files are passed over.
pub fn scan(inbox: &Path) -> std::io::Result<BTreeMap<String, Files>> {
    let mut collections = BTreeMap::new();
    for entry in std::fs::read_dir(inbox)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if entry.file_type()?.is_dir() && !is_passed_over(&name) {
            let mut files = Files::default();
            scan_folder(&entry.path(), "", &mut files)?;
            collections.insert(name, files);
        }
    }
    Ok(collections)
}

fn scan_folder(folder: &Path, prefix: &str, files: &mut Files) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            tracing::warn!("a file whose name is not UTF-8 is passed over; rename it");
            continue;
        };
        if is_passed_over(&name) {
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
            // A file that goes away between the two calls is not there.
            let Ok(look) = entry.metadata().and_then(|metadata| look(&metadata)) else {
                continue;
            };
            if name != labels::FILE {
                files.files.insert(path, look);
                continue;
            }
            match read_labels(&entry.path()) {
                Ok(said) => drop(files.labels.insert(prefix.to_owned(), said)),
                Err(cause) => drop(files.refused.insert(path, (look, cause))),
            }
        }
    }
    Ok(())
}

fn read_labels(path: &Path) -> Result<FolderLabels, String> {
    let read = |path: &Path| -> std::io::Result<String> {
        let mut text = String::new();
        let file = rustix::fs::open(
            path,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW,
            Mode::empty(),
        )?;
        let within = File::from(file).take(labels::MOST_BYTES + 1);
        std::io::BufReader::new(within).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read(path).map_err(|cause| format!("`{}`: {cause}", labels::FILE))?;
    if text.len() as u64 > labels::MOST_BYTES {
        return Err(format!(
            "`{}` is longer than a list of labels",
            labels::FILE
        ));
    }
    FolderLabels::parse(&text).map_err(|cause| {
        format!(
            "`{}` is not followed: {cause}. The files beside it are taken in without labels",
            labels::FILE
        )
    })
}

fn look(metadata: &std::fs::Metadata) -> std::io::Result<Look> {
    let since = metadata
        .modified()?
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Ok(Look {
        size: metadata.len(),
        modified_at: Timestamp::from_millis(millis),
    })
}

fn is_passed_over(name: &str) -> bool {
    let unfinished = [".part", ".partial", ".tmp", ".crdownload", ".filepart"];
    let lower = name.to_lowercase();
    name.starts_with('.')
        || name.starts_with("~$")
        || name.ends_with('~')
        || matches!(lower.as_str(), "thumbs.db" | "desktop.ini")
        || unfinished.iter().any(|end| lower.ends_with(end))
}

/// Knows since when each file has stood still.
#[derive(Debug, Default)]
pub struct Settling {
    since: HashMap<(String, String), (Look, Timestamp)>,
}

impl Settling {
    /// Whether the file has looked like this for `delay`.
    pub fn is_settled(
        &mut self,
        collection: &str,
        path: &str,
        look: Look,
        now: Timestamp,
        delay: Duration,
    ) -> bool {
        let key = (collection.to_owned(), path.to_owned());
        let (seen, since) = self.since.entry(key).or_insert((look, now));
        if *seen != look {
            (*seen, *since) = (look, now);
        }
        now.since(*since) >= delay
    }

    /// Forgets the files that are not in this scan.
    pub fn keep_only(&mut self, collections: &BTreeMap<String, Files>) {
        self.since.retain(|(collection, path), _| {
            collections
                .get(collection)
                .is_some_and(|files| files.files.contains_key(path))
        });
    }
}

/// Opens a file of the inbox for reading, if it is a regular file that is reached without a link.
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

/// Rings `due` when the operating system notices a change. The watching ends with the value
/// returned; `None` where the folder's file system gives no notices.
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
            tracing::warn!(%cause, "the inbox gives no notices, so it is looked through from time to time");
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
    fn a_scan_sees_files_and_passes_over_links_hidden_and_unfinished_ones() {
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
    fn a_file_is_opened_inside_the_inbox_only() {
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
    fn a_file_settles_when_it_has_stood_still() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let look = |size| Look {
            size,
            modified_at: at(0),
        };
        let delay = Duration::from_secs(2);
        let mut settling = Settling::default();
        let mut settled =
            |size, now| settling.is_settled("ward", "a.md", look(size), at(now), delay);
        assert!(!settled(1, 0));
        assert!(!settled(1, 1));
        assert!(!settled(2, 2), "it grew");
        assert!(!settled(2, 3));
        assert!(settled(2, 4));
    }
}
