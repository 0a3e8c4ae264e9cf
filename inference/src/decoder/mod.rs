//! Generators: llama and related decoders from GGUF files, run on the CPU and on a GPU.
//!
//! [`families`] has what the files do not say about each model family. `import` reads GGUF and
//! Hugging Face folders, `model` is the forward pass, `gpu` the same in candle's tensors, `tokenizer`
//! the vocabulary and the chat template, and `runtime` serves requests in batches. `general` runs some of
//! the other architectures with candle-transformers, one request at a time.

mod bench;
mod families;
mod general;
mod generator;
mod gpu;
mod import;
mod likelihood;
mod model;
mod runtime;
#[cfg(test)]
mod tests;
mod thinking;
mod tokenizer;

pub use bench::{BenchLoad, BenchTimes};
pub use general::{GeneralGenerator, general_backend_note, open_generator};
pub use generator::GgufGenerator;
pub use import::{
    Precision, QuantFormat, SynthFormat, SynthShape, convert_gguf, name_without_piece,
    needs_conversion, quantize_model, write_synthetic_model,
};
pub(crate) use runtime::MAX_BATCH;
pub use runtime::{LoadOptions, MemoryPlan};
