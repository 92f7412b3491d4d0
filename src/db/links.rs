//! The links table: one-time links that set a password.

use super::{Db, Error, Result, Sql, Tx, from_row};
use crate::model::clock::Timestamp;
use crate::model::link::{Link, LinkId, LinkPurpose};
use crate::model::session::{Secret, SecretHash};
use crate::model::user::UserId;

macro_rules! columns {
    () => {
        "id, user_id, purpose, made_by, secret_hash, created_at, expires_at, sealed"
    };
}

struct LinkRow {
    id: i64,
    user_id: i64,
    purpose: String,
    made_by: Option<i64>,
    secret_hash: Vec<u8>,
    created_at: i64,
    expires_at: i64,
    sealed: Vec<u8>,
}
from_row!(LinkRow { id, user_id, purpose, made_by, secret_hash, created_at, expires_at, sealed });

impl TryFrom<LinkRow> for Link {
    type Error = Error;

    fn try_from(row: LinkRow) -> Result<Self> {
        let corrupt = || Error::Corrupt(format!("link {}", row.id));
        Ok(Self {
            id: LinkId(row.id),
            user: UserId(row.user_id),
            purpose: LinkPurpose::named(&row.purpose).ok_or_else(corrupt)?,
            made_by: row.made_by.map(UserId),
            secret_hash: SecretHash(row.secret_hash.as_slice().try_into().map_err(|_| corrupt())?),
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            sealed: Secret::from_bytes(&row.sealed),
        })
    }
}

/// Stores a link; its primary key is given by the database.
pub async fn insert(tx: &mut Tx, link: &Link) -> Result<LinkId> {
    let sql = Sql::new(
        "INSERT INTO links (user_id, purpose, made_by, secret_hash, created_at, expires_at, sealed) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
    );
    let sql = sql
        .bind(link.user.0)
        .bind(link.purpose.as_str())
        .bind(link.made_by.map(|id| id.0))
        .bind(link.secret_hash.0.to_vec())
        .bind(link.created_at.micros())
        .bind(link.expires_at.micros())
        .bind(link.sealed.as_ref().map(|sealed| sealed.as_bytes().to_vec()).unwrap_or_default());
    let row: Option<(i64,)> = tx.optional(sql).await?;
    row.map(|(id,)| LinkId(id)).ok_or_else(|| Error::Corrupt("no primary key".into()))
}

/// The link of a secret, or of that of its message that was sent again, whether or not it has expired.
pub async fn by_secret(db: &Db, secret: &SecretHash) -> Result<Option<Link>> {
    let sql =
        Sql::new(concat!("SELECT ", columns!(), " FROM links WHERE secret_hash = $1 OR resent_hash = $1"));
    db.optional::<LinkRow>(sql.bind(secret.0.to_vec())).await?.map(Link::try_from).transpose()
}

/// The link of a user that works longest, whether or not it has expired. There are two while the one for
/// the first password is out and another one was asked for.
pub async fn of_user(db: &Db, user: UserId) -> Result<Option<Link>> {
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        " FROM links WHERE user_id = $1 ORDER BY expires_at DESC, id DESC LIMIT 1"
    ));
    db.optional::<LinkRow>(sql.bind(user.0)).await?.map(Link::try_from).transpose()
}

/// All links of a user that work at a moment, the latest first.
pub async fn working(db: &Db, user: UserId, now: Timestamp) -> Result<Vec<Link>> {
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        " FROM links WHERE user_id = $1 AND expires_at > $2 ORDER BY id DESC"
    ));
    let rows = db.all::<LinkRow>(sql.bind(user.0).bind(now.micros())).await?;
    rows.into_iter().map(Link::try_from).collect()
}

/// Uses a link up; only one caller ever gets it. `None` if it is gone or has expired.
pub async fn take(tx: &mut Tx, secret: &SecretHash, now: Timestamp) -> Result<Option<Link>> {
    let sql = Sql::new(concat!(
        "DELETE FROM links WHERE (secret_hash = $1 OR resent_hash = $1) AND expires_at > $2 RETURNING ",
        columns!()
    ));
    let row = tx.optional::<LinkRow>(sql.bind(secret.0.to_vec()).bind(now.micros())).await?;
    row.map(Link::try_from).transpose()
}

/// How many links for a purpose expire between two instants, counted no further than `most`.
pub async fn count_expiring(
    db: &Db,
    purpose: LinkPurpose,
    after: Timestamp,
    until: Timestamp,
    most: i64,
) -> Result<i64> {
    let sql = Sql::new(
        "SELECT count(*) FROM (SELECT 1 FROM links WHERE expires_at > $1 AND expires_at <= $2 AND purpose = $3 \
         LIMIT $4) AS found",
    );
    let sql = sql.bind(after.micros()).bind(until.micros()).bind(purpose.as_str()).bind(most);
    Ok(db.optional::<(i64,)>(sql).await?.map_or(0, |(count,)| count))
}

/// Forgets what a link could be shown by; whether it was still known.
pub async fn forget_sealed(tx: &mut Tx, link: &Link) -> Result<bool> {
    let sql = Sql::new("UPDATE links SET sealed = $1 WHERE id = $2 AND sealed <> $1");
    Ok(tx.execute(sql.bind(Vec::new()).bind(link.id.0)).await? > 0)
}

/// The links that a user made and that could still be shown in the session that they were made in.
pub async fn sealed(tx: &mut Tx, made_by: UserId) -> Result<Vec<Link>> {
    let sql = Sql::new(concat!("SELECT ", columns!(), " FROM links WHERE made_by = $1 AND sealed <> $2"));
    let sql = sql.bind(made_by.0).bind(Vec::new());
    tx.all::<LinkRow>(sql).await?.into_iter().map(Link::try_from).collect()
}

/// Stores the secret of a link, sealed anew.
pub async fn set_sealed(tx: &mut Tx, link: &Link, sealed: &Secret) -> Result<()> {
    let sql = Sql::new("UPDATE links SET sealed = $1 WHERE id = $2");
    tx.execute(sql.bind(sealed.as_bytes().to_vec()).bind(link.id.0)).await.map(drop)
}

/// Gives a link of a user another secret beside its first one, for a message that is sent again, in place of an earlier
/// such one; when it expires, if it still works.
pub async fn set_resent(
    tx: &mut Tx,
    link: LinkId,
    user: UserId,
    secret: &SecretHash,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let sql = Sql::new(
        "UPDATE links SET resent_hash = $1 WHERE id = $2 AND user_id = $3 AND expires_at > $4 RETURNING expires_at",
    );
    let sql = sql.bind(secret.0.to_vec()).bind(link.0).bind(user.0).bind(now.micros());
    let row: Option<(i64,)> = tx.optional(sql).await?;
    Ok(row.map(|(expires_at,)| Timestamp::from_micros(expires_at)))
}

/// Ends the links of a user.
pub async fn delete_of_user(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.execute(deletion(user)).await.map(drop)
}

/// The same [with the next statement](Tx::execute_with_next).
pub fn delete_of_user_with_next(tx: &mut Tx, user: UserId) {
    tx.execute_with_next(deletion(user));
}

fn deletion(user: UserId) -> Sql {
    Sql::new("DELETE FROM links WHERE user_id = $1").bind(user.0)
}

/// Ends the links that a user made for others.
pub async fn delete_made_by(tx: &mut Tx, maker: UserId) -> Result<()> {
    let sql = Sql::new("DELETE FROM links WHERE made_by = $1 AND user_id <> $1");
    tx.execute(sql.bind(maker.0)).await.map(drop)
}

/// Ends the links of a user but that for the first password.
pub async fn delete_resets_of_user(tx: &mut Tx, user: UserId) -> Result<()> {
    let sql = Sql::new("DELETE FROM links WHERE user_id = $1 AND purpose = $2");
    tx.execute(sql.bind(user.0).bind(LinkPurpose::Reset.as_str())).await.map(drop)
}

/// Removes links that nothing can use any more.
pub async fn delete_expired(tx: &mut Tx, now: Timestamp) -> Result<()> {
    tx.execute(Sql::new("DELETE FROM links WHERE expires_at <= $1").bind(now.micros())).await.map(drop)
}
