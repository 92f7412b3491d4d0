//! E-mail addresses: their one form, and what is the same in two of them.
//!
//! A domain has a form in Unicode (`bücher.example`) and one in ASCII (`xn--bcher-kva.example`, its A-labels, RFC 5890),
//! and browsers turn the first into the second whenever they send a form. So only the second is stored, compared, searched
//! for and sent mail to.

use std::borrow::Cow;

use super::clock::Timestamp;
use super::session::SecretHash;
use super::user::{User, UserId};

/// The address with its domain in ASCII. What is no address, or has a domain without such a form, stays as it is.
#[must_use]
pub fn canonical(address: &str) -> Cow<'_, str> {
    let Some((local, domain)) = address.rsplit_once('@') else { return address.into() };
    match in_ascii(domain) {
        Some(ascii) => format!("{local}@{ascii}").into(),
        None => address.into(),
    }
}

/// A domain, or a part of one, in ASCII; `None` if it is that already, or cannot be.
fn in_ascii(domain: &str) -> Option<String> {
    if domain.is_ascii() {
        return None;
    }
    idna::domain_to_ascii(domain).ok().filter(|ascii| !ascii.is_empty())
}

/// What a filter looks for in addresses: of a whole one, or of one from some place on, the domain is in ASCII.
#[must_use]
pub fn sought(text: &str) -> Cow<'_, str> {
    if text.contains('@') {
        return canonical(text);
    }
    in_ascii(text).filter(|_| text.contains('.')).map_or(text.into(), Cow::from)
}

/// The address with its domain as people write it, if that is another one than in ASCII.
#[must_use]
pub fn in_unicode(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let (unicode, read) = idna::domain_to_unicode(domain);
    (read.is_ok() && !unicode.is_ascii()).then(|| format!("{local}@{unicode}"))
}

/// Whether mail to the one reaches whom mail to the other does, for all that can be known: letter case says nothing in a
/// domain, but may say something before it.
#[must_use]
pub fn are_same(one: &str, other: &str) -> bool {
    let (one, other) = (canonical(one), canonical(other));
    match (one.rsplit_once('@'), other.rsplit_once('@')) {
        (Some((one, one_domain)), Some((other, other_domain))) => {
            one == other && one_domain.eq_ignore_ascii_case(other_domain)
        }
        _ => one == other,
    }
}

/// An address that a user gave themselves and has not shown to be theirs.
#[derive(Debug, Clone)]
pub struct Unconfirmed {
    /// Whose.
    pub user: UserId,
    /// The address.
    pub address: String,
    /// Where their links and messages go meanwhile; empty for nowhere.
    pub mail_to: String,
    /// The hash of the secret in the link that was sent to the address.
    pub secret_hash: SecretHash,
    /// When that link stops working, that instant included.
    pub expires_at: Timestamp,
}

impl Unconfirmed {
    /// Whether it still is the user's address, however that is written.
    #[must_use]
    pub fn is_of(&self, user: &User) -> bool {
        self.user == user.id && are_same(&self.address, &user.email)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ml_1_a_domain_has_one_form_which_is_ascii() {
        for (given, expected) in [
            ("new@bücher.example", "new@xn--bcher-kva.example"),
            ("new@BU\u{308}CHER.Example", "new@xn--bcher-kva.example"),
            ("New@xn--bcher-kva.example", "New@xn--bcher-kva.example"),
            ("\"a@b\"@例え.テスト", "\"a@b\"@xn--r8jz45g.xn--zckzah"),
            ("Ada@Example.ORG", "Ada@Example.ORG"),
            ("bücher", "bücher"),
            ("", ""),
        ] {
            assert_eq!(canonical(given), expected);
            assert_eq!(canonical(&canonical(given)), expected);
        }
        assert_eq!(in_unicode("new@xn--bcher-kva.example").as_deref(), Some("new@bücher.example"));
        assert_eq!((in_unicode("ada@example.org"), in_unicode("nothing")), (None, None));
    }

    #[test]
    fn ml_1_what_a_filter_looks_for_is_in_that_form_as_far_as_it_is_a_domain() {
        for (given, expected) in [
            ("new@bücher.example", "new@xn--bcher-kva.example"),
            ("@bücher", "@xn--bcher-kva"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("bücher", "bücher"),
            ("kva.ex", "kva.ex"),
        ] {
            assert_eq!(sought(given), expected);
        }
    }

    #[test]
    fn ml_1_the_same_address_may_be_written_in_several_ways() {
        let same = [
            "new@bücher.example",
            "new@BÜCHER.example",
            "new@xn--bcher-kva.example",
            "new@XN--BCHER-KVA.EXAMPLE",
        ];
        for one in same {
            for other in same {
                assert!(are_same(one, other), "{one} {other}");
            }
            assert!(!are_same(one, "New@bücher.example") && !are_same(one, "new@bucher.example"));
        }
        assert!(are_same("", "") && !are_same("", "a@b.co"));
    }
}
