//! An authenticator app.

use usher::model::clock::Clock;
use usher::security::totp::TotpSecret;

use crate::actions::Actions;

/// A phone with the key of one account.
pub(crate) struct Phone(TotpSecret);

impl Phone {
    /// Types the key of the page in.
    pub(crate) fn typed_in(person: &Actions<'_>) -> Self {
        person.sees("Key: ");
        let text = person.text();
        let key = text.split("Key: ").nth(1).expect("a key").lines().next().unwrap_or_default();
        let value = |letter| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).expect("a letter of base32");
        let letters: Vec<usize> = key.chars().filter(|letter| !letter.is_whitespace()).map(value).collect();
        // Eight letters are five bytes.
        let bytes: Vec<u8> = letters
            .chunks(8)
            .flat_map(|letters| {
                let bits = letters.iter().fold(0_u64, |bits, value| bits << 5 | *value as u64);
                bits.to_be_bytes()[3..].to_vec()
            })
            .collect();
        Self(TotpSecret::from_bytes(&bytes).expect("20 bytes"))
    }

    /// What it shows, or shows so many steps later.
    pub(crate) fn code(&self, steps: i64) -> String {
        self.0.code(Clock::System.now().seconds().div_euclid(30) + steps)
    }
}

/// Adds an authenticator app; shows the recovery codes.
pub(crate) fn add(person: &Actions<'_>) -> Phone {
    person.open("/account/security/add");
    let phone = Phone::typed_in(person);
    person.fill("Code", &phone.code(0));
    person.click("Add the app");
    person.sees("Your recovery codes");
    phone
}
