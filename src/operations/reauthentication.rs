//! The password asked for again in a session, and of an account with a second factor a code, too: before what is sensitive,
//! or with it.

use crate::db::users::Credentials;
use crate::db::{self, Tx};
use crate::model::audit::{Action, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::password::Password;
use crate::model::permission::Permission;
use crate::model::session::Secret;
use crate::model::user::User;
use crate::operations::password_attempt::Attempt;
use crate::operations::second_factor::{self, AcceptedFactor, Presented, Refused};
use crate::operations::{Can, audit, password_links, sessions};

const WRONG: &str = "Your current password is wrong.";
const CODE_MISSING: &str = "Enter a code of your second factor, too.";
const PASSKEY_MISSING: &str = "Use your passkey to go on.";
const PASSKEY_WRONG: &str = "This passkey was not accepted. Try again.";

/// A field, and what is wrong with it.
type Problem = (&'static str, &'static str);

/// What a user shows to prove that they are there, and what the fields are called that are wrong if it is not right. Of a
/// user without a password the code alone counts, which has to be a passkey whose device has verified its user.
#[derive(Debug)]
pub struct Proof<'a> {
    /// The password, and its field.
    pub password: (&'static str, Password),
    /// The code of a second factor, if one was sent, and its field.
    pub code: (&'static str, Option<&'a str>),
}

/// Notes that the password was given in this session, for what asks for it in the next minutes; of an account with a
/// second factor a code, too. The proof that is given back knows of it. A browser's session gets another secret, which
/// its cookie must carry from now on: a cookie that was stolen before is not confirmed with its owner's, it ends.
///
/// # Errors
/// [`Error::Invalid`] for a wrong password or code, which counts like a failed sign-in; [`Error::Forbidden`] by
/// an API token; [`Error::NotAuthenticated`] if the session has ended or has another secret meanwhile.
pub async fn confirm<P: Permission>(can: &Can<P>, proof: &Proof<'_>) -> Result<Can<P>> {
    can.require_sign_in()?;
    if let Some((field, message)) = proof.missing(can) {
        return Err(Error::invalid(field, message));
    }
    let attempt = Attempt::by(can);
    let Some(verified) = proof.verify(&attempt, can).await? else { return Err(proof.refused(can)) };
    let code = attempt.read_code(&verified.user, proof.code()).await?;
    let confirm = || confirm_now(&attempt, can, &verified, code.as_ref());
    let confirmed = attempt.succeed(Action::PasswordConfirmationFailed, &verified, confirm).await?;
    proof.outcome(&attempt, can, &verified, confirmed).await
}

/// Confirms in one transaction. `None` if the password is another one by now; within, why the code is refused.
async fn confirm_now<P: Permission>(
    attempt: &Attempt<'_>,
    can: &Can<P>,
    verified: &Credentials,
    code: Option<&Presented>,
) -> Result<Option<std::result::Result<Can<P>, Refused>>> {
    let (app, session) = (attempt.app, can.session().id);
    let now = app.clock.now();
    let Some((mut tx, user, counted)) = attempt.begin_unchanged(verified, now).await? else {
        return Ok(None);
    };
    let shown = match show_code(&mut tx, can, &user, code, now).await? {
        Ok(shown) => shown,
        Err(why) => {
            tx.commit().await?;
            return Ok(Some(Err(why)));
        }
    };
    attempt.forget_failures(&mut tx, counted, now);
    let fresh = can.cookie().map(|_| Secret::random());
    let is_open = match can.cookie().zip(fresh.as_ref()) {
        Some((old, fresh)) => {
            password_links::reseal(&mut tx, can.user().id, old, fresh).await?;
            db::sessions::renew(&mut tx, session, &old.hash(), &fresh.hash(), now).await?
        }
        None => db::sessions::set_confirmed(&mut tx, session, now).await?,
    };
    if !is_open {
        return Err(sessions::ended(can));
    }
    let mut entry =
        Entry::new(Action::PasswordConfirmed, can.author()).on(&user).detail("session", session.0);
    if let Some(shown) = shown {
        entry = entry.detail("second_factor", shown.describe());
    }
    audit::record(&mut tx, &entry, now).await?;
    tx.commit().await?;
    Ok(Some(Ok(can.confirmed(now, fresh))))
}

/// Uses up the code of a caller, whose row is locked, if one is asked for; or says why it is refused. The transaction is
/// then to be committed: the failure is counted in it.
///
/// # Errors
/// [`Error::NotAuthenticated`] without a code: a factor that was added meanwhile has ended the session.
pub(super) async fn show_code<P: Permission>(
    tx: &mut Tx,
    can: &Can<P>,
    user: &User,
    code: Option<&Presented>,
    now: Timestamp,
) -> Result<std::result::Result<Option<AcceptedFactor>, Refused>> {
    if !user.has_factor && can.session().has_password {
        return Ok(Ok(None));
    }
    let Some(code) = code else { return Err(sessions::ended(can)) };
    Ok(second_factor::show(can.app(), tx, user, code, now).await?.map(Some))
}

impl<'a> Proof<'a> {
    /// The code, if one was sent.
    pub(super) fn code(&self) -> Option<&'a str> {
        self.code.1.filter(|code| !code.trim().is_empty())
    }

    /// What is said of a code that is asked for and was not sent.
    pub(super) fn missing<P: Permission>(&self, can: &Can<P>) -> Option<Problem> {
        let message = match (self.code(), can.session().has_password) {
            (None, false) => PASSKEY_MISSING,
            (None, true) if can.user().has_factor => CODE_MISSING,
            _ => return None,
        };
        Some((self.code.0, message))
    }

    /// What is said of a password that is wrong, or that there is meanwhile or no more.
    pub(super) fn wrong<P: Permission>(&self, can: &Can<P>) -> Problem {
        if can.session().has_password { (self.password.0, WRONG) } else { (self.code.0, PASSKEY_WRONG) }
    }

    fn refused<P: Permission>(&self, can: &Can<P>) -> Error {
        let (field, message) = self.wrong(can);
        Error::invalid(field, message)
    }

    /// The credentials if that is the password, or if there is none and a passkey is to be shown; else the failure is
    /// counted.
    pub(super) async fn verify<P: Permission>(
        &self,
        attempt: &Attempt<'_>,
        can: &Can<P>,
    ) -> Result<Option<Credentials>> {
        let checked = if can.session().has_password {
            attempt.check(&self.password.1).await?.map(|(verified, _)| verified)
        } else {
            attempt.check_again(|found| !found.password.is_usable()).await?
        };
        match checked {
            Ok(verified) => Ok(Some(verified)),
            Err((found, why)) => {
                attempt.count_failure(Action::PasswordConfirmationFailed, found.as_ref(), why).await?;
                Ok(None)
            }
        }
    }

    /// What the proof has led to; a code that was refused is counted.
    ///
    /// # Errors
    /// [`Error::Invalid`] under the field that was not right.
    pub(super) async fn outcome<P: Permission, T>(
        &self,
        attempt: &Attempt<'_>,
        can: &Can<P>,
        verified: &Credentials,
        done: Option<std::result::Result<T, Refused>>,
    ) -> Result<T> {
        match done {
            None => Err(self.refused(can)),
            Some(Ok(done)) => Ok(done),
            Some(Err(refused)) => {
                let why = refused.why;
                attempt
                    .count_failure(Action::PasswordConfirmationFailed, Some(&verified.user), refused)
                    .await?;
                Err(Error::invalid(self.code.0, second_factor::refusal(why)))
            }
        }
    }
}
