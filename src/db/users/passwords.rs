//! Which users have a password, and of what kind.

use std::collections::HashSet;

use super::row::{UserRow, columns};
use crate::db::{Db, Result, Sql};
use crate::model::password::PasswordHash;
use crate::model::user::{User, UserId};

/// Active users from the one after `id` on who have never had a password here, by primary key: at most `limit`.
pub async fn without_password_after(db: &Db, id: UserId, limit: i64) -> Result<Vec<User>> {
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE users.id > $1 AND users.is_active = TRUE AND users.password_changed_at IS NULL \
         AND (users.password = '' OR substr(users.password, 1, 1) = '!') ORDER BY users.id LIMIT $2"
    ));
    Ok(db.all::<UserRow>(sql.bind(id.0).bind(limit)).await?.into_iter().map(User::from).collect())
}

/// Those of these users who have a password.
pub async fn with_password(db: &Db, ids: &[UserId]) -> Result<HashSet<UserId>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let mut sql =
        Sql::new("SELECT id FROM users WHERE password <> '' AND substr(password, 1, 1) <> '!' AND id IN (");
    for (id, n) in ids.iter().zip(0..) {
        sql.push(if n == 0 { "" } else { ", " }).push_value(id.0);
    }
    sql.push(")");
    Ok(db.all::<(i64,)>(sql).await?.into_iter().map(|(id,)| UserId(id)).collect())
}

/// Users above a primary key whose hash does not begin so, in the order of primary keys, and the hashes. It may look
/// at every row.
pub async fn hashes_unlike(
    db: &Db,
    prefix: &str,
    above: UserId,
    limit: i64,
) -> Result<Vec<(UserId, PasswordHash)>> {
    let sql = Sql::new(
        "SELECT id, password FROM users WHERE id > $1 AND substr(password, 1, length($2)) <> $2 ORDER BY id LIMIT $3",
    );
    let rows: Vec<(i64, String)> = db.scanning().all(sql.bind(above.0).bind(prefix).bind(limit)).await?;
    Ok(rows.into_iter().map(|(id, password)| (UserId(id), PasswordHash::from(password))).collect())
}
