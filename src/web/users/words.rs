//! The words of a search, in the forms in which names are written.

use std::collections::HashSet;

use crate::model::filter::{Body, Expression, Folding, Test, TextField};
use crate::model::text;

/// Longest name that is written without a space, in characters. Of Korean each sound is one, as it is compared.
const LONGEST_UNSPACED: usize = 16;

/// What stands in place of an apostrophe, and of a hyphen, in each form.
const SEPARATORS: [(&str, &str); 4] = [("'", "-"), ("’", "\u{2010}"), (" ", " "), ("", "")];

/// The words of a search, as they are compared, each once: a second one finds nothing more.
pub(in crate::web) fn of(search: &str) -> Vec<String> {
    let folded = text::searchable(search);
    let mut known = HashSet::new();
    folded
        .split_whitespace()
        .filter(|word| !word.contains('\0') && known.insert(*word))
        .map(str::to_owned)
        .collect()
}

/// The users in whose user name, names or e-mail address every word is; `None` without a word.
pub(in crate::web) fn search(search: &str) -> Option<Expression> {
    let words: Vec<Expression> = of(search).iter().map(|word| expression(word)).collect();
    (!words.is_empty()).then_some(Expression { invert: false, body: Body::All(words) })
}

/// The forms of a word: apostrophes and hyphens as people and word processors type them, as a space, and left out.
pub(super) fn forms(word: &str) -> Vec<String> {
    let is_apostrophe = |character| matches!(character, '\'' | '’' | '‘' | 'ʼ' | '`' | '´');
    let is_hyphen = |character| matches!(character, '-' | '\u{2010}' | '\u{2011}');
    if !word.contains(|character| is_apostrophe(character) || is_hyphen(character)) {
        return vec![word.to_owned()];
    }
    let mut forms = vec![word.to_owned()];
    for (apostrophe, hyphen) in SEPARATORS {
        let form = word.replace(is_apostrophe, apostrophe).replace(is_hyphen, hyphen);
        if !form.trim().is_empty() && !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// Whether a user has the word in any of its forms.
pub(super) fn expression(word: &str) -> Expression {
    let has = |part: &str| {
        let test = Test::Contains(TextField::Searchable, part.to_owned(), Folding::Folded);
        Expression { invert: false, body: Body::Test(test) }
    };
    let mut ways: Vec<Expression> = forms(word).iter().map(|form| has(form)).collect();
    // Written together with the family name first, as it stands in no field.
    if word.chars().count() <= LONGEST_UNSPACED && word.chars().all(is_unspaced) {
        ways.extend(word.char_indices().skip(1).map(|(at, _)| {
            let (family, given) = word.split_at(at);
            Expression { invert: false, body: Body::All(vec![has(family), has(given)]) }
        }));
    }
    match <[Expression; 1]>::try_from(ways) {
        Ok([only]) => only,
        Err(ways) => Expression { invert: false, body: Body::Any(ways) },
    }
}

/// Whether the script of a character writes names without spaces: Chinese, Japanese, Korean.
fn is_unspaced(character: char) -> bool {
    matches!(character, '\u{1100}'..='\u{11ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_a_separator_has_a_form_for_each_way_to_write_it() {
        assert_eq!(forms("ada"), ["ada"]);
        assert_eq!(forms("o'neill"), ["o'neill", "o’neill", "o neill", "oneill"]);
        assert_eq!(
            forms("smith‑jones"),
            ["smith‑jones", "smith-jones", "smith\u{2010}jones", "smith jones", "smithjones"]
        );
        assert_eq!(forms("'"), ["'", "’"], "nothing is no form");
    }
}
