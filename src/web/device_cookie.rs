//! The device cookie (OWASP): it exempts a browser that signed in before from blocks that others cause.

use rocket::time::Duration;

use super::layout::cookie;
use crate::config::Settings;
use crate::http::cookies::Cookies;
use crate::model::throttle::DeviceId;
use crate::operations::App;

/// How long it is kept.
const KEPT: Duration = Duration::days(180);

const fn name(settings: &Settings) -> &'static str {
    if settings.insecure_cookie { "known" } else { "__Host-known" }
}

fn kept<'r>(app: &App, jar: Cookies<'r>) -> &'r str {
    jar.value(name(&app.settings)).unwrap_or_default()
}

/// The browser, if it signed in to the account of this name before.
pub(super) fn find(app: &App, jar: Cookies<'_>, username: &str) -> Option<DeviceId> {
    app.keys().browser(kept(app, jar), username)
}

/// Sets the device cookie for this account.
pub(super) fn remember(app: &App, jar: Cookies<'_>, username: &str) {
    let value = app.keys().known.keep(kept(app, jar), username);
    let mut cookie = cookie(&app.settings, name(&app.settings), value);
    cookie.set_max_age(KEPT);
    jar.set(cookie);
}
