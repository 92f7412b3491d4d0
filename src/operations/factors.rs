//! The second factors of an account: seen, added by its owner, and removed.
//!
//! Nothing is stored before the new factor was shown: a code of it, or what a passkey says. With the first factor all other sessions and all API
//! tokens of the account end: none of them has shown it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::db::{self, Tx};
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
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
use crate::operations::{App, Can, addresses, api_tokens, audit, kept_key, sessions, users};
use crate::security::seal::SealKey;
use crate::security::totp::TotpSecret;

/// Whether there are second factors that no secret key that is known opens.
pub async fn key_is_lost(app: &App) -> Result<bool> {
    kept_key::FACTORS.is_lost(app).await
}

/// Factors of one user at once.
const MOST: usize = 10;
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
        let until = can.app().clock.now().plus(GOOD_FOR).micros().to_be_bytes();
        let content = [&until[..], secret.as_bytes()].concat();
        let sealed = can.app().keys().seals.seal(&purpose(can), &content)?;
        Ok(Self { secret, sealed: URL_SAFE_NO_PAD.encode(sealed) })
    }

    /// The secret of such a page; `None` if it was on it for too long.
    #[must_use]
    pub fn resume<P: Permission>(can: &Can<P>, sealed: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let content = can.app().keys().open_seal(&purpose(can), &bytes)?;
        let (until, secret) = content.split_first_chunk::<8>()?;
        let secret = TotpSecret::from_bytes(secret)?;
        let is_good = can.app().clock.now().micros() < i64::from_be_bytes(*until);
        is_good.then(|| Self { secret, sealed: sealed.to_owned() })
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
    let key = SealKey::new(kept_key::FACTORS.get(app).await?);
    let sealed = key.seal(TOTP, new.secret.as_bytes())?;
    store(can, &name, &Addition::Totp { new, key, sealed, step }).await
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
    api_tokens::name(name).map_err(|message| Error::invalid("name", message))
}

/// A factor whose owner has shown it.
enum Addition<'a> {
    Totp { new: &'a NewTotp, key: SealKey, sealed: Vec<u8>, step: i64 },
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
            Self::Totp { new, key, sealed, step } => {
                // A secret is one factor: the same code would else be good for each.
                let stored = db::factors::totps(tx, user.id).await?;
                let is_same = |bytes: Vec<u8>| bytes == new.secret.as_bytes();
                if stored.iter().any(|other| key.open(TOTP, &other.sealed).is_some_and(is_same)) {
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
        refuse(&others, name)?;
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

const ADDED_ALREADY: &str = "This secret is a factor of yours already. Open the page again for another one.";

fn refuse(others: &[Factor], name: &str) -> Result<()> {
    if others.iter().any(|other| other.name == name) {
        return Err(Error::invalid("name", "There is a factor of that name already. Choose another name."));
    }
    if others.len() >= MOST {
        return Err(Error::invalid("name", format!("There are {MOST} factors already. Remove one first.")));
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
        let user = sessions::lock_target(&mut tx, can, can.user().id).await?.user;
        let removal = Removal { author: can.author(), which: Which::One(id), reason: None };
        removal.run(app, tx, &user).await
    })
    .await
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
    let reason = api_tokens::name(reason).map_err(|message| Error::invalid("reason", message))?;
    db::retrying(|| async {
        let mut tx = app.db.begin().await?;
        let user = sessions::lock_target(&mut tx, can, id).await?.user;
        let removal = Removal { author: can.author(), which, reason: Some(&reason) };
        removal.run(app, tx, &user).await
    })
    .await
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
