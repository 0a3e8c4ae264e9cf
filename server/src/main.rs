//! The appliance: use cases, HTTPS interface and API, command line, and the sandbox of the process.
//!
//! - `app/` has the use cases. They authorise, write audit records and return views.
//! - `http/` translates requests into use cases. Only this module knows HTTP.
//! - `cli/` translates commands into use cases.
//! - `sandbox/` confines the process before it serves.
//!
//! This crate wires the other crates and deliberately knows nothing of its own about documents,
//! models or policies. `CONTRIBUTING.md` has recipes for adding an API route, a page and a command.

mod app;
mod cli;
mod http;
mod passwords;
mod sandbox;
mod tls;

fn main() -> std::process::ExitCode {
    cli::run()
}
