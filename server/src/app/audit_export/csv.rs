//! Comma-separated values (RFC 4180) that a spreadsheet does not run as formulas (OWASP, "CSV Injection").

use cloister_audit::Entry;

const COLUMNS: [&str; 8] = [
    "number", "time", "kind", "outcome", "person", "origin", "request", "details",
];

pub(super) fn header() -> String {
    row(COLUMNS.map(str::to_owned))
}

pub(super) fn line(entry: &Entry) -> String {
    row([
        entry.seq.to_string(),
        entry.at.to_string(),
        entry.kind.as_str().to_owned(),
        entry.outcome.as_str().to_owned(),
        entry.actor.name.clone(),
        entry.origin.clone(),
        entry.request.clone().unwrap_or_default(),
        entry.detail.to_string(),
    ])
}

fn row(cells: [String; COLUMNS.len()]) -> String {
    cells.map(|cell| quote(&cell)).join(",")
}

fn quote(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let prefix = if is_formula { "'" } else { "" };
    format!("\"{prefix}{}\"", cell.replace('"', "\"\""))
}
