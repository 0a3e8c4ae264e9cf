//! Generators: llama and related decoders from GGUF files, run on the CPU and on a GPU.
//!
//! [`families`] has what the files do not say about each model family. `import` reads GGUF and
//! Hugging Face folders, `model` is the forward pass, `gpu` the same in candle's tensors, `tokenizer`
//! the vocabulary and the chat template, and `runtime` serves requests in batches.

mod bench;
mod families;
mod generator;
mod gpu;
mod import;
mod likelihood;
mod model;
mod runtime;
#[cfg(test)]
mod tests;
mod tokenizer;

pub use bench::{BenchLoad, BenchTimes};
pub use generator::GgufGenerator;
pub use import::{
    Precision, QuantFormat, SynthFormat, SynthShape, quantize_model, write_synthetic_model,
};
pub use runtime::{LoadOptions, MemoryPlan};
