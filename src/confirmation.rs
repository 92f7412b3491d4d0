//! Giving one's password again, for what asks for it.

use crate::Usher;
use crate::attempt::Attempt;
use crate::audit::{self, Action, Entry};
use crate::db;
use crate::error::Result;
use crate::passwords::Password;
use crate::permission::{Can, Permission};

/// Checks the actor's own password, counted and recorded like every try at one; the permission with the
/// password behind it, or `None` if it was wrong.
///
/// # Errors
/// As [`Attempt::check`].
pub(crate) async fn confirm<P: Permission>(
    app: &Usher,
    can: &Can<P>,
    password: &Password,
) -> Result<Option<Can<P>>> {
    let attempt = Attempt::new(app, can.user().username.as_str(), can.origin());
    let verified = match attempt.check(password).await? {
        Ok((verified, _)) if verified.user.id == can.user().id => verified,
        Ok(_) => return Ok(None),
        Err((found, why)) => {
            attempt.count_failure(Action::PasswordConfirmationFailed, found.as_ref(), why).await?;
            return Ok(None);
        }
    };
    db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let Some(user) = attempt.still_right(&mut tx, &verified, now).await? else { return Ok(None) };
        db::sessions::set_confirmed(&mut tx, can.session().id, now).await?;
        let entry = Entry::new(Action::PasswordConfirmed, can.author()).on(&user);
        audit::record(&mut tx, &entry, now).await?;
        tx.commit().await?;
        Ok(Some(can.confirmed_at(now)))
    })
    .await
}
