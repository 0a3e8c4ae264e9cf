//! What of the machine a command needs, and the confining to it.

use crate::app::reader_program;
use crate::config::{Config, Confinement};
use crate::isolation::{self, InForce, Reach};
use anyhow::Context;
use std::path::Path;

/// A process that is confined, and the threads that it may now start.
pub struct Confined {
    /// What the kernel enforces.
    pub isolation: InForce,
    /// Where everything from now on runs.
    pub runtime: tokio::runtime::Runtime,
}

/// Makes the folders, confines the process to them, and only then starts threads.
pub fn confine(config: &Config) -> anyhow::Result<Confined> {
    let paths = &config.paths;
    for folder in [&paths.data, &paths.inbox] {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
    }
    let isolation = match config.isolation.confinement {
        Confinement::Off => InForce::off(),
        Confinement::Require => isolation::confine(&reach(config)?)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    Ok(Confined { isolation, runtime })
}

fn reach(config: &Config) -> anyhow::Result<Reach> {
    let mut readable = isolation::system_files();
    // The folder, not the file: an upgrade puts a new file in the old one's place.
    readable.extend(reader_program()?.parent().map(Path::to_owned));
    let paths = &config.paths;
    let site = [
        &paths.models,
        &paths.redaction,
        &paths.evidence,
        &paths.glossary,
        &paths.questions,
    ];
    // What is not there is said when it is opened.
    let there = site.into_iter().filter(|path| path.exists());
    readable.extend(there.cloned());
    let mut writable = vec![paths.data.clone(), paths.inbox.clone()];
    writable.extend(isolation::gpu_devices());
    Ok(Reach { readable, writable })
}
