//! ZIP archives: each file in them becomes a document of its own.

use crate::formats::common::archive::Archive;
use crate::formats::common::sniff;
use crate::formats::{Failure, Format, ReadOptions, Sink, Source};
use crate::wire::{Info, Refusal};
use cloister_domain::{LossKind, OmissionKind, ReadingAccount};

/// Maximum number of files that are taken out. The parent has a limit of its own.
const MAX_FILES: usize = 2_000;

/// ZIP archives.
pub const FORMAT: Format = Format {
    name: "zip",
    label: "ZIP archives",
    matches: |source| source.bytes.starts_with(b"PK\x03\x04") && is_plain_archive(source),
    extract,
    render_page: None,
};

/// Whether it is no document of an office program whose parts are incomplete.
fn is_plain_archive(source: &Source) -> bool {
    sniff::describe(source) == "a ZIP archive" && Archive::open(&source.bytes).is_ok()
}

fn extract(source: &Source, _options: ReadOptions, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut archive = Archive::open(&source.bytes)?;
    let parts = archive.names();
    let files = parts.iter().filter(|name| !name.ends_with('/')).count();
    let mut names: Vec<String> = parts.into_iter().filter(|name| is_wanted(name)).collect();
    let mut account = ReadingAccount::default();
    account.leave_out(OmissionKind::SystemFile, files.saturating_sub(names.len()));
    names.sort();
    let mut warnings = Vec::new();
    if names.len() > MAX_FILES {
        warnings.push(format!(
            "the archive has {} files, of which {MAX_FILES} are taken out",
            names.len()
        ));
        account.lose(LossKind::File, names.len() - MAX_FILES);
        names.truncate(MAX_FILES);
    }
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let (mut locked, mut broken) = (0, 0);
    for name in names {
        match archive.bytes(&name) {
            Ok(Some(bytes)) => found.push((name, bytes)),
            Err(Failure::Refused(Refusal::Encrypted)) => locked += 1,
            Ok(None) | Err(Failure::Refused(Refusal::Damaged(_))) => broken += 1,
            Err(failure) => return Err(failure),
        }
    }
    if locked > 0 && found.is_empty() {
        return Err(Refusal::Encrypted.into());
    }
    account.lose(LossKind::File, locked + broken);
    if locked + broken > 0 {
        warnings.push(format!(
            "files of the archive are left out: {locked} are encrypted, {broken} are damaged"
        ));
    }
    sink.info(Info {
        format: FORMAT.name.to_owned(),
        warnings,
        account,
        ..Info::default()
    })?;
    for (name, bytes) in &found {
        sink.attachment(name, bytes)?;
    }
    Ok(())
}

/// Whether a part is a file of people rather than a folder, or what a system keeps beside it.
fn is_wanted(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let is_of_system = name.split('/').any(|step| step == "__MACOSX");
    !last.is_empty()
        && !last.starts_with('.')
        && !last.starts_with("~$")
        && !is_of_system
        && !matches!(
            last.to_ascii_lowercase().as_str(),
            "thumbs.db" | "desktop.ini"
        )
}
