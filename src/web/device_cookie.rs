//! The device cookie (OWASP): it exempts a browser that signed in before from blocks that others cause.

use rocket::time::Duration;

use super::layout::cookie;
use crate::config::Settings;
use crate::http::cookies::Cookies;
use crate::model::error::Result;
use crate::model::throttle::DeviceId;
use crate::model::user::User;
use crate::operations::{App, known_browsers};

const fn name(settings: &Settings) -> &'static str {
    if settings.insecure_cookie { "known" } else { "__Host-known" }
}

fn kept<'r>(app: &App, jar: Cookies<'r>) -> &'r str {
    jar.value(name(&app.settings)).unwrap_or_default()
}

/// The browser, if it signed in to the account of this name before.
pub(super) async fn find(app: &App, jar: Cookies<'_>, username: &str) -> Result<Option<DeviceId>> {
    known_browsers::find(app, kept(app, jar), username).await
}

/// Sets the device cookie of a browser that has just given the password of a user.
pub(super) async fn remember(app: &App, jar: Cookies<'_>, user: &User) -> Result<()> {
    let value = known_browsers::remember(app, kept(app, jar), user).await?;
    let mut cookie = cookie(&app.settings, name(&app.settings), value);
    cookie.set_max_age(Duration::seconds(known_browsers::KNOWN_FOR.as_secs().cast_signed()));
    jar.set(cookie);
    Ok(())
}
