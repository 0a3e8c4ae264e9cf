//! Asks the directory of the site (LDAP, Active Directory) who somebody is.
//!
//! The appliance itself can connect to nothing. Before it gives up the network, it starts
//! `cloister-connector`, which may connect to one address, and asks it over a local socket:
//!
//! - `settings` says which directory, and how it is searched.
//! - `protocol` are the questions and answers between the appliance and the connector.
//! - `client` is the side of the appliance. It starts the connector.
//! - `connector` is the side of the connector: it confines itself (`confine`) and asks the directory
//!   (`ldap`, `check`).
//!
//! This crate knows neither accounts, sessions nor the audit log. To ask the directory something
//! else, add a variant to [`protocol::Inquiry`] and its arm in `connector`.

mod check;
mod client;
mod confine;
mod connector;
mod ldap;
pub mod protocol;
mod settings;

pub use client::{ConnectorError, DirectoryClient, StartedConnector};
pub use connector::run as run_connector;
pub use protocol::{Answer, CheckStep, DirectoryPerson, Inquiry};
pub use settings::{DirectorySecurity, DirectorySettings, normalize_dn};
