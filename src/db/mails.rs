//! The mails table: messages and their delivery state, never their text.

use super::{Db, Error, Result, Sql, Tx, from_row};
use crate::model::clock::Timestamp;
use crate::model::link::{LinkId, LinkPurpose};
use crate::model::mail::{Mail, MailId, MailState};
use crate::model::user::UserId;

struct MailRow {
    purpose: String,
    recipient: String,
    state: String,
    response: String,
    created_at: i64,
    retry_at: Option<i64>,
    changed_at: i64,
}
from_row!(MailRow { purpose, recipient, state, response, created_at, retry_at, changed_at });

impl TryFrom<MailRow> for Mail {
    type Error = Error;

    fn try_from(row: MailRow) -> Result<Self> {
        let corrupt = || Error::Corrupt("a message's state".into());
        Ok(Self {
            purpose: LinkPurpose::named(&row.purpose).ok_or_else(corrupt)?,
            recipient: row.recipient,
            state: MailState::named(&row.state).ok_or_else(corrupt)?,
            response: row.response,
            created_at: Timestamp::from_micros(row.created_at),
            retry_at: row.retry_at.map(Timestamp::from_micros),
            changed_at: Timestamp::from_micros(row.changed_at),
        })
    }
}

/// Stores that the message of a link is about to be sent; it is another server's to send from `retry_at` on.
pub async fn insert(
    tx: &mut Tx,
    user: UserId,
    (link, purpose): (LinkId, LinkPurpose),
    recipient: &str,
    now: Timestamp,
    retry_at: Timestamp,
) -> Result<MailId> {
    let sql = Sql::new(
        "INSERT INTO mails (user_id, purpose, recipient, state, response, created_at, changed_at, link_id, retry_at) \
         VALUES ($1, $2, $3, $4, '', $5, $5, $6, $7) RETURNING id",
    );
    let sql = sql
        .bind(user.0)
        .bind(purpose.as_str())
        .bind(recipient)
        .bind(MailState::Queued.as_str())
        .bind(now.micros())
        .bind(link.0)
        .bind(retry_at.micros());
    let row: Option<(i64,)> = tx.optional(sql).await?;
    row.map(|(id,)| MailId(id)).ok_or_else(|| Error::Corrupt("no primary key".into()))
}

/// A message that is to be sent again.
#[derive(Debug, Clone)]
pub struct Due {
    /// The message.
    pub id: MailId,
    /// The user that it is to.
    pub user: UserId,
    /// The link in it.
    pub link: LinkId,
    /// What that is for.
    pub purpose: LinkPurpose,
    /// The address that it goes to.
    pub recipient: String,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it was due, which tells one try from the next.
    pub retry_at: Timestamp,
}

struct DueRow {
    id: i64,
    user_id: i64,
    link_id: i64,
    purpose: String,
    recipient: String,
    created_at: i64,
    retry_at: i64,
}
from_row!(DueRow { id, user_id, link_id, purpose, recipient, created_at, retry_at });

impl TryFrom<DueRow> for Due {
    type Error = Error;

    fn try_from(row: DueRow) -> Result<Self> {
        Ok(Self {
            id: MailId(row.id),
            user: UserId(row.user_id),
            link: LinkId(row.link_id),
            purpose: LinkPurpose::named(&row.purpose)
                .ok_or_else(|| Error::Corrupt("a message's state".into()))?,
            recipient: row.recipient,
            created_at: Timestamp::from_micros(row.created_at),
            retry_at: Timestamp::from_micros(row.retry_at),
        })
    }
}

/// Messages that are to be sent again by now: at most `limit`, those first that wait for longest.
pub async fn due(db: &Db, now: Timestamp, limit: i64) -> Result<Vec<Due>> {
    let sql = Sql::new(
        "SELECT id, user_id, link_id, purpose, recipient, created_at, retry_at FROM mails WHERE retry_at <= $1 \
         ORDER BY retry_at LIMIT $2",
    );
    let rows: Vec<DueRow> = db.all(sql.bind(now.micros()).bind(limit)).await?;
    rows.into_iter().map(Due::try_from).collect()
}

/// Takes a message that is due at `retry_at` for one try, so that it is due again later; whether it was still to be had.
pub async fn claim(tx: &mut Tx, id: MailId, retry_at: Timestamp, again_at: Timestamp) -> Result<bool> {
    let sql = Sql::new("UPDATE mails SET retry_at = $1 WHERE id = $2 AND retry_at = $3");
    Ok(tx.execute(sql.bind(again_at.micros()).bind(id.0).bind(retry_at.micros())).await? > 0)
}

/// Stores the delivery state of a message, the mail server's response, and when it is to be sent again.
pub async fn set_state(
    tx: &mut Tx,
    id: MailId,
    (state, response): (MailState, &str),
    now: Timestamp,
    retry_at: Option<Timestamp>,
) -> Result<()> {
    let sql =
        Sql::new("UPDATE mails SET state = $1, response = $2, changed_at = $3, retry_at = $4 WHERE id = $5");
    let sql = sql.bind(state.as_str()).bind(response).bind(now.micros());
    tx.execute(sql.bind(retry_at.map(Timestamp::micros)).bind(id.0)).await.map(drop)
}

/// The newest message to a user.
pub async fn latest(db: &Db, user: UserId) -> Result<Option<Mail>> {
    let sql = Sql::new(
        "SELECT purpose, recipient, state, response, created_at, retry_at, changed_at FROM mails \
         WHERE user_id = $1 ORDER BY id DESC LIMIT 1",
    );
    db.optional::<MailRow>(sql.bind(user.0)).await?.map(Mail::try_from).transpose()
}

/// The messages to a user, the latest first: at most `limit`.
pub async fn of_user(db: &Db, user: UserId, limit: i64) -> Result<Vec<Mail>> {
    let sql = Sql::new(
        "SELECT purpose, recipient, state, response, created_at, retry_at, changed_at FROM mails \
         WHERE user_id = $1 ORDER BY id DESC LIMIT $2",
    );
    let rows = db.all::<MailRow>(sql.bind(user.0).bind(limit)).await?;
    rows.into_iter().map(Mail::try_from).collect()
}

/// Users whose newest message was refused since an instant, and where it was sent: at most `limit`, the latest first.
pub async fn refused_since(db: &Db, since: Timestamp, limit: i64) -> Result<Vec<(UserId, String)>> {
    // The state stands in the statement and is not bound, so that the index of refused messages can be used.
    let sql = Sql::new(
        "SELECT user_id, recipient FROM mails WHERE state = 'refused' AND changed_at >= $1 AND NOT EXISTS \
         (SELECT 1 FROM mails AS newer WHERE newer.user_id = mails.user_id AND newer.id > mails.id) \
         ORDER BY changed_at DESC LIMIT $2",
    );
    let rows: Vec<(i64, String)> = db.all(sql.bind(since.micros()).bind(limit)).await?;
    Ok(rows.into_iter().map(|(user, recipient)| (UserId(user), recipient)).collect())
}

/// Forgets messages that nothing was heard of since `before`.
pub async fn delete_older(tx: &mut Tx, before: Timestamp) -> Result<()> {
    tx.execute(Sql::new("DELETE FROM mails WHERE changed_at < $1").bind(before.micros())).await.map(drop)
}
