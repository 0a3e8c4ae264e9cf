//! `cloister user`.

use crate::app::{AppState, Caller, NewPerson};
use crate::cli::console;
use crate::cli::output::OutputSink;
use anyhow::Context;
use clap::Subcommand;
use cloister_domain::Role;
use cloister_domain::principal::ParseRoleError;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::{BufRead, IsTerminal, Read};

/// More than this is not read as a password.
const MAX_PASSWORD_BYTES: u64 = 4096;

/// Add and list people, and set passwords.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum UserCommand {
    /// Add a person. The password is read from the terminal or from standard input.
    Add {
        /// The name to sign in with.
        name: String,
        /// A role. May be repeated.
        #[arg(long = "role", default_value = "staff", value_parser = parse_role)]
        roles: Vec<Role>,
        /// A group to join. May be repeated.
        #[arg(long = "group")]
        groups: Vec<String>,
        #[arg(skip)]
        password: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set a new password and end all sessions of the person.
    Password {
        /// The name of the person.
        name: String,
        #[arg(skip)]
        password: String,
    },
    /// List everybody.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

fn parse_role(name: &str) -> Result<Role, String> {
    name.parse()
        .map_err(|cause: ParseRoleError| cause.to_string())
}

impl UserCommand {
    /// Reads the password, if the command needs one.
    pub fn read_password(&mut self) -> anyhow::Result<()> {
        let (Self::Add { password, .. } | Self::Password { password, .. }) = self else {
            return Ok(());
        };
        *password = if std::io::stdin().is_terminal() {
            console::note("Password (not shown while you type): ");
            rpassword::read_password().context("could not read the password")?
        } else {
            let mut typed = String::new();
            let input = std::io::stdin().lock();
            input
                .take(MAX_PASSWORD_BYTES)
                .read_line(&mut typed)
                .context("could not read the password")?;
            typed.trim_end_matches(['\r', '\n']).to_owned()
        };
        Ok(())
    }
}

/// Runs the command.
pub async fn run(app: &AppState, command: UserCommand, output: &OutputSink) -> anyhow::Result<u8> {
    let caller = Caller::console();
    match command {
        UserCommand::Add {
            name,
            roles,
            groups,
            password,
            json,
        } => {
            let new = NewPerson {
                name,
                password,
                roles,
                groups,
            };
            let person = app.add_person(&caller, new).await?;
            let value = json!({ "id": person.id, "name": person.name });
            let sentence = format!("added {}", person.name);
            output.result(json, value, sentence).await;
        }
        UserCommand::Password { name, password } => {
            let id = app.person_named(&name).await?.id;
            app.set_password(&caller, id, &password).await?;
            let sentence = format!("{name} has a new password; all their sessions have ended");
            output.line(sentence).await;
        }
        UserCommand::List { json } => list(app, json, output).await?,
    }
    Ok(0)
}

async fn list(app: &AppState, as_json: bool, output: &OutputSink) -> anyhow::Result<()> {
    for person in app.people().await? {
        let disabled = if person.disabled { ", disabled" } else { "" };
        let sentence = format!("{}: {}{disabled}", person.name, person.roles.join(", "));
        output
            .result(as_json, serde_json::to_value(&person)?, sentence)
            .await;
    }
    Ok(())
}
