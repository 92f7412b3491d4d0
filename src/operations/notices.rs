//! Tells the owner of an account by mail what was done to the ways into it (ASVS 6.3.7): another password, another
//! address, a sign-in by a browser that is new to the account. Each message goes to the address from before.

use crate::model::address;
use crate::model::audit::Author;
use crate::model::clock::Timestamp;
use crate::model::origin::Channel;
use crate::model::user::User;
use crate::operations::{App, mail};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    PasswordChanged,
    PasswordRemoved,
    AddressChanged,
    AddressConfirmed,
    NewBrowser,
    FactorAdded,
    FactorRemoved,
    RecoveryCodesMade,
    RecoveryCodeUsed,
    PasskeyRefused,
}

impl Event {
    /// The subject, and the first line after "Your account NAME".
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::PasswordChanged => ("Your password was changed", "has a new password."),
            Self::PasswordRemoved => {
                ("Your password was removed", "has no password any more: a passkey signs in to it.")
            }
            Self::AddressChanged => (
                "Your email address was changed",
                "has a new email address. Messages go there once it is confirmed, or at once if an administrator \
                 set it.",
            ),
            Self::AddressConfirmed => (
                "Your email address was confirmed",
                "has a confirmed new email address. This one is no longer used for it.",
            ),
            Self::NewBrowser => {
                ("New sign-in to your account", "was signed in to by a browser that was not known before.")
            }
            Self::FactorAdded => ("A second factor was added", "has another second factor."),
            Self::FactorRemoved => ("A second factor was removed", "has lost a second factor."),
            Self::RecoveryCodesMade => (
                "New recovery codes were made",
                "has new recovery codes. Those from before are no longer good.",
            ),
            Self::RecoveryCodeUsed => ("A recovery code was used", "was signed in to with a recovery code."),
            Self::PasskeyRefused => (
                "A passkey was refused",
                "refused a passkey: its device counts uses backwards, as a copy of it would. Remove the passkey, and add \
                 it again if the device is yours.",
            ),
        }
    }
}

/// The owner of an account, as they were before, and where mail for them went then.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) user: &'a User,
    pub(crate) mail_to: &'a str,
}

/// Tells the owner what a change of their record meant for the ways in, if it meant anything.
pub(crate) fn after_change(
    app: &App,
    owner: Owner<'_>,
    after: &User,
    new_password: bool,
    by: &Author,
    now: Timestamp,
) {
    if new_password {
        tell(app, owner, Event::PasswordChanged, by, now);
    }
    if !address::are_same(&owner.user.email, &after.email) {
        tell(app, owner, Event::AddressChanged, by, now);
    }
}

/// Tells the owner of an account what was done by whom. No request waits for it; a stop of the server does.
pub(crate) fn tell(app: &App, owner: Owner<'_>, event: Event, by: &Author, now: Timestamp) {
    if app.mailer.is_none() || owner.mail_to.is_empty() {
        return;
    }
    let ((subject, _), text) = (event.words(), text(owner.user, event, by, now, &app.base));
    let (background, app, recipient) = (&app.background, app.detached(), owner.mail_to.to_owned());
    background.spawn(async move { mail::notify(&app, &recipient, subject, text).await });
}

fn text(owner: &User, event: Event, by: &Author, now: Timestamp, base: &str) -> String {
    let ((_, what), name) = (event.words(), owner.username.as_str());
    let is_owner = by.user.as_ref().is_some_and(|(id, _)| *id == owner.id);
    let who = match (&by.user, by.origin.channel) {
        (Some(_), _) if is_owner => "you",
        (Some(_), _) => "an administrator",
        (None, Channel::CommandLine) => "the operator",
        (None, Channel::Console | Channel::Api | Channel::Scim) => {
            "the holder of a link that was sent to you or given to you"
        }
    };
    // Where an administrator sits is no business of the owner's.
    let place = if by.user.is_none() || is_owner { place(by) } else { String::new() };
    let advice = if owner.is_superuser {
        "tell another superuser or the operator at once.".to_owned()
    } else {
        format!("choose another password at {base}/forgotten-password and tell your administrator.")
    };
    let when = now.to_string();
    let (date, time) = (when.get(..10).unwrap_or_default(), when.get(11..19).unwrap_or_default());
    format!(
        "Your account {name} {what}\r\n\r\nWhen: {date} {time} UTC\r\nBy: {who}\r\n{place}\r\n\
         If you expected this, there is nothing to do. If not, {advice}\r\n"
    )
}

/// From where, as a line; empty if nothing is known.
fn place(by: &Author) -> String {
    let (address, device) = (by.origin.address_text(), &by.origin.device);
    match (address.as_str(), device.as_str()) {
        ("", "") => String::new(),
        (known, "") | ("", known) => format!("From: {known}\r\n"),
        (address, device) => format!("From: {address}, {device}\r\n"),
    }
}
