//! The appliance: use cases, HTTPS interface and API, command line, and the sandbox of the process.
//!
//! - `app/` has the use cases. They authorise, write audit records and return views.
//! - `http/` translates requests into use cases. Only this module knows HTTP.
//! - `cli/` translates commands into use cases.
//! - `limits/` keeps one person or address from using up the appliance.
//! - `sandbox/` confines the process before it serves.
//!
//! This crate wires the other crates and deliberately knows nothing of its own about documents,
//! models or policies. `CONTRIBUTING.md` has recipes for adding an API route, a page and a command.

mod app;
mod cli;
mod http;
mod limits;
mod passwords;
mod private_files;
mod sandbox;
mod sealing;
mod security_keys;
mod tls;
mod totp;

fn main() -> std::process::ExitCode {
    private_files::restrict_new_files();
    cli::run()
}
