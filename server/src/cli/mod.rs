//! The command line. A command that works on the appliance's data goes to the running appliance
//! over its control socket; where none runs, it is done here, in this process, just as confined.

mod access;
mod act;
mod ask;
mod audit;
mod commands;
mod config;
mod console;
mod control;
mod doctor;
mod eval;
mod index;
mod ingest;
mod memory;
mod models;
mod people;
mod reach;
mod serve;
mod told;
mod tuning;

pub use commands::run;
