//! Generators of other architectures, on the models of candle-transformers.
//!
//! They are several times slower than those of `decoder`: one request at a time, without a prefix cache, and
//! without kernels for all formats. candle-transformers checks little, so [`read_sizes`] refuses sizes that
//! no model has before a file is given to it.
//!
//! To add an architecture, add a variant to [`GeneralArchitecture`] and to `LoadedModel`, and a golden model
//! to `tests/`. Its forward pass must restart at position 0 and accept several tokens at any position.

mod generator;
mod model;
mod plan;

pub use generator::{GeneralGenerator, open_generator};
pub use plan::general_backend_note;
pub(super) use plan::{plan, read_sizes};

use super::import::GgufTensors;

/// An architecture, by its `general.architecture`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GeneralArchitecture {
    /// Phi-2 and its relatives, like Phi-1.5.
    Phi2,
    /// GLM-4-0414.
    Glm4,
}

/// The names of all architectures.
pub(super) const ARCHITECTURES: [&str; 2] = [
    GeneralArchitecture::Phi2.name(),
    GeneralArchitecture::Glm4.name(),
];

impl GeneralArchitecture {
    /// The architecture of a file; `None` if it is none of these.
    pub(super) fn of(tensors: &GgufTensors<'_>) -> Option<Self> {
        Self::from_name(tensors.metadata.optional_text("general.architecture")?)
    }

    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Phi2, Self::Glm4];
        all.into_iter()
            .find(|architecture| architecture.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Phi2 => "phi2",
            Self::Glm4 => "glm4",
        }
    }
}
