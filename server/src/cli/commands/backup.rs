//! `cloister backup`.

use crate::app::{App, AppState, Caller, audit_log, backups};
use crate::cli::console;
use crate::cli::operator::Operator;
use crate::cli::output::OutputSink;
use crate::private_files::{create_shared_folder, prepare_data_folder};
use crate::sandbox::{self, ConfinedProcess};
use anyhow::Context;
use clap::Subcommand;
use cloister_audit::{AuditLog, EntryFilter, Event, EventKind, verify};
use cloister_backup::{Identity, Manifest, Repository, generate_identity};
use cloister_config::{Config, SystemClock, SystemEntropy};
use cloister_domain::{FileId, Principal};
use cloister_index::Regression;
use cloister_store::{Store, User};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Files that are read from the database at once.
const FILES_AT_ONCE: u32 = 200;

/// Make, check and restore backups.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum BackupCommand {
    /// Make a pair of keys. The secret one is written to FILE, which belongs in a safe and not on this
    /// machine.
    Keygen {
        /// The file of the secret key, which must not exist.
        file: PathBuf,
    },
    /// Make a backup now, while the appliance runs.
    Create {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the backups.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read all of a backup again, and restore it into a scratch folder: check the database and the
    /// audit log, build the index, and answer questions from the copy. Nothing of it is kept.
    Rehearse {
        #[command(flatten)]
        source: BackupSource,
        /// An empty folder for the copy, or one that does not exist. It is empty afterwards.
        #[arg(long)]
        scratch: PathBuf,
    },
    /// Restore a backup into `paths.data`, which must not exist or must be empty. Files that are missing
    /// from the inbox are written there.
    Restore {
        #[command(flatten)]
        source: BackupSource,
    },
    /// List what a newer audit log knows about rights that were taken away since a restored backup.
    Review {
        /// The folder of a newer audit log: a copy from the lost machine, or an export.
        #[arg(long)]
        newer_log: PathBuf,
    },
    /// Let the appliance start with the restored data.
    Accept {
        /// Why, for the compliance officer.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Which backup, and the key that opens it.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
pub struct BackupSource {
    /// The folder with the backups. Without it, `backup.folder`.
    #[arg(long)]
    from: Option<PathBuf>,
    /// The file of the secret key.
    #[arg(long)]
    identity: PathBuf,
    /// The name of the backup. Without it, the newest.
    #[arg(long)]
    backup: Option<String>,
}

/// Runs a command that works on the data of the appliance.
pub async fn run(
    app: &AppState,
    caller: &Caller,
    command: BackupCommand,
    output: &OutputSink,
) -> anyhow::Result<u8> {
    match command {
        BackupCommand::Create { json } => {
            let made = app.create_backup(caller).await?;
            let text = format!(
                "{}: {} files, {} MB, of which {} MB are new. {} old backups were deleted.",
                made.name,
                made.files,
                made.bytes >> 20,
                made.new_bytes >> 20,
                made.deleted
            );
            output
                .result(json, serde_json::to_value(&made)?, text)
                .await;
        }
        BackupCommand::List { json } => {
            let names = app.backups().await?;
            output.result(json, json!(names), names.join("\n")).await;
        }
        BackupCommand::Keygen { .. }
        | BackupCommand::Rehearse { .. }
        | BackupCommand::Restore { .. }
        | BackupCommand::Review { .. }
        | BackupCommand::Accept { .. } => anyhow::bail!("this command needs no appliance"),
    }
    Ok(0)
}

/// Runs a command that needs no appliance, or `None` if it needs one.
pub fn run_alone(command: &BackupCommand, config: &Config) -> Option<anyhow::Result<ExitCode>> {
    let done = match command {
        BackupCommand::Create { .. } | BackupCommand::List { .. } => return None,
        BackupCommand::Keygen { file } => keygen(file),
        BackupCommand::Rehearse { source, scratch } => rehearse(config, source, scratch),
        BackupCommand::Restore { source } => restore(config, source),
        BackupCommand::Review { newer_log } => review(config, newer_log),
        BackupCommand::Accept { reason } => accept(config, reason),
    };
    Some(done.map(|()| ExitCode::SUCCESS))
}

fn keygen(file: &Path) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let (identity, recipient) = generate_identity();
    let mut options = std::fs::OpenOptions::new();
    let mut secret = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("could not create `{}`", file.display()))?;
    secret.write_all(identity.as_bytes())?;
    secret.sync_all()?;
    console::line(&format!(
        "Set `backup.recipient = \"{recipient}\"`. Move `{}` to a safe place: without it, no backup can \
         be read.",
        file.display()
    ));
    Ok(())
}

/// An opened backup.
struct OpenedBackup {
    repository: Repository,
    identity: Identity,
    name: String,
    manifest: Manifest,
}

impl OpenedBackup {
    fn open(config: &Config, source: &BackupSource) -> anyhow::Result<Self> {
        let folder = source.from.as_ref().unwrap_or(&config.backup.folder);
        anyhow::ensure!(
            folder.join("snapshots").is_dir(),
            "`{}` has no backups. Name their folder with `--from`",
            folder.display()
        );
        let repository = Repository::open(folder)?;
        let text = std::fs::read_to_string(&source.identity)
            .with_context(|| format!("could not read `{}`", source.identity.display()))?;
        let identity = Identity::parse(&text)?;
        let name = match &source.backup {
            Some(name) => name.clone(),
            None => repository.latest()?,
        };
        let manifest = repository.manifest(&name, &identity)?;
        Ok(Self {
            repository,
            identity,
            name,
            manifest,
        })
    }

    fn restore_into(&self, data: &Path) -> anyhow::Result<()> {
        let is_empty = std::fs::read_dir(data).map_or(true, |mut entries| entries.next().is_none());
        anyhow::ensure!(
            is_empty,
            "`{}` is not empty. Move it away first: nothing is overwritten",
            data.display()
        );
        prepare_data_folder(data)?;
        self.repository
            .restore(&self.manifest, &self.identity, data)?;
        Ok(())
    }
}

fn block_on<T>(action: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(action)
}

fn restore(config: &Config, source: &BackupSource) -> anyhow::Result<()> {
    let backup = OpenedBackup::open(config, source)?;
    let data = &config.paths.data;
    backup.restore_into(data)?;
    put_secrets_key(config)?;
    let inbox = &config.paths.inbox;
    create_shared_folder(inbox)?;
    move_missing(&data.join(backups::INBOX), inbox)?;
    let note = format!("{} of {}", backup.name, backup.manifest.program);
    let put_back = block_on(async {
        let store = Store::open(data).await?;
        let put_back = fill_inbox(&store, inbox).await?;
        store.mark_restored(&note).await?;
        let log = audit_log::open(config, &store, Arc::new(SystemClock), &SystemEntropy).await?;
        let detail =
            json!({ "backup": backup.name, "by": Operator::of_this_process().to_string() });
        log.append(Event::by_appliance(EventKind::BackupRestored, detail))
            .await?;
        store.close().await;
        Ok(put_back)
    })?;
    console::line(&format!(
        "Restored {note} into `{}`, and {put_back} files that were missing into `{}`. All sessions, \
         tokens and links have ended. The appliance starts after `cloister backup accept`.",
        data.display(),
        inbox.display()
    ));
    Ok(())
}

/// Moves the files of a folder into another one, except those that are there. Removes the first folder.
fn move_missing(from: &Path, to: &Path) -> anyhow::Result<()> {
    if !from.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            create_shared_folder(&target)?;
            move_missing(&entry.path(), &target)?;
        } else if !target.exists() {
            std::fs::copy(entry.path(), &target)
                .with_context(|| format!("could not write `{}`", target.display()))?;
        }
    }
    std::fs::remove_dir_all(from)?;
    Ok(())
}

/// Writes the originals of all files that are missing from the inbox. Otherwise the first scan would
/// take them for removed. Returns their number.
async fn fill_inbox(store: &Store, inbox: &Path) -> anyhow::Result<usize> {
    let collections = store.collections().await?;
    let (mut after, mut count) = (FileId(0), 0);
    loop {
        let files = store.files(None, None, after, FILES_AT_ONCE).await?;
        let Some(last) = files.last() else {
            return Ok(count);
        };
        after = last.id;
        for file in files.iter().filter(|file| file.parent.is_none()) {
            let collection = collections.iter().find(|c| c.id == file.collection);
            let (Some(collection), Some(hash)) = (collection, &file.hash) else {
                continue;
            };
            let relative = Path::new(&collection.name).join(&file.path);
            let is_inside = relative
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            let target = inbox.join(relative);
            if !is_inside || target.exists() {
                continue;
            }
            if let Some(folder) = target.parent() {
                create_shared_folder(folder)?;
            }
            let mut original = store.originals().open_file(hash)?;
            let mut copy = File::create_new(&target)
                .with_context(|| format!("could not write `{}`", target.display()))?;
            std::io::copy(&mut original, &mut copy)?;
            let modified = u64::try_from(file.modified_at.as_millis()).unwrap_or_default();
            copy.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(modified))?;
            count += 1;
        }
    }
}

/// Moves the restored key of the secrets to where the settings expect it.
fn put_secrets_key(config: &Config) -> anyhow::Result<()> {
    let restored = config.paths.data.join(backups::SECRETS_KEY);
    let expected = &config.paths.secrets_key;
    if expected.as_os_str().is_empty() || *expected == restored || !restored.exists() {
        return Ok(());
    }
    anyhow::ensure!(
        !expected.exists(),
        "`{}` exists. Compare it with `{}`, and keep the one that belongs to the backup",
        expected.display(),
        restored.display()
    );
    std::fs::copy(&restored, expected)
        .and_then(|_bytes| std::fs::remove_file(&restored))
        .with_context(|| format!("could not write `{}`", expected.display()))
}

fn accept(config: &Config, reason: &str) -> anyhow::Result<()> {
    anyhow::ensure!(!reason.trim().is_empty(), "say in `--reason` why");
    let note = block_on(async {
        let store = Store::open(&config.paths.data).await?;
        let note = store.restored().await?;
        let note = note.context("the data was not restored from a backup, or that was accepted")?;
        let log = audit_log::open(config, &store, Arc::new(SystemClock), &SystemEntropy).await?;
        let by = Operator::of_this_process().to_string();
        let detail = json!({ "backup": note, "reason": reason.trim(), "by": by });
        log.append(Event::by_appliance(EventKind::BackupAccepted, detail))
            .await?;
        store.accept_restoration().await?;
        store.close().await;
        Ok(note)
    })?;
    console::line(&format!("{note} is accepted. The appliance can start."));
    Ok(())
}

/// Kinds of entries after which somebody may do less, or signs in otherwise.
const TAKEN_AWAY: [EventKind; 6] = [
    EventKind::AccessRevoked,
    EventKind::GroupLeft,
    EventKind::GroupRemoved,
    EventKind::UserChanged,
    EventKind::PasswordChanged,
    EventKind::DocumentRemoved,
];

fn review(config: &Config, newer_log: &Path) -> anyhow::Result<()> {
    let (own, newer) = block_on(async {
        let store = Store::open(&config.paths.data).await?;
        let own = audit_log::open(config, &store, Arc::new(SystemClock), &SystemEntropy).await?;
        let newer = AuditLog::open(newer_log, "newer", Arc::new(SystemClock), &SystemEntropy)?;
        let restored = EntryFilter {
            kinds: vec![EventKind::BackupRestored],
            ..EntryFilter::default()
        };
        let restored = own.find(&restored, 1)?.entries;
        let since = restored.first().map_or(0, |entry| entry.seq);
        let taken_away = EntryFilter {
            kinds: TAKEN_AWAY.to_vec(),
            ..EntryFilter::default()
        };
        let mut entries = newer.find(&taken_away, usize::MAX)?.entries;
        entries.retain(|entry| entry.seq >= since);
        entries.reverse();
        store.close().await;
        Ok((since, entries))
    })?;
    console::line(&format!(
        "The backup has the first {own} entries of the log. Since then:"
    ));
    for entry in newer {
        console::line(&format!(
            "{}  {}  {}  {}",
            entry.at,
            entry.kind.as_str(),
            entry.actor.name,
            entry.detail
        ));
    }
    Ok(())
}

fn rehearse(config: &Config, source: &BackupSource, scratch: &Path) -> anyhow::Result<()> {
    let backup = OpenedBackup::open(config, source)?;
    let chunks = backup
        .repository
        .verify(&backup.manifest, &backup.identity)?;
    console::line(&format!("{}: all {chunks} chunks are sound", backup.name));
    let rehearsed = backup
        .restore_into(scratch)
        .and_then(|()| answer_from(config, scratch));
    let deleted = delete_contents(scratch)
        .with_context(|| format!("could not delete the copy in `{}`", scratch.display()));
    rehearsed.and(deleted)
}

/// Deletes everything in a folder. The confined process may not delete the folder itself.
fn delete_contents(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Checks a restored copy, and answers questions from it.
fn answer_from(config: &Config, copy: &Path) -> anyhow::Result<()> {
    let mut config = config.clone();
    copy.clone_into(&mut config.paths.data);
    // Empty: the key is in the data folder.
    config.paths.secrets_key = PathBuf::new();
    let ConfinedProcess { status, runtime } = sandbox::confine(&config)?;
    runtime.block_on(async move {
        let app = App::open(config, status).await?;
        anyhow::ensure!(app.store.is_intact().await?, "the database is damaged");
        console::line("The database is sound");
        let verified = verify(&app.audit.folder(), app.audit.public_key(), &[])?;
        anyhow::ensure!(verified.is_intact(), "the audit log is not intact");
        console::line(&format!(
            "The audit log is intact: {} entries",
            verified.entries
        ));
        let caller = Caller::appliance();
        app.rebuild_index(&caller, Regression::Refused, |_, _| {})
            .await?;
        let report = app.index_report().await?;
        console::line(&format!(
            "The index has {} passages",
            report.status.searchable
        ));
        let questions = answered_questions(&app).await?;
        anyhow::ensure!(
            !questions.is_empty(),
            "no question was answered from the copy: it has no documents that people may read"
        );
        for question in questions {
            console::line(&format!("Answered: {question}"));
        }
        app.store.close().await;
        Ok(())
    })
}

/// Questions made from documents that somebody may read, each of which was answered.
async fn answered_questions(app: &AppState) -> anyhow::Result<Vec<String>> {
    for user in app.store.users().await? {
        let questions = app.examples(&principal(user)).await?.into_questions();
        if !questions.is_empty() {
            return Ok(questions);
        }
    }
    Ok(Vec::new())
}

fn principal(user: User) -> Principal {
    Principal {
        user: user.id,
        name: user.name,
        roles: user.roles,
        groups: user.groups,
    }
}
