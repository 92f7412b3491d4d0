//! Device cookies (OWASP): a browser's proof that it signed in before, for a few accounts.
//!
//! Failed sign-ins of such a browser are counted apart, so that guesses from elsewhere do not block it. A mark is a
//! random number and a message authentication code over it and the account's name. It does not reveal the name
//! to other users of the browser.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;

use crate::model::mac::mac;
use crate::model::text;
use crate::model::throttle::DeviceId;

/// Accounts that a browser proves at once; another one takes the place of that which signed in the longest ago.
const MOST: usize = 5;
/// Length of a browser's number, in bytes.
const NUMBER: usize = 16;
/// Length of a mark as it is kept, in characters of base64: a number and a code of 32 bytes.
const LENGTH: usize = 64;

/// Signs the marks.
#[derive(Clone)]
pub struct DeviceCookieKey([u8; 32]);

impl std::fmt::Debug for DeviceCookieKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KnownKey(..)")
    }
}

impl DeviceCookieKey {
    /// From 32 bytes that nothing else uses.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The browser, if its cookie proves that it signed in to the account of this name.
    #[must_use]
    pub fn browser(&self, kept: &str, username: &str) -> Option<DeviceId> {
        let name = text::canonical(username);
        kept.split('.').take(MOST).find_map(|mark| self.proven(mark, &name))
    }

    /// The cookie's value after this browser signed in to the account of this name.
    #[must_use]
    pub fn keep(&self, kept: &str, username: &str, browser: &DeviceId) -> String {
        let name = text::canonical(username);
        let code = mac(&self.0).chain_update(browser.0).chain_update(&name).finalize().into_bytes();
        let mark = URL_SAFE_NO_PAD.encode([&browser.0[..], &code[..]].concat());
        let others =
            kept.split('.').filter(|mark| mark.len() == LENGTH && self.proven(mark, &name).is_none());
        let all: Vec<&str> = std::iter::once(mark.as_str()).chain(others).take(MOST).collect();
        all.join(".")
    }

    fn proven(&self, mark: &str, name: &str) -> Option<DeviceId> {
        let bytes = URL_SAFE_NO_PAD.decode(mark).ok()?;
        let (number, code) = bytes.split_first_chunk::<NUMBER>()?;
        let proof = mac(&self.0).chain_update(number).chain_update(name);
        proof.verify_slice(code).is_ok().then_some(DeviceId(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: DeviceCookieKey = DeviceCookieKey::new([7; 32]);

    fn keep(kept: &str, name: &str) -> String {
        let browser = KEY.browser(kept, name).unwrap_or_else(DeviceId::random);
        KEY.keep(kept, name, &browser)
    }

    #[test]
    fn pw_13_a_browser_is_known_to_the_accounts_that_it_signed_in_to_and_to_no_other() {
        let kept = keep("", "Ada");
        let ada = KEY.browser(&kept, " ADA ").expect("it signed in");
        assert_eq!(KEY.browser(&kept, "bob"), None);
        assert_eq!(DeviceCookieKey::new([8; 32]).browser(&kept, "ada"), None, "with another key");
        let both = keep(&kept, "bob");
        assert_eq!(KEY.browser(&both, "ada"), Some(ada.clone()));
        assert_ne!(KEY.browser(&both, "bob"), Some(ada.clone()), "each account knows it by another number");
        let again = keep(&both, "ada");
        assert_eq!((KEY.browser(&again, "ada"), again.len()), (Some(ada), both.len()), "the same browser");
        assert_ne!(keep("", "ada"), keep("", "ada"), "browsers differ");
    }

    #[test]
    fn pw_13_a_browser_proves_five_accounts_and_forgets_the_oldest() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let kept = names.iter().fold(String::new(), |kept, name| keep(&kept, name));
        let known: Vec<_> = names.iter().filter(|name| KEY.browser(&kept, name).is_some()).collect();
        assert_eq!(known, [&"b", &"c", &"d", &"e", &"f"]);
        assert!(kept.len() < 400, "cookies come with every request");
    }

    #[test]
    fn pw_13_nothing_else_proves_anything() {
        let kept = keep("", "ada");
        let altered = format!("{}{}", if kept.starts_with('A') { "B" } else { "A" }, &kept[1..]);
        let sixth = format!("{}{kept}", "x.".repeat(5));
        for bad in ["", ".", "....", &kept[..63], &kept[..40], &altered, &sixth, &format!("{kept}A"), "é"] {
            assert_eq!(KEY.browser(bad, "ada"), None, "{bad}");
            assert_eq!(keep(bad, "ada").split('.').filter(|mark| mark.len() != LENGTH).count(), 0);
        }
        // A number and a name are never taken for another number and another name.
        assert_eq!(KEY.browser(&keep("", "ada"), "da"), None);
    }
}
