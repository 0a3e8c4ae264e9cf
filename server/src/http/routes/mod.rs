//! The routes, one file for each group.

pub mod access;
pub mod answers;
pub mod audit;
pub mod conversations;
pub mod documents;
pub mod files;
pub mod people;
pub mod search;
pub mod sign_in;
pub mod status;
