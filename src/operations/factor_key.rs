//! The key that seals the secrets of second factors.
//!
//! It is random, made with the first factor, and stands in the database sealed by the secret key of the installation:
//! where that is a setting, a copy of the database does not tell the secrets. A successor of the secret key seals
//! this one anew, so that factors outlive it.

use crate::config::Settings;
use crate::db::{self, Db, Tx};
use crate::model::error::{Error, Result};
use crate::operations::App;
use crate::operations::keys::{self, KeyError};
use crate::security::seal::SealKey;

const NAME: &str = "factor_key";
const PURPOSE: &str = "the key of the factors";

/// The key; made if there is none yet.
///
/// # Errors
/// [`Error::Internal`] if it was sealed by another secret key than is known.
pub(super) async fn get(app: &App) -> Result<SealKey> {
    let roots = keys::roots(&app.settings, &app.db).await.map_err(Error::internal)?;
    let root = roots.first().ok_or_else(|| Error::internal("there is no secret key"))?;
    let candidate = keys::factor_seal(root).seal(PURPOSE, &keys::fresh()?)?;
    let stored = db::installation::get_or_insert(&app.db, NAME, candidate).await?;
    opened(&roots, &stored).map(|(key, _)| SealKey::new(key)).ok_or_else(|| Error::internal(UNKNOWN))
}

/// The key, if it can be opened; else the log says why not.
pub(super) async fn find(app: &App) -> Result<Option<SealKey>> {
    let roots = keys::roots(&app.settings, &app.db).await.map_err(Error::internal)?;
    let [stored] = db::installation::get_all(&app.db, [NAME]).await?;
    let key = stored.and_then(|stored| opened(&roots, &stored));
    if key.is_none() {
        log::error!("{UNKNOWN}");
    }
    Ok(key.map(|(key, _)| SealKey::new(key)))
}

/// Whether there is a key and no secret key that is known opens it.
pub async fn is_lost(app: &App) -> Result<bool> {
    let [stored] = db::installation::get_all(&app.db, [NAME]).await?;
    let Some(stored) = stored else { return Ok(false) };
    let roots = keys::roots(&app.settings, &app.db).await.map_err(Error::internal)?;
    Ok(opened(&roots, &stored).is_none())
}

const UNKNOWN: &str = "the second factors are sealed by another secret key: set it as secret_key_before";

/// The key, and the place of the root that opened it.
fn opened(roots: &[Vec<u8>], stored: &[u8]) -> Option<([u8; 32], usize)> {
    roots.iter().enumerate().find_map(|(place, root)| {
        let key = keys::factor_seal(root).open(PURPOSE, stored)?;
        Some((key.try_into().ok()?, place))
    })
}

/// Seals the key by the secret key that counts now, if it is sealed by one from before: at each start, so that the one
/// from before is needed no longer. One that cannot be opened is told of in the log; only its factors suffer.
pub(super) async fn look(settings: &Settings, db: &Db) -> std::result::Result<(), KeyError> {
    let [Some(stored)] = db::installation::get_all(db, [NAME]).await? else { return Ok(()) };
    let roots = keys::roots(settings, db).await?;
    match (opened(&roots, &stored), roots.first()) {
        (Some((_, 0)), _) => {}
        (Some((key, _)), Some(root)) => {
            let Ok(anew) = keys::factor_seal(root).seal(PURPOSE, &key) else { return Ok(()) };
            let mut tx = db.begin().await?;
            db::installation::replace(&mut tx, NAME, &stored, &anew).await?;
            tx.commit().await?;
        }
        _ => log::error!("{UNKNOWN}"),
    }
    Ok(())
}

/// Seals the key by the successor of a secret key, in the transaction that stores it.
pub(super) async fn hand_over(tx: &mut Tx, before: &[u8], after: &[u8]) -> Result<()> {
    let Some(stored) = db::installation::value(tx, NAME).await? else { return Ok(()) };
    let Some(key) = keys::factor_seal(before).open(PURPOSE, &stored) else { return Ok(()) };
    let anew = keys::factor_seal(after).seal(PURPOSE, &key)?;
    Ok(db::installation::set(tx, NAME, Some(anew)).await?)
}
