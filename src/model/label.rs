//! What people call what they have: a token, a second factor, a saved view.

use super::field_errors::Message;
use super::text;

/// Longest label of most things, in characters.
pub const LONGEST: usize = 100;

/// Reads a label of 1 to `most` characters, in the form in which text is stored.
///
/// # Errors
/// The message for the field.
pub fn parse(given: &str, most: usize) -> Result<String, Message> {
    let label = text::tidy(given);
    match (text::refusal(&label), label.chars().count()) {
        (Some(refusal), _) => Err(Message::Character(refusal)),
        (None, 0) => Err(Message::Blank),
        (None, given) if given > most => Err(Message::TooLong { most, given }),
        (None, _) => Ok(label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_one_to_so_many_characters_that_can_be_read() {
        assert_eq!(parse(" Cle\u{301} ", 3).as_deref(), Ok("Cl\u{e9}"), "in normal form");
        assert_eq!(parse(" \t", 3), Err(Message::Blank));
        assert_eq!(parse("four", 3), Err(Message::TooLong { most: 3, given: 4 }));
        assert!(matches!(parse("a\u{202e}b", 3), Err(Message::Character(_))));
    }
}
