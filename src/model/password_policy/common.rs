//! The common passwords, a list that is part of the program: it works offline.
//!
//! `common.txt.gz` holds 40,101 of them, one a line, of which 16,293 have 8 characters or more; folded as by [`crate::model::text::fold_compatible`],
//! without duplicates, sorted by bytes. It joins two lists from the Python Package Index:
//!
//! - Django 5.2, `django/contrib/auth/common-passwords.txt.gz`, 19,640 entries compiled by Royce Williams
//!   (BSD 3-clause licence);
//! - zxcvbn 4.5.0, the list `passwords` of `frequency_lists.py`, 30,000 entries compiled for Dropbox's zxcvbn
//!   (MIT licence).
//!
//! Both licences are in `common.licences.txt` beside it.

use std::io::Read;
use std::sync::LazyLock;

use flate2::read::GzDecoder;

static COMPRESSED: &[u8] = include_bytes!("common.txt.gz");

/// The whole list, about 330 kB, decompressed when the first new password is judged.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut text = String::new();
    let read = GzDecoder::new(COMPRESSED).read_to_string(&mut text);
    #[expect(
        clippy::expect_used,
        reason = "the list is part of the program, and a test decompresses that very file"
    )]
    read.expect("the list of common passwords is whole");
    text
});

/// The lines of [`TEXT`], in the order of the file.
static LINES: LazyLock<Vec<&'static str>> = LazyLock::new(|| TEXT.lines().collect());

/// True if the whole password is on the list. `folded` is the password after [`fold_compatible`].
///
/// [`fold_compatible`]: crate::model::text::fold_compatible
pub(super) fn is_common(folded: &str) -> bool {
    LINES.binary_search(&folded).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::fold_compatible;

    #[test]
    fn pw_8_the_list_has_over_20_000_entries_of_which_over_3_000_pass_the_length_rule() {
        assert_eq!(LINES.len(), 40_101);
        let long_enough = LINES.iter().filter(|line| line.chars().count() >= 8).count();
        assert_eq!(long_enough, 16_293);
    }

    #[test]
    fn pw_8_the_list_is_sorted_and_folded_so_that_every_entry_is_found() {
        assert!(LINES.is_sorted_by(|one, next| one < next));
        for line in LINES.iter() {
            assert_eq!(fold_compatible(line), *line);
            assert!(is_common(line), "{line}");
        }
    }

    #[test]
    fn pw_8_only_whole_passwords_are_compared() {
        assert!(is_common("password1") && is_common("qwertyuiop") && is_common("iloveyou"));
        assert!(!is_common("password1 and more") && !is_common("my password1") && !is_common(""));
    }
}
