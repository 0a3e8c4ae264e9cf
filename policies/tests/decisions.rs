//! Checks every row of the decision table.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use cloister_domain::{CollectionId, GroupId, Principal, Role, UserId};
use cloister_policies::{AuthorizationRequest, GrantedCollection, Policies};
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    row: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    because: String,
    roles: Vec<Role>,
    groups: Vec<i64>,
    action: String,
    resource: String,
    allowed: bool,
    policy: Option<String>,
}

const CARDIOLOGY_READERS: [GroupId; 2] = [GroupId(1), GroupId(2)];

fn table() -> Vec<Row> {
    toml::from_str::<Table>(include_str!("../decisions.toml"))
        .unwrap()
        .row
}

fn question(row: &Row) -> AuthorizationRequest<'static> {
    match (row.action.as_str(), row.resource.as_str()) {
        ("read", "cardiology") => AuthorizationRequest::Read(GrantedCollection {
            collection: CollectionId(1),
            readers: &CARDIOLOGY_READERS,
        }),
        ("read", "board") => AuthorizationRequest::Read(GrantedCollection {
            collection: CollectionId(2),
            readers: &[],
        }),
        ("administer", "appliance") => AuthorizationRequest::Administer,
        ("review", "audit-log") => AuthorizationRequest::Review,
        other => panic!("no such question: {other:?}"),
    }
}

#[test]
fn every_row_is_decided_as_expected() {
    let policies = Policies::load().unwrap();
    for row in table() {
        let principal = Principal {
            user: UserId(7),
            name: "ada".into(),
            roles: row.roles.clone(),
            groups: row.groups.iter().copied().map(GroupId).collect(),
        };
        let decision = policies.decide(&principal, &question(&row)).unwrap();
        assert_eq!(decision.allowed, row.allowed, "{}", row.because);
        assert_eq!(
            decision.policies,
            Vec::from_iter(row.policy),
            "{}",
            row.because
        );
    }
}

#[test]
fn every_policy_has_a_row_that_it_allows() {
    let rules = include_str!("../cloister.cedar");
    let named = rules
        .lines()
        .filter_map(|line| line.strip_prefix("@id(\"")?.strip_suffix("\")"));
    let table = table();
    for rule in named {
        assert!(
            table.iter().any(|row| row.policy.as_deref() == Some(rule)),
            "no row for {rule}"
        );
    }
}
