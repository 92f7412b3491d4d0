//! Cookies, set by full names and read by exactly those.
//!
//! Browsers keep cookies by host and not by port, so a name ends with the tag of its installation: of two that share a
//! host, neither replaces a cookie of the other. It begins with `__Host-`, which browsers accept over TLS from the host
//! itself only; but where a browser and this server are [on one machine](super::loopback), without TLS.
//!
//! Rocket percent-decodes the names of cookies, so that `%5F%5FHost-sid`, which a sibling host may set, would stand in
//! for `__Host-sid`. So they are read here from the `Cookie` headers as they came, and nowhere else.

use rocket::http::{Cookie, CookieJar, HeaderMap, SameSite};
use rocket::request::{FromRequest, Outcome, Request};
use rocket::time::Duration;

use super::{guards, loopback};

/// What a cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CookieName {
    /// The secret of a session.
    Session,
    /// What forms are bound to before there is a session.
    BeforeSession,
    /// The proof that the browser signed in before.
    KnownBrowser,
    /// The message that the next page shows.
    Flash,
    /// The list that the browser was last on.
    List,
    /// The users whose pages the browser opened last.
    Recent,
}

impl CookieName {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "sid",
            Self::BeforeSession => "pre",
            Self::KnownBrowser => "known",
            Self::Flash => "flash",
            Self::List => "list",
            Self::Recent => "recent",
        }
    }
}

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
    /// The installation's.
    tag: &'r str,
    /// Whether browsers are to keep them for TLS only.
    secure: bool,
}

impl<'r> Cookies<'r> {
    /// The cookies of a request.
    pub(crate) fn of(request: &'r Request<'_>) -> Self {
        let (headers, jar) = (request.headers(), request.cookies());
        guards::app(request).map_or(Self { headers, jar, tag: "", secure: true }, |app| Self {
            headers,
            jar,
            tag: &app.cookie_tag,
            secure: !app.settings.insecure_cookie && !loopback::is_local(request, &app.settings),
        })
    }

    /// The full name of a cookie.
    pub(crate) fn name(&self, name: CookieName) -> String {
        format!("{}{}-{}", if self.secure { "__Host-" } else { "" }, name.as_str(), self.tag)
    }

    /// What the client sent under exactly the full name.
    pub(crate) fn sent(&self, name: CookieName) -> Sent<'r> {
        sent(self.headers, &self.name(name))
    }

    /// The value of a cookie, if the client sent one only under exactly the full name.
    pub(crate) fn value(&self, name: CookieName) -> Option<&'r str> {
        self.sent(name).value()
    }

    /// Sets a cookie that only this server sees, for as long as the browser runs.
    pub(crate) fn set(&self, name: CookieName, value: String) {
        self.jar.add(self.cookie(name, value));
    }

    /// The same, for so long.
    pub(crate) fn set_for(&self, life: Duration, name: CookieName, value: String) {
        let mut cookie = self.cookie(name, value);
        cookie.set_max_age(life);
        self.jar.add(cookie);
    }

    /// Removes a cookie from the client, if it sent one.
    pub(crate) fn remove(&self, name: CookieName) {
        if self.sent(name) != Sent::Nothing {
            let mut cookie = self.cookie(name, String::new());
            cookie.make_removal();
            self.jar.add(cookie);
        }
    }

    fn cookie(&self, name: CookieName, value: String) -> Cookie<'static> {
        Cookie::build((self.name(name), value))
            .path("/")
            .secure(self.secure)
            .http_only(true)
            .same_site(SameSite::Lax)
            .build()
    }

    /// The host of the page that sent a form, if the page came over plain HTTP although the cookies need TLS: the
    /// browser keeps none of them.
    pub(crate) fn lost_by(&self) -> Option<&'r str> {
        self.headers.get_one("Origin")?.strip_prefix("http://").filter(|_| self.secure)
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
