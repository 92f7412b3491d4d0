//! The mail after the hundredth wrong password in a row: to the owner, with a way in, and to the superusers.

use crate::db;
use crate::model::error::Result;
use crate::model::origin::Origin;
use crate::model::throttle::HARD_LIMIT;
use crate::model::user::User;
use crate::operations::{App, addresses, mail};

/// Superusers that are told.
const MOST_SUPERUSERS: i64 = 20;

/// Tells the log at once, and the people some time after this returns.
pub(crate) fn send(app: &App, user: &User, origin: &Origin) {
    log::warn!(
        "user {} takes one try at the password a day, after {HARD_LIMIT} wrong ones in a row",
        user.id
    );
    if app.mailer.is_none() {
        return;
    }
    let from = origin.address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
    let (background, app, user) = (&app.background, app.detached(), user.clone());
    background.spawn(async move {
        if let Err(error) = tell(&app, &user, &from).await {
            log::warn!("the superusers could not be told of user {}: {error}", user.id);
        }
    });
}

async fn tell(app: &App, user: &User, from: &str) -> Result<()> {
    let mail_to = addresses::now_of(app, user).await?;
    if !mail_to.is_empty() && user.is_usable(app.clock.now()) {
        let text = to_owner(user, from, &app.base);
        mail::notify(app, &mail_to, "Wrong passwords for your account", text).await;
    }
    let superusers = db::users::superusers(&app.db, MOST_SUPERUSERS).await?;
    for superuser in superusers.iter().filter(|one| one.id != user.id) {
        let mail_to = addresses::now_of(app, superuser).await?;
        if !mail_to.is_empty() {
            let text = to_superuser(user, from, &app.base);
            mail::notify(app, &mail_to, "Wrong passwords for an account", text).await;
        }
    }
    Ok(())
}

fn to_owner(user: &User, from: &str, base: &str) -> String {
    let name = user.username.as_str();
    let way_in = if user.is_superuser {
        format!("Another superuser can lift that on your page, {base}/users/{}.", user.id)
    } else {
        format!("To lift that and choose another password, open {base}/forgotten-password")
    };
    format!(
        "{HARD_LIMIT} wrong passwords in a row were given for your account {name}, the last one from {from}. \
         From now on one try a day is checked.\r\n\r\n{way_in}\r\n\r\nYou stay signed in where you are, and \
         a browser in which you signed in before still lets you in. If you gave none of these passwords, a \
         stranger is guessing yours.\r\n"
    )
}

fn to_superuser(user: &User, from: &str, base: &str) -> String {
    let (name, id) = (user.username.as_str(), user.id);
    format!(
        "{HARD_LIMIT} wrong passwords in a row were given for the account {name}, the last one from {from}. \
         From now on one try a day is checked.\r\n\r\nThe account's page lists the tries, and has a button \
         that lifts the block: {base}/users/{id}\r\n"
    )
}
