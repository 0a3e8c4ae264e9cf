//! Encoders of the BERT family, from safetensors: BERT (`MiniLM`, bge, e5, gte), XLM-R and
//! ModernBERT, for sentences or, with a classification head, for pairs of texts.

mod classification_head;
mod config;
mod describe;
mod loaded;
mod network;
mod sentence;
mod weights;

pub use classification_head::{CrossEncoder, NliEncoder};
pub use describe::describe_encoder;
pub use sentence::SentenceEncoder;
