//! HL7 FHIR R4 `AuditEvent`, with the codes of DICOM that IHE uses (Basic Audit Log Patterns).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cloister_audit::{Entry, EventKind, Outcome};
use serde_json::{Value, json};
use std::net::IpAddr;

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";

pub(super) fn audit_event(entry: &Entry) -> Value {
    let category = category(entry.kind);
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": format!("entry-{}", entry.seq),
        "type": coding(category.code, category.display),
        "subtype": [{
            "system": "urn:cloister:audit-event-kind",
            "code": entry.kind.as_str(),
        }],
        "action": category.action,
        "recorded": entry.at,
        "outcome": outcome_code(entry.outcome),
        "outcomeDesc": entry.outcome.as_str(),
        "agent": [agent(entry)],
        "source": { "observer": { "display": "Cloister" } },
        "entity": [{
            "what": { "display": entry.kind.as_str() },
            "type": coding_of("http://terminology.hl7.org/CodeSystem/audit-entity-type", "2"),
            // The details are JSON, and `query` is where FHIR has the details of a request.
            "query": BASE64.encode(entry.detail.to_string()),
        }],
    });
    if let Some(request) = &entry.request {
        event["entity"][0]["what"]["identifier"] = json!({ "value": request });
    }
    event
}

fn agent(entry: &Entry) -> Value {
    let mut agent = json!({
        "who": { "display": entry.actor.name },
        "requestor": entry.actor.user.is_some(),
    });
    if let Some(user) = entry.actor.user {
        agent["who"]["identifier"] = json!({ "value": user.to_string() });
    }
    if entry.origin.parse::<IpAddr>().is_ok() {
        // 2: an IP address.
        agent["network"] = json!({ "address": entry.origin, "type": "2" });
    }
    agent
}

fn outcome_code(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Started | Outcome::Success => "0",
        Outcome::Failure => "4",
        Outcome::Denied => "8",
    }
}

/// What DICOM calls a group of kinds, and the action: C, R, U, D or E.
struct Category {
    code: &'static str,
    display: &'static str,
    action: &'static str,
}

const fn of(code: &'static str, display: &'static str, action: &'static str) -> Category {
    Category {
        code,
        display,
        action,
    }
}

fn category(kind: EventKind) -> Category {
    let name = kind.as_str();
    match (name.split_once('.').map(|(group, _)| group), kind) {
        (_, EventKind::AuditExported | EventKind::CheckpointTaken) => of("110106", "Export", "R"),
        (_, EventKind::DocumentPublished | EventKind::DocumentUploaded) => {
            of("110107", "Import", "C")
        }
        (_, EventKind::AccessDenied) => of("110113", "Security Alert", "E"),
        (_, EventKind::PageOpened) => of("110112", "Query", "R"),
        (Some("question" | "search" | "answer" | "conversation"), _) => of("110112", "Query", "E"),
        (Some("auth"), _) => of("110114", "User Authentication", "E"),
        (Some("user" | "group" | "access" | "token"), _) => {
            of("110137", "User Security Attributes Changed", "U")
        }
        (Some("audit"), _) => of("110101", "Audit Log Used", "R"),
        _ => of("110100", "Application Activity", "E"),
    }
}

fn coding(code: &str, display: &str) -> Value {
    json!({ "system": DICOM, "code": code, "display": display })
}

fn coding_of(system: &str, code: &str) -> Value {
    json!({ "system": system, "code": code })
}
