//! The routes, one file for each group.

pub mod access;
pub mod account;
pub mod account_requests;
pub mod activation;
pub mod answers;
pub mod audit;
pub mod conversations;
pub mod documents;
pub mod files;
pub mod people;
pub mod search;
pub mod second_factor;
pub mod sign_in;
pub mod status;
