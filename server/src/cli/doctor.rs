//! `cloister doctor`: shows what confines the appliance, and tries to get out.

use super::act::line;
use super::commands::{Json, Task};
use super::console;
use super::control::Saying;
use super::reach;
use crate::active::Active;
use crate::app::AppState;
use crate::config::Config;
use crate::escape::{Attempt, Target, attempt_all};
use crate::isolation::InForce;
use cloister_inference::ModelManifest;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// What a confined process found out about itself.
#[derive(Debug, Serialize, Deserialize)]
struct Confinement {
    of: String,
    in_force: InForce,
    attempts: Vec<Attempt>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    what: String,
    fine: bool,
    found: String,
}

pub fn run(config: &Config, output: Json) -> anyhow::Result<ExitCode> {
    let mut checks = machine_checks(config);
    let running = ask_running(config);
    let target = Target::open()?;
    let confined = reach::confine(config)?;
    let here = Confinement {
        of: "a process confined like the appliance".into(),
        in_force: confined.isolation,
        attempts: attempt_all(Some(&target)),
    };
    for confinement in running.iter().chain([&here]) {
        checks.extend(confinement.checks());
    }
    let fine = checks.iter().all(|check| check.fine);
    if output.json {
        let report = serde_json::json!({ "fine": fine, "checks": checks });
        console::line(&report.to_string());
    } else {
        for check in &checks {
            let mark = if check.fine { "ok  " } else { "FAIL" };
            console::line(&format!("{mark}  {}: {}", check.what, check.found));
        }
        if running.is_none() {
            console::line("note  no appliance runs on this data folder");
        }
    }
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Confinement {
    fn checks(&self) -> Vec<Check> {
        let of = &self.of;
        let enforced = |what: &str, found: &str| Check {
            what: format!("{of}, {what}"),
            fine: !found.starts_with("off"),
            found: found.to_owned(),
        };
        let mut checks = vec![
            enforced("Landlock", &self.in_force.landlock),
            enforced("seccomp", &self.in_force.seccomp),
        ];
        checks.extend(self.attempts.iter().map(|attempt| Check {
            what: format!("{of} tries to {}", attempt.what),
            fine: attempt.stopped_by.is_some(),
            found: match &attempt.stopped_by {
                Some(cause) => format!("stopped ({cause})"),
                None => "IT GOT OUT".into(),
            },
        }));
        checks
    }
}

/// What the running appliance says after trying from the inside; `None` where none runs.
fn ask_running(config: &Config) -> Option<Confinement> {
    let mut stream = UnixStream::connect(config.paths.data.join("control.sock")).ok()?;
    let mut request = serde_json::to_vec(&Task::Confinement(Json::default())).ok()?;
    request.push(b'\n');
    stream.write_all(&request).ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok()?;
    match serde_json::from_str(&answer).ok()? {
        super::control::Said::Line(report) => serde_json::from_str(&report).ok(),
        super::control::Said::Progress { .. }
        | super::control::Said::Ended(_)
        | super::control::Said::Failed(_) => None,
    }
}

/// Done inside the running appliance.
pub async fn report_from_inside(app: &AppState, say: &Saying) -> anyhow::Result<u8> {
    let report = Confinement {
        of: "the running appliance".into(),
        in_force: app.isolation.clone(),
        attempts: attempt_all(None),
    };
    line(say, serde_json::to_string(&report)?).await;
    Ok(0)
}

fn machine_checks(config: &Config) -> Vec<Check> {
    let mut checks = vec![check(
        "the program that reads files",
        crate::app::reader_program(),
    )];
    let active = match Active::of(config) {
        Ok(active) => active,
        Err(cause) => {
            checks.push(check("which models are in use", Err(cause)));
            return checks;
        }
    };
    for name in [&active.embedder, &active.generator] {
        if !name.is_empty() {
            let folder = config.paths.models.join(name);
            let verified = ModelManifest::read(&folder)
                .and_then(|manifest| manifest.verify(&folder).map(|()| manifest));
            let found = verified.map(|manifest| manifest.name);
            checks.push(check(
                &format!("the model {name}"),
                found.map(std::path::PathBuf::from),
            ));
        }
    }
    checks
}

fn check(what: &str, found: Result<std::path::PathBuf, impl std::fmt::Display>) -> Check {
    match found {
        Ok(found) => Check {
            what: what.into(),
            fine: true,
            found: found.display().to_string(),
        },
        Err(cause) => Check {
            what: what.into(),
            fine: false,
            found: format!("{cause:#}"),
        },
    }
}
