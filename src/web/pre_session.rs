//! What forms are bound to before signing in: a random cookie.

use crate::http::cookies::{CookieName, Cookies, Sent};
use crate::model::session::Secret;
use crate::operations::App;
use crate::security::csrf;

/// A token for a form, and the cookie that it is bound to for a browser that has none yet.
pub(super) fn token(app: &App, jar: Cookies<'_>) -> String {
    token_for(app, &given(jar))
}

/// The value of that cookie, which a browser that has none yet is given.
pub(super) fn given(jar: Cookies<'_>) -> String {
    if let Some(value) = jar.value(CookieName::BeforeSession) {
        return value.to_owned();
    }
    let fresh = Secret::random().to_text();
    jar.set(CookieName::BeforeSession, fresh.clone());
    fresh
}

/// A token for a form of the browser with this cookie.
pub(super) fn token_for(app: &App, cookie: &str) -> String {
    csrf::issue(&app.keys().forms, &binding(cookie))
}

/// The value of that cookie as the browser sent it; empty without one.
pub(super) fn cookie(jar: Cookies<'_>) -> &str {
    jar.value(CookieName::BeforeSession).unwrap_or_default()
}

/// What the token of a form is bound to. The browser says what is in its cookie, and may say anything, so that
/// this must never be what the token of a session is bound to.
fn binding(cookie: &str) -> String {
    format!("before a session {cookie}")
}

/// What is said when a cookie came twice: neither of the two counts.
pub(super) const UNCLEAR: &str = "Your browser sends two cookies of the same name, of which this site has set one at \
                                  most. Remove the cookies of this site and sign in again.";

/// What is said to a user whose form's token is not one of this browser; `expired` is said of one that was.
pub(super) fn refusal(app: &App, jar: Cookies<'_>, token: &str, expired: &str) -> Option<String> {
    match jar.sent(CookieName::BeforeSession) {
        Sent::Several => Some(UNCLEAR.to_owned()),
        Sent::Nothing => Some(without_cookie(jar)),
        Sent::One("") => Some(expired.to_owned()),
        Sent::One(bound_to) => {
            let is_valid = app.keys().is_of_form(&binding(bound_to), token);
            (!is_valid).then(|| expired.to_owned())
        }
    }
}

/// Why the browser may have sent no cookie back, and what helps.
fn without_cookie(jar: Cookies<'_>) -> String {
    let Some(host) = jar.lost_by() else {
        return "Your browser sent no cookie back, without which signing in cannot work. Try again. If that does not help, \
                allow cookies for this site."
            .to_owned();
    };
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.parse::<u16>().is_ok());
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!(
        "This page came over plain HTTP, so that your browser keeps no cookies of it, without which signing in cannot \
         work. Open it over https:// or, on the machine that runs Usher, at http://localhost{port}. On a trusted network \
         the operator can set insecure_cookie."
    )
}
