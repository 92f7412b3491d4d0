//! The sessions table.

mod presented;

pub(super) use self::presented::look_up;
pub use self::presented::{Asked, Presented, by_secret, by_token};
use super::users::{UserRow, columns};
use super::{Db, Dialect, Result, Sql, Tx, Value, from_row};
use crate::model::clock::Timestamp;
use crate::model::origin::Origin;
use crate::model::session::{Credential, LiveSession, NewSession, SecretHash, SessionId};
use crate::model::user::{User, UserId};

/// Stands for no instant in a column that always has one.
const NEVER: Timestamp = Timestamp::from_micros(0);

/// Stores a new session. A named API token has not been used before its first request; any other session
/// counts as used when it begins.
pub async fn insert(
    tx: &mut Tx,
    user: UserId,
    new: &NewSession,
    secret: &SecretHash,
    origin: &Origin,
    now: Timestamp,
) -> Result<SessionId> {
    let mut sql = insertion(None, user, new, secret, origin, now);
    sql.push(" RETURNING id");
    let row: Option<(i64,)> = tx.optional(sql).await?;
    row.map(|(id,)| SessionId(id)).ok_or_else(|| super::Error::Corrupt("no primary key".into()))
}

/// Stores the session of a [sign-in](super::users::note_sign_in), [with the next statement](Tx::execute_with_next).
pub fn insert_with_next(
    tx: &mut Tx,
    id: SessionId,
    user: UserId,
    new: &NewSession,
    secret: &SecretHash,
    origin: &Origin,
    now: Timestamp,
) {
    tx.execute_with_next(insertion(Some(id), user, new, secret, origin, now));
}

fn insertion(
    id: Option<SessionId>,
    user: UserId,
    new: &NewSession,
    secret: &SecretHash,
    origin: &Origin,
    now: Timestamp,
) -> Sql {
    let mut sql = Sql::new(
        "INSERT INTO sessions (user_id, carrier, secret_hash, created_at, last_seen_at, expires_at, \
         confirmed_at, address, device, name, read_only, second_factor",
    );
    sql.push(if id.is_some() { ", id) VALUES " } else { ") VALUES " })
        .push("($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12");
    let last_seen_at = if new.credential == Credential::ApiToken { NEVER } else { now };
    let mut sql = sql
        .bind(user.0)
        .bind(new.credential.as_str())
        .bind(secret.0.to_vec())
        .bind(now.micros())
        .bind(last_seen_at.micros())
        .bind(new.expires_at.micros())
        .bind(new.confirmed_at.micros())
        .bind(origin.address_text())
        .bind(origin.device.as_str())
        .bind(new.name.as_str())
        .bind(new.read_only)
        .bind(new.second_factor);
    if let Some(id) = id {
        sql.push(", ").push_value(id.0);
    }
    sql.push(")");
    sql
}

/// Ends the sessions of a user and a kind that were used the longest ago, so that at most `keep` are left; how many.
pub async fn delete_least_recent(
    tx: &mut Tx,
    user: UserId,
    credential: Credential,
    keep: u32,
) -> Result<u64> {
    let sql = Sql::new(
        "DELETE FROM sessions WHERE user_id = $1 AND carrier = $2 AND id NOT IN \
         (SELECT id FROM sessions WHERE user_id = $1 AND carrier = $2 \
         ORDER BY last_seen_at DESC, id DESC LIMIT $3)",
    );
    tx.execute(sql.bind(user.0).bind(credential.as_str()).bind(i64::from(keep))).await
}

/// The primary keys of a user's sessions that have not ended: before their limit, and in a browser used
/// since `used_after`.
pub async fn live_of(db: &Db, user: UserId, now: Timestamp, used_after: Timestamp) -> Result<Vec<i64>> {
    let sql = Sql::new(
        "SELECT id FROM sessions WHERE user_id = $1 AND expires_at > $2 \
         AND (carrier <> $3 OR last_seen_at > $4)",
    );
    let sql = sql.bind(user.0).bind(now.micros()).bind(Credential::Cookie.as_str()).bind(used_after.micros());
    Ok(db.all::<(i64,)>(sql).await?.into_iter().map(|(id,)| id).collect())
}

/// Notes when each of these sessions, at least one, was used; not of those that another transaction has locked.
pub async fn touch(tx: &mut Tx, uses: &[(SessionId, Timestamp)]) -> Result<()> {
    let dialect = tx.dialect();
    let mut sql = Sql::new("WITH used (id, at) AS (VALUES ");
    sql.push_rows(dialect, uses.iter().map(|(id, at)| -> [Value; 2] { [id.0.into(), at.micros().into()] }));
    sql.push(match dialect {
        Dialect::Sqlite => {
            ") UPDATE sessions SET last_seen_at = used.at FROM used WHERE sessions.id = used.id"
        }
        Dialect::Postgres => {
            "), free AS (SELECT id FROM sessions WHERE id IN (SELECT id FROM used) \
             FOR NO KEY UPDATE SKIP LOCKED) \
             UPDATE sessions SET last_seen_at = used.at FROM used JOIN free ON free.id = used.id \
             WHERE sessions.id = used.id"
        }
    });
    tx.execute(sql).await.map(drop)
}

/// Whether a session has not been ended. If so, it is not until the end of the transaction; noting its use goes on.
pub async fn lock(tx: &mut Tx, id: SessionId) -> Result<bool> {
    let sql = match tx.dialect() {
        // A transaction of SQLite's one writer has the whole file to itself.
        Dialect::Sqlite => "SELECT id FROM sessions WHERE id = $1",
        Dialect::Postgres => "SELECT id FROM sessions WHERE id = $1 FOR KEY SHARE",
    };
    Ok(tx.optional::<(i64,)>(Sql::new(sql).bind(id.0)).await?.is_some())
}

/// The user of a session that has not been ended.
pub async fn holder(db: &Db, id: SessionId) -> Result<Option<User>> {
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        " FROM sessions JOIN users ON users.id = sessions.user_id WHERE sessions.id = $1"
    ));
    Ok(db.optional::<UserRow>(sql.bind(id.0)).await?.map(User::from))
}

/// Ends one session; whether there was one.
pub async fn delete(tx: &mut Tx, id: SessionId) -> Result<bool> {
    Ok(tx.execute(Sql::new("DELETE FROM sessions WHERE id = $1").bind(id.0)).await? > 0)
}

/// Ends all sessions of a user; how many there were.
pub async fn delete_of_user(tx: &mut Tx, user: UserId) -> Result<u64> {
    tx.execute(Sql::new("DELETE FROM sessions WHERE user_id = $1").bind(user.0)).await
}

/// Removes sessions whose absolute limit has passed: nothing can use them any more.
pub async fn delete_expired(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    tx.execute(Sql::new("DELETE FROM sessions WHERE expires_at <= $1").bind(now.micros())).await
}

struct LiveSessionRow {
    id: i64,
    carrier: String,
    name: String,
    created_at: i64,
    last_seen_at: i64,
    expires_at: i64,
    address: String,
    device: String,
    read_only: bool,
}
from_row!(LiveSessionRow {
    id,
    carrier,
    name,
    created_at,
    last_seen_at,
    expires_at,
    address,
    device,
    read_only
});

impl LiveSessionRow {
    fn read(self) -> Result<LiveSession> {
        let credential = Credential::stored(&self.carrier)
            .ok_or_else(|| super::Error::Corrupt(format!("carrier {:?}", self.carrier)))?;
        let last_seen_at = Timestamp::from_micros(self.last_seen_at);
        Ok(LiveSession {
            id: SessionId(self.id),
            credential,
            name: self.name,
            created_at: Timestamp::from_micros(self.created_at),
            last_seen_at: Some(last_seen_at).filter(|at| *at != NEVER),
            expires_at: Timestamp::from_micros(self.expires_at),
            address: self.address,
            device: self.device,
            read_only: self.read_only,
            current: false,
        })
    }
}

/// The columns of a [`LiveSession`].
macro_rules! live_columns {
    () => {
        "id, carrier, name, created_at, last_seen_at, expires_at, address, device, read_only"
    };
}

/// The live sessions of a user, the latest first: those that have not expired, and of browsers those
/// that were used after `idle_since`.
pub async fn live_of_user(
    db: &Db,
    user: UserId,
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<Vec<LiveSession>> {
    let sql = Sql::new(concat!(
        "SELECT ",
        live_columns!(),
        " FROM sessions WHERE user_id = $1 AND expires_at > $2 AND (carrier <> $3 OR last_seen_at > $4) \
         ORDER BY id DESC"
    ));
    let sql = sql.bind(user.0).bind(now.micros()).bind(Credential::Cookie.as_str()).bind(idle_since.micros());
    db.all::<LiveSessionRow>(sql).await?.into_iter().map(LiveSessionRow::read).collect()
}

/// One session of a user.
pub async fn of_user(tx: &mut Tx, user: UserId, id: SessionId) -> Result<Option<LiveSession>> {
    let sql = Sql::new(concat!("SELECT ", live_columns!(), " FROM sessions WHERE user_id = $1 AND id = $2"));
    let row: Option<LiveSessionRow> = tx.optional(sql.bind(user.0).bind(id.0)).await?;
    row.map(LiveSessionRow::read).transpose()
}

/// The names of a user's API tokens that have not expired.
pub async fn token_names(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<Vec<String>> {
    let sql = Sql::new("SELECT name FROM sessions WHERE user_id = $1 AND carrier = $2 AND expires_at > $3");
    let sql = sql.bind(user.0).bind(Credential::ApiToken.as_str()).bind(now.micros());
    Ok(tx.all::<(String,)>(sql).await?.into_iter().map(|(name,)| name).collect())
}

/// Notes that the user of a session gave their password; whether there still is one.
pub async fn set_confirmed(tx: &mut Tx, id: SessionId, now: Timestamp) -> Result<bool> {
    let sql = Sql::new("UPDATE sessions SET confirmed_at = $1 WHERE id = $2");
    Ok(tx.execute(sql.bind(now.micros()).bind(id.0)).await? > 0)
}

/// The same of a browser's session, which gets another secret; `false`, too, if it no longer has the one before.
pub async fn renew(
    tx: &mut Tx,
    id: SessionId,
    before: &SecretHash,
    after: &SecretHash,
    now: Timestamp,
) -> Result<bool> {
    let sql = Sql::new(
        "UPDATE sessions SET confirmed_at = $1, secret_hash = $2 WHERE id = $3 AND secret_hash = $4",
    );
    let sql = sql.bind(now.micros()).bind(after.0.to_vec()).bind(id.0).bind(before.0.to_vec());
    Ok(tx.execute(sql).await? > 0)
}

/// Notes that a second factor was shown in a session.
pub async fn set_second_factor(tx: &mut Tx, id: SessionId) -> Result<()> {
    tx.execute(Sql::new("UPDATE sessions SET second_factor = TRUE WHERE id = $1").bind(id.0)).await.map(drop)
}

/// Ends all sessions of a user but one; how many there were.
pub async fn delete_others(tx: &mut Tx, user: UserId, kept: SessionId) -> Result<u64> {
    let sql = Sql::new("DELETE FROM sessions WHERE user_id = $1 AND id <> $2");
    tx.execute(sql.bind(user.0).bind(kept.0)).await
}
