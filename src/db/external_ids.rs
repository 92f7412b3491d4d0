//! The table of external ids: what a provisioning client calls a user. A client is the user who acts for it.

use std::collections::HashMap;

use super::{Db, Dialect, Result, Sql, Tx, from_row};
use crate::model::user::UserId;

struct Row {
    user_id: i64,
    external_id: String,
}
from_row!(Row { user_id, external_id });

/// What a client calls these users, as far as it calls them anything.
pub async fn of(db: &Db, client: UserId, users: &[UserId]) -> Result<HashMap<UserId, String>> {
    let mut sql =
        Sql::new("SELECT user_id, external_id FROM external_ids WHERE client_id = $1 AND user_id IN (")
            .bind(client.0);
    for (id, n) in users.iter().zip(0..) {
        sql.push(if n == 0 { "" } else { ", " }).push_value(id.0);
    }
    sql.push(")");
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = db.all::<Row>(sql).await?;
    Ok(rows.into_iter().map(|row| (UserId(row.user_id), row.external_id)).collect())
}

/// What clients call a user: at most `limit` primary keys of clients with the name.
pub async fn of_user(db: &Db, user: UserId, limit: i64) -> Result<Vec<(i64, String)>> {
    let sql =
        "SELECT client_id, external_id FROM external_ids WHERE user_id = $1 ORDER BY client_id LIMIT $2";
    db.all(Sql::new(sql).bind(user.0).bind(limit)).await
}

/// The users that a client calls so.
pub async fn users_called(db: &Db, client: UserId, names: &[&str]) -> Result<HashMap<String, UserId>> {
    let mut sql =
        Sql::new("SELECT user_id, external_id FROM external_ids WHERE client_id = $1 AND external_id IN (")
            .bind(client.0);
    for (name, n) in names.iter().zip(0..) {
        sql.push(if n == 0 { "" } else { ", " }).push_value(*name);
    }
    sql.push(")");
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = db.all::<Row>(sql).await?;
    Ok(rows.into_iter().map(|row| (row.external_id, UserId(row.user_id))).collect())
}

/// What a client calls a user.
pub async fn get(tx: &mut Tx, client: UserId, user: UserId) -> Result<Option<String>> {
    let sql = Sql::new("SELECT external_id FROM external_ids WHERE client_id = $1 AND user_id = $2");
    Ok(tx.optional::<(String,)>(sql.bind(client.0).bind(user.0)).await?.map(|(name,)| name))
}

/// Has a client call a user so, or nothing.
///
/// # Errors
/// [`super::Error::ExternalIdTaken`] if it calls another one so.
pub async fn set(tx: &mut Tx, client: UserId, user: UserId, name: Option<&str>) -> Result<()> {
    let delete = Sql::new("DELETE FROM external_ids WHERE client_id = $1 AND user_id = $2");
    tx.execute(delete.bind(client.0).bind(user.0)).await?;
    let Some(name) = name else { return Ok(()) };
    let insert = Sql::new("INSERT INTO external_ids (client_id, user_id, external_id) VALUES ($1, $2, $3)");
    tx.execute(insert.bind(client.0).bind(user.0).bind(name)).await.map(drop)
}

/// The names of those of these users who are here: none of them is removed before the end of the transaction.
pub async fn keep_users(tx: &mut Tx, ids: &[UserId]) -> Result<HashMap<UserId, String>> {
    let mut sql = Sql::new("SELECT id, username FROM users WHERE id IN (");
    for (id, n) in ids.iter().zip(0..) {
        sql.push(if n == 0 { "" } else { ", " }).push_value(id.0);
    }
    sql.push(") ORDER BY id");
    if tx.dialect() == Dialect::Postgres {
        sql.push(" FOR KEY SHARE");
    }
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, String)> = tx.all(sql).await?;
    Ok(rows.into_iter().map(|(id, username)| (UserId(id), username)).collect())
}

/// Has a client call a user so, unless it calls the user something, or another user so; whether it did.
pub async fn insert_missing(tx: &mut Tx, client: UserId, user: UserId, name: &str) -> Result<bool> {
    let sql = Sql::new(
        "INSERT INTO external_ids (client_id, user_id, external_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    );
    Ok(tx.execute(sql.bind(client.0).bind(user.0).bind(name)).await? == 1)
}

/// Has a client call a user nothing any more; whether it did.
pub async fn delete(tx: &mut Tx, client: UserId, user: UserId) -> Result<bool> {
    let sql = Sql::new("DELETE FROM external_ids WHERE client_id = $1 AND user_id = $2");
    Ok(tx.execute(sql.bind(client.0).bind(user.0)).await? > 0)
}

/// Has no client call a user anything; how many did.
pub async fn delete_of_user(tx: &mut Tx, user: UserId) -> Result<u64> {
    tx.execute(Sql::new("DELETE FROM external_ids WHERE user_id = $1").bind(user.0)).await
}
