//! The mail after the hundredth wrong password in a row: to the owner, with a way in, and to the superusers.

use crate::db;
use crate::model::error::Result;
use crate::model::origin::Origin;
use crate::model::throttle::HARD_LIMIT;
use crate::model::user::User;
use crate::operations::{App, addresses, mail};

/// Superusers that are told.
const MOST_SUPERUSERS: i64 = 20;

/// Tells the log at once, and the people some time after this returns. `by_known` where only a browser or a session
/// that the account knows is blocked.
pub(crate) fn send(app: &App, user: &User, origin: &Origin, by_known: bool) {
    let whose = whose(by_known);
    log::warn!(
        "user {}: after {HARD_LIMIT} wrong passwords in a row one try {whose} a day is checked",
        user.id
    );
    if app.mailer.is_none() {
        return;
    }
    let from = origin.address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
    let (background, app, user) = (&app.background, app.detached(), user.clone());
    background.spawn(async move {
        if let Err(error) = tell(&app, &user, &from, by_known).await {
            log::warn!("the superusers could not be told of user {}: {error}", user.id);
        }
    });
}

async fn tell(app: &App, user: &User, from: &str, by_known: bool) -> Result<()> {
    let mail_to = addresses::now_of(app, user).await?;
    if !mail_to.is_empty() && user.is_usable(app.clock.now()) {
        let text = to_owner(user, from, &app.base, by_known);
        mail::notify(app, &mail_to, "Wrong passwords for your account", text).await;
    }
    let superusers = db::users::superusers(&app.db, MOST_SUPERUSERS).await?;
    for superuser in superusers.iter().filter(|one| one.id != user.id) {
        let mail_to = addresses::now_of(app, superuser).await?;
        if !mail_to.is_empty() {
            let text = to_superuser(user, from, &app.base, by_known);
            mail::notify(app, &mail_to, "Wrong passwords for an account", text).await;
        }
    }
    Ok(())
}

/// Whose tries are checked once a day only.
const fn whose(by_known: bool) -> &'static str {
    if by_known { "from that browser" } else { "from browsers that are new to the account" }
}

fn to_owner(user: &User, from: &str, base: &str, by_known: bool) -> String {
    let name = user.username.as_str();
    let way_in = if user.is_superuser {
        format!("Another superuser can lift that on your page, {base}/users/{}.", user.id)
    } else {
        format!("To lift that and choose another password, open {base}/forgotten-password")
    };
    let (whose, known) = (whose(by_known), known(by_known));
    format!(
        "{HARD_LIMIT} wrong passwords in a row were given for your account {name}, the last one from {from}. \
         From now on one try {whose} is checked a day.\r\n\r\n{way_in}\r\n\r\nYou stay signed in where you are{known}. \
         If you gave none of these passwords, a stranger is guessing yours.\r\n"
    )
}

/// What else goes on.
const fn known(by_known: bool) -> &'static str {
    if by_known { "" } else { ", and a browser in which you signed in before still lets you in" }
}

fn to_superuser(user: &User, from: &str, base: &str, by_known: bool) -> String {
    let whose = whose(by_known);
    let (name, id) = (user.username.as_str(), user.id);
    format!(
        "{HARD_LIMIT} wrong passwords in a row were given for the account {name}, the last one from {from}. \
         From now on one try {whose} is checked a day.\r\n\r\nThe account's page lists the tries, and has a button \
         that lifts the block: {base}/users/{id}\r\n"
    )
}
