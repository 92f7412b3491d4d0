//! An authenticator and the browser before it, in software, for tests. It writes CBOR by itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) const PRESENT: u8 = 1;
pub(crate) const VERIFIED: u8 = 4;
pub(crate) const ELIGIBLE: u8 = 8;
pub(crate) const BACKED_UP: u8 = 16;

enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// One credential on a device.
pub(crate) struct Authenticator {
    key: Key,
    pub(crate) id: Vec<u8>,
    /// What it says of the user and of the backup.
    pub(crate) flags: u8,
    /// The counter; it stays at 0 if it is 0.
    pub(crate) count: u32,
    /// The origin of the page that the browser shows.
    pub(crate) origin: String,
    /// The user's, once there is a credential. Told only where no credential is named.
    pub(crate) handle: Option<Vec<u8>>,
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().expect("a text")).expect("base64")
}

/// A string of bytes in CBOR.
pub(crate) fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a short string");
    [&[0x59], &length.to_be_bytes()[..], bytes].concat()
}

impl Authenticator {
    /// On a device that asks for a PIN and counts, with a key for ES256.
    pub(crate) fn new(origin: &str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("a key");
        Self::with(Key::Es256(key), origin)
    }

    /// The same with a key for `EdDSA`.
    pub(crate) fn ed25519(origin: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::with(Key::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key")), origin)
    }

    fn with(key: Key, origin: &str) -> Self {
        let mut id = vec![0; 20];
        ring::rand::SecureRandom::fill(&SystemRandom::new(), &mut id).expect("random bytes");
        let (flags, origin) = (PRESENT | VERIFIED, origin.to_owned());
        Self { key, id, flags, count: 1, origin, handle: None }
    }

    /// The public key as a COSE key.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        match &self.key {
            Key::Es256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32], x, &[0x22, 0x58, 32], y].concat()
            }
            Key::EdDsa(key) => {
                [&[0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32], key.public_key().as_ref()].concat()
            }
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::Es256(key) => {
                key.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
            }
            Key::EdDsa(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    pub(crate) fn data(&self, rp_id: &str, more_flags: u8, rest: &[u8]) -> Vec<u8> {
        let hash: [u8; 32] = Sha256::digest(rp_id).into();
        [&hash[..], &[self.flags | more_flags], &self.count.to_be_bytes(), rest].concat()
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        let data = json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false});
        data.to_string().into_bytes()
    }

    /// The authenticator data of a registration.
    pub(crate) fn new_data(&self, rp_id: &str) -> Vec<u8> {
        let length = u16::try_from(self.id.len()).expect("a short identifier");
        let rest = [&[0; 16], &length.to_be_bytes()[..], &self.id, &self.public_key()].concat();
        self.data(rp_id, 0x40, &rest)
    }

    /// Makes the credential that a page asks for by `PublicKeyCredentialCreationOptionsJSON`.
    pub(crate) fn create(&mut self, options: &Value) -> Value {
        self.handle = Some(decode(&options["user"]["id"]));
        let data = self.new_data(options["rp"]["id"].as_str().expect("a name"));
        let object = attestation_object("none", &[0xa0], &data);
        json!({
            "id": encode(&self.id),
            "rawId": encode(&self.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": encode(self.client_data("webauthn.create", &options["challenge"])),
                "attestationObject": encode(object),
                "transports": ["internal", "hybrid", "pigeon"],
            },
            "clientExtensionResults": {},
        })
    }

    /// Shows the credential to a page that asks for it by `PublicKeyCredentialRequestOptionsJSON`.
    pub(crate) fn get(&mut self, options: &Value) -> Value {
        if self.count > 0 {
            self.count += 1;
        }
        let data = self.data(options["rpId"].as_str().expect("a name"), 0, &[]);
        let client_data = self.client_data("webauthn.get", &options["challenge"]);
        let hash: [u8; 32] = Sha256::digest(&client_data).into();
        let names_none = options["allowCredentials"].as_array().is_none_or(Vec::is_empty);
        let handle = self.handle.as_ref().filter(|_| names_none).map(encode);
        json!({
            "id": encode(&self.id),
            "rawId": encode(&self.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": encode(client_data),
                "authenticatorData": encode(&data),
                "signature": encode(self.sign(&[&data[..], &hash].concat())),
                "userHandle": handle,
            },
            "clientExtensionResults": {},
        })
    }
}

/// An attestation object: a map of three.
pub(crate) fn attestation_object(format: &str, statement: &[u8], data: &[u8]) -> Vec<u8> {
    let text = |text: &str| [&[0x60 | u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    let (format, data) = (text(format), cbor_bytes(data));
    [&[0xa3], &text("fmt")[..], &format, &text("attStmt"), statement, &text("authData"), &data].concat()
}
