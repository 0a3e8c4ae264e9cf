//! The files and folders that the appliance needs, and the confinement to them.

use super::apply::{self, AllowedPaths, SandboxStatus};
use crate::private_files::{create_shared_folder, prepare_data_folder};
use anyhow::Context;
use cloister_config::settings::SandboxMode;
use cloister_config::{Config, components};
use std::path::Path;

/// A confined process, and the runtime that it may start now.
pub struct ConfinedProcess {
    /// What the kernel enforces.
    pub status: SandboxStatus,
    /// The runtime of everything that follows.
    pub runtime: tokio::runtime::Runtime,
}

/// Creates the folders, confines the process to them, and only then starts threads.
pub fn confine(config: &Config) -> anyhow::Result<ConfinedProcess> {
    let paths = &config.paths;
    prepare_data_folder(&paths.data)?;
    let inbox = &paths.inbox;
    create_shared_folder(inbox)
        .with_context(|| format!("could not create the folder `{}`", inbox.display()))?;
    let status = match config.sandbox.mode {
        SandboxMode::Off => SandboxStatus::off(),
        SandboxMode::Require => apply::confine(&allowed_paths(config)?)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    Ok(ConfinedProcess { status, runtime })
}

fn allowed_paths(config: &Config) -> anyhow::Result<AllowedPaths> {
    let mut readable = apply::system_files();
    // The folder, not the file: an upgrade replaces the file.
    readable.extend(components::reader_program()?.parent().map(Path::to_owned));
    let paths = &config.paths;
    let site_files = [
        &paths.models,
        &paths.redaction,
        &paths.answer_weights,
        &paths.glossary,
        &paths.golden_questions,
        &paths.secrets_key,
    ];
    // The folders, not the files: a new certificate replaces the files.
    for file in [&config.server.certificate, &config.server.key] {
        readable.extend(
            file.parent()
                .filter(|folder| folder.exists())
                .map(Path::to_owned),
        );
    }
    for path in site_files {
        // A missing file is reported when it is opened.
        if path.exists() {
            readable.push(path.clone());
        }
    }
    let mut writable = vec![paths.data.clone(), paths.inbox.clone()];
    if config.audit.anchor_folder.exists() {
        writable.push(config.audit.anchor_folder.clone());
    }
    if config.backup.folder.exists() {
        writable.push(config.backup.folder.clone());
    }
    writable.extend(apply::gpu_devices());
    Ok(AllowedPaths { readable, writable })
}
