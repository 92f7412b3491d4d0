//! Keys that stand in the database, sealed by the secret key of the installation.
//!
//! Each is random and made when it is first needed. Where the secret key is a setting, a copy of the database tells none
//! of them. A successor of the secret key seals them anew, so that what they protect outlives it.

use crate::config::Settings;
use crate::db::{self, Db, Tx};
use crate::model::error::{Error, Result};
use crate::operations::App;
use crate::operations::keys::{self, KeyError};

/// A key that is kept so.
#[derive(Debug)]
pub(super) struct KeptKey {
    /// Its name in the database.
    name: &'static str,
    /// What it is sealed for.
    purpose: &'static str,
    /// Which key of the root seals it.
    sealed_by: &'static str,
    /// What the operator is told where no secret key that is known opens it.
    lost: &'static str,
}

/// Seals the secrets of second factors.
pub(super) const FACTORS: KeptKey = KeptKey {
    name: "factor_key",
    purpose: "the key of the factors",
    sealed_by: "factors",
    lost: "the second factors are sealed by another secret key: set it as secret_key_before",
};

/// Seals the entries of the audit log.
pub(super) const AUDIT: KeptKey = KeptKey {
    name: "audit_key",
    purpose: "the key of the audit log",
    sealed_by: "audit log",
    lost: "the key of the audit log is sealed by another secret key: set it as secret_key_before",
};

const ALL: [KeptKey; 2] = [FACTORS, AUDIT];

impl KeptKey {
    /// The key; made if there is none yet.
    ///
    /// # Errors
    /// [`Error::Internal`] if it was sealed by another secret key than is known.
    pub(super) async fn get(&self, app: &App) -> Result<[u8; 32]> {
        let (roots, candidate) = self.candidate(app).await?;
        let stored = db::installation::get_or_insert(&app.db, self.name, candidate).await?;
        self.opened(&roots, &stored).map(|(key, _)| key).ok_or_else(|| Error::internal(self.lost))
    }

    /// The same; where it is made, a value that is made with it is stored in the same transaction.
    ///
    /// # Errors
    /// As [`KeptKey::get`].
    pub(super) async fn get_with(
        &self,
        app: &App,
        first: impl Fn([u8; 32]) -> (&'static str, Vec<u8>),
    ) -> Result<[u8; 32]> {
        let [stored] = db::installation::get_all(&app.db, [self.name]).await?;
        if stored.is_none() {
            let (roots, candidate) = self.candidate(app).await?;
            let (key, _) = self.opened(&roots, &candidate).ok_or_else(|| Error::internal(self.lost))?;
            let (name, value) = first(key);
            let mut tx = app.db.begin().await?;
            // Of two instances that start at once, one makes the key.
            if db::installation::insert(&mut tx, self.name, candidate).await? {
                db::installation::set(&mut tx, name, Some(value)).await?;
            }
            tx.commit().await?;
        }
        self.get(app).await
    }

    async fn candidate(&self, app: &App) -> Result<(Vec<Vec<u8>>, Vec<u8>)> {
        let roots = keys::roots(&app.settings, &app.db).await.map_err(Error::internal)?;
        let root = roots.first().ok_or_else(|| Error::internal("there is no secret key"))?;
        let candidate = keys::kept_seal(root, self.sealed_by).seal(self.purpose, &keys::fresh()?)?;
        Ok((roots, candidate))
    }

    /// The key, if there is one that can be opened; else the log says why not.
    pub(super) async fn find(&self, app: &App) -> Result<Option<[u8; 32]>> {
        let roots = keys::roots(&app.settings, &app.db).await.map_err(Error::internal)?;
        let [stored] = db::installation::get_all(&app.db, [self.name]).await?;
        let key = stored.and_then(|stored| self.opened(&roots, &stored));
        if key.is_none() {
            log::error!("{}", self.lost);
        }
        Ok(key.map(|(key, _)| key))
    }

    /// Whether there is a key, sealed by whatever secret key.
    pub(super) async fn is_there(&self, app: &App) -> Result<bool> {
        let [stored] = db::installation::get_all(&app.db, [self.name]).await?;
        Ok(stored.is_some())
    }

    /// Whether there is a key and no secret key that is known opens it.
    pub(super) async fn is_lost(&self, app: &App) -> Result<bool> {
        let [stored] = db::installation::get_all(&app.db, [self.name]).await?;
        let Some(stored) = stored else { return Ok(false) };
        let roots = keys::roots(&app.settings, &app.db).await.map_err(Error::internal)?;
        Ok(self.opened(&roots, &stored).is_none())
    }

    /// The key, and the place of the root that opened it.
    fn opened(&self, roots: &[Vec<u8>], stored: &[u8]) -> Option<([u8; 32], usize)> {
        roots.iter().enumerate().find_map(|(place, root)| {
            let key = keys::kept_seal(root, self.sealed_by).open(self.purpose, stored)?;
            Some((key.try_into().ok()?, place))
        })
    }

    async fn look(&self, settings: &Settings, db: &Db) -> std::result::Result<(), KeyError> {
        let [Some(stored)] = db::installation::get_all(db, [self.name]).await? else { return Ok(()) };
        let roots = keys::roots(settings, db).await?;
        match (self.opened(&roots, &stored), roots.first()) {
            (Some((_, 0)), _) => {}
            (Some((key, _)), Some(root)) => {
                let Ok(anew) = keys::kept_seal(root, self.sealed_by).seal(self.purpose, &key) else {
                    return Ok(());
                };
                let mut tx = db.begin().await?;
                db::installation::replace(&mut tx, self.name, &stored, &anew).await?;
                tx.commit().await?;
            }
            _ => log::error!("{}", self.lost),
        }
        Ok(())
    }
}

/// Seals the keys by the secret key that counts now, if they are sealed by one from before: at each start, so that the
/// one from before is needed no longer. One that cannot be opened is told of in the log.
pub(super) async fn look(settings: &Settings, db: &Db) -> std::result::Result<(), KeyError> {
    for key in &ALL {
        key.look(settings, db).await?;
    }
    Ok(())
}

/// Seals the keys by the successor of a secret key, in the transaction that stores it.
pub(super) async fn hand_over(tx: &mut Tx, before: &[u8], after: &[u8]) -> Result<()> {
    for key in &ALL {
        let Some(stored) = db::installation::value(tx, key.name).await? else { continue };
        let Some(kept) = keys::kept_seal(before, key.sealed_by).open(key.purpose, &stored) else { continue };
        let anew = keys::kept_seal(after, key.sealed_by).seal(key.purpose, &kept)?;
        db::installation::set(tx, key.name, Some(anew)).await?;
    }
    Ok(())
}
