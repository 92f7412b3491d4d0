//! The mails table: messages and their delivery state, never their text.

use super::{Db, Error, Result, Sql, Tx, from_row};
use crate::model::clock::Timestamp;
use crate::model::link::LinkPurpose;
use crate::model::mail::{Mail, MailId, MailState};
use crate::model::user::UserId;

struct MailRow {
    purpose: String,
    recipient: String,
    state: String,
    response: String,
    created_at: i64,
    changed_at: i64,
}
from_row!(MailRow { purpose, recipient, state, response, created_at, changed_at });

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
            changed_at: Timestamp::from_micros(row.changed_at),
        })
    }
}

/// Stores that a message is about to be sent.
pub async fn insert(
    tx: &mut Tx,
    user: UserId,
    purpose: LinkPurpose,
    recipient: &str,
    now: Timestamp,
) -> Result<MailId> {
    let sql = Sql::new(
        "INSERT INTO mails (user_id, purpose, recipient, state, response, created_at, changed_at) \
         VALUES ($1, $2, $3, $4, '', $5, $5) RETURNING id",
    );
    let sql = sql
        .bind(user.0)
        .bind(purpose.as_str())
        .bind(recipient)
        .bind(MailState::Queued.as_str())
        .bind(now.micros());
    let row: Option<(i64,)> = tx.optional(sql).await?;
    row.map(|(id,)| MailId(id)).ok_or_else(|| Error::Corrupt("no primary key".into()))
}

/// Stores the delivery state of a message, and the mail server's response.
pub async fn set_state(
    tx: &mut Tx,
    id: MailId,
    state: MailState,
    response: &str,
    now: Timestamp,
) -> Result<()> {
    let sql = Sql::new("UPDATE mails SET state = $1, response = $2, changed_at = $3 WHERE id = $4");
    tx.execute(sql.bind(state.as_str()).bind(response).bind(now.micros()).bind(id.0)).await.map(drop)
}

/// The newest message to a user.
pub async fn latest(db: &Db, user: UserId) -> Result<Option<Mail>> {
    let sql = Sql::new(
        "SELECT purpose, recipient, state, response, created_at, changed_at FROM mails \
         WHERE user_id = $1 ORDER BY id DESC LIMIT 1",
    );
    db.optional::<MailRow>(sql.bind(user.0)).await?.map(Mail::try_from).transpose()
}

/// The messages to a user, the latest first: at most `limit`.
pub async fn of_user(db: &Db, user: UserId, limit: i64) -> Result<Vec<Mail>> {
    let sql = Sql::new(
        "SELECT purpose, recipient, state, response, created_at, changed_at FROM mails \
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
