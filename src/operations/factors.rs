//! The second factors of an account: seen, added by its owner, and removed.
//!
//! Nothing is stored before the new factor was shown: a code of it, or what a passkey says. With the first factor all other sessions and all API
//! tokens of the account end: none of them has shown it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::db::passkeys::Passkey;
use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::label;
use crate::model::passkey::Credential;
use crate::model::permission::{IsSuperuser, ManageUsers, MayEnrol, Permission, SignedIn};
use crate::model::presence::Presence;
use crate::model::second_factor::{
    Code, Factor, FactorId, FactorKind, Factors, RECOVERY_CODES, RecoveryCode,
};
use crate::model::user::{User, UserId};
use crate::operations::notices::{self, Event, Owner};
use crate::operations::passkeys::NewPasskey;
use crate::operations::second_factor::TOTP;
use crate::operations::{App, Can, addresses, audit, kept_key, sessions, users};
use crate::security::seal::SealKey;
use crate::security::totp::TotpSecret;

/// Whether there are second factors that no secret key that is known opens.
pub async fn key_is_lost(app: &App) -> Result<bool> {
    kept_key::FACTORS.is_lost(app).await
}

/// Factors of one user at once.
pub(super) const MOST: usize = 10;
/// Authenticator apps among them: each has three codes of six digits that are good at a moment, so that with each one a
/// guess is right more often.
pub(super) const MOST_APPS: usize = 3;
/// How long a new secret may be on a page.
const GOOD_FOR: Duration = Duration::from_mins(30);

/// The caller's factors.
pub async fn own(can: &Can<SignedIn>) -> Result<Factors> {
    list(can.app(), can.user().id).await
}

async fn list(app: &App, user: UserId) -> Result<Factors> {
    Ok(Factors {
        factors: db::factors::of_user(&app.db, user).await?,
        recovery_codes_left: db::factors::codes_left(&app.db, user).await?,
    })
}

/// A secret that is not a factor yet.
#[derive(Debug)]
pub struct NewTotp {
    secret: TotpSecret,
    runs_out_at: Timestamp,
    /// As the page carries it from one request to the next.
    pub sealed: String,
}

impl NewTotp {
    /// A new secret, for a page of the caller's session.
    ///
    /// # Errors
    /// [`Error::Internal`] without a random source.
    pub fn begin<P: Permission>(can: &Can<P>) -> Result<Self> {
        let secret = TotpSecret::new(random()?);
        let runs_out_at = can.app().clock.now().plus(GOOD_FOR);
        let content = [&runs_out_at.micros().to_be_bytes()[..], secret.as_bytes()].concat();
        let sealed = can.app().keys().seals.seal(&purpose(can), &content)?;
        Ok(Self { secret, runs_out_at, sealed: URL_SAFE_NO_PAD.encode(sealed) })
    }

    /// The secret of such a page; `None` if it was on it for too long.
    #[must_use]
    pub fn resume<P: Permission>(can: &Can<P>, sealed: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let content = can.app().keys().open_seal(&purpose(can), &bytes)?;
        let (runs_out_at, secret) = content.split_first_chunk::<8>()?;
        let secret = TotpSecret::from_bytes(secret)?;
        let runs_out_at = Timestamp::from_micros(i64::from_be_bytes(*runs_out_at));
        (can.app().clock.now() < runs_out_at).then(|| Self { secret, runs_out_at, sealed: sealed.to_owned() })
    }

    /// Uses it up; `false` if it was added before, and perhaps removed since: codes of it may have been shown.
    async fn spend(&self, tx: &mut Tx) -> Result<bool> {
        let spent = Sha256::digest(self.secret.as_bytes());
        Ok(db::passkeys::spend_challenge(tx, &spent, self.runs_out_at).await?)
    }

    /// For people who type it.
    #[must_use]
    pub fn text(&self) -> String {
        self.secret.to_text()
    }

    /// For apps.
    #[must_use]
    pub fn uri<P: Permission>(&self, can: &Can<P>) -> String {
        self.secret.uri(can.app().settings.site_name.as_str(), can.user().username.as_str())
    }
}

fn purpose<P: Permission>(can: &Can<P>) -> String {
    format!("a new factor in session {}", can.session().id.0)
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(error.to_string()))?;
    Ok(bytes)
}

/// Adds an authenticator app whose owner shows a code of it. With the first factor come recovery codes, in words for
/// people: they are shown once.
///
/// # Errors
/// [`Error::Forbidden`] by an API token, or without a confirmed password; [`Error::Invalid`] under `code` and `name`.
pub async fn add(can: &Can<MayEnrol>, new: &NewTotp, name: &str, code: &str) -> Result<Vec<String>> {
    let app = can.app();
    can.require(Presence::Always, app.clock.now())?;
    let step = match Code::parse(code) {
        Some(Code::Totp(digits)) => new.secret.step_of(&digits, app.clock.now(), i64::MIN),
        Some(Code::Recovery(_) | Code::Passkey(_)) | None => None,
    };
    let name = name_of(name, FactorKind::Totp)?;
    let step = step.ok_or_else(|| Error::invalid("code", WRONG_CODE))?;
    let sealed = SealKey::new(kept_key::FACTORS.get(app).await?).seal(TOTP, new.secret.as_bytes())?;
    store(can, &name, &Addition::Totp { new, sealed, step }).await
}

/// Adds a passkey by the answer of the browser that was asked to make one. With the first factor come recovery codes, as
/// with an authenticator app.
///
/// # Errors
/// [`Error::Forbidden`] by an API token, or without a confirmed password; [`Error::Invalid`] under `passkey` and `name`.
pub async fn add_passkey(
    can: &Can<MayEnrol>,
    new: &NewPasskey,
    name: &str,
    answer: &str,
) -> Result<Vec<String>> {
    can.require(Presence::Always, can.app().clock.now())?;
    let name = name_of(name, FactorKind::Passkey)?;
    let refused =
        |fault| Error::invalid("passkey", format!("The passkey was not added: {fault}. Try again."));
    let credential = new.credential(answer).map_err(refused)?;
    store(can, &name, &Addition::Passkey { new, credential }).await
}

/// What its owner calls a factor; its kind if they say nothing.
fn name_of(name: &str, kind: FactorKind) -> Result<String> {
    let name = if name.trim().is_empty() { kind.words() } else { name };
    label::parse(name, label::LONGEST).map_err(|message| Error::invalid("name", message))
}

/// A factor whose owner has shown it.
enum Addition<'a> {
    Totp { new: &'a NewTotp, sealed: Vec<u8>, step: i64 },
    Passkey { new: &'a NewPasskey, credential: Credential },
}

impl Addition<'_> {
    const fn kind(&self) -> FactorKind {
        match self {
            Self::Totp { .. } => FactorKind::Totp,
            Self::Passkey { .. } => FactorKind::Passkey,
        }
    }

    async fn insert(&self, tx: &mut Tx, user: &User, name: &str, now: Timestamp) -> Result<()> {
        match self {
            Self::Totp { new, sealed, step } => {
                // A secret is one factor, once: the same code would else be good for each.
                if !new.spend(tx).await? {
                    return Err(Error::invalid("code", ADDED_ALREADY));
                }
                db::factors::insert_totp(tx, user.id, name, sealed, *step, now).await?;
                Ok(())
            }
            Self::Passkey { new, credential } => new.store(tx, user, name, credential, now).await,
        }
    }
}

async fn store(can: &Can<MayEnrol>, name: &str, new: &Addition<'_>) -> Result<Vec<String>> {
    let app = can.app();
    let codes = recovery_codes()?;
    let (is_first, user, mail_to, now) = db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let user = sessions::lock_target(&mut tx, can, can.user().id).await?.user;
        let others = db::factors::among(&mut tx, user.id).await?;
        refuse(&others, new.kind(), name)?;
        new.insert(&mut tx, &user, name, now).await?;
        db::sessions::set_second_factor(&mut tx, can.session().id).await?;
        let mut entry = entry(Action::FactorAdded, can.author(), &user, new.kind(), name);
        if others.is_empty() {
            let ended = db::sessions::delete_others(&mut tx, user.id, can.session().id).await?;
            entry = entry.detail("sessions_ended", ended);
            replace_codes(&mut tx, &user, &codes).await?;
        }
        audit::record(&mut tx, &entry, now).await?;
        let mail_to = addresses::of(app, &mut tx, &user).await?;
        tx.commit().await?;
        Ok((others.is_empty(), user, mail_to, now))
    })
    .await?;
    let owner = Owner { user: &user, mail_to: &mail_to };
    notices::tell(app, owner, Event::FactorAdded, &can.author(), now);
    Ok(if is_first { texts(&codes) } else { Vec::new() })
}

const WRONG_CODE: &str = "This code is not the one that the app shows now. Check that the clock of the device is right, and try again.";

const ADDED_ALREADY: &str = "This secret was added already. Open the page again for another one.";

fn refuse(others: &[Factor], kind: FactorKind, name: &str) -> Result<()> {
    if others.iter().any(|other| other.name == name) {
        return Err(Error::invalid("name", "There is a factor of that name already. Choose another name."));
    }
    if others.len() >= MOST {
        return Err(Error::invalid("name", format!("There are {MOST} factors already. Remove one first.")));
    }
    let is_app = |factor: &&Factor| factor.kind == FactorKind::Totp;
    if kind == FactorKind::Totp && others.iter().filter(is_app).count() >= MOST_APPS {
        let text =
            format!("There are {MOST_APPS} authenticator apps already. Remove one first, or add a passkey.");
        return Err(Error::invalid("name", text));
    }
    Ok(())
}

fn entry(action: Action, author: Author, user: &User, kind: FactorKind, name: &str) -> Entry {
    Entry::new(action, author).on(user).detail("kind", kind.as_str()).detail("name", name)
}

fn recovery_codes() -> Result<Vec<RecoveryCode>> {
    (0..RECOVERY_CODES).map(|_| Ok(RecoveryCode::new(random()?))).collect()
}

fn texts(codes: &[RecoveryCode]) -> Vec<String> {
    codes.iter().map(RecoveryCode::to_text).collect()
}

async fn replace_codes(tx: &mut Tx, user: &User, codes: &[RecoveryCode]) -> Result<()> {
    let hashes: Vec<_> = codes.iter().map(RecoveryCode::hash).collect();
    Ok(db::factors::replace_codes(tx, user.id, &hashes).await?)
}

/// Makes new recovery codes for the caller, in words for people: they are shown once, and those from before are no
/// longer good.
///
/// # Errors
/// [`Error::Forbidden`] by an API token, or without a confirmed password; [`Error::Invalid`] without a factor.
pub async fn make_codes(can: &Can<SignedIn>) -> Result<Vec<String>> {
    let app = can.app();
    can.require(Presence::Always, app.clock.now())?;
    let codes = recovery_codes()?;
    db::retrying(|| async {
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let user = sessions::lock_target(&mut tx, can, can.user().id).await?.user;
        if !user.has_factor {
            return Err(Error::invalid(
                "non_field_errors",
                "Recovery codes come with the first factor. Add one.",
            ));
        }
        replace_codes(&mut tx, &user, &codes).await?;
        let entry = Entry::new(Action::RecoveryCodesMade, can.author()).on(&user);
        audit::record(&mut tx, &entry, now).await?;
        let mail_to = addresses::of(app, &mut tx, &user).await?;
        tx.commit().await?;
        let owner = Owner { user: &user, mail_to: &mail_to };
        notices::tell(app, owner, Event::RecoveryCodesMade, &can.author(), now);
        Ok(())
    })
    .await?;
    Ok(texts(&codes))
}

/// The factors of a user.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Forbidden`] for those of a superuser.
pub async fn of_user(can: &Can<ManageUsers>, id: UserId) -> Result<Factors> {
    let app = can.app();
    let user = users::of_key(app, id).await?;
    app.settings.rules().may_touch(can.user(), &user)?;
    list(app, id).await
}

/// Removes a factor of the caller's.
///
/// # Errors
/// [`Error::Forbidden`] by an API token, or without a confirmed password; [`Error::NoSuchPath`] if the caller has none
/// of that key.
pub async fn remove_own(can: &Can<SignedIn>, id: FactorId) -> Result<Vec<Factor>> {
    let app = can.app();
    can.require(Presence::Always, app.clock.now())?;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let found = sessions::lock_target(&mut tx, can, can.user().id).await?;
        if !found.password.is_usable() {
            let passkeys = db::passkeys::among(&mut tx, found.user.id).await?;
            if passkeys.iter().any(|passkey| passkey.id == id) && ways_in_but(&passkeys, id) == 0 {
                return Err(Error::invalid("non_field_errors", ONLY_WAY_IN));
            }
        }
        let removal = Removal { author: can.author(), which: Which::One(id), reason: None };
        removal.run(app, tx, &found.user).await
    })
    .await
}

/// What is said of the passkey without which no sign-in would be left.
const ONLY_WAY_IN: &str = "Your account has no password, and no other passkey signs you in. Choose a password first, or add another passkey.";

/// Passkeys that sign in alone, without that one.
fn ways_in_but(passkeys: &[Passkey], id: FactorId) -> usize {
    passkeys.iter().filter(|passkey| passkey.credential.user_verified && passkey.id != id).count()
}

/// Which factors of a user are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one of that key.
    One(FactorId),
    /// Each, and the recovery codes.
    All,
}

/// Removes factors of a user who has lost them, and ends the user's sessions. The reason goes into the audit log.
///
/// # Errors
/// [`Error::Forbidden`] by an API token, or without a confirmed password; [`Error::Invalid`] without a reason;
/// [`Error::NotFound`]; [`Error::NoSuchPath`] if the user has no such factor.
pub async fn remove_of(
    can: &Can<IsSuperuser>,
    id: UserId,
    which: Which,
    reason: &str,
) -> Result<Vec<Factor>> {
    let app = can.app();
    can.require(Presence::Always, app.clock.now())?;
    let reason = self::reason(reason)?;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let user = sessions::lock_target(&mut tx, can, id).await?.user;
        let removal = Removal { author: can.author(), which, reason: Some(&reason) };
        removal.run(app, tx, &user).await
    })
    .await
}

/// Why factors of another user are removed, as it is recorded: 1 to 100 characters.
pub(super) fn reason(given: &str) -> Result<String> {
    label::parse(given, label::LONGEST).map_err(|message| Error::invalid("reason", message))
}

/// What is removed, by whom, and of another user why.
pub(super) struct Removal<'a> {
    pub(super) author: Author,
    pub(super) which: Which,
    pub(super) reason: Option<&'a str>,
}

impl Removal<'_> {
    /// Removes factors of a user, whose row is locked, with an entry for each, and tells the owner.
    pub(super) async fn run(&self, app: &App, mut tx: Tx, user: &User) -> Result<Vec<Factor>> {
        let now = app.clock.now();
        let removed = self.within(&mut tx, user, now).await?;
        if removed.is_empty() {
            return Err(Error::NoSuchPath);
        }
        let mail_to = addresses::of(app, &mut tx, user).await?;
        tx.commit().await?;
        let owner = Owner { user, mail_to: &mail_to };
        notices::tell(app, owner, Event::FactorRemoved, &self.author, now);
        Ok(removed)
    }

    /// The same as a part of a transaction, after which the owner is told.
    pub(super) async fn within(&self, tx: &mut Tx, user: &User, now: Timestamp) -> Result<Vec<Factor>> {
        let mut removed = db::factors::among(tx, user.id).await?;
        if let Which::One(id) = self.which {
            removed.retain(|factor| factor.id == id);
        }
        if removed.is_empty() {
            return Ok(removed);
        }
        let is_owner = self.author.user.as_ref().is_some_and(|(id, _)| *id == user.id);
        let ended = if is_owner { 0 } else { sessions::end_all(tx, user.id).await? };
        for factor in &removed {
            db::factors::delete(tx, user.id, factor.id).await?;
            let mut entry =
                entry(Action::FactorRemoved, self.author.clone(), user, factor.kind, &factor.name);
            if let Some(reason) = self.reason {
                entry = entry.detail("because", reason).detail("sessions_ended", ended);
            }
            audit::record(tx, &entry, now).await?;
        }
        Ok(removed)
    }
}
