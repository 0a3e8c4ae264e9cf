//! The process that may connect to the directory. The appliance starts it, with a socket as standard
//! input.

fn main() -> std::process::ExitCode {
    cloister_directory::run_connector()
}
