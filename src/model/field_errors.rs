//! What is wrong with the fields of a form or body.
//!
//! Errors are found once, for all channels, and worded in two ways: clients of the API get the sentences
//! that they know, people in the console get sentences that name the field and what was typed.
//! To add one: a variant of [`Message`], and its two sentences.

use std::collections::BTreeMap;
use std::fmt;

/// The sentence for programs about a user name that is taken, in whatever letter case.
pub const TAKEN: &str = "A user with that username already exists.";

/// One thing that is wrong with a field. [`fmt::Display`] is for programs, [`Message::console`] for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The field was not sent.
    Required,
    /// It has nothing but white space.
    Blank,
    /// It is JSON `null`.
    Null,
    /// It is another kind of JSON value.
    NotAString,
    /// It is no truth value in any spelling.
    NotABoolean,
    /// It is no date or instant.
    NotAnInstant,
    /// It has more code points than it may.
    TooLong {
        /// It may have so many.
        most: usize,
        /// It has so many.
        given: usize,
    },
    /// It has a character that no text may have; the sentence says of which kind.
    Character(&'static str),
    /// A user name has these characters, which none may have.
    UsernameCharacters(Vec<char>),
    /// This user name is taken; empty if it is not known any more which it was.
    UsernameTaken(String),
    /// A user name could never be fetched by name.
    UsernameReserved,
    /// A user name was that of an erased user, and is blocked; or it is a placeholder of one.
    UsernameBlocked,
    /// Another user has this external id of the same client.
    ExternalIdTaken,
    /// It is no e-mail address.
    Email,
    /// A password has fewer code points than it must.
    TooShort {
        /// It must have so many.
        least: usize,
        /// It has so many.
        given: usize,
    },
    /// A password is one of those that are tried first.
    TooCommon,
    /// A password is like this value of the user's own.
    TooSimilar(&'static str),
    /// Anything that has the same words for both.
    Other(String),
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "This field is required.",
            Self::Blank => "This field may not be blank.",
            Self::Null => "This field may not be null.",
            Self::NotAString => "Not a valid string.",
            Self::NotABoolean => "Must be a valid boolean.",
            Self::NotAnInstant => {
                "Enter a date such as 2026-03-31, or a date and time such as 2026-03-31T18:00Z."
            }
            Self::UsernameCharacters(_) => {
                "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ \
                 characters."
            }
            Self::UsernameTaken(_) => TAKEN,
            Self::UsernameReserved => {
                "This name is reserved. It could not be fetched by name: choose one that is not a number, \
                 \"list\" or \"create\"."
            }
            Self::UsernameBlocked => "This username is blocked. Choose another.",
            Self::ExternalIdTaken => "Another user has this external id already.",
            Self::Email => "Enter a valid email address.",
            Self::TooCommon => "This password is too common.",
            Self::Character(sentence) => sentence,
            Self::Other(sentence) => sentence,
            Self::TooLong { most, .. } => {
                return write!(f, "Ensure this field has no more than {most} characters.");
            }
            Self::TooShort { least, .. } => {
                return write!(f, "This password is too short. It must contain at least {least} characters.");
            }
            Self::TooSimilar(own) => return write!(f, "The password is too similar to the {own}."),
        })
    }
}

impl Message {
    /// The sentence for people, about a field of this label.
    #[must_use]
    pub fn console(&self, label: &str) -> String {
        let name = label.to_lowercase();
        match self {
            Self::Required | Self::Blank | Self::Null => {
                let article = if name.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
                format!("Enter {article} {name}.")
            }
            Self::NotAString => format!("{label} must be a text."),
            Self::NotABoolean => format!("{label} must be yes or no."),
            Self::NotAnInstant => {
                format!(
                    "{label} must be a date such as 2026-03-31, or a date and time such as 2026-03-31T18:00Z."
                )
            }
            Self::TooLong { most, given } => {
                format!("{label} must have {most} characters or fewer. You entered {given}.")
            }
            Self::TooShort { least, given } => {
                format!("{label} must have at least {least} characters. You entered {given}.")
            }
            Self::Character(sentence) => format!("{label}: {sentence}"),
            Self::UsernameCharacters(characters) => {
                format!("{label} can only have letters, digits and . _ - + @. Remove {}.", listed(characters))
            }
            Self::UsernameTaken(username) if username.is_empty() => {
                format!("The {name} is taken. Choose another.")
            }
            Self::UsernameTaken(username) => format!("The {name} “{username}” is taken. Choose another."),
            Self::UsernameReserved => {
                format!("This {name} is reserved. Choose one that is not a number, “list” or “create”.")
            }
            Self::UsernameBlocked => format!("This {name} is blocked. Choose another."),
            Self::ExternalIdTaken => format!("Another user has this {name} already."),
            Self::Email => "Enter an email address in the format name@example.org.".to_owned(),
            Self::TooCommon => "This password is on lists of common passwords. Choose another.".to_owned(),
            Self::TooSimilar(own) => format!("{label} is too much like the {own}."),
            Self::Other(sentence) => sentence.clone(),
        }
    }
}

/// Characters as a person can find them in what they typed: each once, and at most five.
fn listed(characters: &[char]) -> String {
    let mut named: Vec<String> = Vec::new();
    for character in characters {
        let name = match character {
            ' ' => "spaces".to_owned(),
            visible if visible.is_ascii_graphic() || u32::from(*visible) > 0x2FFF => format!("“{visible}”"),
            // What cannot be seen, or looks like something else.
            other => format!("“{other}” (U+{:04X})", u32::from(*other)),
        };
        if !named.contains(&name) {
            named.push(name);
        }
    }
    match &named[..] {
        [] => String::new(),
        [only] => only.clone(),
        [first, .., last] if named.len() <= 5 => {
            let before = named[1..named.len() - 1].iter().fold(first.clone(), |all, name| all + ", " + name);
            format!("{before} and {last}")
        }
        _ => format!("{} and others", named[..5].join(", ")),
    }
}

impl From<&str> for Message {
    fn from(sentence: &str) -> Self {
        Self::Other(sentence.to_owned())
    }
}

impl From<String> for Message {
    fn from(sentence: String) -> Self {
        Self::Other(sentence)
    }
}

impl serde::Serialize for Message {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Messages for fields, in the form `{"field": ["message", ...]}`.
///
/// What belongs to no field stands under `non_field_errors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct FieldErrors(BTreeMap<&'static str, Vec<Message>>);

impl FieldErrors {
    /// Adds a message for a field.
    pub fn add(&mut self, field: &'static str, message: impl Into<Message>) {
        self.0.entry(field).or_default().push(message.into());
    }

    /// Whether there is nothing to report.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The messages of one field.
    #[must_use]
    pub fn of(&self, field: &str) -> &[Message] {
        self.0.get(field).map_or(&[], Vec::as_slice)
    }

    /// The messages of one field, for people.
    #[must_use]
    pub fn console(&self, field: &str, label: &str) -> Vec<String> {
        self.of(field).iter().map(|message| message.console(label)).collect()
    }

    /// `field: message` pairs in the order of the fields' names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Message)> {
        self.0.iter().flat_map(|(field, messages)| messages.iter().map(|message| (*field, message)))
    }

    /// `Ok` if there is nothing to report.
    ///
    /// # Errors
    /// All messages.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_a_sentence_for_programs_and_one_for_people() {
        for (message, label, api, console) in [
            (Message::Required, "Password", "This field is required.", "Enter a password."),
            (Message::Blank, "Username", "This field may not be blank.", "Enter a username."),
            (Message::Null, "Email", "This field may not be null.", "Enter an email."),
            (Message::NotAString, "Email", "Not a valid string.", "Email must be a text."),
            (Message::NotABoolean, "Staff", "Must be a valid boolean.", "Staff must be yes or no."),
            (
                Message::NotAnInstant,
                "Valid from",
                "Enter a date such as 2026-03-31, or a date and time such as 2026-03-31T18:00Z.",
                "Valid from must be a date such as 2026-03-31, or a date and time such as 2026-03-31T18:00Z.",
            ),
            (
                Message::TooLong { most: 150, given: 163 },
                "Username",
                "Ensure this field has no more than 150 characters.",
                "Username must have 150 characters or fewer. You entered 163.",
            ),
            (
                Message::Character("Null characters are not allowed."),
                "First name",
                "Null characters are not allowed.",
                "First name: Null characters are not allowed.",
            ),
            (
                Message::UsernameCharacters(vec!['!']),
                "Username",
                "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.",
                "Username can only have letters, digits and . _ - + @. Remove “!”.",
            ),
            (
                Message::UsernameTaken("admin".into()),
                "Username",
                TAKEN,
                "The username “admin” is taken. Choose another.",
            ),
            (
                Message::UsernameTaken(String::new()),
                "Username",
                TAKEN,
                "The username is taken. Choose another.",
            ),
            (
                Message::UsernameReserved,
                "Username",
                "This name is reserved. It could not be fetched by name: choose one that is not a number, \"list\" or \"create\".",
                "This username is reserved. Choose one that is not a number, “list” or “create”.",
            ),
            (
                Message::UsernameBlocked,
                "Username",
                "This username is blocked. Choose another.",
                "This username is blocked. Choose another.",
            ),
            (
                Message::Email,
                "Email",
                "Enter a valid email address.",
                "Enter an email address in the format name@example.org.",
            ),
            (
                Message::TooShort { least: 15, given: 3 },
                "Password",
                "This password is too short. It must contain at least 15 characters.",
                "Password must have at least 15 characters. You entered 3.",
            ),
            (
                Message::TooCommon,
                "Password",
                "This password is too common.",
                "This password is on lists of common passwords. Choose another.",
            ),
            (
                Message::TooSimilar("username"),
                "New password",
                "The password is too similar to the username.",
                "New password is too much like the username.",
            ),
            (Message::from("Both read this."), "Email", "Both read this.", "Both read this."),
        ] {
            assert_eq!(message.to_string(), api);
            assert_eq!(message.console(label), console);
            assert_eq!(serde_json::json!(message), serde_json::json!(api));
        }
    }

    #[test]
    fn characters_to_remove_are_named_once_and_those_that_cannot_be_seen_by_number() {
        let told = |text: &str| listed(&text.chars().collect::<Vec<_>>());
        assert_eq!(told("! !"), "“!” and spaces");
        assert_eq!(told("!#?"), "“!”, “#” and “?”");
        assert_eq!(told("\u{ad}"), "“\u{ad}” (U+00AD)");
        assert_eq!(told("🙂"), "“🙂”");
        assert_eq!(told("!#?:;,"), "“!”, “#”, “?”, “:”, “;” and others");
    }
}
