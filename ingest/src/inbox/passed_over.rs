//! Names of files and folders that are not those of people.

/// The ends of names that programs give to unfinished and to temporary files.
const UNFINISHED: &[&str] = &[
    ".part",
    ".partial",
    ".tmp",
    ".temp",
    ".crdownload",
    ".filepart",
    ".download",
    ".opdownload",
    ".unfinished",
    ".!ut",
    ".aria2",
    ".laccdb",
    ".ldb",
    ".swp",
    ".lnk",
    ".url",
];

/// Files and folders that systems and programs keep beside those of people: recycle bins, thumbnails,
/// snapshots and settings.
const SYSTEM_NAMES: &[&str] = &[
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "lost+found",
    "$recycle.bin",
    "recycler",
    "recycled",
    "#recycle",
    "@recycle",
    "@eadir",
    "#snapshot",
    "@recently-snapshot",
    "~snapshot",
    "system volume information",
    "network trash folder",
    "temporary items",
    "__macosx",
    "theVolumeSettingsFolder",
    "found.000",
    "msocache",
    "ntuser.dat",
    "icon\r",
];

/// Whether a file or folder of this name is passed over.
pub fn is_ignored(name: &str) -> bool {
    let lower = name.to_lowercase();
    name.starts_with('.')
        || name.starts_with("~$")
        || name.ends_with('~')
        || SYSTEM_NAMES
            .iter()
            .any(|system| system.eq_ignore_ascii_case(&lower))
        || UNFINISHED.iter().any(|end| lower.ends_with(end))
}
