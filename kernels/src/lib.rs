//! The inner loops of search and inference, on plain slices, at the widest vectors of the machine
//! they run on.
//!
//! [`float`] and [`codes`] hold loops that the compiler vectorises: `multiversion!` (in `simd`)
//! compiles each of them once per instruction set and selects one at run time. [`packed`] holds
//! matrix products in eight-bit integers with a hand-written kernel per instruction set. Attention
//! ([`AttentionScratch`], [`attend_pages`]), [`matmul`] and a [`ThreadPool`] for very short tasks
//! complete what a transformer needs.
//!
//! Every instruction set gives the same bits: integers are summed exactly, and floats in one fixed
//! order. The tests of each module check that.
//!
//! This crate deliberately does not know files, models, tokens or passages.
//!
//! To add a kernel, write the loop once inside `multiversion!`, keep sums in sixteen lanes, and add
//! its instruction sets to the module's comparison test.

#[macro_use]
mod simd;

mod attention;
pub mod codes;
pub mod float;
mod matmul;
pub mod packed;
mod paged_attention;
mod thread_pool;

pub use attention::{AttentionHead, AttentionScratch};
pub use matmul::{MatrixTarget, MatrixView, OutputColumns, matmul};
pub use packed::{ActivationsQ8, BlockFormat, PackedWeights};
pub use paged_attention::{KeyVisibility, PAGE_TOKENS, PageView, attend_pages};
pub use thread_pool::ThreadPool;
