use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

const ORIGIN: &str = "https://ask.ward.example:8443";
const SAM: UserId = UserId(7);

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn owner(place: ChallengePlace, now: Timestamp) -> ChallengeOwner {
    let user = SAM;
    ChallengeOwner { user, place, now }
}

fn signing_in(now: Timestamp) -> ChallengeOwner {
    owner(ChallengePlace::SignIn, now)
}

fn site() -> SecurityKeys {
    let names = ["10.0.0.7", "ask.ward.example", "other.example"];
    SecurityKeys::open(&names.map(str::to_owned)).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A security key in software, which counts its signatures.
struct SoftwareKey {
    pair: EcdsaKeyPair,
    id: [u8; 16],
    counter: u32,
    origin: &'static str,
}

impl SoftwareKey {
    fn new(id: u8) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self {
            pair: EcdsaKeyPair::from_pkcs8(algorithm, pair.as_ref(), &random).unwrap(),
            id: [id; 16],
            counter: 0,
            origin: ORIGIN,
        }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = options.get("challenge");
        let data = json!({ "type": kind, "challenge": challenge, "origin": self.origin });
        serde_json::to_vec(&data).unwrap()
    }

    /// The authenticator data (section 6.1), without the registered key.
    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest("ask.ward.example").to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// The public key as a COSE key in CBOR: EC2, ES256, P-256, x, y.
    fn public_key(&self) -> Vec<u8> {
        let (_, point) = self.pair.public_key().as_ref().split_at(1);
        let (x, y) = point.split_at(32);
        let mut cbor = vec![0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01];
        cbor.extend([0x21, 0x58, 0x20]);
        cbor.extend(x);
        cbor.extend([0x22, 0x58, 0x20]);
        cbor.extend(y);
        cbor
    }

    fn register(&self, challenge: KeyChallenge) -> KeyResponse {
        let mut data = self.authenticator_data(0b0100_0101);
        data.extend([0; 16]);
        data.extend([0, 16]);
        data.extend(self.id);
        data.extend(self.public_key());
        let mut object = b"\xA3\x63fmt\x64none\x67attStmt\xA0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        let client_data = self.client_data("webauthn.create", &challenge.options);
        let response = json!({
            "attestationObject": encode(object), "clientDataJSON": encode(client_data),
        });
        self.respond(challenge.ticket, &response)
    }

    fn sign(&mut self, challenge: KeyChallenge) -> KeyResponse {
        self.counter += 1;
        let data = self.authenticator_data(0b0000_0101);
        let client_data = self.client_data("webauthn.get", &challenge.options);
        let signed = [data.as_slice(), &Sha256::digest(&client_data)].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        let response = json!({
            "authenticatorData": encode(data), "clientDataJSON": encode(client_data),
            "signature": encode(signature), "userHandle": null,
        });
        self.respond(challenge.ticket, &response)
    }

    fn respond(&self, ticket: String, response: &Value) -> KeyResponse {
        let id = encode(self.id);
        let credential = json!({
            "id": id, "rawId": id, "type": "public-key", "response": response,
            "clientExtensionResults": {},
        });
        KeyResponse { ticket, credential }
    }
}

fn register(site: &SecurityKeys, key: &SoftwareKey) -> Result<RegisteredKey, KeyRefusal> {
    let session = owner(ChallengePlace::Session(SessionId("s".into())), at(0));
    let ticket = "registration".to_owned();
    let challenge = site.begin_registration(session.clone(), "sam", &[], ticket)?;
    site.finish_registration(&session, key.register(challenge))
}

fn stored(registered: &RegisteredKey) -> Vec<StoredKey> {
    let id = SecurityKeyId(1);
    vec![StoredKey::parse(id, &registered.credential).unwrap()]
}

fn challenge(site: &SecurityKeys, key: &RegisteredKey, ticket: &str) -> KeyChallenge {
    let keys = stored(key);
    site.begin_authentication(signing_in(at(0)), &keys, ticket.into())
        .unwrap()
}

#[test]
fn a_registered_key_signs_in_and_its_copy_does_not() {
    let site = site();
    let mut key = SoftwareKey::new(1);
    let mut registered = register(&site, &key).unwrap();
    assert_eq!(registered.credential_id, [1; 16]);
    for counter in 1..=3 {
        let response = key.sign(challenge(&site, &registered, "t"));
        let used = site.finish_authentication(&signing_in(at(1)), stored(&registered), response);
        let used = used.unwrap();
        assert_eq!((used.id, used.counter), (SecurityKeyId(1), counter));
        registered.credential = used.credential;
    }
    for counter in [0, 2] {
        key.counter = counter;
        let response = key.sign(challenge(&site, &registered, "t"));
        let copied = site.finish_authentication(&signing_in(at(1)), stored(&registered), response);
        assert_eq!(copied.unwrap_err(), KeyRefusal::Copied, "{counter}");
    }
}

#[test]
fn another_key_is_refused() {
    let site = site();
    let registered = register(&site, &SoftwareKey::new(1)).unwrap();
    for (id, expected) in [(2, KeyRefusal::Unregistered), (1, KeyRefusal::Unverified)] {
        let response = SoftwareKey::new(id).sign(challenge(&site, &registered, "t"));
        let refused = site.finish_authentication(&signing_in(at(1)), stored(&registered), response);
        assert_eq!(refused.unwrap_err(), expected);
    }
}

#[test]
fn a_challenge_is_answered_once_in_time_and_in_its_place() {
    let site = site();
    let mut key = SoftwareKey::new(1);
    let registered = register(&site, &key).unwrap();
    let response = key.sign(challenge(&site, &registered, "t"));
    let finish = |owner: ChallengeOwner, response: &KeyResponse| {
        site.finish_authentication(&owner, stored(&registered), response.clone())
    };
    let session = ChallengePlace::Session(SessionId("s".into()));
    let elsewhere = finish(owner(session, at(1)), &response);
    assert_eq!(elsewhere.unwrap_err(), KeyRefusal::Challenge);
    finish(signing_in(at(1)), &response).unwrap();
    let again = finish(signing_in(at(1)), &response);
    assert_eq!(again.unwrap_err(), KeyRefusal::Challenge);

    let response = key.sign(challenge(&site, &registered, "t"));
    let late = finish(signing_in(at(300)), &response);
    assert_eq!(late.unwrap_err(), KeyRefusal::Challenge);

    let other = challenge(&site, &registered, "first");
    let mut response = key.sign(challenge(&site, &registered, "second"));
    response.ticket = other.ticket;
    let exchanged = finish(signing_in(at(1)), &response);
    assert_eq!(exchanged.unwrap_err(), KeyRefusal::Unverified);
}

#[test]
fn only_the_latest_challenges_of_a_person_wait() {
    let site = site();
    let mut key = SoftwareKey::new(1);
    let registered = register(&site, &key).unwrap();
    let first = key.sign(challenge(&site, &registered, "first"));
    for number in 0..MAX_CHALLENGES {
        challenge(&site, &registered, &number.to_string());
    }
    let refused = site.finish_authentication(&signing_in(at(1)), stored(&registered), first);
    assert_eq!(refused.unwrap_err(), KeyRefusal::Challenge);
    let waiting = site.pending.lock().get(&SAM).map(VecDeque::len);
    assert_eq!(waiting, Some(MAX_CHALLENGES));
}

#[test]
fn keys_are_bound_to_the_host_name() {
    let site = site();
    let mut key = SoftwareKey::new(1);
    let registered = register(&site, &key).unwrap();
    for origin in [
        "https://other.example",
        "http://ask.ward.example",
        "https://evil.ask.ward.example",
    ] {
        key.origin = origin;
        assert_eq!(register(&site, &key).unwrap_err(), KeyRefusal::Unverified);
        let response = key.sign(challenge(&site, &registered, "t"));
        let refused = site.finish_authentication(&signing_in(at(1)), stored(&registered), response);
        assert_eq!(refused.unwrap_err(), KeyRefusal::Unverified, "{origin}");
    }
    assert!(SecurityKeys::open(&["127.0.0.1".to_owned(), "::1".to_owned()]).is_none());
}

#[test]
fn what_is_not_a_response_is_refused() {
    let site = site();
    let key = SoftwareKey::new(1);
    let session = owner(ChallengePlace::Session(SessionId("s".into())), at(0));
    for credential in [json!(null), json!({}), json!({ "id": "x", "response": 1 })] {
        let ticket = "t".to_owned();
        let challenge = site.begin_registration(session.clone(), "sam", &[], ticket);
        let ticket = challenge.unwrap().ticket;
        let response = KeyResponse { ticket, credential };
        let refused = site.finish_registration(&session, response);
        assert_eq!(refused.unwrap_err(), KeyRefusal::Unreadable);
    }
    let registered = register(&site, &key).unwrap();
    let response = key.register(challenge(&site, &registered, "t"));
    let refused = site.finish_registration(&signing_in(at(1)), response);
    assert_eq!(
        refused.unwrap_err(),
        KeyRefusal::Challenge,
        "it is to sign in"
    );
}
