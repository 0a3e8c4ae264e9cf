//! Detecting personal data, and masking it for some roles: tables of texts and decisions.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_domain::Role;
use cloister_policies::redaction::{PersonalDataKind, Redaction, mask_spans};

fn rules(text: &str) -> Redaction {
    Redaction::parse(text).unwrap()
}

/// Everything detected in a text, with its mask.
fn shown(text: &str) -> String {
    let rules = rules(
        r#"
        records = ["MRN-######", "@@##/####"]
        names = ["Ana Müller", "Ana"]
        "#,
    );
    mask_spans(text, &rules.find(text))
}

#[test]
fn numbers_with_a_valid_checksum_are_masked() {
    for (text, expected) in [
        ("Pay with 4111111111111111.", "Pay with [card number]."),
        ("4111 1111 1111 1111, soon", "[card number], soon"),
        ("3782-822463-10005", "[card number]"),
        ("4111111111111112", "4111111111111112"),
        ("x4111111111111111", "x4111111111111111"),
        ("4111 1111-1111 1111", "4111 1111-1111 1111"),
        ("to GB82WEST12345698765432!", "to [account number]!"),
        (
            "to gb82 west 1234 5698 7654 32 now",
            "to [account number] now",
        ),
        ("GB83WEST12345698765432", "GB83WEST12345698765432"),
        ("SSN 125-17-4954", "SSN [social security number]"),
        (
            "666-17-4954 and 2270-66-1551",
            "666-17-4954 and 2270-66-1551",
        ),
        ("943 476 5919", "[NHS number]"),
        ("NHS number: 9434765919", "NHS number: [NHS number]"),
        ("call 9434765919", "call 9434765919"),
        ("943 476 5918", "943 476 5918"),
        (
            "MRN-123456, not MRN-1234567",
            "[record number], not MRN-1234567",
        ),
        ("é AB12/3456", "é [record number]"),
        (
            "Ana Müller and Ana met Anastasia",
            "[name] and [name] met Anastasia",
        ),
        ("", ""),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn other_numbers_are_not_masked() {
    for text in [
        "Call +41 (0)96 471 07 95 or 03.93.92.16.85.",
        "On 2003-08-28 12:13:52 there were 1,234,567 of them.",
        "41.173.96.26 and 6e40:4041:c617:e898:c11:40d2:c669:2eb4",
        "Give 5 mg every 12 hours; order 630 of 1977-04-13.",
    ] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn a_kind_is_masked_if_a_rule_lists_it_and_exempts_none_of_the_roles() {
    let rules = rules(
        r#"
        [[rule]]
        kinds = ["card"]
        collections = ["*"]

        [[rule]]
        kinds = ["nhs", "ssn"]
        collections = ["ward"]
        except = ["compliance-officer"]
        "#,
    );
    for (kind, collection, roles, expected) in [
        (PersonalDataKind::Card, "ward", &[Role::Staff][..], true),
        (
            PersonalDataKind::Card,
            "board",
            &[Role::ComplianceOfficer],
            true,
        ),
        (PersonalDataKind::Card, "board", &[], true),
        (PersonalDataKind::Nhs, "ward", &[Role::Staff], true),
        (
            PersonalDataKind::Nhs,
            "ward",
            &[Role::Staff, Role::ComplianceOfficer],
            false,
        ),
        (PersonalDataKind::Nhs, "board", &[Role::Staff], false),
        (PersonalDataKind::Iban, "ward", &[Role::Staff], false),
    ] {
        assert_eq!(
            rules.masks(kind, collection, roles),
            expected,
            "{kind:?} {collection} {roles:?}"
        );
    }
    let text = "4111111111111111, 943 476 5919";
    let spans = rules.spans_to_mask(text, "ward", &[Role::ComplianceOfficer]);
    assert_eq!(mask_spans(text, &spans), "[card number], 943 476 5919");
}

#[test]
fn rules_with_unknown_names_are_refused() {
    for (text, name) in [
        ("patterns = []", "patterns"),
        ("records = [\"###\"]", "###"),
        ("records = [\"-####\"]", "begins with a sign"),
        (
            "[[rule]]\nkinds = [\"shoe-size\"]\ncollections = []",
            "shoe-size",
        ),
        (
            "[[rule]]\nkinds = []\ncollections = []\nexcept = [\"king\"]",
            "king",
        ),
    ] {
        let error = Redaction::parse(text).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    let default = Redaction::load_default().unwrap();
    assert!(default.masks(PersonalDataKind::Card, "any", &[Role::Administrator]));
    assert!(!default.masks(PersonalDataKind::Name, "any", &[Role::Staff]));
}
