//! The connector and a real directory: `slapd` of `OpenLDAP` on the loopback interface.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod site;

use cloister_directory::{Answer, DirectoryClient, DirectorySecurity, Inquiry, StartedConnector};
use site::{Site, group};
use std::path::Path;

async fn connect(site: &Site, security: DirectorySecurity) -> DirectoryClient {
    let program = Path::new(env!("CARGO_BIN_EXE_cloister-connector"));
    let started = StartedConnector::start(program).unwrap();
    started.connect(&site.settings(security)).await.unwrap()
}

async fn sign_in(client: &DirectoryClient, name: &str, password: &str) -> Answer {
    let (name, password) = (name.to_owned(), password.to_owned());
    client
        .ask(Inquiry::SignIn { name, password })
        .await
        .unwrap()
}

#[tokio::test]
async fn people_sign_in_with_their_password_and_nested_groups() {
    let Some(site) = Site::start() else { return };
    for security in [DirectorySecurity::Ldaps, DirectorySecurity::Starttls] {
        let client = connect(&site, security).await;
        let Answer::Person(sam) = sign_in(&client, "sam", "sams password").await else {
            panic!("sam could not sign in over {security:?}");
        };
        assert_eq!(sam.name, "sam");
        assert_eq!(sam.groups, [group("ward nurses")], "through `night shift`");
        let again = client.ask(Inquiry::Lookup {
            key: sam.key.clone(),
        });
        assert_eq!(again.await.unwrap(), Answer::Person(sam));
        let Answer::Person(mixed) = sign_in(&client, "SAM", "sams password").await else {
            panic!("the directory compares names without case");
        };
        assert_eq!(mixed.name, "sam");
        let Answer::Person(bob) = sign_in(&client, "bob", "bobs password").await else {
            panic!("bob could not sign in");
        };
        assert!(bob.groups.is_empty(), "{:?}", bob.groups);
    }
}

#[tokio::test]
async fn wrong_empty_and_foreign_passwords_are_refused() {
    let Some(site) = Site::start() else { return };
    let client = connect(&site, DirectorySecurity::Ldaps).await;
    for password in ["", " ", "bobs password", "sams password "] {
        let refused = sign_in(&client, "sam", password).await;
        assert_eq!(refused, Answer::WrongPassword, "{password:?}");
    }
    let disabled = sign_in(&client, "dora", "doras password").await;
    assert_eq!(disabled, Answer::Disabled);
}

#[tokio::test]
async fn a_name_cannot_change_the_filter() {
    let Some(site) = Site::start() else { return };
    let client = connect(&site, DirectorySecurity::Ldaps).await;
    for name in [
        "*",
        "s*m",
        "sam)(uid=*",
        "sam)(|(uid=*",
        "nobody)(uid=sam",
        "sam\0",
        "\\73am",
        "",
    ] {
        let refused = sign_in(&client, name, "sams password").await;
        assert!(
            matches!(refused, Answer::Unknown | Answer::Unavailable(_)),
            "{name:?}: {refused:?}"
        );
    }
    let long = "s".repeat(300);
    let refused = sign_in(&client, &long, "sams password").await;
    assert_eq!(refused, Answer::WrongPassword);
    let twins = sign_in(&client, "twin", "twins password").await;
    assert_eq!(twins, Answer::Unknown, "two people have this name");
    let unknown = client.ask(Inquiry::Lookup { key: "*".into() });
    assert!(!matches!(unknown.await.unwrap(), Answer::Person(_)));
}

#[tokio::test]
async fn an_unknown_authority_or_another_host_is_refused() {
    let Some(site) = Site::start() else { return };
    let program = Path::new(env!("CARGO_BIN_EXE_cloister-connector"));
    let mut foreign = site.settings(DirectorySecurity::Ldaps);
    foreign.authorities = site::authority().pem;
    let mut other_name = site.settings(DirectorySecurity::Starttls);
    // The certificate is for `localhost` and not for the address.
    other_name.host = "127.0.0.1".into();
    for settings in [foreign, other_name] {
        let started = StartedConnector::start(program).unwrap();
        let client = started.connect(&settings).await.unwrap();
        let refused = sign_in(&client, "sam", "sams password").await;
        assert!(matches!(refused, Answer::Unavailable(_)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_directory_that_stops_is_unavailable_and_comes_back() {
    let Some(mut site) = Site::start() else {
        return;
    };
    let client = connect(&site, DirectorySecurity::Ldaps).await;
    site.stop();
    let refused = sign_in(&client, "sam", "sams password").await;
    assert!(matches!(refused, Answer::Unavailable(_)), "{refused:?}");
    site.run();
    let answer = sign_in(&client, "sam", "sams password").await;
    assert!(matches!(answer, Answer::Person(_)), "{answer:?}");
}

#[tokio::test]
async fn the_connector_reaches_nothing_else() {
    let Some(site) = Site::start() else { return };
    let client = connect(&site, DirectorySecurity::Ldaps).await;
    let name = Some("sam".to_owned());
    let Answer::Checked(steps) = client.ask(Inquiry::Check { name }).await.unwrap() else {
        panic!("a check has steps");
    };
    let failed: Vec<_> = steps.iter().filter(|step| step.advice.is_some()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let confinement = steps
        .iter()
        .filter(|step| step.what.starts_with("confinement"));
    assert_eq!(confinement.count(), 5);
    let sam = steps.last().unwrap();
    assert!(
        sam.found.as_deref().unwrap().contains("ward nurses"),
        "{sam:?}"
    );

    // The kernel says the same of the process.
    let status = std::fs::read_to_string(format!("/proc/{}/status", client.process_id())).unwrap();
    assert!(status.contains("Seccomp:\t2"), "{status}");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
}

#[tokio::test]
async fn a_check_says_what_to_do() {
    let Some(site) = Site::start() else { return };
    let mut settings = site.settings(DirectorySecurity::Ldaps);
    settings.bind_password = "wrong".into();
    let program = Path::new(env!("CARGO_BIN_EXE_cloister-connector"));
    let started = StartedConnector::start(program).unwrap();
    let client = started.connect(&settings).await.unwrap();
    let Answer::Checked(steps) = client.ask(Inquiry::Check { name: None }).await.unwrap() else {
        panic!("a check has steps");
    };
    let last = steps.last().unwrap();
    assert_eq!(last.what, "sign in to search");
    assert!(
        last.advice
            .as_deref()
            .unwrap()
            .contains("directory.bind_password"),
        "{last:?}"
    );
}

#[tokio::test]
async fn what_is_no_host_or_no_authority_does_not_start() {
    let Some(site) = Site::start() else { return };
    let program = Path::new(env!("CARGO_BIN_EXE_cloister-connector"));
    let mut nowhere = site.settings(DirectorySecurity::Ldaps);
    nowhere.host = "directory.invalid".into();
    let mut without = site.settings(DirectorySecurity::Ldaps);
    without.authorities = String::new();
    for settings in [nowhere, without] {
        let started = StartedConnector::start(program).unwrap();
        assert!(started.connect(&settings).await.is_err());
    }
}
