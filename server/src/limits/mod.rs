//! Limits that keep one person, one address or one kind of request from using up the appliance.
//!
//! - `rate` bounds how often something happens, by key.
//! - `turns` bounds how much of a kind of work is in progress, for each person and in all.
//! - `hashing` is the bounded pool of threads that hash passwords.
//!
//! This module knows neither HTTP nor use cases.

mod hashing;
mod network;
mod rate;
mod turns;

pub use hashing::{HashPool, HashSlot};
pub use network::network_of;
pub use rate::RateLimiter;
pub use turns::{TurnLimits, Turns, TurnsRefused};
