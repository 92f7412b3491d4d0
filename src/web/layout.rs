//! What stands around every page of a signed-in user, and the one message after a change.

use std::borrow::Cow;

use rocket::form::FromForm;
use rocket::http::RawStr;
use rocket::request::{FromRequest, Outcome, Request};
use serde::{Deserialize, Serialize};

use crate::http::cookies::{CookieName, Cookies};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::permission::{Permission, SignedIn};
use crate::model::preferences::{Density, Theme};
use crate::model::rules::Denial;
use crate::model::session::{Session, SessionId};
use crate::model::time_zone::Zone;
use crate::operations::{App, Can};
use crate::security::csrf;
use crate::web::reauthentication::{Renewed, TypedCode};
use crate::web::view::Time;

/// The message that the next page shows once, as the browser keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Flash {
    /// What happened.
    said: Said,
    undo: Option<Undo>,
}

/// What happened, a sentence or two, and whether that is what was wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    text: String,
    is_neutral: bool,
}

impl Said {
    /// Nothing was done, because there was nothing to do.
    pub(super) fn neutral(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_neutral: true }
    }
}

impl<T: Into<String>> From<T> for Said {
    fn from(text: T) -> Self {
        Self { text: text.into(), is_neutral: false }
    }
}

/// What a message offers to take back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Undo {
    /// What an entry of the audit log records about a user.
    Change {
        /// The user's primary key.
        user: i64,
        /// The entry's.
        entry: i64,
    },
    /// The same about an entry that itself took something back.
    Again {
        /// The user's primary key.
        user: i64,
        /// The entry's.
        entry: i64,
    },
    /// A run on many users, by its primary key.
    Run(i64),
    /// The same about a run that itself took another one back.
    RunAgain(i64),
}

impl Undo {
    /// The path that a form posts to.
    fn path(self) -> String {
        match self {
            Self::Change { user, entry } | Self::Again { user, entry } => {
                format!("/users/{user}/undo/{entry}")
            }
            Self::Run(batch) | Self::RunAgain(batch) => format!("/users/bulk/{batch}/undo"),
        }
    }

    /// The button's text.
    const fn label(self) -> &'static str {
        match self {
            Self::Change { .. } | Self::Run(_) => "Undo",
            Self::Again { .. } | Self::RunAgain(_) => "Redo",
        }
    }
}

/// The message as the page shows it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) is_neutral: bool,
    /// The path that a form posts to in order to undo what happened, and the button's text.
    pub(super) undo: Option<(String, &'static str)>,
}

/// The bar at the top, and the message.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether one part of the page is there")]
pub(super) struct Layout {
    pub(super) username: String,
    pub(super) is_admin: bool,
    pub(super) is_superuser: bool,
    /// `overview`, `users`, `audit` or `account`.
    pub(super) section: &'static str,
    /// For all forms of the page.
    pub(super) token: String,
    pub(super) flash: Option<Message>,
    /// `light`, `dark`, or empty for what the system says.
    pub(super) theme: &'static str,
    /// Whether rows stand close together.
    pub(super) compact: bool,
    /// Whether single keys do something.
    pub(super) shortcuts: bool,
    /// The time zone of the times.
    pub(super) zone: String,
    /// The way back to the list, as it was last seen.
    pub(super) list: String,
    /// From when on the viewer has to have a second factor, which they have not.
    pub(super) factor_from: Option<Time>,
    /// Whether what the page shows may be old, as a replica has it.
    pub(super) is_old: bool,
}

impl Layout {
    /// The layout of a page for a user who may see it; takes the message with it.
    pub(super) fn new<P: Permission>(can: &Can<P>, jar: Cookies<'_>, section: &'static str) -> Self {
        Self { flash: take_flash(can, jar), list: last_list(jar), ..Self::without_flash(can, section) }
    }

    /// The same, with the message left for another page.
    pub(super) fn without_flash<P: Permission>(can: &Can<P>, section: &'static str) -> Self {
        let preferences = &can.session().preferences;
        Self {
            username: can.user().username.as_str().to_owned(),
            is_admin: can.user().is_admin(),
            is_superuser: can.user().is_superuser,
            section,
            token: csrf::issue(&can.app().keys().forms, &binding(can.session())),
            flash: None,
            theme: match preferences.theme {
                Theme::System => "",
                Theme::Light => "light",
                Theme::Dark => "dark",
            },
            compact: preferences.density == Density::Compact,
            shortcuts: preferences.shortcuts,
            zone: preferences.time_zone.clone(),
            list: LIST.to_owned(),
            factor_from: reminder(can).map(Into::into),
            is_old: can.app().db.age().is_some(),
        }
    }

    #[cfg(test)]
    pub(super) fn sample(text: &str) -> Self {
        Self {
            username: text.to_owned(),
            is_admin: true,
            is_superuser: true,
            section: "users",
            token: text.to_owned(),
            flash: Some(Message {
                text: text.to_owned(),
                is_neutral: true,
                undo: Some((text.to_owned(), "Undo")),
            }),
            theme: "dark",
            compact: true,
            shortcuts: false,
            zone: text.to_owned(),
            list: text.to_owned(),
            factor_from: Some(Timestamp::from_micros(0).into()),
            is_old: true,
        }
    }
}

/// From when on the user has to have a second factor, if that is still to come and they have none.
fn reminder<P: Permission>(can: &Can<P>) -> Option<Timestamp> {
    let (demand, user) = (can.app().settings.demand(), can.user());
    let is_told = !user.has_factor && demand.concerns(user) && can.app().clock.now() < demand.from;
    is_told.then_some(demand.from)
}

/// The list without a filter.
const LIST: &str = "/users";

/// Longest path of a list that a browser is asked to keep, in bytes: cookies come with every request.
const LONGEST_LIST: usize = 1_000;

/// The path of the list that the browser was last on; of anything else than a list of ours, the list of all.
fn last_list(jar: Cookies<'_>) -> String {
    // Rocket has percent-encoded it.
    let path = jar.value(CookieName::List).and_then(|path| RawStr::new(path).percent_decode().ok());
    let is_ours = |path: &Cow<'_, str>| {
        path.strip_prefix(LIST).is_some_and(|rest| rest.starts_with('?')) && path.len() <= LONGEST_LIST
    };
    path.filter(is_ours).map_or_else(|| LIST.to_owned(), Cow::into_owned)
}

/// Stores the path of the current list in a cookie, for the way back from a user.
pub(super) fn keep_list(jar: Cookies<'_>, path: &str) {
    if last_list(jar) == path {
        return;
    }
    if path == LIST || path.len() > LONGEST_LIST {
        jar.remove(CookieName::List);
    } else {
        jar.set(CookieName::List, path.to_owned());
    }
}

/// What the token of a form is bound to.
pub(super) fn binding(session: &Session) -> String {
    format!("session {}", session.id.0)
}

/// The message that this page is to show, which no later one will: only one that was made in this session.
fn take_flash<P: Permission>(can: &Can<P>, jar: Cookies<'_>) -> Option<Message> {
    let value = jar.value(CookieName::Flash);
    jar.remove(CookieName::Flash);
    let json = can.app().keys().open_message(can.session().id, value?)?;
    let Flash { said: Said { text, is_neutral }, undo } = serde_json::from_slice(&json).ok()?;
    Some(Message { text, is_neutral, undo: undo.map(|undo| (undo.path(), undo.label())) })
}

/// What a button that only needs the token sends.
#[derive(Debug, FromForm)]
pub(super) struct TokenForm {
    #[field(default = "")]
    pub(super) token: String,
}

/// The token of a form, checked: the proof that a page of ours sent it.
///
/// # Errors
/// [`Error::Forbidden`] for a token of another session, or none.
pub(super) fn check_token<P: Permission>(can: &Can<P>, token: &str) -> Result<()> {
    if can.app().keys().is_of_form(&binding(can.session()), token) {
        Ok(())
    } else {
        Err(Error::Forbidden(Denial::CrossSite))
    }
}

/// A user of the console, and the cookies that came with the request.
pub(super) struct ConsoleSession<'r, P = SignedIn> {
    pub(super) can: Can<P>,
    pub(super) jar: Cookies<'r>,
    pub(super) renewed: &'r Renewed,
    /// The code of a second factor that came with the form.
    pub(super) typed_code: &'r TypedCode,
}

#[rocket::async_trait]
impl<'r, P: Permission> FromRequest<'r> for ConsoleSession<'r, P> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let (jar, renewed, typed_code) = (Cookies::of(request), Renewed::of(request), TypedCode::of(request));
        Can::from_request(request).await.map(|can| Self { can, jar, renewed, typed_code })
    }
}

impl<P: Permission> ConsoleSession<'_, P> {
    /// The installation.
    pub(super) fn app(&self) -> &App {
        self.can.app()
    }

    /// The time zone that the viewer has chosen.
    pub(super) fn zone(&self) -> Zone {
        Zone::named(&self.can.session().preferences.time_zone).unwrap_or(Zone::UTC)
    }

    /// The layout of a page.
    pub(super) fn layout(&self, section: &'static str) -> Layout {
        Layout::new(&self.can, self.jar, section)
    }

    /// The layout of a page that does not take the message with it.
    pub(super) fn layout_without_flash(&self, section: &'static str) -> Layout {
        Layout::without_flash(&self.can, section)
    }

    /// The token of a form, checked.
    ///
    /// # Errors
    /// As [`check_token`].
    pub(super) fn check(&self, token: &str) -> Result<()> {
        check_token(&self.can, token)
    }

    /// Whether a form's token is of another session: then nothing is done, and the form is shown again.
    pub(super) fn is_stale(&self, token: &str) -> bool {
        self.check(token).is_err()
    }

    /// Sets the message for the next page. The browser can read it: never a secret.
    pub(super) fn flash(&self, said: impl Into<Said>, undo: Option<Undo>) {
        self.flash_in(self.can.session().id, said, undo);
    }

    /// The same for the next page of another session, as after another password.
    pub(super) fn flash_in(&self, session: SessionId, said: impl Into<Said>, undo: Option<Undo>) {
        if let Ok(json) = serde_json::to_vec(&Flash { said: said.into(), undo }) {
            self.jar.set(CookieName::Flash, self.app().keys().messages.sign(session.0, &json));
        }
    }
}
