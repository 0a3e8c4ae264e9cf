//! Activation links, second factors, API tokens, sessions, and changes that two administrators make.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloister_domain::{Role, SessionId, Timestamp, TokenScope, UserId};
use cloister_store::{
    AccountChange, AddedKey, ApiToken, KeyUse, NewApiToken, NewSecurityKey, NewUser, Session,
    Store, StoreError, User,
};

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

struct Site {
    store: Store,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            store: Store::open(folder.path()).await.unwrap(),
            _folder: folder,
        }
    }

    async fn add(&self, name: &str, roles: &[Role]) -> UserId {
        let new = NewUser {
            name: name.into(),
            password_hash: String::new(),
            roles: roles.to_vec(),
        };
        self.store.add_user(&new, at(0)).await.unwrap()
    }

    async fn user(&self, id: UserId) -> User {
        self.store.user(id).await.unwrap().unwrap()
    }

    async fn start_session(&self, user: UserId, id: &str) {
        let session = Session {
            id: SessionId(id.into()),
            user,
            created_at: at(0),
            last_seen_at: at(0),
            expires_at: at(1000),
            authenticated_at: at(0),
            address: "10.0.0.1".into(),
            device: "Firefox on Linux".into(),
        };
        self.store
            .start_session(&session, None, None)
            .await
            .unwrap();
    }

    async fn session_ids(&self, user: UserId) -> Vec<String> {
        let sessions = self.store.sessions_of(user, at(1)).await.unwrap();
        sessions.into_iter().map(|session| session.id.0).collect()
    }

    async fn add_token(&self, user: UserId, hash: &str) -> Option<cloister_domain::TokenId> {
        let new = NewApiToken {
            user,
            hash: hash.into(),
            name: "nightly".into(),
            scopes: vec![TokenScope::Ask, TokenScope::Documents],
            expires_at: at(100),
        };
        self.store.add_api_token(&new, at(1)).await.unwrap()
    }

    async fn token(&self, hash: &str, now: i64) -> Option<ApiToken> {
        self.store.api_token(hash, at(now)).await.unwrap()
    }
}

#[tokio::test]
async fn an_activation_link_sets_a_password_once() {
    let site = Site::open().await;
    let store = &site.store;
    let sam = site.add("sam", &[Role::Staff]).await;
    assert!(!site.user(sam).await.has_password);
    let replace = |id, expires| store.replace_activation_link(sam, id, at(0), at(expires));
    let activate = |link, now| store.activate(link, sam, "hash", at(now));

    replace("first", 100).await.unwrap();
    replace("second", 100).await.unwrap();
    assert!(
        store
            .invited_person("first", at(1))
            .await
            .unwrap()
            .is_none()
    );
    let invited = store
        .invited_person("second", at(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((invited.user, invited.name.as_str()), (sam, "sam"));
    assert!(!activate("first", 1).await.unwrap(), "it was replaced");
    assert!(!activate("second", 100).await.unwrap(), "it has expired");

    site.start_session(sam, "before").await;
    site.add_token(sam, "token").await.unwrap();
    assert!(activate("second", 1).await.unwrap());
    assert!(!activate("second", 1).await.unwrap(), "it was used");
    assert!(site.user(sam).await.has_password);
    assert!(site.session_ids(sam).await.is_empty());
    assert!(site.token("token", 2).await.is_none());

    replace("third", 100).await.unwrap();
    assert!(store.revoke_activation_link(sam).await.unwrap());
    assert!(!store.revoke_activation_link(sam).await.unwrap());
    assert!(!activate("third", 1).await.unwrap(), "it was revoked");
    replace("fourth", 100).await.unwrap();
    store.change_user(sam, &[Role::Staff], true).await.unwrap();
    assert!(!activate("fourth", 1).await.unwrap(), "sam is disabled");
    assert!(
        store
            .invited_person("fourth", at(1))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_the_link() {
    let site = Site::open().await;
    let store = &site.store;
    let (sam, eve) = (
        site.add("sam", &[Role::Staff]).await,
        site.add("eve", &[Role::Staff]).await,
    );
    for id in ["a", "b", "c"] {
        site.start_session(sam, id).await;
    }
    site.start_session(eve, "d").await;
    store
        .replace_activation_link(sam, "link", at(0), at(100))
        .await
        .unwrap();
    let remaining = SessionId("b".into());
    store
        .change_password(sam, "hash", Some(&remaining))
        .await
        .unwrap();
    assert_eq!(site.session_ids(sam).await, ["b"]);
    assert_eq!(site.session_ids(eve).await, ["d"]);
    assert!(store.invited_person("link", at(1)).await.unwrap().is_none());
    let others = store.end_session_of(eve, &remaining).await.unwrap();
    assert!(!others, "a session of another person");
    site.start_session(sam, "e").await;
    store.end_other_sessions(sam, &remaining).await.unwrap();
    assert_eq!(site.session_ids(sam).await, ["b"]);
    assert!(store.end_session_of(sam, &remaining).await.unwrap());
    assert!(site.session_ids(sam).await.is_empty());
}

#[tokio::test]
async fn a_token_is_valid_until_it_expires_or_is_revoked() {
    let site = Site::open().await;
    let store = &site.store;
    let (sam, eve) = (
        site.add("sam", &[Role::Staff]).await,
        site.add("eve", &[Role::Staff]).await,
    );
    let id = site.add_token(sam, "hash").await.unwrap();
    let token = site.token("hash", 99).await.unwrap();
    assert_eq!((token.id, token.user, token.last_used_at), (id, sam, None));
    assert_eq!(token.scopes, [TokenScope::Ask, TokenScope::Documents]);
    assert!(site.token("hash", 100).await.is_none());
    assert!(site.token("other", 1).await.is_none());
    store.touch_api_token(id, at(5)).await.unwrap();
    let listed = store.api_tokens(sam, at(6)).await.unwrap();
    assert_eq!(listed[0].last_used_at, Some(at(5)));
    assert!(store.api_tokens(eve, at(6)).await.unwrap().is_empty());
    assert!(!store.revoke_api_token(eve, id).await.unwrap());
    assert!(store.revoke_api_token(sam, id).await.unwrap());
    assert!(site.token("hash", 7).await.is_none());

    for number in 0..20 {
        assert!(site.add_token(sam, &format!("h{number}")).await.is_some());
    }
    assert!(site.add_token(sam, "one too many").await.is_none());
    store.change_user(sam, &[Role::Staff], true).await.unwrap();
    assert!(site.token("h0", 7).await.is_none(), "sam is disabled");
}

#[tokio::test]
async fn a_code_and_a_recovery_code_are_used_once() {
    let site = Site::open().await;
    let store = &site.store;
    let sam = site.add("sam", &[Role::Staff]).await;
    assert!(store.begin_second_factor(sam, b"one").await.unwrap());
    assert!(store.begin_second_factor(sam, b"two").await.unwrap());
    let factor = store.second_factor(sam).await.unwrap().unwrap();
    assert_eq!(
        (factor.secret.as_slice(), factor.is_confirmed),
        (&b"two"[..], false)
    );
    assert!(!site.user(sam).await.has_second_factor);
    assert!(!store.use_code_of_step(sam, 9).await.unwrap(), "not in use");

    let codes = ["x".to_owned(), "y".to_owned()];
    let confirm = || store.confirm_second_factor(sam, 10, &codes, at(1));
    assert!(confirm().await.unwrap());
    assert!(!confirm().await.unwrap(), "it is in use already");
    assert!(!store.begin_second_factor(sam, b"three").await.unwrap());
    assert!(site.user(sam).await.has_second_factor);

    assert!(
        !store.use_code_of_step(sam, 10).await.unwrap(),
        "the first code"
    );
    let parallel = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.use_code_of_step(sam, 11).await.unwrap() })
    });
    let mut accepted = 0;
    for used in parallel.collect::<Vec<_>>() {
        accepted += u32::from(used.await.unwrap());
    }
    assert_eq!(
        accepted, 1,
        "only one of several requests with the same code"
    );
    assert!(
        !store.use_code_of_step(sam, 10).await.unwrap(),
        "an earlier one"
    );

    assert!(store.use_recovery_code(sam, "x").await.unwrap());
    assert!(!store.use_recovery_code(sam, "x").await.unwrap());
    assert_eq!(store.count_recovery_codes(sam).await.unwrap(), 1);
    store
        .replace_recovery_codes(sam, &["z".to_owned()])
        .await
        .unwrap();
    assert!(!store.use_recovery_code(sam, "y").await.unwrap());
    assert!(store.remove_authenticator_app(sam).await.unwrap());
    assert!(!store.use_recovery_code(sam, "z").await.unwrap());
    assert!(!site.user(sam).await.has_second_factor);
    assert!(!store.remove_authenticator_app(sam).await.unwrap());
}

fn security_key(credential_id: &[u8], name: &str) -> NewSecurityKey {
    NewSecurityKey {
        credential_id: credential_id.to_vec(),
        name: name.into(),
        credential: "{}".into(),
    }
}

#[tokio::test]
async fn security_keys_share_the_recovery_codes_with_the_app() {
    let site = Site::open().await;
    let store = &site.store;
    let sam = site.add("sam", &[Role::Staff]).await;
    let nina = site.add("nina", &[Role::Staff]).await;
    let first = ["x".to_owned(), "y".to_owned()];
    let add = |user, id: &'static [u8], name, codes: &'static [String]| async move {
        let key = security_key(id, name);
        store
            .add_security_key(user, &key, codes, at(1))
            .await
            .unwrap()
    };
    let key = security_key(b"1", "blue");
    let added = store.add_security_key(sam, &key, &first, at(1)).await;
    assert_eq!(added.unwrap(), AddedKey::First);
    assert!(site.user(sam).await.has_second_factor);
    assert_eq!(add(sam, b"2", "red", &[]).await, AddedKey::Further);
    assert_eq!(add(sam, b"3", "red", &[]).await, AddedKey::Refused, "name");
    assert_eq!(add(nina, b"1", "mine", &[]).await, AddedKey::Refused, "key");
    assert!(!site.user(nina).await.has_second_factor);
    assert_eq!(store.count_recovery_codes(sam).await.unwrap(), 2);

    let keys = store.security_keys(sam).await.unwrap();
    let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
    let [blue, red] = ids.try_into().unwrap();
    assert!(!store.remove_security_key(nina, blue).await.unwrap());
    assert!(store.remove_security_key(sam, blue).await.unwrap());
    assert_eq!(store.count_recovery_codes(sam).await.unwrap(), 2);
    assert!(store.remove_security_key(sam, red).await.unwrap());
    assert_eq!(store.count_recovery_codes(sam).await.unwrap(), 0);
    assert!(!site.user(sam).await.has_second_factor);

    assert_eq!(add(sam, b"4", "new", &[]).await, AddedKey::First);
    assert!(store.remove_second_factors(sam).await.unwrap());
    assert!(store.security_keys(sam).await.unwrap().is_empty());
    assert!(!store.remove_second_factors(sam).await.unwrap());
}

#[tokio::test]
async fn a_person_of_the_directory_has_no_password_here() {
    let site = Site::open().await;
    let store = &site.store;
    let local = site.add("ada", &[Role::Staff]).await;
    let new = |name: &str| NewUser {
        name: name.into(),
        password_hash: String::new(),
        roles: vec![Role::Staff],
    };
    let sam = store.add_directory_user(&new("sam"), "key-1", at(1)).await;
    let sam = sam.unwrap();
    let user = site.user(sam).await;
    assert_eq!(user.directory.map(|link| link.checked_at), Some(at(1)));
    assert!(site.user(local).await.directory.is_none());
    let record = store.sign_in_record("sam").await.unwrap().unwrap();
    assert!(record.is_external && record.password_hash.is_empty());
    assert!(
        !store
            .sign_in_record("ada")
            .await
            .unwrap()
            .unwrap()
            .is_external
    );

    let taken = store.add_directory_user(&new("ada"), "key-2", at(1)).await;
    assert!(matches!(taken, Err(StoreError::NameTaken(_))));
    let twice = store
        .add_directory_user(&new("sammy"), "key-1", at(1))
        .await;
    assert!(twice.is_err(), "an entry belongs to one person");
    assert!(store.user_by_name("sammy").await.unwrap().is_none());

    store.confirm_directory_user(sam, at(9)).await.unwrap();
    store.confirm_directory_user(local, at(9)).await.unwrap();
    let found = store.user_by_directory_key("key-1").await.unwrap().unwrap();
    assert_eq!(found.directory.map(|link| link.checked_at), Some(at(9)));
    assert!(site.user(local).await.directory.is_none());
    assert!(
        store
            .user_by_directory_key("key-2")
            .await
            .unwrap()
            .is_none()
    );

    site.start_session(sam, "s").await;
    assert!(site.add_token(sam, "h").await.is_some());
    store.end_directory_access(sam).await.unwrap();
    assert!(
        store
            .session(&SessionId("s".into()))
            .await
            .unwrap()
            .is_none()
    );
    assert!(site.token("h", 1).await.is_none());
}

#[tokio::test]
async fn the_counter_of_a_security_key_only_grows() {
    let site = Site::open().await;
    let store = &site.store;
    let sam = site.add("sam", &[Role::Staff]).await;
    let key = security_key(b"1", "blue");
    store.add_security_key(sam, &key, &[], at(1)).await.unwrap();
    let keys = store.security_keys(sam).await.unwrap();
    let id = keys.first().unwrap().id;
    let use_with = |counter| async move {
        let credential = format!("{{\"counter\":{counter}}}");
        let key_use = KeyUse {
            id,
            credential,
            counter,
        };
        store.use_security_key(sam, &key_use, at(2)).await.unwrap()
    };
    assert!(use_with(0).await, "some keys do not count");
    assert!(use_with(0).await);
    assert!(use_with(5).await);
    for copied in [0, 4, 5] {
        assert!(!use_with(copied).await, "{copied}");
    }
    assert!(use_with(6).await);
    let keys = store.security_keys(sam).await.unwrap();
    assert_eq!(keys.first().unwrap().credential, "{\"counter\":6}");
    assert_eq!(keys.first().unwrap().last_used_at, Some(at(2)));
}

#[tokio::test]
async fn the_last_administrator_remains() {
    let site = Site::open().await;
    let store = &site.store;
    let ada = site.add("ada", &[Role::Administrator]).await;
    let bob = site.add("bob", &[Role::Administrator]).await;
    let change = |user, roles, disabled| store.change_user(user, roles, disabled);
    change(bob, &[Role::Administrator], true).await.unwrap();
    for (roles, disabled) in [(&[Role::Staff], false), (&[Role::Administrator], true)] {
        let refused = change(ada, roles, disabled).await;
        assert!(matches!(refused, Err(StoreError::LastAdministrator)));
    }
    assert_eq!(site.user(ada).await.roles, [Role::Administrator]);
    change(bob, &[Role::Administrator], false).await.unwrap();
    change(ada, &[Role::Staff], false).await.unwrap();
    let count = store
        .count_users_with_role(Role::Administrator)
        .await
        .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_change_that_waits_is_approved_as_it_was_read() {
    let site = Site::open().await;
    let store = &site.store;
    let (ada, bob) = (
        site.add("ada", &[Role::Administrator]).await,
        site.add("bob", &[Role::Administrator]).await,
    );
    let sam = site.add("sam", &[Role::Staff]).await;
    let officer = AccountChange::Roles(vec![Role::ComplianceOfficer]);
    let request = |change, by, now| store.request_account_change(sam, change, by, at(now), at(100));
    let id = request(&officer, ada, 1).await.unwrap();
    let read = store.account_request(id, at(2)).await.unwrap().unwrap();
    assert_eq!((&read.change, read.requested_by), (&officer, ada));
    // Another request of the same kind replaces it, so what was read is no longer approved.
    let nothing = AccountChange::Roles(Vec::new());
    assert_eq!(request(&nothing, bob, 3).await.unwrap(), id);
    assert!(!store.delete_account_request(&read).await.unwrap());
    request(&AccountChange::ActivationLink, ada, 4)
        .await
        .unwrap();
    let waiting = store.account_requests(at(5)).await.unwrap();
    let changes: Vec<_> = waiting.iter().map(|request| &request.change).collect();
    assert_eq!(changes, [&nothing, &AccountChange::ActivationLink]);
    assert!(store.delete_account_request(&waiting[0]).await.unwrap());
    assert!(!store.delete_account_request(&waiting[0]).await.unwrap());
    assert!(store.account_requests(at(100)).await.unwrap().is_empty());
}
