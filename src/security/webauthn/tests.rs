use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::authenticator::{
    Authenticator, BACKED_UP, ELIGIBLE, PRESENT, VERIFIED, attestation_object, cbor_bytes, decode, encode,
};
use super::*;
use crate::model::passkey::{Credential, Transport};

const ORIGIN: &str = "https://users.example.org";
const CHALLENGE: [u8; 32] = [7; 32];
const HANDLE: [u8; 32] = [9; 32];

fn relying_party() -> RelyingParty {
    RelyingParty::of(ORIGIN).unwrap()
}

fn expecting(relying_party: &RelyingParty, user_verification: bool) -> Expected<'_> {
    Expected { relying_party, challenge: &CHALLENGE, user_verification }
}

fn creation() -> Value {
    json!({"rp": {"id": "users.example.org"}, "user": {"id": encode(HANDLE)}, "challenge": encode(CHALLENGE)})
}

fn request() -> Value {
    json!({"rpId": "users.example.org", "challenge": encode(CHALLENGE), "allowCredentials": []})
}

fn register(answer: &Value) -> Result<Credential, Fault> {
    Registration::parse(&answer.to_string())?.verify(&expecting(&relying_party(), false))
}

fn assert_with(answer: &Value, credential: &Credential, verified: bool) -> Result<Asserted, Fault> {
    Assertion::parse(&answer.to_string())?.verify(credential, &HANDLE, &expecting(&relying_party(), verified))
}

fn assert_it(answer: &Value, credential: &Credential) -> Result<Asserted, Fault> {
    assert_with(answer, credential, false)
}

fn registered() -> (Authenticator, Credential) {
    let mut device = Authenticator::new(ORIGIN);
    let credential = register(&device.create(&creation())).unwrap();
    (device, credential)
}

/// The answer with its client data changed, whatever the signature says of it.
fn with_client_data(answer: &Value, member: &str, value: Value) -> Value {
    let mut answer = answer.clone();
    let mut data: Value = serde_json::from_slice(&decode(&answer["response"]["clientDataJSON"])).unwrap();
    data[member] = value;
    answer["response"]["clientDataJSON"] = encode(data.to_string()).into();
    answer
}

#[test]
fn a_relying_party_is_a_host_with_a_name_over_tls_or_this_machine() {
    for (origin, id) in [
        ("https://users.example.org", "users.example.org"),
        ("https://users.example.org:8443", "users.example.org"),
        ("http://localhost:8000", "localhost"),
        ("https://localhost", "localhost"),
    ] {
        let expected = RelyingParty { id: id.to_owned(), origin: origin.to_owned() };
        assert_eq!(RelyingParty::of(origin), Some(expected), "{origin}");
    }
    for origin in [
        "http://users.example.org",
        "https://192.0.2.1",
        "http://127.0.0.1:8000",
        "https://[::1]:8000",
        "",
        "x",
    ] {
        assert_eq!(RelyingParty::of(origin), None, "{origin}");
    }
}

#[test]
fn mf_10_a_credential_is_registered_and_shown_with_each_kind_of_key() {
    for mut device in [Authenticator::new(ORIGIN), Authenticator::ed25519(ORIGIN)] {
        let credential = register(&device.create(&creation())).unwrap();
        assert_eq!((&credential.id, &credential.public_key), (&device.id, &device.public_key()));
        assert_eq!(credential.transports, [Transport::Internal, Transport::Hybrid], "those that are known");
        assert!(credential.user_verified && !credential.backup_eligible && !credential.backed_up);
        let asserted = assert_with(&device.get(&request()), &credential, true).unwrap();
        assert_eq!(asserted, Asserted { sign_count: 2, backed_up: false, user_verified: true });
    }
}

/// Chapter "Test Vectors" of the specification. Those that have an attestation are registered without it.
#[test]
fn mf_10_the_vectors_of_the_specification_are_accepted() {
    for (name, text) in [
        ("ES256", include_str!("vectors/es256.txt")),
        ("RS256", include_str!("vectors/rs256.txt")),
        ("Ed25519", include_str!("vectors/ed25519.txt")),
    ] {
        let vector = Vector::read(text);
        let relying_party = RelyingParty::of("https://example.org").unwrap();
        let expected =
            |challenge| Expected { relying_party: &relying_party, challenge, user_verification: false };
        let (asked, shown) = (&vector.of("registration.challenge"), &vector.of("assertion.challenge"));
        let registration = Registration::parse(&vector.registration().to_string()).unwrap();
        let credential = registration.verify(&expected(asked)).unwrap();
        let assertion = vector.assertion();
        let verify = |answer: &Value, credential: &Credential| {
            Assertion::parse(&answer.to_string()).unwrap().verify(credential, &[], &expected(shown))
        };
        assert!(verify(&assertion, &credential).is_ok(), "{name}");
        let mut forged = vector.of("assertion.signature");
        *forged.last_mut().unwrap() ^= 1;
        let mut altered = assertion.clone();
        altered["response"]["signature"] = encode(forged).into();
        assert_eq!(verify(&altered, &credential), Err(Fault::Signature), "{name}");
        // A key of one algorithm does not check what another one signed.
        let other = Authenticator::new("https://example.org").public_key();
        let confused = Credential { public_key: other, ..credential.clone() };
        assert_eq!(verify(&assertion, &confused), Err(Fault::Signature), "{name}");
    }
}

struct Vector<'a>(HashMap<&'a str, Vec<u8>>);

impl<'a> Vector<'a> {
    fn read(text: &'a str) -> Self {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        Self(
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(name, hex)| (name, bytes(hex)))
                .collect(),
        )
    }

    fn of(&self, name: &str) -> Vec<u8> {
        self.0[name].clone()
    }

    fn registration(&self) -> Value {
        let object = self.of("registration.attestationObject");
        let object = cbor::Map::take(&mut &object[..]).unwrap();
        let data = object.bytes("authData").unwrap();
        let id = encode(self.of("registration.credential_id"));
        let client_data = encode(self.of("registration.clientDataJSON"));
        let object = encode(attestation_object("none", &[0xa0], data));
        json!({"rawId": id, "type": "public-key",
            "response": {"clientDataJSON": client_data, "attestationObject": object}})
    }

    fn assertion(&self) -> Value {
        let member = |name: &str| encode(self.of(&format!("assertion.{name}")));
        json!({"rawId": encode(self.of("registration.credential_id")), "type": "public-key", "response": {
            "clientDataJSON": member("clientDataJSON"), "authenticatorData": member("authenticatorData"),
            "signature": member("signature")}})
    }
}

#[test]
fn mf_10_an_answer_to_another_question_or_of_another_page_is_refused() {
    let (mut device, credential) = registered();
    let shown = device.get(&request());
    let made = Authenticator::new(ORIGIN).create(&creation());
    for (member, value, fault) in [
        ("type", json!("webauthn.payment"), Fault::Type),
        ("challenge", json!(encode([8; 32])), Fault::Challenge),
        ("challenge", json!(""), Fault::Challenge),
        ("origin", json!("https://users.example.org.evil.example"), Fault::Origin),
        ("origin", json!("http://users.example.org"), Fault::Origin),
        ("origin", json!("https://users.example.org:8443"), Fault::Origin),
        ("origin", json!("null"), Fault::Origin),
        ("crossOrigin", json!(true), Fault::Origin),
        ("topOrigin", json!("https://evil.example"), Fault::Origin),
        ("origin", json!(5), Fault::Malformed),
    ] {
        let (shown, made) =
            (with_client_data(&shown, member, value.clone()), with_client_data(&made, member, value));
        assert_eq!(assert_it(&shown, &credential), Err(fault), "{shown}");
        assert_eq!(register(&made).err(), Some(fault), "{made}");
    }
    // The client data is signed, so what is not looked at cannot be changed either.
    let altered = with_client_data(&shown, "more", json!(1));
    assert_eq!(assert_it(&altered, &credential), Err(Fault::Signature));
    // One ceremony's answer is none to the other.
    let mut crossed = shown.clone();
    crossed["response"]["clientDataJSON"] = made["response"]["clientDataJSON"].clone();
    assert_eq!(assert_it(&crossed, &credential), Err(Fault::Type));
    let elsewhere = json!({"rpId": "example.org", "challenge": encode(CHALLENGE)});
    assert_eq!(assert_it(&device.get(&elsewhere), &credential), Err(Fault::RelyingParty));
}

#[test]
fn mf_10_what_the_device_says_of_its_user_and_of_copies_counts() {
    let (mut device, credential) = registered();
    device.flags = 0;
    assert_eq!(assert_it(&device.get(&request()), &credential), Err(Fault::UserPresence));
    device.flags = VERIFIED;
    assert_eq!(assert_it(&device.get(&request()), &credential), Err(Fault::UserPresence));
    device.flags = PRESENT;
    let shown = device.get(&request());
    assert!(assert_it(&shown, &credential).is_ok_and(|asserted| !asserted.user_verified));
    assert_eq!(assert_with(&shown, &credential, true), Err(Fault::UserVerification));
    for flags in [BACKED_UP, ELIGIBLE, ELIGIBLE | BACKED_UP] {
        device.flags = PRESENT | flags;
        assert_eq!(assert_it(&device.get(&request()), &credential), Err(Fault::Backup), "{flags}");
    }
    let copied = Credential { backup_eligible: true, ..credential };
    device.flags = PRESENT | ELIGIBLE | BACKED_UP;
    assert!(assert_it(&device.get(&request()), &copied).is_ok_and(|asserted| asserted.backed_up));
    device.flags = PRESENT;
    assert_eq!(assert_it(&device.get(&request()), &copied), Err(Fault::Backup));
    let mut new = Authenticator::new(ORIGIN);
    new.flags = PRESENT | BACKED_UP;
    assert_eq!(register(&new.create(&creation())).err(), Some(Fault::Backup));
    new.flags = 0;
    assert_eq!(register(&new.create(&creation())).err(), Some(Fault::UserPresence));
}

#[test]
fn mf_12_a_counter_has_to_rise_unless_the_device_does_not_count() {
    let (mut device, credential) = registered();
    let mut seen = |count: u32, stored: u32| {
        // It counts before it shows.
        device.count = count.saturating_sub(1);
        if count == 1 {
            device.count = 0;
        }
        let mut answer = device.get(&request());
        if count == 1 {
            device.count = 1;
            let data = device.data("users.example.org", 0, &[]);
            let hash: [u8; 32] = Sha256::digest(decode(&answer["response"]["clientDataJSON"])).into();
            answer["response"]["signature"] = encode(device.sign(&[&data[..], &hash].concat())).into();
            answer["response"]["authenticatorData"] = encode(data).into();
        }
        assert_it(&answer, &Credential { sign_count: stored, ..credential.clone() })
            .map(|shown| shown.sign_count)
    };
    assert_eq!(seen(0, 0), Ok(0), "it does not count");
    assert_eq!(seen(1, 0), Ok(1));
    assert_eq!(seen(6, 5), Ok(6));
    assert_eq!(seen(u32::MAX, 5), Ok(u32::MAX));
    for (count, stored) in [(5, 5), (4, 5), (0, 5), (0, 1), (1, u32::MAX)] {
        assert_eq!(seen(count, stored), Err(Fault::Counter), "{count} after {stored}");
    }
}

#[test]
fn mf_10_a_credential_of_another_user_or_another_device_is_refused() {
    let (mut device, credential) = registered();
    let shown = device.get(&request());
    let mut named = shown.clone();
    named["response"]["userHandle"] = encode([1; 32]).into();
    assert_eq!(assert_it(&named, &credential), Err(Fault::Credential));
    named["response"]["userHandle"] = Value::Null;
    assert!(assert_it(&named, &credential).is_ok(), "it need not name the user");
    let other = Credential { id: vec![1], ..credential.clone() };
    assert_eq!(assert_it(&shown, &other), Err(Fault::Credential));
    let other = Credential { public_key: Authenticator::new(ORIGIN).public_key(), ..credential.clone() };
    assert_eq!(assert_it(&shown, &other), Err(Fault::Signature));
    let other = Credential { public_key: Authenticator::ed25519(ORIGIN).public_key(), ..credential };
    assert_eq!(assert_it(&shown, &other), Err(Fault::Signature));
}

#[test]
fn mf_10_only_keys_of_the_algorithms_that_were_offered_are_registered() {
    let with_key = |key: &[u8]| {
        let mut device = Authenticator::new(ORIGIN);
        let mut answer = device.create(&creation());
        let length = u16::try_from(device.id.len()).unwrap();
        let rest = [&[0; 16], &length.to_be_bytes()[..], &device.id, key].concat();
        let data = device.data("users.example.org", 0x40, &rest);
        answer["response"]["attestationObject"] = encode(attestation_object("none", &[0xa0], &data)).into();
        register(&answer).map(drop)
    };
    let es256 = Authenticator::new(ORIGIN).public_key();
    let eddsa = Authenticator::ed25519(ORIGIN).public_key();
    assert_eq!((with_key(&es256), with_key(&eddsa)), (Ok(()), Ok(())));
    let replaced = |key: &[u8], at: usize, byte: u8| {
        let mut key = key.to_vec();
        key[at] = byte;
        with_key(&key)
    };
    // Bytes 2, 4 and 6 of such a key: its type, its algorithm, its curve.
    assert_eq!(replaced(&es256, 2, 1), Err(Fault::Key), "the type of the other algorithm");
    assert_eq!(replaced(&es256, 4, 0x27), Err(Fault::Key), "the other algorithm");
    assert_eq!(replaced(&es256, 4, 0x00), Err(Fault::Key), "no algorithm");
    assert_eq!(replaced(&es256, 6, 6), Err(Fault::Key), "the other curve");
    assert_eq!(replaced(&eddsa, 4, 0x26), Err(Fault::Key), "ES256 with the other kind of key");
    assert_eq!(replaced(&eddsa, 6, 7), Err(Fault::Key), "a curve that is not checked");
    let rsa = |modulus: usize, exponent: &[u8]| {
        let (modulus, exponent) = (cbor_bytes(&vec![0xff; modulus]), cbor_bytes(exponent));
        with_key(&[&[0xa4, 1, 3, 3, 0x39, 1, 0, 0x20], &modulus[..], &[0x21], &exponent].concat())
    };
    assert_eq!(rsa(256, &[1, 0, 1]), Ok(()));
    for (modulus, exponent) in [(128, &[1, 0, 1][..]), (1025, &[1, 0, 1]), (256, &[])] {
        assert_eq!(rsa(modulus, exponent), Err(Fault::Key), "{modulus} {exponent:?}");
    }
    // A key twice in one map, and no map.
    assert_eq!(with_key(&[0xa2, 1, 2, 1, 2]), Err(Fault::Malformed));
    assert_eq!(with_key(&[0x80]), Err(Fault::Malformed));
}

#[test]
fn mf_10_an_attestation_is_refused_and_so_is_what_is_too_long_or_too_short() {
    let mut device = Authenticator::new(ORIGIN);
    let good = device.create(&creation());
    let data = device.new_data("users.example.org");
    let with_object = |object: &[u8]| {
        let mut answer = good.clone();
        answer["response"]["attestationObject"] = encode(object).into();
        register(&answer).map(drop)
    };
    let object = attestation_object("none", &[0xa0], &data);
    assert_eq!(with_object(&object), Ok(()));
    assert_eq!(with_object(&attestation_object("packed", &[0xa0], &data)), Err(Fault::Attestation));
    assert_eq!(with_object(&attestation_object("None", &[0xa0], &data)), Err(Fault::Attestation));
    assert_eq!(with_object(&attestation_object("none", &[0xa1, 1, 2], &data)), Err(Fault::Attestation));
    assert_eq!(with_object(&attestation_object("none", &[0x80], &data)), Err(Fault::Attestation));
    assert_eq!(with_object(&[&object[..], &[0]].concat()), Err(Fault::Malformed), "more than one item");
    for end in 0..object.len() {
        assert!(with_object(&object[..end]).is_err(), "cut at {end}");
    }
    for end in 0..data.len() {
        assert!(with_object(&attestation_object("none", &[0xa0], &data[..end])).is_err(), "cut at {end}");
    }
    // Extensions are ignored, and nothing may follow.
    let mut extended = [&data[..], &[0xa1, 0x61, b'x', 0xf5]].concat();
    extended[32] |= 0x80;
    assert_eq!(with_object(&attestation_object("none", &[0xa0], &extended)), Ok(()));
    extended.push(0);
    assert_eq!(with_object(&attestation_object("none", &[0xa0], &extended)), Err(Fault::Malformed));
    let mut long = Authenticator::new(ORIGIN);
    for (length, expected) in [(1023, None), (1024, Some(Fault::Credential)), (0, Some(Fault::Credential))] {
        long.id = vec![5; length];
        assert_eq!(register(&long.create(&creation())).err(), expected, "{length}");
    }
    let mut renamed = good.clone();
    renamed["rawId"] = encode([5; 20]).into();
    assert_eq!(register(&renamed).err(), Some(Fault::Credential));
    renamed = good.clone();
    renamed["type"] = json!("password");
    assert_eq!(register(&renamed).err(), Some(Fault::Type));
}

#[test]
fn mf_10_deep_cbor_is_refused() {
    let deep = [vec![0x81; 5_000], vec![0]].concat();
    assert_eq!(cbor::take(&mut &deep[..]).err(), Some(Fault::Malformed));
    // A length that no answer can have.
    let long = [0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    assert_eq!(cbor::take(&mut &long[..]).err(), Some(Fault::Malformed));
}

proptest! {
    #[test]
    fn mf_10_whatever_bytes_come_they_are_refused_and_nothing_breaks(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let text = URL_SAFE_NO_PAD.encode(&bytes);
        let (mut device, credential) = registered();
        let mut made = Authenticator::new(ORIGIN).create(&creation());
        made["response"]["attestationObject"] = text.clone().into();
        prop_assert!(register(&made).is_err());
        let mut shown = device.get(&request());
        for member in ["authenticatorData", "signature", "clientDataJSON"] {
            let kept = shown["response"][member].take();
            shown["response"][member] = text.clone().into();
            prop_assert!(assert_it(&shown, &credential).is_err());
            shown["response"][member] = kept;
        }
        let broken = Credential { public_key: bytes, ..credential };
        prop_assert!(assert_it(&shown, &broken).is_err());
    }

    /// What is signed is signed to the last bit.
    #[test]
    fn mf_10_no_bit_of_an_assertion_can_be_changed(at in 0_usize..1_000, bit in 0_u8..8) {
        let (mut device, credential) = registered();
        let shown = device.get(&request());
        for member in ["authenticatorData", "signature", "clientDataJSON"] {
            let mut bytes = decode(&shown["response"][member]);
            let place = at % bytes.len();
            bytes[place] ^= 1 << bit;
            let mut altered = shown.clone();
            altered["response"][member] = encode(&bytes).into();
            prop_assert!(assert_it(&altered, &credential).is_err(), "{member} {place} {bit}");
        }
    }

    /// One bit of what a device registers changes the key or the identifier, or is refused; it never breaks anything.
    #[test]
    fn mf_10_no_bit_of_an_attestation_object_breaks_the_reading(at in 0_usize..1_000, bit in 0_u8..8) {
        let mut made = Authenticator::new(ORIGIN).create(&creation());
        let mut bytes = decode(&made["response"]["attestationObject"]);
        let place = at % bytes.len();
        bytes[place] ^= 1 << bit;
        made["response"]["attestationObject"] = encode(&bytes).into();
        if let Ok(credential) = register(&made) {
            prop_assert!(cose::PublicKey::parse(&credential.public_key).is_ok());
        }
    }
}
