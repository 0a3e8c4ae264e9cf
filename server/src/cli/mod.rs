//! The command line. A command that works on the data of the appliance is sent to the running
//! appliance over its control socket. If none is running, the command runs in this process, in the
//! same sandbox.

mod arguments;
mod certificate_watch;
mod commands;
mod console;
mod control_socket;
mod dispatch;
mod operator;
mod output;
mod render;

pub use dispatch::run;
