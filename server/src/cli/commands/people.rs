//! `cloister user`.

use crate::app::account_requests::AccountRequestView;
use crate::app::activation::NewLink;
use crate::app::people::PersonView;
use crate::app::{AccountManager, AppState, Caller, Changed, NewPerson};
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

/// Add and list people, and help those who cannot sign in.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum UserCommand {
    /// Add a person. The password is read from the terminal or from standard input, unless the
    /// person sets it with an activation link (`--link`).
    Add {
        /// The name to sign in with.
        name: String,
        /// A role. May be repeated.
        #[arg(long = "role", default_value = "staff", value_parser = parse_role)]
        roles: Vec<Role>,
        /// A group to join. May be repeated.
        #[arg(long = "group")]
        groups: Vec<String>,
        /// Print a one-time link with which the person sets their password.
        #[arg(long)]
        #[serde(default)]
        link: bool,
        #[arg(skip)]
        password: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set a new password and end all sessions of the person. With `link`, nobody else knows it.
    Password {
        /// The name of the person.
        name: String,
        #[arg(skip)]
        password: Option<String>,
    },
    /// Print a one-time link with which the person sets a new password. An earlier one no longer
    /// works.
    Link {
        /// The name of the person.
        name: String,
        /// Revoke the link of the person instead.
        #[arg(long)]
        revoke: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a person these roles in place of their present ones.
    Roles {
        /// The name of the person.
        name: String,
        /// A role. May be repeated. Without one, the person has no role.
        #[arg(long = "role", value_parser = parse_role)]
        roles: Vec<Role>,
    },
    /// End all sessions of a person, who may not sign in any more.
    Disable {
        /// The name of the person.
        name: String,
    },
    /// Let a disabled person sign in again.
    Enable {
        /// The name of the person.
        name: String,
    },
    /// Remove the second factor of a person who has lost it.
    ResetSecondFactor {
        /// The name of the person.
        name: String,
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
        match self {
            Self::Add {
                link: false,
                password,
                ..
            }
            | Self::Password { password, .. } => {
                *password = Some(typed_password()?);
                Ok(())
            }
            Self::Add { .. }
            | Self::Link { .. }
            | Self::Roles { .. }
            | Self::Disable { .. }
            | Self::Enable { .. }
            | Self::ResetSecondFactor { .. }
            | Self::List { .. } => Ok(()),
        }
    }
}

fn typed_password() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        console::note("Password (not shown while you type): ");
        return rpassword::read_password().context("could not read the password");
    }
    let mut typed = String::new();
    let input = std::io::stdin().lock();
    input
        .take(MAX_PASSWORD_BYTES)
        .read_line(&mut typed)
        .context("could not read the password")?;
    Ok(typed.trim_end_matches(['\r', '\n']).to_owned())
}

/// A command that is running.
struct UserTask<'a> {
    app: &'a AppState,
    caller: &'a Caller,
    output: &'a OutputSink,
}

/// Runs the command.
pub async fn run(
    app: &AppState,
    caller: &Caller,
    command: UserCommand,
    output: &OutputSink,
) -> anyhow::Result<u8> {
    let task = UserTask {
        app,
        caller,
        output,
    };
    match command {
        UserCommand::Add {
            name,
            roles,
            groups,
            link: _,
            password,
            json,
        } => {
            let new = NewPerson {
                name,
                password,
                roles,
                groups,
            };
            task.add(new, json).await?;
        }
        UserCommand::Password { name, password } => {
            let id = app.person_named(&name).await?.id;
            let password = password.context("the password is missing")?;
            app.set_password(caller, id, &password).await?;
            let sentence = format!("{name} has a new password; all their sessions have ended");
            output.line(sentence).await;
        }
        UserCommand::Link { name, revoke, json } => task.link(&name, revoke, json).await?,
        UserCommand::Roles { name, roles } => task.change_roles(&name, &roles).await?,
        UserCommand::Disable { name } => task.change_state(&name, true).await?,
        UserCommand::Enable { name } => task.change_state(&name, false).await?,
        UserCommand::ResetSecondFactor { name } => task.reset_second_factor(&name).await?,
        UserCommand::List { json } => task.list(json).await?,
    }
    Ok(0)
}

impl UserTask<'_> {
    async fn add(&self, new: NewPerson, as_json: bool) -> anyhow::Result<()> {
        let needs_link = new.password.is_none();
        let manager = AccountManager::Operator;
        let added = self.app.add_person(self.caller, manager, new).await?;
        let PersonView { id, name, .. } = added.person;
        let mut value = json!({ "id": id, "name": name });
        let mut sentence = format!("added {name}");
        if needs_link {
            let link = self.new_link(&name).await?;
            sentence = format!("{sentence}\n{}", self.link_sentence(&name, &link));
            value["link"] = self.link_address(&link).into();
            value["expires_at"] = link.expires_at.into();
        }
        self.output.result(as_json, value, sentence).await;
        Ok(())
    }

    async fn link(&self, name: &str, revoke: bool, as_json: bool) -> anyhow::Result<()> {
        if revoke {
            let id = self.app.person_named(name).await?.id;
            self.app.revoke_activation_link(self.caller, id).await?;
            let sentence = format!("the link of {name} no longer works");
            let value = json!({ "name": name, "revoked": true });
            self.output.result(as_json, value, sentence).await;
            return Ok(());
        }
        let link = self.new_link(name).await?;
        let sentence = self.link_sentence(name, &link);
        let value = json!({
            "name": name, "link": self.link_address(&link), "expires_at": link.expires_at,
        });
        self.output.result(as_json, value, sentence).await;
        Ok(())
    }

    async fn new_link(&self, name: &str) -> anyhow::Result<NewLink> {
        let id = self.app.person_named(name).await?.id;
        let manager = AccountManager::Operator;
        let made = self
            .app
            .make_activation_link(self.caller, manager, id)
            .await?;
        done(made)
    }

    fn link_address(&self, link: &NewLink) -> String {
        format!("{}/#/activate/{}", self.app.address(), link.secret)
    }

    fn link_sentence(&self, name: &str, link: &NewLink) -> String {
        format!(
            "{name} sets a password with this link, once, until {}:\n  {}",
            link.expires_at,
            self.link_address(link)
        )
    }

    async fn change_roles(&self, name: &str, roles: &[Role]) -> anyhow::Result<()> {
        let user = self.app.person_named(name).await?;
        let manager = AccountManager::Operator;
        let changed = self
            .app
            .change_person(self.caller, manager, user.id, roles, user.disabled)
            .await?;
        self.output.line(person_line(&changed.person)).await;
        Ok(())
    }

    async fn change_state(&self, name: &str, disabled: bool) -> anyhow::Result<()> {
        let user = self.app.person_named(name).await?;
        let manager = AccountManager::Operator;
        let changed = self
            .app
            .change_person(self.caller, manager, user.id, &user.roles, disabled)
            .await?;
        self.output.line(person_line(&changed.person)).await;
        Ok(())
    }

    async fn reset_second_factor(&self, name: &str) -> anyhow::Result<()> {
        let id = self.app.person_named(name).await?.id;
        let manager = AccountManager::Operator;
        let reset = self
            .app
            .reset_second_factor(self.caller, manager, id)
            .await?;
        done(reset)?;
        let sentence = format!("{name} signs in with the password alone until they set up another");
        self.output.line(sentence).await;
        Ok(())
    }

    async fn list(&self, as_json: bool) -> anyhow::Result<()> {
        for person in self.app.people().await? {
            let value = serde_json::to_value(&person)?;
            self.output
                .result(as_json, value, person_line(&person))
                .await;
        }
        Ok(())
    }
}

/// The result of a change that the operator makes, who needs no second person.
fn done<T>(changed: Changed<T>) -> anyhow::Result<T> {
    match changed {
        Changed::Done(result) => Ok(result),
        Changed::Requested(AccountRequestView { id, .. }) => {
            anyhow::bail!("the change waits for an administrator as request {id}")
        }
    }
}

fn person_line(person: &PersonView) -> String {
    let mut line = format!("{}: {}", person.name, person.roles.join(", "));
    for (holds, note) in [
        (person.disabled, ", disabled"),
        (!person.has_password, ", has not set a password yet"),
        (person.has_second_factor, ", second factor"),
    ] {
        if holds {
            line.push_str(note);
        }
    }
    line
}
