//! Writing an edit, or a sign-in.

use super::{Credentials, CredentialsRow, columns};
use crate::db::{Dialect, Result, Sql, Tx, Value, from_row};
use crate::model::clock::Timestamp;
use crate::model::session::{Credential, SessionId};
use crate::model::text;
use crate::model::user::{User, UserId};

/// Writes the fields of a user that an edit may change, as the next version.
///
/// # Errors
/// [`crate::db::Error::UsernameTaken`], [`crate::db::Error::LastSuperuser`]
pub async fn update(tx: &mut Tx, user: &User) -> Result<()> {
    tx.execute(statement(None, user)).await.map(drop)
}

/// The same for those fields that differ from the row as it is locked. SQLite writes each index anew of which a column
/// is set, also to the value that it has.
///
/// # Errors
/// As [`update`].
pub async fn edit(tx: &mut Tx, before: &User, after: &User) -> Result<()> {
    tx.execute(statement(Some(before), after)).await.map(drop)
}

/// The same [with the next statement](Tx::execute_with_next), which may say what it would.
pub fn edit_with_next(tx: &mut Tx, before: &User, after: &User) {
    tx.execute_with_next(statement(Some(before), after));
}

/// What noting a sign-in finds.
#[derive(Debug)]
pub struct NotedSignIn {
    /// The user, with this sign-in as the last one, and their hash.
    pub found: Credentials,
    /// How many sessions of the kind they have, whether or not these have ended.
    pub sessions: u64,
    /// A primary key for the session that begins, to be used before any other session is stored.
    pub session: SessionId,
}

struct NotedRow {
    found: CredentialsRow,
    sessions: i64,
    session: i64,
}
from_row!(NotedRow { ..found, sessions, session });

/// Notes a sign-in of a user, which locks their row.
///
/// On PostgreSQL the count lacks the sessions that were committed while this waited for the row: callers hold a
/// [lock](crate::db::throttles::begin_holding) of the account's name.
pub async fn note_sign_in(
    tx: &mut Tx,
    id: UserId,
    kind: Credential,
    now: Timestamp,
) -> Result<Option<NotedSignIn>> {
    let mut sql = Sql::new(concat!(
        "UPDATE users SET last_login = $1 WHERE id = $2 RETURNING ",
        columns!(),
        ", users.password, (SELECT COUNT(*) FROM sessions WHERE user_id = $2 AND carrier = $3) AS sessions, "
    ));
    sql.push(match tx.dialect() {
        // What AUTOINCREMENT would give.
        Dialect::Sqlite => {
            "(SELECT MAX(COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'sessions'), 0), \
             COALESCE(MAX(id), 0)) + 1 FROM sessions) AS session"
        }
        Dialect::Postgres => "nextval('sessions_id_seq') AS session",
    });
    let row: Option<NotedRow> = tx.optional(sql.bind(now.micros()).bind(id.0).bind(kind.as_str())).await?;
    Ok(row.map(|row| NotedSignIn {
        found: row.found.into(),
        sessions: row.sessions.cast_unsigned(),
        session: SessionId(row.session),
    }))
}

fn statement(before: Option<&User>, user: &User) -> Sql {
    let differs = |differs: fn(&User, &User) -> bool| before.is_none_or(|before| differs(before, user));
    let is_renamed =
        differs(|a, b| a.username.as_str() != b.username.as_str() || a.username.key() != b.username.key());
    let has_first_name = differs(|a, b| a.first_name != b.first_name);
    let has_last_name = differs(|a, b| a.last_name != b.last_name);
    let has_email = differs(|a, b| a.email != b.email);
    let mut sql = Sql::new("UPDATE users SET version = ");
    sql.push_value(user.version);
    let mut set = |column: &'static str, value: Value| {
        sql.push(column).push_value(value);
    };
    set(", modified_at = ", user.modified_at.map(Timestamp::micros).into());
    if is_renamed {
        set(", username = ", user.username.as_str().into());
        set(", username_key = ", user.username.key().into());
        set(", username_folded = ", text::fold(user.username.as_str()).into());
    }
    if has_first_name {
        set(", first_name = ", user.first_name.as_str().into());
        set(", first_name_folded = ", text::fold(&user.first_name).into());
    }
    if has_last_name {
        set(", last_name = ", user.last_name.as_str().into());
        set(", last_name_folded = ", text::fold(&user.last_name).into());
    }
    if has_email {
        set(", email = ", user.email.as_str().into());
        set(", email_folded = ", text::fold(&user.email).into());
    }
    // The name that the console shows is the user name where there is no other.
    let has_name = is_renamed || has_first_name || has_last_name;
    if has_name {
        set(", name_folded = ", text::collation_key(&user.display_name()).into());
    }
    if has_name || has_email {
        set(", searchable = ", user.searchable().into());
    }
    if differs(|a, b| a.is_active != b.is_active) {
        set(", is_active = ", user.is_active.into());
    }
    if differs(|a, b| a.is_staff != b.is_staff) {
        set(", is_staff = ", user.is_staff.into());
    }
    if differs(|a, b| a.is_superuser != b.is_superuser) {
        set(", is_superuser = ", user.is_superuser.into());
    }
    if differs(|a, b| a.valid_from != b.valid_from) {
        set(", valid_from = ", user.valid_from.map(Timestamp::micros).into());
    }
    if differs(|a, b| a.valid_until != b.valid_until) {
        set(", valid_until = ", user.valid_until.map(Timestamp::micros).into());
    }
    if differs(|a, b| a.must_change_password != b.must_change_password) {
        set(", must_change_password = ", user.must_change_password.into());
    }
    let is_deprovisioned = |user: &User| user.is_deprovisioned && !user.is_active;
    if before.is_none_or(|before| before.is_deprovisioned != is_deprovisioned(user)) {
        set(", is_deprovisioned = ", is_deprovisioned(user).into());
    }
    sql.push(" WHERE id = ").push_value(user.id.0);
    sql
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Db, testing, users};
    use crate::model::password::PasswordHash;
    use crate::model::user::Username;

    const STORED: &str = "SELECT json_array(username, username_key, username_folded, first_name, first_name_folded, \
        last_name, last_name_folded, email, email_folded, name_folded, searchable, is_active, is_staff, is_superuser, \
        valid_from, valid_until, must_change_password, version, is_deprovisioned, modified_at) FROM users WHERE id = $1";

    #[rocket::async_test]
    async fn an_edit_of_each_field_stores_what_writing_all_of_them_does() {
        let (figment, _directory) = testing::sqlite().await;
        let db = Db::open(&figment.focus("databases.main")).await.unwrap();
        let at = |micros| Timestamp::from_micros(micros);
        let mut user = User {
            username: Username::from_row("Ada".into(), "ada".into()),
            first_name: "Ada".into(),
            ..User::blank(at(0))
        };
        let mut tx = db.begin().await.unwrap();
        user.id = users::insert(&mut tx, &user, &PasswordHash::unusable()).await.unwrap();
        let edits: [fn(&mut User); 13] = [
            |user| user.email = "Ada@Example.org".into(),
            |user| user.username = Username::from_row("Eve".into(), "eve".into()),
            |user| user.username = Username::from_row("EVE".into(), "eve".into()),
            |user| user.first_name.clear(),
            |user| user.last_name = "Lovelace".into(),
            |user| user.must_change_password = true,
            |user| user.valid_from = Some(Timestamp::from_micros(1)),
            |user| user.valid_until = Some(Timestamp::from_micros(2)),
            |user| (user.valid_from, user.valid_until) = (None, None),
            |user| (user.is_active, user.is_deprovisioned) = (false, true),
            |user| user.is_active = true,
            |user| user.is_staff = true,
            |user| user.is_superuser = true,
        ];
        for (n, change) in (3..).zip(edits) {
            // As the row is read: of an active account it never says so.
            user.is_deprovisioned &= !user.is_active;
            let before = user.clone();
            change(&mut user);
            user.count_edit(at(n));
            let stored = async |tx: &mut Tx| {
                tx.optional::<(String,)>(Sql::new(STORED).bind(user.id.0)).await.unwrap().unwrap().0
            };
            edit(&mut tx, &before, &user).await.unwrap();
            let edited = stored(&mut tx).await;
            update(&mut tx, &user).await.unwrap();
            assert_eq!(edited, stored(&mut tx).await);
        }
    }

    #[test]
    fn an_edit_leaves_the_indexes_of_other_fields_alone() {
        let before = User::blank(Timestamp::from_micros(0));
        let after = User { email: "ada@example.org".into(), version: 2, ..before.clone() };
        assert_eq!(
            statement(Some(&before), &after).text(),
            "UPDATE users SET version = $1, modified_at = $2, email = $3, email_folded = $4, searchable = $5 WHERE id = $6"
        );
    }
}
