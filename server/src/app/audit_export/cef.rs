//! `ArcSight` Common Event Format, version 0, which log collectors read.

use cloister_audit::{Entry, Outcome};
use std::net::IpAddr;

pub(super) fn line(entry: &Entry) -> String {
    let kind = header_field(entry.kind.as_str());
    let mut line = format!(
        "CEF:0|Cloister|Cloister|{}|{kind}|{kind}|{}|externalId={} rt={} outcome={}",
        env!("CARGO_PKG_VERSION"),
        severity(entry.outcome),
        entry.seq,
        entry.at.as_millis(),
        entry.outcome.as_str(),
    );
    let mut add = |key: &str, value: &str| {
        line.extend([" ", key, "=", &extension_value(value)]);
    };
    if let Some(user) = entry.actor.user {
        add("suid", &user.to_string());
    }
    add("suser", &entry.actor.name);
    // `src` takes an address only.
    if entry.origin.parse::<IpAddr>().is_ok() {
        add("src", &entry.origin);
    } else {
        add("cs2Label", "origin");
        add("cs2", &entry.origin);
    }
    if let Some(request) = &entry.request {
        add("cs1Label", "request");
        add("cs1", request);
    }
    add("msg", &entry.detail.to_string());
    line
}

/// From 0 to 10.
fn severity(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Started | Outcome::Success => 3,
        Outcome::Failure => 6,
        Outcome::Denied => 7,
    }
}

fn header_field(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|")
}

fn extension_value(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('=', "\\=")
        .replace('\r', "\\r")
        .replace('\n', "\\n")
}
