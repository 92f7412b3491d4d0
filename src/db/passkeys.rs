//! The tables of passkeys, of the names by which authenticators know users, and of challenges that were answered.

use super::factors::{note_whether_there_are_any, set_last_used};
use super::{Db, Error, Result, Sql, Tx, from_row};
use crate::model::clock::Timestamp;
use crate::model::passkey::{Credential, HANDLE, Transport};
use crate::model::second_factor::{FactorId, FactorKind};
use crate::model::user::UserId;

/// A passkey as it is checked.
pub struct Passkey {
    /// The primary key of its factor.
    pub id: FactorId,
    /// Its owner's word for it.
    pub name: String,
    /// What its authenticator has told.
    pub credential: Credential,
}

pub(super) struct PasskeyRow {
    id: i64,
    name: String,
    credential_id: Vec<u8>,
    public_key: Vec<u8>,
    sign_count: i64,
    transports: String,
    backup_eligible: bool,
    backed_up: bool,
    user_verified: bool,
}
from_row!(PasskeyRow {
    id,
    name,
    credential_id,
    public_key,
    sign_count,
    transports,
    backup_eligible,
    backed_up,
    user_verified
});

impl TryFrom<PasskeyRow> for Passkey {
    type Error = Error;

    fn try_from(row: PasskeyRow) -> Result<Self> {
        let corrupt = |_| Error::Corrupt(format!("passkey {}", row.id));
        let names: Vec<String> = row.transports.split(' ').map(str::to_owned).collect();
        let credential = Credential {
            id: row.credential_id,
            public_key: row.public_key,
            sign_count: row.sign_count.try_into().map_err(corrupt)?,
            transports: Transport::known(&names),
            backup_eligible: row.backup_eligible,
            backed_up: row.backed_up,
            user_verified: row.user_verified,
        };
        Ok(Self { id: FactorId(row.id), name: row.name, credential })
    }
}

const OF_USER: &str = "SELECT id, name, credential_id, public_key, sign_count, transports, backup_eligible, backed_up, \
                       user_verified FROM factors JOIN passkeys ON factor_id = id WHERE user_id = $1 ORDER BY id";

/// The passkeys of a user, the first one first.
pub async fn of_user(db: &Db, user: UserId) -> Result<Vec<Passkey>> {
    let rows: Vec<PasskeyRow> = db.all(Sql::new(OF_USER).bind(user.0)).await?;
    rows.into_iter().map(Passkey::try_from).collect()
}

/// The same within a transaction.
pub async fn among(tx: &mut Tx, user: UserId) -> Result<Vec<Passkey>> {
    let rows: Vec<PasskeyRow> = tx.all(Sql::new(OF_USER).bind(user.0)).await?;
    rows.into_iter().map(Passkey::try_from).collect()
}

/// The user who has this credential.
pub async fn owner(db: &Db, credential_id: &[u8]) -> Result<Option<UserId>> {
    let sql =
        Sql::new("SELECT user_id FROM factors JOIN passkeys ON factor_id = id WHERE credential_id = $1");
    Ok(db.optional::<(i64,)>(sql.bind(credential_id.to_vec())).await?.map(|(id,)| UserId(id)))
}

/// The user whom authenticators know by this name.
pub async fn owner_of_handle(db: &Db, handle: &[u8]) -> Result<Option<UserId>> {
    let sql = Sql::new("SELECT user_id FROM user_handles WHERE handle = $1");
    Ok(db.optional::<(i64,)>(sql.bind(handle.to_vec())).await?.map(|(id,)| UserId(id)))
}

/// Whether any user has a passkey.
pub async fn any_exists(db: &Db) -> Result<bool> {
    Ok(db.optional::<(i64,)>(Sql::new("SELECT factor_id FROM passkeys LIMIT 1")).await?.is_some())
}

/// Stores a passkey; `None` if its credential is registered already.
pub async fn insert(
    tx: &mut Tx,
    user: UserId,
    name: &str,
    new: &Credential,
    now: Timestamp,
) -> Result<Option<FactorId>> {
    let sql = Sql::new(
        "INSERT INTO factors (user_id, kind, name, sealed, last_step, created_at) \
         VALUES ($1, $2, $3, $4, 0, $5) RETURNING id",
    );
    let sql = sql.bind(user.0).bind(FactorKind::Passkey.as_str()).bind(name).bind(Vec::new());
    let row: Option<(i64,)> = tx.optional(sql.bind(now.micros())).await?;
    let (id,) = row.ok_or_else(|| Error::Corrupt("no primary key".into()))?;
    let sql = Sql::new(
        "INSERT INTO passkeys (factor_id, credential_id, public_key, sign_count, transports, backup_eligible, backed_up, \
         user_verified) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (credential_id) DO NOTHING",
    );
    let transports: Vec<&str> = new.transports.iter().map(|transport| transport.as_str()).collect();
    let sql = sql
        .bind(id)
        .bind(new.id.clone())
        .bind(new.public_key.clone())
        .bind(i64::from(new.sign_count))
        .bind(transports.join(" "))
        .bind(new.backup_eligible)
        .bind(new.backed_up)
        .bind(new.user_verified);
    if tx.execute(sql).await? == 0 {
        return Ok(None);
    }
    note_whether_there_are_any(tx, user).await?;
    Ok(Some(FactorId(id)))
}

/// Stores what a use of a passkey has changed.
pub async fn note_use(tx: &mut Tx, id: FactorId, after: &Credential, now: Timestamp) -> Result<()> {
    let sql = Sql::new(
        "UPDATE passkeys SET sign_count = $1, backed_up = $2, user_verified = $3 WHERE factor_id = $4",
    );
    let sql = sql.bind(i64::from(after.sign_count)).bind(after.backed_up).bind(after.user_verified);
    tx.execute(sql.bind(id.0)).await?;
    set_last_used(tx, id, now).await
}

/// The random name by which authenticators know a user, if there is one.
pub async fn handle(db: &Db, user: UserId) -> Result<Option<Vec<u8>>> {
    let sql = Sql::new("SELECT handle FROM user_handles WHERE user_id = $1");
    Ok(db.optional::<(Vec<u8>,)>(sql.bind(user.0)).await?.map(|(handle,)| handle))
}

/// The same within a transaction.
pub async fn handle_of(tx: &mut Tx, user: UserId) -> Result<Option<Vec<u8>>> {
    let sql = Sql::new("SELECT handle FROM user_handles WHERE user_id = $1");
    Ok(tx.optional::<(Vec<u8>,)>(sql.bind(user.0)).await?.map(|(handle,)| handle))
}

/// Gives a user that name, unless they have one or another user has it; whether it is the name that they have now.
pub async fn set_handle(tx: &mut Tx, user: UserId, handle: &[u8; HANDLE]) -> Result<bool> {
    let sql = Sql::new("INSERT INTO user_handles (user_id, handle) VALUES ($1, $2) ON CONFLICT DO NOTHING");
    tx.execute(sql.bind(user.0).bind(handle.to_vec())).await?;
    Ok(handle_of(tx, user).await?.is_some_and(|stored| stored == handle))
}

/// Uses a challenge up; `false` if it was answered before.
pub async fn spend_challenge(tx: &mut Tx, challenge: &[u8], runs_out_at: Timestamp) -> Result<bool> {
    let sql = Sql::new(
        "INSERT INTO spent_challenges (challenge, runs_out_at) VALUES ($1, $2) ON CONFLICT (challenge) DO NOTHING",
    );
    Ok(tx.execute(sql.bind(challenge.to_vec()).bind(runs_out_at.micros())).await? == 1)
}

/// Forgets challenges that have run out.
pub async fn delete_run_out(tx: &mut Tx, now: Timestamp) -> Result<()> {
    tx.execute(Sql::new("DELETE FROM spent_challenges WHERE runs_out_at <= $1").bind(now.micros()))
        .await
        .map(drop)
}
