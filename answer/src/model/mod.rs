//! The values that the steps of an answer pass on.

pub mod error;
pub mod event;
pub mod hit;
pub mod question;
pub mod quote;
