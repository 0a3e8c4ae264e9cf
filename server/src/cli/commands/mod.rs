//! The commands, one file for each group.

pub mod access;
pub mod ask;
pub mod audit;
pub mod backup;
pub mod config;
pub mod directory;
pub mod doctor;
pub mod index;
pub mod ingest;
pub mod models;
pub mod people;
pub mod serve;
