//! The current generation: a small file that is replaced atomically, beside the generations' folders.

use super::FORMAT;
use crate::error::{IndexError, Result};
use crate::files::{self, parse_json, to_json};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const FILE: &str = "current.json";

/// The content of [`FILE`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Current {
    format: u32,
    pub generation: u64,
    /// Set until the generation has everything that the damaged one before it had.
    #[serde(rename = "refilling", default)]
    pub incomplete: Option<Incomplete>,
    /// The SHA-256 of the fields above.
    #[serde(rename = "sum", default)]
    own_sum: String,
}

/// Why a generation was started empty, and what is searched until it is complete.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Incomplete {
    pub reason: String,
    /// The damaged generation whose intact part is searched.
    #[serde(rename = "salvage")]
    pub recovered_generation: Option<u64>,
}

impl Current {
    pub(crate) fn new(generation: u64, incomplete: Option<Incomplete>) -> Self {
        let mut current = Self {
            format: FORMAT,
            generation,
            incomplete,
            own_sum: String::new(),
        };
        current.own_sum = current.compute_own_sum();
        current
    }

    /// The text that is hashed is part of the file format, the names in it included.
    fn compute_own_sum(&self) -> String {
        let incomplete = match &self.incomplete {
            None => "None".to_owned(),
            Some(Incomplete {
                reason,
                recovered_generation,
            }) => format!(
                "Some(Refilling {{ reason: {reason:?}, salvage: {recovered_generation:?} }})"
            ),
        };
        files::sha256(format!("{} {} {incomplete}", self.format, self.generation).as_bytes())
    }
}

/// Reads [`FILE`]; `None` if there never was a generation.
pub(crate) fn read(dir: &Path) -> Result<Option<Current>> {
    let Some(bytes) = files::read(&dir.join(FILE))? else {
        if generation_numbers(dir)?.is_empty() {
            return Ok(None);
        }
        return Err(IndexError::Damaged(format!("`{FILE}` is missing")));
    };
    let current: Current = parse_json(&bytes, FILE)?;
    if current.format != FORMAT {
        return Err(IndexError::Damaged(format!(
            "it has format {}, and this version of Cloister has {FORMAT}",
            current.format
        )));
    }
    if current.own_sum != current.compute_own_sum() {
        return Err(IndexError::Damaged(format!("`{FILE}` has changed")));
    }
    Ok(Some(current))
}

pub(crate) fn write(dir: &Path, current: &Current) -> Result<()> {
    files::replace(&dir.join(FILE), to_json(current)?.as_bytes())
}

pub(crate) fn generation_dir(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("generation-{number:06}"))
}

/// The numbers of the generations in the folder, in ascending order.
pub(crate) fn generation_numbers(dir: &Path) -> Result<Vec<u64>> {
    let mut numbers: Vec<u64> = files::names(dir)?
        .iter()
        .filter_map(|name| name.strip_prefix("generation-")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

pub(crate) fn next_generation_number(dir: &Path) -> Result<u64> {
    Ok(generation_numbers(dir)?.last().copied().unwrap_or(0) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that an earlier version wrote is still valid.
    #[test]
    fn the_checksum_is_that_of_earlier_versions() {
        let incomplete = Incomplete {
            reason: "a \"seal\"".into(),
            recovered_generation: Some(3),
        };
        let hashed = "3 4 Some(Refilling { reason: \"a \\\"seal\\\"\", salvage: Some(3) })";
        let current = Current::new(4, Some(incomplete));
        assert_eq!(current.own_sum, files::sha256(hashed.as_bytes()));
        assert_eq!(Current::new(4, None).own_sum, files::sha256(b"3 4 None"));
    }
}
