//! The tables of second factors and recovery codes.

use super::{Db, Error, Result, Sql, Tx, from_row};
use crate::model::clock::Timestamp;
use crate::model::second_factor::{Factor, FactorId, FactorKind};
use crate::model::user::UserId;

pub(super) struct FactorRow {
    id: i64,
    kind: String,
    name: String,
    created_at: i64,
    last_used_at: Option<i64>,
}
from_row!(FactorRow { id, kind, name, created_at, last_used_at });

/// The columns of a [`Factor`].
macro_rules! columns {
    () => {
        "id, kind, name, created_at, last_used_at"
    };
}

impl TryFrom<FactorRow> for Factor {
    type Error = Error;

    fn try_from(row: FactorRow) -> Result<Self> {
        let kind =
            FactorKind::named(&row.kind).ok_or_else(|| Error::Corrupt(format!("factor {}", row.id)))?;
        Ok(Self {
            id: FactorId(row.id),
            kind,
            name: row.name,
            created_at: Timestamp::from_micros(row.created_at),
            last_used_at: row.last_used_at.map(Timestamp::from_micros),
        })
    }
}

const OF_USER: &str = concat!("SELECT ", columns!(), " FROM factors WHERE user_id = $1 ORDER BY id");

/// The factors of a user, the first one first.
pub async fn of_user(db: &Db, user: UserId) -> Result<Vec<Factor>> {
    let rows: Vec<FactorRow> = db.all(Sql::new(OF_USER).bind(user.0)).await?;
    rows.into_iter().map(Factor::try_from).collect()
}

/// The same within a transaction.
pub async fn among(tx: &mut Tx, user: UserId) -> Result<Vec<Factor>> {
    let rows: Vec<FactorRow> = tx.all(Sql::new(OF_USER).bind(user.0)).await?;
    rows.into_iter().map(Factor::try_from).collect()
}

/// A TOTP as it is checked.
pub struct StoredTotp {
    /// Its primary key.
    pub id: i64,
    /// Its owner's word for it.
    pub name: String,
    /// The sealed secret.
    pub sealed: Vec<u8>,
    /// The step of the last code that was accepted.
    pub last_step: i64,
}
from_row!(StoredTotp { id, name, sealed, last_step });

/// The TOTPs of a user.
pub async fn totps(tx: &mut Tx, user: UserId) -> Result<Vec<StoredTotp>> {
    let sql = Sql::new(
        "SELECT id, name, sealed, last_step FROM factors WHERE user_id = $1 AND kind = $2 ORDER BY id",
    );
    tx.all(sql.bind(user.0).bind(FactorKind::Totp.as_str())).await
}

/// Notes that the code of a step was shown; `false` if one of it or of a later one was before. Steps after `newest`
/// cannot have been, and do not count.
pub async fn take_step(
    tx: &mut Tx,
    totp: &StoredTotp,
    step: i64,
    newest: i64,
    now: Timestamp,
) -> Result<bool> {
    let sql = Sql::new(
        "UPDATE factors SET last_step = $1, last_used_at = $2 WHERE id = $3 \
         AND (last_step < $1 OR last_step > $4)",
    );
    Ok(tx.execute(sql.bind(step).bind(now.micros()).bind(totp.id).bind(newest)).await? == 1)
}

/// Stores a TOTP, whose code of the step was shown.
pub async fn insert_totp(
    tx: &mut Tx,
    user: UserId,
    name: &str,
    sealed: &[u8],
    step: i64,
    now: Timestamp,
) -> Result<FactorId> {
    let sql = Sql::new(
        "INSERT INTO factors (user_id, kind, name, sealed, last_step, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    );
    let sql = sql
        .bind(user.0)
        .bind(FactorKind::Totp.as_str())
        .bind(name)
        .bind(sealed.to_vec())
        .bind(step)
        .bind(now.micros());
    let row: Option<(i64,)> = tx.optional(sql).await?;
    let id = row.map(|(id,)| FactorId(id)).ok_or_else(|| Error::Corrupt("no primary key".into()))?;
    note_whether_there_are_any(tx, user).await?;
    Ok(id)
}

/// Notes when a factor was last shown.
pub async fn set_last_used(tx: &mut Tx, id: FactorId, at: Timestamp) -> Result<()> {
    let sql = Sql::new("UPDATE factors SET last_used_at = $1 WHERE id = $2");
    tx.execute(sql.bind(at.micros()).bind(id.0)).await.map(drop)
}

/// Removes one factor of a user; with the last one go the recovery codes.
pub async fn delete(tx: &mut Tx, user: UserId, id: FactorId) -> Result<()> {
    tx.execute(Sql::new("DELETE FROM factors WHERE user_id = $1 AND id = $2").bind(user.0).bind(id.0))
        .await?;
    note_whether_there_are_any(tx, user).await
}

pub(super) async fn note_whether_there_are_any(tx: &mut Tx, user: UserId) -> Result<()> {
    let sql = Sql::new(
        "UPDATE users SET has_factor = EXISTS (SELECT 1 FROM factors WHERE user_id = $1) WHERE id = $1",
    );
    tx.execute(sql.bind(user.0)).await?;
    let sql = Sql::new(
        "DELETE FROM recovery_codes WHERE user_id = $1 \
         AND NOT EXISTS (SELECT 1 FROM factors WHERE user_id = $1)",
    );
    tx.execute(sql.bind(user.0)).await.map(drop)
}

/// How many recovery codes of a user are left.
pub async fn codes_left(db: &Db, user: UserId) -> Result<i64> {
    let sql = Sql::new("SELECT count(*) FROM recovery_codes WHERE user_id = $1");
    Ok(db.optional::<(i64,)>(sql.bind(user.0)).await?.map_or(0, |(count,)| count))
}

/// Gives a user these recovery codes; those from before are no longer good.
pub async fn replace_codes(tx: &mut Tx, user: UserId, hashes: &[[u8; 32]]) -> Result<()> {
    tx.execute(Sql::new("DELETE FROM recovery_codes WHERE user_id = $1").bind(user.0)).await?;
    for hash in hashes {
        let sql = Sql::new("INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)");
        tx.execute(sql.bind(user.0).bind(hash.to_vec())).await?;
    }
    Ok(())
}

/// Uses a recovery code up; `false` if it is none of the user's, or was used before.
pub async fn take_code(tx: &mut Tx, user: UserId, hash: &[u8; 32]) -> Result<bool> {
    let sql = Sql::new("DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2");
    Ok(tx.execute(sql.bind(user.0).bind(hash.to_vec())).await? == 1)
}
