//! Taking personal values out of entries whose seals cover them by commitments.

use super::columns;
use crate::db::{Dialect, Result, Sql, Tx, Value};
use crate::model::audit::{Action, EntryId, StoredEntry};
use crate::model::text;
use crate::model::user::UserId;

/// Entries after one of them, in the order of their keys: all, or those of these actions that are about no user.
pub async fn entries_after(
    tx: &mut Tx,
    after: EntryId,
    without_target: &[Action],
    limit: i64,
) -> Result<Vec<Erasable>> {
    let mut sql =
        Sql::new(concat!("SELECT ", columns!(), ", position, commitments FROM audit_entries WHERE id > $1"))
            .bind(after.0);
    for (n, action) in without_target.iter().enumerate() {
        sql.push(if n == 0 { " AND target_id IS NULL AND action IN (" } else { ", " });
        sql.push_value(action.as_str());
    }
    sql.push(if without_target.is_empty() { " ORDER BY id LIMIT " } else { ") ORDER BY id LIMIT " });
    sql.push_value(limit);
    tx.all(sql).await
}

/// Entries after one of them that a user is the actor or the target of, in the order of their keys.
pub async fn entries_about(tx: &mut Tx, user: UserId, after: EntryId, limit: i64) -> Result<Vec<Erasable>> {
    // One query for each index, so that none sorts all the entries of a user.
    let sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        ", position, commitments FROM audit_entries WHERE id IN (SELECT id FROM (SELECT id FROM audit_entries \
         WHERE actor_id = $1 AND id > $2 ORDER BY id LIMIT $3) AS acted UNION SELECT id FROM (SELECT id FROM \
         audit_entries WHERE target_id = $1 AND id > $2 ORDER BY id LIMIT $3) AS suffered) ORDER BY id LIMIT $3"
    ));
    tx.all(sql.bind(user.0).bind(after.0).bind(limit)).await
}

/// An entry, sealed or not.
#[derive(Debug)]
pub struct Erasable {
    /// The entry.
    pub entry: StoredEntry,
    /// Its place in the chain.
    pub position: Option<i64>,
    /// See [`crate::model::audit::Commitments`].
    pub commitments: Option<Vec<u8>>,
}
crate::db::from_row!(Erasable { ..entry, position, commitments });

/// Stores the personal values of entries as they are now, with their commitments.
pub async fn replace_personal(tx: &mut Tx, entries: &[(StoredEntry, Vec<u8>)]) -> Result<()> {
    for entries in entries.chunks(Dialect::ROWS_AT_ONCE) {
        let mut sql = Sql::new(
            "UPDATE audit_entries SET actor_name = left_over.column2, target_name = left_over.column3, \
             changes = left_over.column4, details = left_over.column5, address = left_over.column6, \
             actor_folded = left_over.column7, target_folded = left_over.column8, \
             commitments = left_over.column9 FROM (VALUES ",
        );
        let row = |(entry, commitments): &(StoredEntry, Vec<u8>)| -> [Value; 9] {
            [
                entry.id.into(),
                entry.actor_name.as_str().into(),
                entry.target_name.as_str().into(),
                entry.changes.as_str().into(),
                entry.details.as_str().into(),
                entry.address.as_str().into(),
                text::fold(&entry.actor_name).into(),
                text::fold(&entry.target_name).into(),
                commitments.clone().into(),
            ]
        };
        sql.push_rows(tx.dialect(), entries.iter().map(row));
        sql.push(") AS left_over WHERE audit_entries.id = left_over.column1");
        tx.execute(sql).await?;
    }
    Ok(())
}
