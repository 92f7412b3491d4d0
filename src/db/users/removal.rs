//! The removal of users who were only just stored, and have done nothing since.

use crate::db::{Dialect, Result, Sql, Tx, from_row};
use crate::model::user::UserId;

/// What has become of a user since they were stored. Times are microseconds since the epoch.
#[derive(Debug)]
pub struct State {
    /// Primary key.
    pub id: i64,
    /// 1 unless they were edited.
    pub version: i64,
    /// Their last sign-in.
    pub last_login: Option<i64>,
    /// When they got another password.
    pub password_changed_at: Option<i64>,
    /// Their sessions, API tokens among them.
    pub sessions: i64,
}
from_row!(State { id, version, last_login, password_changed_at, sessions });

/// The users of these primary keys who are there, locked.
pub async fn lock_all(tx: &mut Tx, ids: &[UserId]) -> Result<Vec<State>> {
    let mut sql = Sql::new(
        "SELECT id, version, last_login, password_changed_at, \
         (SELECT count(*) FROM sessions WHERE sessions.user_id = users.id) AS sessions FROM users WHERE id IN (",
    );
    push_all(&mut sql, ids);
    sql.push(") ORDER BY id");
    if tx.dialect() == Dialect::Postgres {
        sql.push(" FOR UPDATE OF users");
    }
    if ids.is_empty() { Ok(Vec::new()) } else { tx.all(sql).await }
}

/// Removes users, and all that hangs on them; entries of the audit log stay.
///
/// # Errors
/// [`crate::db::Error::LastSuperuser`]
pub async fn delete_all(tx: &mut Tx, ids: &[UserId]) -> Result<()> {
    let mut sql = Sql::new("DELETE FROM users WHERE id IN (");
    push_all(&mut sql, ids);
    sql.push(")");
    if ids.is_empty() { Ok(()) } else { tx.execute(sql).await.map(drop) }
}

fn push_all(sql: &mut Sql, ids: &[UserId]) {
    for (id, n) in ids.iter().zip(0..) {
        sql.push(if n == 0 { "" } else { ", " }).push_value(id.0);
    }
}
