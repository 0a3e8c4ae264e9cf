//! The appliance: HTTPS, sign-in, the API, the command line. It wires every other room of the
//! house and holds no knowledge of its own about documents, models or policies. This is the only
//! crate that knows HTTP. To add an endpoint, add its function and its line in `api/router.rs`; to
//! add a command, its variant in `cli/commands.rs`.

mod active;
mod api;
mod app;
mod cli;
mod config;
mod escape;
mod isolation;
mod machine;
mod passwords;
mod replay;
mod tls;
mod web;

fn main() -> std::process::ExitCode {
    cli::run()
}
