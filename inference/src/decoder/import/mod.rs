//! Reads models from GGUF files and from Hugging Face folders, and writes GGUF files.

mod header_scan;
mod hugging_face;
mod load;
mod metadata;
mod quantize;
mod synthetic;
mod tensors;

pub(super) use load::{read_config, read_decoder};
pub(super) use metadata::Metadata;
pub use quantize::{QuantFormat, quantize_model};
pub use synthetic::{SynthFormat, SynthShape, write_synthetic_model};
pub use tensors::Precision;
pub(super) use tensors::{GgufTensors, open_gguf, read_header};
