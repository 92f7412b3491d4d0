//! The device cookie (OWASP): it exempts a browser that signed in before from blocks that others cause.

use rocket::time::Duration;

use crate::http::cookies::{CookieName, Cookies};
use crate::model::error::Result;
use crate::model::throttle::DeviceId;
use crate::model::user::User;
use crate::operations::{App, known_browsers};

fn kept<'r>(jar: Cookies<'r>) -> &'r str {
    jar.value(CookieName::KnownBrowser).unwrap_or_default()
}

/// The browser, if it signed in to the account of this name before.
pub(super) async fn find(app: &App, jar: Cookies<'_>, username: &str) -> Result<Option<DeviceId>> {
    known_browsers::find(app, kept(jar), username).await
}

/// Sets the device cookie of a browser that has just given the password of a user.
pub(super) async fn remember(app: &App, jar: Cookies<'_>, user: &User) -> Result<()> {
    let value = known_browsers::remember(app, kept(jar), user).await?;
    let life = Duration::seconds(known_browsers::KNOWN_FOR.as_secs().cast_signed());
    jar.set_for(life, CookieName::KnownBrowser, value);
    Ok(())
}
