//! The values that the steps of an answer pass on.

pub mod error;
pub mod hit;
pub mod weights;
