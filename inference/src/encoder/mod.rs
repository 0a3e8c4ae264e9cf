//! Encoders of the BERT family, from safetensors: for sentences or, with a classification head, for pairs of
//! texts or for tokens. `families` is the table of architectures.

mod classification_head;
mod config;
mod describe;
mod families;
mod known_models;
mod layers;
mod loaded;
mod network;
mod relative_positions;
mod sentence;
mod token_classifier;
mod weights;

pub use classification_head::{CrossEncoder, NliEncoder};
pub use describe::{StatedEncoder, describe_encoder};
pub use known_models::is_known_embedder;
pub use sentence::SentenceEncoder;
pub use token_classifier::{LabeledSpan, TokenClassifier};
