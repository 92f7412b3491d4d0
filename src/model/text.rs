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

/// What names are sorted by, byte by byte and so alike in both databases: as in the Unicode collation algorithm (UTS 10)
/// letters decide before accents and case, so that `É` stands beside `E`. Plain text is its own key.
#[must_use]
pub fn collation_key(text: &str) -> String {
    let folded = fold_compatible(text);
    if folded.is_ascii() {
        return folded;
    }
    let mut key = String::with_capacity(2 * folded.len() + 1);
    folded.chars().for_each(|character| push_letters(&mut key, character));
    // Less than every character of a name, so that a name stands before those that go on.
    key.push('\u{1}');
    key + &folded
}

/// The letters that a folded character is sorted as.
fn push_letters(key: &mut String, character: char) {
    match character {
        'ø' => key.push('o'),
        'ł' => key.push('l'),
        'đ' | 'ð' => key.push('d'),
        'ħ' => key.push('h'),
        'ı' => key.push('i'),
        'æ' => key.push_str("ae"),
        'œ' => key.push_str("oe"),
        'þ' => key.push_str("th"),
        '‘' | '’' | 'ʼ' => key.push('\''),
        '‐'..='―' => key.push('-'),
        'ё' => key.push('е'),
        // What looks like an accent makes another letter, which stands where its number puts it.
        '\u{400}'..='\u{52f}' => key.push(character),
        // Katakana among hiragana.
        'ァ'..='ヶ' => push_letters(key, char::from_u32(u32::from(character) - 0x60).unwrap_or(character)),
        _ => key.extend(character.nfd().filter(|part| !is_accent(*part))),
    }
}

/// Accents of Latin and Greek letters, and the voicing marks of Japanese ones.
fn is_accent(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{3099}' | '\u{309a}')
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
    fn names_are_sorted_as_their_readers_expect() {
        for names in [
            &["Eberle", "Éboué", "Eder", "Zola"][..],
            &["cote", "coté", "côte", "côté", "Cotes"],
            &["Ødegård", "Oden", "Odland", "Ost", "Øst", "Ozu"],
            &["Łąka", "Lang", "Lark", "Łukasz", "Lunt"],
            &["Strasser", "Straßer", "Strassert"],
            &["Æbelø", "Afzelius", "Ångström", "Azar"],
            &["O'Brien", "O’Connor", "O'Dowd", "Oakes"],
            &["Ёлкин", "Еремин", "Иванов", "Йорк", "Яковлев"],
            &["あべ", "アリタ", "かとう", "ガモウ"],
            &["Zwick", "Ωμέγα", "Яна", "あべ"],
        ] {
            let mut sorted = names.to_vec();
            sorted.sort_by_key(|name| collation_key(name));
            assert_eq!(sorted, names);
        }
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
        fn a_collation_key_tells_apart_what_differs_but_for_case(one in "\\PC{0,12}", other in "\\PC{0,12}") {
            let same = fold_compatible(&one) == fold_compatible(&other);
            prop_assert_eq!(collation_key(&one) == collation_key(&other), same);
        }

        #[test]
        fn the_canonical_key_is_stable(text in "\\PC{0,20}") {
            let key = canonical(&text);
            prop_assert_eq!(canonical(&key), key);
        }
    }
}
