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
    /// Llama with experts, such as Mixtral. Each expert has its own tensors.
    Mixtral,
}

/// The names of all architectures.
pub(super) const ARCHITECTURES: [&str; 3] = [
    GeneralArchitecture::Phi2.name(),
    GeneralArchitecture::Glm4.name(),
    GeneralArchitecture::Mixtral.name(),
];

impl GeneralArchitecture {
    /// The architecture of a file; `None` if it is none of these.
    pub(super) fn of(tensors: &GgufTensors<'_>) -> Option<Self> {
        let metadata = tensors.metadata;
        let name = metadata.optional_text("general.architecture")?;
        if name == "llama" {
            let experts = metadata.optional_integer("llama.expert_count");
            return (experts.unwrap_or(0) > 1).then_some(Self::Mixtral);
        }
        Self::from_name(name)
    }

    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Phi2, Self::Glm4, Self::Mixtral];
        all.into_iter()
            .find(|architecture| architecture.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Phi2 => "phi2",
            Self::Glm4 => "glm4",
            Self::Mixtral => "mixtral",
        }
    }

    /// What the keys of its metadata start with.
    fn key_prefix(self) -> &'static str {
        match self {
            Self::Phi2 | Self::Glm4 => self.name(),
            Self::Mixtral => "llama",
        }
    }
}
