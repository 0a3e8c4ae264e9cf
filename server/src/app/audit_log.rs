//! Opens the audit log. The database remembers its last checkpoint and its key, so that the log cannot
//! be replaced by somebody who can write its folder alone.

use super::{App, anchor_folder};
use anyhow::Context;
use cloister_audit::{Anchor, AuditLog, Event, EventKind};
use cloister_config::{Config, SystemClock, SystemEntropy};
use cloister_domain::{Clock, Entropy};
use cloister_store::Store;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the checkpoint is remembered.
const INTERVAL: Duration = Duration::from_mins(1);

/// How often the clock is compared with the time that has passed, and the largest difference that is not logged.
const CLOCK_INTERVAL: Duration = Duration::from_secs(30);
const CLOCK_TOLERANCE: Duration = Duration::from_secs(2);

/// The folder of the log.
pub fn folder(config: &Config) -> PathBuf {
    config.paths.data.join("audit")
}

/// Opens the log, and remembers its state.
pub async fn open(
    config: &Config,
    store: &Store,
    clock: Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> anyhow::Result<AuditLog> {
    let anchors = anchors(config, store).await?;
    let name = origin(config);
    let log = AuditLog::open_anchored(&folder(config), &name, &anchors, clock, entropy)?;
    remember(&log, store).await?;
    Ok(log)
}

/// Goes on with a log that does not open. Returns what was wrong with it.
pub async fn recover(config: &Config, reason: &str) -> anyhow::Result<String> {
    let store = Store::open(&config.paths.data).await?;
    let anchors = anchors(config, &store).await?;
    let (folder, name) = (folder(config), origin(config));
    let (clock, entropy) = (Arc::new(SystemClock), SystemEntropy);
    let finding = AuditLog::recover(&folder, &name, &anchors, reason, clock.clone(), &entropy)?;
    let log = AuditLog::open(&folder, &name, clock, &entropy)?;
    remember(&log, &store).await?;
    Ok(finding)
}

/// What the database and the folder of checkpoints remember.
async fn anchors(config: &Config, store: &Store) -> anyhow::Result<Vec<Anchor>> {
    let mut anchors = anchor_folder::read(&config.audit.anchor_folder)?;
    anchors.extend(remembered(store).await?);
    Ok(anchors)
}

async fn remembered(store: &Store) -> anyhow::Result<Option<Anchor>> {
    let anchor = store.audit_anchor().await?;
    anchor
        .map(|json| serde_json::from_str(&json))
        .transpose()
        .context("the database remembers the audit log in a form that this version cannot read")
}

async fn remember(log: &AuditLog, store: &Store) -> anyhow::Result<()> {
    let anchor = serde_json::to_string(&log.anchor()?)?;
    Ok(store.remember_audit_anchor(&anchor).await?)
}

/// The name of the log in its checkpoints.
fn origin(config: &Config) -> String {
    let name = config.server.names.first();
    format!(
        "{}/cloister/audit",
        name.map_or("localhost", String::as_str)
    )
}

impl App {
    /// Remembers the checkpoint of the audit log until the appliance stops.
    pub async fn remember_audit_log_periodically(self: Arc<Self>) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.remember_audit_log().await;
        }
    }

    /// Logs each step of the clock, until the appliance stops: a difference between the time of day and the time
    /// that has passed.
    pub async fn watch_clock(self: Arc<Self>) {
        let (mut before, mut started) = (self.clock.now(), Instant::now());
        loop {
            tokio::time::sleep(CLOCK_INTERVAL).await;
            let now = self.clock.now();
            let expected = before.plus(started.elapsed());
            if now.since(expected).max(expected.since(now)) > CLOCK_TOLERANCE {
                let detail = json!({ "clock": now, "expected": expected });
                let event = Event::by_appliance(EventKind::ClockStepped, detail);
                if let Err(cause) = self.audit.append(event).await {
                    tracing::error!("the audit log was not written: {cause}");
                }
            }
            (before, started) = (now, Instant::now());
        }
    }

    /// Remembers the checkpoint of the audit log.
    pub async fn remember_audit_log(&self) {
        if let Err(cause) = remember(&self.audit, &self.store).await {
            tracing::warn!("could not remember the checkpoint of the audit log: {cause}");
        }
    }
}
