//! The table of browsers that signed in to an account.

use super::{Db, Result, Sql, Tx};
use crate::model::clock::Timestamp;
use crate::model::throttle::DeviceId;
use crate::model::user::UserId;

/// Whether a browser signed in to the account of this canonical name since that time, and since its password was set.
pub async fn is_known(db: &Db, name: &str, browser: &DeviceId, since: Timestamp) -> Result<bool> {
    let sql = Sql::new(
        "SELECT known_browsers.id FROM known_browsers JOIN users ON users.id = known_browsers.user_id \
         WHERE users.username_key = $1 AND number_hash = $2 AND signed_in_at > $3 \
         AND signed_in_at >= COALESCE(users.password_changed_at, 0)",
    );
    let sql = sql.bind(name).bind(browser.hash().to_vec()).bind(since.micros());
    Ok(db.optional::<(i64,)>(sql).await?.is_some())
}

/// When the browsers that a user's account knows last signed in, the latest first.
pub async fn of_user(db: &Db, user: UserId, since: Timestamp) -> Result<Vec<Timestamp>> {
    let sql = Sql::new(
        "SELECT known_browsers.signed_in_at FROM known_browsers JOIN users ON users.id = known_browsers.user_id \
         WHERE users.id = $1 AND signed_in_at > $2 AND signed_in_at >= COALESCE(users.password_changed_at, 0) \
         ORDER BY signed_in_at DESC, known_browsers.id DESC",
    );
    let rows: Vec<(i64,)> = db.all(sql.bind(user.0).bind(since.micros())).await?;
    Ok(rows.into_iter().map(|(at,)| Timestamp::from_micros(at)).collect())
}

/// Notes that a browser signed in to an account. Of its others only the `keep` latest stay.
pub async fn insert(tx: &mut Tx, user: UserId, browser: &DeviceId, now: Timestamp, keep: i64) -> Result<()> {
    let hash = browser.hash().to_vec();
    let sql = Sql::new(
        "INSERT INTO known_browsers (user_id, number_hash, signed_in_at) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id, number_hash) DO UPDATE SET signed_in_at = excluded.signed_in_at",
    );
    tx.execute(sql.bind(user.0).bind(hash.clone()).bind(now.micros())).await?;
    let sql = Sql::new(
        "DELETE FROM known_browsers WHERE user_id = $1 AND number_hash <> $2 AND id NOT IN \
         (SELECT id FROM known_browsers WHERE user_id = $1 AND number_hash <> $2 \
         ORDER BY signed_in_at DESC, id DESC LIMIT $3)",
    );
    tx.execute(sql.bind(user.0).bind(hash).bind(keep)).await.map(drop)
}

/// How many browsers signed in to an account, and when one last did.
pub async fn count_of(db: &Db, user: UserId) -> Result<(i64, Option<Timestamp>)> {
    let sql = Sql::new("SELECT count(*), max(signed_in_at) FROM known_browsers WHERE user_id = $1");
    let (count, last): (i64, Option<i64>) = db.optional(sql.bind(user.0)).await?.unwrap_or_default();
    Ok((count, last.map(Timestamp::from_micros)))
}

/// Removes browsers that are known no longer.
pub async fn delete_older(tx: &mut Tx, than: Timestamp) -> Result<()> {
    tx.execute(Sql::new("DELETE FROM known_browsers WHERE signed_in_at <= $1").bind(than.micros()))
        .await
        .map(drop)
}
