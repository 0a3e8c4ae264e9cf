//! `cloister doctor`: shows what confines the appliance, and tries to break out.

use crate::app::AppState;
use crate::cli::arguments::{OutputFormat, Task};
use crate::cli::console;
use crate::cli::control_socket::query_appliance;
use crate::cli::output::OutputSink;
use crate::private_files::check_data_folder;
use crate::sandbox::selftest::{Attempt, Target, attempt_all};
use crate::sandbox::{self, SandboxStatus};
use crate::tls::{self, CertificateSource};
use cloister_config::{Config, ModelSelection, SystemClock, components};
use cloister_domain::Clock;
use cloister_inference::ModelManifest;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// What a confined process reports about itself.
#[derive(Debug, Serialize, Deserialize)]
struct ConfinementReport {
    subject: String,
    status: SandboxStatus,
    attempts: Vec<Attempt>,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    what: String,
    ok: bool,
    found: String,
}

impl Check {
    fn from_result(what: &str, result: Result<String, impl std::fmt::Display>) -> Self {
        let (ok, found) = match result {
            Ok(found) => (true, found),
            Err(cause) => (false, format!("{cause:#}")),
        };
        Self {
            what: what.to_owned(),
            ok,
            found,
        }
    }
}

/// Runs all checks and prints them.
pub fn run(config: &Config, format: OutputFormat) -> anyhow::Result<ExitCode> {
    let mut checks = installation_checks(config);
    let running = report_of_running_appliance(config);
    let target = Target::open()?;
    let confined = sandbox::confine(config)?;
    let here = ConfinementReport {
        subject: "a process confined like the appliance".into(),
        status: confined.status,
        attempts: attempt_all(Some(&target)),
    };
    for report in running.iter().chain([&here]) {
        checks.extend(report.checks());
    }
    let all_ok = checks.iter().all(|check| check.ok);
    if format.json {
        let report = serde_json::json!({ "ok": all_ok, "checks": checks });
        console::line(&report.to_string());
    } else {
        print_checks(&checks);
        if running.is_none() {
            console::line("note  no appliance is running on this data folder");
        }
    }
    Ok(ExitCode::from(u8::from(!all_ok)))
}

fn print_checks(checks: &[Check]) {
    for check in checks {
        let mark = if check.ok { "ok  " } else { "FAIL" };
        console::line(&format!("{mark}  {}: {}", check.what, check.found));
    }
}

impl ConfinementReport {
    fn checks(&self) -> Vec<Check> {
        let subject = &self.subject;
        let mut checks = Vec::new();
        for (name, enforced) in [
            ("Landlock", &self.status.landlock),
            ("seccomp", &self.status.seccomp),
        ] {
            checks.push(Check {
                what: format!("{subject}, {name}"),
                ok: !enforced.starts_with("off"),
                found: enforced.clone(),
            });
        }
        for attempt in &self.attempts {
            checks.push(Check {
                what: format!("{subject} tries to {}", attempt.what),
                ok: attempt.stopped_by.is_some(),
                found: match &attempt.stopped_by {
                    Some(cause) => format!("stopped ({cause})"),
                    None => "IT SUCCEEDED".into(),
                },
            });
        }
        checks
    }
}

/// The report of the running appliance. `None` if none is running.
fn report_of_running_appliance(config: &Config) -> Option<ConfinementReport> {
    let report = query_appliance(config, &Task::Confinement(OutputFormat::default()))?;
    serde_json::from_str(&report).ok()
}

/// Tries to break out of the running appliance, and reports.
pub async fn report_from_inside(app: &AppState, output: &OutputSink) -> anyhow::Result<u8> {
    let report = ConfinementReport {
        subject: "the running appliance".into(),
        status: app.sandbox.clone(),
        attempts: attempt_all(None),
    };
    output.line(serde_json::to_string(&report)?).await;
    Ok(0)
}

/// Checks the files, the programs and the models.
fn installation_checks(config: &Config) -> Vec<Check> {
    let program = components::reader_program().map(|path| path.display().to_string());
    let mut checks = vec![
        Check::from_result("the data folder", check_data_folder(&config.paths.data)),
        Check::from_result("the certificate of the server", check_certificate(config)),
        Check::from_result("the file reader", program),
        Check::from_result("outbound connections", describe_egress(config)),
    ];
    let selection = match ModelSelection::load(config) {
        Ok(selection) => selection,
        Err(cause) => {
            checks.push(Check::from_result("the active models", Err(cause)));
            return checks;
        }
    };
    for name in [&selection.embedder, &selection.generator] {
        if !name.is_empty() {
            let verified = verify_model(config, name);
            checks.push(Check::from_result(&format!("the model {name}"), verified));
        }
    }
    checks
}

/// The outbound connections that the site allows.
fn describe_egress(config: &Config) -> anyhow::Result<String> {
    let egress = components::load_egress(config)?;
    let enabled: Vec<String> = egress.enabled().map(ToString::to_string).collect();
    if enabled.is_empty() {
        return Ok("none are allowed".into());
    }
    Ok(format!("allowed: {}", enabled.join("; ")))
}

/// Until when the certificate is valid. Fails if it expires soon or cannot be loaded.
fn check_certificate(config: &Config) -> anyhow::Result<String> {
    let now = SystemClock.now();
    let loaded = tls::load(&CertificateSource::from_config(config)?.ensure(now)?)?;
    let state = tls::describe_expiry(loaded.expires_at, now);
    anyhow::ensure!(!tls::expires_soon(loaded.expires_at, now), "{state}");
    Ok(state)
}

/// The name of a model whose files match its manifest.
fn verify_model(config: &Config, folder: &str) -> anyhow::Result<String> {
    let folder = config.paths.models.join(folder);
    let manifest = ModelManifest::load(&folder)?;
    manifest.verify(&folder)?;
    Ok(manifest.name)
}
