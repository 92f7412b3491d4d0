//! Listed words as people dress them up when a form asks for digits and signs.
//!
//! Two rules, which catch `P@ssw0rd1`, `Password123!` and `Welcome2026`: signs and digits before and after a word are
//! taken off, a few at most; and those that stand for letters are read as the letters. They are the dictionary part of
//! zxcvbn. Its scores are left out: a user can be told what a rule found, but not why a password is worth 2 of 4.

/// Most characters that are taken off. More of them are hard to guess by themselves.
const MOST_TAKEN_OFF: usize = 6;
/// Fewest characters of a word, and fewest letters in it: else every number would be a word with digits around it.
const FEWEST: usize = 4;
const FEWEST_LETTERS: usize = 3;

/// Whether a text can be a listed word: a shorter one is in too many passwords.
pub(crate) fn is_word(text: &str) -> bool {
    has_enough(text.chars().count(), text.chars())
}

fn has_enough(length: usize, characters: impl Iterator<Item = char>) -> bool {
    length >= FEWEST && characters.filter(|c| c.is_alphabetic()).count() >= FEWEST_LETTERS
}

/// True if a listed word is in the password, and nothing else but its dress. `folded` is the password after
/// [`fold_compatible`](crate::model::text::fold_compatible), and so are the words.
pub(super) fn is_listed(folded: &str, list: impl Fn(&str) -> bool) -> bool {
    let characters: Vec<char> = folded.chars().collect();
    let before = characters.iter().take(MOST_TAKEN_OFF).take_while(|c| !c.is_alphabetic()).count();
    let after = characters.iter().rev().take(MOST_TAKEN_OFF).take_while(|c| !c.is_alphabetic()).count();
    (0..=before).any(|first| {
        (0..=after.min(MOST_TAKEN_OFF - first)).any(|last| {
            let word = characters.get(first..characters.len().saturating_sub(last)).unwrap_or_default();
            has_enough(word.len(), word.iter().copied())
                && (list(&word.iter().collect::<String>())
                    || ['i', 'l'].iter().any(|one| list(&letters(word, *one))))
        })
    })
}

/// The word with letters for what stands for them; a stroke is an `i` or an `l`.
fn letters(word: &[char], stroke: char) -> String {
    let letter = |c: &char| match c {
        '@' | '4' => 'a',
        '8' => 'b',
        '(' => 'c',
        '3' => 'e',
        '6' | '9' => 'g',
        '1' | '!' | '|' => stroke,
        '0' => 'o',
        '$' | '5' => 's',
        '7' | '+' => 't',
        '2' => 'z',
        other => *other,
    };
    word.iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_password(text: &str) -> bool {
        is_listed(text, |word| {
            ["password", "welcome", "letmein", "hello", "sunshine", "1234", "love"].contains(&word)
        })
    }

    #[test]
    fn pw_8_a_listed_word_is_found_under_its_dress() {
        for text in [
            "password",
            "p@ssw0rd1",
            "password123!",
            "!!pa$$word!!",
            "welcome2026",
            "2026welcome!",
            "l3tm31n!",
            "1etmein99",
            "hell0",
            "hell0123",
            "$unsh1ne99",
            "love2026!!",
        ] {
            assert!(is_password(text), "{text}");
        }
    }

    #[test]
    fn pw_8_a_word_among_others_and_long_numbers_are_no_dressed_word() {
        for text in [
            "",
            "!",
            "12345678",
            "83911234",
            "my password",
            "password of ada",
            "welcome8391750",
            "passwort1",
            "1234abc1",
            "lo",
        ] {
            assert!(!is_password(text), "{text}");
        }
    }
}
