//! Reads of the audit log: lists of it, and the entries about one user.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use super::columns;
use crate::db::select::{Listed, Table};
use crate::db::{Db, Result, Sql, from_row};
use crate::model::audit::{Action, Entries, EntryId, EntryInteger, EntryText, ListedEntry};
use crate::model::clock::Timestamp;
use crate::model::filter::{Field, FieldValue, Folding};
use crate::model::user::UserId;

from_row!(ListedEntry { ..entry, undone_by });

/// The entry that takes another one back.
macro_rules! undone_by {
    () => {
        "(SELECT undo.id FROM audit_entries AS undo WHERE undo.undoes = audit_entries.id) AS undone_by"
    };
}

impl Listed for ListedEntry {
    type Table = Entries;
    type Row = Self;

    const COLUMNS: &'static str = concat!(columns!(), ", ", undone_by!());
    const JSON: &'static str = concat!("json_array(json_array(", columns!(), "), undone_by)");

    fn value(&self, field: Field<Entries>) -> FieldValue {
        field.of(self)
    }
}

impl Table for Entries {
    const TABLE: &'static str = "audit_entries";

    fn text_column(field: EntryText, folding: Folding) -> &'static str {
        match (field, folding) {
            (EntryText::Actor, Folding::Exact) => "actor_name",
            (EntryText::Actor, Folding::Folded) => "actor_folded",
            (EntryText::Target, Folding::Exact) => "target_name",
            (EntryText::Target, Folding::Folded) => "target_folded",
            // Folded as they are written.
            (EntryText::Action, _) => "action",
            (EntryText::Door, _) => "door",
            (EntryText::Address, _) => "address",
            (EntryText::RequestId, _) => "request_id",
        }
    }

    fn integer_column(field: EntryInteger) -> &'static str {
        match field {
            EntryInteger::Id => "id",
            EntryInteger::At => "happened_at",
            EntryInteger::ActorId => "actor_id",
            EntryInteger::TargetId => "target_id",
            EntryInteger::Batch => "batch_id",
            EntryInteger::Undoes => "undoes",
        }
    }

    fn flag_column(field: Infallible) -> &'static str {
        match field {}
    }
}

/// One entry.
pub async fn by_id(db: &Db, id: EntryId) -> Result<Option<ListedEntry>> {
    let sql =
        Sql::new(concat!("SELECT ", columns!(), ", ", undone_by!(), " FROM audit_entries WHERE id = $1"));
    db.optional(sql.bind(id.0)).await
}

/// What about a user is asked for. The names stand in the statement and not beside it, so that the index
/// `audit_entries_changes` can be used. It has the first condition of the changes; what came later stands beside that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// What changed, was made, ended, refused: all but coming and going.
    Changes,
    /// Coming and going.
    Access,
    /// Sign-ins, good and bad.
    SignIns,
    /// Notes of staff, which are found among the changes.
    Notes,
}

impl About {
    /// The condition, after one on the user.
    #[must_use]
    pub const fn condition(self) -> &'static str {
        match self {
            Self::Changes => {
                " AND action NOT IN ('account_blocked', 'password_confirmation_failed', \
                 'password_confirmed', 'sign_in', 'sign_in_failed', 'sign_out') \
                 AND action <> 'second_factor_asked'"
            }
            Self::Access => {
                " AND action IN ('account_blocked', 'password_confirmation_failed', \
                 'password_confirmed', 'sign_in', 'sign_in_failed', 'sign_out', 'second_factor_asked')"
            }
            Self::SignIns => " AND action IN ('sign_in', 'sign_in_failed')",
            Self::Notes => {
                " AND action NOT IN ('account_blocked', 'password_confirmation_failed', \
                 'password_confirmed', 'sign_in', 'sign_in_failed', 'sign_out') AND action = 'note_added'"
            }
        }
    }
}

/// Where entries about a user begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the newest.
    Newest,
    /// Before this one: older ones, newest first.
    Before(EntryId),
    /// After this one: newer ones, oldest first.
    After(EntryId),
}

/// At most `limit` entries about a user.
pub async fn about(db: &Db, user: UserId, about: About, from: Start, limit: i64) -> Result<Vec<ListedEntry>> {
    db.all(statement(user, about, from, limit)).await
}

/// At most `limit` entries about a user and by them, each once.
pub async fn concerning(db: &Db, user: UserId, from: Start, limit: i64) -> Result<Vec<ListedEntry>> {
    db.all(concerning_statement(user, from, limit)).await
}

/// Two walks along an index each, which end at the limit.
fn concerning_statement(user: UserId, from: Start, limit: i64) -> Sql {
    let mut sql =
        Sql::new(concat!("SELECT ", columns!(), ", ", undone_by!(), " FROM audit_entries WHERE id IN ("));
    for (column, before) in [("target_id", "SELECT id FROM ("), ("actor_id", " UNION SELECT id FROM (")] {
        sql.push(before).push("SELECT id FROM audit_entries WHERE ").push(column).push(" = ");
        sql.push_value(user.0);
        push_start(&mut sql, from);
        sql.push(" LIMIT ").push_value(limit).push(") AS found");
    }
    sql.push(if matches!(from, Start::After(_)) { ") ORDER BY id" } else { ") ORDER BY id DESC" });
    sql.push(" LIMIT ").push_value(limit);
    sql
}

/// The newest entries of these actions, at most `limit`. Of each action so many are looked at, along its index.
pub async fn latest(db: &Db, actions: &[Action], limit: i64) -> Result<Vec<ListedEntry>> {
    let mut sql =
        Sql::new(concat!("SELECT ", columns!(), ", ", undone_by!(), " FROM audit_entries WHERE id IN ("));
    for (action, n) in actions.iter().zip(0..) {
        sql.push(if n == 0 { "" } else { " UNION ALL " });
        sql.push("SELECT id FROM (SELECT id FROM audit_entries WHERE action = ").push_value(action.as_str());
        sql.push(" ORDER BY id DESC LIMIT ").push_value(limit).push(") AS latest");
    }
    sql.push(") ORDER BY id DESC LIMIT ").push_value(limit);
    db.listing().all(sql).await
}

/// How many signed in and how many failed to from the one instant on and before the other, of each pair; counted no
/// further than `most`. Entries are counted by their keys, which rise with time: the index of actions has both.
pub async fn sign_ins_within(db: &Db, times: &[(Timestamp, Timestamp)], most: i64) -> Result<Vec<[i64; 2]>> {
    if times.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new("");
    for ((from, to), n) in times.iter().zip(0_i64..) {
        sql.push(if n == 0 { "SELECT " } else { " UNION ALL SELECT " }).push_value(n).push(" AS number");
        for (action, name) in [(Action::SignIn, " AS good"), (Action::SignInFailed, " AS bad")] {
            sql.push(", (SELECT count(*) FROM (SELECT 1 FROM audit_entries WHERE action = ");
            sql.push_value(action.as_str()).push(" AND id >= ");
            push_first_key(&mut sql, *from);
            sql.push(" AND id < COALESCE(");
            push_first_key(&mut sql, *to);
            sql.push(", 9223372036854775807) LIMIT ").push_value(most).push(") AS found)").push(name);
        }
    }
    sql.push(" ORDER BY number");
    let rows: Vec<(i64, i64, i64)> = db.scanning().all(sql).await?;
    Ok(rows.into_iter().map(|(_, good, bad)| [good, bad]).collect())
}

/// How often a user signed in and failed to in each span from `first` on, by the number of the span; only the latest
/// `most` entries are looked at.
pub async fn sign_ins_of(
    db: &Db,
    user: UserId,
    first: Timestamp,
    span: Duration,
    most: i64,
) -> Result<HashMap<i64, [i64; 2]>> {
    let mut sql = Sql::new(
        "SELECT number, count(*) FILTER (WHERE action = 'sign_in') AS good, count(*) FILTER (WHERE ",
    );
    sql.push("action <> 'sign_in') AS bad FROM (SELECT action, (happened_at - ").push_value(first.micros());
    sql.push(") / ").push_value(i64::try_from(span.as_micros()).unwrap_or(i64::MAX));
    sql.push(" AS number FROM audit_entries WHERE target_id = ").push_value(user.0);
    sql.push(About::SignIns.condition());
    sql.push(" AND happened_at >= ").push_value(first.micros());
    sql.push(" ORDER BY id DESC LIMIT ").push_value(most).push(") AS latest GROUP BY number");
    let rows: Vec<(i64, i64, i64)> = db.scanning().all(sql).await?;
    Ok(rows.into_iter().map(|(number, good, bad)| (number, [good, bad])).collect())
}

/// The key of the first entry from an instant on.
fn push_first_key(sql: &mut Sql, from: Timestamp) {
    sql.push("(SELECT id FROM audit_entries WHERE happened_at >= ").push_value(from.micros());
    sql.push(" ORDER BY happened_at, id LIMIT 1)");
}

fn statement(user: UserId, about: About, from: Start, limit: i64) -> Sql {
    let mut sql = Sql::new(concat!(
        "SELECT ",
        columns!(),
        ", ",
        undone_by!(),
        " FROM audit_entries WHERE target_id = "
    ));
    sql.push_value(user.0).push(about.condition());
    push_start(&mut sql, from);
    sql.push(" LIMIT ").push_value(limit);
    sql
}

/// After a condition: where the entries begin, and their order.
fn push_start(sql: &mut Sql, from: Start) {
    match from {
        Start::Newest => sql.push(" ORDER BY id DESC"),
        Start::Before(id) => sql.push(" AND id < ").push_value(id.0).push(" ORDER BY id DESC"),
        Start::After(id) => sql.push(" AND id > ").push_value(id.0).push(" ORDER BY id"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing;

    async fn database() -> (Db, tempfile::TempDir) {
        let (figment, directory) = testing::sqlite().await;
        (Db::open(&figment.focus("databases.main")).await.unwrap(), directory)
    }

    /// How SQLite would run a statement.
    async fn plan(db: &Db, mut sql: Sql) -> String {
        sql.text = format!("EXPLAIN QUERY PLAN {}", sql.text).into();
        let steps: Vec<(i64, i64, i64, String)> = db.all(sql).await.unwrap();
        steps.into_iter().map(|(.., step)| step).collect::<Vec<_>>().join("\n")
    }

    #[rocket::async_test]
    async fn what_concerns_one_user_is_read_along_an_index() {
        let (db, _directory) = database().await;
        let mark = EntryId(5);
        for from in [Start::Newest, Start::Before(mark), Start::After(mark)] {
            for (about, index) in [
                (About::Changes, "audit_entries_changes"),
                (About::Access, "audit_entries_target_id"),
                (About::SignIns, "audit_entries_target_id"),
                (About::Notes, "audit_entries_changes"),
            ] {
                let plan = plan(&db, statement(UserId(7), about, from, 5)).await;
                assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{about:?} {from:?}: {plan}");
            }
        }
    }

    #[rocket::async_test]
    async fn what_concerns_a_person_is_read_along_two_indexes() {
        let (db, _directory) = database().await;
        for from in [Start::Newest, Start::After(EntryId(5))] {
            let plan = plan(&db, concerning_statement(UserId(7), from, 5)).await;
            for index in ["audit_entries_target_id", "audit_entries_actor_id"] {
                assert!(plan.contains(index) && !plan.contains("SCAN audit_entries"), "{from:?}: {plan}");
            }
        }
    }

    #[test]
    fn every_action_is_either_a_change_or_coming_and_going() {
        let is_access = |action: Action| Action::COMING_AND_GOING.contains(&action);
        for &(action, name, _) in Action::NAMES {
            let quoted = format!("'{name}'");
            assert_eq!(About::Access.condition().contains(&quoted), is_access(action), "{name}");
            assert_eq!(About::Changes.condition().contains(&quoted), is_access(action), "{name}");
        }
    }
}
