//! What forms are bound to before signing in: a random cookie.

use super::layout::cookie;
use crate::config::Settings;
use crate::http::cookies::Cookies;
use crate::model::session::Secret;
use crate::operations::App;
use crate::security::csrf;

/// The cookie's name.
pub(super) const fn name(settings: &Settings) -> &'static str {
    if settings.insecure_cookie { "pre" } else { "__Host-pre" }
}

/// A token for a form, and the cookie that it is bound to for a browser that has none yet.
pub(super) fn token(app: &App, jar: Cookies<'_>) -> String {
    let name = name(&app.settings);
    let bound_to = if let Some(value) = jar.value(name) {
        value.to_owned()
    } else {
        let fresh = Secret::random().to_text();
        jar.set(cookie(&app.settings, name, fresh.clone()));
        fresh
    };
    csrf::issue(&app.keys().forms, &binding(&bound_to))
}

/// What the token of a form is bound to. The browser says what is in its cookie, and may say anything, so that
/// this must never be what the token of a session is bound to.
fn binding(cookie: &str) -> String {
    format!("before a session {cookie}")
}

/// Whether a form's token belongs to this browser.
pub(super) fn is_valid(app: &App, jar: Cookies<'_>, token: &str) -> bool {
    let bound_to = jar.value(name(&app.settings)).unwrap_or_default();
    !bound_to.is_empty() && app.keys().is_of_form(&binding(bound_to), token)
}
