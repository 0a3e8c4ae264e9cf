//! Checks every row of the decision table.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use cloister_domain::{CollectionId, GroupId, Principal, Role, UserId};
use cloister_policies::{
    AuthorizationRequest, CredentialReset, GrantedCollection, Policies, RoleChange,
};
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
    /// The present and the new roles of the person whose account is changed.
    #[serde(default)]
    account: Vec<Role>,
    #[serde(default)]
    new: Vec<Role>,
    #[serde(default)]
    administrators: u64,
    #[serde(default)]
    activated: bool,
    requester: Option<i64>,
    allowed: bool,
    policy: Option<String>,
}

const CARDIOLOGY_READERS: [GroupId; 2] = [GroupId(1), GroupId(2)];

fn table() -> Vec<Row> {
    toml::from_str::<Table>(include_str!("../decisions.toml"))
        .unwrap()
        .row
}

fn person(id: i64, roles: &[Role], groups: &[i64]) -> Principal {
    Principal {
        user: UserId(id),
        name: "ada".into(),
        roles: roles.to_vec(),
        groups: groups.iter().copied().map(GroupId).collect(),
    }
}

/// The person whose account is changed.
fn account(row: &Row) -> Principal {
    match row.resource.as_str() {
        "themselves" => person(7, &row.account, &row.groups),
        _ => person(9, &row.account, &[3]),
    }
}

fn question<'a>(row: &'a Row, account: &'a Principal) -> AuthorizationRequest<'a> {
    let requester = row.requester.map(UserId);
    match (row.action.as_str(), row.resource.as_str()) {
        ("read", "cardiology") => AuthorizationRequest::Read(GrantedCollection {
            collection: CollectionId(1),
            readers: &CARDIOLOGY_READERS,
        }),
        ("read", "board") => AuthorizationRequest::Read(GrantedCollection {
            collection: CollectionId(2),
            readers: &[],
        }),
        ("hold-roles", "appliance") => AuthorizationRequest::HoldRoles,
        ("change-state", _) => AuthorizationRequest::ChangeState(account),
        ("reset-credentials", _) => {
            let activated = row.activated;
            AuthorizationRequest::ResetCredentials(CredentialReset {
                account,
                activated,
                requester,
            })
        }
        ("change-roles", _) => AuthorizationRequest::ChangeRoles(RoleChange {
            account,
            roles: &row.new,
            administrators: row.administrators,
            requester,
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
        let principal = person(7, &row.roles, &row.groups);
        let account = account(&row);
        let request = question(&row, &account);
        let decision = policies.decide(&principal, &request).unwrap();
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
fn every_policy_has_a_row_that_it_decides() {
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
