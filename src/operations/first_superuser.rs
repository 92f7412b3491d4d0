//! The first superuser, made in a browser by the link that a server prints on its terminal while there is none.
//!
//! Only this process knows the link's secret, and only for an hour. It counts while there is no superuser, however one
//! came about: by another instance, by a subcommand, or by the same link at the same instant.

use std::sync::OnceLock;
use std::time::Duration;

use crate::db;
use crate::model::audit::{Action, Author, Entry};
use crate::model::clock::Timestamp;
use crate::model::error::{Error, Result};
use crate::model::origin::Origin;
use crate::model::session::{Secret, SecretHash};
use crate::model::throttle::{Admission, Failures, Key};
use crate::model::user::{User, UserInput};
use crate::operations::{App, audit, users};
use crate::security::passwords::Claimant;

/// How long the link works.
const LIFE: Duration = Duration::from_hours(1);

/// The link of this process, once there is one.
#[derive(Debug, Default)]
pub struct FirstStart(OnceLock<Offer>);

#[derive(Debug)]
struct Offer {
    secret_hash: SecretHash,
    expires_at: Timestamp,
}

/// Makes the link: its path with the secret, which exists only here. `None` if there is a superuser, and the second time.
pub async fn offer(app: &App) -> Result<Option<String>> {
    if db::users::superuser_exists(&app.db).await? {
        return Ok(None);
    }
    let secret = Secret::random();
    let offer = Offer { secret_hash: secret.hash(), expires_at: app.clock.now().plus(LIFE) };
    // Browsers send no fragment: no log of a server or proxy has it.
    let path = format!("/first-superuser#{}", secret.to_text());
    Ok(app.first_start.0.set(offer).is_ok().then_some(path))
}

/// The link of this process, if it has one that has not expired.
fn offered(app: &App) -> Option<&Offer> {
    app.first_start.0.get().filter(|offer| app.clock.now() < offer.expires_at)
}

/// Whether the link of this process can still be used.
pub async fn is_open(app: &App) -> Result<bool> {
    Ok(offered(app).is_some() && !db::users::superuser_exists(&app.db).await?)
}

/// The right to make the first superuser, which the link's secret gives.
#[derive(Debug)]
pub struct Opened<'a> {
    app: &'a App,
    origin: &'a Origin,
}

/// Opens the link; `None` for a secret that is not this process's. That counts as a failed sign-in of its address does.
///
/// # Errors
/// [`Error::Throttled`] for an address with too many failures.
pub async fn open<'a>(app: &'a App, secret: &str, origin: &'a Origin) -> Result<Option<Opened<'a>>> {
    let secret = Secret::from_text(secret).map(|secret| secret.hash());
    let is_right = offered(app).is_some_and(|offer| Some(&offer.secret_hash) == secret.as_ref());
    db::retrying(|| admit(app, is_right, origin)).await?;
    Ok(is_right.then_some(Opened { app, origin }))
}

/// Lets a try through, unless its address has failed too often, and counts it if it fails.
async fn admit(app: &App, is_right: bool, origin: &Origin) -> Result<()> {
    let Some(key) = origin.address.map(Key::address) else { return Ok(()) };
    let (now, thresholds) = (app.clock.now(), app.settings.thresholds());
    let mut tx = app.db.begin().await?;
    let before = db::throttles::lock(&mut tx, &key).await?;
    let admitted = match Failures::admit_to_address(before, now, thresholds) {
        Admission::Admitted(admitted) => admitted,
        Admission::Undecided => return Err(Error::Throttled(1)),
        Admission::Blocked(wait) => return Err(Error::Throttled(wait.as_secs().max(1))),
    };
    if is_right {
        return Ok(());
    }
    let after = Failures::address(Some(admitted), now, thresholds);
    db::throttles::set(&mut tx, &key, &after).await?;
    if after.wait(now).is_some() {
        audit::record(&mut tx, &Entry::new(Action::AddressBlocked, Author::anonymous(origin)), now).await?;
    }
    Ok(tx.commit().await?)
}

impl Opened<'_> {
    /// Makes the superuser; `None` if there is one by now.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the messages of all fields; then the link still works.
    pub async fn make(&self, input: &UserInput) -> Result<Option<User>> {
        let app = self.app;
        let claimant = Claimant { address: self.origin.address.map(Key::address), account: None };
        let hasher = app.hasher.on_behalf_of(claimant);
        let (user, password) = users::prepare_superuser(app, &hasher, input).await?;
        let entry =
            Entry::new(Action::UserCreated, Author::anonymous(self.origin)).detail("by", "first_start");
        db::retrying(|| async {
            let mut tx = app.db.begin().await?;
            if db::users::lock_superuser_exists(&mut tx).await? {
                return Ok(None);
            }
            let user = users::insert(app, &mut tx, entry.clone(), &user, &password).await?;
            tx.commit().await?;
            Ok(Some(user))
        })
        .await
    }
}
