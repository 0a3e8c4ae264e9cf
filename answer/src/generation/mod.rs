//! Generates sentences below the quotes and shows those that their quotes support.

pub mod prompt;
mod sentence_stream;
pub mod task;
pub mod verify;
pub mod writer;
