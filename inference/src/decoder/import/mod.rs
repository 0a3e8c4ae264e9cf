//! Reads models from GGUF files and from Hugging Face folders, and writes GGUF files.

mod convert;
mod foreign_formats;
mod hugging_face;
mod load;
mod metadata;
mod quantize;
mod raw_header;
mod synthetic;
mod tensors;

pub use convert::{convert_gguf, name_without_piece, needs_conversion};
pub(super) use load::{read_config, read_decoder};
pub(super) use metadata::Metadata;
pub use quantize::{QuantFormat, quantize_model};
pub use synthetic::{SynthFormat, SynthShape, write_synthetic_model};
pub use tensors::Precision;
pub(super) use tensors::{GgufTensors, open_gguf, read_header};
