//! What a new password must be like. There are no rules of composition and passwords do not expire: both make people
//! choose worse ones (NIST SP 800-63B).

mod common;
mod dressed;

pub(crate) use self::dressed::is_word;

use self::common::is_common;
use super::password::{LONGEST_HASHED_BYTES, MOST_CHARACTERS, Password};
use crate::model::field_errors::Message;
use crate::model::text::{fold_compatible, searchable};

/// Values of the user's own that are shorter than this are left out: hardly a password is like them, and many would
/// be refused for nothing.
const SHORTEST_OWN_CHARACTERS: usize = 3;
/// Words of this product, which are as good as listed.
const PRODUCT_WORDS: [&str; 1] = ["usher"];

/// The rules for new passwords. Passwords that exist already are not judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy<'a> {
    /// The fewest code points a password may have, 1 to 128. The default is 8.
    pub min_length: usize,
    /// The operator's own words, in any letter case, that are as good as listed.
    pub words: &'a [String],
}

impl Default for Policy<'_> {
    fn default() -> Self {
        Self { min_length: 8, words: &[] }
    }
}

/// What the user is called; none of it may be the password. Empty where there is no such value.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnNames<'a> {
    /// The name the user signs in with.
    pub username: &'a str,
    /// The given name.
    pub first_name: &'a str,
    /// The family name. Together with the given name it is the full name, which is compared as well.
    pub last_name: &'a str,
    /// The e-mail address. The part before the `@` is compared as well.
    pub email: &'a str,
}

impl OwnNames<'_> {
    /// The label of each name that the password is, or is with nothing but characters that are not letters after it.
    /// `folded` is the password after [`fold_compatible`].
    fn similar_to(&self, folded: &str) -> Vec<&'static str> {
        let (first, last) = (self.first_name.trim(), self.last_name.trim());
        let mut first_names = vec![first.to_owned()];
        if !first.is_empty() && !last.is_empty() {
            // A full name begins with the given name, so that is the label it goes by.
            first_names.extend([
                format!("{first} {last}"),
                format!("{first}{last}"),
                format!("{last} {first}"),
                format!("{last}{first}"),
            ]);
        }
        let mut addresses = vec![self.email.to_owned()];
        if let Some((local_part, _)) = self.email.rsplit_once('@') {
            addresses.push(local_part.to_owned());
        }
        let by_label = [
            ("username", vec![self.username.to_owned()]),
            ("first name", first_names),
            ("last name", vec![last.to_owned()]),
            ("email address", addresses),
        ];
        by_label
            .into_iter()
            .filter(|(_, names)| {
                names.iter().any(|name| is_name_with_ending(folded, &fold_compatible(name.trim())))
            })
            .map(|(label, _)| label)
            .collect()
    }
}

impl Policy<'_> {
    /// Everything that is wrong with the password, one message each and always in the same order; none if it is
    /// fine. A password that is blank (empty or only white space) gets that message alone.
    #[must_use]
    pub fn check(&self, password: &Password, own: &OwnNames<'_>) -> Vec<Message> {
        let text = password.normal();
        if text.trim().is_empty() {
            return vec![Message::Blank];
        }
        let mut messages = Vec::new();
        let characters = text.chars().count();
        if characters < self.min_length {
            messages.push(Message::TooShort { least: self.min_length, given: characters });
        }
        if characters > MOST_CHARACTERS {
            messages.push(Message::TooLong { most: MOST_CHARACTERS, given: characters });
        }
        if text.contains('\0') {
            messages.push(Message::Character("Null characters are not allowed."));
        }
        if text.len() > LONGEST_HASHED_BYTES {
            // Nothing of that length is a common password or a name, and comparing it would only cost time.
            return messages;
        }
        let folded = fold_compatible(&text);
        let without_accents = searchable(&text);
        let variants = [Some(folded.as_str()), Some(&without_accents), half_of_two(&folded)];
        let is_listed = |text: &str| is_common(text) || dressed::is_listed(text, |word| self.is_listed(word));
        if variants.into_iter().flatten().any(is_listed) {
            messages.push(Message::TooCommon);
        }
        let labels = own.similar_to(&folded);
        messages.extend(labels.into_iter().map(Message::TooSimilar));
        messages
    }
}

impl Policy<'_> {
    fn is_listed(&self, word: &str) -> bool {
        is_common(word)
            || PRODUCT_WORDS.contains(&word)
            || self.words.iter().any(|listed| fold_compatible(listed) == word)
    }
}

/// The half of a text that is the same twice.
fn half_of_two(text: &str) -> Option<&str> {
    text.split_at_checked(text.len() / 2).filter(|(one, other)| one == other).map(|(one, _)| one)
}

/// True if the password is the name, or the name and after it only characters that are not letters. Both are folded.
fn is_name_with_ending(password: &str, name: &str) -> bool {
    name.chars().count() >= SHORTEST_OWN_CHARACTERS
        && password.strip_prefix(name).is_some_and(|ending| !ending.chars().any(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: &str = "This password is too common.";
    const BLANK: &str = "This field may not be blank.";
    const SHORT: &str = "This password is too short. It must contain at least 8 characters.";
    const LONG: &str = "Ensure this field has no more than 128 characters.";
    const NUL: &str = "Null characters are not allowed.";
    const LIKE_USERNAME: &str = "The password is too similar to the username.";
    const LIKE_FIRST: &str = "The password is too similar to the first name.";
    const LIKE_LAST: &str = "The password is too similar to the last name.";
    const LIKE_EMAIL: &str = "The password is too similar to the email address.";

    const OWN: OwnNames<'_> = OwnNames {
        username: "kestrel.b",
        first_name: "Beáta",
        last_name: "Straße-Ωmega",
        email: "b.otterly@mail.example.org",
    };

    fn told(messages: &[Message]) -> Vec<String> {
        messages.iter().map(ToString::to_string).collect()
    }

    fn check(text: &str) -> Vec<String> {
        told(&Policy::default().check(&Password::new(text.to_owned()), &OWN))
    }

    #[test]
    fn pw_7_length_counts_code_points_and_both_ends_are_inclusive() {
        assert_eq!(check("zq7 wuv"), [SHORT]);
        assert_eq!(check("zq7 wuvx"), [""; 0]);
        assert_eq!(check("ж🦦ж🦦ж🦦ж"), [SHORT]);
        assert_eq!(check("ж🦦ж🦦ж🦦ж🦦"), [""; 0]);
        assert_eq!(check(&"🦦x".repeat(64)), [""; 0]);
        assert_eq!(check(&"x🦦".repeat(65)), [LONG]);
        assert_eq!(check(&"🦦".repeat(5_000)), [LONG]);
    }

    #[test]
    fn pw_7_length_counts_the_code_points_of_the_normal_form() {
        assert_eq!(check(&"e\u{301}".repeat(128)), [""; 0]);
        assert_eq!(check(&"e\u{301}".repeat(129)), [LONG]);
        // Decomposed, 128 Hangul syllables are more bytes than are ever hashed.
        assert_eq!(check(&"\u{1112}\u{1161}\u{11ab}".repeat(128)), [""; 0]);
        assert_eq!(check("e\u{301}e\u{301}e\u{301}e\u{301}"), [SHORT]);
    }

    #[test]
    fn pw_7_the_minimum_is_a_setting() {
        let password = Password::new("zq7 wuvx kyt1".to_owned());
        let strict = Policy { min_length: 15, ..Policy::default() };
        let short = "This password is too short. It must contain at least 15 characters.";
        assert_eq!(told(&strict.check(&password, &OWN)), [short]);
        assert!(
            Policy { min_length: 1, ..Policy::default() }
                .check(&Password::new("♞".to_owned()), &OWN)
                .is_empty()
        );
    }

    #[test]
    fn pw_7_spaces_and_any_characters_are_fine_and_no_kind_is_required() {
        for text in
            [" zq7 wuvx ", "qzjvkwxpq", "83920174657", "пес и выдра", "\t\u{7}zqwxvk\u{200b}", "♞♝♜♛♚♟♞♝"]
        {
            assert_eq!(check(text), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn a_blank_password_gets_that_message_alone() {
        for text in ["", " ", "          ", "\t\n\u{3000}"] {
            assert_eq!(check(text), [BLANK], "{text:?}");
        }
    }

    #[test]
    fn a_null_character_is_refused() {
        assert_eq!(check("zq7 wuvx\0"), [NUL]);
    }

    #[test]
    fn every_message_that_applies_is_given_in_a_fixed_order() {
        assert_eq!(check("\0"), [SHORT, NUL]);
        assert_eq!(check("beáta"), [SHORT, LIKE_FIRST]);
        let same = OwnNames {
            username: "Password",
            first_name: "password",
            last_name: "PASSWORD",
            email: "password@example.org",
        };
        let messages =
            Policy { min_length: 9, ..Policy::default() }.check(&Password::new("password".to_owned()), &same);
        assert_eq!(told(&messages)[1..], [COMMON, LIKE_USERNAME, LIKE_FIRST, LIKE_LAST, LIKE_EMAIL]);
    }

    #[test]
    fn pw_8_a_common_password_is_refused_whatever_its_case_or_width() {
        for text in ["password1", "PASSWORD1", "PassWord1", "ｐａｓｓｗｏｒｄ１", "qwertyuiop", "1q2w3e4r"]
        {
            assert_eq!(check(text), [COMMON], "{text:?}");
        }
    }

    #[test]
    fn pw_8_common_passwords_are_refused_with_substitutions_and_affixes() {
        for text in ["P@ssw0rd1", "Password123!", "Welcome2026", "Qw3rty!!", "!Dragon99!", "Sunsh1ne2026"] {
            assert_eq!(check(text), [COMMON], "{text:?}");
        }
        for text in ["correct horse battery", "Dragon of Zq", "8391750264", "tr0ub4dor&3x"] {
            assert_eq!(check(text), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn pw_8_the_operators_own_words_are_common() {
        let words = ["Acme Corp".to_owned(), "Tintenfass".to_owned()];
        let policy = Policy { words: &words, ..Policy::default() };
        let check = |text: &str| told(&policy.check(&Password::new(text.to_owned()), &OWN));
        for text in ["acme corp", "ACME CORP 2026", "Tintenfass1!", "T1ntenfa$$", "tintenfaß99"] {
            assert_eq!(check(text), [COMMON], "{text:?}");
        }
        for text in ["two acme corps", "tintenfass im regal", "tintenfassade"] {
            assert_eq!(check(text), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn pw_8_words_of_the_product_are_common_with_digits_or_punctuation_after_them() {
        assert_eq!(check("usher"), [SHORT, COMMON]);
        for text in ["usher123", "Usher2026!", "USHER!!!", "usher 2026"] {
            assert_eq!(check(text), [COMMON], "{text:?}");
        }
        assert_eq!(check("usher-of-zq7"), [""; 0]);
    }

    #[test]
    fn pw_8_the_users_own_names_and_address_are_refused_whatever_their_case() {
        assert_eq!(check("KESTREL.B"), [LIKE_USERNAME]);
        assert_eq!(check("kestrel.b!2026"), [LIKE_USERNAME]);
        assert_eq!(check("BEA\u{301}TA123"), [LIKE_FIRST]);
        assert_eq!(check("strasse-ωMEGA"), [LIKE_LAST]);
        assert_eq!(check("beáta straße-ωmega"), [LIKE_FIRST]);
        assert_eq!(check("Straße-ΩmegaBeáta1"), [LIKE_FIRST]);
        assert_eq!(check("B.Otterly@Mail.example.ORG"), [LIKE_EMAIL]);
        assert_eq!(check("b.otterly"), [LIKE_EMAIL]);
        assert_eq!(check("b.otterly99"), [LIKE_EMAIL]);
    }

    #[test]
    fn pw_8_a_password_that_only_contains_a_name_is_fine() {
        for text in ["my kestrel.b", "kestrel.b and otter", "b.otterly@elsewhere.example", "Beáta's zq7"] {
            assert_eq!(check(text), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn own_values_of_fewer_than_three_characters_do_not_count() {
        let own = OwnNames { username: "zq", first_name: " ", last_name: "Bo", email: "q@x" };
        let check = |text: &str| {
            told(&Policy { min_length: 1, ..Policy::default() }.check(&Password::new(text.to_owned()), &own))
        };
        assert!(check("zq8391").is_empty() && check("bo-839175").is_empty() && check("839175").is_empty());
        assert_eq!(check("q@x1"), [LIKE_EMAIL]);
        assert!(
            Policy::default().check(&Password::new("83917502".to_owned()), &OwnNames::default()).is_empty()
        );
    }

    #[test]
    fn pw_8_a_common_password_is_found_twice_in_a_row_and_under_accents() {
        let common = |text: &str| {
            let password = Password::new(text.to_owned());
            Policy::default().check(&password, &OwnNames::default()).contains(&Message::TooCommon)
        };
        for text in
            ["passwordpassword", "P@ssw0rdP@ssw0rd", "Pässword123!", "wélcome2026", "sunshinesunshine"]
        {
            assert!(common(text), "{text}");
        }
        for text in ["passwordbutterfly", "zebra-zebra-plum", "größenwahn-ist-alles"] {
            assert!(!common(text), "{text}");
        }
    }
}
