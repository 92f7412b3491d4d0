//! The name of a person, of parts or of the whole.

use super::row::{Row, SURNAME};
use crate::model::raw::Raw;
use crate::model::text;

/// First and last name. Where one of them is missing it is the rest of the whole name; where both are, the last
/// word of that is the last name, or what stands before its comma.
pub(super) fn names(row: &Row) -> (Raw, Raw) {
    let (first, last) = (row.get("first_name"), row.get("last_name"));
    let known = |name: &Raw| match name {
        Raw::Missing => Some(String::new()),
        Raw::Text(name) => Some(text::tidy(name)),
        _ => None,
    };
    // Some programs call users without a name by their addresses.
    let full = Some(row.get("full_name")).filter(|full| *full != row.get("email")).unwrap_or_default();
    let surname = row.get(SURNAME);
    let whole = match (&full, &surname) {
        (Raw::Text(whole), _) | (_, Raw::Text(whole)) => Whole::of(&text::tidy(whole.as_str())),
        _ => return (first, if last == Raw::Missing { surname.clone() } else { last }),
    };
    match (known(&first).as_deref(), known(&last).as_deref()) {
        (Some(""), Some("")) if surname == Raw::Missing => whole.divided(),
        // A last name, unless it is the whole one.
        (Some(name), Some("")) if surname != Raw::Missing => {
            (first, whole.after(name).map_or(surname, Raw::Text))
        }
        (Some(""), Some(name)) => (whole.before(name).map_or(first, Raw::Text), last),
        (Some(name), Some("")) => (first, whole.after(name).map_or(last, Raw::Text)),
        _ => (first, last),
    }
}

/// A name in one line, and whether that was to be made: cells of spreadsheets have line breaks to look well.
pub(super) fn in_one_line(name: Raw) -> (Raw, bool) {
    const BREAKS: [char; 7] = ['\n', '\r', '\t', '\u{b}', '\u{c}', '\u{2028}', '\u{2029}'];
    match &name {
        Raw::Text(text) if text.trim().contains(BREAKS) => {
            let parts = text.split(BREAKS).map(str::trim).filter(|part| !part.is_empty());
            (Raw::Text(parts.collect::<Vec<_>>().join(" ")), true)
        }
        _ => (name, false),
    }
}

/// A whole name, with the first name first.
struct Whole {
    in_order: String,
    /// Where the last name begins, if a comma says it.
    last: Option<usize>,
    /// Degrees and the like that stand behind it, with the comma before them.
    suffix: String,
}

impl Whole {
    /// `Ada Lovelace`, `Lovelace, Ada`, or either with `, PhD` behind it.
    fn of(whole: &str) -> Self {
        let (name, suffix) = without_suffix(whole);
        let turned = name.split_once(',').map(|(last, first)| (last.trim(), first.trim()));
        match turned.filter(|(last, first)| !last.is_empty() && !first.is_empty() && !first.contains(',')) {
            Some((last, first)) => Self {
                in_order: format!("{first} {last}"),
                last: Some(first.len() + 1),
                suffix: suffix.to_owned(),
            },
            None => Self { in_order: name.to_owned(), last: None, suffix: suffix.to_owned() },
        }
    }

    /// First and last name.
    fn divided(&self) -> (Raw, Raw) {
        let Self { in_order, last, suffix } = self;
        let word = || Some(in_order.len() - in_order.rsplit_once(char::is_whitespace)?.1.len());
        let last = last.or_else(word);
        let (first, last) = last.and_then(|at| in_order.split_at_checked(at)).unwrap_or((in_order, ""));
        if last.is_empty() {
            return (Raw::Text(format!("{first}{suffix}")), Raw::Text(String::new()));
        }
        (first.trim_end().into(), Raw::Text(format!("{last}{suffix}")))
    }

    /// What stands before this last name.
    fn before(&self, last: &str) -> Option<String> {
        let whole = format!("{}{}", self.in_order, self.suffix);
        let rest = whole.strip_suffix(last).or_else(|| self.in_order.strip_suffix(last))?;
        rest.ends_with(char::is_whitespace).then(|| rest.trim_end().to_owned())
    }

    /// What stands behind this first name.
    fn after(&self, first: &str) -> Option<String> {
        let rest = self.in_order.strip_prefix(first).filter(|_| !first.is_empty())?;
        rest.starts_with(char::is_whitespace).then(|| format!("{}{}", rest.trim_start(), self.suffix))
    }
}

/// A name, and the degrees and the like behind it with the comma before the first of them.
fn without_suffix(whole: &str) -> (&str, &str) {
    let mut end = whole.len();
    while let Some(comma) = whole[..end].rfind(',') {
        let name = whole[..comma].trim();
        let has_words = name.contains(char::is_whitespace) || name.contains(',');
        if name.is_empty() || !is_suffix(&whole[comma + 1..end], name, has_words) {
            break;
        }
        end = comma;
    }
    (whole[..end].trim_end(), &whole[end..])
}

/// Whether this stands behind the comma of a name and is no first name.
fn is_suffix(text: &str, name: &str, has_words: bool) -> bool {
    const AFTER: [&str; 35] = [
        "jr", "sr", "ii", "iii", "iv", "phd", "dphil", "mba", "esq", "msc", "bsc", "meng", "beng", "mphil",
        "cpa", "cfa", "cissp", "pmp", "llm", "llb", "jd", "dds", "dvm", "edd", "psyd", "pharmd", "mph",
        "bsn", "msn", "frcp", "obe", "mbe", "cbe", "dipling", "ret",
    ];
    // These are names, too, or initials.
    const AFTER_TWO_WORDS: [&str; 9] = ["md", "ba", "ma", "bs", "ms", "pe", "rn", "np", "do"];
    let is_shouted = !name.chars().any(char::is_lowercase);
    let is_one = |word: &str| {
        let letters: String = word.chars().filter(|c| !".-".contains(*c)).collect();
        let is_upper = letters.chars().count() > 1 && letters.chars().all(char::is_uppercase);
        let lower = letters.to_lowercase();
        AFTER.contains(&lower.as_str())
            || has_words && is_upper && AFTER_TWO_WORDS.contains(&lower.as_str())
            // `CISM`, but neither the name of `LOVELACE, ADA` nor the initials of `Tolkien, J.R.R.`
            || has_words && is_upper && !is_shouted && letters.len() > 2 && letters == word
    };
    let mut words = text.split_whitespace().peekable();
    words.peek().is_some() && words.all(is_one)
}

#[cfg(test)]
mod tests {
    use super::super::row::Place;
    use super::*;

    fn told(members: &[(&'static str, &str)]) -> (Raw, Raw) {
        let mut row = Row::new(Place::default());
        for (field, value) in members {
            row.add(field, (*value).into());
        }
        names(&row)
    }

    #[test]
    fn degrees_and_the_like_behind_a_comma_are_no_first_names() {
        for (whole, first, last) in [
            ("Ada Byron, Ph.D.", "Ada", "Byron, Ph.D."),
            ("Ada Byron, M.Sc.", "Ada", "Byron, M.Sc."),
            ("Ada Byron, CPA", "Ada", "Byron, CPA"),
            ("Ada Byron, CISM", "Ada", "Byron, CISM"),
            ("Ada Byron, PhD, CPA", "Ada", "Byron, PhD, CPA"),
            ("Ada Byron, PhD MBA", "Ada", "Byron, PhD MBA"),
            ("Augusta Ada King, Jr.", "Augusta Ada", "King, Jr."),
            ("Ada Byron, B.A.", "Ada", "Byron, B.A."),
            ("Byron, Ada, PhD", "Ada", "Byron, PhD"),
            ("Ada, PhD", "Ada, PhD", ""),
            ("Byron, Ada", "Ada", "Byron"),
            ("King Byron, Augusta Ada", "Augusta Ada", "King Byron"),
            ("KING BYRON, ADA", "ADA", "KING BYRON"),
            ("Tolkien, J.R.R.", "J.R.R.", "Tolkien"),
            ("Nguyen, Do", "Do", "Nguyen"),
            ("Smith, MA", "MA", "Smith"),
            ("Khan, Md", "Md", "Khan"),
            ("Ada Byron, M.D.", "Ada", "Byron, M.D."),
            (", Ada", ",", "Ada"),
            ("Ada,", "Ada,", ""),
        ] {
            assert_eq!(told(&[("full_name", whole)]), (first.into(), last.into()), "{whole}");
        }
    }

    #[test]
    fn names_of_several_lines_are_of_one() {
        for (text, expected) in [
            ("Ada\nAugusta", "Ada Augusta"),
            ("Ada \r\n Augusta\t\u{2028}King", "Ada Augusta King"),
            ("Ada\u{b}\n", "Ada\u{b}\n"),
            ("\n\n", "\n\n"),
            ("Ada  Augusta", "Ada  Augusta"),
        ] {
            let (name, is_made) = in_one_line(text.into());
            assert_eq!((name, is_made), (expected.into(), text != expected), "{text:?}");
        }
        assert_eq!(in_one_line(Raw::Null), (Raw::Null, false));
    }

    #[test]
    fn a_word_that_may_be_a_last_name_or_the_whole_one_is_what_the_first_name_leaves_of_it() {
        for (first, name, last) in [
            ("Ada", "Byron", "Byron"),
            ("Ada", "Ada Byron", "Byron"),
            ("Ada", "Byron, Ada", "Byron"),
            ("Ada", "Byron, PhD", "Byron, PhD"),
            ("Jo", "von Neumann", "von Neumann"),
            ("", "Byron", "Byron"),
        ] {
            assert_eq!(
                told(&[("first_name", first), (SURNAME, name)]),
                (first.into(), last.into()),
                "{name}"
            );
        }
        assert_eq!(told(&[(SURNAME, "")]), (Raw::Missing, "".into()));
        assert_eq!(told(&[("full_name", "a@b.co"), ("email", "a@b.co")]), (Raw::Missing, Raw::Missing));
    }
}
