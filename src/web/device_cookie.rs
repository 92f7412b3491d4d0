//! The device cookie (OWASP): it exempts a browser that signed in before from blocks that others cause.

use rocket::time::Duration;

use crate::http::cookies::{CookieName, Cookies};
use crate::model::throttle::DeviceId;
use crate::operations::App;

/// How long it is kept.
const KEPT: Duration = Duration::days(180);

fn kept<'r>(jar: Cookies<'r>) -> &'r str {
    jar.value(CookieName::KnownBrowser).unwrap_or_default()
}

/// The browser, if it signed in to the account of this name before.
pub(super) fn find(app: &App, jar: Cookies<'_>, username: &str) -> Option<DeviceId> {
    app.keys().browser(kept(jar), username)
}

/// Sets the device cookie for this account.
pub(super) fn remember(app: &App, jar: Cookies<'_>, username: &str) {
    jar.set_for(KEPT, CookieName::KnownBrowser, app.keys().known.keep(kept(jar), username));
}
