//! The ceremonies of passkeys, judged by this program and by `@simplewebauthn/server`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use usher::model::passkey::Credential;
use usher::security::webauthn::{Assertion, Expected, Registration, RelyingParty};

use crate::authenticator::{Authenticator, BACKED_UP, PRESENT, VERIFIED, decode, encode};

const ORIGIN: &str = "https://users.example.org";
const RP_ID: &str = "users.example.org";
const CHALLENGE: [u8; 32] = [7; 32];
const HANDLE: [u8; 32] = [9; 32];

/// An answer, and what it answers.
struct Case {
    name: String,
    response: Value,
    verification: bool,
    /// The credential that is shown; `None` for a registration.
    credential: Option<Credential>,
}

impl Case {
    fn is_accepted(&self) -> bool {
        let relying_party = RelyingParty::of(ORIGIN).expect("a name over TLS");
        let expected = Expected {
            relying_party: &relying_party,
            challenge: &CHALLENGE,
            user_verification: self.verification,
        };
        let json = self.response.to_string();
        match &self.credential {
            None => Registration::parse(&json).and_then(|answer| answer.verify(&expected)).is_ok(),
            Some(credential) => Assertion::parse(&json)
                .and_then(|answer| answer.verify(credential, &HANDLE, &expected))
                .is_ok(),
        }
    }

    fn for_the_other(&self) -> Value {
        let credential = self.credential.as_ref().map(|credential| {
            let Credential { id, public_key, sign_count, .. } = credential;
            json!({"id": encode(id), "publicKey": encode(public_key), "counter": sign_count})
        });
        json!({"response": self.response, "challenge": encode(CHALLENGE), "origin": ORIGIN, "rpId": RP_ID,
            "verification": self.verification, "credential": credential})
    }
}

fn other_verdicts(cases: &[Case]) -> Vec<bool> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/second_verifier.mjs");
    let mut command = Command::new("node");
    command.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child =
        command.spawn().expect("node: install the package \"npm\", or run the tests by tests/run");
    let mut stdin = child.stdin.take().expect("a standard input");
    let lines: String = cases.iter().map(|case| case.for_the_other().to_string() + "\n").collect();
    stdin.write_all(lines.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the second verifier fails");
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line == "true").collect()
}

fn creation() -> Value {
    json!({"rp": {"id": RP_ID}, "user": {"id": encode(HANDLE)}, "challenge": encode(CHALLENGE)})
}

fn request() -> Value {
    json!({"rpId": RP_ID, "challenge": encode(CHALLENGE), "allowCredentials": []})
}

/// The answer with one bit of a part of it changed.
fn flipped(answer: &Value, member: &str, place: usize) -> Value {
    let mut answer = answer.clone();
    let mut bytes = decode(&answer["response"][member]);
    bytes[place] ^= 1;
    answer["response"][member] = encode(&bytes).into();
    answer
}

/// A device, and its credential as this program registers it.
fn registered(make: Make) -> (Authenticator, Credential) {
    let mut device = make(ORIGIN);
    let relying_party = RelyingParty::of(ORIGIN).expect("a name over TLS");
    let expected =
        Expected { relying_party: &relying_party, challenge: &CHALLENGE, user_verification: false };
    let answer = Registration::parse(&device.create(&creation()).to_string()).expect("an answer");
    let credential = answer.verify(&expected).expect("a credential");
    (device, credential)
}

/// Makes a device for a page of that origin.
type Make = fn(&str) -> Authenticator;

/// Where a signature of ES256 says how long it is: to the other verifier a byte more than there is does no harm.
const DER_LENGTH: usize = 1;

/// Each ceremony as it should be, and with what a device or a page can do wrong.
fn cases() -> Vec<Case> {
    let (mut cases, right) = (Vec::new(), PRESENT | VERIFIED);
    for (algorithm, make) in [("ES256", Authenticator::new as Make), ("EdDSA", Authenticator::ed25519)] {
        let mut add = |name: &str, response, verification, credential: Option<&Credential>| {
            let (name, credential) = (format!("{algorithm}: {name}"), credential.cloned());
            cases.push(Case { name, response, verification, credential });
        };
        for (what, origin, flags) in [
            ("right", ORIGIN, right),
            ("not verified", ORIGIN, PRESENT),
            ("not present", ORIGIN, VERIFIED),
            ("backed up, though not eligible", ORIGIN, right | BACKED_UP),
            ("of another origin", "https://evil.example", right),
        ] {
            for verification in [false, true] {
                let (mut device, credential) = registered(make);
                (device.origin, device.flags) = (origin.to_owned(), flags);
                add(what, device.create(&creation()), verification, None);
                add(what, device.get(&request()), verification, Some(&credential));
                device.count = 0;
                add("counts back", device.get(&request()), verification, Some(&credential));
                let never_counted = Credential { sign_count: 0, ..credential };
                add("does not count", device.get(&request()), verification, Some(&never_counted));
            }
        }
        let (mut device, credential) = registered(make);
        let (made, shown) = (device.create(&creation()), device.get(&request()));
        for member in ["authenticatorData", "signature", "clientDataJSON"] {
            for place in 0..decode(&shown["response"][member]).len() {
                if (algorithm, member, place) == ("ES256", "signature", DER_LENGTH) {
                    continue;
                }
                let name = format!("{member} flipped at {place}");
                add(&name, flipped(&shown, member, place), false, Some(&credential));
            }
        }
        for place in 0..decode(&made["response"]["clientDataJSON"]).len() {
            let name = format!("the client data of a registration flipped at {place}");
            add(&name, flipped(&made, "clientDataJSON", place), false, None);
        }
        let other = Credential { public_key: make(ORIGIN).public_key(), ..credential };
        add("the key of another device", shown, false, Some(&other));
    }
    cases
}

#[test]
fn mf_10_a_second_verifier_accepts_and_refuses_the_same() {
    let cases = cases();
    let theirs = other_verdicts(&cases);
    assert_eq!(theirs.len(), cases.len());
    let differing: Vec<String> = cases
        .iter()
        .zip(&theirs)
        .filter(|(case, theirs)| case.is_accepted() != **theirs)
        .map(|(case, theirs)| format!("{}: {theirs}: {}", case.name, case.response))
        .collect();
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
    let accepted = theirs.iter().filter(|accepted| **accepted).count();
    assert!(accepted >= 20 && theirs.len() > accepted * 10, "{accepted} of {}", theirs.len());
}
