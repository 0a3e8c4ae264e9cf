//! The tests of reading and ingestion, as one program: each further program would link all readers again.
//! `ingest/tests/crash.rs` starts itself again and is a program of its own.

mod accounts;
mod chunking;
mod confinement;
mod differential;
mod folders;
mod further_losses;
mod fuzz;
mod hostile;
mod losses;
mod mail;
mod meanings;
mod office;
mod pdf;
mod policies;
mod rarer_losses;
mod reading;
mod reembed;
mod scans;
mod support;
