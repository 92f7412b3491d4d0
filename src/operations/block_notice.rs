//! The mail after the hundredth wrong password or code in a row: to the owner, with a way in, and to the superusers.

use crate::db;
use crate::model::error::Result;
use crate::model::origin::Origin;
use crate::model::throttle::HARD_LIMIT;
use crate::model::user::User;
use crate::operations::{App, addresses, mail};

/// Superusers that are told.
const MOST_SUPERUSERS: i64 = 20;

/// Whose tries are checked once a day only, from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// Those at the password by what the account does not know.
    Others,
    /// Those at the password by one browser or session that it knows.
    Known,
    /// Those at codes, wherever they come from.
    Codes,
}

impl Blocked {
    /// What was wrong.
    const fn what(self) -> &'static str {
        match self {
            Self::Others | Self::Known => "passwords",
            Self::Codes => "codes of the second factor",
        }
    }

    /// Of the mail to the owner, and of that to superusers.
    const fn subjects(self) -> [&'static str; 2] {
        match self {
            Self::Others | Self::Known => {
                ["Wrong passwords for your account", "Wrong passwords for an account"]
            }
            Self::Codes => ["Wrong codes for your account", "Wrong codes for an account"],
        }
    }

    const fn whose(self) -> &'static str {
        match self {
            Self::Others => "from browsers that are new to the account",
            Self::Known => "from that browser",
            Self::Codes => "at a code",
        }
    }

    /// What else goes on.
    const fn known(self) -> &'static str {
        match self {
            Self::Others => ", and a browser in which you signed in before still lets you in",
            Self::Known => "",
            Self::Codes => ", and a passkey still signs you in",
        }
    }

    /// What the owner is to think of it.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Others | Self::Known => {
                "If you gave none of these passwords, a stranger is guessing yours."
            }
            Self::Codes => {
                "If you gave none of these codes, a stranger who knows your password is guessing them: choose another \
                 password."
            }
        }
    }
}

/// Tells the log at once, and the people some time after this returns.
pub(crate) fn send(app: &App, user: &User, origin: &Origin, blocked: Blocked) {
    let (what, whose) = (blocked.what(), blocked.whose());
    log::warn!("user {}: after {HARD_LIMIT} wrong {what} in a row one try {whose} a day is checked", user.id);
    if app.mailer.is_none() {
        return;
    }
    let from = origin.address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
    let (background, app, user) = (&app.background, app.detached(), user.clone());
    background.spawn(async move {
        if let Err(error) = tell(&app, &user, &from, blocked).await {
            log::warn!("the superusers could not be told of user {}: {error}", user.id);
        }
    });
}

async fn tell(app: &App, user: &User, from: &str, blocked: Blocked) -> Result<()> {
    let mail_to = addresses::now_of(app, user).await?;
    if !mail_to.is_empty() && user.is_usable(app.clock.now()) {
        let text = to_owner(user, from, &app.base, blocked);
        mail::notify(app, &mail_to, blocked.subjects()[0], text).await;
    }
    let superusers = db::users::superusers(&app.db, MOST_SUPERUSERS).await?;
    for superuser in superusers.iter().filter(|one| one.id != user.id) {
        let mail_to = addresses::now_of(app, superuser).await?;
        if !mail_to.is_empty() {
            let text = to_superuser(user, from, &app.base, blocked);
            mail::notify(app, &mail_to, blocked.subjects()[1], text).await;
        }
    }
    Ok(())
}

fn to_owner(user: &User, from: &str, base: &str, blocked: Blocked) -> String {
    let name = user.username.as_str();
    let (id, what, whose) = (user.id, blocked.what(), blocked.whose());
    let (known, meaning) = (blocked.known(), blocked.meaning());
    let way_in = if blocked == Blocked::Codes {
        format!("A superuser can lift that on your page, {base}/users/{id}.")
    } else if user.is_superuser {
        format!("Another superuser can lift that on your page, {base}/users/{id}.")
    } else {
        format!("To lift that and choose another password, open {base}/forgotten-password")
    };
    format!(
        "{HARD_LIMIT} wrong {what} in a row were given for your account {name}, the last one from {from}. \
         From now on one try {whose} is checked a day.\r\n\r\n{way_in}\r\n\r\nYou stay signed in where you are{known}. \
         {meaning}\r\n"
    )
}

fn to_superuser(user: &User, from: &str, base: &str, blocked: Blocked) -> String {
    let (what, whose) = (blocked.what(), blocked.whose());
    let (name, id) = (user.username.as_str(), user.id);
    format!(
        "{HARD_LIMIT} wrong {what} in a row were given for the account {name}, the last one from {from}. \
         From now on one try {whose} is checked a day.\r\n\r\nThe account's page lists the tries, and has a button \
         that lifts the block: {base}/users/{id}\r\n"
    )
}
