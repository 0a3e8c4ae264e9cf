//! `cloister user`.

use super::act::{console_event, line, result};
use super::control::Saying;
use crate::app::AppState;
use crate::passwords;
use anyhow::Context;
use clap::Subcommand;
use cloister_audit::EventKind;
use cloister_domain::Role;
use cloister_store::{NewUser, User};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::{BufRead, IsTerminal};

use super::commands::Task;

/// Add and list people, set passwords.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
pub enum Command {
    /// Add a person. The password is asked for, or read from the first line of the input.
    Add {
        /// The name they sign in with.
        name: String,
        /// What they may do; may be given several times.
        #[arg(long = "role", default_value = "staff", value_parser = role)]
        roles: Vec<Role>,
        /// A group they belong to; may be given several times.
        #[arg(long = "group")]
        groups: Vec<String>,
        #[arg(skip)]
        password: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set a person's password anew.
    Password {
        /// The name they sign in with.
        name: String,
        #[arg(skip)]
        password: String,
    },
    /// List everyone.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

fn role(name: &str) -> Result<Role, String> {
    name.parse()
        .map_err(|cause: cloister_domain::principal::NotARole| cause.to_string())
}

/// Asks for what is secret before the task is sent to the appliance, so that it is in no argument
/// that others can list.
pub fn ask_passwords(mut task: Task) -> anyhow::Result<Task> {
    if let Task::User(Command::Add { password, .. } | Command::Password { password, .. }) =
        &mut task
    {
        if std::io::stdin().is_terminal() {
            super::console::note("Password (it is shown while you type): ");
        }
        let mut typed = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut typed)
            .context("the password cannot be read")?;
        typed.trim_end_matches(['\r', '\n']).clone_into(password);
    }
    Ok(task)
}

pub async fn run(app: &AppState, command: Command, say: &Saying) -> anyhow::Result<u8> {
    match command {
        Command::Add {
            name,
            roles,
            groups,
            password,
            json,
        } => {
            add(
                app,
                NewPerson {
                    name,
                    roles,
                    groups,
                    password,
                },
                json,
                say,
            )
            .await?;
        }
        Command::Password { name, password } => set_password(app, &name, &password, say).await?,
        Command::List { json } => list(app, json, say).await?,
    }
    Ok(0)
}

struct NewPerson {
    name: String,
    roles: Vec<Role>,
    groups: Vec<String>,
    password: String,
}

async fn add(app: &AppState, new: NewPerson, json: bool, say: &Saying) -> anyhow::Result<()> {
    let known = app.store.groups().await?;
    let find = |wanted: &String| known.iter().find(|group| group.name == *wanted);
    if let Some(missing) = new.groups.iter().find(|wanted| find(wanted).is_none()) {
        anyhow::bail!("there is no group `{missing}`. `cloister group add` makes one");
    }
    let password_hash = passwords::hash(&new.password, &*app.entropy)?;
    let detail = json!({ "name": new.name, "roles": new.roles, "groups": new.groups });
    app.audit
        .append(console_event(EventKind::UserAdded, detail))
        .await?;
    let user = NewUser {
        name: new.name.clone(),
        password_hash,
        roles: new.roles,
    };
    let id = app.store.add_user(&user, app.clock.now()).await?;
    for group in new.groups.iter().filter_map(find) {
        app.store.join_group(group.id, id).await?;
    }
    let sentence = format!("added {}", new.name);
    result(say, json, json!({ "id": id, "name": new.name }), sentence).await;
    Ok(())
}

async fn set_password(
    app: &AppState,
    name: &str,
    password: &str,
    say: &Saying,
) -> anyhow::Result<()> {
    let user = named(app, name).await?;
    let hash = passwords::hash(password, &*app.entropy)?;
    let detail = json!({ "name": name });
    app.audit
        .append(console_event(EventKind::PasswordChanged, detail))
        .await?;
    app.store.change_password(user.id, &hash).await?;
    line(
        say,
        format!("{name} has a new password and is signed out everywhere"),
    )
    .await;
    Ok(())
}

async fn list(app: &AppState, as_json: bool, say: &Saying) -> anyhow::Result<()> {
    for user in app.store.users().await? {
        let roles: Vec<&str> = user.roles.iter().map(|role| role.as_str()).collect();
        let disabled = if user.disabled { ", disabled" } else { "" };
        let sentence = format!("{}: {}{disabled}", user.name, roles.join(", "));
        result(say, as_json, serde_json::to_value(&user)?, sentence).await;
    }
    Ok(())
}

/// The person of that name.
pub async fn named(app: &AppState, name: &str) -> anyhow::Result<User> {
    let user = app.store.user_named(name).await?;
    user.with_context(|| format!("there is no person `{name}`. `cloister user list` names them"))
}
