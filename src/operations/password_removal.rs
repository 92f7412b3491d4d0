//! An account without a password: its owner signs in by a passkey alone.

use crate::db;
use crate::model::audit::{Action, Entry};
use crate::model::error::{Error, Result};
use crate::model::password::PasswordHash;
use crate::model::permission::SignedIn;
use crate::model::presence::Presence;
use crate::operations::notices::{self, Event, Owner};
use crate::operations::{Can, addresses, audit, sessions, users};

/// Removes the caller's password. Other sessions and all API tokens end, as with another one.
///
/// # Errors
/// [`Error::Forbidden`] by an API token, or without a confirmed password; [`Error::Invalid`] if there is none, or no passkey
/// that signs in without it.
pub async fn remove(can: &Can<SignedIn>) -> Result<()> {
    let app = can.app();
    can.require(Presence::Always, app.clock.now())?;
    db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let found = sessions::lock_target(&mut tx, can, can.user().id).await?;
        if !found.password.is_usable() {
            return Err(Error::invalid("non_field_errors", "Your account has no password."));
        }
        let passkeys = db::passkeys::among(&mut tx, found.user.id).await?;
        if !passkeys.iter().any(|passkey| passkey.credential.user_verified) {
            return Err(Error::invalid(
                "non_field_errors",
                "Add a passkey first whose device asks for a PIN, a fingerprint or the like: without a password nothing else \
                 signs you in.",
            ));
        }
        users::set_password(&mut tx, &found.user, &PasswordHash::unusable(), now).await?;
        let ended = db::sessions::delete_others(&mut tx, found.user.id, can.session().id).await?;
        let entry = Entry::new(Action::PasswordRemoved, can.author())
            .on(&found.user)
            .detail("sessions_ended", ended);
        audit::record(&mut tx, &entry, now).await?;
        let mail_to = addresses::of(app, &mut tx, &found.user).await?;
        tx.commit().await?;
        let owner = Owner { user: &found.user, mail_to: &mail_to };
        notices::tell(app, owner, Event::PasswordRemoved, &can.author(), now);
        Ok(())
    })
    .await
}
