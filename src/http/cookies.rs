//! Cookies, read by their exact names.
//!
//! Rocket percent-decodes the names of cookies, so that `%5F%5FHost-sid`, which a sibling host may set, would stand in
//! for `__Host-sid`. So they are read here from the `Cookie` headers as they came, and nowhere else.

use rocket::http::{Cookie, CookieJar, HeaderMap};
use rocket::request::{FromRequest, Outcome, Request};

/// What a client sent under one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent<'r> {
    Nothing,
    /// The value as it came: not decoded.
    One(&'r str),
    /// It is not known which one is ours.
    Several,
}

impl<'r> Sent<'r> {
    /// The value, if there is one only.
    pub(crate) const fn value(self) -> Option<&'r str> {
        match self {
            Self::One(value) => Some(value),
            Self::Nothing | Self::Several => None,
        }
    }
}

/// The cookies of a request, and those that its answer sets.
#[derive(Clone, Copy)]
pub(crate) struct Cookies<'r> {
    headers: &'r HeaderMap<'r>,
    jar: &'r CookieJar<'r>,
}

impl<'r> Cookies<'r> {
    /// The cookies of a request.
    pub(crate) fn of(request: &'r Request<'_>) -> Self {
        Self { headers: request.headers(), jar: request.cookies() }
    }

    /// What the client sent under exactly this name.
    pub(crate) fn sent(&self, name: &str) -> Sent<'r> {
        sent(self.headers, name)
    }

    /// The value of a cookie, if the client sent one only under exactly this name.
    pub(crate) fn value(&self, name: &str) -> Option<&'r str> {
        self.sent(name).value()
    }

    /// Sets a cookie.
    pub(crate) fn set(&self, cookie: Cookie<'static>) {
        self.jar.add(cookie);
    }

    /// Removes the cookie of this name and path from the client, if it sent one.
    pub(crate) fn remove(&self, mut cookie: Cookie<'static>) {
        if self.sent(cookie.name()) != Sent::Nothing {
            cookie.make_removal();
            self.jar.add(cookie);
        }
    }
}

fn sent<'r>(headers: &'r HeaderMap<'_>, name: &str) -> Sent<'r> {
    let pairs = headers.get("Cookie").flat_map(|header| header.split(';'));
    let mut values = pairs.filter_map(|pair| {
        let (sent, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
        (sent == name).then_some(value)
    });
    match (values.next(), values.next()) {
        (None, _) => Sent::Nothing,
        (Some(value), None) => Sent::One(value),
        (Some(_), Some(_)) => Sent::Several,
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Cookies<'r> {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        Outcome::Success(Self::of(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_in(lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.add_raw("Cookie", (*line).to_owned());
        }
        format!("{:?}", sent(&headers, "__Host-sid"))
    }

    #[test]
    fn se_3_a_cookie_is_read_by_exactly_its_name() {
        for lines in [
            &["__Host-sid=a"][..],
            &["other=b; __Host-sid=a; another=c"],
            &["other=b;__Host-sid=a"],
            &["other=b", "\t__Host-sid=a ", "another=c"],
            &["%5F%5FHost-sid=b; __Host-sid=a; __host-sid=c; x__Host-sid=d; __Host-sid =e"],
            &["__Host-sid", "__Host-sid=a", "=__Host-sid=b"],
        ] {
            assert_eq!(sent_in(lines), "One(\"a\")", "{lines:?}");
        }
        for lines in [
            &[][..],
            &["%5F%5FHost-sid=b"],
            &["_%5FHost-sid=b", "__Host%2Dsid=b", "__Host-si%64=b"],
            &["__host-sid=b; __HOST-SID=b; \"__Host-sid\"=b; __Host-sid =b"],
            &["other=__Host-sid=b", "other=\"; __Host-sid\""],
        ] {
            assert_eq!(sent_in(lines), "Nothing", "{lines:?}");
        }
        assert_eq!(sent_in(&["__Host-sid=a=b%20"]), "One(\"a=b%20\")", "the value as it came");
    }

    #[test]
    fn se_3_of_two_cookies_of_one_name_none_counts() {
        for lines in [
            &["__Host-sid=a; __Host-sid=b"][..],
            &["__Host-sid=a", "__Host-sid=b"],
            &["__Host-sid=a; other=c; __Host-sid=a"],
            &["__Host-sid=; __Host-sid=a"],
        ] {
            assert_eq!(sent_in(lines), "Several", "{lines:?}");
        }
        assert_eq!(Sent::Several.value(), None);
    }
}
