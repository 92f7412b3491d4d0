//! The table of addresses that users gave themselves and have not shown to be theirs.

use super::{Db, Error, Result, Sql, Tx, from_row};
use crate::model::address::Unconfirmed;
use crate::model::clock::Timestamp;
use crate::model::session::SecretHash;
use crate::model::text;
use crate::model::user::UserId;

macro_rules! columns {
    () => {
        "SELECT user_id, address, mail_to, secret_hash, expires_at FROM unconfirmed_addresses WHERE "
    };
}

struct UnconfirmedRow {
    user_id: i64,
    address: String,
    mail_to: String,
    secret_hash: Vec<u8>,
    expires_at: i64,
}
from_row!(UnconfirmedRow { user_id, address, mail_to, secret_hash, expires_at });

impl TryFrom<UnconfirmedRow> for Unconfirmed {
    type Error = Error;

    fn try_from(row: UnconfirmedRow) -> Result<Self> {
        let corrupt = |_| Error::Corrupt(format!("the address of user {}", row.user_id));
        Ok(Self {
            user: UserId(row.user_id),
            address: row.address,
            mail_to: row.mail_to,
            secret_hash: SecretHash(row.secret_hash.as_slice().try_into().map_err(corrupt)?),
            expires_at: Timestamp::from_micros(row.expires_at),
        })
    }
}

/// Stores a user's unconfirmed address, in the place of the one before.
pub async fn set(tx: &mut Tx, new: &Unconfirmed) -> Result<()> {
    delete(tx, new.user).await?;
    let sql = Sql::new(
        "INSERT INTO unconfirmed_addresses (user_id, address, mail_to, mail_to_folded, secret_hash, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    );
    let sql = sql
        .bind(new.user.0)
        .bind(new.address.as_str())
        .bind(new.mail_to.as_str())
        .bind(text::fold(&new.mail_to))
        .bind(new.secret_hash.0.to_vec())
        .bind(new.expires_at.micros());
    tx.execute(sql).await.map(drop)
}

/// Forgets a user's unconfirmed address; whether there was one.
pub async fn delete(tx: &mut Tx, user: UserId) -> Result<bool> {
    Ok(tx.execute(deletion(user)).await? > 0)
}

/// The same [with the next statement](Tx::execute_with_next).
pub fn delete_with_next(tx: &mut Tx, user: UserId) {
    tx.execute_with_next(deletion(user));
}

fn deletion(user: UserId) -> Sql {
    Sql::new("DELETE FROM unconfirmed_addresses WHERE user_id = $1").bind(user.0)
}

/// Ends the link that was sent to a user's unconfirmed address. The address stays unconfirmed.
pub async fn end_link(tx: &mut Tx, user: UserId) -> Result<()> {
    let sql = Sql::new("UPDATE unconfirmed_addresses SET expires_at = 0 WHERE user_id = $1").bind(user.0);
    tx.execute(sql).await.map(drop)
}

/// A user's unconfirmed address.
pub async fn of_user(db: &Db, user: UserId) -> Result<Option<Unconfirmed>> {
    let sql = Sql::new(concat!(columns!(), "user_id = $1")).bind(user.0);
    db.optional::<UnconfirmedRow>(sql).await?.map(Unconfirmed::try_from).transpose()
}

/// The same, within a transaction.
pub async fn get(tx: &mut Tx, user: UserId) -> Result<Option<Unconfirmed>> {
    let sql = Sql::new(concat!(columns!(), "user_id = $1")).bind(user.0);
    tx.optional::<UnconfirmedRow>(sql).await?.map(Unconfirmed::try_from).transpose()
}

/// The unconfirmed address to which the link with that secret was sent, whether or not it has expired.
pub async fn by_secret(db: &Db, secret: &SecretHash) -> Result<Option<Unconfirmed>> {
    let sql = Sql::new(concat!(columns!(), "secret_hash = $1")).bind(secret.0.to_vec());
    db.optional::<UnconfirmedRow>(sql).await?.map(Unconfirmed::try_from).transpose()
}

/// Those whose messages go to this address meanwhile, but for letter case: at most `limit`.
pub async fn by_mail_to(db: &Db, address: &str, limit: i64) -> Result<Vec<Unconfirmed>> {
    if address.is_empty() || address.contains('\0') {
        return Ok(Vec::new());
    }
    let sql = Sql::new(concat!(columns!(), "mail_to_folded = $1 ORDER BY user_id LIMIT $2"));
    let sql = sql.bind(text::fold(&crate::model::address::canonical(address))).bind(limit);
    db.all::<UnconfirmedRow>(sql).await?.into_iter().map(Unconfirmed::try_from).collect()
}
