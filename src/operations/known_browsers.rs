//! Browsers that signed in before, by their device cookie: guesses of others do not block them.
//!
//! The cookie alone proves nothing: the database says until when a browser is known, and to which accounts.

use std::time::Duration;

use crate::db;
use crate::model::clock::Timestamp;
use crate::model::error::Result;
use crate::model::permission::SignedIn;
use crate::model::text;
use crate::model::throttle::DeviceId;
use crate::model::user::User;
use crate::operations::{App, Can};

/// How long a browser is known after it signed in.
pub const KNOWN_FOR: Duration = Duration::from_hours(180 * 24);
/// Browsers that an account knows at once; another one takes the place of that which signed in the longest ago.
const MOST: i64 = 10;

/// The browser with this cookie, if it signed in to the account of this name, and the account has had no other password
/// since.
pub async fn find(app: &App, kept: &str, username: &str) -> Result<Option<DeviceId>> {
    let Some(browser) = app.keys().browser(kept, username) else { return Ok(None) };
    let since = app.clock.now().minus(KNOWN_FOR);
    let is_known = db::known_browsers::is_known(&app.db, &text::canonical(username), &browser, since).await?;
    Ok(is_known.then_some(browser))
}

/// When the browsers that the caller's account knows last signed in, the latest first.
pub async fn own(can: &Can<SignedIn>) -> Result<Vec<Timestamp>> {
    let app = can.app();
    let since = app.clock.now().minus(KNOWN_FOR);
    Ok(db::known_browsers::of_user(&app.db, can.user().id, since).await?)
}

/// Notes that the browser with this cookie has just given the password of a user, unless that is another one already;
/// its cookie from now on.
pub async fn remember(app: &App, kept: &str, user: &User) -> Result<String> {
    let username = user.username.as_str();
    let browser = find(app, kept, username).await?.unwrap_or_else(DeviceId::random);
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let now_stored = db::users::lock(&mut tx, user.id).await?.map(|found| found.user.password_changed_at);
        if now_stored == Some(user.password_changed_at) {
            db::known_browsers::insert(&mut tx, user.id, &browser, app.clock.now(), MOST - 1).await?;
        }
        Ok(tx.commit().await?)
    })
    .await?;
    Ok(app.keys().known.keep(kept, username, &browser))
}
