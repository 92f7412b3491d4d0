//! Text as people type it: normal forms, case folding, and what is never stored.
//!
//! Both databases compare text byte by byte, so whatever must be equal "but for case" is folded
//! here, once, when it is written, and again when it is searched for.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Trims Unicode white space and puts the text into normal form C, the form in which text is stored.
#[must_use]
pub fn tidy(text: &str) -> String {
    let text = text.trim();
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

/// Unicode's full case folding: two texts that differ only in case fold to the same text.
#[must_use]
pub fn fold(text: &str) -> String {
    // Most text is plain, and by the tables of Unicode this would take many times as long.
    if text.is_ascii() { text.to_ascii_lowercase() } else { caseless::default_case_fold_str(text) }
}

/// NFKC and case folding: two texts that differ only in letter case, full-width letters or other
/// compatibility forms become the same. For comparing only.
#[must_use]
pub fn fold_compatible(text: &str) -> String {
    if text.is_ascii() {
        return fold(text);
    }
    // Folding can undo a normal form and the reverse; Unicode's NFKC_Casefold repeats both (UAX 31, R4).
    let folded: String = fold(&text.nfkc().collect::<String>()).nfkc().collect();
    fold(&folded).nfkc().collect()
}

/// What the console's search compares: compatible folding, without accents and other marks.
#[must_use]
pub fn searchable(text: &str) -> String {
    if text.is_ascii() {
        return fold(text);
    }
    fold_compatible(text).nfd().filter(|c| !is_combining_mark(*c)).collect()
}

/// The canonical key of a user name: no two accounts can differ only in what [`fold_compatible`]
/// levels, or in white space around them.
#[must_use]
pub fn canonical(text: &str) -> String {
    // Folding may itself turn a lone accent into a space and a combining mark.
    fold_compatible(text).trim().to_owned()
}

/// Why a text cannot be stored, whichever field it is for.
#[must_use]
pub fn refusal(text: &str) -> Option<&'static str> {
    if text.contains('\0') {
        return Some("Null characters are not allowed.");
    }
    if text.chars().any(char::is_control) {
        return Some("Control characters are not allowed.");
    }
    if text.chars().any(is_bidirectional_control) {
        return Some("Characters that change the direction of text are not allowed.");
    }
    None
}

/// Embeddings, overrides and isolates: they make one name look like another. The plain marks
/// (U+200E, U+200F, U+061C) only help to order mixed text and stay allowed.
fn is_bidirectional_control(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folding_ignores_case_in_every_script() {
        assert_eq!(fold("ÉCOLE ΟΔΟΣ Straße"), fold("école οδος STRASSE"));
        assert_ne!(fold("resume"), fold("résumé"));
    }

    #[test]
    fn pw_5_variants_of_a_name_have_one_canonical_key() {
        for variant in ["Alice", "ALICE", " alice ", "ａｌｉｃｅ", "\u{2003}Alice"] {
            assert_eq!(canonical(variant), "alice", "{variant}");
        }
        assert_eq!(canonical("e\u{301}"), canonical("É"));
        assert_eq!(canonical("´"), canonical(&canonical("´")));
        assert_ne!(canonical("alice"), canonical("аlice"), "Cyrillic a is another letter");
    }

    #[test]
    fn searching_ignores_case_and_accents() {
        assert_eq!(searchable("Zoë ÉCOLE ｆｕｌｌ"), searchable("zoe ecole FULL"));
        assert_eq!(searchable("Ελλάδα"), searchable("ΕΛΛΑΔΑ"));
    }

    #[test]
    fn controls_are_named() {
        assert_eq!(refusal("a\0b"), Some("Null characters are not allowed."));
        assert_eq!(refusal("a\u{1b}b"), Some("Control characters are not allowed."));
        assert_eq!(refusal("a\u{85}b"), Some("Control characters are not allowed."));
        assert!(refusal("a\u{202e}b").is_some());
        assert_eq!(refusal("می‌خواهم ok"), None, "a zero-width non-joiner belongs to Persian words");
    }

    proptest! {
        #[test]
        fn plain_text_is_treated_as_the_tables_of_unicode_say(text in "[ -~]{0,40}") {
            // Beside another script the tables are used, and this character stays as it is.
            let beside = format!("{text}中");
            for treat in [fold, fold_compatible, searchable] {
                prop_assert_eq!(treat(&beside), treat(&text) + "中");
            }
            prop_assert_eq!(tidy(&format!("{text}.中")), tidy(&format!("{text}.")) + "中");
        }

        #[test]
        fn the_canonical_key_is_stable(text in "\\PC{0,20}") {
            let key = canonical(&text);
            prop_assert_eq!(canonical(&key), key);
        }
    }
}
