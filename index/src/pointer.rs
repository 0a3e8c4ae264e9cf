//! Which generation is live: a small file, changed by a rename, and the folders beside it.

use crate::error::{IndexError, Result};
use crate::files;
use crate::seal::{self, FORMAT};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const POINTER: &str = "current.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pointer {
    format: u32,
    pub generation: u64,
    /// Set until the generation holds all that the damaged one before it held.
    #[serde(default)]
    pub refilling: Option<Refilling>,
    /// SHA-256 over the fields above.
    #[serde(default)]
    sum: String,
}

/// Why a generation was begun anew, and what answers meanwhile.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refilling {
    pub reason: String,
    /// The damaged generation of which something is sound.
    pub salvage: Option<u64>,
}

impl Pointer {
    pub(crate) fn new(generation: u64, refilling: Option<Refilling>) -> Self {
        let mut pointer = Self {
            format: FORMAT,
            generation,
            refilling,
            sum: String::new(),
        };
        pointer.sum = pointer.expected_sum();
        pointer
    }

    fn expected_sum(&self) -> String {
        files::sha256(
            format!("{} {} {:?}", self.format, self.generation, self.refilling).as_bytes(),
        )
    }
}

/// The pointer; `None` where there was never a generation.
pub(crate) fn read(dir: &Path) -> Result<Option<Pointer>> {
    let Some(bytes) = files::read(&dir.join(POINTER))? else {
        if numbers(dir)?.is_empty() {
            return Ok(None);
        }
        return Err(IndexError::Damaged(format!("`{POINTER}` is missing")));
    };
    let pointer: Pointer = seal::parse(&bytes, POINTER)?;
    if pointer.format != FORMAT {
        return Err(IndexError::Damaged(format!(
            "it has format {}, and this version of Cloister has {FORMAT}",
            pointer.format
        )));
    }
    if pointer.sum != pointer.expected_sum() {
        return Err(IndexError::Damaged(format!("`{POINTER}` has changed")));
    }
    Ok(Some(pointer))
}

pub(crate) fn write(dir: &Path, pointer: &Pointer) -> Result<()> {
    files::write_whole(&dir.join(POINTER), seal::to_json(pointer)?.as_bytes())
}

pub(crate) fn generation_dir(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("generation-{number:06}"))
}

/// The generations in the folder, ascending.
pub(crate) fn numbers(dir: &Path) -> Result<Vec<u64>> {
    let mut numbers: Vec<u64> = files::names(dir)?
        .iter()
        .filter_map(|name| name.strip_prefix("generation-")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

pub(crate) fn next_number(dir: &Path) -> Result<u64> {
    Ok(numbers(dir)?.last().copied().unwrap_or(0) + 1)
}
